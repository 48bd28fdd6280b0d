"""What drives a prediction, drawn: tokens as faces with their weights, and when they occur."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.figures.charts import needs
from dfe_lib.figures.faces import below_chin, plot_face
from dfe_lib.figures.galleries import at_one_strength, wrapped
from dfe_lib.figures.prediction import LOWERS, RAISES
from dfe_lib.figures.style import PAGE, axes

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable


def plot_drivers(
    table: pd.DataFrame, templates: np.ndarray, model: Morphable, names: Sequence[str], label: str
) -> Figure:
    """Tokens as faces, the one that raises the prediction most first, each above its weight.

    Under each face: the weight (bar), its range over folds (line), and how many folds agree on the sign. A pale bar:
    not all do. All faces are drawn at one strength, 6 mm where they move most.

    Parameters
    ----------
    table : ``weight, low, high, same_sign`` and, for a note under the bars, ``note``; one row per token to draw.
    templates : (n, d) of these tokens. names : n texts above the faces.
    label : of the weights' axis, with its unit.
    """
    needs(table, "weight", "low", "high", "same_sign")
    if not len(table) == len(templates) == len(names) or not len(table):
        raise InputError(f"{len(table)} rows need as many templates and names, at least one")
    order = np.argsort(-table["weight"].to_numpy(), kind="stable")
    rows, n = table.iloc[order].to_dict("records"), len(table)
    psi, heat = at_one_strength(np.asarray(templates)[order], model)
    texts = [wrapped(names[i], max(9, 150 // n)) for i in order]
    lines = max(t.count("\n") + 1 for t in texts)
    figure = plt.figure(figsize=(PAGE, 1.9 + 0.09 * lines + 0.2 * ("note" in table)))
    grid = figure.add_gridspec(2, n, height_ratios=[1.25 + 0.1 * lines, 1])
    bottom = below_chin(model)
    low, high = model.neutral[:, :2].min(axis=0) - 3, model.neutral[:, :2].max(axis=0) + 3
    low[1] = low[1] if bottom is None else bottom
    limit = float(np.quantile(heat, 0.999))
    for i in range(n):
        ax = figure.add_subplot(grid[0, i])
        plot_face(model.vertices(psi[i]), model.triangles, ax, heat[i], limit=limit)
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        ax.set_title(texts[i], fontsize=5.5, pad=2)
    ax = figure.add_subplot(grid[1, :])
    for i, row in enumerate(rows):
        shade = RAISES if row["weight"] > 0 else LOWERS
        sure = row["same_sign"] > 1 - 1e-9
        ax.bar(i, row["weight"], color=shade, alpha=0.9 if sure else 0.3, width=0.55)
        ax.plot([i, i], [row["low"], row["high"]], color="black", linewidth=0.9)
    ax.axhline(0, color="0.3", linewidth=0.6)
    ax.set_xticks(range(n), [f"{r['same_sign']:.0%} of folds" + _note(r) for r in rows], fontsize=5.5)
    ax.set(xlim=(-0.5, n - 0.5), ylabel=label)
    ax.tick_params(axis="x", length=0)
    return figure


def plot_occurrence(
    table: pd.DataFrame,
    names: Mapping[int, str],
    groups: Sequence[str] | None = None,
    columns: int = 4,
    xlabel: str = "time (s)",
) -> Figure:
    """Share of frames with a token, over the time of the recording, by group; bands: 95 % intervals over people.

    Parameters
    ----------
    table : as of :func:`dfe_lib.analysis.prediction.drivers.occurrence`.
    names : token → what stands above its panel; also the order.
    groups : from less of the label (blue) to more (orange); by default as they come.
    """
    needs(table, "token", "group", "time_s", "share", "low", "high")
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(PAGE, 1.5 * rows + 0.35), squeeze=False, sharex=True)
    groups = list(dict.fromkeys(table["group"])) if groups is None else list(groups)
    for i, ax in enumerate(grid.flat):
        if i >= len(names):
            ax.set_axis_off()
            continue
        token, title = list(names.items())[i]
        for group, shade in zip(groups, (LOWERS, RAISES, "#009E73", "0.3"), strict=False):
            part = table[(table["token"] == token) & (table["group"] == group)].sort_values("time_s")
            ax.plot(
                part["time_s"], 100 * part["share"], color=shade, label=str(group), marker="o", markersize=2
            )
            ax.fill_between(
                part["time_s"], 100 * part["low"], 100 * part["high"], color=shade, alpha=0.18, linewidth=0
            )
        ax.set_title(wrapped(title, 26), fontsize=6)
        ax.set_ylim(bottom=0)
        if i % columns == 0:
            ax.set_ylabel("frames with it (%)")
        if i + columns >= len(names):
            ax.set_xlabel(xlabel)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(groups))
    return figure


def plot_raster(
    present: np.ndarray,
    time_s: np.ndarray,
    names: Sequence[str],
    raises: Sequence[bool],
    events: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One recording: when each driver occurs, over the true displays of the simulator.

    Parameters
    ----------
    present : (n, k) bool, whether a frame has the token. time_s : (n,). names : k texts.
    raises : k, whether more of it raises the prediction.
    events : ``display, onset_s, offset_s`` of this recording; drawn below in grey, the most frequent first.
    """
    ax = axes(ax)
    present, time = np.asarray(present, dtype=bool), np.asarray(time_s, dtype=float)
    if present.shape != (len(time), len(names)):
        raise InputError(f"presence of shape {present.shape} needs {len(time)} times and {len(names)} names")
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    for row, (name_raises, column) in enumerate(zip(raises, present.T, strict=True)):
        spans = [(t, step) for t in time[column]]
        ax.broken_barh(spans, (row - 0.38, 0.76), facecolors=RAISES if name_raises else LOWERS, linewidth=0)
    labels = list(names)
    if events is not None and len(events):
        displays = list(events["display"].value_counts().index)
        for row, display in enumerate(displays, start=len(labels)):
            part = events[events["display"] == display]
            spans = list(zip(part["onset_s"], part["offset_s"] - part["onset_s"], strict=True))
            ax.broken_barh(spans, (row - 0.38, 0.76), facecolors="0.6", linewidth=0)
        ax.axhline(len(labels) - 0.5, color="0.3", linewidth=0.8)
        labels += [f"true: {d}" for d in displays]
    ax.set_yticks(range(len(labels)), labels, fontsize=6)
    ax.set(ylim=(len(labels) - 0.5, -0.5), xlim=(time[0], time[-1] + step), xlabel="time (s)")
    return ax


def _note(row: dict) -> str:
    return f"\n{row['note']}" if row.get("note") else ""
