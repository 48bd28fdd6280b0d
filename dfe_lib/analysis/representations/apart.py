"""Codings that take too long to learn in every fold: learnt once, on data apart from any cohort."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from dfe_lib import frames
from dfe_lib.codings import DFECS, PCA, FacialBasis
from dfe_lib.codings.base import LinearCoding
from dfe_lib.data.displays import sample_displays
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.paths import data_dir

APART_SEED = 719_000_001  # no cohort of the notebooks is made from it


def apart_frames(seed: int = APART_SEED) -> np.ndarray:
    """(4000, 53) ψ, one half random displays, one half measured frames of simulated people.

    The same kinds of frames that the shipped tokenizer is trained on; the people are in no cohort with another seed.
    """
    config = CohortConfig(subjects=20, recordings=1, effect=0.0)
    cohort = simulate_cohort(config, seed, ExtractionNoise.load())
    psi = frames.psi(cohort.frames[cohort.frames["detected"]])
    displays = sample_displays(2000, np.random.default_rng(seed))
    return np.concatenate([displays, psi[np.linspace(0, len(psi) - 1, 2000).astype(int)]])


@lru_cache(maxsize=4)
def codings_apart(bits: float, seed: int = APART_SEED) -> dict[str, LinearCoding]:
    """DFECS, Facial Basis and PCA with a budget of ``bits`` per frame, fitted on :func:`apart_frames`.

    Learning takes some seconds and is kept in the cache, under a hash of the frames.
    """
    psi = apart_frames(seed)
    key = hashlib.sha256(f"1 {bits}".encode() + psi.tobytes()).hexdigest()[:12]
    folder = data_dir() / "derived" / f"codings-apart-{key}"
    out = {}
    for coding in (DFECS(bits, seed=0), FacialBasis(bits, seed=0), PCA(bits)):
        path = folder / type(coding).__name__
        if not (path / "card.json").is_file():
            coding.fit(psi).save(path)
        out[coding.name] = type(coding).load(path)
    return out
