"""Picture regressor: landmarks and the registered texture around them → ψ.

What a detector's landmarks do not follow (lips that part or roll, cheeks, the iris) the picture still shows. Beside the
landmarks' components this map sees those of the texture (:mod:`dfe_lib.face.texture`), both against the person's own
neutral face. Landmarks alone, of tables and of other tools: :class:`dfe_lib.face.regressor.ExpressionRegressor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.face.align import align
from dfe_lib.face.layers import Layers, forward, layer_shapes
from dfe_lib.face.regressor import (
    BLOCK,
    ESTIMATE_FRAMES,
    ExpressionRegressor,
    check_landmarks,
    even,
)
from dfe_lib.face.texture import TexturePoints
from dfe_lib.frames import N_LANDMARKS
from dfe_lib.space import ICT53

# A person's neutral texture cannot be guessed from other people's, as neutral landmarks can. With fewer frames than
# these, and none marked neutral, ψ comes from the landmarks alone.
FEWEST_FRAMES = 8


@dataclass(frozen=True, eq=False)
class Neutral:
    """A person's neutral face: landmarks (478, 3) mm, and texture components (t,); None where nothing tells them."""

    points: np.ndarray
    look: np.ndarray | None


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureRegressor(Layers):
    """Map from landmarks and texture to ψ and its uncertainty, trained on rendered faces.

    Attributes
    ----------
    landmarks : the regressor from landmarks alone; its basis serves here too, and it tells which frames are neutral.
    points : where the picture is read, K of them.
    texture : (K, t) float32: the directions of the texture that are looked at.
    shapes : (53, t) float32: what one unit of each coefficient changes in them.

    The layers, of k + t components, are those of :class:`~dfe_lib.face.layers.Layers`.
    """

    landmarks: ExpressionRegressor
    points: TexturePoints
    texture: np.ndarray
    shapes: np.ndarray

    @staticmethod
    def load(path: str | Path | None = None) -> PictureRegressor:
        """The shipped one, or one saved at ``path``, on top of the shipped landmark regressor.

        Raises
        ------
        InputError : not a picture regressor, or tensors of another shape.
        """
        return _shipped() if path is None else _read(path)

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """Name → array, as an artefact keeps them: the points' first half tells the other; large ones as float16."""
        texture = self.texture[: len(self.texture) // 2].astype(np.float16)
        points = {
            "corners": self.points.corners.astype(np.int16),
            "weights": self.points.weights[: len(texture)],
        }
        return self.layers | points | {"texture": texture, "shapes": self.shapes.astype(np.float16)}

    def looks(self, crops: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Texture components of faces. They tell people apart, so they are never written to a table.

        Parameters
        ----------
        crops : (n, 96, 96) uint8, of :func:`dfe_lib.face.texture.crop`.
        landmarks : (n, 478, 3) px, of the pictures.

        Returns
        -------
        (n, t) float32; NaN where the landmarks are NaN.
        """
        out = np.full((len(landmarks), self.texture.shape[1]), np.nan, np.float32)
        seen = np.isfinite(landmarks[:, 0, 0])
        out[seen] = self.points.read(crops[seen], landmarks[seen]) @ self.texture
        return out

    def estimate_neutral(
        self, landmarks: np.ndarray, looks: np.ndarray, marked: np.ndarray | None = None
    ) -> Neutral:
        """A person's neutral face from frames of one recording.

        Parameters
        ----------
        landmarks : (m, 478, 3) px. looks : (m, t) of :meth:`looks`. Rows with NaN are left out.
        marked : (m,) bool, frames known to be neutral; see :meth:`ExpressionRegressor.estimate_neutral`.
        """
        landmarks = check_landmarks(landmarks)
        points = self.landmarks.estimate_neutral(landmarks, marked)
        seen = np.isfinite(landmarks[:, 0, 0])
        looks = looks[seen]
        estimate = None
        if seen.sum() >= FEWEST_FRAMES:
            aligned = align(landmarks[seen], self.landmarks.neutral).points.reshape(len(looks), -1)
            calm, shown = self.landmarks.calm(even(aligned))
            estimate = even(looks)[calm].mean(axis=0) - shown @ self.shapes
        if marked is None:
            return Neutral(points, estimate)
        told = looks[np.asarray(marked, bool)[seen]]
        if estimate is None:
            return Neutral(points, told.mean(axis=0))
        trust = len(told) / (len(told) + ESTIMATE_FRAMES)
        return Neutral(points, trust * told.mean(axis=0) + (1 - trust) * estimate)

    def express(
        self, landmarks: np.ndarray, looks: np.ndarray, neutral: Neutral
    ) -> tuple[np.ndarray, np.ndarray]:
        """ψ of frames of one person and its standard deviation, (n, 53) float32 each.

        Parameters
        ----------
        landmarks : (n, 478, 3) px; rows with NaN give NaN. looks : (n, t) of :meth:`looks`.
        neutral : of :meth:`estimate_neutral`. Without texture in it ψ is that of the landmarks alone.
        """
        if neutral.look is None:
            return self.landmarks.express(landmarks, neutral.points)
        landmarks = check_landmarks(landmarks)
        if len(looks) != len(landmarks):
            raise InputError(
                f"{len(landmarks)} frames of landmarks and {len(looks)} looks: one each is needed"
            )
        points = align(landmarks, self.landmarks.neutral).points.reshape(len(landmarks), -1)
        basis, k = self.landmarks.basis, self.landmarks.basis.shape[1]
        psi = np.empty((len(points), ICT53.dimension), np.float32)
        sd = np.empty_like(psi)
        for start in range(0, len(points), BLOCK):
            rows = slice(start, start + BLOCK)
            seen = np.empty((len(points[rows]), len(self.linear)), np.float32)
            np.matmul(points[rows], basis, out=seen[:, :k])
            seen[:, :k] -= neutral.points.reshape(-1) @ basis
            np.subtract(looks[rows], neutral.look, out=seen[:, k:])
            forward(self, seen, psi[rows], sd[rows])
        return psi, sd

    def predict(
        self,
        landmarks: np.ndarray,
        crops: np.ndarray,
        recordings: np.ndarray,
        neutral: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """ψ and its standard deviation of frames of several recordings, as :meth:`ExpressionRegressor.predict`.

        Parameters
        ----------
        crops : (n, 96, 96) uint8, of :func:`dfe_lib.face.texture.crop`.
        """
        psi = np.full((len(landmarks), ICT53.dimension), np.nan, np.float32)
        sd = np.full_like(psi, np.nan)
        for name in np.unique(recordings):
            rows = np.flatnonzero(recordings == name)
            looks = self.looks(crops[rows], landmarks[rows])
            own = self.estimate_neutral(landmarks[rows], looks, None if neutral is None else neutral[rows])
            psi[rows], sd[rows] = self.express(landmarks[rows], looks, own)
        return psi, sd


@lru_cache(maxsize=1)
def _shipped() -> PictureRegressor:
    return _read("picture-regressor")


def _read(path: str | Path) -> PictureRegressor:
    artefact = artefacts.load(path, kind="picture-regressor")
    landmarks = ExpressionRegressor.load()
    layers = layer_shapes(artefact)
    (k,), size = layers["signs"], len(artefact.tensors.get("weights", ()))
    t = k - landmarks.basis.shape[1]
    own = {
        "corners": (2 * size, 3),
        "weights": (size, 3),
        "texture": (size, t),
        "shapes": (ICT53.dimension, t),
    }
    artefacts.expect(artefact, str(path), **own, **layers)
    tensors = {name: array.astype(np.float32) for name, array in artefact.tensors.items()}
    corners, texture = tensors["corners"].astype(np.int32), tensors["texture"]
    if corners.min(initial=0) < 0 or corners.max(initial=0) >= N_LANDMARKS:
        raise InputError(f"{path} reads the picture at landmarks that do not exist")
    return PictureRegressor(
        landmarks=landmarks,
        points=TexturePoints(corners, np.tile(tensors["weights"], (2, 1))),
        texture=np.concatenate([texture, tensors["signs"][k - t :] * texture]),
        shapes=tensors["shapes"],
        **{name: tensors[name] for name in layers},
    )
