"""Frames that codings are compared on, whose they are, and what the codings may learn from.

Nobody learns from a frame, or a person, that is tested here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.arkit import ENTRY as ARKIT
from dfe_lib.data.adapters.arkit import read_range_of_motion
from dfe_lib.data.adapters.pyfeat import ENTRY as NEWS
from dfe_lib.data.adapters.pyfeat import News, read_news
from dfe_lib.data.cohort import read_recordings
from dfe_lib.data.displays import sample_displays
from dfe_lib.data.manifest import available
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.data.tracks import shipped_tracks
from dfe_lib.errors import InputError, choices
from dfe_lib.shards import find
from dfe_lib.space import ICT53, space_of
from dfe_lib.tokens.build import N_TRAIN, TAKE, range_of_motion, simulated_frames

BLOCK_S = 2.0  # seconds: the unit of a single recording; expressions rarely last longer
TRAINED_WITH = 0  # seed of the frames that the shipped tokenizer was trained on


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Frames of one source.

    Attributes
    ----------
    name : in tables and figures.
    source : ``simulated``, ``embedded``, ``open`` or ``gated``.
    what : which data, in words.
    psi : (n, 53) float32, finite.
    unit : (n,) str, what intervals resample: subjects, else recordings, else blocks of 2 s.
    unit_name : ``subject``, ``clip``, ``recording``, ``display`` or ``two-second block``.
    group : (n,) str, of which group the frame's person or recording is; all alike where none is known.
    """

    name: str
    source: str
    what: str
    psi: np.ndarray
    unit: np.ndarray
    unit_name: str
    group: np.ndarray

    @property
    def units(self) -> int:
        return len(np.unique(self.unit))

    @property
    def label(self) -> str:
        """``news actors``, and on a second line ``477 frames, 20 clips``."""
        plural = "s" if self.units != 1 else ""
        return f"{self.name}\n{len(self.psi)} frames, {self.units} {self.unit_name}{plural}"

    def rows(self, where: np.ndarray) -> HeldOut:
        """The frames that ``where`` (bool or index) picks."""
        return replace(self, psi=self.psi[where], unit=self.unit[where], group=self.group[where])

    def at_most(self, n: int) -> HeldOut:
        """Every k-th frame, so that no more than ``n`` are left and every unit keeps its share."""
        step = -(-len(self.psi) // n)
        return self.rows(np.arange(0, len(self.psi), step)) if step > 1 else self


def training_frames(n: int) -> tuple[np.ndarray, str]:
    """About ``n`` of the frames that the shipped tokenizer was trained on, and which they are, in words.

    Returns
    -------
    (m, 53) float32, m ≤ n + 2: every k-th frame of each kind.
    """
    kinds = simulated_frames(N_TRAIN, TRAINED_WITH)
    words = "simulated displays and a simulated cohort"
    if available(ARKIT):
        kinds["range of motion"] = range_of_motion()[0]
        words += ", and two thirds of the takes of one person's ARKit range of motion"
    whole = np.concatenate(list(kinds.values()))
    step = max(1, -(-len(whole) // n))
    return whole[::step], f"every {step}th of {len(whole)} frames: {words}"


def held_out(
    subjects: int, most: int, seed: int, frames_path: str | Path = "", recordings_path: str | Path = "",
    group: str = "",
) -> list[HeldOut]:  # fmt: skip
    """Every source that is at hand, the user's own first.

    Parameters
    ----------
    subjects : of the simulated cohort, none of whom the tokenizer or any other coding has learnt from.
    most : frames of each source, taken evenly.
    frames_path, recordings_path, group : see :func:`read_frames`; empty paths: no frames of the user's own.
    """
    found = [read_frames(frames_path, recordings_path, group, most)] if str(frames_path) else []
    found += [simulated_cohort(subjects, seed), simulated_displays(most, seed)]
    if available(ARKIT):
        found.append(arkit_takes())
    if available(NEWS):
        found.append(news_frames(read_news()))
    return [part.at_most(most) for part in (*found, tracks())]


def simulated_cohort(subjects: int, seed: int) -> HeldOut:
    """Simulated people whom nobody has learnt from, measured as the extraction would measure them."""
    config = CohortConfig(subjects=subjects, recordings=2, seconds=10.0)
    cohort = simulate_cohort(config, 70_000 + seed, ExtractionNoise.load())
    table = cohort.frames.merge(cohort.recordings, on="recording")
    psi, table = _detected(table)
    depressed = np.where(table["depressed"] == 1, "simulated PHQ ≥ 10", "simulated PHQ < 10")
    what = f"a cohort of {subjects} simulated people (dfe_lib.data.simulation); nobody has learnt from them"
    return HeldOut(
        "simulated cohort", "simulated", what, psi, table["subject"].to_numpy(str), "subject", depressed
    )


def simulated_displays(n: int, seed: int) -> HeldOut:
    """Random displays, each for itself."""
    psi = sample_displays(n, np.random.default_rng([seed, 70_000]))
    unit = np.char.zfill(np.arange(n).astype(str), 6)
    what = "random displays (dfe_lib.data.displays), from the generator that training displays came from"
    return HeldOut("simulated displays", "simulated", what, psi, unit, "display", np.full(n, "all"))


def arkit_takes() -> HeldOut:
    """The takes of the ARKit range of motion that nobody has learnt from: one person."""
    table = read_range_of_motion()
    found = np.isfinite(frames.psi(table, ICT53.names)).all(axis=1)
    held = np.zeros(len(table), bool)
    held[np.flatnonzero(found)] = np.arange(found.sum()) // TAKE % 3 == 1
    psi, table = _detected(table[held])
    what = "one person's ARKit range of motion (arkit-range-of-motion, MIT): takes held out"
    return HeldOut(
        "ARKit range of motion",
        "open",
        what,
        psi,
        _blocks(table),
        "two-second block",
        np.full(len(psi), "all"),
    )


def news_frames(news: News) -> HeldOut:
    """The news actors; ψ by our regressor from Py-Feat's mesh. Who speaks in which clip is not stated."""
    psi, table = _detected(news_table(news))
    labels = news.recordings.set_index("recording")["label"]
    return HeldOut(
        "news actors", "open", "20 news clips of actors (pyfeat-news, MIT), ψ by our regressor from Py-Feat's mesh",
        psi, table["recording"].to_numpy(str), "clip", table["recording"].map(labels).to_numpy(str),
    )  # fmt: skip


def news_table(news: News) -> pd.DataFrame:
    """The frame table of the news clips with ψ, row by row as ``news.aus``."""
    from dfe_lib.face import ExpressionRegressor

    psi = ExpressionRegressor.load().predict(
        frames.landmarks(news.frames), news.frames["recording"].to_numpy()
    )
    return frames.with_psi(news.frames.drop(columns="landmarks"), psi, ICT53.names)


def tracks() -> HeldOut:
    """The shipped tracks."""
    psi, table = _detected(shipped_tracks().drop(columns="landmarks", errors="ignore"))
    what = "landmark tracks of clips of Intel IoT DevKit sample-videos (CC BY 4.0), ψ by our regressor"
    return HeldOut(
        "recorded tracks", "embedded", what, psi, table["recording"].to_numpy(str), "recording",
        np.full(len(psi), "all"),
    )  # fmt: skip


def read_frames(
    path: str | Path, recordings_path: str | Path = "", group: str = "", most: int | None = None
) -> HeldOut:
    """Frames of the user's own, as ``dfe extract`` writes them, for testing only.

    Tables are walked through part by part, once to count and once to pick: only the frames that are kept are held.

    Parameters
    ----------
    path : a .parquet frame table with ``psi_`` columns, or a folder of them.
    recordings_path : CSV with ``recording, subject, dataset``; without it every recording is its own subject.
    group : column of that CSV to compare coverage by, e.g. an age group.
    most : at most so many frames, every k-th (:meth:`HeldOut.at_most`); by default all.

    Raises
    ------
    InputError : no table, no ψ, another expression space than ICT53, no frame with a face, a recording that the
        CSV does not name or a column that it does not have.
    """
    folder = Path(path)
    files = find(folder)
    if group and not str(recordings_path):
        raise InputError(
            f"group '{group}' is a column of the recording table: name that with recordings_path"
        )
    rows, names, seen = _count_frames(files, folder)
    people = None
    if str(recordings_path):
        people = read_recordings(recordings_path, [group] if group else []).set_index("recording")
        absent = sorted(names - set(people.index))
        if absent:
            raise InputError(
                f"{recordings_path} does not name recording '{absent[0]}' ({len(absent)} in all)"
            )
    step = 1 if most is None else max(1, -(-rows // most))
    psi, table = _every(files, step)
    recording = table["recording"]
    unit, unit_name, units = recording, "recording", len(seen)
    if people is not None and len(found := set(people.loc[sorted(seen), "subject"])) > 1:
        unit, unit_name, units = recording.map(people["subject"]), "subject", len(found)
    # One person: recordings, and of one recording its blocks.
    unit = _blocks(table) if units < 2 else unit.to_numpy(str)
    return HeldOut(
        folder.stem,
        "gated",
        f"your own frames ({folder.name}), for testing only",
        psi,
        unit,
        unit_name if units > 1 else "two-second block",
        recording.map(people[group]).to_numpy(str) if group else np.full(len(psi), "all"),
    )


def _count_frames(files: list[Path], folder: Path) -> tuple[int, set[str], set[str]]:
    """Frames with ψ, names of the recordings, and of those with such a frame; refuses what cannot be used."""
    rows, seen = 0, set()
    spans: dict[str, tuple[int, int]] = {}
    for file in files:
        space = space_of(frames.attrs(file), str(file))
        if space.name != ICT53.name:
            raise InputError(
                f"{file} holds ψ of space '{space.name}', but these codings are of space '{ICT53.name}'; "
                "a coding cannot be used on another expression space"
            )
        for psi, part in _finite(file):
            rows += len(psi)
            seen |= set(part["recording"].unique())
        keys = pd.concat(frames.stream([file], ["recording", "frame"]), ignore_index=True)
        repeated = keys[keys.duplicated()]
        for name, own in keys.groupby("recording")["frame"]:
            first, last = spans.setdefault(name, (own.max() + 1, own.max()))
            if own.min() <= last and own.max() >= first:
                repeated = keys[keys["recording"] == name] if repeated.empty else repeated
            spans[name] = min(first, own.min()), max(last, own.max())
        if len(repeated):
            row = repeated.iloc[0]
            raise InputError(
                f"frame {row['frame']} of recording '{row['recording']}' stands twice in {folder}"
            )
    if not rows:
        raise InputError(f"{folder} has {len(spans)} recordings and no face in any frame of them")
    return rows, set(spans), seen


def _every(files: list[Path], step: int) -> tuple[np.ndarray, pd.DataFrame]:
    """ψ of every ``step``-th frame that has it, and whose and when they are."""
    kept, start = [], 0
    for file in files:
        for psi, part in _finite(file):
            rows = np.arange(-start % step, len(psi), step)
            kept.append((psi[rows], part.iloc[rows]))
            start += len(psi)
    psi, tables = zip(*kept, strict=True)
    return np.concatenate(psi), pd.concat(tables, ignore_index=True)


def _finite(file: Path) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
    """ψ of the frames with a face, and their keys, part by part."""
    columns = [*frames.KEYS, *(f"psi_{name}" for name in ICT53.names)]
    for part in frames.parts(file, columns, needs=["psi_"]):
        psi, own = _detected(part)
        yield psi, own[list(frames.KEYS)]


def _detected(table: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """ψ of the frames with a face, and their rows."""
    psi = frames.psi(table, ICT53.names)
    seen = np.isfinite(psi).all(axis=1)
    return psi[seen], table[seen].reset_index(drop=True)


def _blocks(table: pd.DataFrame) -> np.ndarray:
    number = (table["time_s"] // BLOCK_S).astype(int).astype(str).str.zfill(5)
    return (table["recording"].astype(str) + " " + number).to_numpy(str)


def select(sources: list[HeldOut], name: str) -> HeldOut:
    """The source of that name.

    Raises
    ------
    InputError : there is none; names the nearest.
    """
    for source in sources:
        if source.name == name:
            return source
    raise InputError(f"no such source: {choices(name, [s.name for s in sources])}")
