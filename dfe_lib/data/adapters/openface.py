"""OpenFace 2.x CSV files: action units with their timestamps."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from dfe_lib.data.adapters.tables import numbers, read_csv
from dfe_lib.errors import InputError


def read_openface(path: str | Path) -> pd.DataFrame:
    """Action units of an OpenFace CSV; header names may have leading spaces, as in older versions.

    Returns
    -------
    DataFrame, one row per frame: ``frame`` int32, ``time_s`` float64, ``confidence`` float64 (0–1),
    ``success`` bool, ``AUxx_r`` float64 (intensity, 0–5) and ``AUxx_c`` float64 (presence, 0 or 1). The AUs
    of frames without success are kept as OpenFace wrote them: drop those rows before use. In a file without
    the column ``success`` (some released sets leave it out) a confidence above 0 counts as success.

    Raises
    ------
    InputError : not an OpenFace file, no AU intensities, or text where numbers should be.
    """
    table = read_csv(path, ["frame", "timestamp", "confidence"], "an OpenFace CSV")
    aus = [c for c in table.columns if re.fullmatch(r"AU\d\d_[rc]", c)]
    if not any(c.endswith("_r") for c in aus):
        raise InputError(f"{path} has no AU intensities (AUxx_r); run OpenFace with -aus")
    base = ["frame", "timestamp", "confidence"]
    values = pd.DataFrame(numbers(table, base + aus, path), columns=base + aus)
    success = table["success"] == 1 if "success" in table.columns else values["confidence"] > 0
    values.insert(3, "success", success.to_numpy(dtype=bool))
    values["frame"] = values["frame"].astype("int32")
    return values.rename(columns={"timestamp": "time_s"})
