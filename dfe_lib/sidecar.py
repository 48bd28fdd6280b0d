"""What the columns of a table mean: a JSON sidecar in the manner of BIDS, LongName, Description and Units of each."""

from __future__ import annotations

import re

import pandas as pd

from dfe_lib import __version__
from dfe_lib.space import ICT53, space_of

# pattern of a column's name, long name, description, unit; the first that fits counts.
_COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("recording|input", "recording", "Name of the recording.", "n/a"),
    ("frame", "frame number", "As {tool} numbers the frames of the recording.", "n/a"),
    ("face_id", "face", "Always 0: one face is followed.", "n/a"),
    ("time_s|timestamp", "time", "Time of the frame from the start of the recording.", "s"),
    ("detected|success", "face found", "Whether a face was found; without one the other cells are empty.", "n/a"),
    ("confidence|FaceScore", "confidence", "1 where a face was found; no graded score is given.", "n/a"),
    ("n_faces", "faces", "How many faces were found; -1: not known.", "n/a"),
    ("source_frame", "frame number of the source", "As the tool that was imported from numbers frames.", "n/a"),
    ("pose_(pitch|yaw|roll)", "head {0}", "Positive is down, to the subject's left, and top to the right.", "degree"),
    ("pose_R([xyz])", "head rotation about {0}", "Of the camera's axes, R = Rx Ry Rz, as OpenFace has it.", "rad"),
    ("pose_scale", "size of the face in the picture", "Scale of the reference face.", "pixel/mm"),
    ("pose_t([xy])", "place of the face in the picture, {0}", "Origin of the reference face.", "pixel"),
    ("x_(\\d+)|y_(\\d+)", "landmark of the iBUG scheme", "x right, y down; MediaPipe's nearest one.", "pixel"),
    ("mesh_[xyz]_(\\d+)", "landmark of MediaPipe's mesh", "x right, y down; z away, in widths of the box.", "pixel"),
    ("FaceRect(X|Y|Width|Height)", "box around the landmarks, {0}", "Left, top and size.", "pixel"),
    ("AU(\\d+)_r", "intensity of action unit {0}", "Bounded least squares of ψ on a table of units.", "0-5"),
    ("AU(\\d+)_c", "presence of action unit {0}", "Whether the intensity rounds to 1 or more.", "n/a"),
    ("AU(\\d+)", "strength of action unit {0}", "A fifth of the intensity; no probability.", "0-1"),
    ("psi_(.+)", "expression coefficient {0}", "0: the neutral face of the person. {psi}", "{unit}"),
    ("sd_(.+)", "standard deviation of {0}", "Expected error of the coefficient in this frame.", "{unit}"),
    ("token_(\\d+)", "token of stage {0}", "Code of the residual quantiser; -1 or empty: no face.", "n/a"),
    ("landmarks", "landmarks of MediaPipe's mesh", "478 times x right, y down, z away from the camera.", "pixel"),
    ("landmarks68", "68 landmarks", "68 times x right, y down, z away from the camera.", "mm"),
    ("landmarks68_2d", "68 landmarks", "68 times x right, y down.", "pixel"),
    ("n_frames", "frames", "Frames of the recording.", "n/a"),
    ("n_detected", "frames with a face", "Frames in which a face was found.", "n/a"),
    ("t(\\d+)", "occurrences of token {0}", "Over all stages and frames with a face.", "n/a"),
)  # fmt: skip


def describe(table: pd.DataFrame, tool: str = "this library") -> dict:
    """The sidecar of a table: LongName, Description and Units of each column, and how it was made."""
    space = space_of(table.attrs)
    words = {"tool": tool, "unit": "1", "psi": "1: the full shape."}
    if space.name != ICT53.name:
        words |= {"unit": space.unit, "psi": f"Space {space.name}."}
    out: dict = {}
    for column in table.columns:
        for pattern, name, text, unit in _COLUMNS:
            if match := re.fullmatch(pattern, column):
                given = [g for g in match.groups() if g is not None]
                out[column] = {
                    "LongName": name.format(*given),
                    "Description": text.format(*given, **words),
                    "Units": unit.format(**words),
                }
                break
        else:
            out[column] = {"LongName": column, "Description": "A column of the user's own.", "Units": "n/a"}
    out["GeneratedBy"] = [{"Name": "dfe_lib", "Version": __version__}]
    out["MadeFrom"] = {k: v for k, v in table.attrs.items() if not k.startswith("space_")}
    return out
