"""Left and right: mirrored landmarks, directions that are whole under the mirror, and a network that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from dfe_lib.face.layers import SWAP
from dfe_lib.face.morphable import mirror_landmarks
from dfe_lib.space import ICT53


class Mirror:
    """The left–right mirror image of aligned landmarks, and directions that are whole under it."""

    def __init__(self, target: np.ndarray, axes: int = 3):
        self.pair = mirror_landmarks(target)
        self.flip = np.array([-1, 1, 1][:axes])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, N · axes) landmarks of the mirrored faces."""
        points = x.reshape(-1, len(self.pair), len(self.flip))[:, self.pair] * self.flip.astype(x.dtype)
        return points.reshape(x.shape)

    def signs(self, basis: np.ndarray) -> np.ndarray:
        """(k,) float32: 1 for a direction (N · axes, k) that is symmetric under the mirror, -1 for antisymmetric."""
        return np.sign((basis * self(basis.T.copy()).T).sum(axis=0)).astype(np.float32)


def discriminant(
    neutral: np.ndarray,
    shown: np.ndarray,
    mirror: Callable[[np.ndarray], np.ndarray],
    floor: float | np.ndarray,
    components: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Directions (m, k) in which expressions stand out most of what is not expression, and their signs.

    What is not expression: how the neutral frames of one subject differ (pose, lens, light, detection), and a floor of
    independent noise. In the basis it has unit variance. Each direction is symmetric or antisymmetric under the
    mirror; ``signs`` (k,) says which, so that the mirrored face has the components signs · components.

    Parameters
    ----------
    neutral, shown : (n, m), neutral and expressive frames minus their person's neutral face.
    mirror : rows (n, m) to those of the mirrored faces.
    floor : variance of the independent noise, one or (m,).
    """

    def covariance(x: np.ndarray) -> np.ndarray:
        plain = x.T @ x / len(x)
        return (plain + mirror(mirror(plain).T.copy()).T).astype(np.float64) / 2

    nuisance = covariance(neutral)
    nuisance += floor * np.eye(len(nuisance))
    values, vectors = np.linalg.eigh(nuisance)
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    signal = whitening @ covariance(shown) @ whitening
    basis = whitening @ np.linalg.eigh(signal)[1][:, ::-1][:, :components]
    image = mirror(basis.T.copy()).T
    signs = np.sign((basis * image).sum(axis=0))
    basis = (basis + signs * image) / 2  # exactly, not only to rounding
    return basis.astype(np.float32), signs.astype(np.float32)


class SymmetricNetwork(nn.Module):
    """Two hidden layers of mirror pairs: what one unit of a pair sees of a face, the other sees of its mirror image.

    So the mirrored face gets the mirrored ψ whatever the weights are, and no mirrored frames are needed in training.
    """

    def __init__(self, signs: np.ndarray, pairs: int, dropout: float):
        super().__init__()
        k, m, d = len(signs), pairs, ICT53.dimension
        self.register_buffer("signs", torch.tensor(signs))
        self.register_buffer("even", torch.tensor(np.flatnonzero(signs > 0)))
        self.register_buffer("odd", torch.tensor(np.flatnonzero(signs < 0)))
        self.register_buffer("swap", torch.tensor(SWAP))
        self.first = nn.Parameter(torch.randn(k, m) / k**0.5)
        self.same = nn.Parameter(torch.randn(m, m) / m**0.5)
        self.crossed = nn.Parameter(torch.randn(m, m) / m**0.5)
        self.last = nn.Parameter(torch.randn(m, d) * 0.1 / m**0.5)
        self.bias_1, self.bias_2 = nn.Parameter(torch.zeros(m)), nn.Parameter(torch.zeros(m))
        self.bias = nn.Parameter(torch.zeros(d))
        self.dropout = nn.Dropout(dropout)

    def hidden(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, m) activations of the second layer's two halves, of components (n, k)."""
        even, odd = x[:, self.even] @ self.first[self.even], x[:, self.odd] @ self.first[self.odd]
        own, image = (self.dropout(torch.relu(half + self.bias_1)) for half in (even + odd, even - odd))
        total, apart = (
            (own + image) @ (self.same + self.crossed),
            (own - image) @ (self.same - self.crossed),
        )
        return torch.relu((total + apart) / 2 + self.bias_2), torch.relu((total - apart) / 2 + self.bias_2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 53) ψ of components (n, k)."""
        own, image = (self.dropout(half) for half in self.hidden(x))
        return own @ self.last + (image @ self.last)[:, self.swap] + (self.bias + self.bias[self.swap]) / 2
