"""The figure that grows while a tokenizer is trained."""

from __future__ import annotations

import matplotlib.pyplot as plt

from dfe_lib.figures import training


def test_it_is_shown_once_and_then_redrawn(monkeypatch):
    class Handle:
        updates = 0

        def update(self, figure, raw=False):
            Handle.updates += 1

    shown = []
    monkeypatch.setattr(training, "display", lambda figure, display_id: shown.append(figure) or Handle())
    live = training.LiveTraining()
    for epoch in (1, 2, 3):
        live(
            {
                "epoch": epoch,
                "rms_mm": 1 / epoch,
                "held_out_rms_mm": 1.0,
                "perplexity_0": 3.0,
                "perplexity_1": 4.0,
            }
        )
    assert len(shown) == 1 and Handle.updates == 2
    left, right = live.draw().axes
    assert [line.get_xdata().tolist() for line in left.lines] == [[1, 2, 3]] * 2 and len(right.lines) == 2
    live.close()
    live.close()
    assert Handle.updates == 3
    plt.close("all")
