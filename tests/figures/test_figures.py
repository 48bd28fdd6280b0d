"""Figures, tested by what they draw."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from dfe_lib.errors import InputError
from dfe_lib.figures import charts, extraction, faces, sheets, style
from dfe_lib.figures.naming import WORDS, describe, template_names
from dfe_lib.frames import frame_table, with_psi
from dfe_lib.space import ICT53

# A flat square facing the viewer, and a second one 10 mm in front of its right half.
SQUARE = np.array([[0, 0, 0], [10, 0, 0], [10, 10, 0], [0, 10, 0]], float)
VERTICES = np.vstack([SQUARE, SQUARE * [0.5, 1, 0] + [5, 0, 10]])
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])


def polygons(ax) -> PolyCollection:
    return next(c for c in ax.collections if isinstance(c, PolyCollection))


def test_face_near_triangles_are_drawn_last(ax):
    shuffled = TRIANGLES[[2, 0, 3, 1]]
    faces.plot_face(VERTICES, shuffled, ax)
    paths = polygons(ax).get_paths()
    assert len(paths) == 4 * 4, "coarse triangles are cut into four"
    width = [np.ptp(p.vertices[:, 0]) for p in paths]
    assert width == [5.0] * 8 + [2.5] * 8, "the narrow square, in front, comes last"


def test_cut_triangles_cover_the_same_area():
    corners = np.random.default_rng(0).normal(size=(7, 3, 5))
    parts = faces._split(corners)
    edges = [np.diff(c[..., :3], axis=1) for c in (corners, parts)]
    areas = [np.linalg.norm(np.cross(e[:, 0], e[:, 1]), axis=1).sum() for e in edges]
    np.testing.assert_allclose(*areas)
    assert parts.shape == (28, 3, 5)


def test_face_from_behind_is_empty(ax):
    faces.plot_face(VERTICES, TRIANGLES[:, ::-1], ax)
    assert len(polygons(ax).get_paths()) == 0


def test_face_keeps_the_subjects_left_at_the_right(ax):
    faces.plot_face(VERTICES, TRIANGLES, ax)
    assert not ax.xaxis_inverted() and not ax.yaxis_inverted()


@pytest.mark.parametrize("view, axis", [({"yaw": 20}, 0), ({"pitch": 20}, 1)])
def test_positive_angles_move_the_nose_right_and_up(view, axis):
    nose = np.array([0.0, 0.0, 1.0])
    assert (nose @ faces._turn(**{"yaw": 0, "pitch": 0, **view}).T)[axis] > 0.3


def test_face_heat_reddens_what_moves(ax):
    faces.plot_face(VERTICES, TRIANGLES, ax, colour=np.r_[np.zeros(4), np.full(4, 3.0)], colourbar=True)
    rgb = polygons(ax).get_facecolor()[:, :3]
    still, moved = rgb[0], rgb[-1]
    assert moved[0] - moved[2] > still[0] - still[2] + 0.2
    assert "mm" in ax.figure.axes[-1].get_ylabel()


def test_still_face_has_no_hot_spot(ax):
    faces.plot_face(VERTICES, TRIANGLES, ax, colour=np.zeros(8))
    rgb = polygons(ax).get_facecolor()[:, :3]
    assert np.ptp(rgb, axis=1).max() < 0.06


@pytest.mark.parametrize(
    "vertices, triangles, colour, word",
    [
        (np.zeros((2, 8, 3)), TRIANGLES, None, "one face"),
        (VERTICES * np.nan, TRIANGLES, None, "NaN"),
        (VERTICES[:4], TRIANGLES, None, "do not fit"),
        (VERTICES, TRIANGLES, np.zeros(3), "per vertex"),
    ],
)
def test_face_refuses(vertices, triangles, colour, word):
    with pytest.raises(InputError, match=word):
        faces.plot_face(vertices, triangles, colour=colour)


def test_face_row_shares_scale_and_limits():
    figure = faces.plot_face_row(
        [VERTICES, VERTICES * 2], TRIANGLES, ["a", "b"], [np.ones(8), np.full(8, 4.0)]
    )
    first, second = figure.axes[:2]
    assert first.get_xlim() == second.get_xlim()
    assert [first.get_title(), second.get_title()] == ["a", "b"]
    a, b = polygons(first).get_facecolor()[0], polygons(second).get_facecolor()[0]
    assert not np.allclose(a, b), "1 mm and 4 mm differ on a common scale"


class Model:
    """A square whose corners coefficient 0 lifts; enough of a morphable model to draw."""

    neutral, triangles, landmarks68 = VERTICES, TRIANGLES, np.empty(0, int)

    def vertices(self, psi):
        psi = np.asarray(psi)
        return self.neutral + psi[..., :1, None] * np.array([0, 0, 1.0])


class Tokens:
    space = ICT53
    templates = np.eye(53, dtype=np.float32)[:5]
    gains = np.array([1.0, 0.5, 0.25], np.float32)

    def decode(self, codes):
        codes = np.asarray(codes)
        return np.einsum("nsd,s->nd", self.templates[codes], self.gains[: codes.shape[1]])


def test_coarse_to_fine_names_tokens_and_what_is_left():
    tokens = Tokens()
    psi = tokens.decode(np.array([[0, 2, 4]]))[0]
    figure = faces.plot_coarse_to_fine(tokens, np.array([0, 2, 4]), Model(), psi)
    titles = [a.get_title() for a in figure.axes[:4]]
    assert titles[0].startswith("+ token 0") and titles[2].endswith("0.00 mm left")
    assert titles[3].startswith("measured")
    with pytest.raises(InputError, match="none negative"):
        faces.plot_coarse_to_fine(tokens, np.array([0, -1, 2]), Model())


def test_gallery_puts_the_most_used_first():
    figure = faces.plot_template_gallery(Tokens.templates, Model(), use=np.array([1, 5, 0, 9, 2]), count=3)
    assert [a.get_title() for a in figure.axes[:3]] == ["3", "1", "4"]


def test_landmarks_leave_out_what_was_not_found(ax):
    points = np.array([[1, 2, 0], [3, 4, 0], [np.nan] * 3])
    extraction.plot_landmarks(np.zeros((8, 6, 3), np.uint8), points, ax)
    assert ax.collections[0].get_offsets().tolist() == [[1, 2], [3, 4]]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "pictures have y down"


def test_every_coding_has_its_own_colour_and_marker():
    colours = [style.colour(c) for c in style.CODING_COLOURS]
    markers = [style.marker(c) for c in style.CODING_COLOURS]
    assert len(set(colours)) == len(set(markers)) == len(style.CODING_COLOURS)
    assert style.colour("FacialBasis") == style.colour("Facial Basis")
    assert style.colour("KMeans") == style.colour("k-means, 256") == style.colour("k-means")
    with pytest.raises(InputError, match="PCA"):
        style.colour("PCAA")


def test_use_style_is_a_deliberate_act():
    with plt.rc_context():
        style.use_style()
        assert plt.rcParams["pdf.fonttype"] == 42
        assert not plt.rcParams["axes.spines.top"]


def clip(n=20) -> pd.DataFrame:
    psi = np.zeros((n, 53), np.float32)
    psi[:, 7] = np.linspace(0, 1, n)
    psi[5:8] = np.nan
    found = ~np.isnan(psi[:, 0])
    return with_psi(frame_table("clip", np.arange(n) / 10, found), psi, ICT53.names)


def test_psi_lines_break_where_there_is_no_face(ax):
    charts.plot_psi_over_time(clip(), count=2, ax=ax)
    line = ax.lines[0]
    assert line.get_label() == ICT53.names[7]
    assert np.isnan(line.get_ydata()[5:8]).all() and np.isfinite(line.get_ydata()[8:]).all()
    assert "(s)" in ax.get_xlabel()


def test_psi_refuses_two_recordings_and_unknown_names():
    with pytest.raises(InputError, match="select one"):
        charts.plot_psi_over_time(pd.concat([clip(), clip().assign(recording="other")]))
    with pytest.raises(InputError, match="jawOpen"):
        charts.plot_psi_over_time(clip(), names=["jawopen"])


def test_raster_runs_cover_time_and_gaps_are_white(ax):
    codes = np.array([[3, 1], [3, 1], [-1, -1], [3, 2]])
    charts.plot_token_raster(codes, np.array([0.0, 0.5, 1.0, 1.5]), ax=ax)
    coarse = ax.collections[0]
    assert len(coarse.get_paths()) == 3
    spans = [p.get_extents() for p in coarse.get_paths()]
    assert [(s.x0, s.x1) for s in spans] == [(0, 1), (1, 1.5), (1.5, 2)]
    colours = coarse.get_facecolor()
    assert (colours[0] == colours[2]).all() and (colours[1] == 1).all()
    assert "3" in [t.get_text() for t in ax.texts]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the coarse stage is on top"


def test_raster_refuses_times_that_stand_still():
    with pytest.raises(InputError, match="increasing"):
        charts.plot_token_raster(np.zeros((3, 2), int), np.array([0.0, 0.0, 1.0]))


def test_usage_counts_used_codes(ax):
    charts.plot_usage(np.array([[0, 0], [1, 1], [-1, -1]]), K=4, ax=ax)
    assert ax.get_title() == "2 of 4 codes used, perplexity 2"
    with pytest.raises(InputError, match=r"\[0, 2\)"):
        charts.plot_usage(np.array([2]), K=2)


def test_intervals_run_from_top_to_bottom(ax):
    table = pd.DataFrame(
        {"method": ["DFE", "other"], "value": [0.6, 0.5], "low": [0.5, 0.3], "high": [0.7, 0.8]}
    )
    charts.plot_intervals(table, xlabel="accuracy", reference=0.5, ax=ax)
    assert ax.lines[0].get_xdata().tolist() == [0.5, 0.7] and ax.lines[0].get_color() == style.colour("DFE")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["DFE", "other"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1] and "95 %" in ax.get_xlabel()


def test_bars_follow_the_regions(ax):
    values = np.arange(53.0)
    charts.plot_bars_by_coefficient(values, ICT53.names, ICT53.regions, ax=ax)
    labels = [t.get_text() for t in ax.get_xticklabels()]
    heights = [b.get_height() for b in ax.patches]
    assert heights == [ICT53.names.index(n) for n in labels]
    assert {t.get_text() for t in ax.texts} == set(ICT53.regions)
    with pytest.raises(InputError, match="53"):
        charts.plot_bars_by_coefficient(np.zeros(3), ICT53.names)


def test_training_names_the_nearest_column():
    history = pd.DataFrame({"epoch": [0, 1], "validation_rms_mm": [1.0, 0.5]})
    drawn = charts.plot_training(history, ["validation_rms_mm"])
    assert drawn.get_yscale() == "log" and len(drawn.lines) == 1
    with pytest.raises(InputError, match="did you mean"):
        charts.plot_training(history, ["validation_rms"])


def test_template_names_join_sides_and_tell_the_sign():
    both = ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=0.9)
    one = ICT53.vector(browDown_L=-1.0)
    names = template_names(np.stack([both, one, 0 * one]), ICT53)
    assert names == ["mouthSmile L+R", "−browDown L", "still"]


def test_descriptions_are_words():
    smirk = ICT53.vector(mouthSmile_L=0.7, cheekSquint_L=1.5)
    frown = ICT53.vector(browDown_L=1.0, browDown_R=1.0)
    shut = -ICT53.vector(jawOpen=1.0)
    said = describe(np.stack([smirk, frown, shut, 0 * shut]), ICT53)
    assert set(said[0].split(", ")) == {"left lip corner up", "left cheek raised"}
    assert said[1:] == ["both brows down", "jaw closed", "still"]


def test_every_coefficient_has_words_for_both_ways():
    assert set(WORDS) == {n.removesuffix("_L").removesuffix("_R") for n in ICT53.names}
    for forwards, back in WORDS.values():
        assert forwards != back
    assert (
        describe(np.eye(53, dtype=np.float32), ICT53, 1)[ICT53.names.index("eyeSquint_L")]
        == "left lids tightened"
    )


def test_contact_sheet_keeps_names_off_the_face():
    """The names of the bars begin right of the drawn face."""
    pictures = [np.zeros((40, 40, 3), np.uint8)] * 2
    landmarks = np.random.default_rng(0).uniform(5, 35, (2, 478, 3))
    psi = np.stack([ICT53.vector(mouthShrugLower=0.6, eyeLookOut_L=0.5), ICT53.vector(browInnerUp_L=-0.4)])
    figure = sheets.plot_contact_sheet(pictures, landmarks, psi, Model(), ["a", "b"])
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for face, bars in zip(figure.axes[1::3], figure.axes[2::3], strict=True):
        drawn = polygons(face).get_window_extent(renderer)
        for label in bars.get_yticklabels():
            assert label.get_window_extent(renderer).x0 > drawn.x1
