"""Simulated cohorts: people who smile, frown, blink and talk, with labels that act on how often and how.

Nothing here is evidence about people. Every effect is ours ("assumed"), its direction chosen to resemble
what is commonly reported; the cohort exists so that a protocol can be run where the right answer is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from dfe_lib import artefacts, frames
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.displays import SYNERGIES, synergy_basis
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
WORLDS = ("mixed", "facs", "beyond")
PHQ_THRESHOLD = 10  # PHQ-8 at or above this counts as depressed, as in DAIC-WOZ

# Events per minute of a neutral, average person; speech adds visemes. Our choice.
RATES: dict[str, float] = {
    "smile": 8, "laugh": 3, "frown": 6, "worry": 4, "surprise": 4, "disgust": 2, "sad": 3, "tight": 5,
    "bite": 4,
    "puff": 3, "sideways": 3, "sidewise": 3, "blink": 17, "gaze_up": 4, "gaze_down": 8, "gaze_left": 5,
    "gaze_right": 5,
}  # fmt: skip
VISEMES = ("open", "round", "wide")
_SECONDS = {"blink": 0.25, "gaze_up": 0.8, "gaze_down": 0.8, "gaze_left": 0.8, "gaze_right": 0.8}  # else 1.5
# A frown that comes with pressed lips, and so on: the pair, and how often the first brings the second.
PAIRS: dict[tuple[str, str], float] = {
    ("frown", "tight"): 0.25,
    ("sad", "gaze_down"): 0.25,
    ("smile", "surprise"): 0.2,
}


@dataclass(frozen=True)
class Effect:
    """One line of the effect table: what a label of one standard deviation does.

    Attributes
    ----------
    label : ``stress``, ``depression`` or a trait.
    display : a display of ``RATES``, or ``first+second`` of ``PAIRS``.
    on : ``rate`` (log rate), ``amplitude`` (log amplitude), ``speed`` (log of onset and offset speed),
        ``pairing``
        (logit of how often the first brings the second, at unchanged rates).
    weight : times ``CohortConfig.effect`` times the between-person deviation of that property.
    world : ``facs`` where 17 automatic action units can show it in their means, else ``beyond``.
    source : where the effect is from.
    """

    label: str
    display: str
    on: str
    weight: float
    world: str
    source: str = "assumed"


EFFECTS: tuple[Effect, ...] = (
    Effect("stress", "frown", "rate", 1.0, "facs"),
    Effect("stress", "tight", "rate", 0.7, "facs"),
    Effect("stress", "blink", "rate", 0.7, "facs"),
    Effect("stress", "bite", "rate", 1.0, "beyond"),
    Effect("stress", "sideways", "rate", 1.0, "beyond"),
    Effect("stress", "frown+tight", "pairing", 2.0, "beyond"),
    Effect("depression", "smile", "rate", -1.0, "facs"),
    Effect("depression", "smile", "amplitude", -1.0, "facs"),
    Effect("depression", "smile", "speed", -1.0, "facs"),
    Effect("depression", "sad", "rate", 0.7, "facs"),
    Effect("depression", "gaze_down", "rate", 1.0, "beyond"),
    Effect("depression", "sad+gaze_down", "pairing", 2.0, "beyond"),
    Effect("depression", "puff", "rate", -1.0, "beyond"),
    Effect("extraversion", "smile", "rate", 1.0, "facs"),
    Effect("extraversion", "laugh", "amplitude", 1.0, "facs"),
    Effect("extraversion", "sidewise", "rate", 1.0, "beyond"),
    Effect("openness", "surprise", "rate", 1.0, "facs"),
    Effect("openness", "smile+surprise", "pairing", 2.0, "beyond"),
    Effect("conscientiousness", "tight", "amplitude", 0.7, "facs"),
    Effect("conscientiousness", "puff", "rate", -1.0, "beyond"),
    Effect("agreeableness", "laugh", "rate", 1.0, "facs"),
    Effect("agreeableness", "disgust", "rate", -0.7, "facs"),
    Effect("agreeableness", "sideways", "rate", -1.0, "beyond"),
    Effect("neuroticism", "worry", "rate", 1.0, "facs"),
    Effect("neuroticism", "bite", "rate", 1.0, "beyond"),
)


@dataclass(frozen=True)
class CohortConfig:
    """Size and nature of a simulated cohort; every number is our choice."""

    subjects: int = 60  # the size of the smaller real cohorts
    recordings: int = 4  # per subject; half of them stressed
    seconds: float = 20.0  # First Impressions clips last 15 s
    fps: float = 10.0  # enough for a blink, cheap enough for a demo
    effect: float = (
        0.8  # standardised effect of one label deviation on the latent property; 0: nothing to find
    )
    world: str = "mixed"  # which lines of EFFECTS act: "facs", "beyond" or both
    style: float = 0.5  # between-person deviation of log rates, log amplitudes and log speed
    session: float = 0.2  # the same from recording to recording of one person
    neutral: float = 0.02  # deviation of the error in each person's neutral face, per coefficient
    speech: float = 0.5  # share of recordings in which the person talks
    dropped: float = 0.01  # share of frames without a detected face

    def __post_init__(self):
        if self.world not in WORLDS:
            raise InputError(f"unknown world: {choices(self.world, WORLDS)}")
        if self.subjects < 2 or self.recordings < 1 or self.seconds <= 0 or self.fps <= 0:
            raise InputError(
                "a cohort needs at least 2 subjects, 1 recording each, and seconds and fps above 0"
            )
        if self.seconds * self.fps < 2:
            raise InputError(f"{self.seconds} s at {self.fps} fps is less than two frames")
        for name in ("style", "session", "neutral"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is a standard deviation and cannot be negative")
        for name in ("speech", "dropped"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} is a share and must lie in 0 … 1 (1 excluded), got {getattr(self, name)}"
                )


@dataclass(frozen=True, eq=False)
class ExtractionNoise:
    """What extraction does to ψ: ``measured = gain · ψ + L ε``, ε standard normal, new in every frame.

    Attributes
    ----------
    gain : (d,) float.
    residual_cholesky : (d, d) float, L.
    """

    gain: np.ndarray
    residual_cholesky: np.ndarray

    @classmethod
    def load(cls, path: str = "extraction-noise") -> Self:
        """The noise model shipped with the package, measured on held-out renders."""
        artefact = artefacts.load(path, kind="noise-model")
        d = ICT53.dimension
        artefacts.expect(artefact, path, gain=(d,), residual_cholesky=(d, d))
        return cls(artefact.tensors["gain"], artefact.tensors["residual_cholesky"])

    def apply(self, psi: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n, d) measured ψ."""
        return psi * self.gain + rng.standard_normal(psi.shape, dtype=np.float32) @ self.residual_cholesky.T


