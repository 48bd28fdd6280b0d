"""Figures of coverage and comparison, tested by what they draw."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from dfe_lib.errors import InputError
from dfe_lib.face.morphable import load_morphable
from dfe_lib.figures import comparison, galleries, style, vocabulary
from dfe_lib.space import ICT53


def test_coverage_uses_the_codings_colours_and_tells_sizes_of_facs_apart(ax):
    curves = pd.DataFrame(
        {"coding": ["DFE", "DFE", "FACS full", "FACS full"], "tau_mm": [0, 1, 0, 1], "share": [0, 1, 0, 0.5]}
    )
    comparison.plot_coverage(curves, ax)
    assert [line.get_color() for line in ax.lines] == [style.colour("DFE"), style.colour("FACS")]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    assert ax.lines[0].get_ydata().tolist() == [0, 100] and "mm" in ax.get_xlabel()


def test_rate_distortion_is_in_order_of_bits_with_intervals(ax):
    table = pd.DataFrame({"coding": ["FACS"] * 2, "bits": [20, 10], "rms_mm": [1.0, 2.0]})
    comparison.plot_rate_distortion(table, ax)
    assert ax.lines[0].get_xdata().tolist() == [10, 20]
    bars = comparison.plot_rate_distortion(
        table.assign(low=[0.9, np.nan], high=[1.2, np.nan]), plt.subplots()[1]
    )
    segments = bars.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose(segments[1][:, 1], [0.9, 1.2])
    np.testing.assert_allclose(segments[0][:, 1], [2.0, 2.0], err_msg="no interval, no bar")


def test_gains_are_hollow_where_nothing_is_shown(ax):
    table = pd.DataFrame(
        {"other": ["PCA", "FACS"], "gain": [0.3, 0.1], "low": [0.2, -0.1], "high": [0.4, 0.3]}
        | {"outcome": ["ahead", "no difference shown"]}
    )
    comparison.plot_gains(table, "error less by (mm)", ax)
    marks = [line for line in ax.lines if line.get_marker() not in ("None", None, "")]
    assert [m.get_markerfacecolor() for m in marks] == [style.colour("PCA"), "white"]
    assert [t.get_text() for t in ax.texts] == ["+0.300", "+0.100"]


def test_errors_name_bits_and_begin_at_zero(ax):
    table = pd.DataFrame({"coding": ["DFE"], "bits": [48.0], "rms_mm": [0.3], "low": [0.2], "high": [0.4]})
    comparison.plot_errors(table, ax=ax)
    assert (
        ax.get_yticklabels()[0].get_text() == "DFE, 48 bits"
        and ax.get_xlim()[0] <= 0 < 0.4 < ax.get_xlim()[1]
    )


def test_table_writes_every_number_and_leaves_gaps_white(ax):
    values = pd.DataFrame([[0.1, 2.0], [np.nan, 1.0]], index=["a", "b"], columns=["x", "y"])
    comparison.plot_table(values, "error (mm)", ax=ax)
    assert [t.get_text() for t in ax.texts] == ["0.10", "2.00", "1.00"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y"]


def test_panels_share_one_legend_in_the_free_place():
    def draw(name, ax):
        ax.plot([0, 1], [0, 1], label="DFE")
        ax.set(xlabel="x", ylabel="y")
        ax.legend()
        return ax

    figure = comparison.plot_panels(draw, ["a", "b", "c", "d"])
    legends = [a.get_legend() for a in figure.axes]
    assert sum(x is not None for x in legends) == 1 and legends[4] is not None
    assert [a.get_title() for a in figure.axes[:4]] == ["a", "b", "c", "d"]
    full = comparison.plot_panels(draw, ["a", "b", "c"])
    assert len(full.legends) == 1


def test_groups_stand_side_by_side(ax):
    rows = [("young", "DFE", 0.9), ("old", "DFE", 0.8), ("young", "PCA", 0.5), ("old", "PCA", 0.4)]
    table = pd.DataFrame(rows, columns=["group", "coding", "share"]).assign(low=0.1, high=0.95)
    comparison.plot_groups(table, ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["DFE", "PCA"]
    assert {t.get_text() for t in ax.get_legend().get_texts()} == {"young", "old"}


def test_perplexity_says_how_many_codes_are_in_use(ax):
    table = pd.DataFrame({"stage": [1, 2], "used": [3, 5], "perplexity": [2.5, 4.0]})
    vocabulary.plot_perplexity(table, 8, ax)
    assert [b.get_height() for b in ax.patches] == [2.5, 4.0]
    assert [t.get_text() for t in ax.texts] == ["3", "5", "even use of all 8"]


def test_rank_frequency_has_a_line_per_stage_and_zipf(ax):
    table = pd.DataFrame({"stage": [1, 1, 2], "rank": [1, 2, 1], "share": [0.7, 0.3, 1.0]})
    vocabulary.plot_rank_frequency(table, ax)
    assert ax.get_xscale() == ax.get_yscale() == "log" and len(ax.lines) == 3
    assert ax.lines[2].get_ydata().tolist() == [100, 50]


def test_similarity_of_equal_and_opposite_templates(ax):
    smile = ICT53.vector(mouthSmile_L=1.0)
    vocabulary.plot_similarity(np.stack([smile, 2 * smile, -smile, 0 * smile]), ICT53, ax)
    cosine = np.asarray(ax.images[0].get_array())
    assert cosine.shape == (3, 3), "a template that moves nothing is left out"
    assert sorted(np.round(cosine[np.triu_indices(3, 1)], 6)) == [-1, -1, 1]


def test_company_is_grey_where_nothing_can_be_said(ax):
    seen = np.array([[0, 20, 0], [20, 0, 0], [0, 0, 0]])
    chance = np.array([[0, 5.0, 0.1], [5.0, 0, 9.0], [0.1, 9.0, 0]])
    vocabulary.plot_cooccurrence(seen, chance, [0, 1, 2], ["a", "b", "c"], ax=ax)
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    labels = [t.get_text() for t in ax.get_yticklabels()]
    at = {text.split(" ")[0]: i for i, text in enumerate(labels)}
    assert shown[at["a"], at["b"]] == pytest.approx(np.log2(20.5 / 5.5)) and shown[at["b"], at["c"]] < 0
    assert np.isnan(shown[at["a"], at["c"]]) and np.isnan(shown.diagonal()).all()
    with pytest.raises(InputError, match="two codes"):
        vocabulary.plot_cooccurrence(seen, chance, [0])


def test_rarefaction_and_good_turing(ax):
    rich = pd.DataFrame({"stages": [1, 2], "chao1": [5.0, 90.0], "low": [4.0, 50.0], "high": [9.0, 200.0]})
    curves = pd.DataFrame({"stages": [1, 1, 2, 2], "frames": [1, 10, 1, 10], "expected": [1, 4, 1, 9.0]})
    vocabulary.plot_rarefaction(curves, rich, ax)
    dots = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == [5.0, 90.0]
    table = pd.DataFrame({"data": ["a", "a"], "stages": [1, 2], "good_turing": [0.9, 0.4]})
    drawn = vocabulary.plot_good_turing(table, plt.subplots()[1])
    assert drawn.lines[0].get_ydata().tolist() == [90, 40]


def test_resemblance_counts_those_like_none(ax):
    table = pd.DataFrame({"cosine": [0.9, -0.8, 0.2]})
    vocabulary.plot_resemblance(table, 0.5, ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["like an action unit: 2", "like none: 1"]


def test_association_dots_only_what_is_shown(ax):
    table = pd.DataFrame(
        {"token": ["a", "a", "b", "b"], "au": ["AU01", "AU12"] * 2, "bits": [0.1, 0.3, 0.2, 0.0]}
        | {"z": [1, -6, 3, 0.5], "p_family": [0.9, 0.01, 0.2, 1.0]}
    )
    vocabulary.plot_association(table, ax=ax)
    dots = next(line for line in ax.lines if line.get_marker() == ".")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert (dots.get_xdata().tolist(), dots.get_ydata().tolist()) == ([1], [0])
    assert np.asarray(ax.images[0].get_array())[0, 1] == pytest.approx(-0.3)


# faces


def faces_of(figure):
    return [
        a for a in figure.axes if any(isinstance(c, PolyCollection) for c in a.collections) and a.get_title()
    ]


def test_gallery_has_a_row_per_region_the_most_used_first():
    templates = np.stack([ICT53.vector(jawOpen=1), ICT53.vector(jawOpen=2), ICT53.vector(browDown_L=1)])
    figure = galleries.plot_region_gallery(
        templates,
        load_morphable("face478"),
        ["jaw", "jaw", "brows"],
        ["a", "b", "c"],
        np.array([1, 5, 9]),
        columns=2,
    )
    assert [a.get_title() for a in faces_of(figure)] == ["1: b", "0: a", "2: c"]
    rows = [t.get_text() for a in figure.axes for t in a.texts]
    assert rows == ["jaw\n(2 tokens)", "brows\n(1 token)"]
    with pytest.raises(InputError, match="equally many"):
        galleries.plot_region_gallery(templates, load_morphable("face478"), ["jaw"], ["a"], np.ones(1))


def test_answers_stand_below_the_displays_with_their_errors():
    truth = np.stack([ICT53.vector(jawOpen=1), ICT53.vector(mouthPucker=1)])
    model = load_morphable("face478")
    figure = galleries.plot_answers(truth, {"FACS": truth, "DFE": 0 * truth}, model, ["jaw", "lips"])
    titles = [a.get_title() for a in faces_of(figure)]
    assert titles[:4] == ["jaw", "lips", "0.00 mm", "0.00 mm"] and float(titles[4].split()[0]) > 0.5
    with pytest.raises(InputError, match="title"):
        galleries.plot_answers(truth, {"FACS": truth}, model, ["jaw"])


def test_named_templates_and_one_display_in_every_coding():
    model, psi = load_morphable("face478"), ICT53.vector(jawOpen=1)
    named = galleries.plot_named(np.stack([psi] * 3), model, ["a", "b", "c"], columns=2)
    assert [a.get_title() for a in faces_of(named)] == ["a", "b", "c"]
    one = galleries.plot_one(psi, [psi, 0 * psi], ["DFE", "PCA"], model)
    titles = [a.get_title() for a in faces_of(one)]
    assert titles[:2] == ["true", "DFE\n0.00 mm"] and titles[2].startswith("PCA")
