"""Prediction tables as figures: rows with intervals, by trait, in worlds, by recording, and what leaking is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.figures.charts import look, needs
from dfe_lib.figures.style import PAGE, axes, colour

# Rows that no method may be: what they reach is what knowing nothing reaches.
CONTROLS = ("constant", "shuffled labels", "recording length", "task only", "availability")
RAISES, LOWERS = "#D55E00", "#0072B2"  # of a driver: more of it raises or lowers the prediction


def is_control(method: str) -> bool:
    """Whether a row of a table is a control rather than a method."""
    return method.lower().startswith(CONTROLS)


def plot_forest(
    table: pd.DataFrame,
    xlabel: str,
    reference: float | None = None,
    numbers: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """One row of a prediction table a line: value and 95 % interval; controls below, hollow and grey.

    The grey band is the interval of the row trained on shuffled labels: who does not leave it has found nothing.

    Parameters
    ----------
    table : ``method, value, low, high`` and, for the text at the right, ``p_holm``; one metric, one target.
    xlabel : what the value is, with its unit.
    reference : a dashed line, e.g. chance.
    numbers : write value and p at the right.
    """
    needs(table, "method", "value", "low", "high")
    ax = axes(ax)
    known = table[table["value"].notna()]
    ordered = sorted(known.to_dict("records"), key=lambda r: is_control(r["method"]))
    for y, row in enumerate(ordered):
        control = is_control(row["method"])
        shade, shape = ("#777777", "o") if control else look(row["method"])
        ax.plot([row["low"], row["high"]], [y, y], color=shade, linewidth=1.5, solid_capstyle="round")
        ax.plot(
            [row["value"]], [y], marker=shape, color=shade, markersize=4.5,
            markerfacecolor="white" if control else shade,
        )  # fmt: skip
        if row["method"] == "shuffled labels":
            ax.axvspan(row["low"], row["high"], color="0.93", linewidth=0, zorder=0)
        if numbers:
            p = row.get("p_holm", np.nan)
            text = f"{row['value']:.2f}" + (f"  {_p(p)}" if np.isfinite(p) else "")
            ax.text(1.01, y, text, transform=ax.get_yaxis_transform(), fontsize=5.5, va="center")
    methods = sum(not is_control(r["method"]) for r in ordered)
    if 0 < methods < len(ordered):
        ax.axhline(methods - 0.5, color="0.8", linewidth=0.6)
    if reference is not None:
        ax.axvline(reference, color="0.4", linewidth=0.8, linestyle="--", zorder=1)
    ax.set_yticks(range(len(ordered)), [r["method"] for r in ordered])
    for label, row in zip(ax.get_yticklabels(), ordered, strict=False):  # a shared axis shows none
        label.set_color("#777777" if is_control(row["method"]) else "black")
    ax.set(ylim=(len(ordered) - 0.5, -0.5), xlabel=xlabel)
    return ax


def plot_worlds(
    table: pd.DataFrame,
    titles: Mapping[str, str],
    xlabel: str,
    reference: float | None = None,
    height: float | None = None,
) -> Figure:
    """The same rows in several simulated worlds, side by side on one axis.

    Parameters
    ----------
    table : as of :func:`plot_forest`, with a column ``world``.
    titles : world → what stands above its panel; also the order.
    """
    needs(table, "world", "method", "value", "low", "high")
    rows = table.groupby("world").size().max()
    figure, panels = plt.subplots(
        1, len(titles), figsize=(PAGE, height or 0.9 + 0.17 * rows), sharex=True, sharey=True, squeeze=False
    )
    for ax, (world, title) in zip(panels[0], titles.items(), strict=True):
        plot_forest(table[table["world"] == world], xlabel, reference, numbers=False, ax=ax)
        ax.set_title(title, fontsize=7)
        ax.grid(axis="y", color="0.95")
        ax.set_axisbelow(True)
    return figure


def plot_traits(table: pd.DataFrame, title: str = "", ax: Axes | None = None) -> Axes:
    """Rows by trait: every cell its correlation, orange where positive, purple where negative.

    Parameters
    ----------
    table : index methods, columns traits, values in −1 to 1; NaN stays white.
    """
    ax = axes(ax)
    values = table.to_numpy(dtype=float)
    ax.imshow(values, cmap="PuOr_r", vmin=-0.7, vmax=0.7, aspect="auto", interpolation="nearest")
    for i, j in np.argwhere(np.isfinite(values)):
        ink = "white" if abs(values[i, j]) > 0.55 else "black"
        ax.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=5.5, color=ink)
    ax.set_xticks(
        range(table.shape[1]),
        list(table.columns),
        rotation=35,
        ha="right",
        rotation_mode="anchor",
        fontsize=6,
    )
    ax.set_yticks(range(len(table)), list(table.index))
    ax.tick_params(length=0)
    ax.set_title(title)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def plot_scores(
    truth: np.ndarray, guess: np.ndarray, method: str, what: str, title: str = "", ax: Axes | None = None
) -> Axes:
    """Predicted against true score, one dot a recording; on the line they agree.

    Parameters
    ----------
    truth, guess : (n,), in the units of the score.
    method : whose colour the dots have.
    what : name of the score, with its unit.
    """
    truth, guess = np.asarray(truth, dtype=float), np.asarray(guess, dtype=float)
    if truth.shape != guess.shape or truth.ndim != 1 or not len(truth):
        raise InputError(
            f"a true and a predicted score per recording are needed, got {truth.shape} and {guess.shape}"
        )
    ax = axes(ax)
    ax.axline((0, 0), slope=1, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    ax.scatter(truth, guess, s=8, alpha=0.45, color=colour(method), linewidths=0)
    low, high = min(truth.min(), guess.min()), max(truth.max(), guess.max())
    ends = (low - 0.04 * (high - low), high + 0.04 * (high - low))
    ax.set(xlim=ends, ylim=ends, xlabel=f"true {what}", ylabel=f"predicted {what}", title=title)
    ax.set_aspect("equal")
    return ax


def plot_leak(table: pd.DataFrame, xlabel: str, chance: float | None = None, ax: Axes | None = None) -> Axes:
    """The same model scored honestly (filled) and by a leaky protocol (hollow): the distance is what leaking is worth.

    Parameters
    ----------
    table : ``method, split, value, low, high``; the first split that occurs is the honest one.
    chance : where both should be when there is nothing to find; a dashed line.
    """
    needs(table, "method", "split", "value", "low", "high")
    ax = axes(ax)
    splits, methods = list(dict.fromkeys(table["split"])), list(dict.fromkeys(table["method"]))
    for row in table.to_dict("records"):
        honest = row["split"] == splits[0]
        shade, shape = look(row["method"])
        y = methods.index(row["method"]) + (-0.15 if honest else 0.15)
        ax.plot([row["low"], row["high"]], [y, y], color=shade, linewidth=1.3)
        ax.plot(
            [row["value"]],
            [y],
            marker=shape,
            markersize=5,
            color=shade,
            markerfacecolor=shade if honest else "w",
        )
    for i, split in enumerate(splits):
        ax.plot([], [], "o", color="0.3", markerfacecolor="0.3" if i == 0 else "w", label=split)
    if chance is not None:
        ax.axvline(chance, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    ax.set_yticks(range(len(methods)), methods)
    ax.set(ylim=(len(methods) - 0.5, -0.5), xlabel=xlabel)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=len(splits), fontsize=6)
    return ax


def plot_reconstructions(
    original: np.ndarray, masked: np.ndarray, rebuilt: np.ndarray, titles: Sequence[str] | None = None
) -> Figure:
    """What a Masked Autoencoder makes of pictures: as they are, what it sees, what it gives back.

    Parameters
    ----------
    original, masked, rebuilt : (n, H, W, 3) uint8, or float in 0–1.
    titles : n texts above the pictures.
    """
    rows = {"picture": original, "what it sees": masked, "filled in": rebuilt}
    if len({np.shape(r)[0] for r in rows.values()}) != 1 or not len(original):
        raise InputError("as many masked and rebuilt pictures as originals are needed, at least one")
    n = len(original)
    figure, grid = plt.subplots(3, n, figsize=(min(PAGE, 0.85 * n + 0.6), 2.7), squeeze=False)
    for row, (name, pictures) in zip(grid, rows.items(), strict=True):
        for ax, picture in zip(row, pictures, strict=True):
            ax.imshow(picture if np.asarray(picture).dtype == np.uint8 else np.clip(picture, 0, 1))
            ax.set(xticks=[], yticks=[])
            for side in ax.spines.values():
                side.set_visible(False)
        row[0].set_ylabel(name, fontsize=7)
    for ax, title in zip(grid[0], titles or [], strict=False):
        ax.set_title(title, fontsize=6)
    return figure


def _p(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")