def simulate_cohort(config: CohortConfig, seed: int, noise: ExtractionNoise | None = None) -> Cohort:
    """Simulate people, their recordings and what extraction would measure of them.

    Every person has own rates, amplitudes, speed, left–right balance and an error of the neutral face; every
    recording is a stream of displays with onset, apex and offset; labels act through ``EFFECTS``.

    Parameters
    ----------
    noise : applied to ψ of every frame; None leaves ψ exact.

    Returns
    -------
    Cohort, ``dataset`` always "simulated". Labels: ``stressed`` (0/1, per recording), the five traits (0–1,
    per subject), ``phq`` (0–24) and ``depressed`` (0/1, phq ≥ 10), per subject.

    Examples
    --------
    >>> cohort = simulate_cohort(CohortConfig(subjects=2, recordings=2, seconds=1), seed=0)
    >>> cohort.recordings["dataset"].unique().tolist()
    ['simulated']
    """
    rng = np.random.default_rng(seed)
    names = list(SYNERGIES)
    people = _people(config, rng)
    subject = np.repeat(np.arange(config.subjects), config.recordings)
    stressed = np.tile(np.arange(config.recordings) % 2, (config.subjects, 1))
    stressed = rng.permuted(stressed, axis=1).ravel()
    # Labels in deviations; stress has two states half a deviation from the middle.
    z = {label: people.loc[subject, label].to_numpy() for label in (*TRAITS, "depression")}
    z["stress"] = stressed - 0.5

    shifts = {on: np.zeros((len(subject), len(names))) for on in ("rate", "amplitude", "speed")}
    pairing = dict.fromkeys(PAIRS, 0.0)
    for e in EFFECTS:
        if config.world not in ("mixed", e.world):
            continue
        size = config.effect * e.weight * z[e.label]
        if e.on == "pairing":
            pair = tuple(e.display.split("+"))
            pairing[pair] = pairing[pair] + size
        else:
            shifts[e.on][:, names.index(e.display)] += size * config.style
    for shift in shifts.values():
        shift += rng.normal(0, config.style, (config.subjects, len(names)))[subject]
        shift += rng.normal(0, config.session, shift.shape)
    talks = rng.random(len(subject)) < config.speech
    events = _events(config, names, shifts, pairing, talks, rng)
    balance = np.clip(rng.normal(0, 0.12, (config.subjects, len(names)))[subject], -0.6, 0.6)
    psi = _render(config, events, balance, len(subject))
    psi += np.repeat(
        rng.normal(0, config.neutral, (config.subjects, psi.shape[1]))[subject], len(psi) // len(subject), 0
    )
    psi = psi.astype(np.float32)
    if noise is not None:
        psi = noise.apply(psi, rng).astype(np.float32)
    return _tables(config, psi, subject, stressed, people, rng)


