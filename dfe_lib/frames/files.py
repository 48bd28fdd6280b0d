"""Frame tables as Parquet files: written whole or not at all, read whole, in parts, or by recording."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dfe_lib.errors import InputError
from dfe_lib.frames.columns import KEYS, LANDMARKS, check
from dfe_lib.staging import staged_file
from dfe_lib.texts import json_of

PART = 8192  # rows held at once where a table is read and written in parts: 47 MB of landmarks, 3 MB of ψ
# A table may be this large when unpacked, or else this many times its file: only what was made to harm is neither.
MAX_BYTES, MAX_RATIO = 2**29, 500
# Bytes of a column that are read at once: a row group may hold a million frames, 6 GB of landmarks.
_PAGES = 2**20
_METADATA = b"dfe_attrs"


def write(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as Parquet: complete under its name, or not at all.

    Raises
    ------
    InputError : the path does not end in .parquet; OutputError : the place cannot be written to.
    """
    return write_parts([table], path)


def write_parts(parts: Iterable[pd.DataFrame], path: str | Path) -> Path:
    """Write a table that comes in parts, each as one row group; memory is bounded by the part.

    Complete under its name, or not at all, also when ``parts`` raises. ``attrs`` are those of the last part.

    Raises
    ------
    InputError : as :func:`write`, or no part at all.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise InputError(f"tables are written as .parquet, but the path given is {path}")
    schema = None
    with staged_file(path) as place, ExitStack() as stack:
        for part in parts:
            arrow = pa.Table.from_pandas(part, schema=schema, preserve_index=False)
            if schema is None:
                # Without pandas' own metadata: it cannot name fixed-size lists, and makes pd.read_parquet fail.
                schema = arrow.schema.remove_metadata()
                writer = stack.enter_context(pq.ParquetWriter(place, schema, **_encoding(schema)))
            writer.write_table(arrow.replace_schema_metadata(None))
            attrs = part.attrs
        if schema is None:
            raise InputError(f"there is nothing to write to {path}")
        writer.add_key_value_metadata({_METADATA: json.dumps(attrs).encode()})
    return path


def _encoding(schema: pa.Schema) -> dict:
    """Measured numbers hardly repeat, so a dictionary of them costs time and room; split into bytes they pack well."""
    measured = [field.name for field in schema if pa.types.is_floating(field.type)]
    listed = [f"{field.name}.list.element" for field in schema if field.type == LANDMARKS]
    names = [
        field.name
        for field in schema
        if pa.types.is_large_string(field.type) or pa.types.is_string(field.type)
    ]
    return {"compression": "zstd", "use_dictionary": names, "use_byte_stream_split": measured + listed}


def one_table_each(inputs: Sequence[str | Path], folder: str | Path) -> list[Path]:
    """Where the tables of several inputs go: ``folder/<name>.parquet`` each.

    Raises
    ------
    InputError : ``folder`` is a file, or two inputs would be written to the same table.
    """
    folder = Path(folder)
    if folder.suffix == ".parquet" or folder.is_file():
        raise InputError(f"with several inputs --out is a folder, but got {folder}")
    names = [Path(path).stem for path in inputs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{names.count(name)} inputs are called '{name}' and would overwrite each other; rename them"
            )
    return [folder / f"{name}.parquet" for name in names]


def read(path: str | Path, columns: Sequence[str] | None = None, needs: Sequence[str] = ()) -> pd.DataFrame:
    """Read a frame table and check it (see :func:`check`).

    Raises
    ------
    InputError : not a file, not Parquet, or a needed column is missing.
    """
    path = Path(path)
    file = _open(path)
    _check_size(file, path, columns)
    try:
        arrow = file.read(columns=list(columns) if columns is not None else None)
        table = _to_pandas(arrow, path)
    except _UNREADABLE as error:
        raise _damaged(path, error) from error
    return check(table, needs, str(path))


def attrs(path: str | Path) -> dict:
    """The ``attrs`` of a frame table on disk, without its rows.

    Raises
    ------
    InputError : not a file, or not Parquet.
    """
    return _attrs_of(_open(Path(path)).metadata.metadata, Path(path))


def columns_of(path: str | Path) -> list[str]:
    """Column names of a frame table on disk, without its rows.

    Raises
    ------
    InputError : not a file, or not Parquet.
    """
    return list(_open(Path(path)).schema_arrow.names)


def count(path: str | Path) -> int:
    """Rows of a frame table on disk, without reading them.

    Raises
    ------
    InputError : not a file, or not Parquet.
    """
    return _open(Path(path)).metadata.num_rows


def stream(
    paths: Iterable[str | Path],
    columns: Sequence[str],
    recordings: Collection[str] | None = None,
    rows: int = 65_536,
) -> Iterator[pd.DataFrame]:
    """Yield batches of at most ``rows`` rows of the given columns; memory is bounded by the batch.

    Parameters
    ----------
    recordings : names of those that are wanted; row groups in which none of them can be are not read.

    Raises
    ------
    InputError : not a file, not Parquet, or a column is missing.
    """
    needed = list(columns) if recordings is None else list(dict.fromkeys([*columns, "recording"]))
    for path in map(Path, paths):
        file = _open(path, buffer_size=_PAGES)
        missing = [c for c in needed if c not in file.schema_arrow.names]
        if missing:
            raise InputError(
                f"{path} lacks the column '{missing[0]}' (it has {', '.join(file.schema_arrow.names[:8])}…)"
            )
        groups = None if recordings is None else _groups_of(file, recordings)
        for batch in _batches(file, path, rows, needed, groups):
            if recordings is not None:
                batch = batch[batch["recording"].isin(recordings)][list(columns)].reset_index(drop=True)
            if len(batch):
                yield batch


def _groups_of(file: pq.ParquetFile, recordings: Collection[str]) -> list[int]:
    """Row groups that may hold one of ``recordings``, by the first and last name in each; without those, all."""
    column, names, found = file.schema_arrow.names.index("recording"), sorted(recordings), []
    for group in range(file.metadata.num_row_groups):
        known = file.metadata.row_group(group).column(column).statistics
        if known is None or not known.has_min_max:
            found.append(group)
            continue
        at = bisect_left(names, known.min)
        if at < len(names) and names[at] <= known.max:
            found.append(group)
    return found


def parts(
    path: str | Path, columns: Sequence[str] | None = None, needs: Sequence[str] = (), rows: int = PART
) -> Iterator[pd.DataFrame]:
    """What :func:`read` gives, in parts of ``rows`` rows (the last has what is left), with the index from 0 in each.

    Memory is bounded by the part. Where parts end does not depend on the file's row groups, so what is made of them
    follows from the rows alone. A table without rows is one part.

    Raises
    ------
    InputError : as :func:`read`.
    """
    path, last = Path(path), None
    file = _open(path, buffer_size=_PAGES)
    for part in _batches(file, path, rows, None if columns is None else list(columns)):
        check(part, needs, str(path))
        if last is not None:
            check(pd.concat([last, part.loc[:0, list(KEYS)]], ignore_index=True), source=str(path))
        last = part.loc[len(part) - 1 :, list(KEYS)]
        yield part
    if last is None:
        yield read(path, columns, needs)


def _batches(
    file: pq.ParquetFile, path: Path, rows: int, columns: list[str] | None, groups: list[int] | None = None
) -> Iterator[pd.DataFrame]:
    try:
        for batch in file.iter_batches(rows, groups, columns):
            yield _to_pandas(pa.Table.from_batches([batch]), path)
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def _open(path: Path, **options) -> pq.ParquetFile:
    if not path.is_file():
        kind = "a folder, not a file" if path.is_dir() else "not there"
        raise InputError(f"{path} is {kind}; expected a .parquet frame table")
    try:
        file = pq.ParquetFile(path, **options)
        names = file.schema_arrow.names
    except _UNREADABLE as error:
        raise InputError(f"{path} is not a readable Parquet file ({_reason(error)})") from error
    if len(set(names)) < len(names):
        raise InputError(f"{path} has the column '{next(n for n in names if names.count(n) > 1)}' twice")
    return file


# What Arrow and pandas raise on damaged or odd files; a batch that is in the caller's hands raises nothing in here.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError, OverflowError)


def _damaged(path: Path, error: BaseException) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError(f"{path} cannot be read to its end ({_reason(error)}); make or copy it again")


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _check_size(file: pq.ParquetFile, path: Path, columns: Sequence[str] | None) -> None:
    """Refuse what is small on disk and would fill the memory: equal values are written once, however many."""
    kept = [f for f in file.schema_arrow if columns is None or f.name in columns]
    unpacked = file.metadata.num_rows * sum(_width(f.type) for f in kept)
    if unpacked > MAX_BYTES and unpacked > MAX_RATIO * path.stat().st_size:
        raise InputError(
            f"{path} has {path.stat().st_size:,} bytes but says that it holds {file.metadata.num_rows:,} rows, "
            f"{unpacked / 2**30:.1f} GiB; read it in parts if that is so"
        )


def _width(kind: pa.DataType) -> int:
    """Bytes of a value in memory, at least."""
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size * _width(kind.value_type)
    return max(kind.bit_width // 8, 1) if pa.types.is_primitive(kind) else 16


def _attrs_of(metadata: dict | None, path: Path) -> dict:
    raw = (metadata or {}).get(_METADATA)
    content = json_of(raw, f"{path} has unreadable attrs") if raw else {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path} has attrs that are no mapping, but a {type(content).__name__}; make it again"
        )
    return content


def _to_pandas(arrow: pa.Table, path: Path) -> pd.DataFrame:
    def dtype(kind: pa.DataType):
        return pd.ArrowDtype(kind) if pa.types.is_fixed_size_list(kind) else None

    attrs = _attrs_of(arrow.schema.metadata, path)
    table = arrow.replace_schema_metadata(None).to_pandas(types_mapper=dtype)
    table.attrs = attrs
    return table
