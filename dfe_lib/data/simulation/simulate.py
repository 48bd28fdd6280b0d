"""Simulated cohorts: people who smile, frown, blink and talk, with labels that act on how often and how.

Nothing here is evidence about people: a cohort exists so that a protocol can be run where the right answer is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.simulation.config import CohortConfig
from dfe_lib.data.simulation.effects import effects
from dfe_lib.data.simulation.events import Events, display_names, draw_events
from dfe_lib.data.simulation.noise import ExtractionNoise
from dfe_lib.data.simulation.people import BLOCK, Habits, People, draw_habits, draw_people, stream
from dfe_lib.data.simulation.render import draw_detected, draw_pose, render_psi, wave_basis
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

CHUNK = 16_384  # frames that are made at once, or one recording where that is longer: 4 MB


def simulate_cohort(config: CohortConfig, seed: int, noise: ExtractionNoise | None = None) -> Cohort:
    """Simulate people, their recordings and what extraction would measure of them.

    Every person has own rates, amplitudes and speeds, a face that is not quite symmetric, an error of the neutral face,
    two displays that nobody else makes, a posture and a way of moving the head; every recording is a stream of displays
    with onset, apex and offset, in some of them with speech; labels act through the table of effects.

    Frames are made when they are asked for: ``cohort.chunks()`` gives a few recordings at a time and keeps none of
    them, ``cohort.frames`` makes all. Random numbers of different purposes are drawn apart, so with one seed the true ψ
    under the noise is that without it; effect size, world and table change what they act on and nothing else; and a
    smaller cohort is the first people of a larger one.

    Parameters
    ----------
    config : see :class:`CohortConfig`, which also says what the size of an effect means.
    seed : whole number, 0 or more.
    noise : applied to ψ of every frame; None leaves ψ exact.

    Returns
    -------
    Cohort, ``dataset`` always "simulated". Labels: ``stressed`` (0/1, per recording), the five traits (0–1,
    per subject), ``phq`` (0–24) and ``depressed`` (0/1, phq ≥ 10), per subject. ``people``: ``subject``, 20 modes
    ``identity_0`` … of face478 (standard normal) and ``skin`` (0–1). ``events``: ``recording, display, onset_s`` (the
    face begins to move), ``apex_s`` (full strength is reached), ``offset_s`` (it is at rest again), ``amplitude`` and
    ``lean`` (−1 right … 1 left); of displays under way at the begin or end of a recording also the times outside.

    Raises
    ------
    InputError : a seed that is none, or a table of effects that cannot be used.

    Examples
    --------
    >>> cohort = simulate_cohort(CohortConfig(subjects=2, recordings=2, seconds=1), seed=0)
    >>> cohort.recordings["dataset"].unique().tolist()
    ['simulated']
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be a whole number of at least 0, got {seed!r}")
    effects(config.effects)  # refused now rather than at the first frame
    simulation = Simulation(config, int(seed), draw_people(config, int(seed)))
    recordings = simulation.recordings()
    return Cohort(
        lambda: simulation.tables(recordings["recording"], noise),
        recordings,
        people=simulation.people_table(),
        events=lambda: simulation.events(recordings["recording"]),
    )