def _people(config: CohortConfig, rng: np.random.Generator) -> pd.DataFrame:
    """Standard normal traits and depression per subject, correlated; depression most with neuroticism."""
    labels = (*TRAITS, "depression")
    correlation = np.full((6, 6), 0.15) + np.eye(6) * 0.85
    for trait, r in (("neuroticism", 0.4), ("extraversion", -0.2)):
        correlation[5, labels.index(trait)] = correlation[labels.index(trait), 5] = r
    return pd.DataFrame(
        rng.multivariate_normal(np.zeros(6), correlation, config.subjects), columns=list(labels)
    )


def _events(config, names, shifts, pairing, talks, rng) -> dict[str, np.ndarray]:
    """Flat arrays over all displays of all recordings: recording, display, start, rise, hold, fall (s), …"""
    per_minute = np.array([RATES.get(name, 0.0) for name in names])
    rate = per_minute * np.exp(shifts["rate"])
    for viseme in VISEMES:
        rate[:, names.index(viseme)] += 60.0 * talks  # about three visemes a second
    chance = {
        pair: np.broadcast_to(1 / (1 + (1 / p - 1) * np.exp(-np.asarray(pairing[pair]))), (len(rate),))
        for pair, p in PAIRS.items()
    }
    solo = rate.copy()
    for (
        first,
        second,
    ), p in chance.items():  # brought-along events replace own ones: the rate stays what it was
        a, b = names.index(first), names.index(second)
        solo[:, b] = np.maximum(solo[:, b] - p * rate[:, a], 0)
    counts = rng.poisson(solo * config.seconds / 60)
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    recording, display = np.divmod(cells, len(names))
    start = rng.uniform(-1.0, config.seconds, len(cells))
    for (first, second), p in chance.items():
        brings = np.flatnonzero((display == names.index(first)) & (rng.random(len(display)) < p[recording]))
        recording = np.concatenate([recording, recording[brings]])
        start = np.concatenate([start, start[brings] + rng.normal(0, 0.1, len(brings))])
        display = np.concatenate([display, np.full(len(brings), names.index(second))])
    n = len(display)
    length = np.array([_SECONDS.get(name, 0.3 if name in VISEMES else 1.5) for name in names])[display]
    length = length * np.exp(rng.normal(0, 0.3, n))
    slow = np.exp(-shifts["speed"][recording, display])
    amplitude = rng.beta(3, 3, n) * np.exp(shifts["amplitude"][recording, display])
    amplitude[display == names.index("blink")] = 0.9  # a blink closes the eye, whoever blinks
    amplitude[np.isin(display, [names.index(v) for v in VISEMES])] *= 0.5
    return {
        "recording": recording,
        "display": display,
        "start": start,
        "rise": 0.25 * length * slow,
        "hold": 0.4 * length,
        "fall": 0.35 * length * slow,
        "amplitude": np.minimum(amplitude, 1.2),
    }


