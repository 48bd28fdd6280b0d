"""Registered texture: the picture of a face, read at points that travel with its landmarks.

Landmarks say where the detector believes the parts of a face are. The grey values at points of the mesh between them
say what is there: where lips part, folds deepen or an iris looks past its landmark, they change. Active appearance
models (Cootes, Edwards & Taylor 2001) read faces in this way.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.face.align import scale_of
from dfe_lib.frames import N_LANDMARKS

CROP = 96  # px; a face fills most of it. 1.6 mm per px: an iris is 7 px wide
CROP_MM = 150.0
_DOWN_MM = 18.0  # the crop's centre lies so far below the middle of eyes and nose
_EYES, _NOSE = (33, 263), (1, 168)  # outer corners; tip and root
_SURROUND = 25  # px, side of the surround that a grey value is compared with: light and skin fall out
_SMOOTH = 1.0  # px, sd
_FLAT = 3.0  # grey levels: what varies less is noise


def crop(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face upright and at one scale, in grey.

    Parameters
    ----------
    rgb : (H, W, 3) uint8.
    landmarks : (478, 3) px, of that picture.

    Returns
    -------
    (96, 96) uint8; what lies outside the picture repeats its border.
    """
    scale = float(scale_of(landmarks[None])[0])  # px per mm, whatever the head's pose
    points = landmarks[:, :2]
    across = points[_EYES[1]] - points[_EYES[0]]
    angle = np.arctan2(across[1], across[0])
    centre = points[list(_EYES + _NOSE)].mean(axis=0)
    centre = centre + _DOWN_MM * scale * np.array([-np.sin(angle), np.cos(angle)])
    shrink = CROP / (CROP_MM * scale)
    # The part of the picture that the crop shows; all of it would take longer than the crop itself.
    reach = 0.75 * CROP / shrink + 2 / shrink
    first = np.maximum(np.floor(centre - reach), 0).astype(int)
    last = np.ceil(centre + reach).astype(int) + 1
    part = rgb[first[1] : max(last[1], first[1] + 1), first[0] : max(last[0], first[0] + 1)]
    if not part.size:
        return np.zeros((CROP, CROP), np.uint8)  # a face that lies outside its picture
    centre = centre - first
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    if shrink < 0.6:  # or single pixels would be picked
        grey = cv2.blur(grey, (round(1 / shrink),) * 2)
    c, s = np.cos(angle) * shrink, np.sin(angle) * shrink
    to_crop = np.array(
        [
            [c, s, CROP / 2 - c * centre[0] - s * centre[1]],
            [-s, c, CROP / 2 + s * centre[0] - c * centre[1]],
        ],
        np.float32,
    )
    return cv2.warpAffine(
        grey, to_crop, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def in_crop(landmarks: np.ndarray) -> np.ndarray:
    """(n, 478, 2) px of the crop, of landmarks (n, 478, 3) px of the picture."""
    scale = scale_of(landmarks)
    points = landmarks[..., :2]
    across = points[:, _EYES[1]] - points[:, _EYES[0]]
    angle = np.arctan2(across[:, 1], across[:, 0])
    down = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * (_DOWN_MM * scale)[:, None]
    moved = points - (points[:, list(_EYES + _NOSE)].mean(axis=1) + down)[:, None]
    shrink = CROP / (CROP_MM * scale)
    c, s = (f(angle) * shrink for f in (np.cos, np.sin))
    x = c[:, None] * moved[..., 0] + s[:, None] * moved[..., 1]
    y = -s[:, None] * moved[..., 0] + c[:, None] * moved[..., 1]
    return np.stack([x, y], axis=-1) + CROP / 2


@dataclass(frozen=True, eq=False)
class TexturePoints:
    """Where the picture is read: K points inside triangles of landmarks, the second half the mirror of the first.

    Attributes
    ----------
    corners : (K, 3) int32 landmarks of each point's triangle. weights : (K, 3) float32, its barycentric coordinates.
    """

    corners: np.ndarray
    weights: np.ndarray

    @staticmethod
    def spread(neutral: np.ndarray, triangles: np.ndarray, pair: np.ndarray, size: int, seed: int = 0):
        """Half of the points evenly over the skin, half evenly over the triangles, which crowd at eyes and lips.

        Parameters
        ----------
        neutral : (478, 3) mm. triangles : (F, 3). pair : (478,) each landmark's mirror image. size : K, even.
        """
        rng = np.random.default_rng(seed)
        a, b, c = (neutral[triangles[:, i]] for i in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        chosen = rng.choice(len(triangles), size // 2, p=(area / area.sum() + 1 / len(triangles)) / 2)
        weights = rng.dirichlet([1, 1, 1], size // 2).astype(np.float32)
        corners = np.concatenate([triangles[chosen], pair[triangles[chosen]]]).astype(np.int32)
        return TexturePoints(corners, np.concatenate([weights, weights]))

    @property
    def mirror_order(self) -> np.ndarray:
        """(K,) each point's mirror image."""
        half = len(self.corners) // 2
        return np.r_[half : 2 * half, :half]

    def read(self, crops: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Grey value at each point over what surrounds it, in units of how much it varies there.

        Parameters
        ----------
        crops : (n, 96, 96) uint8, of :func:`crop`. landmarks : (n, 478, 3) px, of the pictures.

        Returns
        -------
        (n, K) float32, about -3 to 3.

        Raises
        ------
        InputError : another shape.
        """
        if crops.shape != (len(landmarks), CROP, CROP) or landmarks.shape[1:] != (N_LANDMARKS, 3):
            raise InputError(
                f"crops have shape {crops.shape} and landmarks {landmarks.shape}; (n, {CROP}, {CROP}) and "
                f"(n, {N_LANDMARKS}, 3) are needed"
            )
        corners = in_crop(landmarks)[:, self.corners]
        at = np.einsum("nkcd,kc->dnk", corners, self.weights).astype(np.float32)
        out = np.empty((len(crops), len(self.corners)), np.float32)
        for i, grey in enumerate(crops):
            grey = grey.astype(np.float32)
            grey -= cv2.blur(grey, (_SURROUND, _SURROUND))
            # Where nothing varies, rounding leaves a little less than nothing.
            spread = np.sqrt(np.maximum(cv2.blur(grey * grey, (_SURROUND, _SURROUND)), 0))
            shown = cv2.GaussianBlur(grey / (spread + _FLAT), (0, 0), _SMOOTH)
            out[i] = cv2.remap(
                shown, at[0, i : i + 1], at[1, i : i + 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return out
