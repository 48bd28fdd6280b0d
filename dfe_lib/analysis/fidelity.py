"""How closely a coding reproduces expressions: error in mm, variance explained, rate and distortion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

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


def evaluate(codings: Iterable[Any], psi: np.ndarray, space: ExpressionSpace = ICT53) -> pd.DataFrame:
    """One row per fitted coding on the same held-out frames.

    Returns
    -------
    DataFrame with ``coding``, ``units`` (templates), ``bits`` a frame, ``rms_mm``, ``p95_mm``,
    ``variance_explained``, in the order given.
    """
    rows = []
    for coding in codings:
        psi_hat = coding.decode(coding.encode(psi))
        error = frame_errors(psi, psi_hat, space)
        rows.append(
            {
                "coding": coding.name,
                "units": len(coding.templates),
                "bits": float(coding.bits_per_frame),
                "rms_mm": float(error.mean()),
                "p95_mm": float(np.quantile(error, 0.95)),
                "variance_explained": variance_explained(psi, psi_hat, space),
            }
        )
    return pd.DataFrame(rows)


def rate_distortion(
    makers: Mapping[str, Callable[[float], Any]],
    train: np.ndarray,
    test: np.ndarray,
    bits: Iterable[float],
    space: ExpressionSpace = ICT53,
) -> pd.DataFrame:
    """Error against budget: each maker builds an unfitted coding for a budget, which is fitted and measured.

    Parameters
    ----------
    makers : name → function of bits, e.g. ``{"PCA": lambda bits: PCA(bits=bits)}``.

    Returns
    -------
    DataFrame as of :func:`evaluate`; ``bits`` is what is really spent.
    """
    rows = []
    for budget in bits:
        for name, make in makers.items():
            rows.append(evaluate([make(budget).fit(train)], test, space).assign(coding=name))
    return pd.concat(rows, ignore_index=True)


def prefix_distortion(tokenizer: Any, psi: np.ndarray, **encode: Any) -> pd.DataFrame:
    """Error of a residual coding after 1, 2, … S stages of one encoding.

    Parameters
    ----------
    tokenizer : a coding whose leading code columns decode by themselves (:class:`dfe_lib.tokens.Tokenizer`).
    encode : passed to its ``encode``.

    Returns
    -------
    DataFrame with ``coding``, ``stages``, ``bits``, ``rms_mm``, ``variance_explained``.
    """
    codes = tokenizer.encode(psi, **encode)
    stages = codes.shape[1]
    rows = []
    for s in range(1, stages + 1):
        psi_hat = tokenizer.decode(codes[:, :s])
        rows.append(
            {
                "coding": tokenizer.name,
                "stages": s,
                "bits": float(tokenizer.bits_per_frame) * s / stages,
                "rms_mm": rms_error(psi, psi_hat, tokenizer.space),
                "variance_explained": variance_explained(psi, psi_hat, tokenizer.space),
            }
        )
    return pd.DataFrame(rows)
