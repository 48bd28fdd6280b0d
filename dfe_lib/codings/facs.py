"""FACS as a coding: action units as fixed deformations, found by non-negative least squares, coded 0–5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dfe_lib.codings.base import Grid, LinearCoding
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53, ExpressionSpace

INTENSITIES = 6  # absent, then A to E, written 0–5 as OpenFace and the coders' manual do


@dataclass(frozen=True)
class ActionUnit:
    """One action unit and the coefficients that it moves at intensity E (5)."""

    number: int
    name: str
    moves: dict[str, float]  # ARKit-like names without side; both sides move alike


# Our own reading of the FACS definitions in terms of the ARKit shapes. Where ARKit has a shape of the same
# meaning it is taken at 1; units without one (11, 23, 25) are approximated by shapes whose skin they move.
# In a set that also has those shapes' own units, such a unit adds nothing and its intensity is not unique.
ACTION_UNITS: dict[int, ActionUnit] = {
    unit.number: unit
    for unit in (
        ActionUnit(1, "inner brow raiser", {"browInnerUp": 1.0}),
        ActionUnit(2, "outer brow raiser", {"browOuterUp": 1.0}),
        ActionUnit(4, "brow lowerer", {"browDown": 1.0}),
        ActionUnit(5, "upper lid raiser", {"eyeWide": 1.0}),
        ActionUnit(6, "cheek raiser", {"cheekSquint": 1.0}),
        ActionUnit(7, "lid tightener", {"eyeSquint": 1.0}),
        ActionUnit(9, "nose wrinkler", {"noseSneer": 1.0}),
        ActionUnit(10, "upper lip raiser", {"mouthUpperUp": 1.0}),
        ActionUnit(11, "nasolabial deepener", {"noseSneer": 0.3, "mouthUpperUp": 0.3}),
        ActionUnit(12, "lip corner puller", {"mouthSmile": 1.0}),
        ActionUnit(14, "dimpler", {"mouthDimple": 1.0}),
        ActionUnit(15, "lip corner depressor", {"mouthFrown": 1.0}),
        ActionUnit(16, "lower lip depressor", {"mouthLowerDown": 1.0}),
        ActionUnit(17, "chin raiser", {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.4}),
        ActionUnit(18, "lip pucker", {"mouthPucker": 1.0}),
        ActionUnit(20, "lip stretcher", {"mouthStretch": 1.0}),
        ActionUnit(22, "lip funneler", {"mouthFunnel": 1.0}),
        ActionUnit(23, "lip tightener", {"mouthPress": 0.6, "mouthRollUpper": 0.3, "mouthRollLower": 0.3}),
        ActionUnit(24, "lip pressor", {"mouthPress": 1.0}),
        ActionUnit(25, "lips part", {"mouthLowerDown": 0.4, "mouthUpperUp": 0.2}),
        ActionUnit(26, "jaw drop", {"jawOpen": 1.0}),
        ActionUnit(28, "lip suck", {"mouthRollLower": 1.0, "mouthRollUpper": 1.0}),
        ActionUnit(29, "jaw thrust", {"jawForward": 1.0}),
        ActionUnit(34, "cheek puff", {"cheekPuff": 1.0}),
        ActionUnit(43, "eye closure", {"eyeBlink": 1.0}),
        ActionUnit(45, "blink", {"eyeBlink": 1.0}),
    )
}

SETS: dict[str, tuple[int, ...]] = {
    "openface": (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45),
    "pyfeat": (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43),
    "full": tuple(number for number in ACTION_UNITS if number != 45),  # 45 is 43 in another rhythm
}


def au_basis(
    aus: str = "openface", sided: bool = False, space: ExpressionSpace = ICT53
) -> tuple[list[str], np.ndarray]:
    """Names and deformations of a set of action units.

    Parameters
    ----------
    aus : ``"openface"`` (17 units), ``"pyfeat"`` (20) or ``"full"`` (25).
    sided : units whose coefficients come in pairs are split in a left and a right one, as coders do for
        unilateral actions; automatic detectors give one value for both sides.

    Returns
    -------
    names : e.g. ``["AU01", …]`` or ``["AU01_L", "AU01_R", …]``.
    basis : (k, d) float64, the deformation at intensity E.
    """
    if aus not in SETS:
        raise InputError(f"unknown set of action units: {choices(aus, SETS)}")
    if space.name != ICT53.name:
        raise InputError(f"the action-unit table is written for space '{ICT53.name}', not for '{space.name}'")
    position = {name: i for i, name in enumerate(space.names)}
    names, rows = [], []
    for unit in (ACTION_UNITS[number] for number in SETS[aus]):
        paired = all(f"{m}_L" in position for m in unit.moves)
        for side in ("_L", "_R") if sided and paired else ("",):
            row = np.zeros(space.dimension)
            for moved, weight in unit.moves.items():
                members = (f"{moved}{side}",) if side else (moved, f"{moved}_L", f"{moved}_R")
                for name in members:
                    if name in position:
                        row[position[name]] = weight
            names.append(f"AU{unit.number:02d}{side}")
            rows.append(row)
    return names, np.array(rows)


class FACS(LinearCoding):
    """Action units at intensities 0–5, the code closest to ψ in G.

    Costs log2 6 bits per unit: 43.9 for OpenFace's 17 units. The map is fixed, so ``fit`` learns nothing
    and only checks its input; intensity 5 is the full shape.

    Parameters
    ----------
    aus, sided : see :func:`au_basis`.

    Examples
    --------
    >>> smile = ICT53.vector(mouthSmile_L=0.6, mouthSmile_R=0.6)
    >>> coding = FACS()
    >>> dict(zip(coding.names, coding.encode(smile)[0].tolist()))["AU12"]
    3
    """

    def __init__(self, aus: str = "openface", sided: bool = False, space: ExpressionSpace = ICT53):
        super().__init__(f"FACS {aus}" + (" sided" if sided else ""), space)
        self.aus, self.sided = aus, sided
        self.names, self._templates = au_basis(aus, sided, space)
        k = len(self.names)
        self._l1 = np.zeros(k)
        self.grid = Grid(np.zeros(k), np.ones(k), np.full(k, INTENSITIES, dtype=np.int64))

    def fit(self, psi: np.ndarray) -> Self:
        self.space.check(psi)
        return self

    def intensities(self, psi: np.ndarray) -> np.ndarray:
        """(n, k) float64 continuous intensities in 0–5, what a perfect automatic detector would report."""
        return self.coefficients(psi) * (INTENSITIES - 1)

    def _parameters(self) -> dict[str, Any]:
        return {"aus": self.aus, "sided": self.sided}
