"""Figures of prediction tables and drivers, tested by what they draw."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from dfe_lib.data.simulation.realism import compare_motion
from dfe_lib.errors import InputError
from dfe_lib.face.morphable import load_morphable
from dfe_lib.figures import audits, drivers, prediction, style
from dfe_lib.space import ICT53


def scores(**more):
    table = pd.DataFrame(
        {
            "method": ["constant", "DFE bag of tokens", "shuffled labels", "FACS mean+sd", "MAE image"],
            "value": [0.5, 0.7, 0.48, 0.6, np.nan],
            "low": [0.5, 0.6, 0.4, 0.5, np.nan],
            "high": [0.5, 0.8, 0.56, 0.7, np.nan],
            "p_holm": [0.01, np.nan, 0.0001, 0.2, np.nan],
        }
    )
    return table.assign(**more)


def marks(ax):
    return [line for line in ax.lines if line.get_marker() not in ("None", None, "")]


def test_forest_puts_controls_below_hollow_and_shades_what_shuffled_labels_reach(ax):
    prediction.plot_forest(scores(), "balanced accuracy", 0.5, ax=ax)
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["DFE bag of tokens", "FACS mean+sd", "constant", "shuffled labels"], (
        "not measured: not drawn"
    )
    faces = [m.get_markerfacecolor() for m in marks(ax)]
    assert faces == [style.colour("DFE"), style.colour("FACS"), "white", "white"]
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (round(band.x0, 6), round(band.x1, 6)) == (0.4, 0.56)
    texts = [t.get_text() for t in ax.texts]
    assert texts == ["0.70", "0.60  p = .200", "0.50  p = .010", "0.48  p < .001"]
    assert any(line.get_linestyle() == "--" and line.get_xdata()[0] == 0.5 for line in ax.lines)


def test_worlds_stand_side_by_side_in_the_order_given():
    table = pd.concat([scores(world="beyond"), scores(world="facs")])
    figure = prediction.plot_worlds(table, {"facs": "within FACS", "beyond": "beyond FACS"}, "F1")
    assert [a.get_title() for a in figure.axes] == ["within FACS", "beyond FACS"]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert not figure.axes[1].texts, "numbers would run into the next panel"


def test_power_has_a_line_and_a_band_per_size_of_cohort(ax):
    table = pd.DataFrame({"effect": [0.8, 0.0, 0.8], "subjects": [60, 60, 20], "detected": [0.9, 0.05, 0.4]})
    audits.plot_power(table.assign(low=0.0, high=1.0), ax=ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["20 people", "60 people"]
    assert ax.lines[1].get_xdata().tolist() == [0.0, 0.8] and ax.lines[1].get_ydata().tolist() == [5, 90]
    assert sum(isinstance(c, PolyCollection) for c in ax.collections) == 2


def test_null_p_values_lie_beside_the_diagonal_with_their_rate(ax):
    even = (np.arange(100) + 0.5) / 100
    audits.plot_null_p({"DFE bag of tokens": even[::-1]}, ax=ax)
    line = ax.lines[-1]
    np.testing.assert_allclose(line.get_xdata(), line.get_ydata())
    assert ax.get_legend().get_texts()[0].get_text() == "DFE bag of tokens: 5.0% at p ≤ 0.05 (n = 100)"
    with pytest.raises(InputError, match="'none' has no p-values"):
        audits.plot_null_p({"none": np.array([])}, ax=ax)


def test_calibration_dots_grow_with_their_number_and_the_legend_has_the_error(ax):
    table = pd.DataFrame(
        {"method": "FACS bag", "predicted": [0.2, 0.8], "observed": [0.3, 0.7], "count": [10, 40]}
    )
    errors = pd.DataFrame({"method": ["FACS bag"], "ece": [0.1], "ece_if_right": [0.05]})
    audits.plot_calibration(table, errors, ax)
    dots = next(c for c in ax.collections if isinstance(c, PathCollection))
    assert (
        dots.get_offsets().tolist() == [[0.2, 0.3], [0.8, 0.7]] and dots.get_sizes()[1] > dots.get_sizes()[0]
    )
    assert ax.get_legend().get_texts()[0].get_text() == "FACS bag: ECE 0.10 (0.05 if right)"


def test_confusion_writes_numbers_and_shares_of_the_true_class(ax):
    rows = [(0, 0, 3, 0.75), (0, 1, 1, 0.25), (1, 0, 0, 0.0), (1, 1, 2, 1.0)]
    table = pd.DataFrame(rows, columns=["truth", "predicted", "count", "share"])
    audits.plot_confusion(table, {0: "calm", 1: "stressed"}, ax)
    assert [t.get_text() for t in ax.texts] == ["3\n75%", "1\n25%", "0\n0%", "2\n100%"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["calm", "stressed"]


def test_probe_and_leak_say_what_chance_is():
    probe = pd.DataFrame(
        {"method": ["DFE bag of tokens"], "told": [0.4], "low": [0.3], "high": [0.5], "chance": 0.05}
    )
    ax = audits.plot_probe(probe, ax=plt.subplots()[1])
    assert "5.0 %" in ax.get_xlabel() and ax.patches[0].get_width() == pytest.approx(40)
    leak = probe.rename(columns={"told": "value"})
    leak = pd.concat([leak.assign(split="by subject"), leak.assign(split="leaky", value=0.9)])
    ax = prediction.plot_leak(leak, "balanced accuracy", 0.5, plt.subplots()[1])
    assert [m.get_markerfacecolor() for m in marks(ax)[:2]] == [style.colour("DFE"), "w"]


def test_reconstructions_are_three_rows_of_pictures():
    pictures = np.random.default_rng(0).random((2, 8, 8, 3))
    figure = prediction.plot_reconstructions(pictures, pictures, 2 * pictures, ["a", "b"])
    assert len(figure.axes) == 6 and [a.get_title() for a in figure.axes[:2]] == ["a", "b"]
    with pytest.raises(InputError, match="as many"):
        prediction.plot_reconstructions(pictures, pictures[:1], pictures)


def test_motion_sets_measured_against_simulated():
    rng = np.random.default_rng(0)
    psi = rng.random((60, 53)) * np.linspace(0.1, 1, 53)
    given = {"simulated": psi, "actors": np.roll(psi, 1, axis=0) * 2}
    table = compare_motion({k: (v, ["a"] * 60, np.arange(60) / 10) for k, v in given.items()})
    figure = audits.plot_motion(table, "simulated")
    quantiles = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(quantiles[:, 1], 2 * quantiles[:, 0], rtol=1e-6)
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "r = 1.00"
    assert [line.get_linestyle() for line in figure.axes[3].lines[:2]] == ["-", "--"]


# what drives a prediction


def heaviest():
    return pd.DataFrame(
        {"weight": [-0.2, 0.4], "low": [-0.3, 0.1], "high": [0.1, 0.6], "same_sign": [0.8, 1.0]}
    )


def test_drivers_are_faces_in_order_of_their_weights():
    templates = np.stack([ICT53.vector(jawOpen=1), ICT53.vector(browDown_L=1)])
    figure = drivers.plot_drivers(
        heaviest(), templates, load_morphable("face478"), ["jaw", "brow"], "log odds per SD"
    )
    *faces, bars = figure.axes
    assert [a.get_title() for a in faces] == ["brow", "jaw"]
    assert [p.get_height() for p in bars.patches] == [0.4, -0.2]
    assert bars.patches[1].get_alpha() < bars.patches[0].get_alpha(), "not all folds agree: pale"
    assert [t.get_text() for t in bars.get_xticklabels()] == ["100% of folds", "80% of folds"]
    noted = drivers.plot_drivers(
        heaviest().assign(note=["", "goes with bite"]),
        templates,
        load_morphable("face478"),
        ["jaw", "brow"],
        "w",
    )
    assert noted.axes[-1].get_xticklabels()[0].get_text().endswith("goes with bite")
    with pytest.raises(InputError, match="as many"):
        drivers.plot_drivers(heaviest(), templates[:1], load_morphable("face478"), ["jaw"], "w")


def test_occurrence_has_a_panel_per_token_and_a_line_per_group():
    rows = [(t, g, s, 0.1) for t in (3, 5) for g in ("calm", "stressed") for s in (1.0, 3.0)]
    table = pd.DataFrame(rows, columns=["token", "group", "time_s", "share"]).assign(low=0.0, high=0.2)
    figure = drivers.plot_occurrence(table, {5: "five", 3: "three"})
    assert [a.get_title() for a in figure.axes] == ["five", "three"]
    assert [len(a.lines) for a in figure.axes] == [2, 2]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), 10)


def test_raster_shows_tokens_over_true_displays(ax):
    events = pd.DataFrame(
        {"display": ["bite", "frown", "bite"], "onset_s": [0.0, 1, 2], "offset_s": [0.5, 2, 3]}
    )
    present = np.array([[True, False], [False, True], [True, True]])
    drivers.plot_raster(present, np.arange(3.0), ["t1", "t2"], [True, False], events, ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["t1", "t2", "true: bite", "true: frown"]
    assert [len(c.get_paths()) for c in ax.collections] == [2, 2, 2, 1]
    with pytest.raises(InputError, match="2 names"):
        drivers.plot_raster(present[:2], np.arange(3.0), ["t1", "t2"], [True, False], ax=ax)
