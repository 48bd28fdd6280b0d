"""What other tools have written, as frame tables with ψ: one table of tools, one function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.access import of_path
from dfe_lib.data.adapters.arkit import read_live_link
from dfe_lib.data.adapters.emoca import read_emoca
from dfe_lib.data.adapters.flame import FlameModel, flame_space
from dfe_lib.data.adapters.openface import (
    openface_landmark_axes,
    read_openface_landmarks,
    read_openface_shape,
)
from dfe_lib.data.adapters.pyfeat import read_feat_csv
from dfe_lib.data.adapters.smirk import read_smirk
from dfe_lib.data.adapters.tables import clock
from dfe_lib.data.datasets.columns import POINTS, POINTS_2D
from dfe_lib.data.datasets.columns import points as points_of
from dfe_lib.data.datasets.openface_points import has_points
from dfe_lib.errors import ConfigError, InputError, choices
from dfe_lib.face.align import align
from dfe_lib.face.landmark_sets import LANDMARKS68, LANDMARKS68_2D
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.space import ICT53


@dataclass(frozen=True)
class Tool:
    """One tool whose files can be imported.

    Attributes
    ----------
    reads : what an input is.
    spaces : expression spaces that its files can give; the first is the default.
    keeps_time : its files say when each frame was; otherwise frames per second are needed for that.
    """

    reads: str
    spaces: tuple[str, ...]
    keeps_time: bool

    @property
    def of_flame(self) -> bool:
        return self.spaces[0].startswith("flame")


TOOLS = {
    "emoca": Tool("a result folder, <out>/<model> or above", ("flame53", "flame50"), False),
    "deca": Tool("a result folder as EMOCA's code writes it", ("flame53", "flame50"), False),
    "smirk": Tool(
        "an .npz of the encoder's outputs, or a folder of them", ("flame55", "flame53", "flame50"), False
    ),
    "openface": Tool(
        "a CSV with -pdmparams, -3Dfp or -2Dfp", ("openface34", "openface204", ICT53.name), True
    ),
    "pyfeat": Tool("a CSV with the 478-point mesh, or with 68 points", (ICT53.name,), False),
    "arkit": Tool("a CSV of Live Link Face", (ICT53.name,), True),
}


def import_table(
    path: str | Path,
    tool: str,
    space: str | None = None,
    fps: float | None = None,
    flame: FlameModel | None = None,
    recording: str | None = None,
) -> pd.DataFrame:
    """Frame table with ψ of one recording that another tool has processed.

    =========  =======================================================  ============================
    tool       ψ                                                        neutral
    =========  =======================================================  ============================
    emoca      FLAME: ``flame53`` (50 modes, jaw) or ``flame50``        FLAME's identity is apart
    deca       the same                                                 the same
    smirk      FLAME: ``flame55`` (and eyelids) or the others           the same
    openface   ``openface34`` (p_0…p_33) or ``openface204`` (X, Y, Z)   median of the recording
               ``ict53``, our regressor on its 68 landmarks             as :func:`with_expression`
    pyfeat     ``ict53``, our regressor on its mesh                     as :func:`dfe_lib.face.extract`
               the same, on the 68 points of older versions             as :func:`with_expression`
    arkit      ``ict53``, its own coefficients                          ARKit's, none taken off
    =========  =======================================================  ============================

    Parameters
    ----------
    space : one of the tool's spaces; by default its first.
    fps : frames per second, for tools whose files keep no times; without it ``time_s`` counts frames.
    flame : the user's own FLAME model, from :func:`dfe_lib.data.adapters.flame.load_flame`. With it lengths in a
        FLAME space are mm, and the space's name says so; without it they are coefficients.
    recording : name in the table; by default the file's or folder's.

    Returns
    -------
    Frame table; ``attrs`` name tool, neutral, times and space; :func:`dfe_lib.space.space_of` gives the space.

    Raises
    ------
    ConfigError : an unknown tool or space, or an option that the tool has no use for.
    InputError : the file cannot be used.

    Examples
    --------
    >>> table = import_table("results/EMOCA", "emoca", fps=25)          # doctest: +SKIP
    >>> frames.psi(table).shape[1], table.attrs["space"]                # doctest: +SKIP
    (53, 'flame53')
    """
    if tool not in TOOLS:
        raise ConfigError(f"no importer by that name: {choices(tool, TOOLS)}")
    kind = TOOLS[tool]
    space = kind.spaces[0] if space is None else space
    if space not in kind.spaces:
        raise ConfigError(f"files of {tool} do not give that space: {choices(space, kind.spaces)}")
    if fps is not None and kind.keeps_time:
        raise ConfigError(f"files of {tool} keep their own times; leave fps out")
    if flame is not None and not kind.of_flame:
        raise ConfigError(f"files of {tool} hold no FLAME coefficients; leave the FLAME model out")
    table = _read(path, tool, space, fps, flame, recording)
    if (placed := of_path(path)) is not None:  # it may not be passed on, wherever it goes
        table.attrs |= dict(zip(("dataset", "access"), placed, strict=True))
    return table


def _read(
    path: str | Path,
    tool: str,
    space: str,
    fps: float | None,
    flame: FlameModel | None,
    recording: str | None,
) -> pd.DataFrame:
    if TOOLS[tool].of_flame:
        target = flame_space(space, flame)
        if tool == "smirk":
            return read_smirk(path, target, fps, recording)
        return read_emoca(path, target, fps, recording, tool=tool.upper())
    if tool == "openface":
        if space == ICT53.name:
            found = read_openface_landmarks(path, openface_landmark_axes(path), recording)
            return with_expression(found.frames, found.points)
        return read_openface_shape(path, space, recording)
    if tool == "arkit":
        return read_live_link(path, recording)
    return _from_pyfeat(path, fps, recording)


def with_expression(table: pd.DataFrame, points: np.ndarray | None = None) -> pd.DataFrame:
    """A frame table of another tool's 68 landmarks with ψ of ict53, its standard deviation and the head's angles.

    The regressor for 68 landmarks sees less than that for 478: its card and
    :func:`dfe_lib.face.landmarks68.routes` say how much. ``attrs["expression"]`` is ``landmarks68`` or
    ``landmarks68-2d``.

    Parameters
    ----------
    table : of one or several recordings; each has its own neutral face, estimated from its frames.
    points : (n, 68, 3) mm in the axes of the camera, or (n, 68, 2) pixels; NaN where no face was found. By default
        the table's column ``landmarks68``, or ``landmarks68_2d`` where there is no depth.

    Returns
    -------
    A copy. Frames in which a picture shows the head so far from the side that nothing can be said are not detected.

    Raises
    ------
    InputError : no landmarks, or of another shape.
    """
    if points is None:
        column = next((name for name in (POINTS, POINTS_2D) if name in table.columns), None)
        if column is None:
            raise InputError(
                f"the frame table has neither '{POINTS}' nor '{POINTS_2D}' (it has {', '.join(table.columns[:8])}…)"
            )
        points = points_of(table, column)
    takes = LANDMARKS68_2D if np.shape(points)[-1] == 2 else LANDMARKS68
    regressor, points = ExpressionRegressor.load(takes.regressor), takes.check(points)
    psi = np.full((len(table), ICT53.dimension), np.nan, np.float32)
    sd = psi.copy()
    for rows in table.reset_index(drop=True).groupby("recording", sort=False).indices.values():
        psi[rows], sd[rows] = regressor.express(points[rows], regressor.estimate_neutral(points[rows]))
    seen = table["detected"].to_numpy() & np.isfinite(psi).all(axis=1)
    angles = takes.align(points, regressor.neutral).angles
    psi[~seen] = sd[~seen] = angles[~seen] = np.nan
    out = table.assign(detected=seen, **dict(zip(frames.POSE[:3], angles.T, strict=True)))
    out.attrs = table.attrs | {"neutral": regressor.NEUTRAL, "expression": takes.name, **ICT53.attrs()}
    return frames.with_psi_sd(frames.with_psi(out, psi, ICT53.names), sd, ICT53.names)


def _from_pyfeat(path: str | Path, fps: float | None, recording: str | None) -> pd.DataFrame:
    old = has_points(path, "x_67") and not has_points(path, "mesh_x_477")
    feat = read_feat_csv(path, recording, fps=1.0 if fps is None else fps, mesh=not old)
    table = feat.frames
    table["time_s"], timing = clock(table["source_frame"].to_numpy(), fps)
    table.attrs = {"tool": "Py-Feat"} | timing
    if old:
        return with_expression(table, feat.points)
    points = frames.landmarks(table)
    regressor, pose = ExpressionRegressor.load(), align(points)
    columns = np.column_stack([pose.angles, pose.scale, pose.translation]).astype(np.float32)
    table[list(frames.POSE)] = columns
    table.attrs |= {"neutral": regressor.NEUTRAL, **ICT53.attrs()}
    return frames.with_psi(table, regressor.predict(points), ICT53.names)
