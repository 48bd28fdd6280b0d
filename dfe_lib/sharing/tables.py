"""Tables for others: which columns and which of their words may stay."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from dfe_lib import frames
from dfe_lib.data.access import AccessError, refuse_gated
from dfe_lib.errors import InputError
from dfe_lib.sharing.names import FILE, RECORDING, SUBJECT, Names
from dfe_lib.sidecar import describe

# Columns of names, and of which kind.
NAMED = {"recording": RECORDING, "subject": SUBJECT, "input": RECORDING}
# What a table outside a notebook's results may hold: all else is either somebody's shape or of unknown meaning.
_KEPT = re.compile(
    r"recording|subject|input|dataset|split|frame|source_frame|face_id|time_s|timestamp|detected|success|confidence|"
    r"FaceScore|n_faces|n_frames|n_detected|fps|pose_(pitch|yaw|roll|R[xyz])|psi_.+|sd_.+|token_\d+|t\d+|au_.+|"
    r"AU\d+(_[rc])?"
)
# What no table may hold, whoever wrote it.
SHAPE = re.compile(
    r"landmarks\w*|[xyzXYZ]_\d+|eye_lmk\w*|mesh_[xyz]_\d+|p_\d+|p_[rtsxyz]\w*|FaceRect\w+|identity_\d+|Identity\w*|"
    r"pose_(scale|t[xyz]|T[xyz])|(\w+_)?(embedding|picture|crop|texture)(_\w+)?"
)
_ATTRS = re.compile(
    r"space\w*|neutral|rate|fps|smoothing|expression|mirrored|tool|time|access|dataset|dfe_version"
)


def is_open(attrs: dict) -> bool:
    """Whether names in a table with these ``attrs`` are published: it says so itself, or was made by the simulator."""
    return attrs.get("access") == "open" or attrs.get("source") == "simulated" or attrs.get("shipped") is True


def names_in(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and name of every recording and subject of a table on disk that is not open.

    Raises
    ------
    AccessError : a row per person or frame of gated data.
    InputError : not a table.
    """
    attrs, columns = about(path)
    refuse_gated(attrs, f"a shared copy of {path.name}", path)
    if is_open(attrs):
        return
    yield FILE, path.stem
    wanted = [c for c in columns if c in NAMED]
    for part in _parts(path, wanted) if wanted else ():
        for column in wanted:
            for name in part[column].dropna().astype(str).unique():
                yield NAMED[column], name


def about(path: Path) -> tuple[dict, list[str]]:
    """``attrs`` and columns of a table; of CSV, what the description beside it says."""
    if path.suffix == ".parquet":
        return frames.attrs(path), frames.columns_of(path)
    try:
        columns = list(pd.read_csv(path, nrows=0).columns)
        beside = path.with_suffix(".json")
        said = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        made_from = said.get("MadeFrom", {})
        return made_from if isinstance(made_from, dict) else {}, columns
    except (OSError, ValueError) as error:  # pandas' parser errors and json's are ValueErrors
        raise InputError(f"{path} cannot be read as a table ({str(error).splitlines()[0]})") from error


def write(path: Path, target: Path, names: Names, removed: Counter, private: bool | None = None) -> bool:
    """A frame table, a table of tokens or of bags, for others; False where nothing of it may stay.

    Columns that are not known are left out. Where a description lay beside it, one of what is left does.

    Parameters
    ----------
    private : whether its names are; by default what its ``attrs`` say.
    """
    attrs, columns = about(path)
    refuse_gated(attrs, f"a shared copy of {path.name}", path)
    kept = [c for c in columns if _KEPT.fullmatch(c) and not SHAPE.fullmatch(c)]
    removed["columns of landmarks, shape or place"] += sum(bool(SHAPE.fullmatch(c)) for c in columns)
    removed["columns of unknown meaning"] += sum(not SHAPE.fullmatch(c) and c not in kept for c in columns)
    if not kept:
        return False
    private = not is_open(attrs) if private is None else private
    told = {k: names.value(v, private) for k, v in attrs.items() if _ATTRS.fullmatch(k)}

    def parts() -> Iterator[pd.DataFrame]:
        for part in _parts(path, kept):
            for column in [c for c in kept if private and c in NAMED]:
                part[column] = part[column].map(names.of, na_action="ignore").astype("str")
            for column in [c for c in ("dataset", "split") if c in part]:
                part[column] = part[column].astype("str").map(lambda v: names.text(v, private))
            part.attrs = told
            yield part

    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        if not pq.ParquetFile(path).metadata.num_rows:
            removed["tables without rows"] += 1
            return False
        frames.write_parts(parts(), target)
        head = next(iter(_parts(target, kept)))
    else:
        head = None
        for number, part in enumerate(parts()):
            head = part if head is None else head
            part.to_csv(target, mode="w" if not number else "a", header=not number, index=False)
        if head is None:
            return False
    if path.with_suffix(".json").is_file():
        head.attrs = told
        said = json.dumps(describe(head), indent=2, ensure_ascii=False) + "\n"
        target.with_suffix(".json").write_text(said, encoding="utf-8")
    return True


def write_results_csv(
    path: Path, target: Path, names: Names, private: bool, gated: bool, removed: Counter
) -> None:
    """A notebook's table: numbers as they are, words without names and places.

    Raises
    ------
    AccessError : a row per person of gated data.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a table ({str(error).splitlines()[0]})") from error
    if gated and any(c in NAMED for c in table.columns):
        raise AccessError(
            f"{path} has a row per recording or person of gated data, which may not be passed on; take it out first"
        )
    shape = [c for c in table.columns if is_shape(c, table[c])]
    removed["columns of landmarks, shape or place"] += len(shape)
    table = table.drop(columns=shape)
    table.columns = [names.text(c, private) for c in table.columns]
    for column in table.columns:
        if private and column in NAMED:
            table[column] = [names.of(v) for v in table[column]]
        else:
            table[column] = [v if _number(v) else names.text(v, private) for v in table[column]]
    target.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(target, index=False, lineterminator="\n")


def is_shape(name: str, cells: pd.Series) -> bool:
    """Whether a column of a CSV says somebody's shape; ``landmarks`` without lists in it says how many there were."""
    counted = name == "landmarks" and not any(len(re.findall(r"-?\d+\.\d", str(v))) > 1 for v in cells)
    return SHAPE.fullmatch(name) is not None and not counted


def gated_words(data: list[dict]) -> tuple[bool, bool]:
    """Of a notebook's lines about data: whether names in it are private, and whether they are of a gated data set."""
    private = any(line["source"] == "gated" for line in data)
    own = all(line["what"].startswith("your own") for line in data if line["source"] == "gated")
    return private, private and not own


def _parts(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    if path.suffix == ".parquet":
        yield from frames.stream([path], columns)
    else:
        text = {c: str for c in columns if c in NAMED}
        yield from pd.read_csv(path, usecols=columns, dtype=text, chunksize=65_536)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
