"""68 keypoints and their motion: the spaces in which DFECS and Facial Basis were published.

arXiv 2406.05434 and 2505.24679.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.face.align import align
from dfe_lib.face.landmark_sets import KEYPOINTS68
from dfe_lib.frames import N_LANDMARKS
from dfe_lib.space import ICT53, ExpressionSpace

N_KEYPOINTS = 68
PARTS: dict[str, tuple[int, ...]] = {
    "right eye": (*range(17, 22), *range(36, 42)),
    "left eye": (*range(22, 27), *range(42, 48)),
    "jaw": tuple(range(17)),
    "nose": tuple(range(27, 36)),
    "mouth": tuple(range(48, 68)),
}
# Where the source puts points in its picture, x right and y down: first the whole face, then each part.
ANCHORS = {0: (300, 900), 16: (1100, 900), 27: (700, 900), 33: (700, 1300), 39: (600, 1000), 42: (800, 1000)}
PART_ANCHORS = {
    "right eye": {36: (400, 1000), 39: (600, 1000)},
    "left eye": {42: (800, 1000), 45: (1000, 1000)},
    "jaw": {0: (300, 1000), 16: (1100, 1000)},
    "nose": {27: (700, 1000)},  # shifted only
}

KEYPOINTS = ExpressionSpace(
    "keypoints136",
    tuple(f"{axis}_{i}" for axis in "xy" for i in range(N_KEYPOINTS)),
    np.eye(2 * N_KEYPOINTS) / N_KEYPOINTS,
    {part: tuple(i + shift for shift in (0, N_KEYPOINTS) for i in ids) for part, ids in PARTS.items()},
    unit="pixel of the anchors",
)

INNER = tuple(range(17, N_KEYPOINTS))  # without the jaw
_INNER_PARTS = {
    "brow_L": range(22, 27),
    "brow_R": range(17, 22),
    "nose": range(27, 36),
    "eye_L": range(42, 48),
    "eye_R": range(36, 42),
    "mouth": range(48, 68),
}
LANDMARKS51 = ExpressionSpace(
    "landmarks51",
    tuple(f"{axis}_{i}" for i in INNER for axis in "xyz"),
    np.eye(3 * len(INNER)) / len(INNER),
    {
        part: tuple(3 * (i - INNER[0]) + axis for i in ids for axis in range(3))
        for part, ids in _INNER_PARTS.items()
    },
)


def keypoints(landmarks: np.ndarray) -> np.ndarray:
    """The 68 keypoints of frontal faces, (n, 68, 2) float64 in mm, x right and y down in the picture.

    The source frontalises by a linear map that it has learnt from pairs of views; we have depth, so the head is turned
    back by the rigid landmarks.

    Parameters
    ----------
    landmarks : (n, 478, 3) pixels, as in a frame table; NaN rows stay NaN.
    """
    return _picture(align(landmarks).points)


def normalise(points: np.ndarray) -> np.ndarray:
    """Faces and then their parts brought to the source's anchors: (n, 68, 2) in pixels of its picture.

    One affine map per frame, by pseudo-inverse, takes six points closest to :data:`ANCHORS`; then a similarity per part
    takes its two points to :data:`PART_ANCHORS`. The mouth stays as the whole face has it.

    Parameters
    ----------
    points : (n, 68, 2) keypoints, x right and y down.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 3 or points.shape[1:] != (N_KEYPOINTS, 2):
        raise InputError(f"keypoints must be (n, {N_KEYPOINTS}, 2), got {points.shape}")
    ids, goal = list(ANCHORS), np.array(list(ANCHORS.values()), np.float64)
    seen = np.isfinite(points).all(axis=(1, 2))
    ones = np.ones((*points.shape[:2], 1))
    affine = np.full((len(points), 3, 2), np.nan)
    affine[seen] = np.linalg.pinv(np.concatenate([points, ones], axis=2)[seen][:, ids]) @ goal
    out = np.concatenate([points, ones], axis=2) @ affine
    for part, anchors in PART_ANCHORS.items():
        members = list(PARTS[part])
        first, *rest = anchors
        moved = out[:, members] - out[:, [first]]
        if rest:  # complex numbers are similarities of the plane
            there = complex(*np.subtract(anchors[rest[0]], anchors[first]))
            here = out[:, rest[0]] - out[:, first]
            turn = there / (here[:, 0] + 1j * here[:, 1])
            z = (moved[..., 0] + 1j * moved[..., 1]) * turn[:, None]
            moved = np.stack([z.real, z.imag], axis=2)
        out[:, members] = moved + anchors[first]
    return out