def _render(config: CohortConfig, events: dict, balance: np.ndarray, recordings: int) -> np.ndarray:
    """ψ of all frames, (recordings · frames, d): envelopes of the events, summed per side of the face."""
    basis = synergy_basis().astype(np.float64)
    per = int(round(config.seconds * config.fps))
    end = events["start"] + events["rise"] + events["hold"] + events["fall"]
    first = np.clip(np.ceil(events["start"] * config.fps), 0, per).astype(int)
    last = np.clip(np.floor(end * config.fps) + 1, 0, per).astype(int)
    spans = np.maximum(last - first, 0)
    e = np.repeat(np.arange(len(spans)), spans)
    frame = np.arange(len(e)) - np.repeat(np.cumsum(spans) - spans, spans) + first[e]
    t = frame / config.fps - events["start"][e]
    up = t / np.maximum(events["rise"][e], 1e-6)
    down = (end[e] - events["start"][e] - t) / np.maximum(events["fall"][e], 1e-6)
    envelope = np.clip(np.minimum(up, down), 0, 1)
    envelope = envelope * envelope * (3 - 2 * envelope) * events["amplitude"][e]  # smooth start and end
    cell = (events["recording"][e] * per + frame) * len(basis) + events["display"][e]
    tilt = balance[events["recording"], events["display"]][e]
    sides = {}
    for side, sign in (("_L", 1), ("_R", -1)):
        flat = np.bincount(
            cell, envelope * np.clip(1 + sign * tilt, 0, 1), minlength=recordings * per * len(basis)
        )
        sides[side] = np.minimum(flat.reshape(-1, len(basis)), 1.2)  # two displays at once saturate
    paired = {s: np.array([name.endswith(s) for name in ICT53.names]) for s in sides}
    left, right = (sides[s] @ np.where(paired[s], basis, 0) for s in ("_L", "_R"))
    middle = (sides["_L"] + sides["_R"]) / 2 @ np.where(paired["_L"] | paired["_R"], 0, basis)
    return np.minimum(left + right + middle, 1.2)


def _tables(config, psi, subject, stressed, people, rng) -> Cohort:
    per = len(psi) // len(subject)
    width = len(str(config.subjects))
    who = np.array([f"sim{s:0{width}d}" for s in range(config.subjects)])[subject]
    take = np.tile(np.arange(config.recordings), config.subjects)
    recording = np.array([f"{w}_r{r}" for w, r in zip(who, take, strict=True)])
    detected = rng.random(len(psi)) >= config.dropped
    detected[::per] = True  # no recording without a face
    psi = psi.copy()
    psi[~detected] = np.nan
    table = pd.DataFrame(
        {
            "recording": pd.array(np.repeat(recording, per), dtype="str"),
            "frame": np.tile(np.arange(per, dtype=np.int32), len(subject)),
            "time_s": np.tile(np.arange(per) / config.fps, len(subject)),
            "detected": detected,
            "n_faces": detected.astype(np.int8),
        }
    )
    table = frames.with_psi(table, psi, ICT53.names)
    table.attrs = {"source": "simulated"}
    phq = np.clip(np.round(7 + 5.5 * people["depression"].to_numpy()), 0, 24).astype(int)[subject]
    labels = {trait: np.clip(0.5 + 0.14 * people[trait].to_numpy(), 0, 1)[subject] for trait in TRAITS}
    recordings = pd.DataFrame(
        {
            "recording": recording,
            "subject": who,
            "dataset": "simulated",
            "fps": config.fps,
            "n_frames": per,
            "stressed": stressed,
            **labels,
            "phq": phq,
            "depressed": (phq >= PHQ_THRESHOLD).astype(int),
        }
    )
    return Cohort(frames.check(table), frames.check_recordings(recordings))
