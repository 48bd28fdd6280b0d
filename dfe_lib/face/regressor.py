"""Expression regressor: 478 landmarks → 53 expression coefficients ψ, free of pose and identity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.face.align import align
from dfe_lib.frames import N_LANDMARKS
from dfe_lib.space import ICT53

# Coefficients are zero or positive, so a recording's neutral lies at the low end of each of them: at its 10th
# percentile. On held-out renders without any neutral frame this explains as much variance as the median would (0.71
# and 0.70), and 0.80 against 0.71 where one mood lasts, whose median is the mood itself.
NEUTRAL_QUANTILE = 0.1
# A neutral that lies further from the population's than this many standard deviations of people's neutral faces is an
# expression that lasts (someone smiles through the whole clip), and is cut there. No cost on held-out renders.
NEUTRAL_LIMIT = 4.0
# The population's neutral counts as much as this many frames, so that a photograph is measured against it alone.
PRIOR_FRAMES = 5.0


@dataclass(frozen=True, eq=False)
class ExpressionRegressor:
    """Linear map from aligned, person-neutral-centred landmarks to ψ, trained on rendered faces.

    Attributes
    ----------
    weights : (1434, 53) float32, per mm.
    neutral : (478, 3) float32, mm: aligned landmarks of the population's neutral face.
    neutral_spread : (53,) float32: standard deviation over people of what their neutral faces would measure.
    """

    weights: np.ndarray
    neutral: np.ndarray
    neutral_spread: np.ndarray
    NEUTRAL = "estimated per recording: 10th percentile of each coefficient, within 4 sd of the population's neutral"

    @staticmethod
    def load(path: str | Path | None = None) -> ExpressionRegressor:
        """The shipped regressor, or one saved at ``path``.

        Raises
        ------
        InputError : not a regressor, or tensors of another shape.
        """
        return _shipped() if path is None else _read(path)

    def predict(
        self,
        landmarks: np.ndarray,
        recordings: np.ndarray | None = None,
        neutral: np.ndarray | None = None,
    ) -> np.ndarray:
        """Expression coefficients of each frame.

        Parameters
        ----------
        landmarks : (n, 478, 3) pixels (x·W, y·H, z·W). Rows with NaN (no face) give NaN.
        recordings : (n,) names: frames of one recording share one neutral. None: all frames are one recording.
        neutral : (n,) bool, True where the face is known to be neutral. None: estimated per recording.

        Returns
        -------
        (n, 53) float32, ICT53 order, 0 = neutral, 1 = the full shape; not clipped.

        Raises
        ------
        InputError : wrong shape, normalised coordinates, infinite values, or a recording without marked neutral.
        """
        landmarks = check_landmarks(landmarks)
        n = len(landmarks)
        recordings = np.zeros(n, np.int8) if recordings is None else np.asarray(recordings)
        for name, values in (("recordings", recordings), ("neutral", neutral)):
            if values is not None and np.shape(values) != (n,):
                raise InputError(
                    f"{name} has shape {np.shape(values)}, but ({n},) is needed: one value per frame"
                )
        points = align(landmarks, self.neutral).points
        psi = (points - self.neutral).reshape(
            n, N_LANDMARKS * 3
        ) @ self.weights  # against the population's neutral
        seen = np.isfinite(psi).all(axis=1)
        for name in np.unique(recordings[seen]):
            rows = seen & (recordings == name)
            marked = None if neutral is None else np.asarray(neutral, bool)[rows]
            psi[rows] -= self._own_neutral(psi[rows], marked, name)
        psi[~seen] = np.nan
        return psi

    def _own_neutral(self, psi: np.ndarray, marked: np.ndarray | None, name: object) -> np.ndarray:
        """(53,) ψ of one recording's neutral face against the population's; the map is linear, so ψ will do."""
        if marked is not None:
            if not marked.any():
                raise InputError(
                    f"no detected frame of recording '{name}' is marked neutral; mark one or pass None"
                )
            return np.median(psi[marked], axis=0)
        low = np.quantile(psi, NEUTRAL_QUANTILE, axis=0).astype(np.float32)
        further = len(psi) - 1
        limit = NEUTRAL_LIMIT * self.neutral_spread
        return further / (further + PRIOR_FRAMES) * np.clip(low, -limit, limit)


def check_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks as (n, 478, 3) float32.

    Raises
    ------
    InputError : another shape, infinite values, or coordinates that are normalised to the picture.
    """
    landmarks = np.asarray(landmarks, dtype=np.float32)
    if landmarks.ndim == 2:
        landmarks = landmarks[None]
    if landmarks.ndim != 3 or landmarks.shape[1:] != (N_LANDMARKS, 3):
        hint = ""
        if landmarks.ndim == 3 and landmarks.shape[1] == 468:
            hint = " (468 points are the face without irises: use the FaceLandmarker model with 478)"
        raise InputError(f"landmarks have shape {landmarks.shape}, but (frames, 478, 3) is needed{hint}")
    if np.isinf(landmarks).any():
        raise InputError("landmarks hold infinite values; mark frames without a face with NaN")
    seen = landmarks[np.isfinite(landmarks).all(axis=(1, 2))]
    if len(seen) and np.ptp(seen[..., :2], axis=1).max() <= 2.0:
        raise InputError(
            "landmarks span less than 2 pixels, so they look normalised to 0–1; multiply x and z by the picture's "
            "width and y by its height"
        )
    return landmarks


@lru_cache(maxsize=1)
def _shipped() -> ExpressionRegressor:
    return _read("expression-regressor")


def _read(path: str | Path) -> ExpressionRegressor:
    artefact = artefacts.load(path, kind="expression-regressor")
    d = ICT53.dimension
    shapes = {"weights": (N_LANDMARKS * 3, d), "neutral": (N_LANDMARKS, 3), "neutral_spread": (d,)}
    artefacts.expect(artefact, str(path), **shapes)
    return ExpressionRegressor(*(artefact.tensors[k].astype(np.float32) for k in shapes))
