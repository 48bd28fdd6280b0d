"""Many frame tables as one data set: folders of Parquet files, of which only what is asked for is read.

A folder named ``dataset=disfa`` is a partition, as Hive, Spark, DuckDB and ``pyarrow.dataset`` call and read them. What
lies in folders of other partitions is not even listed; :func:`dfe_lib.frames.stream` reads of the files that are left
the columns and the row groups that it needs.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pandas as pd

from dfe_lib import frames
from dfe_lib.data.access import OWN, of_path
from dfe_lib.errors import InputError, choices

SHARD = 2**20  # frames of one file, ten hours at 30 a second: 200 MB of ψ, or 15 MB of tokens
# What must be said of all frames of a file alike, since it decides who may see them and what ψ means.
_ALIKE = ("access", "space", "space_names", "space_metric", "space_unit")


def find(places: str | Path | Iterable[str | Path], **partitions: str | Collection[str]) -> list[Path]:
    """The frame tables in files and folders, at any depth, in order of their names.

    Parameters
    ----------
    places : .parquet files, and folders of them. Names that begin with a dot are passed over: they are unfinished.
    partitions : what is wanted, such as ``dataset="disfa"`` or ``split=["train", "dev"]``. Folders of other values are
        not looked into, and a folder's table that lies in no such partition is left out.

    Raises
    ------
    InputError : a folder without a table, or without the partition.

    Examples
    --------
    >>> find("shards", dataset=["disfa", "bp4d"])                      # doctest: +SKIP
    """
    wanted = {k: {v} if isinstance(v, str) else set(v) for k, v in partitions.items()}
    found: list[Path] = []
    for place in map(Path, [places] if isinstance(places, str | Path) else places):
        if not place.is_dir():
            found.append(place)
            continue
        met: dict[str, set[str]] = {key: set() for key in wanted}
        own = list(_below(place, wanted, met))
        for key, values in met.items():
            if not wanted[key] & values:
                what = (
                    choices(sorted(wanted[key])[0], sorted(values)) if values else "it has none of that name"
                )
                raise InputError(f"{place} has no such partition '{key}=…': {what}")
        if not own:
            raise InputError(
                f"the folder {place} holds no .parquet frame table; make them with `dfe extract`"
            )
        found += own
    return found


def _below(folder: Path, wanted: dict, met: dict, within: int = 0) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        inside = sorted((e.name, e.is_dir()) for e in entries if not e.name.startswith("."))
    for name, is_folder in inside:
        key, _, value = name.partition("=")
        if is_folder and key in wanted:
            met[key].add(unquote(value))
            if unquote(value) in wanted[key]:
                yield from _below(folder / name, wanted, met, within + 1)
        elif is_folder:
            yield from _below(folder / name, wanted, met, within)
        elif name.endswith(".parquet") and within == len(wanted):
            yield folder / name


def pack(paths: Iterable[str | Path], folder: str | Path) -> list[Path]:
    """Put many frame tables into few files: ``folder/dataset=<name>/00000.parquet`` and so on.

    A file holds whole recordings, about ``SHARD`` frames. Millions of small files are slow to list, to open and to copy
    anywhere; these are read by :func:`find` and :func:`dfe_lib.frames.stream`, by training, encoding and bags.

    Parameters
    ----------
    paths : tables with the same columns; those of one data set are of one expression space. Which data set a table is
        of, its ``attrs`` say; the user's own are ``dataset=own``.

    Returns
    -------
    The files, in order. Of the tables' ``attrs`` they have those that all have alike.

    Raises
    ------
    InputError : a recording in two tables, tables that differ in columns, space or access, or no table at all.

    Examples
    --------
    >>> pack(find("extracted"), "shards")                              # doctest: +SKIP
    """
    by_dataset: dict[str, list[Path]] = {}
    for path in map(Path, paths):
        by_dataset.setdefault(str(_said(path).get("dataset", OWN)), []).append(path)
    if not by_dataset:
        raise InputError("no frame table was given to pack")
    written: list[Path] = []
    for dataset, own in sorted(by_dataset.items()):
        place, origin = Path(folder) / f"dataset={quote(dataset, safe='')}", {}
        for number, members in enumerate(_shares(own)):
            written.append(frames.write_parts(_joined(members, origin), place / f"{number:05d}.parquet"))
    return written


def _said(path: Path) -> dict:
    """``attrs`` of a table; one that lies with a gated set is of it, and stays so wherever it is packed."""
    attrs = frames.attrs(path)
    placed = None if "access" in attrs else of_path(path)
    return attrs if placed is None else attrs | dict(zip(("dataset", "access"), placed, strict=True))


def _shares(paths: list[Path]) -> Iterator[list[Path]]:
    share, rows = [], 0
    for path in paths:
        more = frames.count(path)
        if share and rows + more > SHARD:
            yield share
            share, rows = [], 0
        share.append(path)
        rows += more
    yield share


def _joined(paths: list[Path], origin: dict[str, Path]) -> Iterator[pd.DataFrame]:
    """Parts of some ``PART`` rows; ``origin`` says which recording has come from which table so far."""
    said = [_said(path) for path in paths]
    for key in _ALIKE:
        for path, attrs in zip(paths, said, strict=True):
            if attrs.get(key) != said[0].get(key):
                raise InputError(f"{path} and {paths[0]} are of one data set, but differ in their '{key}'")
    common = {k: v for k, v in said[0].items() if all(k in attrs and attrs[k] == v for attrs in said)}
    columns, waiting = frames.columns_of(paths[0]), []
    for path in paths:
        if frames.columns_of(path) != columns:
            raise InputError(f"{path} has other columns than {paths[0]}; pack those of one kind")
        for part in frames.parts(path):
            for name in part["recording"].unique():
                if origin.setdefault(name, path) != path:
                    raise InputError(
                        f"recording '{name}' stands in {origin[name]} and in {path}; keep one of them"
                    )
            waiting.append(part)
            if sum(map(len, waiting)) >= frames.PART:
                yield _one(waiting, common)
                waiting = []
    if waiting:
        yield _one(waiting, common)


def _one(parts: list[pd.DataFrame], attrs: dict) -> pd.DataFrame:
    whole = pd.concat(parts, ignore_index=True)
    whole.attrs = attrs
    return whole
