"""A data set's tree while its index is built: labels, files by what their names say, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from dfe_lib.data.adapters.tables import read_csv
from dfe_lib.data.datasets.index import Tree
from dfe_lib.errors import InputError

VIDEOS = r"mp4|avi|mov|mkv|webm|flv|m4v|mpg|mpeg|wmv|gif"
_SHOWN = 12  # names that an error lists before it counts


class Layout:
    """The tree of a data set while its index is built; what is missing is gathered and said at once."""

    def __init__(self, tree: Tree):
        self.tree = tree
        self.missing: list[str] = []

    def table(self, path: str, columns: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
        """A CSV of labels with stripped column names; empty, and on the list of what is missing, where unusable.

        Parameters
        ----------
        path : as a regular expression for the whole relative path; the first match counts.
        columns : what must be there.
        text : columns that are names even where they look like numbers ("001").
        """
        empty = pd.DataFrame(columns=list(columns))
        found = next(self.tree.match(path), None)
        if found is None:
            self.missing.append(_readable(path))
            return empty
        try:
            read = read_csv(
                self.tree.root / found[0], [], "a table of labels", dtype=dict.fromkeys(text, str)
            )
        except InputError as error:
            self.missing.append(f"{found[0]} as a readable table ({error})")
            return empty
        lacking = [c for c in columns if c not in read.columns]
        if lacking:
            has = ", ".join(map(str, read.columns[:12]))
            self.missing.append(f"the column {', '.join(lacking)} in {found[0]} (it has {has})")
            return empty
        return read

    def by(self, pattern: str, *groups: str) -> dict[tuple[str, ...] | str, str]:
        """Relative paths by the named groups of ``pattern`` (by the one group where there is one)."""
        keyed: dict = {}
        for match in self.tree.match(pattern):
            key = tuple(match[g] for g in groups) if len(groups) > 1 else match[groups[0]]
            keyed.setdefault(key, match[0])
        return keyed

    def numbers(self, values: pd.Series, names: pd.Series, what: str) -> pd.Series:
        """Numbers of a label column, NaN where empty; on the list of what is missing where there is text instead.

        Parameters
        ----------
        names : whose value each is, for the message.
        """
        read = pd.to_numeric(values, errors="coerce")
        wrong = read.isna() & values.notna() & (values.astype(str).str.strip() != "")
        if wrong.any():
            first = f"{names[wrong].iloc[0]} has {values[wrong].iloc[0]!r}"
            more = f", and {wrong.sum() - 1} more" if wrong.sum() > 1 else ""
            self.missing.append(f"a number as {what} of every recording ({first}{more})")
        return read

    def need(self, found: object, what: str) -> None:
        """Put ``what`` on the list unless ``found`` is something."""
        if not found:
            self.missing.append(what)


def listed(names: list[str]) -> str:
    shown = "; ".join(map(str, names[:_SHOWN]))
    return shown + (f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _readable(pattern: str) -> str:
    """A path for people, from the regular expression that finds it."""
    return re.sub(r"^\(\?:\.\*/\)\?|\\", "", pattern)
