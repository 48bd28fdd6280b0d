"""Who is simulated: labels, faces, and the habits of each person and session that labels act on."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, exp, pi, sqrt

import numpy as np
import pandas as pd

from dfe_lib.data.simulation.config import CohortConfig
from dfe_lib.data.simulation.effects import HEAD, SPEECH, TRAITS, effects
from dfe_lib.data.simulation.lexicon import lexicon
from dfe_lib.space import ICT53

PHQ_THRESHOLD = 10  # PHQ-8 at or above this counts as depressed, as in DAIC-WOZ
PHQ_MEAN, PHQ_SD, PHQ_MOST = 7.0, 5.5, 24  # a clinical and a healthy half; assumed
IDENTITIES = 20  # modes of face478
OWN = ("own_1", "own_2")  # displays that only one person makes
OWN_PER_MINUTE, OWN_AMPLITUDE, OWN_SECONDS = 5.0, 0.45, (0.35, 0.8, 0.5)  # assumed; as common as others
BLOCK = 16  # people that are drawn together; part of what a seed means

# Correlations of openness, conscientiousness, extraversion, agreeableness, neuroticism, depression. Signs as people
# report of themselves (van der Linden, te Nijenhuis & Bakker 2010: openness goes with extraversion, conscientiousness
# with agreeableness and low neuroticism, all five a little together); sizes, and all of depression, are assumed.
CORRELATIONS = np.array(
    [
        [1.00, 0.15, 0.35, 0.15, -0.10, 0.00],
        [0.15, 1.00, 0.20, 0.35, -0.35, -0.25],
        [0.35, 0.20, 1.00, 0.20, -0.30, -0.30],
        [0.15, 0.35, 0.20, 1.00, -0.30, -0.15],
        [-0.10, -0.35, -0.30, -0.30, 1.00, 0.50],
        [0.00, -0.25, -0.30, -0.15, 0.50, 1.00],
    ]
)
# Deviations of the properties, in units of style (between people) and session (between recordings of one).
SCALES = {"rate": 1.0, "amplitude": 0.5, "speed": 0.6, "one_sided": 3.0, "left": 3.0, "pairing": 3.0}


def stream(seed: int, what: str, block: int = 0) -> np.random.Generator:
    """Random numbers of one purpose: what is drawn for another purpose, or not drawn, changes none of them."""
    purpose = ("labels", "stress", "faces", "habits", "events", "pose", "dropped", "noise").index(what)
    return np.random.Generator(np.random.SFC64([seed, purpose, block]))


@dataclass(frozen=True, eq=False)
class People:
    """All people of a cohort, and which of their recordings are stressed.

    Attributes
    ----------
    scores : (subjects, 6) float, standard normal: traits, then depression.
    stressed : (subjects, recordings) int, 0 or 1.
    identity : (subjects, 20) float32, standard normal modes of face478. skin : (subjects,) float32, 0 (dark) – 1.
    """

    scores: np.ndarray
    stressed: np.ndarray
    identity: np.ndarray
    skin: np.ndarray

    def labels(self) -> pd.DataFrame:
        """One row per recording: ``stressed``, the five traits in 0–1, ``phq`` in 0–24 and ``depressed``."""
        subjects, recordings = self.stressed.shape
        table = pd.DataFrame({"stressed": self.stressed.ravel()})
        for trait, score in zip(TRAITS, self.scores.T[:5], strict=True):
            table[trait] = np.clip(0.5 + 0.14 * score, 0, 1).repeat(recordings)
        phq = np.clip(np.rint(PHQ_MEAN + PHQ_SD * self.scores[:, 5]), 0, PHQ_MOST).astype(int)
        table["phq"] = phq.repeat(recordings)
        table["depressed"] = (table["phq"] >= PHQ_THRESHOLD).astype(int)
        return table

    def contrasts(self) -> dict[str, np.ndarray]:
        """(subjects, recordings) of each label: its two groups lie one apart in the mean."""
        of = {"stress": self.stressed - 0.5}
        for label, score, gap in zip((*TRAITS, "depression"), self.scores.T, _GAPS, strict=True):
            of[label] = np.broadcast_to(score[:, None] / gap, self.stressed.shape)
        return of


def _gap(cut: float) -> float:
    """Distance of the means of a standard normal above and below ``cut``."""
    density, above = exp(-(cut**2) / 2) / sqrt(2 * pi), (1 - erf(cut / sqrt(2))) / 2
    return density / (above * (1 - above))


_GAPS = (*(_gap(0.0),) * 5, _gap((PHQ_THRESHOLD - 0.5 - PHQ_MEAN) / PHQ_SD))  # phq is rounded


def draw_people(config: CohortConfig, seed: int) -> People:
    """The people of a cohort; the first ones of a larger cohort are the same people."""
    n = config.subjects
    faces = stream(seed, "faces").standard_normal((n, IDENTITIES + 1), dtype=np.float32)
    order = stream(seed, "stress").random((n, config.recordings)).argsort(axis=1).argsort(axis=1)
    return People(
        stream(seed, "labels").standard_normal((n, 6)) @ np.linalg.cholesky(CORRELATIONS).T,
        (order + np.arange(n)[:, None])
        % 2,  # odd numbers of recordings: the odd one is stressed in half of the people
        faces[:, :IDENTITIES],
        (1 / (1 + np.exp(-1.7 * faces[:, IDENTITIES]))).astype(np.float32),  # about uniform
    )


@dataclass(frozen=True, eq=False)
class Habits:
    """What a block of people is like, per recording where sessions and labels matter. R recordings, D displays.

    Attributes
    ----------
    rate, amplitude, speed : (R, D) logs, over the lexicon's own. one_sided, left : (R, D) log-odds, likewise.
    label_rate : (R, D) the part of ``rate`` that labels bring.
    pairing : pair → (R,) log-odds.
    speech : (R,) log-odds of talking. head : (R,) log amplitude of head motion.
    tilt : (P, D) lean of events that are not one-sided, where a display has sides.
    neutral : (P, 53). own : (P, 2, 2, 53) left and right of each own display.
    person : (R,) row of ``tilt``, ``neutral`` and ``own``.
    """

    rate: np.ndarray
    label_rate: np.ndarray
    amplitude: np.ndarray
    speed: np.ndarray
    one_sided: np.ndarray
    left: np.ndarray
    pairing: dict[tuple[str, str], np.ndarray]
    tilt: np.ndarray
    neutral: np.ndarray
    own: np.ndarray
    speech: np.ndarray
    head: np.ndarray
    person: np.ndarray


def draw_habits(config: CohortConfig, seed: int, block: int, contrasts: dict[str, np.ndarray]) -> Habits:
    """Habits of one block of ``BLOCK`` people; ``contrasts`` are those of their recordings, (BLOCK, recordings)."""
    rng, known = stream(seed, "habits", block), lexicon()
    columns = [*known.names, *OWN, HEAD, SPEECH, *("+".join(pair) for pair in known.pairs)]
    shape = (BLOCK, config.recordings, len(columns))
    tilt = rng.standard_normal((BLOCK, len(known.names) + len(OWN)), dtype=np.float32) * 0.12
    neutral = rng.standard_normal((BLOCK, ICT53.dimension), dtype=np.float32) * np.float32(config.neutral)
    own = _own_displays(rng)
    values = {}
    for acts, scale in SCALES.items():
        person = rng.standard_normal((BLOCK, 1, len(columns))) * config.style
        values[acts] = scale * (person + rng.standard_normal(shape) * config.session)
    spread = np.hypot(config.style, config.session)
    labelled = {acts: np.zeros(shape) for acts in SCALES}
    for e in effects(config.effects):
        if config.world in ("mixed", e.world):
            shift = config.effect * e.weight * SCALES[e.acts] * spread * contrasts[e.label]
            labelled[e.acts][..., columns.index(e.display)] += shift
    flat = {
        acts: (values[acts] + labelled[acts]).reshape(-1, len(columns)).astype(np.float32) for acts in SCALES
    }
    d, speech = len(known.names) + len(OWN), columns.index(SPEECH)
    return Habits(
        rate=flat["rate"][:, :d], label_rate=labelled["rate"].reshape(-1, len(columns))[:, :d].astype(np.float32),
        amplitude=flat["amplitude"][:, :d], speed=flat["speed"][:, :d],
        one_sided=flat["one_sided"][:, :d], left=flat["left"][:, :d],
        pairing={pair: flat["pairing"][:, columns.index("+".join(pair))] for pair in known.pairs},
        tilt=tilt,
        neutral=neutral, own=own, speech=flat["rate"][:, speech], head=flat["amplitude"][:, columns.index(HEAD)],
        person=np.arange(BLOCK).repeat(config.recordings),
    )  # fmt: skip


def _own_displays(rng: np.random.Generator) -> np.ndarray:
    """(BLOCK, 2, 2, 53): up to three coefficients of brows, nose, cheeks and mouth each, of either side."""
    free = [i for i, n in enumerate(ICT53.names) if not n.startswith(("eye", "mouthClose", "jawOpen"))]
    own = np.zeros((BLOCK, len(OWN), ICT53.dimension), np.float32)
    chosen = np.take(free, rng.integers(len(free), size=(*own.shape[:2], 3)))
    np.put_along_axis(own, chosen, 0.5 + 0.5 * rng.random(chosen.shape, dtype=np.float32), axis=2)
    return np.stack([own / 2, own / 2], axis=2)
