"""Similarity alignment: landmarks in pixels → landmarks of a frontal face in mm, and the head pose taken off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dfe_lib import artefacts
from dfe_lib.frames import N_LANDMARKS

# Landmarks on bone rather than muscle: hairline, temples, ears' front, eye corners, bridge of the nose.
RIGID = np.array(
    [10, 67, 297, 109, 338, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 168, 6, 197, 133, 362, 33, 263]
)
BLOCK = 256  # frames at a time: what is worked on stays in the cache

_AXES = np.array([1.0, -1.0, -1.0])  # picture axes to face axes
_LEAST_FRONTAL = 0.25  # of a frontal face's area: turned by about 75°
_COFACTOR = np.array(
    [
        [4, 5, 3, 7, 8, 6, 1, 2, 0],
        [8, 6, 7, 2, 0, 1, 5, 3, 4],
        [5, 3, 4, 8, 6, 7, 2, 0, 1],
        [7, 8, 6, 1, 2, 0, 4, 5, 3],
    ]
)


@dataclass(frozen=True)
class Aligned:
    """Aligned landmarks and pose of n frames.

    Attributes
    ----------
    points : (n, 478, 3) float32, mm, in the frame of the reference face; of other sets (n, N, 3) or (n, N, 2).
    angles : (n, 3) float32, degrees: pitch, yaw, roll (R = Ry(yaw) · Rx(pitch) · Rz(roll)); positive is down,
        towards the subject's left, and the top of the head towards the subject's right.
    scale : (n,) float32, pixels per mm.
    translation : (n, 2) float32, pixels: where the reference's origin lies in the picture.
    """

    points: np.ndarray
    angles: np.ndarray
    scale: np.ndarray
    translation: np.ndarray


@lru_cache(maxsize=1)
def reference() -> np.ndarray:
    """(478, 3) float32, mm: the neutral face478 to which landmarks are aligned."""
    artefact = artefacts.load("face478", kind="morphable-model")
    artefacts.expect(artefact, "assets/face478", neutral=(N_LANDMARKS, 3))
    return artefact.tensors["neutral"].astype(np.float32)


def align(landmarks: np.ndarray, target: np.ndarray | None = None, rigid: np.ndarray = RIGID) -> Aligned:
    """Rotate, scale and shift each frame's landmarks onto the reference face by its rigid points.

    Least-squares similarity in 3-D (Umeyama, IEEE PAMI 13(4), 1991) over the rows of ``rigid``: its 3×3 problem in
    float64, the points in float32.

    Parameters
    ----------
    landmarks : (n, 478, 3) pixels, x right, y down, z away from the camera. NaN rows stay NaN, and so does a frame
        whose points are all one.
    target : (478, 3) mm; by default :func:`reference`.
    rigid : rows of the points that do not move with an expression.

    Other sets of N points, in pixels or in mm of the camera, are aligned to an (N, 3) target of theirs.
    """
    target = np.asarray(reference() if target is None else target, np.float64)
    points = np.ascontiguousarray(landmarks, np.float32)
    n, size = points.shape[:2]
    every_point = _every_point(size)
    aligned = np.empty((n, size * 3), np.float32)
    rotation, scale, origin = np.empty((n, 3, 3)), np.empty(n), np.empty((n, 3))
    goal_mean = target[rigid].mean(axis=0)
    shift = np.tile(goal_mean.astype(np.float32), size)
    buffer = np.empty((min(n, BLOCK), size * 3), np.float32)
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        block = points[rows].reshape(-1, size * 3)
        away = buffer[: len(block)]
        with np.errstate(invalid="ignore", divide="ignore"):  # what has no solution becomes NaN
            seen = np.isfinite(block).all(axis=1)
            centre, rotation[rows], scale[rows] = _similarity(points[rows][:, rigid], target[rigid], seen)
            # About the centre, so that float32 loses nothing to a face far from the picture's corner.
            np.subtract(block, np.matmul(centre, every_point, out=away), out=away)
            turn = (_AXES[:, None] * rotation[rows] / scale[rows, None, None]).astype(np.float32)
            np.matmul(away.reshape(-1, size, 3), turn, out=aligned[rows].reshape(-1, size, 3))
        aligned[rows] += shift
        origin[rows] = centre * _AXES - scale[rows, None] * (rotation[rows] @ goal_mean)
    return Aligned(
        aligned.reshape(n, size, 3),
        _angles(rotation),
        scale.astype(np.float32),
        np.stack([origin[:, 0], -origin[:, 1]], axis=1).astype(np.float32),
    )


def align_flat(points: np.ndarray, target: np.ndarray, rigid: np.ndarray) -> Aligned:
    """The same for points of a picture, whose depth nobody knows: turned to the front with the depth of the target.

    The pose is that of a scaled orthographic camera, by least squares over the rigid points; then each point is where
    it must lie on the frontal face if it is as deep there as the target's.

    Parameters
    ----------
    points : (n, N, 2) pixels, x right, y down. NaN rows stay NaN; so do heads that are turned away so far
        (about 75°) that this says nothing.
    target : (N, 3) mm.
    rigid : rows of the points that do not move with an expression.
    """
    target = np.asarray(target, np.float64)
    picture = np.asarray(points, np.float64) * _AXES[:2]
    goal_mean, centre = target[rigid].mean(axis=0), picture[:, rigid].mean(axis=1)
    camera = np.linalg.pinv(target[rigid] - goal_mean) @ (picture[:, rigid] - centre[:, None])  # (n, 3, 2)
    seen = np.isfinite(camera).all(axis=(1, 2))
    camera[~seen] = np.eye(3)[:, :2]
    u, stretch, vt = np.linalg.svd(camera, full_matrices=False)
    scale = stretch.mean(axis=1)
    across = (u @ vt).transpose(0, 2, 1)  # two rows of the rotation
    rotation = np.concatenate([across, np.cross(across[:, :1], across[:, 1:])], axis=1)
    turned = np.linalg.det(across[:, :, :2])
    seen &= (turned > _LEAST_FRONTAL) & (scale > 0)
    across[~seen], scale[~seen] = np.eye(3)[:2], 1.0
    depth = (target[:, 2] - goal_mean[2])[:, None] * across[:, None, :, 2]
    frontal = (picture - centre[:, None]) / scale[:, None, None] - depth
    frontal = np.linalg.solve(across[:, None, :, :2], frontal[..., None])[..., 0] + goal_mean[:2]
    origin = centre - scale[:, None] * (across @ goal_mean)
    out = [frontal, _angles(rotation), scale, origin * _AXES[:2]]
    for values in out:
        values[~seen] = np.nan
    return Aligned(*(values.astype(np.float32) for values in out))


def _angles(rotation: np.ndarray) -> np.ndarray:
    """(n, 3) float32 pitch, yaw, roll in degrees."""
    pitch = np.arcsin(np.clip(-rotation[:, 1, 2], -1, 1))
    yaw = np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2])
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 1, 1])
    return np.degrees(np.stack([pitch, yaw, roll], axis=1)).astype(np.float32)


@lru_cache(maxsize=4)
def _every_point(size: int) -> np.ndarray:
    return np.tile(np.eye(3, dtype=np.float32), size)


def scale_of(landmarks: np.ndarray) -> np.ndarray:
    """(n,) float32 pixels per mm, the ``scale`` of :func:`align` alone: cheap where frames come one at a time.

    Parameters
    ----------
    landmarks : (n, 478, 3) pixels; finite.
    """
    goal = reference()[RIGID].astype(np.float64)
    away = landmarks[:, RIGID].astype(np.float64)
    away = (away - away.mean(axis=1, keepdims=True)) * _AXES
    covariance = away.transpose(0, 2, 1) @ (goal - goal.mean(axis=0))
    singular = np.linalg.svd(covariance, compute_uv=False)
    singular[:, 2] *= np.sign(np.linalg.det(covariance))
    return ((away**2).sum(axis=(1, 2)) / singular.sum(axis=1)).astype(np.float32)


def _similarity(
    source: np.ndarray, goal: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre (n, 3) float32 in pixels, rotation (n, 3, 3) from face to picture axes, scale (n,); NaN where not seen."""
    n, k, _ = source.shape
    centre = source.mean(axis=1, dtype=np.float64).astype(np.float32)
    away = (source - centre[:, None]).astype(np.float64) * _AXES
    covariance = (away.transpose(0, 2, 1).reshape(n * 3, k) @ (goal - goal.mean(axis=0))).reshape(n, 3, 3)
    covariance[~seen] = np.eye(3)
    rotation = _nearest_rotation(covariance)
    rotation[~seen] = np.nan
    scale = (away.reshape(n, -1) ** 2).sum(axis=1) / (rotation * covariance).reshape(n, 9).sum(axis=1)
    return centre, rotation, scale


