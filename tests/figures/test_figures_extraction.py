"""Figures of inventory, extraction, training and the overview, tested by what they draw."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dfe_lib.errors import InputError
from dfe_lib.face.morphable import load_morphable
from dfe_lib.figures import extraction, overview, prediction, training
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer

REACH = ("at hand", "can be fetched", "open, by hand", "ask the owners")


def test_reach_leaves_cells_white_that_no_notebook_uses(ax):
    grid = pd.DataFrame({"01": [0.0, np.nan], "05": [np.nan, 3.0]}, index=["clips", "stressid"])
    extraction.plot_reach(grid, REACH, ax)
    shown = ax.collections[0].get_array()
    assert shown.mask.ravel().tolist() == [False, True, True, False]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["clips", "stressid"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first source stands on top"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(REACH)


def test_sizes_are_sorted_and_written_beside_the_bars(ax):
    table = pd.DataFrame({"entry": ["b", "a"], "MB": [20.0, 0.5], "files": [3, 1], "reach": REACH[:2]})
    extraction.plot_sizes(table, REACH, ax)
    assert [t.get_text() for t in ax.texts] == ["0.5 MB, 1 file", "20 MB, 3 files"]
    assert ax.get_xlabel() == "size (MB)" and ax.get_xscale() == "log"


def test_landmarks_stand_alone_where_the_picture_is_not_at_hand(ax):
    points = np.array([[10.0, 20, 0], [30, 60, 0], [20, 40, 0]])
    extraction.plot_landmarks(None, points, ax, margin=0.5)
    assert not ax.images and len(ax.collections[0].get_offsets()) == 3
    assert ax.get_xlim()[0] < 10 and ax.get_ylim()[0] > 60 > ax.get_ylim()[1]


def test_presence_has_a_stroke_per_frame_in_two_colours(ax):
    table = pd.DataFrame({"recording": "a", "time_s": [0.0, 0.1, 0.2], "detected": [True, False, True]})
    extraction.plot_presence([table], ax)
    colours = ax.collections[0].get_colors()
    assert len(colours) == 3 and (colours[0] == colours[2]).all() and (colours[0] != colours[1]).any()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["face", "no face"]


def test_head_angles_and_smoothing_name_units(ax):
    table = pd.DataFrame({"time_s": [0.0, 1], "pose_pitch": 0.0, "pose_yaw": 1.0, "pose_roll": 2.0})
    extraction.plot_head_angles(table, ax)
    assert "(°)" in ax.get_ylabel() and "(s)" in ax.get_xlabel()
    curves = pd.DataFrame({"time_s": [0.0, 1], "truth": 0.0, "none": 0.1, "one-euro": 0.1, "kalman": 0.1})
    other = extraction.plot_smoothing(curves, "jawOpen", plt.subplots()[1])
    assert [t.get_text() for t in other.get_legend().get_texts()] == [
        "truth",
        "measured",
        "one-euro",
        "kalman",
    ]


def test_photographs_name_their_largest_coefficients():
    psi = ICT53.vector(jawOpen=0.9, mouthSmile_L=0.4)[None]
    picture, points = np.zeros((50, 50, 3), np.uint8), np.random.default_rng(0).uniform(10, 40, (1, 478, 3))
    figure = extraction.plot_photographs([picture], points, psi, load_morphable("face478"), count=2)
    assert [t.get_text() for t in figure.axes[2].get_yticklabels()] == ["mouthSmile_L", "jawOpen"]
    with pytest.raises(InputError, match="every photograph"):
        extraction.plot_photographs([picture], points, np.repeat(psi, 2, axis=0), load_morphable("face478"))
    plt.close(figure)


def test_errors_by_stage_have_a_line_per_way(ax):
    error = pd.DataFrame({"greedy": [1.0, 0.5], "beam": [1.1, 0.4]}, index=[1, 2])
    training.plot_error_by_stage(error, ax)
    assert [line.get_label() for line in ax.lines] == ["greedy", "beam"]
    assert "mm" in ax.get_ylabel() and ax.get_yscale() == "log"


def test_means_stand_in_order_with_their_value(ax):
    training.plot_means(
        pd.DataFrame({"mean": [0.5, 2.0], "sd": [0.1, np.nan]}, index=["a", "b"]), "mm", ax=ax
    )
    assert [t.get_text() for t in ax.texts] == ["0.50", "2.00"] and ax.get_ylim()[0] > ax.get_ylim()[1]
    assert ax.get_xlim()[1] > 2.0


def test_traits_and_scores(ax):
    table = pd.DataFrame({"openness": [0.6, np.nan]}, index=["DFE bag", "constant"])
    prediction.plot_traits(table, "PCC", ax)
    assert [t.get_text() for t in ax.texts] == ["0.60"] and ax.texts[0].get_color() == "white"
    other = prediction.plot_scores([0, 10], [4, 6], "DFE bag", "score (points)", ax=plt.subplots()[1])
    assert other.get_xlim() == other.get_ylim() and other.get_xlabel() == "true score (points)"
    with pytest.raises(InputError, match="per recording"):
        prediction.plot_scores([0], [4, 6], "DFE bag", "score")


@pytest.fixture(scope="module")
def method():
    tok = Tokenizer.load()
    psi = ICT53.vector(mouthSmile_L=0.8, mouthSmile_R=0.8)
    codes = tok.encode(np.stack([psi, 0.5 * psi, 0 * psi]))
    landmarks = np.random.default_rng(0).uniform(20, 80, (478, 3))
    weights = np.linspace(-1, 1, len(tok.templates))
    made = overview.Prediction(
        weights, np.array([0.2, 0.5, 0.8]), np.array([0.4, 0.5, 0.6]), "trait", "3 people"
    )
    return landmarks, psi, codes, 0, tok, load_morphable("face478"), made


def test_the_overview_leads_from_frame_to_prediction(method):
    figure = overview.plot_overview(None, *method)
    texts = [t.get_text() for t in figure.texts]
    steps = [t for t in texts if t[:1].isdigit()]
    assert [t[0] for t in steps if t[1:3] == "  "] == list("1234567")
    tok = method[4]
    assert texts.count("+") == tok.stages - 1 and texts.count("=") == 1
    drawn = [t.get_text() for a in figure.axes for t in a.texts]
    assert [t for t in drawn if t.startswith("token ")] == [f"token {c}" for c in method[2][0]]
    assert "learnt on 3 people" in texts and "r = 1.00" in drawn
    for shown in (a for a in figure.axes if a.axison):
        assert shown.get_xlabel(), "every axis says what it shows"
    plt.close(figure)


def test_the_overview_needs_frames_with_a_face(method):
    landmarks, psi, codes, _, *rest = method
    with pytest.raises(InputError, match="frames with a face"):
        overview.plot_overview(None, landmarks, psi, np.full_like(codes, -1), 0, *rest)
    with pytest.raises(InputError, match="one of these frames"):
        overview.plot_overview(None, landmarks, psi, codes, 3, *rest)
