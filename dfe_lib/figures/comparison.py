"""Codings side by side, as charts: coverage curves, rate and distortion, errors, paired gains, tables as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfe_lib.figures.charts import look, needs
from dfe_lib.figures.style import PAGE, axes, colour, dashes, marker


def plot_panels(
    draw: Callable[[str, Axes], Axes],
    names: Sequence[str],
    titles: Sequence[str] | None = None,
    height: float = 2.1,
    columns: int = 3,
    sharex: bool = True,
    legend: bool = True,
) -> Figure:
    """One panel per name, drawn by ``draw(name, ax)``, with one legend beside them all.

    Parameters
    ----------
    titles : one per panel, e.g. with the number of frames.
    legend : collect the panels' legend in the free place, or beside the last panel.
    """
    columns = min(columns, len(names))
    room = legend and len(names) % columns == 0
    rows = -(-len(names) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(PAGE, height * rows), squeeze=False, sharex=sharex, sharey=True
    )
    for i, ax in enumerate(grid.flat):
        if i >= len(names):
            ax.set_axis_off()
            continue
        draw(names[i], ax)
        ax.set_title(names[i] if titles is None else titles[i], fontsize=7)
        if ax.get_legend() is not None:
            ax.get_legend().remove()
        if i % columns:
            ax.set_ylabel("")
        if i + columns < len(names):
            ax.set_xlabel("")
        elif sharex:
            ax.xaxis.set_tick_params(labelbottom=True)
    lines = grid[0, 0].get_legend_handles_labels()
    if legend and lines[1]:
        if room:
            figure.legend(*lines, loc="outside right center")
        else:
            grid.flat[len(names)].legend(*lines, loc="center left")
    return figure


def plot_coverage(curves: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of displays reproduced within a tolerance, one line per coding.

    Parameters
    ----------
    curves : columns ``coding, tau_mm, share`` of one data set.
    """
    needs(curves, "coding", "tau_mm", "share")
    ax = axes(ax)
    for name, rows in curves.groupby("coding", sort=False):
        ax.plot(rows["tau_mm"], 100 * rows["share"], label=name, color=colour(name), linestyle=dashes(name))
    ax.set(xlabel="tolerance τ (mm RMS)", ylabel="displays within τ (%)", ylim=(0, 102))
    ax.set_xlim(float(curves["tau_mm"].min()), float(curves["tau_mm"].max()))
    ax.legend()
    return ax


