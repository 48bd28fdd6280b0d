"""Is the protocol to be trusted? Power, p-values under the null, calibration, identity probes, simulated motion."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.figures.charts import look, needs
from dfe_lib.figures.prediction import is_control
from dfe_lib.figures.style import PAGE, QUALITATIVE, axes


def plot_power(table: pd.DataFrame, level: float = 0.05, ax: Axes | None = None) -> Axes:
    """Share of cohorts in which an effect is found, over its size; one line per number of people.

    Parameters
    ----------
    table : of one method, as of :func:`dfe_lib.analysis.prediction.power.power_curve`: ``effect, subjects, detected,
        low, high`` (binomial 95 % interval); effect in standard deviations.
    level : of the test; the dotted line, where the lines should begin.
    """
    needs(table, "effect", "subjects", "detected", "low", "high")
    ax = axes(ax)
    sizes = sorted(table["subjects"].unique())
    shades = plt.get_cmap("cividis")(np.linspace(0.85, 0.05, len(sizes)))
    for i, (subjects, shade) in enumerate(zip(sizes, shades, strict=True)):
        rows = table[table["subjects"] == subjects].sort_values("effect")
        ax.plot(
            rows["effect"],
            100 * rows["detected"],
            color=shade,
            marker="osD^vP"[i % 6],
            label=f"{subjects} people",
        )
        ax.fill_between(
            rows["effect"], 100 * rows["low"], 100 * rows["high"], color=shade, alpha=0.15, linewidth=0
        )
    ax.axhline(100 * level, color="0.4", linewidth=0.8, linestyle=":")
    ax.set(
        xlabel="planted effect (standard deviations)", ylabel=f"found at p < {level:g} (%)", ylim=(-2, 102)
    )
    ax.legend()
    return ax


def plot_null_p(p: Mapping[str, np.ndarray], level: float = 0.05, ax: Axes | None = None) -> Axes:
    """p-values under the null against what uniform ones would be; the band holds 95 % of uniform ones.

    Parameters
    ----------
    p : method → p-values, one per simulated cohort without any effect.
    """
    ax = axes(ax)
    from scipy.stats import beta

    for i, (name, values) in enumerate(p.items()):
        values = np.sort(np.asarray(values, dtype=float))
        n = len(values)
        if not n or not np.isfinite(values).all():
            raise InputError(f"'{name}' has no p-values, or some that are not finite")
        even = (np.arange(n) + 0.5) / n
        if i == 0:
            ranks = np.arange(1, n + 1)
            low, high = beta.ppf([[0.025], [0.975]], ranks, n - ranks + 1)
            ax.fill_between(even, low, high, color="0.9", linewidth=0)
            ax.plot([0, 1], [0, 1], color="0.5", linewidth=0.8, linestyle="--")
        below = (values <= level).mean()
        ax.plot(
            even, values, color=look(name)[0], drawstyle="steps-mid",
            label=f"{name}: {below:.1%} at p ≤ {level:g} (n = {n})",
        )  # fmt: skip
    ax.set(xlabel="expected of uniform p-values", ylabel="observed p-value", xlim=(0, 1), ylim=(0, 1))
    ax.legend(fontsize=6)
    return ax


def plot_calibration(table: pd.DataFrame, errors: pd.DataFrame | None = None, ax: Axes | None = None) -> Axes:
    """Observed share against predicted chance; on the dashed line chances are what they say.

    Parameters
    ----------
    table : as of :func:`dfe_lib.analysis.prediction.calibration.reliability`: ``method, predicted, observed, count``;
        dots grow with the number of predictions.
    errors : ``method, ece, ece_if_right``: the expected calibration error, and what it would be if every chance were
        right, for the legend.
    """
    needs(table, "method", "predicted", "observed", "count")
    ax = axes(ax)
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    said = {} if errors is None else errors.set_index("method").to_dict("index")
    for name, rows in table.groupby("method", sort=False):
        shade, shape = look(name)
        label = name
        if name in said:
            e = said[name]
            label = f"{name}: ECE {e['ece']:.2f} ({e['ece_if_right']:.2f} if right)"
        ax.plot(rows["predicted"], rows["observed"], color=shade, linewidth=0.8, alpha=0.6)
        size = 60 * rows["count"] / table["count"].max() + 5
        ax.scatter(rows["predicted"], rows["observed"], s=size, color=shade, marker=shape)
        ax.plot(
            [], [], marker=shape, color=shade, linewidth=0.8, label=label
        )  # dots of the legend have one size
    ax.set(xlabel="predicted chance", ylabel="observed share", xlim=(0, 1), ylim=(-0.03, 1.03))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), fontsize=6)
    return ax


def plot_confusion(table: pd.DataFrame, names: Mapping | None = None, ax: Axes | None = None) -> Axes:
    """Recordings by true (rows) and predicted (columns) class: number, and share of the true class.

    Parameters
    ----------
    table : of one method, as of :func:`dfe_lib.analysis.prediction.calibration.confusion`.
    names : class → what it is called.
    """
    needs(table, "truth", "predicted", "count", "share")
    ax = axes(ax)
    counts = table.pivot(index="truth", columns="predicted", values="count")
    share = table.pivot(index="truth", columns="predicted", values="share").to_numpy()
    ax.imshow(share, cmap="cividis_r", vmin=0, vmax=1)
    for i, j in np.ndindex(share.shape):
        ink = "white" if share[i, j] > 0.55 else "black"
        text = f"{counts.iloc[i, j]:.0f}\n{share[i, j]:.0%}"
        ax.text(j, i, text, ha="center", va="center", fontsize=7, color=ink)
    called = [str((names or {}).get(c, c)) for c in counts.index]
    ax.set_xticks(range(len(called)), called)
    ax.set_yticks(range(len(called)), called)
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def plot_probe(table: pd.DataFrame, xlabel: str = "right person named (%)", ax: Axes | None = None) -> Axes:
    """Identity probe: how often the person is recognised from each row's features, against chance.

    Parameters
    ----------
    table : as of :func:`dfe_lib.analysis.prediction.audit.identity_probe`: ``method, told, low, high, chance``.
    """
    needs(table, "method", "told", "low", "high", "chance")
    ax = axes(ax)
    for y, row in enumerate(table.to_dict("records")):
        shade = "#777777" if is_control(row["method"]) else look(row["method"])[0]
        ax.barh(y, 100 * row["told"], color=shade, height=0.65, alpha=0.85)
        ax.plot([100 * row["low"], 100 * row["high"]], [y, y], color="black", linewidth=0.8)
    chance = 100 * float(table["chance"].iloc[0])
    ax.axvline(chance, color="0.3", linewidth=0.8, linestyle="--")
    ax.set_yticks(range(len(table)), list(table["method"]))
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel=f"{xlabel}; dashed: chance, {chance:.1f} %")
    return ax


def plot_motion(table: pd.DataFrame, simulated: str) -> Figure:
    """Simulated motion against measured motion: a dot per coefficient (or pair), one colour per measured source.

    From left to right: the 90 % quantile of each coefficient, its speed, the correlation of each pair of coefficients,
    and how long a movement lasts (autocorrelation, mean over coefficients). On the dashed line simulated people move as
    measured ones; r in the legend of each panel.

    Parameters
    ----------
    table : as of :func:`dfe_lib.data.simulation.realism.compare_motion`.
    simulated : name of the simulated source in it.
    """
    needs(table, "source", "statistic", "coefficient", "other", "at", "value")
    others = [s for s in dict.fromkeys(table["source"]) if s != simulated]
    shades = {source: QUALITATIVE[i % len(QUALITATIVE)] for i, source in enumerate(others)}
    figure, panels = plt.subplots(1, 4, figsize=(PAGE, 2.3))
    own = table[table["source"] == simulated]
    keys = ["coefficient", "other"]
    kinds = (
        ("quantile", 0.9, "90 % quantile"),
        ("speed", None, "speed (1/s)"),
        ("co-activation", None, "co-activation (r)"),
    )
    for ax, (statistic, at, title) in zip(panels[:3], kinds, strict=True):
        for source in others:
            theirs = table[table["source"] == source]
            x, y = (t[t["statistic"] == statistic] for t in (own, theirs))
            if at is not None:
                x, y = x[x["at"] == at], y[y["at"] == at]
            both = x.merge(y, on=keys, suffixes=("", "_measured"))
            r = both["value"].corr(both["value_measured"])
            size = 2 if statistic == "co-activation" else 9
            ax.scatter(
                both["value"], both["value_measured"], s=size, color=shades[source], alpha=0.6, linewidth=0,
                label=f"r = {r:.2f}",
            )  # fmt: skip
        ax.axline((0, 0), slope=1, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
        ax.set(xlabel="simulated", ylabel="measured" if ax is panels[0] else "")
        ax.set_title(title, fontsize=7)
        ax.legend(fontsize=6, handletextpad=0.1)
    for source in (simulated, *others):
        rows = table[(table["source"] == source) & (table["statistic"] == "autocorrelation")]
        line = rows.groupby("at")["value"].mean()
        shade, dash = ("black", "-") if source == simulated else (shades[source], "--")
        panels[3].plot(
            line.index, line.to_numpy(), dash, color=shade, marker="o", markersize=2.5, label=source
        )
    panels[3].axhline(0, color="0.8", linewidth=0.6)
    panels[3].set(xlabel="lag (s)")
    panels[3].set_title("autocorrelation", fontsize=7)
    figure.legend(*panels[3].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=6)
    return figure
