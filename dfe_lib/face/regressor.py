"""Expression regressor: 478 landmarks → 53 expression coefficients ψ, free of pose and identity.

A frame's aligned landmarks minus those of the person's own neutral face are projected on the directions in which
expressions stand out of pose and detection noise; a linear map and a small network, both exactly mirror-symmetric, give
ψ, and the network's last layer also says how far off it may be. How it is trained: :mod:`dfe_lib.face.training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.face.align import align
from dfe_lib.face.morphable import load_morphable
from dfe_lib.frames import N_LANDMARKS
from dfe_lib.space import ICT53

# Coefficients are zero or positive, so a recording's neutral lies at the low end of each of them: at its 10th
# percentile. The median would be the mood itself where one mood lasts.
NEUTRAL_QUANTILE = 0.1
# This share of the frames, the least expressive ones, is averaged to the landmarks of the person's neutral face.
NEUTRAL_SHARE = 0.2
# A neutral that lies further from the population's than this many standard deviations of people's neutral faces is an
# expression that lasts (someone smiles through the whole clip), and is cut there. No cost on held-out renders.
NEUTRAL_LIMIT = 2.5
# The population's neutral counts as much as this many frames, so that a photograph is measured against it alone.
PRIOR_FRAMES = 5.0
# Marked frames are few and each detection is noisy, so the estimate from the whole recording goes along and counts as
# this many marked frames. With three of them, on held-out renders and an earlier training: variance explained 0.711
# against 0.703 without it, and who it is told from ψ 3.4 times as often as by chance, against 8.3 times.
ESTIMATE_FRAMES = 3.0
# At most so many frames, evenly spread, are looked at for a neutral face: enough, however long the recording.
NEUTRAL_SAMPLE = 2048
BLOCK = 512  # frames at a time: their activations stay in the processor's cache
_SIZE = N_LANDMARKS * 3


@dataclass(frozen=True, eq=False)
class ExpressionRegressor:
    """Map from aligned, person-neutral-centred landmarks to ψ and its uncertainty, trained on rendered faces.

    Attributes
    ----------
    neutral : (478, 3) float32, mm: aligned landmarks of the population's neutral face.
    neutral_spread : (53,) float32: standard deviation over people of what their neutral faces would measure.
    basis : (1434, k) float32, per mm: the directions that are looked at.
    linear : (k, 53) float32: ψ by ridge regression alone; it also tells which frames are neutral.
    linear_share : (1,) float32: its share of ψ.
    hidden_1, hidden_2 : (k, h) and (h, h) float32, with bias_1, bias_2 (h,): two layers of rectified units.
    output : (h, 53) float32, offset (53,): the network's share of ψ; the offset makes the neutral face exactly 0.
    log_sd : (h, 53) float32, log_sd_0 (53,): logarithm of the standard deviation of ψ.
    """

    neutral: np.ndarray
    neutral_spread: np.ndarray
    basis: np.ndarray
    linear: np.ndarray
    linear_share: np.ndarray
    hidden_1: np.ndarray
    bias_1: np.ndarray
    hidden_2: np.ndarray
    bias_2: np.ndarray
    output: np.ndarray
    offset: np.ndarray
    log_sd: np.ndarray
    log_sd_0: np.ndarray
    NEUTRAL = (
        "estimated per recording: its least expressive frames, within 2.5 sd of the population's neutral"
    )

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

        Examples
        --------
        >>> psi = ExpressionRegressor.load().predict(landmarks, recordings=clip)      # doctest: +SKIP
        """
        landmarks = check_landmarks(landmarks)
        n = len(landmarks)
        recordings = np.zeros(n, np.int8) if recordings is None else np.asarray(recordings)
        for name, values in (("recordings", recordings), ("neutral", neutral)):
            if values is not None and np.shape(values) != (n,):
                raise InputError(
                    f"{name} has shape {np.shape(values)}, but ({n},) is needed: one value per frame"
                )
        points = align(landmarks, self.neutral).points.reshape(n, _SIZE)
        psi = np.full((n, ICT53.dimension), np.nan, np.float32)
        seen = np.isfinite(points[:, 0])
        for name in np.unique(recordings[seen]):
            rows = np.flatnonzero(seen & (recordings == name))
            if len(rows) == rows[-1] - rows[0] + 1:
                rows = slice(rows[0], rows[-1] + 1)  # a view; picking rows would copy 6 kB a frame
            marked = None if neutral is None else np.asarray(neutral, bool)[rows]
            if marked is not None and not marked.any():
                raise InputError(
                    f"no detected frame of recording '{name}' is marked neutral; mark one or pass None"
                )
            own = self._own_neutral(points[rows], marked)
            psi[rows] = self._express(points[rows], own)[0]
        return psi

    def estimate_neutral(self, landmarks: np.ndarray, marked: np.ndarray | None = None) -> np.ndarray:
        """A person's neutral face from frames of one recording; for :meth:`express`.

        Parameters
        ----------
        landmarks : (m, 478, 3) pixels, a sample of the recording; rows with NaN are left out. Without any frame the
            population's neutral is returned.
        marked : (m,) bool, frames known to be neutral: their mean, with the estimate counting as three frames more.
            None: estimated alone.

        Returns
        -------
        (478, 3) float32, mm, in the frame of :func:`dfe_lib.face.align.reference`.
        """
        landmarks = check_landmarks(landmarks)
        points = align(landmarks, self.neutral).points.reshape(len(landmarks), _SIZE)
        seen = np.isfinite(points[:, 0])
        marked = None if marked is None else np.asarray(marked, bool)[seen]
        if marked is not None and not marked.any():
            raise InputError("no detected frame is marked neutral; mark one or pass None")
        return self._own_neutral(points[seen], marked).reshape(N_LANDMARKS, 3)

    def express(self, landmarks: np.ndarray, neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ψ of frames of one person whose neutral face is known.

        Parameters
        ----------
        landmarks : (n, 478, 3) pixels; rows with NaN give NaN.
        neutral : (478, 3) mm, from :meth:`estimate_neutral`.

        Returns
        -------
        psi, sd : (n, 53) float32; sd is the standard deviation of ψ's error that is to be expected of such a frame,
            calibrated on rendered subjects.
        """
        landmarks = check_landmarks(landmarks)
        points = align(landmarks, self.neutral).points.reshape(len(landmarks), _SIZE)
        return self._express(points, neutral.reshape(-1), uncertainty=True)

    def _express(
        self, points: np.ndarray, own: np.ndarray, uncertainty: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        psi = np.empty((len(points), ICT53.dimension), np.float32)
        sd = np.empty_like(psi) if uncertainty else None
        centre = own @ self.basis
        for start in range(0, len(points), BLOCK):
            rows = slice(start, start + BLOCK)
            seen = points[rows] @ self.basis
            seen -= centre
            forward(self, seen, psi[rows], None if sd is None else sd[rows])
        return psi, sd

    def _own_neutral(self, points: np.ndarray, marked: np.ndarray | None) -> np.ndarray:
        """(1434,) a person's neutral landmarks from aligned frames (m, 1434)."""
        if marked is not None:
            trust = marked.sum() / (marked.sum() + ESTIMATE_FRAMES)
            return trust * points[marked].mean(axis=0) + (1 - trust) * self._own_neutral(points, None)
        everybody = self.neutral.reshape(-1)
        points = even(points)
        further = len(points) - 1
        if further < 1:
            return everybody
        calm, shown = self.calm(points)
        mean = points[calm].mean(axis=0) - np.tensordot(shown, _expressions(), axes=1).reshape(-1)
        return everybody + further / (further + PRIOR_FRAMES) * (mean - everybody)

    def calm(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least expressive of aligned frames (m, 1434), and what even they show beyond any neutral face.

        Returns
        -------
        rows : indices into the frames.
        shown : (53,) ψ of their mean beyond the limit of people's neutral faces: an expression that lasts.
        """
        # Not the network, which is at home near the neutral face.
        psi = (points - self.neutral.reshape(-1)) @ self.basis @ self.linear
        low = np.quantile(psi, NEUTRAL_QUANTILE, axis=0).astype(np.float32)
        rows = np.argsort(ICT53.norm(psi - low), kind="stable")[: max(1, round(NEUTRAL_SHARE * len(psi)))]
        limit = NEUTRAL_LIMIT * self.neutral_spread
        return rows, psi[rows].mean(axis=0) - np.clip(low, -limit, limit)


def even(values: np.ndarray) -> np.ndarray:
    """At most ``NEUTRAL_SAMPLE`` rows, evenly spread."""
    return values[:: -(-len(values) // NEUTRAL_SAMPLE) or 1]


def forward(layers, seen: np.ndarray, psi: np.ndarray, sd: np.ndarray | None) -> None:
    """The linear map and the network of a regressor, for one block of frames.

    Parameters
    ----------
    layers : holds ``linear, linear_share, hidden_1, bias_1, hidden_2, bias_2, output, offset, log_sd, log_sd_0``.
    seen : (n, k) float32 components; overwritten.
    psi, sd : (n, 53) float32, written to.
    """
    active = seen @ layers.hidden_1
    active += layers.bias_1
    np.maximum(active, 0, out=active)
    active = active @ layers.hidden_2
    active += layers.bias_2
    np.maximum(active, 0, out=active)
    seen *= layers.linear_share
    np.matmul(seen, layers.linear, out=psi)
    psi += active @ layers.output
    psi -= layers.offset
    if sd is not None:
        np.exp(active @ layers.log_sd + layers.log_sd_0, out=sd)


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
    for frame in landmarks:  # the first one with a face tells
        extent = np.ptp(frame[:, :2], axis=0).max()
        if extent > 2.0:
            break
        if extent >= 0:  # not NaN
            raise InputError(
                "landmarks span less than 2 pixels, so they look normalised to 0–1; multiply x and z by the picture's "
                "width and y by its height"
            )
    return landmarks


@lru_cache(maxsize=1)
def _expressions() -> np.ndarray:
    return load_morphable("face478").expressions


@lru_cache(maxsize=1)
def _shipped() -> ExpressionRegressor:
    return _read("expression-regressor")


def layer_shapes(artefact: artefacts.Artefact) -> dict[str, tuple[int, ...]]:
    """Shapes of what :func:`forward` needs, given the shape of the first hidden layer."""
    first = artefact.tensors.get("hidden_1", np.zeros((0, 0)))
    k, h = first.shape if first.ndim == 2 else (0, 0)
    d = ICT53.dimension
    return {
        "linear": (k, d),
        "linear_share": (1,),
        "hidden_1": (k, h),
        "bias_1": (h,),
        "hidden_2": (h, h),
        "bias_2": (h,),
        "output": (h, d),
        "offset": (d,),
        "log_sd": (h, d),
        "log_sd_0": (d,),
    }


def _read(path: str | Path) -> ExpressionRegressor:
    artefact = artefacts.load(path, kind="expression-regressor")
    layers = layer_shapes(artefact)
    k = layers["hidden_1"][0]
    own = {"neutral": (N_LANDMARKS, 3), "neutral_spread": (ICT53.dimension,), "basis": (_SIZE, k)}
    shapes = own | layers
    artefacts.expect(artefact, str(path), **shapes)
    return ExpressionRegressor(*(artefact.tensors[name].astype(np.float32) for name in shapes))
