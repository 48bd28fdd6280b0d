"""Displays in time: when each begins, how long it takes, how strong it is and to which side it leans."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Self

import numpy as np

from dfe_lib.data.simulation.config import CohortConfig
from dfe_lib.data.simulation.lexicon import lexicon
from dfe_lib.data.simulation.people import (
    OWN,
    OWN_AMPLITUDE,
    OWN_PER_MINUTE,
    OWN_SECONDS,
    Habits,
    stream,
)

CEILING = 3.0  # no label makes a display more than so many times as frequent; bounds what has to be drawn
LEAD = 3.0  # seconds before a recording from which displays may still last
MOST = 1.2  # no coefficient exceeds it: two displays at once saturate
STRENGTH_SD, DURATION_SD, LEAN_SD = 0.35, 0.3, 0.06  # from event to event; logs, logs, and a lean
ONE_SIDED = 0.9  # lean of an event on one side
TOGETHER = 0.1  # seconds between two displays that come together, a deviation
PHRASE = (4.0, 7.0)  # seconds from one phrase to the next
SPOKEN = 0.75  # of it spoken


@dataclass(frozen=True, eq=False)
class Events:
    """Flat arrays over the displays of some recordings, sorted by recording.

    Attributes
    ----------
    recording, display : (E,) int; displays are those of the lexicon, then people's own.
    start, rise, hold, fall : (E,) float32 s. amplitude : (E,) float32. lean : (E,) float32, left is positive.
    """

    recording: np.ndarray
    display: np.ndarray
    start: np.ndarray
    rise: np.ndarray
    hold: np.ndarray
    fall: np.ndarray
    amplitude: np.ndarray
    lean: np.ndarray

    @property
    def end(self) -> np.ndarray:
        return self.start + self.rise + self.hold + self.fall

    def select(self, where: np.ndarray | slice) -> Self:
        return type(self)(*(getattr(self, f.name)[where] for f in fields(self)))


def display_names() -> tuple[str, ...]:
    """Names that ``Events.display`` counts through."""
    return (*lexicon().names, *OWN)


def draw_events(config: CohortConfig, seed: int, block: int, habits: Habits) -> Events:
    """All displays of the recordings of one block.

    More displays are drawn than happen, each with everything that it would be, and a mark that says how frequent its
    kind must be for it to happen. So an effect on a rate adds or removes displays and leaves all others untouched.
    """
    rng, known = stream(seed, "events", block), _columns()
    ceiling = np.where(known.spoken, 1, CEILING).astype(np.float32)
    usual = known.per_minute / 60 * np.exp(habits.rate - habits.label_rate)
    counts = rng.poisson(usual * ceiling * (config.seconds + LEAD))
    n = len(counts)
    talks = rng.random(n) < _share(np.full(n, config.speech, np.float32), habits.speech)
    period, phase = rng.uniform(*PHRASE, n).astype(np.float32), rng.random(n, dtype=np.float32)

    cell = np.repeat(np.arange(counts.size, dtype=np.int32), counts.ravel())
    recording, display = np.divmod(cell, counts.shape[1])
    start, mark, side, lateral, together, partner = rng.random((6, len(cell)), dtype=np.float32)
    strong, long, leaning, apart = rng.standard_normal((4, len(cell)), dtype=np.float32)
    start = start * np.float32(config.seconds + LEAD) - np.float32(LEAD)
    happens = mark < (np.exp(habits.label_rate) / ceiling).ravel()[cell]
    spoken = np.flatnonzero(known.spoken[display] & happens)
    said = recording[spoken]
    happens[spoken] = talks[said] & ((start[spoken] / period[said] + phase[said]) % 1 < SPOKEN)

    keep = np.flatnonzero(happens)
    recording, display, cell, start = recording[keep], display[keep], cell[keep], start[keep]
    start = _pair(start, cell, counts.shape, together[keep], partner[keep], apart[keep], habits)

    amplitude = known.amplitude[display] * np.exp(STRENGTH_SD * strong[keep] + habits.amplitude.ravel()[cell])
    amplitude = np.minimum(amplitude, 1.0).astype(np.float32)
    rise, hold, fall = (known.seconds[display] * np.exp(DURATION_SD * long[keep])[:, None]).T
    still = rise + hold
    rise = np.minimum(rise * np.exp(-habits.speed.ravel()[cell]), 0.9 * still)

    share = _share(known.one_sided, habits.one_sided).ravel()
    alone = side[keep] < np.where(known.directed[display], 2, share[cell])
    sign = np.where(lateral[keep] < _share(np.float32(0.5), habits.left).ravel()[cell], 1, -1).astype(
        np.float32
    )
    usual_lean = habits.tilt[habits.person[recording], display] + LEAN_SD * leaning[keep]
    usual_lean *= known.leans[display]
    room = np.minimum(MOST / np.maximum(amplitude, 1e-6) - 1, ONE_SIDED)  # the stronger side never saturates
    lean = np.clip(np.where(alone, sign * ONE_SIDED, usual_lean), -room, room)
    lean = np.where(known.directed[display], sign, lean)
    columns = (start, rise, still - rise, fall, amplitude, lean)
    return Events(recording, display, *(np.asarray(c, np.float32) for c in columns))


@dataclass(frozen=True, eq=False)
class _Columns:
    """The lexicon and people's own displays, as arrays."""

    per_minute: np.ndarray
    seconds: np.ndarray  # (D, 3)
    amplitude: np.ndarray
    one_sided: np.ndarray
    directed: np.ndarray
    spoken: np.ndarray
    leans: np.ndarray  # whether it has two sides that differ a little whenever it is made


@lru_cache(maxsize=1)
def _columns() -> _Columns:
    known, own = lexicon().displays, len(OWN)
    return _Columns(
        np.array([d.per_minute for d in known] + [OWN_PER_MINUTE] * own),
        np.array([d.seconds for d in known] + [OWN_SECONDS] * own, np.float32),
        np.array([d.amplitude for d in known] + [OWN_AMPLITUDE] * own, np.float32),
        np.array([d.one_sided for d in known] + [0.0] * own, np.float32),
        np.array([d.directed for d in known] + [False] * own),
        np.array([d.kind == "speech" for d in known] + [False] * own),
        np.array([d.sided and d.kind in ("facs", "beyond") for d in known] + [False] * own),
    )


def _share(base: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """The share ``base`` with its log-odds shifted; 0 stays 0."""
    odds = base / (1 - base) * np.exp(log_odds)
    return odds / (1 + odds)


def _pair(start, cell, shape, together, partner, apart, habits: Habits) -> np.ndarray:
    """Onsets after some displays have been moved beside another one of the same recording."""
    names, n_displays = display_names(), shape[1]
    count = np.bincount(cell, minlength=shape[0] * n_displays)
    first = np.cumsum(count) - count
    moved_start = start.copy()
    for pair, share in lexicon().pairs.items():
        moved, joined = (names.index(name) for name in pair)
        rows = np.flatnonzero(cell % n_displays == moved)
        recording = cell[rows] // n_displays
        beside = recording * n_displays + joined
        chance = _share(np.float32(share), habits.pairing[pair])[recording]
        go = (together[rows] < chance) & (count[beside] > 0)
        rows, beside = rows[go], beside[go]
        chosen = first[beside] + np.minimum(partner[rows] * count[beside], count[beside] - 1).astype(int)
        moved_start[rows] = start[chosen] + TOGETHER * apart[rows]
    return moved_start
