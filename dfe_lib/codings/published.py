"""The action units that Py-Feat publishes as displacements of 478 landmarks, brought into ICT53."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dfe_lib.codings.bounded import bounded_least_squares
from dfe_lib.data.manifest import locate
from dfe_lib.errors import InputError
from dfe_lib.face.align import RIGID
from dfe_lib.face.morphable import load_morphable, mirror_landmarks
from dfe_lib.frames import N_LANDMARKS

ENTRY, FILE = "pyfeat-au-mesh", "au_to_mesh_pls_v4.npz"
_RIDGE = 0.1  # of the mean squared length of a shape; smaller ones let shapes cancel, see published_basis


@dataclass(frozen=True)
class PublishedBasis:
    """Action units of the published map.

    Attributes
    ----------
    basis : ``AU01`` … ``AU43`` → (53,) float64 ψ at Py-Feat's value 1, not negative.
    displacements : the same → (478, 3) float64 mm on the reference face, without what is affine, both sides alike.
    explained : the same → share of the displacements' squared length that ψ reproduces.
    """

    basis: dict[str, np.ndarray]
    displacements: dict[str, np.ndarray]
    explained: dict[str, float]


@lru_cache(maxsize=1)
def published_basis() -> PublishedBasis:
    """Py-Feat's linear map from 20 action units to the mesh (``au_to_mesh_pls_v4``), as ψ.

    The map is a regression of landmarks on what a detector said of people: its units carry what these people also did
    (above all how they held their heads), and are not even on both sides. So its neutral face is turned and scaled
    onto our reference by the rigid landmarks, each unit's displacement is made even and loses what is affine motion of
    the whole, and non-negative ψ of the shipped morphable model (which loses the same) is fitted to the rest, with a
    small penalty on its size; without it large coefficients cancel each other. Our choice.

    Raises
    ------
    AssetError : the entry ``pyfeat-au-mesh`` is not at hand.
    InputError : the file is not that map.
    """
    path = locate(ENTRY, FILE)
    with np.load(path, allow_pickle=False) as file:
        names = [str(name) for name in file["au_columns"]]
        coefficients, neutral = file["coef"][: len(names)], file["intercept"]
    if coefficients.shape != (len(names), 3 * N_LANDMARKS) or neutral.shape != (3 * N_LANDMARKS,):
        raise InputError(f"{path} is not a map from action units to {N_LANDMARKS} landmarks")
    # The map lists all x, then all y, then all z; x to the subject's left, y up, z out of the face, as ours.
    neutral = neutral.reshape(3, N_LANDMARKS).T.astype(np.float64)
    fields = coefficients.reshape(-1, 3, N_LANDMARKS).transpose(0, 2, 1).astype(np.float64)
    model = load_morphable("face478")
    fields = fields @ _similarity(neutral, model.neutral)
    pair = mirror_landmarks(model.neutral)
    fields = (fields + fields[:, pair] * np.array([-1, 1, 1])) / 2
    still = _without_affine(model.neutral)
    flat = (still @ fields).reshape(len(names), -1)
    shapes = (still @ model.expressions.astype(np.float64)).reshape(len(model.expressions), -1)
    ridge = np.sqrt(_RIDGE * (shapes**2).sum(axis=1).mean()) * np.eye(len(shapes))
    psi = bounded_least_squares(np.pad(flat, ((0, 0), (0, len(ridge)))), np.hstack([shapes, ridge]))
    left = ((flat - psi @ shapes) ** 2).sum(axis=1) / (flat**2).sum(axis=1)
    return PublishedBasis(
        dict(zip(names, psi, strict=True)),
        dict(zip(names, flat.reshape(fields.shape), strict=True)),
        dict(zip(names, (1 - left).tolist(), strict=True)),
    )


def _similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) rotation times scale that takes displacements of ``source`` to those of ``target`` (Umeyama 1991)."""
    a = source[RIGID] - source[RIGID].mean(axis=0)
    b = target[RIGID] - target[RIGID].mean(axis=0)
    u, s, vt = np.linalg.svd(a.T @ b)
    s[-1] *= np.sign(np.linalg.det(u @ vt))
    u[:, -1] *= np.sign(np.linalg.det(u @ vt))
    return u @ vt * s.sum() / (a**2).sum()


def _without_affine(points: np.ndarray) -> np.ndarray:
    """(V, V) projection that takes shifts, turns, scalings and shears of ``points`` off displacements."""
    basis = np.linalg.qr(np.c_[np.ones(len(points)), points.astype(np.float64)])[0]
    return np.eye(len(points)) - basis @ basis.T
