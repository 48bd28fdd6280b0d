"""Simulated cohorts: people who smile, frown, blink and talk, with labels that act on how often and how."""

from dfe_lib.data.simulation.config import EFFECTS, WORLDS, CohortConfig
from dfe_lib.data.simulation.effects import LABELS, TRAITS, Effect, effect_table, effects
from dfe_lib.data.simulation.lexicon import Display, Lexicon, lexicon
from dfe_lib.data.simulation.noise import ExtractionNoise
from dfe_lib.data.simulation.people import PHQ_THRESHOLD
from dfe_lib.data.simulation.simulate import CHUNK, Simulation, simulate_cohort

__all__ = [
    "CHUNK",
    "EFFECTS",
    "LABELS",
    "PHQ_THRESHOLD",
    "TRAITS",
    "WORLDS",
    "CohortConfig",
    "Display",
    "Effect",
    "ExtractionNoise",
    "Lexicon",
    "Simulation",
    "effect_table",
    "effects",
    "lexicon",
    "simulate_cohort",
]
