"""Training as it happens, redrawn after every epoch, and what came of it."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dfe_lib.figures import charts, style
from dfe_lib.figures.charts import needs


class LiveTraining:
    """Draws error and perplexity of the epochs so far; hand it to ``train(on_epoch=...)``.

    Examples
    --------
    >>> live = LiveTraining()                               # doctest: +SKIP
    >>> train(psi, on_epoch=live); live.close()             # doctest: +SKIP
    """

    def __init__(self):
        self.rows: list[dict] = []
        self._handle = None

    def __call__(self, row: dict) -> None:
        """Take one row of the history and redraw."""
        self.rows.append(row)
        figure = self.draw()
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
        plt.close(figure)

    def draw(self) -> Figure:
        """The figure of the rows so far."""
        history = pd.DataFrame(self.rows)
        figure, (left, right) = plt.subplots(1, 2, figsize=(style.PAGE, 2.2))
        errors = [c for c in ("rms_mm", "held_out_rms_mm", "held_out_beam_mm") if c in history]
        charts.plot_training(history, errors, ax=left)
        used = [c for c in history if c.startswith("perplexity_")]
        charts.plot_training(history, used, ylabel="perplexity", log=False, ax=right)
        right.get_legend().remove()
        return figure

    def close(self) -> None:
        """Remove the live figure, where the finished one is about to be shown."""
        if self._handle is not None:
            self._handle.update({"text/plain": "(training has ended)"}, raw=True)
            self._handle = None


def plot_error_by_stage(error: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """RMS error against the number of tokens decoded, one line per way of encoding.

    Parameters
    ----------
    error : index stages (1, 2, …), one column per way; mm.
    """
    ax = style.axes(ax)
    for i, name in enumerate(error.columns):
        shade, shape = style.QUALITATIVE[i % len(style.QUALITATIVE)], "os^D"[i % 4]
        ax.plot(error.index, error[name], color=shade, marker=shape, label=name)
    ax.set(xlabel="tokens decoded", ylabel="RMS error (mm)", yscale="log", xticks=list(error.index))
    style.plain_log(ax.yaxis)
    ax.legend()
    return ax


def plot_means(table: pd.DataFrame, xlabel: str, colour: str | None = None, ax: Axes | None = None) -> Axes:
    """One bar a row, the first on top, its standard deviation as a line, its value beside it.

    Parameters
    ----------
    table : index names, columns ``mean, sd``.
    xlabel : what the bars are, with its unit.
    """
    needs(table, "mean", "sd")
    ax = style.axes(ax)
    names = [str(name) for name in table.index]
    bars = ax.barh(
        names, table["mean"], xerr=table["sd"], color=colour or style.colour("DFE"), height=0.65,
        error_kw={"linewidth": 0.9},
    )  # fmt: skip
    ends = table["mean"] + table["sd"].fillna(0)
    for bar, value, end in zip(bars, table["mean"], ends, strict=True):
        at = bar.get_y() + bar.get_height() / 2
        ax.annotate(
            f"{value:.2f}", (end, at), (3, 0), textcoords="offset points", va="center", fontsize=6
        )  # fmt: skip
    ax.set(xlabel=xlabel, ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.22 * float(ends.max())))
    return ax
