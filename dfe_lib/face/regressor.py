"""Expression regressor: landmarks → 53 expression coefficients ψ, free of pose and identity.

A frame's aligned landmarks minus those of the person's own neutral face are projected on the directions in which
expressions stand out of pose and detection noise; a linear map and a small network, both exactly mirror-symmetric, give
ψ, and the network's last layer also says how far off it may be. Which landmarks, MediaPipe's 478 or the 68 of other
tools, is the regressor's :class:`~dfe_lib.face.landmark_sets.LandmarkSet`. How it is trained:
:mod:`dfe_lib.face.training`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from dfe_lib import artefacts
from dfe_lib.errors import InputError, choices
from dfe_lib.face.landmark_sets import MESH478, SETS, LandmarkSet
from dfe_lib.face.layers import Layers, forward, layer_shapes
from dfe_lib.face.morphable import load_morphable
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


@dataclass(frozen=True, eq=False, kw_only=True)
class ExpressionRegressor(Layers):
    """Map from aligned, person-neutral-centred landmarks to ψ and its uncertainty, trained on rendered faces.

    Attributes
    ----------
    neutral : (N, 3) float32, mm: aligned landmarks of the population's neutral face.
    neutral_spread : (53,) float32: standard deviation over people of what their neutral faces would measure.
    basis : (N · axes, k) float32, per mm: the directions that are looked at.
    landmark_set : which points it takes, N of them with 3 axes or 2; MediaPipe's 478 by default.

    The layers are those of :class:`~dfe_lib.face.layers.Layers`.
    """

    neutral: np.ndarray
    neutral_spread: np.ndarray
    basis: np.ndarray
    landmark_set: LandmarkSet = MESH478
    NEUTRAL = (
        "estimated per recording: its least expressive frames, within 2.5 sd of the population's neutral"
    )

    @staticmethod
    def load(path: str | Path | None = None) -> ExpressionRegressor:
        """The shipped regressor, or one saved at ``path``.

        ``"landmarks68-regressor"`` and ``"landmarks68-2d-regressor"`` are shipped too: for the 68 points of OpenFace,
        in mm of the camera or in pixels.

        Raises
        ------
        InputError : not a regressor, or tensors of another shape.
        """
        return _shipped() if path is None else _read(path)

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """Name → array, as an artefact keeps them: large ones as float16."""
        own = {"neutral": self.neutral, "neutral_spread": self.neutral_spread}
        return own | {"basis": self.basis.astype(np.float16)} | self.layers

    def rounded(self) -> ExpressionRegressor:
        """What an artefact of it gives back."""
        return replace(self, **{name: array.astype(np.float32) for name, array in self.tensors.items()})

    def predict(
        self,
        landmarks: np.ndarray,
        recordings: np.ndarray | None = None,
        neutral: np.ndarray | None = None,
    ) -> np.ndarray:
        """Expression coefficients of each frame.

        Parameters
        ----------
        landmarks : (n, 478, 3) pixels (x·W, y·H, z·W), or what the regressor's landmark set is. Rows with NaN (no
            face) give NaN.
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
        landmarks = self.landmark_set.check(landmarks)
        n = len(landmarks)
        recordings = np.zeros(n, np.int8) if recordings is None else np.asarray(recordings)
        for name, values in (("recordings", recordings), ("neutral", neutral)):
            if values is not None and np.shape(values) != (n,):
                raise InputError(
                    f"{name} has shape {np.shape(values)}, but ({n},) is needed: one value per frame"
                )
        points = self._aligned(landmarks)
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
        landmarks : (m, N, axes) as for :meth:`predict`, a sample of the recording; rows with NaN are left
            out. Without any frame the population's neutral is returned.
        marked : (m,) bool, frames known to be neutral: their mean, with the estimate counting as three frames more.
            None: estimated alone.

        Returns
        -------
        (N, axes) float32, mm, in the frame of :func:`dfe_lib.face.align.reference`.
        """
        points = self._aligned(self.landmark_set.check(landmarks))
        seen = np.isfinite(points[:, 0])
        marked = None if marked is None else np.asarray(marked, bool)[seen]
        if marked is not None and not marked.any():
            raise InputError("no detected frame is marked neutral; mark one or pass None")
        return self._own_neutral(points[seen], marked).reshape(self.landmark_set.shape)

    def express(self, landmarks: np.ndarray, neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ψ of frames of one person whose neutral face is known.

        Parameters
        ----------
        landmarks : (n, N, axes) as for :meth:`predict`; rows with NaN give NaN.
        neutral : (N, axes) mm, from :meth:`estimate_neutral`.

        Returns
        -------
        psi, sd : (n, 53) float32; sd is the standard deviation of ψ's error that is to be expected of such a frame,
            calibrated on rendered subjects.
        """
        points = self._aligned(self.landmark_set.check(landmarks))
        return self._express(points, neutral.reshape(-1), uncertainty=True)

    def _aligned(self, landmarks: np.ndarray) -> np.ndarray:
        return self.landmark_set.align(landmarks, self.neutral).points.reshape(
            len(landmarks), len(self.basis)
        )

    @property
    def population(self) -> np.ndarray:
        """(N, axes) float32, mm: everybody's neutral face, for :meth:`express` of people whose own is not known."""
        return self.neutral[:, : self.landmark_set.axes]

    @cached_property
    def _expressions(self) -> np.ndarray:
        return self.landmark_set.of_mesh(load_morphable("face478").expressions)

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
        """(N · axes,) a person's neutral landmarks from aligned frames (m, N · axes)."""
        if marked is not None:
            trust = marked.sum() / (marked.sum() + ESTIMATE_FRAMES)
            return trust * points[marked].mean(axis=0) + (1 - trust) * self._own_neutral(points, None)
        everybody = self.population.reshape(-1)
        points = even(points)
        further = len(points) - 1
        if further < 1:
            return everybody
        calm, shown = self.calm(points)
        mean = points[calm].mean(axis=0) - np.tensordot(shown, self._expressions, axes=1).reshape(-1)
        return everybody + further / (further + PRIOR_FRAMES) * (mean - everybody)

    def calm(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least expressive of aligned frames (m, N · axes), and what even they show beyond any neutral face.

        Returns
        -------
        rows : indices into the frames.
        shown : (53,) ψ of their mean beyond the limit of people's neutral faces: an expression that lasts.
        """
        # Not the network, which is at home near the neutral face.
        psi = (points - self.population.reshape(-1)) @ self.basis @ self.linear
        low = np.quantile(psi, NEUTRAL_QUANTILE, axis=0).astype(np.float32)
        rows = np.argsort(ICT53.norm(psi - low), kind="stable")[: max(1, round(NEUTRAL_SHARE * len(psi)))]
        limit = NEUTRAL_LIMIT * self.neutral_spread
        return rows, psi[rows].mean(axis=0) - np.clip(low, -limit, limit)


def even(values: np.ndarray) -> np.ndarray:
    """At most ``NEUTRAL_SAMPLE`` rows, evenly spread."""
    return values[:: -(-len(values) // NEUTRAL_SAMPLE) or 1]


def check_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """MediaPipe's landmarks as (n, 478, 3) float32; see :meth:`LandmarkSet.check`."""
    return MESH478.check(landmarks)


@lru_cache(maxsize=1)
def _shipped() -> ExpressionRegressor:
    return _read("expression-regressor")


def _read(path: str | Path) -> ExpressionRegressor:
    artefact = artefacts.load(path, kind="expression-regressor")
    name = artefact.card.get("landmarks", MESH478.name)
    if not isinstance(name, str) or name not in SETS:
        raise InputError(f"{path} needs unknown landmarks: {choices(name, SETS)}")
    points, layers = SETS[name], layer_shapes(artefact)
    size, k = int(np.prod(points.shape)), layers["hidden_1"][0]
    own = {"neutral": (points.shape[0], 3), "neutral_spread": (ICT53.dimension,), "basis": (size, k)}
    artefacts.expect(artefact, str(path), **own, **layers)
    tensors = {name: artefact.tensors[name].astype(np.float32) for name in own | layers}
    return ExpressionRegressor(**tensors, landmark_set=points)
