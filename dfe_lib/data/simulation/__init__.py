"""Simulated cohorts: people who smile, frown, blink and talk, with labels that act on how often and how."""

from dfe_lib.data.simulation.simulate import (
    EFFECTS,
    PAIRS,
    RATES,
    TRAITS,
    CohortConfig,
    ExtractionNoise,
    simulate_cohort,
)

__all__ = ["EFFECTS", "PAIRS", "RATES", "TRAITS", "CohortConfig", "ExtractionNoise", "simulate_cohort"]
