"""FACS as a coding: action units as fixed deformations, intensities by bounded least squares, coded 0–5."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from dfe_lib.codings.action_units import INTENSITIES, action_units, au_basis
from dfe_lib.codings.base import UNDETECTED, LinearCoding
from dfe_lib.codings.grid import Grid
from dfe_lib.codings.published import published_basis
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53, ExpressionSpace

TABLES = ("own", "pyfeat-au-mesh")


class FACS(LinearCoding):
    """Action units at intensities 0–5, the code closest to ψ in G: what a perfect coder with this table would write.

    Costs log2 6 = 2.58 bits per unit: 31.0 for LibreFace's 12 units, 43.9 for OpenFace's 17, 51.7 for Py-Feat's 20,
    82.7 for the full table's 32; where units of two sides are scored apart 77.5 (OpenFace), 87.9 (Py-Feat) and 124.1
    (full). The table is fixed, so ``fit`` learns nothing and only checks its input. Intensity i stands for i/5 of the
    unit's full shape.

    Parameters
    ----------
    aus, sided : see :func:`dfe_lib.codings.action_units.au_basis`.
    table : ``"own"``, the table of this library; or ``"pyfeat-au-mesh"``, the map that Py-Feat publishes (see
        :func:`dfe_lib.codings.published.published_basis`), for the 20 units that it has.

    Raises
    ------
    InputError : an unknown set or table, a set or sides that the table does not have, another space than ICT53.
    AssetError : the published map is not at hand.

    Examples
    --------
    >>> smile = ICT53.vector(mouthSmile_L=0.6, mouthSmile_R=0.6)
    >>> coding = FACS()
    >>> dict(zip(coding.names, coding.encode(smile)[0].tolist()))["AU12"]
    3
    """

    def __init__(
        self, aus: str = "openface", sided: bool = False, space: ExpressionSpace = ICT53, table: str = "own"
    ):
        name = f"FACS {aus}" + (" sided" if sided else "") + ("" if table == "own" else ", published")
        super().__init__(name, space)
        if table not in TABLES:
            raise InputError(f"no such table of action units: {choices(table, TABLES)}")
        self.aus, self.sided, self.table = aus, sided, table
        self.names, self._templates = au_basis(aus, sided, space)
        if table != "own":
            if sided:
                raise InputError(f"the table '{table}' has no sides; use sided=False, or the table 'own'")
            basis = published_basis().basis
            lacking = [n for n in self.names if n not in basis]
            if lacking:
                raise InputError(f"the table '{table}' lacks {', '.join(lacking)}; it has the set 'pyfeat'")
            self._templates = np.stack([basis[n] for n in self.names])
        k = len(self.names)
        self._l1 = np.zeros(k)
        self.grid = Grid(np.zeros(k), np.ones(k), np.full(k, INTENSITIES, dtype=np.int64))

    def fit(self, psi: np.ndarray) -> Self:
        self.space.check(psi)
        return self

    def with_budget(self, psi: np.ndarray, bits: float) -> Self:
        raise InputError(
            f"{self.name} has one budget, {self.bits_per_frame:.1f} bits: choose another set of units"
        )

    def intensities(self, psi: np.ndarray) -> np.ndarray:
        """(n, k) float64 continuous intensities in 0–5, what a perfect automatic detector would report."""
        return self.coefficients(psi) * (INTENSITIES - 1)

    def deform(self, intensities: np.ndarray) -> np.ndarray:
        """(n, 53) float32 ψ of (n, k) intensities in 0–5, such as a detector's; NaN rows stay NaN.

        Raises
        ------
        InputError : another number of units, or intensities outside 0–5.
        """
        x = self._checked(intensities)
        return (x / (INTENSITIES - 1) @ self._templates).astype(np.float32)

    def codes_of(self, intensities: np.ndarray) -> np.ndarray:
        """(n, k) int16 codes of a detector's intensities (0–5), rounded; −1 in rows with NaN (no face).

        Raises
        ------
        InputError : as :meth:`deform`.
        """
        x = self._checked(intensities)
        seen = np.isfinite(x).all(axis=1)
        codes = np.full(x.shape, UNDETECTED, np.int16)
        codes[seen] = np.rint(x[seen])
        return codes

    def _checked(self, intensities: np.ndarray) -> np.ndarray:
        x = np.atleast_2d(np.asarray(intensities, np.float64))
        if x.shape[1] != len(self.names):
            raise InputError(
                f"{self.name} has {len(self.names)} units, but {x.shape[1]} intensities were given"
            )
        if (x < 0).any() or (x > INTENSITIES - 1).any():
            raise InputError("intensities must lie in 0–5; scale or clip them first")
        return x

    def _parameters(self) -> dict[str, Any]:
        return {"aus": self.aus, "sided": self.sided, "table": self.table}


__all__ = ["FACS", "INTENSITIES", "action_units", "au_basis"]
