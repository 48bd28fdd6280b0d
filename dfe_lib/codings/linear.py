"""Two plain codings to measure against: principal components and one vector quantiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn import cluster, decomposition

from dfe_lib import artefacts
from dfe_lib.codings.base import UNDETECTED, LinearCoding, check_training
from dfe_lib.codings.store import load_coding, save_coding
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace


class PCA(LinearCoding):
    """Principal components of ψ in G, each quantised uniformly on its training range.

    Parameters
    ----------
    bits : budget per frame. Number of components and levels are those with the least training error within
        it.
    """

    signed = True
    orthogonal = True

    def __init__(self, bits: float = 48.0, space: ExpressionSpace = ICT53):
        super().__init__("PCA", space)
        self.bits = self._budget(bits)

    def fit(self, psi: np.ndarray) -> Self:
        """Learn mean, components, levels and ranges from (n, d) ψ."""
        psi = check_training(psi, self.space)
        model = decomposition.PCA(svd_solver="full").fit(psi @ self.space.whitener)
        back = np.linalg.inv(self.space.whitener)
        self._offset = model.mean_ @ back
        self._templates = model.components_ @ back
        self._l1 = np.zeros(len(self._templates))
        self._fit_grid(psi, self.bits)
        return self

    def _parameters(self) -> dict[str, Any]:
        return {"bits": self.bits}


class KMeans:
    """A vector quantiser: one of K whole-face expressions per frame, log2 K bits.

    It cannot spend the budget of the other codings (48 bits would need 2⁴⁸ codewords); it stands in tables
    at its own, smaller one.

    Parameters
    ----------
    codes : K.
    seed : of the k-means++ start.
    """

    def __init__(self, codes: int = 256, seed: int = 0, space: ExpressionSpace = ICT53):
        if not 2 <= codes <= 32767:
            raise InputError(f"the number of codes must lie in 2 … 32767, got {codes}")
        self.name = "k-means"
        self.space = space
        self.codes, self.seed = int(codes), int(seed)
        self._templates: np.ndarray | None = None

    @property
    def templates(self) -> np.ndarray:
        """(K, d) float32 codewords."""
        if self._templates is None:
            raise InputError("the k-means coding is not fitted yet; call fit(psi) or load(path) first")
        return self._templates.astype(np.float32)

    @property
    def bits_per_frame(self) -> float:
        return float(np.log2(self.codes))

    def fit(self, psi: np.ndarray) -> Self:
        """Learn the codewords from (n, d) ψ, n ≥ K."""
        psi = check_training(psi, self.space, at_least=self.codes)
        # Mini-batches: the same error within a few percent of full k-means, in a tenth of the time.
        model = cluster.MiniBatchKMeans(
            self.codes, random_state=self.seed, n_init=1, batch_size=4096, max_iter=50
        )
        model.fit(psi @ self.space.whitener)
        self._templates = model.cluster_centers_ @ np.linalg.inv(self.space.whitener)
        return self

    def encode(self, psi: np.ndarray) -> np.ndarray:
        """Nearest codeword in G, (n, 1) int16."""
        words = self.templates.astype(np.float64) @ self.space.whitener
        targets = self.space.check(psi).astype(np.float64) @ self.space.whitener
        half = (words**2).sum(axis=1) / 2
        chunks = [targets[i : i + 8192] for i in range(0, len(targets), 8192)]
        codes = [np.argmax(c @ words.T - half, axis=1) for c in chunks] or [np.zeros(0)]
        return np.concatenate(codes)[:, None].astype(np.int16)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """ψ̂, (n, d) float32; −1 decodes to NaN."""
        codes = np.atleast_2d(np.asarray(codes))
        if codes.shape[1] != 1 or (codes < UNDETECTED).any() or (codes >= self.codes).any():
            raise InputError(
                f"k-means codes have one column of values −1 … {self.codes - 1}, got shape {codes.shape}"
            )
        psi = self.templates[codes[:, 0]]
        psi[codes[:, 0] == UNDETECTED] = np.nan
        return psi

    def save(self, path: str | Path) -> Path:
        """Write the coding as an artefact folder."""
        parameters = {"codes": self.codes, "seed": self.seed}
        return save_coding(
            self, path, {"templates": np.asarray(self.templates, dtype=np.float64)}, parameters
        )

    @classmethod
    def load(cls, path: str | Path, space: ExpressionSpace = ICT53) -> Self:
        """Read a coding that :meth:`save` wrote."""
        artefact = load_coding(cls.__name__, path, space)
        coding = cls(**artefact.card["parameters"], space=space)
        artefacts.expect(artefact, str(path), templates=(coding.codes, space.dimension))
        coding._templates = artefact.tensors["templates"]
        return coding