def motion(points: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Keypoint motion, (n, 136): 68 shifts along x, then 68 along y, of normalised faces against the neutral face.

    Parameters
    ----------
    points : (n, 68, 2) keypoints of one person.
    neutral : (68, 2) keypoints of the same person's neutral face.
    """
    away = normalise(points) - normalise(np.asarray(neutral)[None])
    return away.transpose(0, 2, 1).reshape(len(away), 2 * N_KEYPOINTS)


def motion_of_landmarks(
    landmarks: np.ndarray, recordings: np.ndarray | None = None, neutral: np.ndarray | None = None
) -> np.ndarray:
    """Keypoint motion of tracked faces, (n, 136), NaN where there is no face.

    Parameters
    ----------
    landmarks : (n, 478, 3) pixels.
    recordings : (n,) names; one neutral face each. By default all frames are one recording.
    neutral : (n,) bool, the frames that are neutral; their mean is the neutral face. By default the median of the
        recording, which is neutral where the person mostly was (our choice; the source has labelled neutral frames).

    Raises
    ------
    InputError : a recording without a neutral frame, or without a face.
    """
    landmarks = np.asarray(landmarks)
    if landmarks.ndim != 3 or landmarks.shape[1:] != (N_LANDMARKS, 3):
        raise InputError(f"landmarks must be (n, {N_LANDMARKS}, 3), got {landmarks.shape}")
    points = keypoints(landmarks)
    recordings = np.zeros(len(points)) if recordings is None else np.asarray(recordings)
    out = np.full((len(points), 2 * N_KEYPOINTS), np.nan)
    seen = np.isfinite(points).all(axis=(1, 2))
    for name in np.unique(recordings):
        rows = recordings == name
        still = rows & seen if neutral is None else rows & seen & np.asarray(neutral, bool)
        if not still.any():
            what = "face" if neutral is None else "neutral frame"
            raise InputError(f"recording '{name}' has no {what}; leave it out")
        face = np.median(points[still], axis=0) if neutral is None else points[still].mean(axis=0)
        out[rows & seen] = motion(points[rows & seen], face)
    return out


def motion_of_psi(psi: np.ndarray) -> np.ndarray:
    """Keypoint motion of the generic face with expressions ψ of ICT53, (n, 136)."""
    return motion(_picture(ICT53.to_mesh(np.atleast_2d(psi), "face478")), _neutral())


def displacements_of_psi(psi: np.ndarray) -> np.ndarray:
    """Displacements in mm of the 51 inner keypoints of the generic face, (n, 153): x, y, z of one after the other.

    Nothing is aligned or normalised: the morphable model has no pose and no other face in it.
    """
    away = ICT53.to_mesh(np.atleast_2d(psi), "face478") - ICT53.to_mesh(np.zeros(ICT53.dimension), "face478")
    return away[:, list(np.array(KEYPOINTS68)[list(INNER)])].reshape(len(away), -1).astype(np.float64)


def rest() -> np.ndarray:
    """(68, 2) the generic neutral face at the anchors of the whole face, to draw motion on."""
    return np.c_[_neutral(), np.ones(N_KEYPOINTS)] @ _to_anchors()


def arrows(unit: np.ndarray, space: ExpressionSpace, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Where keypoints start and end when a unit acts: its picture in the source's manner.

    Parameters
    ----------
    unit : (d,) one template of a coding.
    space : the coding's; :data:`KEYPOINTS`, :data:`LANDMARKS51` or ICT53.
    strength : coefficient of the unit.

    Returns
    -------
    start, end : (68, 2), x right and y down, in pixels of the source's picture.

    Examples
    --------
    >>> start, end = arrows(ICT53.vector(jawOpen=1.0), ICT53)
    >>> bool(end[8, 1] - start[8, 1] > 20)     # the chin goes down
    True
    """
    if space.name == KEYPOINTS.name:
        away = np.asarray(unit, np.float64) * strength
    elif space.name == LANDMARKS51.name:
        shift = np.zeros((N_KEYPOINTS, 2))
        shift[list(INNER)] = (np.asarray(unit, np.float64) * strength).reshape(-1, 3)[:, :2] * [1.0, -1.0]
        away = (shift @ _to_anchors()[:2]).T.ravel()
    elif space.name == ICT53.name:
        away = motion_of_psi(np.asarray(unit, np.float64) * strength)[0]
    else:
        raise InputError(
            f"keypoints of space '{space.name}' are not known; spaces that have them: ict53, keypoints136"
        )
    start = rest()
    return start, start + away.reshape(2, N_KEYPOINTS).T


def _picture(points: np.ndarray) -> np.ndarray:
    """Keypoints of (n, 478, 3) faces in mm, seen from the front: x to the subject's left is right, y up turns down."""
    return points[:, KEYPOINTS68, :2].astype(np.float64) * [1.0, -1.0]


@lru_cache(maxsize=1)
def _neutral() -> np.ndarray:
    return _picture(ICT53.to_mesh(np.zeros((1, ICT53.dimension)), "face478"))[0]


@lru_cache(maxsize=1)
def _to_anchors() -> np.ndarray:
    """(3, 2) affine map of the generic neutral face to the anchors of the whole face."""
    ids, goal = list(ANCHORS), np.array(list(ANCHORS.values()), np.float64)
    return np.linalg.pinv(np.c_[_neutral(), np.ones(N_KEYPOINTS)][ids]) @ goal
