"""The lexicon of displays (``lexicon.yaml``), read safely and checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53
from dfe_lib.texts import read_yaml

TABLE = Path(__file__).with_name("lexicon.yaml")
KINDS = ("facs", "beyond", "eyes", "speech")
_KEYS = {"kind", "moves", "per_minute", "seconds", "amplitude", "one_sided", "directed"}


@dataclass(frozen=True, eq=False)
class Display:
    """One display; see the head of ``lexicon.yaml`` for what the fields mean.

    Attributes
    ----------
    left, right : (53,) float32. An event of amplitude a and lean k (−1 … 1, to the subject's left) moves ψ by
        ``a · ((1 + k) · left + (1 − k) · right)``; with k = 0 both sides are alike.
    seconds : onset, apex, offset.
    """

    name: str
    kind: str
    left: np.ndarray
    right: np.ndarray
    per_minute: float
    seconds: tuple[float, float, float]
    amplitude: float
    one_sided: float
    directed: bool

    @property
    def sided(self) -> bool:
        """Whether its two sides can differ."""
        return not np.array_equal(self.left, self.right)


@dataclass(frozen=True, eq=False)
class Lexicon:
    """All displays, in order, and the pairs ``(moved, joined) → share`` that come together."""

    displays: tuple[Display, ...]
    pairs: dict[tuple[str, str], float]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(d.name for d in self.displays)

    @cached_property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """``left`` and ``right`` of all displays, (D, 53) each."""
        return np.stack([d.left for d in self.displays]), np.stack([d.right for d in self.displays])

    def __getitem__(self, name: str) -> Display:
        return self.displays[self.names.index(name)]


@lru_cache(maxsize=4)
def lexicon(path: Path = TABLE) -> Lexicon:
    """The lexicon of a table, checked.

    Raises
    ------
    InputError : not readable as YAML, or an entry that cannot be, by display and key.

    Examples
    --------
    >>> lexicon()["smile"].kind
    'facs'
    """
    content = _read(path)
    displays = tuple(_display(name, row, path) for name, row in content["displays"].items())
    names, pairs = [d.name for d in displays], {}
    for pair, share in content["pairs"].items():
        members = tuple(str(pair).split("+"))
        for name in members:
            if len(members) != 2 or name not in names:
                raise InputError(
                    f"{path}: pair '{pair}' must be 'moved+joined' of two displays: {choices(name, names)}"
                )
        if not isinstance(share, int | float) or not 0 < share < 1:
            raise InputError(f"{path}: pair '{pair}' needs a share between 0 and 1, got {share!r}")
        pairs[members] = float(share)
    return Lexicon(displays, pairs)


def _read(path: Path) -> dict:
    content = read_yaml(path, "a lexicon of displays")
    keys = {"displays", "pairs"}
    if (
        not isinstance(content, dict)
        or set(content) != keys
        or not all(isinstance(content[k], dict) for k in keys)
    ):
        raise InputError(f"{path} is no lexicon: it needs exactly the tables {' and '.join(sorted(keys))}")
    return content


def _display(name: str, row: dict, path: Path) -> Display:
    where = f"{path}: display '{name}'"
    if not isinstance(row, dict):
        raise InputError(f"{where} must be a table of keys")
    for key in row:
        if key not in _KEYS:
            raise InputError(f"{where} has an unknown key: {choices(key, sorted(_KEYS))}")
    missing = sorted(_KEYS - {"one_sided", "directed"} - set(row))
    if missing:
        raise InputError(f"{where} lacks '{missing[0]}'")
    if row["kind"] not in KINDS:
        raise InputError(f"{where}: unknown kind: {choices(row['kind'], KINDS)}")
    seconds, directed, one_sided = row["seconds"], row.get("directed", False), row.get("one_sided", 0.0)
    if not (isinstance(seconds, list) and len(seconds) == 3 and all(_positive(s) for s in seconds)):
        raise InputError(
            f"{where}: 'seconds' must be three times above 0 (onset, apex, offset), got {seconds!r}"
        )
    for key in ("per_minute", "amplitude"):
        if not _positive(row[key]):
            raise InputError(f"{where}: '{key}' must be above 0, got {row[key]!r}")
    if not isinstance(one_sided, int | float) or not 0 <= one_sided < 1 or (directed and one_sided):
        raise InputError(
            f"{where}: 'one_sided' must be a share of 0 … 1 (1 excluded), and stands not beside directed: true"
        )
    left, right = _sides(row["moves"], directed, where)
    if one_sided and np.array_equal(left, right):
        raise InputError(f"{where} has no two sides, so 'one_sided' means nothing")
    return Display(
        name, row["kind"], left, right, float(row["per_minute"]), tuple(map(float, seconds)),
        float(row["amplitude"]), float(one_sided), bool(directed),
    )  # fmt: skip


def _sides(moves: dict, directed: bool, where: str) -> tuple[np.ndarray, np.ndarray]:
    whole = np.zeros(ICT53.dimension, np.float32)
    for name, weight in moves.items():
        found = [i for i, n in enumerate(ICT53.names) if n in (name, f"{name}_L", f"{name}_R")]
        if not found:
            raise InputError(f"{where}: unknown coefficient: {choices(name, ICT53.names)}")
        whole[found] = weight
    if directed:
        return whole / 2, ICT53.mirror(whole) / 2
    left, right = (np.array([n.endswith(s) for n in ICT53.names]) for s in ("_L", "_R"))
    return np.where(right, 0, np.where(left, whole, whole / 2)), np.where(
        left, 0, np.where(right, whole, whole / 2)
    )


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
