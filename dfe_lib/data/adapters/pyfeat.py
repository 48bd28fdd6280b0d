"""Py-Feat's CSV files: 478-point mesh (older versions: 68 points), action units and blendshapes of faces it has found.

The ``Identity_*`` columns (a face embedding, which recognises people) are never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.arkit import arkit_name
from dfe_lib.data.adapters.au_frames import ActionUnitFrames, au_frames
from dfe_lib.data.adapters.tables import numbers, read_csv, whole
from dfe_lib.data.manifest import load_manifest, locate
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

ENTRY = "pyfeat-news"
LABELS = {"gn": "good news", "ists": "bad news"}
# Py-Feat writes times as whole seconds ("00:01"). In these clips second 1 begins at frame 26, second 2 at 50
# or 52 and second 3 at 76 (only even frames are there), which only about 25 frames per second can do.
NEWS_FPS = 25.0
_MESH = [f"mesh_{axis}_{i}" for i in range(frames.N_LANDMARKS) for axis in "xyz"]
_POINTS = [f"{axis}_{i}" for axis in "xy" for i in range(68)]  # pixels, of versions before the mesh
_BOX = "FaceRectWidth"
_BLENDSHAPES = list(dict.fromkeys(map(arkit_name, ICT53.names)))
_NAMED = {"frame", "input", _BOX, *_BLENDSHAPES, *_POINTS}


def _is_used(column: str) -> bool:
    return column.startswith(("mesh_", "AU")) or column in _NAMED


@dataclass(frozen=True)
class Feat:
    """One Py-Feat file; tables and points are aligned by row.

    Attributes
    ----------
    frames : frame table; with ``landmarks`` in pixels where the file has a mesh.
    aus : n × 20, ``AU01`` … ``AU43``, 0–1.
    blendshapes : n × 51 in ARKit's names (``jawOpen``, ``mouthSmileLeft``; no tongueOut), 0–1; no columns in
        older files.
    points : (n, 68, 2) float32 px, the iBUG scheme's points that versions before the mesh give, NaN where not
        detected; None where the file has none.
    """

    frames: pd.DataFrame
    aus: pd.DataFrame
    blendshapes: pd.DataFrame
    points: np.ndarray | None = None


@dataclass(frozen=True)
class News:
    """The news clips; ``frames``, ``aus`` and ``blendshapes`` are aligned by row.

    Attributes
    ----------
    frames : frame table with landmarks.
    aus, blendshapes : as in :class:`Feat`.
    recordings : recording table with ``label`` (``good news`` or ``bad news``) and ``phrase`` (int).
    """

    frames: pd.DataFrame
    aus: pd.DataFrame
    blendshapes: pd.DataFrame
    recordings: pd.DataFrame


def read_feat_csv(
    path: str | Path, recording: str | None = None, fps: float = NEWS_FPS, mesh: bool = True
) -> Feat:
    """Read one file that Py-Feat has written.

    Mesh x and y are pixels. Mesh z is in widths of the face box, so it is multiplied by the frame's
    ``FaceRectWidth``. On the news clips a similarity fit to MediaPipe's canonical face is best at 1.00 times
    that width (median over frames; residual 0.55 % of the variance, against 0.56 % with 640 px throughout),
    and the depth is steadier from frame to frame than with one width per clip.

    Where a frame has several faces, the one with the widest box is kept; ``n_faces`` tells how many.

    Parameters
    ----------
    recording : name in the frame table; by default the file's name.
    fps : frames per second of the video; ``time_s`` is Py-Feat's frame number divided by it, because the
        file's own times are whole seconds.
    mesh : the file must have a mesh; otherwise (older versions) the frame table has no landmarks.

    Raises
    ------
    InputError : not a Py-Feat file, a column missing, or ``fps`` not above 0.

    Examples
    --------
    >>> from dfe_lib.data.manifest import locate
    >>> feat = read_feat_csv(locate("pyfeat-news", "001.csv"))      # doctest: +SKIP
    >>> feat.frames.shape[0], feat.aus.shape[1]                     # doctest: +SKIP
    (20, 20)
    """
    if not fps > 0:
        raise InputError(f"fps must be above 0, but is {fps}")
    needs = ["frame", _BOX, "AU01", *(_MESH if mesh else [])]
    what = "a Py-Feat CSV" + (" with a 478-point mesh" if mesh else "")
    table = read_csv(path, needs, what, only=_is_used, text=("input",))
    frame = numbers(table, ["frame"], path)
    whole(frame, "frame", path)
    if "input" in table.columns and table["input"].nunique() > 1:
        raise InputError(
            f"{path} holds {table['input'].nunique()} inputs; split it into one file per recording"
        )
    counts = table.groupby("frame")[_BOX].count().to_numpy()  # a frame without a face has an empty box
    table = table.sort_values(["frame", _BOX], ascending=[True, False], kind="stable")
    table = table.drop_duplicates("frame").reset_index(drop=True)

    aus = [c for c in table.columns if c.startswith("AU") and c[2:].isdigit()]
    shapes = [c for c in _BLENDSHAPES if c in table.columns]
    box = numbers(table, [_BOX], path)
    detected, columns = np.isfinite(box[:, 0]), {}
    if mesh:
        points = numbers(table, _MESH, path).reshape(len(table), frames.N_LANDMARKS, 3)
        points[..., 2] *= box
        detected = detected & np.isfinite(points).all(axis=(1, 2))
        points[~detected] = np.nan
        columns["landmarks"] = points
    out = frames.frame_table(
        recording or Path(path).stem,
        table["frame"].to_numpy(dtype=np.float64) / fps,
        detected,
        n_faces=np.minimum(counts, 127),
        attrs={"tool": "Py-Feat", "fps": fps},
        source_frame=table["frame"].to_numpy(dtype=np.int32),
        **columns,
    )
    points68 = None
    if set(_POINTS) <= set(table.columns):
        points68 = numbers(table, _POINTS, path).astype(np.float32).reshape(-1, 2, 68).transpose(0, 2, 1)
        points68[~(detected & np.isfinite(points68).all(axis=(1, 2)))] = np.nan
    return Feat(
        out,
        pd.DataFrame(numbers(table, aus, path), columns=aus),
        pd.DataFrame(numbers(table, shapes, path), columns=shapes),
        points68,
    )


def read_feat(path: str | Path, recording: str | None = None, fps: float = NEWS_FPS) -> ActionUnitFrames:
    """Action units of a CSV that Py-Feat has written, as other tools' readers give them.

    Py-Feat gives one number from 0 to 1 for each of its units: five times that is taken as the intensity, and there is
    no presence. Depending on its model that number is a probability more than an intensity; then 5 means sure rather
    than strong. Several faces, times and frames are as in :func:`read_feat_csv`.

    Raises
    ------
    InputError : as :func:`read_feat_csv`; values outside 0–1.
    """
    return feat_aus(read_feat_csv(path, recording, fps, mesh=False), path)


def feat_aus(feat: Feat, path: str | Path = "the Py-Feat table") -> ActionUnitFrames:
    """The action units of one recording that :func:`read_feat_csv` has read."""
    rows = feat.frames[["source_frame", "time_s", "detected", "n_faces"]].reset_index(drop=True)
    names = feat.frames["recording"].unique()
    if len(names) != 1:
        raise InputError(f"one recording is needed, got {len(names)}")
    nothing = pd.DataFrame(index=rows.index)
    aus = feat.aus.reset_index(drop=True)
    return au_frames(path, rows, aus, nothing, names[0], "Py-Feat", 1.0, fps=feat.frames.attrs.get("fps"))


def read_news() -> News:
    """The 20 news clips at hand: actors who bring good news or bad news.

    Who speaks is not stated. Among the 300 clips that are named, each 20 consecutive ones hold the same 20
    phrases once, so the 20 that exist may well be one speaker: leaving one clip out tests new clips, not new
    people. Every clip is its own ``subject`` here. Good and bad news also have different words, so what the
    mouth says is confounded with the label. Both belong beside every number that these clips give.

    Returns
    -------
    News : 477 frames at 12.5 per second (every second frame of 25).

    Raises
    ------
    AssetError : the entry ``pyfeat-news`` is not at hand.
    InputError : a file has a missing column or an unknown class.
    """
    names = [f.path for f in load_manifest()[ENTRY].files if f.path != "clip_attrs.csv"]
    attributes_path = locate(ENTRY, "clip_attrs.csv")
    attributes = read_csv(
        attributes_path, ["clipN", "class", "phraseN"], "the clip attributes of the news clips"
    )
    attributes = attributes.set_index("clipN")
    feats, rows = [], []
    for name in names:  # clip_attrs.csv names 300 clips; only those registered exist
        clip = Path(name).stem
        feat = read_feat_csv(locate(ENTRY, name), recording=clip)
        if int(clip) not in attributes.index or attributes.loc[int(clip), "class"] not in LABELS:
            raise InputError(f"{attributes_path} gives clip {clip} no class of {', '.join(LABELS)}")
        feats.append(feat)
        rows.append(
            {
                "recording": clip,
                "subject": clip,
                "dataset": ENTRY,
                "split": "all",
                "fps": NEWS_FPS,
                "n_frames": len(feat.frames),
                "label": LABELS[attributes.loc[int(clip), "class"]],
                "phrase": int(attributes.loc[int(clip), "phraseN"]),
            }
        )
    note = "one per clip: the speaker is not stated and may be the same throughout"
    table = pd.concat([f.frames for f in feats], ignore_index=True)
    table.attrs = {"tool": "Py-Feat", "dataset": ENTRY, "fps": NEWS_FPS, "subject": note}
    recordings = pd.DataFrame(rows)
    recordings.attrs = {"subject": note}
    return News(
        frames.check(table, ["landmarks"]),
        pd.concat([f.aus for f in feats], ignore_index=True),
        pd.concat([f.blendshapes for f in feats], ignore_index=True),
        frames.check_recordings(recordings, ["label"]),
    )
