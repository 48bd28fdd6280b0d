"""How large a simulated cohort is, and what it is like."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path

from dfe_lib.errors import InputError, choices

EFFECTS = Path(__file__).with_name("effects.yaml")
WORLDS = ("mixed", "facs", "beyond")


@dataclass(frozen=True)
class CohortConfig:
    """Size and nature of a simulated cohort; every number is our choice.

    **What effect means.** Every property of behaviour that a label can act on (the log of a rate, of an amplitude,
    of a speed; the log-odds of a share) is normal over recordings: it varies between people (``style``) and from
    recording to recording of one person (``session``), with the deviation s = scale · √(style² + session²) (the
    scales are in :data:`dfe_lib.data.simulation.people.SCALES`). A line of the effect table with weight w shifts the
    property so that the two groups of its label differ by ``w · effect · s`` in the mean: ``effect`` is Cohen's d of
    the latent property, in deviations as they are without the effect. The groups are stressed and not stressed
    recordings; people at or above the threshold of depression and below; the upper and lower half of a trait. Between
    people the shift is linear in the score, so the property's correlation with a trait is d/√(d² + 1.596²), 0.45 at
    d = 0.8. What can be seen is less: rates show only in as many events as a recording holds, and extraction adds
    noise.
    """

    subjects: int = 60  # the size of the smaller real cohorts
    recordings: int = 4  # per subject; half of them stressed
    seconds: float = 20.0  # First Impressions clips last 15 s
    fps: float = 10.0  # enough for a blink, cheap enough for a demo
    effect: float = (
        0.8  # d of a line of weight 1, see above; by convention a large effect. 0: nothing to find
    )
    world: str = "mixed"  # which lines of the effect table act: "facs", "beyond" or both
    style: float = (
        0.5  # between-person deviation of log rates: a person in the upper sixth does 1.65 times as much
    )
    session: float = 0.2  # the same from recording to recording of one person
    neutral: float = 0.02  # deviation of the error in each person's neutral face, per coefficient
    speech: float = (
        0.5  # share of recordings in which the person talks; no label acts on it in the shipped table
    )
    dropped: float = 0.01  # share of frames without a detected face, in bursts of half a second
    effects: str | Path = EFFECTS  # table of effects; the shipped one, or one of your own in the same form

    def __post_init__(self):
        if self.world not in WORLDS:
            raise InputError(f"unknown world: {choices(self.world, WORLDS)}")
        for name in ("subjects", "recordings"):
            value, least = getattr(self, name), 2 if name == "subjects" else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "float" and not (isinstance(value, int | float) and isfinite(value)):
                raise InputError(f"{field.name} must be a finite number, got {value!r}")
        for name in ("seconds", "fps"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.frames < 2:
            raise InputError(f"{self.seconds} s at {self.fps} fps is less than two frames")
        for name in ("style", "session", "neutral"):
            if getattr(self, name) < 0:
                raise InputError(
                    f"{name} is a standard deviation and cannot be negative, got {getattr(self, name)}"
                )
        for name in ("speech", "dropped"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} is a share and must lie in 0 … 1 (1 excluded), got {getattr(self, name)}"
                )

    @property
    def frames(self) -> int:
        """Frames of one recording."""
        return round(self.seconds * self.fps)
