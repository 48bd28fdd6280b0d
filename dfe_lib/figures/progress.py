"""Training as it happens: a figure in a notebook that is redrawn after every epoch."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from dfe_lib.figures import charts, style


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
