"""What every coding of facial expressions offers, and the two steps they share: solving and quantising."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd

from dfe_lib import artefacts, frames
from dfe_lib.codings.bounded import bounded_least_squares
from dfe_lib.codings.dictionary import coordinate_descent
from dfe_lib.codings.grid import Grid
from dfe_lib.codings.store import load_coding, made, rows_of, save_coding
from dfe_lib.display import Shown
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace, space_of

UNDETECTED = -1
_MAX_LEVELS = 1024  # finer grids cost bits and no longer change the error


@runtime_checkable
class Coding(Protocol):
    """Turns expression coefficients into integers and back.

    Attributes
    ----------
    name : how tables and figures call it.
    space : the expression space it works in; distances are in its metric G.
    templates : (K, d) float32, the unit deformations that the code adds up (for a vector quantiser: its
        codewords).
    bits_per_frame : what one frame costs when every code is written with its fixed number of bits.
    """

    name: str
    space: ExpressionSpace

    @property
    def templates(self) -> np.ndarray: ...

    @property
    def bits_per_frame(self) -> float: ...

    def fit(self, psi: np.ndarray) -> Self: ...

    def encode(self, psi: np.ndarray) -> np.ndarray: ...

    def decode(self, codes: np.ndarray) -> np.ndarray: ...


def check_training(psi: np.ndarray, space: ExpressionSpace, at_least: int = 2) -> np.ndarray:
    """ψ as (n, d) float64, fit to learn from.

    Raises
    ------
    InputError : NaN, wrong dimension, fewer than ``at_least`` frames, or frames that are all the same.
    """
    psi = space.check(psi).astype(np.float64)
    if len(psi) < at_least:
        raise InputError(f"a coding needs at least {at_least} frames to learn from, got {len(psi)}")
    if np.allclose(psi, psi[0], atol=1e-9):
        raise InputError(
            f"all {len(psi)} training frames are the same expression; nothing can be learnt from them"
        )
    return psi


def psi_for(coding: Coding, table: pd.DataFrame, source: str = "the frame table") -> np.ndarray:
    """ψ of a frame table for a coding, (n, d) float32, NaN where no face was found.

    Arrays do not say what their numbers mean, frame tables do: two spaces can have the same dimension.

    Raises
    ------
    InputError : the table's ψ is of another space than the coding's, by name.
    """
    space = space_of(table.attrs, source)
    if space.name != coding.space.name:
        raise InputError(
            f"{source} holds ψ of space '{space.name}', but the {coding.name} coding works in '{coding.space.name}'; "
            "fit one on ψ of the table's space"
        )
    return frames.psi(table, coding.space.names)


class LinearCoding(Shown):
    """ψ̂ = offset + Σ_j value(code_j) · template_j, with a uniform grid of levels per unit.

    A subclass learns ``templates`` and says how coefficients are found; this class chooses the grid for a bit
    budget, quantises, and reads and writes. Where templates are not orthogonal in G, levels are refined after
    rounding (each in turn moved to its best level), which gives every coding the benefit of its own grid.
    """

    signed: ClassVar[bool] = False  # signed coefficients need a level at zero: an odd number of levels
    orthogonal: ClassVar[bool] = False
    name: str
    space: ExpressionSpace
    grid: Grid | None = None

    def __init__(self, name: str, space: ExpressionSpace):
        self.name = name
        self.space = space
        self._templates = np.zeros((0, space.dimension))
        self._offset = np.zeros(space.dimension)
        self._l1 = np.zeros(0)

    @property
    def templates(self) -> np.ndarray:
        """(K, d) float32 deformations at coefficient 1."""
        self._fitted()
        return self._templates.astype(np.float32)

    @property
    def bits_per_frame(self) -> float:
        return self._fitted().bits

    def _facts(self) -> dict[str, object]:
        if self.grid is None:
            return {"state": "not fitted", "space": self.space.name}
        levels = sorted({*map(int, self.grid.levels)})
        return {
            "units": len(self._templates),
            "levels": levels[0] if len(levels) == 1 else f"{levels[0]} to {levels[-1]}",
            "bits a frame": f"{self.bits_per_frame:.3g}",
            "space": self.space.name,
        }

    def _fitted(self) -> Grid:
        if self.grid is None:
            raise InputError(f"the {self.name} coding is not fitted yet; call fit(psi) or load(path) first")
        return self.grid

    def coefficients(self, psi: np.ndarray) -> np.ndarray:
        """(n, K) float64 coefficients before quantisation, inside the range of the grid."""
        grid = self._fitted()
        psi = self.space.check(psi).astype(np.float64)
        return self._solve(psi, self._templates, self._l1, grid.low, grid.high)

    def _solve(self, psi, templates, l1, low, high, sweeps=200, tolerance=1e-3) -> np.ndarray:
        targets = (psi - self._offset) @ self.space.whitener
        atoms = templates @ self.space.whitener
        if self.orthogonal:
            return np.clip(targets @ atoms.T, low, high)
        if not self.signed and not np.any(l1):
            return bounded_least_squares(targets, atoms, high)
        return coordinate_descent(targets, atoms, low, high, l1, sweeps=sweeps, tolerance=tolerance)

    def encode(self, psi: np.ndarray) -> np.ndarray:
        """Levels of every unit, (n, K) int16.

        Raises
        ------
        InputError : NaN rows or another dimension (see :meth:`ExpressionSpace.check`), or not fitted.
        """
        grid = self._fitted()
        psi = self.space.check(psi).astype(np.float64)
        x = self._solve(psi, self._templates, self._l1, grid.low, grid.high)
        return self._quantise(psi, x, self._templates, grid)

    def _quantise(self, psi, coefficients, templates, grid: Grid) -> np.ndarray:
        codes = grid.quantise(coefficients)
        if self.orthogonal:
            return codes
        refined = coordinate_descent(
            (psi - self._offset) @ self.space.whitener,
            templates @ self.space.whitener,
            grid.low,
            grid.high,
            step=grid.step,
            start=grid.values(codes),
            sweeps=5,
        )
        return grid.quantise(refined)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """ψ̂, (n, d) float32; a row that holds −1 (no face) decodes to NaN.

        Raises
        ------
        InputError : another number of units, or a level beyond the grid.
        """
        grid = self._fitted()
        codes = rows_of(codes)
        if codes.shape[1] != len(grid.levels):
            raise InputError(
                f"{self.name} codes have {len(grid.levels)} units, but {codes.shape[1]} were given"
            )
        missing = (codes == UNDETECTED).any(axis=1)
        if (codes < UNDETECTED).any() or (codes >= grid.levels).any():
            raise InputError(f"{self.name} codes must lie in 0 … {int(grid.levels.max()) - 1} (−1: no face)")
        psi = self._offset + grid.values(codes) @ self._templates
        psi[missing] = np.nan
        return psi.astype(np.float32)

    @property
    def _fewest_levels(self) -> int:
        return 3 if self.signed and not self.orthogonal else 2

    def _budget(self, bits: float | None) -> float | None:
        if bits is None:  # as many as all units take at the finest grid
            return None
        least = np.log2(self._fewest_levels)
        if not bits >= least:
            raise InputError(f"{bits} bits a frame are too few for {self.name}: one unit needs {least:.2f}")
        return float(bits)

    def _fit_grid(self, psi: np.ndarray, bits: float | None, most: int = 800) -> None:
        """Keep the units, levels and range that give the least training error within ``bits`` per frame.

        Units are dropped in order of the training energy they carry; the range is the training range, trimmed
        where that lowers the error. Without a budget all units are kept, at the finest grid.
        """
        psi = psi[:: max(1, len(psi) // most)]
        rough = {
            "sweeps": 40,
            "tolerance": 0.01,
        }  # mm; ranks grids as a full solution does, in a tenth of the time
        free = self._solve(psi, self._templates, self._l1, -np.inf if self.signed else 0.0, np.inf, **rough)
        energy = (free**2).mean(axis=0) * self.space.norm(self._templates) ** 2
        order = np.arange(len(energy)) if self.orthogonal else np.argsort(-energy, kind="stable")
        smallest = self._fewest_levels
        if bits is None:
            levels = _MAX_LEVELS - (smallest == 3)  # an odd number has a level at zero
            self.grid = self._range(1.5 * free, 0.0, levels)  # new frames may go further than these
            return
        most_units = min(len(order), int(bits / np.log2(smallest) + 1e-9))
        best = (np.inf, None, None, None)
        for count in sorted({int(round(c)) for c in np.geomspace(min(4, most_units), most_units, 12)}):
            levels = min(int(2 ** (bits / count) + 1e-9), _MAX_LEVELS)
            if smallest == 3 and levels % 2 == 0:
                levels -= 1
            kept = order[:count]
            for trim in (0.0, 0.01, 0.05):
                grid = self._range(free[:, kept], trim, levels)
                templates = self._templates[kept]
                x = self._solve(psi, templates, self._l1[kept], grid.low, grid.high, **rough)
                values = grid.values(self._quantise(psi, x, templates, grid))
                error = float((self.space.norm(psi - self._offset - values @ templates) ** 2).mean())
                if error < best[0] - 1e-12:
                    best = (error, kept, grid, templates)
        _, kept, self.grid, self._templates = best
        self._l1 = self._l1[kept]

    def with_budget(self, psi: np.ndarray, bits: float) -> Self:
        """The same units at another budget, without learning them again: a fitted copy.

        Parameters
        ----------
        psi : (n, d) frames that levels and ranges are chosen on, those of ``fit``.
        bits : budget per frame; fit with the largest one first, as a budget may drop units.
        """
        again = copy.copy(self)
        again.bits = again._budget(bits)
        again._fitted()
        again._fit_grid(check_training(psi, self.space), bits)
        return again

    def _range(self, values: np.ndarray, trim: float, levels: int) -> Grid:
        high = np.quantile(values, 1 - trim, axis=0)
        low = np.quantile(values, trim, axis=0) if self.signed else np.zeros_like(high)
        if self.signed and not self.orthogonal:
            high = np.maximum(np.abs(low), np.abs(high))
            low = -high
        high = np.maximum(high, low + 1e-6)  # a unit that never moved still needs a range
        return Grid(low, high, np.full(values.shape[1], levels, dtype=np.int64))

    def _parameters(self) -> dict[str, Any]:
        """Constructor arguments, JSON-able, that rebuild this object before its tensors are read."""
        return {}

    def save(self, path: str | Path) -> Path:
        """Write the coding as an artefact folder (tensors and card)."""
        grid = self._fitted()
        tensors = {
            "templates": self._templates,
            "offset": self._offset,
            "l1": self._l1,
            "low": grid.low,
            "high": grid.high,
            "levels": grid.levels,
        }
        return save_coding(self, path, tensors, self._parameters())

    @classmethod
    def load(cls, path: str | Path, space: ExpressionSpace = ICT53) -> Self:
        """Read a coding that :meth:`save` wrote.

        Raises
        ------
        InputError : missing or damaged folder, another coding, or another expression space.
        """
        artefact = load_coding(cls.__name__, path, space)
        coding = made(cls, artefact, path, space)
        units = artefact.tensors["levels"].shape[0] if "levels" in artefact.tensors else 0
        unit_shapes = dict.fromkeys(("l1", "low", "high", "levels"), (units,))
        artefacts.expect(
            artefact, str(path), templates=(units, space.dimension), offset=(space.dimension,), **unit_shapes
        )
        t = artefact.tensors
        coding._templates, coding._offset, coding._l1 = t["templates"], t["offset"], t["l1"]
        coding.grid = Grid(t["low"], t["high"], t["levels"])
        return coding
