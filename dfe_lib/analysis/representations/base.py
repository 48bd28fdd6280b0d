"""What a representation is: one vector per recording, with everything learnt on training recordings alone."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from dfe_lib.errors import InputError


@runtime_checkable
class Representation(Protocol):
    """Turns recordings into vectors; what it learns, it learns on the rows it is told to.

    Attributes
    ----------
    name : the row of the tables.
    note : one line: what it is, what was learnt where.
    recordings : (n,) index of names.
    columns : d names; where words are learnt they are numbered, as word 3 of one fold is not word 3 of another.
    counts : True where values are counts, which get weights as the words of a text do.
    """

    name: str
    note: str
    recordings: pd.Index
    columns: list[str]
    counts: bool

    def vectors(self, train: np.ndarray) -> np.ndarray:
        """(n, d) float64 of all recordings; vocabulary, codebook and the like are learnt on rows ``train`` alone.

        Parameters
        ----------
        train : row numbers, or (n,) bool.
        """
        ...


class Table:
    """A representation that learns nothing: the same vectors whatever the training rows are.

    Parameters
    ----------
    table : one row per recording; a table of integers counts something.

    Examples
    --------
    >>> bag = Table("bag", pd.DataFrame({"t0": [2, 0]}, index=["a", "b"]))
    >>> bag.counts, bag.vectors(np.array([0])).tolist()
    (True, [[2.0], [0.0]])
    """

    def __init__(self, name: str, table: pd.DataFrame, note: str = ""):
        if not table.index.is_unique:
            raise InputError(
                f"'{name}' has recording '{table.index[table.index.duplicated()][0]}' twice; one row each is needed"
            )
        self.name, self.note, self.table = name, note, table
        self.recordings, self.columns = table.index, list(map(str, table.columns))
        self.counts = all(np.issubdtype(kind, np.integer) for kind in table.dtypes)

    def vectors(self, train: np.ndarray) -> np.ndarray:
        return self.table.to_numpy(dtype=np.float64)


def training_rows(train: np.ndarray, n: int) -> np.ndarray:
    """(n,) bool of the training rows.

    Raises
    ------
    InputError : no training row, or one that is not there.
    """
    train = np.asarray(train)
    if train.dtype == bool and train.shape == (n,):
        mask = train
    else:
        mask = np.zeros(n, dtype=bool)
        if not np.issubdtype(train.dtype, np.integer) or (train < 0).any() or (train >= n).any():
            raise InputError(f"training rows must be numbers in 0 … {n - 1}, or {n} of True and False")
        mask[train] = True
    if not mask.any():
        raise InputError("no training rows were given: nothing can be learnt")
    return mask
