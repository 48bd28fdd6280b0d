"""Bags of tokens of any number of token tables: one row per recording, counted part by part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.access import refuse_gated
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.export import Exported, checked, write_with_sidecar
from dfe_lib.shards import find

if TYPE_CHECKING:
    from dfe_lib.batch.workers import Workers


def export_bags(
    places: str | Path | Iterable[str | Path],
    path: str | Path,
    n_codes: int,
    format: str = "csv",
    workers: Workers | None = None,
) -> Exported:
    """Write how often each token occurs in each recording, one row per recording, and the sidecar.

    Parameters
    ----------
    places : token tables (.parquet), and folders of them (:func:`dfe_lib.shards.find`). Of each only the columns that
        count are read, part by part; 2 kB are kept of a recording.
    path : a .csv or .parquet file, as the format needs; the sidecar is the same with .json.
    n_codes : size of the tokenizer's codebook.
    format : csv or parquet.
    workers : processes that count the tables (:func:`dfe_lib.batch.workers.workers`); by default this one does.

    Raises
    ------
    ConfigError, AccessError, InputError : as :func:`dfe_lib.export.export`; a recording in two tables.

    Examples
    --------
    >>> export_bags("tokens", "bags.csv", 256)                         # doctest: +SKIP
    """
    if format not in ("csv", "parquet"):
        raise ConfigError(f"bags are written as csv or parquet, not as {format}")
    path, files = checked(path, format), [str(file) for file in find(places)]
    if not files:
        raise InputError("no token table was given; make them with `dfe encode`")
    for file in files:
        refuse_gated(frames.attrs(file), "an export", file)
    each = [n_codes] * len(files)
    found = map(bag_of_table, files, each) if workers is None else workers.map(bag_of_table, files, each)
    out = pd.concat(found)
    if not out.index.is_unique:
        raise InputError(f"recording '{out.index[out.index.duplicated()][0]}' is given twice; name it apart")
    out = out.reset_index()
    out.attrs = frames.attrs(files[0])
    return write_with_sidecar(out, path, "this library")


def bag_of_table(path: str, n_codes: int) -> pd.DataFrame:
    """Counts of one token table: ``n_frames, n_detected, t0 … t<K − 1>`` by recording, in order of appearance."""
    from dfe_lib.analysis.representations.counts import bag_of_tokens

    columns = [c for c in frames.columns_of(path) if c in frames.KEYS or c.startswith("token_")]
    total: dict[str, np.ndarray] = {}
    for part in frames.parts(path, columns, needs=["token_"], rows=65_536):
        if not len(part):
            continue
        names = part["recording"].to_numpy()
        rows = part.groupby("recording", sort=False)["detected"].agg(n_frames="size", n_detected="sum")
        rows = rows.join(bag_of_tokens(frames.tokens(part), names, n_codes))
        for name, row in zip(rows.index, rows.to_numpy(np.int64), strict=True):
            total[name] = total[name] + row if name in total else row
    names = pd.Index(list(total), name="recording", dtype="str")
    counts = np.array(list(total.values()), np.int64).reshape(len(names), n_codes + 2)
    return pd.DataFrame(counts, names, ["n_frames", "n_detected", *(f"t{k}" for k in range(n_codes))])
