"""Tokens, ψ and action units in the manner of OpenFace and Py-Feat, for other people's scripts.

Beside each table lies a JSON file of the same name that says what every column means and in which unit, in the manner
of BIDS (LongName, Description, Units per column). Data that were granted to one person only are refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.access import refuse_gated
from dfe_lib.errors import ConfigError, InputError, choices
from dfe_lib.sidecar import describe
from dfe_lib.space import ICT53, space_of
from dfe_lib.staging import staged_file

FORMATS = {"openface": ".csv", "pyfeat": ".csv", "csv": ".csv", "parquet": ".parquet"}


@dataclass(frozen=True)
class Exported:
    """Where a table and its description lie."""

    table: Path
    sidecar: Path
    rows: int


def export(
    table: pd.DataFrame,
    path: str | Path,
    format: str,
    units: bool = False,
    source: str | Path | None = None,
) -> Exported:
    """Write one frame table in another tool's conventions, and its sidecar.

    =========  ====================================================================================================
    openface   frame (from 1), face_id, timestamp, confidence, success, pose_Rx … (rad), x_0 … y_67; AUxx_r, AUxx_c
    pyfeat     frame, FaceRectX …, FaceScore, mesh_x_0 … mesh_z_477; AUxx (0–1); input, as Py-Feat's ``Fex`` reads
    csv        the frame table without its landmarks
    parquet    the frame table
    =========  ====================================================================================================

    All have the ``psi_``, ``sd_`` and ``token_`` columns that the table has. What nothing here measures is left out:
    gaze, distances, emotions; and Py-Feat's head angles, whose unit and signs changed between its versions.

    Parameters
    ----------
    path : a .csv or .parquet file, as the format needs; the sidecar is the same with .json.
    units : add action units, from ψ by :class:`dfe_lib.codings.FACS` (openface and pyfeat; their sets of units).
    source : the file that the table was read from; one in the folder of a gated data set is refused.

    Raises
    ------
    ConfigError : an unknown format, or one that has no place for what is asked.
    AccessError : the data were granted and may not be passed on.
    InputError : several recordings for openface or pyfeat, ψ of another space for units, a path of another kind.

    Examples
    --------
    >>> export(frames.read("clip.parquet"), "clip.csv", "openface", units=True)         # doctest: +SKIP
    """
    path = checked(path, format)
    refuse_gated(table.attrs, "an export", source)
    frames.check(table)
    if units and format not in ("openface", "pyfeat"):
        raise ConfigError(f"action units are written as openface or pyfeat, not as {format}")
    table = table.reset_index(drop=True)
    if format in ("openface", "pyfeat"):
        if table["recording"].nunique() > 1:
            raise InputError(
                f"{format} has one file per recording, but this table holds {table['recording'].nunique()}; "
                "export them one by one"
            )
        out = _openface(table, units) if format == "openface" else _pyfeat(table, units)
    else:
        out = table if format == "parquet" else table[[c for c in table if not c.startswith("landmarks")]]
    out.attrs = dict(table.attrs)
    return write_with_sidecar(
        out, path, {"openface": "OpenFace", "pyfeat": "Py-Feat"}.get(format, "this library")
    )


def _openface(table: pd.DataFrame, units: bool) -> pd.DataFrame:
    found = table["detected"].to_numpy(dtype=bool)
    number = table["source_frame"] if "source_frame" in table.columns else table["frame"] + 1
    columns: dict[str, np.ndarray] = {
        "frame": number.to_numpy(),
        "face_id": np.zeros(len(table), int),
        "timestamp": table["time_s"].to_numpy(),
        "confidence": found.astype(float),
        "success": found.astype(int),
    }
    if {"pose_pitch", "pose_yaw", "pose_roll"} <= set(table.columns):
        angles = _camera_angles(table[["pose_pitch", "pose_yaw", "pose_roll"]].to_numpy(float))
        columns |= {f"pose_R{axis}": angles[:, i] for i, axis in enumerate("xyz")}
    if "landmarks" in table.columns:
        from dfe_lib.face.landmark_sets import LANDMARKS68_2D

        points = LANDMARKS68_2D.of_mesh(frames.landmarks(table))
        columns |= {f"{axis}_{i}": points[:, i, k] for k, axis in enumerate("xy") for i in range(68)}
    if units:
        strength = _units(table, "openface")
        columns |= {f"{name}_r": values for name, values in strength.items()}
        present = {f"{n}_c": np.where(np.isfinite(v), v >= 0.5, np.nan) for n, v in strength.items()}
        columns |= present
    return pd.concat([pd.DataFrame(columns), _own(table)], axis=1)


def _pyfeat(table: pd.DataFrame, units: bool) -> pd.DataFrame:
    found = table["detected"].to_numpy(dtype=bool)
    number = table["source_frame"] if "source_frame" in table.columns else table["frame"]
    columns: dict[str, np.ndarray] = {"frame": number.to_numpy()}
    mesh: dict[str, np.ndarray] = {}
    if "landmarks" in table.columns:
        points = frames.landmarks(table).astype(np.float64)
        corner, size = points[..., :2].min(axis=1), np.ptp(points[..., :2], axis=1)
        columns |= {"FaceRectX": corner[:, 0], "FaceRectY": corner[:, 1]}
        columns |= {"FaceRectWidth": size[:, 0], "FaceRectHeight": size[:, 1]}
        points[..., 2] /= size[:, :1]
        mesh = {
            f"mesh_{axis}_{i}": points[:, i, k]
            for i in range(points.shape[1])
            for k, axis in enumerate("xyz")
        }
    columns["FaceScore"] = np.where(found, 1.0, np.nan)
    if units:
        columns |= {name: values / 5 for name, values in _units(table, "pyfeat").items()}
    columns |= mesh | {"time_s": table["time_s"].to_numpy(), "input": table["recording"].to_numpy()}
    return pd.concat([pd.DataFrame(columns), _own(table)], axis=1)


def _own(table: pd.DataFrame) -> pd.DataFrame:
    """ψ, its uncertainty and tokens; empty where no face was found."""
    kept = table[[c for c in table.columns if c.startswith(("psi_", "sd_", "token_"))]]
    tokens = {c: kept[c].astype("Int16").mask(kept[c] < 0) for c in kept if c.startswith("token_")}
    return kept.assign(**tokens)


def _units(table: pd.DataFrame, tool: str) -> dict[str, np.ndarray]:
    """Unit → (n,) intensities 0–5, NaN where no face was found."""
    from dfe_lib.codings import FACS

    if space_of(table.attrs).name != ICT53.name:
        raise InputError(
            f"action units are read from ψ of ict53, but the table's is of {space_of(table.attrs).name}"
        )
    coding, psi = FACS(aus=tool), frames.psi(table, ICT53.names)
    seen = np.isfinite(psi).all(axis=1)
    out = np.full((len(psi), len(coding.names)), np.nan)
    if seen.any():
        out[seen] = coding.intensities(psi[seen])
    return dict(zip(coding.names, out.T, strict=True))


def _camera_angles(degrees: np.ndarray) -> np.ndarray:
    """(n, 3) Rx, Ry, Rz in rad, R = Rx Ry Rz in the camera's axes, of pitch, yaw and roll in degrees."""
    p, y, r = np.radians(degrees).T
    # Of Ry(yaw) Rx(pitch) Rz(roll) in the face's axes (y up, z out of the face); the camera's have both turned round.
    xz = np.sin(y) * np.cos(p)
    yz, zz = -np.sin(p), np.cos(y) * np.cos(p)
    xx = np.cos(y) * np.cos(r) + np.sin(y) * np.sin(p) * np.sin(r)
    xy = -np.cos(y) * np.sin(r) + np.sin(y) * np.sin(p) * np.cos(r)
    return np.stack([np.arctan2(-yz, zz), np.arcsin(np.clip(-xz, -1, 1)), np.arctan2(xy, xx)], axis=1)


def checked(path: str | Path, format: str) -> Path:
    """``path``, if it is one for a known format."""
    if format not in FORMATS:
        raise ConfigError(f"no such format: {choices(format, FORMATS)}")
    path = Path(path)
    if path.suffix != FORMATS[format]:
        raise InputError(f"{format} is written as {FORMATS[format]}, but the path given is {path}")
    return path


def write_with_sidecar(table: pd.DataFrame, path: Path, tool: str) -> Exported:
    """Write a table and beside it what its columns mean, in the conventions of ``tool``."""
    if path.suffix == ".parquet":
        frames.write(table, path)
    else:
        with staged_file(path) as place:
            table.to_csv(place, index=False)
    sidecar = path.with_suffix(".json")
    explained = json.dumps(describe(table, tool), indent=2, ensure_ascii=False) + "\n"
    with staged_file(sidecar) as place:
        place.write_text(explained, encoding="utf-8")
    return Exported(path, sidecar, len(table))
