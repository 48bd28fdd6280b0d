"""How a codebook is used, as charts: evenness, rank and frequency, company, richness, likeness."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dfe_lib.errors import InputError
from dfe_lib.figures.charts import needs
from dfe_lib.figures.style import QUALITATIVE, axes, colour, plain_log
from dfe_lib.space import ExpressionSpace

_LIFT = 3.0  # log2: eight times as often as by chance is the end of the scale


def stage_colours(stages: int) -> list:
    """One colour per stage, dark to light as stages get finer."""
    return [plt.get_cmap("viridis")(v) for v in np.linspace(0.0, 0.85, max(stages, 2))][:stages]


def plot_perplexity(table: pd.DataFrame, K: int, ax: Axes | None = None) -> Axes:
    """Perplexity of every stage as a bar, with the number of codes in use above it, against the codebook's size.

    Parameters
    ----------
    table : columns ``stage, used, perplexity``.
    K : size of the codebook.
    """
    needs(table, "stage", "used", "perplexity")
    ax = axes(ax)
    ax.bar(table["stage"], table["perplexity"], color=stage_colours(len(table)), width=0.7)
    for row in table.itertuples():
        ax.annotate(
            f"{row.used}", (row.stage, row.perplexity), (0, 2), textcoords="offset points",
            ha="center", fontsize=6,
        )  # fmt: skip
    ax.axhline(K, color="0.4", linewidth=0.8, linestyle="--")
    ax.text(table["stage"].max() + 0.45, 0.985 * K, f"even use of all {K}", ha="right", va="top", fontsize=6)
    ax.set(
        xlabel="stage (number: codes in use)", ylabel="perplexity (codes)", xticks=list(table["stage"]),
        ylim=(0, 1.15 * K),
    )  # fmt: skip
    return ax


def plot_rank_frequency(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of tokens against the rank of the code, both logarithmic, one line per stage; Zipf's law is straight.

    Parameters
    ----------
    table : columns ``stage, rank, share``.
    """
    needs(table, "stage", "rank", "share")
    ax = axes(ax)
    stages = sorted(table["stage"].unique())
    for stage, shade in zip(stages, stage_colours(len(stages)), strict=True):
        rows = table[table["stage"] == stage]
        ax.plot(rows["rank"], 100 * rows["share"], color=shade)
    ranks = np.array([1, table["rank"].max()])
    first = 100 * table["share"].max()
    ax.plot(ranks, first / ranks, color="0.6", linestyle=":", label="Zipf, 1 / rank")
    lowest = 100 * table["share"].min()
    ax.set(
        xscale="log", yscale="log", xlabel="rank of the code", ylabel="share of tokens (%)",
        ylim=(0.7 * lowest, 1.6 * first),
    )  # fmt: skip
    plain_log(ax.yaxis)
    ax.legend(fontsize=6)
    return ax


