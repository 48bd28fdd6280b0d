"""How fast CSV files of other tools are read, beside pandas on the same file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from dfe_lib.bench.timing import interleaved
from dfe_lib.data.adapters.openface import read_openface, read_openface_landmarks, read_openface_shape

RATE, SECONDS = 30, 600
_UNITS = "01 02 04 05 06 07 09 10 12 14 15 17 20 23 25 26 45".split()


def readers() -> dict[str, float | str]:
    """Seconds to read ten minutes of OpenFace's whole output, and how many times as long pandas takes.

    ``pandas.read_csv`` with its defaults reads all 714 columns, as it must if it is told nothing; each reader here
    returns what its callers need, checked, as a frame table.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = write_openface(Path(folder) / "clip.csv", RATE * SECONDS)
        works = {
            "pandas": lambda: pd.read_csv(path),
            "units": lambda: read_openface(path),
            "landmarks_3d": lambda: read_openface_landmarks(path),
            "landmarks_2d": lambda: read_openface_landmarks(path, axes="xy"),
            "shape": lambda: read_openface_shape(path),
        }
        seconds = interleaved(works, 5)
        size = path.stat().st_size / 1e6
    rows: dict[str, float | str] = {"frames": RATE * SECONDS, "file_mb": size}
    rows |= {f"{name}_s": took for name, took in seconds.items()}
    peers = {f"{n}_relative_to_pandas": seconds["pandas"] / t for n, t in seconds.items() if n != "pandas"}
    return rows | peers


def openface_header() -> list[str]:
    """The 714 columns of OpenFace 2.1 with all its outputs, in its order."""
    eye, face = range(56), range(68)
    names = ["frame", "face_id", "timestamp", "confidence", "success"]
    names += [f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"] + ["gaze_angle_x", "gaze_angle_y"]
    names += [f"eye_lmk_{axis}_{i}" for axis in "xyXYZ" for i in eye]
    names += [f"pose_{kind}{axis}" for kind in "TR" for axis in "xyz"]
    names += [f"{axis}_{i}" for axis in "xyXYZ" for i in face]
    names += ["p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *(f"p_{i}" for i in range(34))]
    names += [f"AU{unit}_r" for unit in _UNITS]
    return names + [f"AU{unit}_c" for unit in sorted([*_UNITS, "28"])]


def write_openface(path: Path, frames: int, seed: int = 0) -> Path:
    """A made-up file of OpenFace's form: random numbers with as many digits as it writes; one face in every frame."""
    rng, names = np.random.default_rng(seed), openface_header()
    columns: dict[str, np.ndarray] = {}
    for name in names:
        if name.startswith("AU"):
            drawn = rng.uniform(0, 5, frames) * (rng.random(frames) < 0.4)  # mostly 0, as units are
            columns[name] = (drawn > 1).astype(np.float64) if name.endswith("_c") else drawn.round(2)
        elif name.startswith(("gaze", "pose_R", "p_")):
            columns[name] = rng.normal(0, 0.3, frames).round(6 if name.startswith("gaze") else 3)
        else:
            columns[name] = rng.normal(300, 60, frames).round(1)
    columns["frame"], columns["face_id"] = np.arange(1, frames + 1), np.zeros(frames, int)
    columns["timestamp"] = (np.arange(frames) / RATE).round(3)
    columns["confidence"], columns["success"] = np.full(frames, 0.98), np.ones(frames, int)
    with path.open("wb") as file:
        file.write((", ".join(names) + "\n").encode())
        csv.write_csv(pa.table(columns), file, csv.WriteOptions(include_header=False))
    return path