def plot_rate_distortion(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Error against bits per frame with 95 % intervals: one line per coding; lower left is better.

    Parameters
    ----------
    table : columns ``coding, bits, rms_mm`` and, for bars, ``low, high``.
    """
    needs(table, "coding", "bits", "rms_mm")
    ax = axes(ax)
    for name, rows in table.groupby("coding", sort=False):
        rows = rows.sort_values("bits")
        style = {"color": colour(name), "linestyle": dashes(name), "marker": marker(name)}
        if "low" in rows:
            below, above = rows["rms_mm"] - rows["low"], rows["high"] - rows["rms_mm"]
            bars = np.nan_to_num(np.clip([below, above], 0, None))
            ax.errorbar(rows["bits"], rows["rms_mm"], yerr=bars, label=name, elinewidth=0.8, **style)
        else:
            ax.plot(rows["bits"], rows["rms_mm"], label=name, **style)
    ax.set(xlabel="bits per frame", ylabel="RMS error (mm)")
    ax.axhline(0, color="0.3", linewidth=0.8)  # in view, without fixing the other end of a shared axis
    ax.legend()
    return ax


def plot_errors(table: pd.DataFrame, value: str = "rms_mm", ax: Axes | None = None) -> Axes:
    """One coding a row: its error with the 95 % interval, and its bits in the label.

    Parameters
    ----------
    table : columns ``coding, bits``, ``value``, ``low, high`` of one data set, drawn from top to bottom.
    """
    needs(table, "coding", "bits", value, "low", "high")
    ax = axes(ax)
    for row, entry in enumerate(table.to_dict("records")):
        shade, shape = look(entry["coding"])
        ax.plot([entry["low"], entry["high"]], [row, row], color=shade, linewidth=1.5)
        ax.plot([entry[value]], [row], marker=shape, color=shade, markersize=4.5)
    labels = [f"{r['coding']}, {r['bits']:.0f} bits" for r in table.to_dict("records")]
    ax.set_yticks(range(len(table)), labels)
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel="RMS error (mm)")
    ax.axvline(0, color="0.3", linewidth=0.8)  # in view, without fixing the other end of a shared axis
    ax.grid(axis="y", color="0.93")
    ax.set_axisbelow(True)
    return ax


def plot_gains(table: pd.DataFrame, xlabel: str, ax: Axes | None = None) -> Axes:
    """What DFE gains over every other coding, with the 95 % interval of the paired difference; the number stands right.

    Right of the line DFE is better. Filled: the interval and the number of units say so; hollow: they do not.

    Parameters
    ----------
    table : as of :func:`dfe_lib.analysis.comparison.against`, of one data set.
    xlabel : what the gain is in.
    """
    needs(table, "other", "gain", "low", "high", "outcome")
    ax = axes(ax)
    for row, entry in enumerate(table.to_dict("records")):
        shade, shape = look(entry["other"])
        said = entry["outcome"] in ("ahead", "behind")
        ax.plot([entry["low"], entry["high"]], [row, row], color=shade, linewidth=1.5)
        ax.plot(
            [entry["gain"]], [row], marker=shape, color=shade, markersize=5,
            markerfacecolor=shade if said else "white",
        )  # fmt: skip
        ax.text(
            1.01, row, f"{entry['gain']:+.3f}", transform=ax.get_yaxis_transform(), fontsize=5.5, va="center"
        )
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_yticks(range(len(table)), list(table["other"]))
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel=xlabel)
    ax.grid(axis="y", color="0.93")
    ax.set_axisbelow(True)
    return ax


def plot_table(
    values: pd.DataFrame, label: str, number: str = "{:.2f}", better: str = "low", ax: Axes | None = None
) -> Axes:
    """A table as a picture: each cell its number, darker where it is worse.

    Parameters
    ----------
    values : rows and columns as they are to be drawn; NaN stays white.
    label : what the numbers are, with their unit.
    number : how a number is written.
    better : ``"low"`` or ``"high"``.
    """
    ax = axes(ax)
    shown = values.to_numpy(dtype=float)
    end = np.nanquantile(shown, 0.95)
    colours = "cividis_r" if better == "low" else "cividis"
    low = 0 if better == "low" else np.nanmin(shown)
    picture = ax.imshow(shown, cmap=colours, vmin=low, vmax=end, aspect="auto")
    for i, j in np.argwhere(np.isfinite(shown)):
        level = np.clip((shown[i, j] - low) / max(end - low, 1e-9), 0, 1)
        dark = level > 0.55 if better == "low" else level < 0.45
        ink = "white" if dark else "black"
        ax.text(j, i, number.format(shown[i, j]), ha="center", va="center", fontsize=6, color=ink)
    ax.figure.colorbar(picture, ax=ax, label=label, extend="max")
    ax.set_xticks(range(values.shape[1]), list(values.columns), fontsize=7)
    ax.set_yticks(range(values.shape[0]), list(values.index), fontsize=7)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def plot_groups(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of frames within the tolerance by group, one row per coding, groups side by side with 95 % intervals.

    Parameters
    ----------
    table : columns ``group, coding, share, low, high`` of one data set.
    """
    needs(table, "group", "coding", "share", "low", "high")
    ax = axes(ax)
    codings, groups = list(dict.fromkeys(table["coding"])), list(dict.fromkeys(table["group"]))
    for g, group in enumerate(groups):
        for row in table[table["group"] == group].itertuples():
            y = codings.index(row.coding) + (g - (len(groups) - 1) / 2) * 0.3
            shade = colour(row.coding)
            face = shade if g == 0 else "white"
            ax.plot([100 * row.low, 100 * row.high], [y, y], color=shade, linewidth=1.2)
            ax.plot([100 * row.share], [y], marker="os^D"[g % 4], color=shade, markerfacecolor=face)
    for g, group in enumerate(groups):
        ax.plot([], [], "os^D"[g % 4], color="0.3", markerfacecolor="0.3" if g == 0 else "white", label=group)
    ax.set_yticks(range(len(codings)), codings)
    ax.set(ylim=(len(codings) - 0.5, -0.5), xlim=(-3, 103), xlabel="displays within τ (%)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=len(groups), fontsize=6)
    return ax
