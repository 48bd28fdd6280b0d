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


@dataclass(frozen=True)
class Aligned:
    """Aligned landmarks and pose of n frames.

    Attributes
    ----------
    points : (n, 478, 3) float32, mm, in the frame of the reference face.
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


def align(landmarks: np.ndarray, target: np.ndarray | None = None) -> Aligned:
    """Rotate, scale and shift each frame's landmarks onto the reference face by its rigid points.

    Least-squares similarity in 3-D (Umeyama, IEEE PAMI 13(4), 1991) over the rows of ``RIGID``.

    Parameters
    ----------
    landmarks : (n, 478, 3) pixels, x right, y down, z away from the camera. NaN rows stay NaN.
    target : (478, 3) mm; by default :func:`reference`.
    """
    target = np.asarray(reference() if target is None else target, np.float64)
    points = np.asarray(landmarks, np.float64) * np.array([1.0, -1.0, -1.0])  # picture axes to face axes
    seen = np.isfinite(points).all(axis=(1, 2))
    n = len(points)
    rotation, scale = np.full((n, 3, 3), np.nan), np.full(n, np.nan)
    origin = np.full((n, 3), np.nan)
    if seen.any():
        source, goal = points[seen][:, RIGID], target[RIGID]
        source_mean, goal_mean = source.mean(axis=1), goal.mean(axis=0)
        a, b = source - source_mean[:, None], goal - goal_mean
        u, s, vt = np.linalg.svd(np.einsum("nki,kj->nij", a, b))
        flip = np.ones((len(a), 3))
        flip[:, 2] = np.sign(np.linalg.det(u @ vt))
        rotation[seen] = np.einsum("nij,nj,njk->nik", u, flip, vt)  # face axes → picture axes
        scale[seen] = (a**2).sum(axis=(1, 2)) / np.maximum((s * flip).sum(axis=1), 1e-12)
        origin[seen] = source_mean - scale[seen, None] * np.einsum("nij,j->ni", rotation[seen], goal_mean)
    aligned = np.einsum("nki,nij->nkj", points - origin[:, None], rotation) / scale[:, None, None]
    pitch = np.arcsin(np.clip(-rotation[:, 1, 2], -1, 1))
    yaw = np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2])
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 1, 1])
    return Aligned(
        aligned.astype(np.float32),
        np.degrees(np.stack([pitch, yaw, roll], axis=1)).astype(np.float32),
        scale.astype(np.float32),
        np.stack([origin[:, 0], -origin[:, 1]], axis=1).astype(np.float32),
    )
