"""How closely a coding reproduces expressions: error in mm, and variance explained."""

from __future__ import annotations

import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace


def frame_errors(psi: np.ndarray, psi_hat: np.ndarray, space: ExpressionSpace = ICT53) -> np.ndarray:
    """‖ψ − ψ̂‖_G of every frame, (n,) float64 in mm.

    Raises
    ------
    InputError : shapes that differ, no frames, NaN.
    """
    psi, psi_hat = space.check(psi), space.check(psi_hat)
    if psi.shape != psi_hat.shape or not len(psi):
        raise InputError(
            f"ψ has shape {psi.shape} and ψ̂ {psi_hat.shape}; both need the same frames, at least one"
        )
    return space.norm(psi.astype(np.float64) - psi_hat)


def rms_error(psi: np.ndarray, psi_hat: np.ndarray, space: ExpressionSpace = ICT53) -> float:
    """Mean over frames of the RMS vertex displacement between ψ and ψ̂, mm."""
    return float(frame_errors(psi, psi_hat, space).mean())


def variance_explained(psi: np.ndarray, psi_hat: np.ndarray, space: ExpressionSpace = ICT53) -> float:
    """1 − Σ‖ψ − ψ̂‖²_G / Σ‖ψ‖²_G, about the neutral face (uncentred).

    >>> smile = ICT53.vector(mouthSmile_L=1.0)[None]
    >>> round(variance_explained(smile, smile / 2), 3)
    0.75
    """
    error = frame_errors(psi, psi_hat, space)
    energy = (space.norm(space.check(psi)) ** 2).sum()
    if energy == 0:
        raise InputError("all frames are neutral: there is no variance to explain")
    return float(1 - (error**2).sum() / energy)
