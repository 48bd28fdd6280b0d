"""Facial Basis: localised signed movements from one sparse dictionary per face part (arXiv 2505.24679)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from dfe_lib.codings.base import LinearCoding, check_training
from dfe_lib.codings.dictionary import learn_dictionary
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace

FRAMES = 1500  # that are learnt from, evenly spread
PARTS: dict[str, int] = {
    "brow_L": 5,
    "brow_R": 5,
    "nose": 3,
    "eye_L": 7,
    "eye_R": 7,
    "mouth": 23,
}  # units, 50 in all


def part_of(name: str) -> str:
    """Part of the face that a coefficient of ICT53 belongs to; cheeks and jaw go with the mouth.

    >>> part_of("eyeWide_L"), part_of("jawOpen")
    ('eye_L', 'mouth')
    """
    for start in ("brow", "eye"):
        if name.startswith(start):
            return f"{start}_{name[-1]}"
    return "nose" if name.startswith("nose") else "mouth"


class FacialBasis(LinearCoding):
    """Six regional sparse dictionaries, 50 units: unit-norm atoms, signed lasso codes by coordinate descent.

    The source learns from displacements of the 51 inner landmarks of a morphable model without pose and identity:
    ``FacialBasis(bits=None, space=LANDMARKS51)`` on :func:`dfe_lib.codings.keypoints.displacements_of_psi` is that.
    In ψ the parts are groups of coefficients in whitened coordinates; that form enters the common tables. The scale
    that ``alpha`` refers to is not known of the source: each part is scaled to unit RMS, so that it means the same in
    every part, and codes are solved over the whole face at once (our choice). At a small budget only the units that
    carry most of the training energy are kept: 50 signed units need at least 79 bits.

    Parameters
    ----------
    bits : budget per frame (see :class:`PCA`); None: all units, at 1,023 levels, as good as unquantised.
    alpha : L1 weight, 0.21 in the source.
    """

    signed = True

    def __init__(
        self, bits: float | None = 48.0, alpha: float = 0.21, seed: int = 0, space: ExpressionSpace = ICT53
    ):
        super().__init__("Facial Basis", space)
        self.bits, self.alpha, self.seed = self._budget(bits), float(alpha), seed

    def fit(self, psi: np.ndarray) -> Self:
        """Learn the dictionaries, levels and ranges from (n, d) ψ."""
        psi = check_training(psi, self.space, at_least=2 * max(PARTS.values()))
        learn = psi[:: max(1, len(psi) // FRAMES)]
        templates, l1 = [], []
        for part, units in PARTS.items():
            members = self._members(part)
            whitener = np.linalg.cholesky(self.space.metric[np.ix_(members, members)])
            x = learn[:, members] @ whitener
            scale = np.sqrt((x**2).sum(axis=1).mean())
            if scale < 1e-9:  # a part that never moves has no units
                continue
            _, found = learn_dictionary(x / scale, units, self.alpha, positive=False, seed=self.seed)
            atoms = np.zeros((units, self.space.dimension))
            atoms[:, members] = found @ np.linalg.inv(whitener)
            length = self.space.norm(atoms)
            used = length > 1e-9
            templates.append(atoms[used] / length[used, None])
            l1.append(np.full(used.sum(), self.alpha * scale))
        self._templates, self._l1 = np.concatenate(templates), np.concatenate(l1)
        self._fit_grid(psi, self.bits)
        return self

    def _members(self, part: str) -> np.ndarray:
        if self.space.name == ICT53.name:
            return np.array([i for i, name in enumerate(self.space.names) if part_of(name) == part])
        if part not in self.space.regions:
            raise InputError(
                f"Facial Basis needs the parts {', '.join(PARTS)}, which space '{self.space.name}' does not name"
            )
        return np.array(self.space.regions[part])

    def _parameters(self) -> dict[str, Any]:
        return {"bits": self.bits, "alpha": self.alpha, "seed": self.seed}
