"""Tables of other tools, with one clear sentence where a file is not what it should be."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from dfe_lib.errors import InputError

# What pandas takes for an empty cell.
_EMPTY = ["", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>", "#N/A", "#NA"]
_EMPTY += ["#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"]
_SHORT_ROW = re.compile(r"Expected (\d+) columns, got (\d+): (.{0,30})")
MAX_COLUMNS = (
    5000  # OpenFace writes 714, Py-Feat 2,000; pandas takes minutes for the names of a hundred thousand
)
_LINE = 1 << 18  # bytes
_BLOCK = 4 << 20  # bytes; with Arrow's own 1 MB wide tables take a fifth longer


def read_csv(
    path: str | Path,
    needs: Sequence[str],
    what: str,
    only: Callable[[str], bool] | None = None,
    text: Collection[str] | None = None,
    dtype: Mapping[str, type] | type | None = None,
) -> pd.DataFrame:
    """A CSV file with stripped column names and at least one row.

    Parameters
    ----------
    needs : columns that must be there.
    what : what the file should be, for the message, e.g. ``"an OpenFace CSV"``.
    only : which columns to read at all, by stripped name; by default every one.
    text : None: the type of each column is guessed. Otherwise all columns but these hold numbers, and become float64
        several times as fast; where one does not, types are guessed after all.

    Raises
    ------
    InputError : not a file, not a table, no rows, a needed column missing.
    """
    path = _file(path, what)
    read = None if text is None else _read_numbers(path, only, text)
    table = None if read is None else read.to_pandas()
    if table is None:
        keep = None if only is None else (lambda column: only(column.strip()))
        try:
            table = pd.read_csv(
                path,
                usecols=keep,
                skipinitialspace=True,
                encoding="utf-8-sig",
                dtype=dtype,
                low_memory=False,
                index_col=False,
            )
        except (
            ValueError,
            TypeError,
            OverflowError,
            OSError,
            MemoryError,
        ) as error:  # all that pandas raises here
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{path} is not readable as {what} ({reason})") from error
    table.columns = table.columns.astype(str).str.strip()
    if not table.columns.is_unique:
        raise InputError(f"{path} has the column '{table.columns[table.columns.duplicated()][0]}' twice")
    for name in needs:
        if name not in table.columns:
            has = ", ".join(table.columns[:8])
            raise InputError(f"{path} is not {what}: it lacks the column '{name}' (it has {has}…)")
    if table.empty:
        raise InputError(f"{path} has a header but no rows; expected {what}")
    return table


def read_wide(
    path: str | Path, needs: Sequence[str], names: Sequence[str], what: str, optional: Sequence[str] = ()
) -> tuple[pd.DataFrame, np.ndarray]:
    """A few columns as a table, and many as one array, without a data frame of hundreds of columns in between.

    Parameters
    ----------
    needs, optional : columns of the table; those that must be there, and those that may.
    names : columns of the array, all of which must be there.
    what : as for :func:`read_csv`.

    Returns
    -------
    (n, …) table of float64, (n, k) float32 in the order of ``names``; NaN where a cell is empty.

    Raises
    ------
    InputError : as :func:`read_csv`, and text where numbers should be.
    """
    path, lead = _file(path, what), [*needs, *optional]
    table = _read_numbers(path, {*lead, *names}.__contains__, (), set(names))
    if table is None or table.num_rows == 0 or not {*needs, *names} <= set(table.column_names):
        read = read_csv(path, [*needs, *names], what, {*lead, *names}.__contains__, text=())
        return read[[c for c in lead if c in read]], numbers(read, names, path).astype(np.float32)
    values = np.empty((table.num_rows, len(names)), np.float32)
    at = 0
    for batch in table.select(list(names)).to_batches():
        values[at : at + batch.num_rows] = batch.to_tensor(null_to_nan=True).to_numpy()
        at += batch.num_rows
    return table.select([c for c in lead if c in table.column_names]).to_pandas(), values


def _file(path: str | Path, what: str) -> Path:
    path = Path(path)
    if not path.is_file():
        kind = "a folder, not a file" if path.is_dir() else "not there"
        raise InputError(f"{path} is {kind}; expected {what}")
    try:
        with path.open("rb") as file:
            lines = [file.readline(_LINE + 1) for _ in range(2)]
        header, first = (next(csv.reader([line.decode("utf-8", "replace")]), []) for line in lines)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected {what}") from error
    except csv.Error as error:
        raise InputError(f"{path} is not readable as {what} ({error})") from error
    if max(map(len, lines)) > _LINE or len(header) > MAX_COLUMNS:
        raise InputError(f"{path} begins with a line of more than {MAX_COLUMNS} cells; expected {what}")
    if any(cell.strip() for cell in first[len(header) :]):  # pandas would make row labels of what comes first
        raise InputError(f"{path} is damaged: its first row has {len(first)} cells, the header {len(header)}")
    return path


def _read_numbers(
    path: Path,
    only: Callable[[str], bool] | None,
    text: Collection[str],
    short: Collection[str] = (),
) -> pa.Table | None:
    """By Arrow; None where it balks, as pandas then reads the file all the same or says what is wrong with it.

    Arrow takes spaces off numbers but not off names. Types are given, for those that it guesses are of a file's first
    rows alone: a unit that is 0 there would be an integer. Columns of ``short`` become float32. Where all columns are
    numbers nothing is quoted, and not looking for quotes saves a fifth of the time.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # some programs begin a file with a mark
            header = next(csv.reader(file), [])
        kept = [name for name in header if only is None or only(name.strip())]
        if not kept or any('"' in name for name in header) or len({n.strip() for n in header}) < len(header):
            return None
        types = {
            name: pa.string()
            if name.strip() in text
            else pa.float32()
            if name.strip() in short
            else pa.float64()
            for name in kept
        }
        options = arrow_csv.ConvertOptions(
            column_types=types, include_columns=kept, null_values=_EMPTY, strings_can_be_null=True
        )
        blocks = arrow_csv.ReadOptions(block_size=_BLOCK)
        parse = arrow_csv.ParseOptions(quote_char='"' if text else False)
        table = arrow_csv.read_csv(path, blocks, parse, options)
        return table.rename_columns([name.strip() for name in table.column_names])
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, csv.Error) as error:
        short = _SHORT_ROW.search(str(error))
        if short and int(short[2]) < int(short[1]):  # pandas would fill it up with empty cells
            raise InputError(
                f"{path} is cut off or damaged: a row has {short[2]} cells, the header {short[1]} "
                f"(it begins '{short[3]}')"
            ) from error
        return None


