"""What the commands share: where tables go, and how results and failures are said."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dfe_lib.errors import DFEError, InputError, printable

Out = Annotated[
    Path, typer.Option("--out", help="One input: a .parquet file. Several: a folder, one file per recording.")
]


def targets_of(inputs: list[Path], out: Path, suffix: str = ".parquet") -> list[Path]:
    """Where each table goes; a destination that cannot work is refused before any hours are spent."""
    if len(inputs) == 1:
        if out.suffix != suffix:
            raise InputError(f"with one input --out is a {suffix} file, but got {out}")
        if out.is_dir():
            raise InputError(f"{out} is a folder; with one input --out is a {suffix} file")
        return [out]
    from dfe_lib.frames import one_table_each

    return [path.with_suffix(suffix) for path in one_table_each(inputs, out)]


def say(text: object, *, error: bool = False) -> None:
    """One or more lines for the reader; names in them cannot command the terminal."""
    print(printable(str(text)), file=sys.stderr if error else sys.stdout, flush=True)


def finish_batch(failures: list[DFEError], total: int) -> None:
    if failures:
        say(f"dfe: {len(failures)} of {total} recordings failed; the others were written", error=True)
        raise typer.Exit(2)


def complain(error: BaseException) -> None:
    say(f"dfe: {' '.join(str(error).split())}", error=True)


def short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
