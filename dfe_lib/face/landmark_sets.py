"""Sets of landmarks that a regressor can start from: MediaPipe's 478, and the 68 of OpenFace and its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.face.align import RIGID, Aligned, align, align_flat
from dfe_lib.frames import N_LANDMARKS
from dfe_lib.space import numbers

# MediaPipe's landmark for each of the 68 points of the iBUG scheme, whose ids run from the subject's right to the left.
# Our choice: the nearest landmark that has a mirror image among the 478 (jaw: even steps along the oval of the face).
KEYPOINTS68 = (
    *(127, 234, 132, 58, 172, 136, 149, 176, 152, 400, 378, 365, 397, 288, 361, 454, 356),  # 0–16 jaw
    *(70, 63, 105, 66, 107),  # 17–21 right brow
    *(336, 296, 334, 293, 300),  # 22–26 left brow
    *(168, 197, 5, 4),  # 27–30 bridge of the nose
    *(98, 97, 2, 326, 327),  # 31–35 below the nose
    *(33, 160, 158, 133, 153, 144),  # 36–41 right eye
    *(362, 385, 387, 263, 373, 380),  # 42–47 left eye
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),  # 48–59 outer lips
    *(78, 81, 13, 311, 308, 402, 14, 178),  # 60–67 inner lips
)
# Of the 68: ends of the jaw, bridge of the nose, corners of the eyes.
_RIGID68 = (0, 1, 15, 16, 27, 28, 29, 30, 36, 39, 42, 45)


@dataclass(frozen=True, eq=False)
class LandmarkSet:
    """Which points of a face are given, and how they are brought to one frame.

    Attributes
    ----------
    name : of the set; regressors say on their card which one they need.
    members : MediaPipe's landmark nearest to each point, N of them.
    rigid : the points, of the N, on bone rather than muscle; the head pose is taken off by them.
    axes : 3 where points have a depth, 2 where they are those of a picture.
    regressor : the shipped artefact.
    """

    name: str
    members: np.ndarray
    rigid: np.ndarray
    axes: int
    regressor: str

    @property
    def shape(self) -> tuple[int, int]:
        """Of one frame's points."""
        return len(self.members), self.axes

    def of_mesh(self, values: np.ndarray) -> np.ndarray:
        """These points of (…, 478, 3) landmarks or displacements: (…, N, axes)."""
        return np.asarray(values)[..., self.members, : self.axes]

    def align(self, points: np.ndarray, target: np.ndarray) -> Aligned:
        """Points (n, N, axes) without head pose, in mm of the frontal face ``target`` (N, 3)."""
        if self.axes == 3:
            return align(points, target, self.rigid)
        return align_flat(points, target, self.rigid)

    def check(self, points: np.ndarray) -> np.ndarray:
        """Points as (n, N, axes) float32.

        Raises
        ------
        InputError : another shape, infinite values, or coordinates that are normalised to the picture.
        """
        points = numbers(points, "landmarks")
        if points.ndim == 2:
            points = points[None]
        if points.ndim != 3 or points.shape[1:] != self.shape:
            raise InputError(
                f"landmarks have shape {points.shape}, but (frames, {self.shape[0]}, {self.axes}) is needed"
                + _hint(points, self)
            )
        if np.isinf(points).any():
            raise InputError("landmarks hold infinite values; mark frames without a face with NaN")
        for frame in points:  # the first one with a face tells
            extent = np.ptp(frame[:, :2], axis=0).max()
            if extent > 2.0:
                break
            if extent >= 0:  # not NaN
                raise InputError(
                    "landmarks span less than 2 pixels, so they look normalised to 0–1; multiply x and z by the "
                    "picture's width and y by its height"
                )
        return points


def _hint(points: np.ndarray, needed: LandmarkSet) -> str:
    if points.ndim == 3 and points.shape[1] == 468 and needed is MESH478:
        return " (468 points are the face without irises: use the FaceLandmarker model with 478)"
    other = [s.regressor for s in SETS.values() if points.ndim == 3 and points.shape[1:] == s.shape]
    return f' (for these points: ExpressionRegressor.load("{other[0]}"))' if other else ""


MESH478 = LandmarkSet("mesh478", np.arange(N_LANDMARKS), RIGID, 3, "expression-regressor")
LANDMARKS68 = LandmarkSet(
    "landmarks68", np.array(KEYPOINTS68), np.array(_RIGID68), 3, "landmarks68-regressor"
)
LANDMARKS68_2D = LandmarkSet(
    "landmarks68-2d", np.array(KEYPOINTS68), np.array(_RIGID68), 2, "landmarks68-2d-regressor"
)
SETS = {s.name: s for s in (MESH478, LANDMARKS68, LANDMARKS68_2D)}
