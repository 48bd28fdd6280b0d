"""The regressor's two steps, until it has them as methods: this module goes then, and its callers call the methods."""

from __future__ import annotations

import numpy as np

from dfe_lib.face.align import align
from dfe_lib.face.regressor import ExpressionRegressor


def estimate_neutral(
    regressor: ExpressionRegressor, landmarks: np.ndarray, marked: np.ndarray | None = None
) -> object:
    """The neutral of a recording from a sample of its frames; of everybody where there is none."""
    if hasattr(regressor, "estimate_neutral"):
        return regressor.estimate_neutral(landmarks, marked)
    if not len(landmarks):
        return np.float32(0)
    return regressor._own_neutral(_against_everybody(regressor, landmarks), marked, "of the sample")


def express(
    regressor: ExpressionRegressor, landmarks: np.ndarray, neutral: object
) -> tuple[np.ndarray, np.ndarray | None]:
    """ψ (n, 53) and its standard deviation, or None where the regressor does not say."""
    if hasattr(regressor, "express"):
        return regressor.express(landmarks, neutral)
    return _against_everybody(regressor, landmarks) - neutral, None


def _against_everybody(regressor: ExpressionRegressor, landmarks: np.ndarray) -> np.ndarray:
    points = align(landmarks, regressor.neutral).points - regressor.neutral
    return points.reshape(len(points), -1) @ regressor.weights
