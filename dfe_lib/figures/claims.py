"""Claims against data, as one picture: every cell an estimate, its interval and what it allows to say."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from dfe_lib.figures.charts import needs
from dfe_lib.figures.style import PAGE

# Blue and orange of Okabe & Ito, thinned so that text stays readable on them.
LOOKS = {"supported": "#9FCBE5", "not supported": "#F2B48A", "not testable here": "#F4F4F4"}


def plot_claims(table: pd.DataFrame) -> Figure:
    """Claims (rows) on each data set (columns): the gain over the strongest rival, its 95 % interval, and the verdict.

    Data from people stand left; simulated ones right, hatched, since they do not count.

    Parameters
    ----------
    table : as of :func:`dfe_lib.analysis.claims.evidence`.
    """
    needs(table, "claim", "against", "measure", "data", "source", "rival", "gain", "low", "high", "verdict")
    people = table[table["source"] != "simulated"]["data"].unique()
    made = [d for d in table["data"].unique() if d not in people]
    columns = [*people, *made]
    keys = list(dict.fromkeys(zip(table["claim"], table["against"], table["measure"], strict=True)))
    figure, ax = plt.subplots(figsize=(PAGE, 0.75 + 0.5 * len(keys)))
    for row in table.to_dict("records"):
        x = columns.index(row["data"])
        y = keys.index((row["claim"], row["against"], row["measure"]))
        simulated = row["source"] == "simulated"
        ax.add_patch(
            Rectangle(
                (x - 0.48, y - 0.46), 0.96, 0.92, facecolor=LOOKS[row["verdict"]], edgecolor=(1, 1, 1, 0.5),
                hatch="////" if simulated else None, linewidth=0,
            )
        )  # fmt: skip
        ax.text(x, y, _cell(row), ha="center", va="center", fontsize=5.5, linespacing=1.1)
    labels = [
        f"{claim}\n{textwrap.fill(f'against {against}: {measure}', 36)}" for claim, against, measure in keys
    ]
    ax.set_yticks(range(len(keys)), labels, fontsize=6)
    ax.set_xticks(range(len(columns)), [textwrap.fill(str(c), 14) for c in columns], fontsize=6.5)
    ax.xaxis.tick_top()
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(keys) - 0.5, -0.5))
    if len(people) and made:
        ax.axvline(len(people) - 0.5, color="0.3", linewidth=0.8)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    patches = [Patch(facecolor=c, label=v) for v, c in LOOKS.items()]
    patches.append(Patch(facecolor="white", edgecolor="0.6", hatch="////", label="simulated: does not count"))
    figure.legend(handles=patches, loc="outside lower center", ncols=4, fontsize=6)
    return figure


def _cell(row: dict) -> str:
    if not np.isfinite(row["gain"]):
        return "not measured"
    text = f"{row['gain']:+.3f}"
    if np.isfinite(row["low"]):
        text += f"\n[{row['low']:.3f}, {row['high']:.3f}]"
    if row["verdict"] == "not testable here":
        return f"{text}\ntoo few to test"
    return f"{text}\nover {row['rival']}"