def plot_similarity(templates: np.ndarray, space: ExpressionSpace, ax: Axes | None = None) -> Axes:
    """G-cosine between all pairs of templates, similar ones side by side.

    Parameters
    ----------
    templates : (K, d); codes that never move the face are left out.
    """
    field = space.check(templates).astype(float) @ space.whitener
    length = np.linalg.norm(field, axis=1)
    unit = field[length > 1e-9] / length[length > 1e-9, None]
    order = _side_by_side(unit) if len(unit) > 2 else np.arange(len(unit))
    cosine = unit[order] @ unit[order].T
    ax = axes(ax)
    picture = ax.imshow(cosine, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    ax.figure.colorbar(picture, ax=ax, shrink=0.8, label="cosine in the metric G")
    ax.set(xlabel="template (clustered)", ylabel="template (clustered)", xticks=[], yticks=[])
    return ax


def plot_cooccurrence(
    observed: np.ndarray,
    expected: np.ndarray,
    codes: Sequence[int],
    names: Sequence[str] | None = None,
    fewest: float = 3.0,
    ax: Axes | None = None,
) -> Axes:
    """How much more often than by chance two codes share a frame; red: more often, blue: less, white: as by chance.

    Parameters
    ----------
    observed, expected : (K, K) frames.
    codes : which codes to draw; those with like company stand side by side.
    names : (K,) texts written behind the codes' numbers.
    fewest : cells with fewer frames than this, seen and expected, are grey: nothing can be said.
    """
    codes = np.asarray(codes)
    if len(codes) < 2:
        raise InputError("at least two codes are needed to draw who keeps company with whom")
    seen, chance = (np.asarray(table)[np.ix_(codes, codes)] for table in (observed, expected))
    lift = np.log2((seen + 0.5) / (chance + 0.5))
    unknown = (seen < fewest) & (chance < fewest)
    order = _side_by_side(np.where(unknown, 0, lift)) if len(codes) > 2 else np.arange(len(codes))
    lift = np.where(unknown | np.eye(len(codes), dtype=bool), np.nan, lift)[np.ix_(order, order)]
    codes = codes[order]
    ax = axes(ax)
    colours = plt.get_cmap("RdBu_r").with_extremes(bad="#D0D0D0")
    picture = ax.imshow(lift, vmin=-_LIFT, vmax=_LIFT, cmap=colours, interpolation="nearest")
    bar = ax.figure.colorbar(picture, ax=ax, shrink=0.7, extend="both")
    bar.set_label("frames together / expected")
    bar.set_ticks([-3, -2, -1, 0, 1, 2, 3], labels=["⅛", "¼", "½", "1", "2", "4", "8"])
    labels = [f"{c}" if names is None else f"{names[c]} · {c}" for c in codes]
    ax.set_xticks(range(len(codes)), [f"{c}" for c in codes], rotation=90, fontsize=5)
    ax.set_yticks(range(len(codes)), labels, fontsize=5)
    ax.tick_params(length=0)
    ax.set(xlabel="code")
    return ax


def plot_rarefaction(curves: pd.DataFrame, richness: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Distinct token combinations against frames looked at, one line per number of stages.

    At the right stand the Chao1 estimates of how many combinations exist at least, with their 95 % intervals.

    Parameters
    ----------
    curves : columns ``stages, frames, expected``. richness : ``stages, chao1, low, high``.
    """
    needs(curves, "stages", "frames", "expected")
    needs(richness, "stages", "chao1", "low", "high")
    ax = axes(ax)
    shades = stage_colours(len(richness))
    last = curves["frames"].max()
    for i, (row, shade) in enumerate(zip(richness.itertuples(), shades, strict=True)):
        part = curves[curves["stages"] == row.stages]
        text = f"{row.stages} stage" + ("s" if row.stages > 1 else "")
        ax.plot(part["frames"], part["expected"], color=shade, label=text)
        at = last * 1.35 ** (i + 1)
        ax.plot([at, at], [row.low, row.high], color=shade, linewidth=1.5)
        ax.plot([at], [row.chao1], marker="o", color=shade)
    ends = np.array([1, last])
    ax.plot(ends, ends, color="0.6", linestyle=":", label="each frame new")
    ax.set(
        xscale="log", yscale="log", xlabel="frames looked at  |  dots: Chao1, at least so many exist",
        ylabel="distinct token combinations",
    )  # fmt: skip
    ax.legend(fontsize=6)
    return ax


def plot_good_turing(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Chance that the next frame shows a combination seen before, against the stages kept, one line per data set.

    Parameters
    ----------
    table : columns ``data, stages, good_turing``.
    """
    needs(table, "data", "stages", "good_turing")
    ax = axes(ax)
    for i, (data, rows) in enumerate(table.groupby("data", sort=False)):
        shade, shape = QUALITATIVE[i % len(QUALITATIVE)], "os^Dv<>P"[i % 8]
        ax.plot(rows["stages"], 100 * rows["good_turing"], color=shade, marker=shape, label=data)
    ax.set(
        xlabel="stages kept", ylabel="next frame's combination known (%)", ylim=(-3, 103),
        xticks=sorted(table["stages"].unique()),
    )  # fmt: skip
    ax.legend(fontsize=6)
    return ax


def plot_resemblance(table: pd.DataFrame, threshold: float, ax: Axes | None = None) -> Axes:
    """Best cosine with an action unit of every template, sorted; below the line a template resembles none.

    Parameters
    ----------
    table : as of :func:`dfe_lib.analysis.units.resemblance`.
    threshold : the line.
    """
    needs(table, "cosine")
    ax = axes(ax)
    value = -np.sort(-table["cosine"].abs().to_numpy())
    rank = np.arange(1, len(value) + 1)
    like = value > threshold
    ax.bar(rank[like], value[like], width=1, color=colour("FACS"), label=f"like an action unit: {like.sum()}")
    ax.bar(rank[~like], value[~like], width=1, color=colour("DFE"), label=f"like none: {(~like).sum()}")
    ax.axhline(threshold, color="0.3", linewidth=0.8, linestyle="--")
    ax.text(1, threshold, " 95 % of random directions stay below", fontsize=6, va="bottom", color="white")
    ax.set(xlabel="token, most AU-like first", ylabel="best |cosine| with an AU", ylim=(0, 1.02))
    ax.set_xlim(0.5, len(value) + 0.5)
    ax.legend(loc="upper right", fontsize=6)
    return ax


def plot_association(table: pd.DataFrame, tokens: int = 16, ax: Axes | None = None) -> Axes:
    """Mutual information of tokens (rows) with action units (columns), dots where it is shown for the whole family.

    Parameters
    ----------
    table : columns ``token`` (text), ``au, bits, z, p_family``.
    tokens : draw those with the largest |z|.
    """
    needs(table, "token", "au", "bits", "z", "p_family")
    ax = axes(ax)
    strongest = table.assign(size=table["z"].abs()).groupby("token")["size"].max().nlargest(tokens).index
    table = table[table["token"].isin(strongest)]
    bits = table.pivot(index="token", columns="au", values="bits").loc[strongest]
    signed = bits * np.sign(table.pivot(index="token", columns="au", values="z").loc[strongest])
    sure = table.pivot(index="token", columns="au", values="p_family").loc[strongest] < 0.05
    end = float(bits.max().max())
    picture = ax.imshow(signed, cmap="RdBu_r", vmin=-end, vmax=end, aspect="auto", interpolation="nearest")
    rows, columns = np.nonzero(sure.to_numpy())
    ax.plot(columns, rows, "k.", markersize=4)
    bar = ax.figure.colorbar(picture, ax=ax)
    bar.set_label("mutual information (bits)\nblue: apart, red: together")
    ax.set_xticks(range(bits.shape[1]), bits.columns, rotation=90, fontsize=6)
    ax.set_yticks(range(len(bits)), bits.index, fontsize=6)
    ax.tick_params(length=0)
    return ax


def _side_by_side(rows: np.ndarray) -> np.ndarray:
    """An order in which like rows are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage  # slow to import, only needed here

    alike = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return leaves_list(linkage(alike, "average"))
