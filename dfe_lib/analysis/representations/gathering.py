"""What every group of rows does on the way through a cohort: take chunks, and be tables in the end."""

from __future__ import annotations

from typing import Protocol

import pandas as pd

from dfe_lib.analysis.representations.base import Representation, Table
from dfe_lib.analysis.representations.sequence import Seen


class Rows(Protocol):
    """A group of rows of the tables, made from the same frames."""

    def take(self, seen: Seen) -> None:
        """One chunk of whole recordings."""
        ...

    def made(self) -> list[Representation]:
        """The rows, when every recording has been taken."""
        ...


class Tables:
    """Tables that grow by recordings.

    Parameters
    ----------
    recordings : all that there will be, in the order of the finished tables.
    """

    def __init__(self, recordings: pd.Index):
        self.recordings = recordings
        self._parts: dict[str, list[pd.DataFrame]] = {}
        self._notes: dict[str, str] = {}

    def add(self, name: str, table: pd.DataFrame, note: str) -> None:
        """Some recordings of the row ``name``."""
        self._parts.setdefault(name, []).append(table)
        self._notes[name] = note

    def made(self) -> list[Representation]:
        return [
            Table(name, pd.concat(parts).loc[self.recordings], self._notes[name])
            for name, parts in self._parts.items()
        ]


def mean_sd(names: list[str] | tuple[str, ...]) -> list[str]:
    """Columns of :meth:`Seen.mean_sd` over columns called ``names``."""
    return [f"{name}_{part}" for part in ("mean", "sd") for name in names]
