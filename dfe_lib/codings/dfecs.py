"""DFECS: action units without labels, part-face sparse dictionaries and then NMF (arXiv 2406.05434)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.decomposition import NMF

from dfe_lib.codings.base import LinearCoding, check_training
from dfe_lib.codings.dictionary import learn_dictionary
from dfe_lib.space import ICT53, ExpressionSpace


class DFECS(LinearCoding):
    """Two levels: non-negative sparse dictionaries per face part, then NMF over their codes.

    Level 1, part f: ``X_f ≈ V_f U_f`` with V_f ≥ 0 and L1-sparse, as many atoms as explain ``variance`` of
    the training frames. Level 2: ``[V_1 … V_F] ≈ V A`` by NMF, V, A ≥ 0. Final units ``A ·
    blockdiag(U_f)``.

    Our adaptation: the source works on displacements of 68 image keypoints; here the parts are the facial
    regions of the expression space, in whitened coordinates (mm), so that the units enter the common
    tables. The number of units, sparsity and NMF start are our choice; new frames are coded by non-negative
    least squares on the final units over the whole face.

    Parameters
    ----------
    bits : budget per frame (see :class:`PCA`).
    units : size of level 2; 16 is the size reported second-hand for the source.
    variance : share of training variance that each part dictionary must explain (0.95 in the source).
    alpha : L1 weight, relative to the RMS length of a part's displacement.
    """

    def __init__(
        self,
        bits: float = 48.0,
        units: int = 16,
        variance: float = 0.95,
        alpha: float = 0.05,
        seed: int = 0,
        space: ExpressionSpace = ICT53,
    ):
        super().__init__("DFECS", space)
        self.bits = self._budget(bits)
        self.units, self.variance, self.alpha, self.seed = units, variance, alpha, seed

    def fit(self, psi: np.ndarray) -> Self:
        """Learn both levels, levels of quantisation and ranges from (n, d) ψ."""
        psi = check_training(psi, self.space, at_least=10 * self.units)
        learn = psi[:: max(1, len(psi) // 1500)]
        codes, atoms = [], []
        for members in self.space.regions.values():
            members = np.asarray(members)
            part = learn[:, members]
            if np.allclose(part, 0):
                continue
            v, u = self._part_model(part, np.linalg.cholesky(self.space.metric[np.ix_(members, members)]))
            whole = np.zeros((len(u), self.space.dimension))
            whole[:, members] = u
            codes.append(v)
            atoms.append(whole)
        stacked, atoms = np.concatenate(codes, axis=1), np.concatenate(atoms)
        model = NMF(
            min(self.units, stacked.shape[1]), init="nndsvda", random_state=self.seed, max_iter=400, tol=1e-3
        )
        model.fit(stacked)
        templates = model.components_ @ atoms
        templates = templates[self.space.norm(templates) > 1e-9]
        self._templates = templates / self.space.norm(templates)[:, None]
        self._l1 = np.zeros(len(self._templates))
        self._fit_grid(psi, self.bits)
        return self

    def _part_model(self, part: np.ndarray, whitener: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest dictionary that explains enough, by bisection: codes (n, k), atoms (k, members) in ψ."""
        x = part @ whitener
        scale = np.sqrt((x**2).sum(axis=1).mean())
        x = x / scale
        fewest, most = 1, 2 * x.shape[1]
        while True:
            k = (fewest + most) // 2
            codes, atoms = learn_dictionary(x, k, self.alpha, positive=True, seed=self.seed)
            explained = 1 - ((x - codes @ atoms) ** 2).sum() / (x**2).sum()
            if fewest == most:  # the last resort, 2 × dimension, is taken even where it explains less
                return codes * scale, atoms @ np.linalg.inv(whitener)
            fewest, most = (fewest, k) if explained >= self.variance else (k + 1, most)

    def _parameters(self) -> dict[str, Any]:
        return {
            "bits": self.bits,
            "units": self.units,
            "variance": self.variance,
            "alpha": self.alpha,
            "seed": self.seed,
        }
