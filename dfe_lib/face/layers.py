"""The last part of every regressor: a linear map and a small network from components to ψ and its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfe_lib import artefacts
from dfe_lib.space import ICT53


@dataclass(frozen=True, eq=False, kw_only=True)
class Layers:
    """Tensors of a regressor that sees k components of a face.

    Attributes
    ----------
    linear : (k, 53) float32: ψ by ridge regression alone; it also tells which frames are neutral.
    linear_share : (1,) float32: its share of ψ.
    hidden_1, hidden_2 : (k, h) and (h, h) float32, with bias_1, bias_2 (h,): two layers of rectified units.
    output : (h, 53) float32, offset (53,): the network's share of ψ; the offset makes the neutral face exactly 0.
    log_sd : (h, 53) float32, log_sd_0 (53,): logarithm of the standard deviation of ψ.
    """

    linear: np.ndarray
    linear_share: np.ndarray
    hidden_1: np.ndarray
    bias_1: np.ndarray
    hidden_2: np.ndarray
    bias_2: np.ndarray
    output: np.ndarray
    offset: np.ndarray
    log_sd: np.ndarray
    log_sd_0: np.ndarray


def forward(layers, seen: np.ndarray, psi: np.ndarray, sd: np.ndarray | None) -> None:
    """The linear map and the network of a regressor, for one block of frames.

    Parameters
    ----------
    layers : has the tensors of :class:`Layers`.
    seen : (n, k) float32 components; overwritten.
    psi, sd : (n, 53) float32, written to.
    """
    active = seen @ layers.hidden_1
    active += layers.bias_1
    np.maximum(active, 0, out=active)
    active = active @ layers.hidden_2
    active += layers.bias_2
    np.maximum(active, 0, out=active)
    seen *= layers.linear_share
    np.matmul(seen, layers.linear, out=psi)
    psi += active @ layers.output
    psi -= layers.offset
    if sd is not None:
        np.exp(active @ layers.log_sd + layers.log_sd_0, out=sd)


def layer_shapes(artefact: artefacts.Artefact) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of :class:`Layers`, given the shape of the first hidden layer."""
    first = artefact.tensors.get("hidden_1", np.zeros((0, 0)))
    k, h = first.shape if first.ndim == 2 else (0, 0)
    d = ICT53.dimension
    return {
        "linear": (k, d),
        "linear_share": (1,),
        "hidden_1": (k, h),
        "bias_1": (h,),
        "hidden_2": (h, h),
        "bias_2": (h,),
        "output": (h, d),
        "offset": (d,),
        "log_sd": (h, d),
        "log_sd_0": (d,),
    }
