"""Charts of coefficients, tokens and scores; each takes data and axes, returns the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from dfe_lib import frames
from dfe_lib.data.datasets.columns import units
from dfe_lib.errors import InputError, choices
from dfe_lib.figures.style import QUALITATIVE, axes, colour, marker, plain_log

_OTHER = "#D9D9D9"  # codes too rare to be given a colour of their own
_UNSEEN = "#FFFFFF"


def plot_psi_over_time(
    table: pd.DataFrame, names: Sequence[str] | None = None, count: int = 6, ax: Axes | None = None
) -> Axes:
    """Expression coefficients of one recording over time; lines break where no face was found.

    Parameters
    ----------
    table : frame table of one recording with ``psi_`` columns; or, without any, with intensities of action units.
    names : coefficients (or units) to draw; by default the ``count`` that vary most.

    Raises
    ------
    InputError : no ψ and no action units, several recordings, or an unknown coefficient.
    """
    detected = units(table)
    prefix = "" if detected and not any(c.startswith("psi_") for c in table.columns) else "psi_"
    have = detected if not prefix else [c.removeprefix(prefix) for c in table.columns if c.startswith(prefix)]
    frames.check(table, ["psi_"] if prefix else have)
    _one_recording(table)
    if names is None:
        spread = table[[f"{prefix}{n}" for n in have]].std().fillna(0).to_numpy()
        names = [have[i] for i in np.argsort(-spread, kind="stable")[:count]]
    for name in names:
        if name not in have:
            raise InputError(f"the table has no such coefficient: {choices(name, have)}")
    ax = axes(ax)
    for i, name in enumerate(names):
        ax.plot(
            table["time_s"], table[f"{prefix}{name}"], label=name, color=QUALITATIVE[i % len(QUALITATIVE)]
        )
    ax.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    ax.set(xlabel="time (s)", ylabel="coefficient (0 neutral, 1 full)" if prefix else "intensity (0–5)")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_token_raster(
    codes: np.ndarray, time_s: np.ndarray | None = None, coloured: int = 8, ax: Axes | None = None
) -> Axes:
    """Tokens over time: one row per stage, coarse stage on top, the code's number where it is held for long.

    The most frequent codes have a colour each, the same in all stages, as they share one codebook; the rest
    is grey, and frames without a face are left white.

    Parameters
    ----------
    codes : (n, S) int; -1 where no face was found.
    time_s : (n,) seconds, increasing; by default the frame number is the axis.
    coloured : how many codes get a colour.

    Raises
    ------
    InputError : no frame, arrays of different length, or times that do not increase.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or not len(codes):
        raise InputError(f"tokens have shape {codes.shape}, but (frames, stages), not empty, is needed")
    time = np.arange(len(codes), dtype=float) if time_s is None else np.asarray(time_s, dtype=float)
    if time.shape != (len(codes),) or (np.diff(time) <= 0).any():
        raise InputError(f"time_s must be {len(codes)} increasing values, one per frame of the tokens")
    ax = axes(ax)
    edges = _edges(time)
    present, counts = np.unique(codes[codes >= 0], return_counts=True)
    frequent = present[np.argsort(-counts, kind="stable")][:coloured]
    shown = {code: QUALITATIVE[i % len(QUALITATIVE)] for i, code in enumerate(frequent)}
    width = edges[-1] - edges[0]
    for stage in range(codes.shape[1]):
        starts = np.flatnonzero(np.r_[True, np.diff(codes[:, stage]) != 0])
        ends = np.r_[starts[1:], len(codes)]
        held = codes[starts, stage]
        left, right = edges[starts], edges[ends]
        faces = [shown.get(c, _OTHER) if c >= 0 else _UNSEEN for c in held]
        spans = list(zip(left, right - left, strict=True))
        ax.broken_barh(spans, (stage - 0.42, 0.84), facecolors=faces, linewidth=0)
        for code, face, a, b in zip(held, faces, left, right, strict=True):
            if code >= 0 and b - a > 0.035 * width:
                ink = "white" if np.mean(to_rgb(face)) < 0.5 else "black"
                ax.text((a + b) / 2, stage, str(code), ha="center", va="center", fontsize=6, color=ink)
    ax.set(
        xlim=(edges[0], edges[-1]),
        ylim=(codes.shape[1] - 0.4, -0.6),
        yticks=range(codes.shape[1]),
        yticklabels=[str(s + 1) for s in range(codes.shape[1])],
        xlabel="frame" if time_s is None else "time (s)",
        ylabel="stage",
    )
    return ax


