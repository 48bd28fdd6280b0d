"""OpenFace 2.x CSV files: action units, 68 landmarks, and the shape of the face (``p_0`` to ``p_33``, or 3-D)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.au_frames import ActionUnitFrames, au_frames
from dfe_lib.data.adapters.tables import numbers, read_csv, read_wide, whole
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ExpressionSpace

N_LANDMARKS, N_SHAPES = 68, 34
_UNIT = re.compile(r"AU(\d\d)_([rc])")
# OpenFace's point distribution model is a PCA of the 68 landmarks in mm: its modes are orthonormal, so a squared length
# of p is a sum of squared displacements, and a 68th of it their mean. On a real file that holds to 0.1 % (tests).
_MEAN_SQUARE = 1 / N_LANDMARKS
_COORDINATES = tuple(f"{axis}_{i}" for i in range(N_LANDMARKS) for axis in "XYZ")
OPENFACE34 = ExpressionSpace(
    "openface34", tuple(f"p_{i}" for i in range(N_SHAPES)), _MEAN_SQUARE * np.eye(N_SHAPES)
)
OPENFACE204 = ExpressionSpace("openface204", _COORDINATES, _MEAN_SQUARE * np.eye(len(_COORDINATES)))
SPACES = {space.name: space for space in (OPENFACE34, OPENFACE204)}
_LANDMARKS = {"XYZ": "-3Dfp", "xy": "-2Dfp"}
NEUTRAL = "estimated per recording: median of each coefficient"
_STILL = (*range(27, 36), 36, 39, 42, 45)  # nose and eye corners: what expressions move least
_PAIRS = (  # the subject's right and left
    *((i, 16 - i) for i in range(8)),
    *((i, 43 - i) for i in range(17, 22)),
    *(
        (31, 35),
        (32, 34),
        (36, 45),
        (37, 44),
        (38, 43),
        (39, 42),
        (40, 47),
        (41, 46),
        (48, 54),
        (49, 53),
        (50, 52),
    ),
    *((55, 59), (56, 58), (60, 64), (61, 63), (65, 67)),
)


def read_openface(path: str | Path, recording: str | None = None) -> ActionUnitFrames:
    """Action units of an OpenFace CSV; header names may have leading spaces, as in older versions.

    ``AUxx_r`` are intensities (0–5), ``AUxx_c`` presences; AU28 has a presence only. Frames without success are not
    detected, whatever OpenFace wrote there. In a file without the column ``success`` (some released sets leave it out)
    a confidence above 0 counts as success. Of several faces (``face_id``) none is chosen: that is an error.

    Parameters
    ----------
    recording : name in the frame table; by default the file's.

    Raises
    ------
    InputError : not an OpenFace file, no action units, text where numbers should be, or what
        :class:`~dfe_lib.data.adapters.au_frames.ActionUnitFrames` excludes.
    """
    base = ["frame", "timestamp", "confidence"]
    table = read_csv(
        path, base, "an OpenFace CSV", lambda c: c in (*base, "success") or bool(_UNIT.fullmatch(c)), text=()
    )
    found = {c: m for c in table.columns if (m := _UNIT.fullmatch(c))}
    if not found:
        raise InputError(f"{path} has no action units (AUxx_r, AUxx_c); run OpenFace with -aus")
    values = pd.DataFrame(numbers(table, base + list(found), path), columns=base + list(found))
    success = table["success"] == 1 if "success" in table.columns else values["confidence"] > 0
    rows = pd.DataFrame(
        {
            "source_frame": whole(values["frame"], "frame", path),
            "time_s": values["timestamp"],
            "detected": success.to_numpy(dtype=bool),
        }
    )
    parts = [
        values[[c for c, m in found.items() if m[2] == kind]].rename(columns=lambda c: c[:-2])
        for kind in "rc"
    ]
    return au_frames(path, rows, *parts, recording, "OpenFace")


def read_openface_shape(
    path: str | Path, space: str = "openface34", recording: str | None = None
) -> pd.DataFrame:
    """Frame table with ψ from the shape that OpenFace has fitted.

    OpenFace's shape parameters describe person and expression together. So each recording's own median is taken off:
    what is left are changes about the face that the person mostly made, and 0 is that face, not neutral. A
    recording of one frame, or of one lasting expression, therefore shows nothing.

    Parameters
    ----------
    space : ``"openface34"``, the coefficients ``p_0`` to ``p_33`` (head pose is not in them); or ``"openface204"``, the
        displacements in mm of the 68 landmarks ``X_``, ``Y_``, ``Z_``, for files without the former. These are
        turned rigidly onto the recording's mean by nose and eye corners, and onto the axes of a head by its
        symmetry: x to the subject's left, y up, z out of the face.
    recording : name in the table; by default the file's.

    Returns
    -------
    Frame table; ``source_frame`` is OpenFace's frame number. Frames without success are not detected.

    Raises
    ------
    InputError : an unknown space; not such a file; several faces in a frame; text where numbers should be.
    """
    if space not in SPACES:
        raise InputError(f"no such space of OpenFace: {choices(space, SPACES)}")
    target = SPACES[space]
    option = "-pdmparams" if space == "openface34" else "-3Dfp"
    base, values, detected = _faces(path, target.names, "with the shape", option)
    psi = values.astype(np.float64)
    if space == "openface204" and detected.any():
        psi[detected] = _upright(psi[detected].reshape(-1, N_LANDMARKS, 3)).reshape(-1, len(target.names))
    if detected.any():
        psi[detected] -= np.median(psi[detected], axis=0)
    out = frames.frame_table(
        recording or Path(path).stem,
        base[:, 1],
        detected,
        n_faces=detected,
        attrs={"tool": "OpenFace", "neutral": NEUTRAL, **target.attrs()},
        source_frame=whole(base[:, 0], "frame", path).astype(np.int32),
    )
    return frames.with_psi(out, psi, target.names)


@dataclass(frozen=True, eq=False)
class Landmarks68:
    """Landmarks that OpenFace has found. frames: frame table; points (n, 68, 3) mm or (n, 68, 2) px, NaN where none."""

    frames: pd.DataFrame
    points: np.ndarray


def read_openface_landmarks(path: str | Path, axes: str = "XYZ", recording: str | None = None) -> Landmarks68:
    """The 68 landmarks of an OpenFace CSV, for a regressor that takes them.

    Parameters
    ----------
    axes : ``"XYZ"``, mm in the axes of the camera (x right, y down, z away); or ``"xy"``, pixels of the picture.
    recording : name in the frame table; by default the file's.

    Raises
    ------
    InputError : other axes; not such a file; several faces in a frame; text where numbers should be.
    """
    if axes not in _LANDMARKS:
        raise InputError(f"no such landmarks of OpenFace: {choices(axes, _LANDMARKS)}")
    names = [f"{axis}_{i}" for axis in axes for i in range(N_LANDMARKS)]  # in the file's order
    base, values, detected = _faces(path, names, "with landmarks", _LANDMARKS[axes])
    table = frames.frame_table(
        recording or Path(path).stem,
        base[:, 1],
        detected,
        n_faces=detected,
        attrs={"tool": "OpenFace"},
        source_frame=whole(base[:, 0], "frame", path).astype(np.int32),
    )
    points = values.reshape(-1, len(axes), N_LANDMARKS).transpose(0, 2, 1)
    return Landmarks68(table, np.ascontiguousarray(points))


def openface_landmark_axes(path: str | Path) -> str:
    """What landmarks a file has, by its header: ``"XYZ"`` where there is depth, else ``"xy"``."""
    try:
        with Path(path).open("rb") as file:
            header = file.readline().decode("utf-8", "replace")
    except OSError:
        return "XYZ"  # reading it says what is wrong
    names = {name.strip() for name in header.split(",")}
    return "xy" if "x_0" in names and "X_0" not in names else "XYZ"


def _faces(
    path: str | Path, names: Sequence[str], what: str, option: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 3) frame, time and confidence; (n, k) float32 values, NaN where not detected; (n,) detected."""
    base = ["frame", "timestamp", "confidence"]
    try:
        table, values = read_wide(path, base, names, f"an OpenFace CSV {what}", ["success"])
    except InputError as error:
        raise InputError(f"{error}; run OpenFace with {option}") from error
    lead = numbers(table, base, path)
    if len(np.unique(lead[:, 0])) < len(lead):
        raise InputError(f"{path} lists several faces in one frame; keep the rows of one face_id")
    success = (table["success"] == 1).to_numpy() if "success" in table.columns else lead[:, 2] > 0
    detected = success & np.isfinite(values).all(axis=1)
    values[~detected] = np.nan
    return lead, values, detected


def _upright(points: np.ndarray) -> np.ndarray:
    """(n, 68, 3) landmarks of the camera (x right, y down, z away), in the axes of the recording's head."""
    still = list(_STILL)
    points = points - points[:, still].mean(axis=1, keepdims=True)
    mean = points[0]
    for _ in range(3):  # the mean that the frames are turned onto settles at once
        turn = _rotation(points[:, still], mean[still])
        points = points @ turn
        mean = points.mean(axis=0)
    right, left = np.array(_PAIRS).T
    across = (mean[left] - mean[right]).mean(axis=0)
    across /= np.linalg.norm(across)
    up = mean[17:27].mean(axis=0) - mean[8]  # chin to brows
    up -= (up @ across) * across
    up /= np.linalg.norm(up)
    return points @ np.stack([across, up, np.cross(across, up)], axis=1)


def _rotation(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(n, 3, 3) rotations R with ``points @ R`` closest to ``target`` (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(np.swapaxes(points, 1, 2) @ target)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt
