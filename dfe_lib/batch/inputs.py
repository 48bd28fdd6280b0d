"""Which recordings a command was given: files, or a list of them in a .csv or .txt file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dfe_lib.batch.run import UNFINISHED, Job
from dfe_lib.errors import InputError

LISTS = (".csv", ".txt")
_LONGEST = 200  # characters of a name; file systems take 255 bytes, and suffixes come on top


def jobs_of(inputs: Sequence[Path], out: Path) -> tuple[list[Job], Path]:
    """The recordings of a command line, each with its table; and the folder that their run works in.

    Parameters
    ----------
    inputs : files, or one list: a .csv with a column ``path`` and, if names would repeat, ``recording``; or a .txt
        with a path a line. Paths in a list start from the list's folder.
    out : one file: its table, a .parquet file. Several, or a list: a folder.

    Raises
    ------
    InputError : ``out`` does not fit, two recordings have one name, or the list cannot be read.
    """
    listed = [path for path in inputs if path.suffix.lower() in LISTS]
    if listed and len(inputs) > 1:
        raise InputError(f"give one list of recordings, or recordings; got {listed[0]} beside others")
    for path in () if listed else inputs:
        if not path.stem.isprintable():
            raise InputError(
                f"{path.stem!r} cannot be the name of a recording: it holds characters that cannot be shown; rename "
                "the file, or name it in the column 'recording' of a .csv list"
            )
    if not listed and len(inputs) == 1:
        if out.suffix != ".parquet":
            raise InputError(f"with one input --out is a .parquet file, but got {out}")
        if out.is_dir():
            raise InputError(f"{out} is a folder; with one input --out is a .parquet file")
        return [Job(inputs[0].stem, inputs[0], out)], out.with_name(out.name + UNFINISHED)
    if out.suffix == ".parquet" or out.is_file():
        raise InputError(f"with several inputs --out is a folder, but got {out}")
    sources = _listed(listed[0]) if listed else [(path.stem, path) for path in inputs]
    name, count = Counter(name.casefold() for name, _ in sources).most_common(1)[0]
    if count > 1:
        raise InputError(
            f"{count} inputs are called '{name}' and would overwrite each other; rename them, or name them in the "
            "column 'recording' of a .csv list"
        )
    return [Job(name, path, out / f"{name}.parquet") for name, path in sources], out


def _listed(path: Path) -> list[tuple[str, Path]]:
    """Names and files of a list."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the list {path} cannot be read ({error}); give a UTF-8 text") from error
    if path.suffix.lower() == ".txt":
        rows = [{"path": line.strip()} for line in text.splitlines() if line.strip()]
    else:
        try:
            table = csv.DictReader(text.splitlines(), strict=True)
            rows = list(table)
        except csv.Error as error:
            raise InputError(f"the list {path} is not a CSV ({error}, line {table.line_num})") from error
        if "path" not in (table.fieldnames or []):
            found = ", ".join(table.fieldnames or ["nothing"])
            raise InputError(
                f"the list {path} needs a column 'path' (and may have 'recording'); it has {found}"
            )
    sources = []
    for number, row in enumerate(rows, start=1):
        given = (row["path"] or "").strip()
        name = (row.get("recording") or "").strip() or Path(given).stem
        if not given or not _is_name(name):
            raise InputError(
                f"row {number} of {path}: path '{given[:80]}' and name '{name[:80]}'; a path is needed, and a name of "
                f"at most {_LONGEST} characters without / \\ : or control characters, which does not begin with a dot"
            )
        sources.append((name, path.parent / given))
    if not sources:
        raise InputError(f"the list {path} names no recording")
    return sources


def _is_name(name: str) -> bool:
    """Whether a name can be that of a file, in its own folder, on any system."""
    return (
        0 < len(name) <= _LONGEST
        and name[0] != "."
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
    )