def plot_training(
    history: pd.DataFrame,
    columns: Sequence[str],
    x: str = "epoch",
    ylabel: str = "RMS error (mm)",
    log: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Columns of a training history over epochs, e.g. the RMS error on training and validation faces.

    Raises
    ------
    InputError : a column is missing.
    """
    needs(history, x, *columns)
    ax = axes(ax)
    for i, name in enumerate(columns):
        shade = QUALITATIVE[i % len(QUALITATIVE)]
        ax.plot(history[x], history[name], label=name.replace("_", " "), color=shade)
    ax.set(xlabel=x, ylabel=ylabel)
    if log:
        ax.set_yscale("log")
        plain_log(ax.yaxis)
    ax.legend()
    return ax


def plot_usage(codes: np.ndarray, K: int, ax: Axes | None = None) -> Axes:
    """How often each code is used, most used first, against the even share 1/K; the title counts them.

    Parameters
    ----------
    codes : ints in [0, K), any shape; negative ones (no face) are left out.
    K : size of the codebook.
    """
    codes = np.asarray(codes)
    used = codes[codes >= 0]
    if not used.size or used.max() >= K:
        raise InputError(f"tokens must lie in [0, {K}) and hold at least one face; got {used.size} tokens")
    share = np.sort(np.bincount(used.ravel(), minlength=K) / used.size)[::-1]
    positive = share[share > 0]
    perplexity = float(np.exp(-(positive * np.log(positive)).sum()))
    ax = axes(ax)
    ax.fill_between(np.arange(1, K + 1), 100 * share, step="mid", color=colour("DFE"), linewidth=0)
    ax.axhline(100 / K, color="0.4", linewidth=0.8, linestyle="--", label=f"even share, 1/{K}")
    ax.set(xlabel="code, most used first", ylabel="share of tokens (%)", xlim=(0.5, K + 0.5))
    ax.set_title(f"{len(positive)} of {K} codes used, perplexity {perplexity:.0f}")
    ax.legend()
    return ax


def plot_intervals(
    table: pd.DataFrame,
    value: str = "value",
    low: str = "low",
    high: str = "high",
    label: str = "method",
    xlabel: str | None = None,
    reference: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Forest plot: one method a row, its value and 95 % interval; methods with a known coding in its colour.

    Parameters
    ----------
    table : one row per method, drawn from top to bottom in its order.
    xlabel : what the value is, with its unit.
    reference : a vertical line, e.g. chance or the constant predictor.
    """
    needs(table, value, low, high, label)
    ax = axes(ax)
    for row, (_, entry) in enumerate(table.iterrows()):
        shade, shape = look(str(entry[label]))
        ax.plot([entry[low], entry[high]], [row, row], color=shade, linewidth=1.5, solid_capstyle="round")
        ax.plot([entry[value]], [row], marker=shape, color=shade, markersize=5)
    if reference is not None:
        ax.axvline(reference, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    ax.set(
        yticks=range(len(table)),
        yticklabels=list(table[label]),
        ylim=(len(table) - 0.5, -0.5),
        xlabel=f"{value if xlabel is None else xlabel} (bar: 95 % interval)",
    )
    return ax


def plot_bars_by_coefficient(
    values: np.ndarray | Mapping[str, np.ndarray],
    names: Sequence[str],
    regions: Mapping[str, Sequence[int]] | None = None,
    ylabel: str = "Pearson r",
    ax: Axes | None = None,
) -> Axes:
    """One bar per coefficient, grouped by facial region; several series side by side.

    Parameters
    ----------
    values : (d,), or series name → (d,).
    names : (d,) coefficient names.
    regions : region → indices, e.g. ``ICT53.regions``; sets the order.
    """
    series = dict(values) if isinstance(values, Mapping) else {"": np.asarray(values)}
    for name, array in series.items():
        if np.shape(array) != (len(names),):
            raise InputError(
                f"'{name or 'values'}' has shape {np.shape(array)}; {len(names)} values are needed"
            )
    regions = {"": range(len(names))} if regions is None else regions
    order = [i for members in regions.values() for i in members]
    ax = axes(ax)
    width = 0.8 / len(series)
    for j, (name, array) in enumerate(series.items()):
        at = np.arange(len(order)) + (j - (len(series) - 1) / 2) * width
        ax.bar(at, np.asarray(array)[order], width, color=QUALITATIVE[j % len(QUALITATIVE)], label=name)
    start = 0
    for region, members in regions.items():
        if start:
            ax.axvline(start - 0.5, color="0.8", linewidth=0.6, zorder=0)
        middle = start + (len(members) - 1) / 2
        ax.text(middle, 1.01, region, transform=ax.get_xaxis_transform(), ha="center", fontsize=7)
        start += len(members)
    ax.axhline(0, color="0.4", linewidth=0.6)
    ax.set(ylabel=ylabel, xlim=(-0.7, len(order) - 0.3))
    ax.set_xticks(range(len(order)), [names[i] for i in order], rotation=90, fontsize=5)
    if any(series):
        ax.legend()
    return ax


def needs(table: pd.DataFrame, *columns: str) -> None:
    for name in columns:
        if name not in table.columns:
            raise InputError(f"the table has no such column: {choices(name, map(str, table.columns))}")


def _one_recording(table: pd.DataFrame) -> None:
    found = table["recording"].unique()
    if len(found) != 1:
        raise InputError(f"one recording can be drawn, but the table holds {len(found)}; select one first")


def _edges(time: np.ndarray) -> np.ndarray:
    """(n + 1,) borders between frames; each frame lasts until the next, the last one as long as is usual."""
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    return np.append(time, time[-1] + step)


def look(method: str) -> tuple[str, str]:
    """Colour and marker of a method; those that build on no coding are black dots."""
    try:
        return colour(method), marker(method)
    except InputError:
        return "#000000", "o"
