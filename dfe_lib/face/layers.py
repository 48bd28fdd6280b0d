"""The last part of every regressor: a linear map and a small mirror-symmetric network from components to ψ.

The network's hidden units come in pairs, of which one sees the face and the other its mirror image, so a mirrored face
gives the mirrored ψ exactly. One half of the tensors says all of it; it is what an artefact keeps and what is computed
with, since the sum and the difference of the two halves do not mix: half the bytes, half the multiplications.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from dfe_lib import artefacts
from dfe_lib.space import ICT53

SWAP = np.argsort(ICT53.mirror_order)  # ψ[:, SWAP]: ψ of the mirrored face
LOG_SD = (-6.0, 1.0)  # the logarithm of sd stays between them: it is linear, and would run away on odd frames
_LARGE = ("linear", "hidden_1", "hidden_2", "output", "log_sd")


@dataclass(frozen=True, eq=False, kw_only=True)
class Layers:
    """Tensors of a regressor that sees k components of a face, with m mirror pairs of units in each hidden layer.

    Attributes
    ----------
    signs : (k,) float32: 1 for a component that mirroring the face leaves as it is, -1 for one that it turns round.
    linear : (k, 53) float32: ψ by ridge regression alone; it also tells which frames are neutral.
    linear_share : (1,) float32: its share of ψ.
    hidden_1, bias_1 : (k, m) and (m,) float32: the units that see the face; the others see ``signs`` · components.
    hidden_2, bias_2 : (m, 2m) and (m,) float32: from the own half to the own half and, beside it, to the other one.
    output : (m, 53) float32, offset (53,): the network's share of ψ; the offset makes the neutral face exactly 0.
    log_sd : (m, 53) float32, log_sd_0 (53,): logarithm of the standard deviation of ψ.
    """

    signs: np.ndarray
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

    @property
    def layers(self) -> dict[str, np.ndarray]:
        """Name → array as an artefact keeps them, large ones as float16."""
        tensors = {f.name: getattr(self, f.name) for f in fields(Layers)}
        tensors |= {name: tensors[name].astype(np.float16) for name in _LARGE}
        return tensors | {"signs": self.signs.astype(np.int8)}

    @cached_property
    def split(self) -> tuple[np.ndarray, ...]:
        """Even and odd components, their parts of ``hidden_1``, the maps of sum and difference, and both heads."""
        even, odd = np.flatnonzero(self.signs > 0), np.flatnonzero(self.signs < 0)
        same, crossed = np.split(self.hidden_2, 2, axis=1)
        heads = np.hstack([self.output, self.log_sd])
        return (
            even,
            odd,
            self.hidden_1[even],
            self.hidden_1[odd],
            (same + crossed) / 2,
            (same - crossed) / 2,
            heads,
        )


def forward(layers: Layers, seen: np.ndarray, psi: np.ndarray, sd: np.ndarray | None) -> None:
    """The linear map and the network of a regressor, for one block of frames.

    Parameters
    ----------
    seen : (n, k) float32 components; overwritten.
    psi, sd : (n, 53) float32, written to.
    """
    even, odd, of_even, of_odd, of_sum, of_difference, heads = layers.split
    pair = _pair(seen[:, even] @ of_even, seen[:, odd] @ of_odd, layers.bias_1)
    pair = _pair((pair[0] + pair[1]) @ of_sum, (pair[0] - pair[1]) @ of_difference, layers.bias_2)
    d = psi.shape[1]
    own, image = pair @ (heads if sd is not None else layers.output)
    seen *= layers.linear_share
    np.matmul(seen, layers.linear, out=psi)
    psi += own[:, :d]
    psi += image[:, SWAP]
    psi -= layers.offset
    if sd is not None:
        np.exp(np.clip(own[:, d:] + image[:, d + SWAP] + layers.log_sd_0, *LOG_SD), out=sd)


def _pair(even: np.ndarray, odd: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(2, n, m) activations of the units that see the face, and of those that see its mirror image."""
    pair = np.empty((2, *even.shape), np.float32)
    even += bias
    np.add(even, odd, out=pair[0])
    np.subtract(even, odd, out=pair[1])
    return np.maximum(pair, 0, out=pair)


def layer_shapes(artefact: artefacts.Artefact) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of :class:`Layers`, given the shape of the first hidden layer."""
    first = artefact.tensors.get("hidden_1", np.zeros((0, 0)))
    k, m = first.shape if first.ndim == 2 else (0, 0)
    d = ICT53.dimension
    return {
        "signs": (k,),
        "linear": (k, d),
        "linear_share": (1,),
        "hidden_1": (k, m),
        "bias_1": (m,),
        "hidden_2": (m, 2 * m),
        "bias_2": (m,),
        "output": (m, d),
        "offset": (d,),
        "log_sd": (m, d),
        "log_sd_0": (d,),
    }
