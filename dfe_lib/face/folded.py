"""One half of a mirror-symmetric regressor, from which the other half follows: what an artefact keeps.

The hidden units of :class:`dfe_lib.face.symmetry.SymmetricNetwork` come in pairs, of which one sees the face and the
other its mirror image; so do the points at which a picture is read. Half of the tensors say all of it, in half the
bytes.
"""

from __future__ import annotations

import numpy as np

from dfe_lib.space import ICT53

_SWAP = np.argsort(ICT53.mirror_order)


def fold_layers(layers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The first unit of every pair; for the standard deviation, which is fitted freely, the mean of both.

    Parameters
    ----------
    layers : the tensors of :class:`dfe_lib.face.layers.Layers`, of h = 2m hidden units.

    Returns
    -------
    The same names, with ``hidden_1`` (k, m), ``hidden_2`` (m, 2m), ``output`` and ``log_sd`` (m, 53), biases (m,).
    """
    m = len(layers["bias_1"]) // 2
    own, image = layers["log_sd"][:m], layers["log_sd"][m:][:, _SWAP]
    constant = layers["log_sd_0"]
    return layers | {
        "hidden_1": layers["hidden_1"][:, :m],
        "bias_1": layers["bias_1"][:m],
        "hidden_2": layers["hidden_2"][:m],
        "bias_2": layers["bias_2"][:m],
        "output": layers["output"][:m],
        "log_sd": (own + image) / 2,
        "log_sd_0": (constant + constant[_SWAP]) / 2,
    }


def unfold_layers(half: dict[str, np.ndarray], signs: np.ndarray) -> dict[str, np.ndarray]:
    """All tensors again, from those of :func:`fold_layers`.

    Parameters
    ----------
    signs : (k,) 1 for a component that mirroring the face leaves as it is, -1 for one that it turns round.
    """
    m = len(half["bias_1"])
    same, crossed = half["hidden_2"][:, :m], half["hidden_2"][:, m:]
    first = half["hidden_1"]
    both = {name: np.tile(half[name], 2) for name in ("bias_1", "bias_2")}
    sided = {name: np.concatenate([half[name], half[name][:, _SWAP]]) for name in ("output", "log_sd")}
    second = np.block([[same, crossed], [crossed, same]])
    return half | both | sided | {"hidden_1": np.hstack([first, signs[:, None] * first]), "hidden_2": second}


def fold_points(values: np.ndarray) -> np.ndarray:
    """Rows of the first half of the points, of an array whose second half is about their mirror images."""
    return values[: len(values) // 2]


def unfold_points(half: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """(K, t) directions of the texture from their first half (K / 2, t) and each direction's sign (t,)."""
    return np.concatenate([half, signs * half])