@dataclass(frozen=True, eq=False)
class Simulation:
    """A cohort that can be made block by block, in any order and as often as wanted, with the same result."""

    config: CohortConfig
    seed: int
    people: People

    def blocks(self) -> Iterator[tuple[int, int, Habits, Events]]:
        """Per block of people: its number, the recordings in it that are of the cohort, habits, events."""
        config = self.config
        contrasts = self.people.contrasts()
        for block in range(-(-config.subjects // BLOCK)):
            rows = slice(block * BLOCK, (block + 1) * BLOCK)
            members = min(BLOCK, config.subjects - rows.start)
            # The last block is filled up with people who are not used, so that the others do not depend on it.
            padded = {label: _filled(values[rows]) for label, values in contrasts.items()}
            habits = draw_habits(config, self.seed, block, padded)
            events = draw_events(config, self.seed, block, habits)
            yield block, members * config.recordings, habits, events

    def psi(self) -> Iterator[np.ndarray]:
        """True ψ of all recordings, (frames of some, 53) float32 at a time."""
        for _, used, habits, events in self.blocks():
            for first, last in self._parts(used):
                yield render_psi(self.config, events, habits, first, last)

    def tables(self, names: pd.Series, noise: ExtractionNoise | None) -> Iterator[pd.DataFrame]:
        """Frame tables of whole recordings, at most ``CHUNK`` frames or one recording each."""
        config, basis = self.config, wave_basis(self.config)
        for block, used, habits, events in self.blocks():
            waves = draw_pose(config, habits, stream(self.seed, "pose", block))
            detected = draw_detected(config, len(habits.person), stream(self.seed, "dropped", block))
            measuring = stream(self.seed, "noise", block)
            begin = block * BLOCK * config.recordings
            for first, last in self._parts(used):
                psi = render_psi(config, events, habits, first, last)
                if noise is not None:
                    psi = noise.apply(psi, measuring)
                yield _table(
                    config,
                    names[begin + first : begin + last],
                    psi,
                    basis @ waves[first:last],
                    detected[first:last],
                )

    def _parts(self, used: int) -> Iterator[tuple[int, int]]:
        step = max(1, CHUNK // self.config.frames)
        for first in range(0, used, step):
            yield first, min(first + step, used)

    def events(self, names: pd.Series) -> pd.DataFrame:
        """All displays that touch a recording, in order of recordings and onsets."""
        config, parts = self.config, []
        for block, used, _, events in self.blocks():
            seen = events.select(
                (events.recording < used) & (events.end > 0) & (events.start < config.seconds)
            )
            seen = seen.select(np.lexsort((seen.start, seen.recording)))
            parts.append(
                {
                    "recording": seen.recording + block * BLOCK * config.recordings,
                    "display": seen.display,
                    "onset_s": seen.start,
                    "apex_s": seen.start + seen.rise,
                    "offset_s": seen.end,
                    "amplitude": seen.amplitude,
                    "lean": seen.lean,
                }
            )
        table = pd.DataFrame({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
        shown = pd.Series(display_names(), dtype="str").take(table["display"])
        return table.assign(recording=names.take(table["recording"]).array, display=shown.array)

    def recordings(self) -> pd.DataFrame:
        config = self.config
        who = self._names().repeat(config.recordings).reset_index(drop=True)
        take = np.tile(np.arange(config.recordings), config.subjects)
        table = pd.DataFrame(
            {
                "recording": who + "_r" + pd.Series(take).astype("str"),
                "subject": who,
                "dataset": "simulated",
                "fps": config.fps,
                "n_frames": config.frames,
            }
        )
        return frames.check_recordings(pd.concat([table, self.people.labels()], axis=1))

    def people_table(self) -> pd.DataFrame:
        modes = {f"identity_{i}": column for i, column in enumerate(self.people.identity.T)}
        return pd.DataFrame({"subject": self._names(), **modes, "skin": self.people.skin})

    def _names(self) -> pd.Series:
        width = len(str(self.config.subjects))
        return pd.Series([f"sim{s:0{width}d}" for s in range(self.config.subjects)], dtype="str")


def _filled(values: np.ndarray) -> np.ndarray:
    """(BLOCK, recordings), with people of no label where there were fewer."""
    out = np.zeros((BLOCK, values.shape[1]))
    out[: len(values)] = values
    return out


def _table(
    config: CohortConfig, names: pd.Series, psi: np.ndarray, pose: np.ndarray, detected: np.ndarray
) -> pd.DataFrame:
    per, lost = config.frames, ~detected.ravel()
    pose = pose.reshape(-1, len(frames.POSE))
    psi[lost], pose[lost] = np.nan, np.nan
    keys = pd.DataFrame(
        {
            "recording": names.repeat(per).array,
            "frame": np.tile(np.arange(per, dtype=np.int32), len(names)),
            "time_s": np.tile(np.arange(per) / config.fps, len(names)),
            "detected": ~lost,
            "n_faces": (~lost).astype(np.int8),
        }
    )
    columns = [f"psi_{name}" for name in ICT53.names]
    table = pd.concat(
        [keys, pd.DataFrame(pose, columns=list(frames.POSE)), pd.DataFrame(psi, columns=columns)], axis=1
    )
    table.attrs = {"source": "simulated", "space": ICT53.name}
    return table
