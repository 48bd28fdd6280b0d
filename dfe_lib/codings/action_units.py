"""The table of action units (``action_units.yaml``), read safely and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53, REGIONS, ExpressionSpace
from dfe_lib.texts import read_yaml

TABLE = Path(__file__).with_name("action_units.yaml")
INTENSITIES = 6  # absent, then A to E, written 0–5 as OpenFace and the coders' manual do
LATERALITIES = ("paired", "midline", "directed")
TOOLS = ("openface", "pyfeat", "libreface")
_KEYS = {"number", "name", "muscles", "laterality", "region", "moves", "columns", "sources"}
_SIDES = ("L", "R")


@dataclass(frozen=True)
class ActionUnit:
    """One action unit.

    Attributes
    ----------
    number, name, muscles, region : as the manual of FACS has them; ``region`` is one of :data:`dfe_lib.space.REGIONS`.
    laterality : ``paired`` (left and right are scored apart), ``midline``, or ``directed`` (to one side).
    moves : side → coefficient of ICT53 → weight at intensity 5. Sides are ``""`` (the whole unit) and, where there are
        some, ``"L"`` and ``"R"``; a directed unit has only these.
    columns : tool → ``intensity`` and ``presence`` → name of the column.
    sources : keys of the table's list of sources.
    """

    number: int
    name: str
    muscles: str
    laterality: str
    region: str
    moves: dict[str, dict[str, float]]
    columns: dict[str, dict[str, str]]
    sources: tuple[str, ...]

    @property
    def code(self) -> str:
        """``AU01`` … ``AU64``."""
        return f"AU{self.number:02d}"

    def sides(self, sided: bool) -> tuple[str, ...]:
        """Sides under which the unit is written: ``("",)``, or ``("L", "R")``."""
        return _SIDES if self.laterality == "directed" or (sided and self.laterality == "paired") else ("",)


@dataclass(frozen=True)
class ActionUnitTable:
    """The whole table.

    Attributes
    ----------
    units : number → unit.
    sets : name of a size (``openface``, ``pyfeat``, ``full``, ``libreface``) → numbers.
    sources : key → citation.
    missing : number → name and reason, of units of FACS that ICT53 cannot show.
    """

    units: dict[int, ActionUnit]
    sets: dict[str, tuple[int, ...]]
    sources: dict[str, str]
    missing: dict[int, str]


@lru_cache(maxsize=4)
def action_units(path: Path = TABLE) -> ActionUnitTable:
    """The table of action units, checked.

    Parameters
    ----------
    path : a table of one's own in the same form; by default the shipped one.

    Raises
    ------
    InputError : not readable as YAML, or an entry that cannot be, by unit and key.

    Examples
    --------
    >>> action_units().units[12].name, action_units().units[12].columns["openface"]["intensity"]
    ('lip corner puller', 'AU12_r')
    """
    content = read_yaml(path, "a table of action units")
    top = {"sources", "sets", "units", "not_in_ict53"}
    if not isinstance(content, dict) or set(content) != top or not isinstance(content["units"], list):
        raise InputError(
            f"{path} is no table of action units: it needs exactly the keys {', '.join(sorted(top))}"
        )
    units: dict[int, ActionUnit] = {}
    for row in content["units"]:
        unit = _unit(row, content["sources"], path)
        if unit.number in units:
            raise InputError(f"{path} lists {unit.code} twice")
        units[unit.number] = unit
    sets = {name: tuple(numbers) for name, numbers in content["sets"].items()}
    for name, numbers in sets.items():
        for number in numbers:
            if number not in units:
                raise InputError(f"{path}: set '{name}' names unit {number}, which the table does not have")
    return ActionUnitTable(units, sets, dict(content["sources"]), dict(content["not_in_ict53"]))


def _unit(row: object, sources: dict, path: Path) -> ActionUnit:
    if not isinstance(row, dict) or set(row) != _KEYS:
        given = ", ".join(map(str, row)) if isinstance(row, dict) else repr(row)
        raise InputError(f"{path}: a unit needs exactly {', '.join(sorted(_KEYS))}, got {given}")
    where = f"{path}: unit {row['number']}"
    kinds = {"moves": dict, "columns": dict, "sources": list}
    for key, kind in kinds.items():
        if not isinstance(row[key], kind):
            raise InputError(f"{where}: '{key}' must be a {kind.__name__}, got {row[key]!r:.60}")
    if not isinstance(row["number"], int) or not 0 < row["number"] < 100:
        raise InputError(f"{where}: the number must be an integer from 1 to 99")
    for key, allowed in (("laterality", LATERALITIES), ("region", REGIONS)):
        if not isinstance(row[key], str) or row[key] not in allowed:
            raise InputError(f"{where}: no such {key}: {choices(str(row[key]), allowed)}")
    for source in row["sources"]:
        if source not in sources:
            raise InputError(f"{where}: no such source: {choices(source, sources)}")
    for tool, columns in row["columns"].items():
        if tool not in TOOLS or not set(columns) <= {"intensity", "presence"}:
            raise InputError(
                f"{where}: columns are named by {', '.join(TOOLS)} and by intensity and presence"
            )
    return ActionUnit(
        **{key: row[key] for key in _KEYS - {"moves", "sources"}},
        moves=_moves(row, where),
        sources=tuple(row["sources"]),
    )


def _moves(row: dict, where: str) -> dict[str, dict[str, float]]:
    if row["laterality"] == "directed":
        if set(row["moves"]) != set(_SIDES):
            raise InputError(
                f"{where}: a directed unit moves L and R, got {', '.join(map(str, row['moves']))}"
            )
        return {side: _weights(row["moves"][side], where) for side in _SIDES}
    whole = _weights(row["moves"], where)
    if row["laterality"] == "midline":
        return {"": whole}
    moves = {"": whole} | {s: {n: w for n, w in whole.items() if n.endswith(f"_{s}")} for s in _SIDES}
    if len(moves["L"]) + len(moves["R"]) != len(whole) or not moves["L"]:
        raise InputError(f"{where}: a paired unit can only move coefficients that have a left and a right")
    return moves


def _weights(moves: object, where: str) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, weight in moves.items() if isinstance(moves, dict) else ():
        members = [n for n in ICT53.names if n in (name, f"{name}_L", f"{name}_R")]
        if not members:
            raise InputError(f"{where}: ict53 has no such coefficient: {choices(name, ICT53.names)}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
            raise InputError(
                f"{where}: the weight of {name} must be a number above 0 and at most 1, got {weight!r}"
            )
        out |= dict.fromkeys(members, float(weight))
    if not out:
        raise InputError(f"{where}: it moves nothing")
    return out


def au_basis(
    aus: str = "openface", sided: bool = False, space: ExpressionSpace = ICT53
) -> tuple[list[str], np.ndarray]:
    """Names and deformations of a set of action units, from the table.

    Parameters
    ----------
    aus : ``"openface"`` (17 units), ``"pyfeat"`` (20), ``"full"`` (31, of which jaw sideways counts twice) or
        ``"libreface"`` (12).
    sided : paired units are split in a left and a right one, as coders do for unilateral actions; automatic detectors
        give one value for both sides.

    Returns
    -------
    names : e.g. ``["AU01", …]`` or ``["AU01_L", "AU01_R", …]``.
    basis : (k, d) float64, the deformation at intensity 5.

    Raises
    ------
    InputError : an unknown set, or another space than ICT53.
    """
    table = action_units()
    if aus not in table.sets:
        raise InputError(f"unknown set of action units: {choices(aus, table.sets)}")
    if space.name != ICT53.name:
        raise InputError(f"the action-unit table is written for space '{ICT53.name}', not for '{space.name}'")
    names, rows = [], []
    for unit in (table.units[number] for number in table.sets[aus]):
        for side in unit.sides(sided):
            names.append(unit.code + (f"_{side}" if side else ""))
            rows.append([unit.moves[side].get(name, 0.0) for name in space.names])
    return names, np.array(rows)
