"""Figures of the data inventory and of the way from video to ψ: sources, frames, landmarks, smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dfe_lib.errors import InputError
from dfe_lib.figures.charts import needs
from dfe_lib.figures.faces import plot_face
from dfe_lib.figures.files import SOMEBODY
from dfe_lib.figures.style import PAGE, QUALITATIVE, axes
from dfe_lib.space import ICT53

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

# How far away a source is; grey is what only its owners can give.
REACH_COLOURS = ("#009E73", "#56B4E9", "#E69F00", "#999999")
SMOOTHING_COLOURS = {"none": "#56B4E9", "one-euro": "#E69F00", "kalman": "#D55E00"}


def plot_reach(grid: pd.DataFrame, names: Sequence[str], ax: Axes | None = None) -> Axes:
    """Sources (rows) against notebooks (columns): the colour says how far away a source is.

    Parameters
    ----------
    grid : index into ``names``, or NaN where a notebook does not use the source.
    names : four degrees of distance, nearest first.
    """
    ax = axes(ax)
    colours = ListedColormap(REACH_COLOURS)
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    ax.pcolormesh(
        np.ma.masked_invalid(grid.to_numpy(dtype=float)), cmap=colours, norm=norm, edgecolors="white", linewidth=1.5
    )  # fmt: skip
    ax.set_xticks(np.arange(grid.shape[1]) + 0.5, list(grid.columns))
    ax.set_yticks(np.arange(grid.shape[0]) + 0.5, list(grid.index))
    ax.set(xlabel="notebook", ylim=(len(grid), 0))
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    handles = [Patch(color=c, label=n) for c, n in zip(REACH_COLOURS, names, strict=True)]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_sizes(table: pd.DataFrame, names: Sequence[str], ax: Axes | None = None) -> Axes:
    """Sources by size, on a logarithmic scale; size and number of files stand beside the bars.

    Parameters
    ----------
    table : columns ``entry, MB, files, reach``.
    names : degrees of distance as in :func:`plot_reach`; the first two are the legend.
    """
    needs(table, "entry", "MB", "files", "reach")
    table = table.sort_values("MB")
    colours = dict(zip(names, REACH_COLOURS, strict=True))
    ax = axes(ax)
    ax.barh(table["entry"], table["MB"], color=table["reach"].map(colours))
    for y, row in enumerate(table.itertuples()):
        files = f"{row.files} file{'s' * (row.files != 1)}"
        ax.text(row.MB * 1.1, y, f"{row.MB:g} MB, {files}", va="center", fontsize=6)
    ax.set(xscale="log", xlabel="size (MB)", xlim=(table["MB"].min() / 2, table["MB"].max() * 12))
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.xaxis.set_major_formatter("{x:g}")
    shown = [n for n in names[:2] if (table["reach"] == n).any()]
    ax.legend(handles=[Patch(color=colours[n], label=n) for n in shown], loc="lower right")
    return ax


def plot_landmarks(
    rgb: np.ndarray | None,
    landmarks: np.ndarray,
    ax: Axes | None = None,
    size: float = 1.5,
    colour: str = "#56B4E9",
    margin: float | None = None,
) -> Axes:
    """Draw landmarks over a frame, or alone where the picture is not at hand.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, or None.
    landmarks : (478, 2 or 3), pixels; rows with NaN are left out.
    margin : cut the picture to the face and so much of its height around it; None shows all of it.
    """
    landmarks = np.asarray(landmarks, dtype=float)
    if rgb is not None and (np.ndim(rgb) != 3 or np.shape(rgb)[2] != 3):
        raise InputError(f"the frame has shape {np.shape(rgb)}, but (height, width, 3) is needed")
    if landmarks.ndim != 2 or landmarks.shape[1] not in (2, 3):
        raise InputError(f"landmarks have shape {landmarks.shape}, but (points, 2) or (points, 3) is needed")
    ax = axes(ax)
    found = landmarks[np.isfinite(landmarks).all(axis=1), :2]
    if rgb is not None:
        ax.imshow(rgb)
    shade = colour if rgb is not None else "#0072B2"
    ax.scatter(found[:, 0], found[:, 1], s=size, c=shade, linewidths=0, gid=SOMEBODY)
    if margin is None and rgb is not None:
        ax.set(xlim=(-0.5, rgb.shape[1] - 0.5), ylim=(rgb.shape[0] - 0.5, -0.5))
    else:
        (left, top), (right, bottom) = found.min(axis=0), found.max(axis=0)
        around = (0.3 if margin is None else margin) * (bottom - top)
        ax.set(xlim=(left - around, right + around), ylim=(bottom + around * 0.7, top - around))
        ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def plot_one_frame(
    rgb: np.ndarray | None, landmarks: np.ndarray, psi: np.ndarray, model: Morphable, title: str
) -> Figure:
    """One frame: its landmarks, the recovered expression on the generic face, and how far that moves the skin.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, or None where the picture is not at hand. landmarks : (478, 2 or 3), px. psi : (53,).
    title : above the picture.
    """
    vertices = model.vertices(psi)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(PAGE, 2.5), width_ratios=[1.1, 1, 1.25])
    plot_landmarks(rgb, landmarks, left, margin=0.35)
    plot_face(vertices, model.triangles, middle)
    moved = np.linalg.norm(vertices - model.neutral, axis=1)
    plot_face(model.neutral, model.triangles, right, colour=moved, colourbar=True)
    for ax, text in zip((left, middle, right), (title, "ψ on the generic face", "displacement"), strict=True):
        ax.set_title(text)
    return figure


def plot_head_angles(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Pitch, yaw and roll of the head over time, in degrees.

    Parameters
    ----------
    table : frame table of one recording with ``pose_pitch, pose_yaw, pose_roll``.
    """
    needs(table, "time_s", "pose_pitch", "pose_yaw", "pose_roll")
    ax = axes(ax)
    for i, angle in enumerate(("pitch", "yaw", "roll")):
        ax.plot(table["time_s"], table[f"pose_{angle}"], label=angle, color=QUALITATIVE[i])
    ax.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    ax.set(xlabel="time (s)", ylabel="head angle (°)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_presence(tables: Sequence[pd.DataFrame], ax: Axes | None = None) -> Axes:
    """One recording a row, one stroke a frame: blue with a face, grey without.

    Parameters
    ----------
    tables : frame tables, one per recording.
    """
    ax = axes(ax)
    for i, table in enumerate(tables):
        colours = np.where(table["detected"], QUALITATIVE[0], "#CFCFCF")
        ax.vlines(table["time_s"], i - 0.3, i + 0.3, colors=colours, linewidth=1.0)
    for shade, text in ((QUALITATIVE[0], "face"), ("#CFCFCF", "no face")):
        ax.plot([], [], "|", color=shade, markersize=8, markeredgewidth=2, label=text)
    ax.set_yticks(range(len(tables)), [str(t["recording"].iloc[0]) for t in tables])
    ax.set(xlabel="time (s)", ylim=(len(tables) - 0.4, -0.6))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_photographs(
    pictures: Sequence[np.ndarray], landmarks: np.ndarray, psi: np.ndarray, model: Morphable, count: int = 8
) -> Figure:
    """Photographs with landmarks, the face recovered from each, and its ``count`` largest coefficients.

    Parameters
    ----------
    pictures : n pictures, (H, W, 3) uint8. landmarks : (n, 478, 2 or 3), px. psi : (n, 53).
    """
    psi = ICT53.check(psi)
    if not len(pictures) == len(landmarks) == len(psi) or not len(psi):
        raise InputError("every photograph needs its landmarks and its ψ; at least one is needed")
    figure, grid = plt.subplots(
        len(psi), 3, figsize=(PAGE, 2.2 * len(psi)), width_ratios=[1.1, 0.9, 1.5], squeeze=False
    )
    for (photo, face, bars), rgb, points, value in zip(grid, pictures, landmarks, psi, strict=True):
        plot_landmarks(rgb, points, photo, size=0.8, margin=0.35)
        plot_face(model.vertices(value), model.triangles, face)
        top = np.argsort(-np.abs(value))[:count][::-1]
        bars.barh([ICT53.names[i] for i in top], value[top], color=QUALITATIVE[0])
        bars.axvline(0, color="0.4", linewidth=0.6)
        bars.set(xlabel="coefficient (0 neutral, 1 full)")
    return figure


def plot_smoothing(curves: pd.DataFrame, ylabel: str, ax: Axes | None = None) -> Axes:
    """A coefficient over time: the truth, what was measured, and what smoothing makes of it.

    Parameters
    ----------
    curves : columns ``time_s, truth, none`` and one per kind of smoothing.
    ylabel : the coefficient's name.
    """
    needs(curves, "time_s", "truth", *SMOOTHING_COLOURS)
    ax = axes(ax)
    ax.plot(curves["time_s"], curves["truth"], color="0.3", linewidth=2, label="truth")
    for name, shade in SMOOTHING_COLOURS.items():
        ax.plot(curves["time_s"], curves[name], color=shade, label="measured" if name == "none" else name)
    ax.set(xlabel="time (s)", ylabel=f"{ylabel} (0 neutral, 1 full)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