def numbers(table: pd.DataFrame, names: Iterable[str], path: str | Path) -> np.ndarray:
    """(n, k) float64 values of numeric columns; empty cells become NaN.

    Raises
    ------
    InputError : naming the column that holds text.
    """
    values = table[list(names)]
    for name, dtype in values.dtypes.items():
        if dtype.kind not in "iufb":
            raise InputError(
                f"{path}: column '{name}' must hold numbers, but holds {table[name].iloc[0]!r:.60}"
            )
    return values.to_numpy(dtype=np.float64, copy=True)


def whole(values: np.ndarray, name: str, path: str | Path) -> np.ndarray:
    """(n,) int64 of a column of frame numbers.

    Raises
    ------
    InputError : empty cells, fractions, or numbers that no video has.
    """
    values = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(values).all() and (abs(values) < 2**31).all() and (values % 1 == 0).all()):
        raise InputError(f"{path}: column '{name}' must hold whole numbers, from 0 to {2**31 - 1}")
    return values.astype(np.int64)


def clock(frame: np.ndarray, fps: float | None) -> tuple[np.ndarray, dict]:
    """Times of numbered frames, for tools that write none, and what the table says of them.

    Parameters
    ----------
    frame : (n,) whole numbers.
    fps : frames per second; None: not known, and ``time_s`` counts frames.

    Raises
    ------
    InputError : ``fps`` is not above 0.
    """
    if fps is None:
        return np.asarray(frame, dtype=np.float64), {"fps": None, "time": "frame number, as no fps was given"}
    if not 0 < fps < float("inf"):
        raise InputError(f"fps must be above 0, but is {fps}")
    return np.asarray(frame, dtype=np.float64) / fps, {"fps": fps, "time": "frame number / fps"}