def _nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """Rotation R (n, 3, 3) with the largest trace of Rᵀ A, by Newton's iteration for the polar factor.

    A few times as fast as LAPACK's singular value decomposition of one 3×3 after the other (Higham, Functions of
    Matrices, 2008, ch. 8). Where the polar factor is no rotation (reflected or flat points) the latter serves.
    """
    size = np.linalg.norm(matrices.reshape(-1, 9), axis=1)
    x = matrices.reshape(-1, 9).T / size
    regular = (x * _cofactors(x))[:3].sum(axis=0) > 1e-6
    x = np.where(regular, x, np.eye(3).reshape(9, 1))
    for _ in range(20):  # six or seven for faces
        inverse = _cofactors(x)
        inverse /= (x * inverse)[:3].sum(axis=0)  # inverse and transposed
        balance = np.sqrt(np.sqrt((inverse**2).sum(axis=0) / (x**2).sum(axis=0)))
        step = 0.5 * (balance * x + inverse / balance) - x
        x += step
        if np.abs(step).max(initial=0) < 1e-6:  # the next step would be its square
            break
    rotation = np.ascontiguousarray(x.T).reshape(-1, 3, 3)
    if not regular.all():
        u, _, vt = np.linalg.svd(matrices[~regular])
        u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
        rotation[~regular] = u @ vt
    return rotation


def _cofactors(x: np.ndarray) -> np.ndarray:
    """(9, n) cofactors of (9, n) matrices, row by row."""
    return x[_COFACTOR[0]] * x[_COFACTOR[1]] - x[_COFACTOR[2]] * x[_COFACTOR[3]]
