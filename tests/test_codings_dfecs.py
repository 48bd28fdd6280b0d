"""DFECS: keypoints and their preprocessing as the source has them, both levels, and planted units found again."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from dfe_lib import frames
from dfe_lib.codings import DFECS
from dfe_lib.codings.dfecs import face_parts, variance_explained_percent
from dfe_lib.codings.keypoints import (
    ANCHORS,
    KEYPOINTS,
    KEYPOINTS68,
    PART_ANCHORS,
    PARTS,
    arrows,
    keypoints,
    motion,
    motion_of_landmarks,
    motion_of_psi,
    normalise,
    rest,
)
from dfe_lib.data.adapters.pyfeat import read_news
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError
from dfe_lib.face.align import reference
from dfe_lib.face.morphable import mirror_landmarks
from dfe_lib.figures.keypoints import plot_keypoint_arrows, plot_keypoint_units
from dfe_lib.space import ICT53

# Mirror image of each of the 68 points in the iBUG scheme.
MIRROR68 = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46]
    + [39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)
PSI = sample_displays(300, np.random.default_rng(0))


def matched(planted, found):
    """Correlation of each planted unit with its own best partner among those found."""
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (planted, found))
    return (a @ b.T)[linear_sum_assignment(-(a @ b.T))]


def test_the_68_points_are_even_on_both_sides_and_where_the_scheme_has_them():
    assert len(set(KEYPOINTS68)) == 68 == sum(map(len, PARTS.values()))
    pair = mirror_landmarks(reference())
    np.testing.assert_array_equal(pair[list(KEYPOINTS68)], np.array(KEYPOINTS68)[MIRROR68])
    points = reference()[list(KEYPOINTS68)]  # x to the subject's left, y up
    assert points[36:42, 0].max() < points[27, 0] < points[42:48, 0].min()  # the right eye first
    assert (
        points[17:27, 1].min()
        > points[36:48, 1].max()
        > points[30, 1]
        > points[48:68, 1].max()
        > points[8, 1]
    )
    assert (np.diff(points[:17, 0]) > 0).all() and points[8, 1] == points[:, 1].min()
    assert points[51, 1] > points[62, 1] >= points[66, 1] > points[57, 1]


def test_normalised_faces_lie_on_the_anchors():
    points = keypoints_of(PSI[:20])
    out = normalise(points)
    for anchors in PART_ANCHORS.values():
        for i, goal in anchors.items():
            np.testing.assert_allclose(out[:, i], np.broadcast_to(goal, (20, 2)), atol=1e-6)
    whole = rest()
    for (
        i,
        goal,
    ) in ANCHORS.items():  # six points cannot all be met by six numbers of an affine map, but nearly
        assert np.linalg.norm(whole[i] - goal) < 100  # of 800 between the ends of the jaw


def test_the_affine_map_is_the_least_squares_one_for_the_six_anchors():
    points = keypoints_of(PSI[:1])
    ids, goal = list(ANCHORS), np.array(list(ANCHORS.values()), float)
    source = np.c_[points[0, ids], np.ones(6)]
    affine = np.linalg.lstsq(source, goal, rcond=None)[0]
    mouth = list(PARTS["mouth"])
    np.testing.assert_allclose(
        normalise(points)[0, mouth], np.c_[points[0, mouth], np.ones(20)] @ affine, atol=1e-6
    )


def test_motion_does_not_know_size_place_or_stretch_of_the_picture():
    points, neutral = keypoints_of(PSI[:10]), keypoints_of(PSI[:1] * 0)[0]
    plain = motion(points, neutral)
    assert plain.shape == (10, 136) and np.allclose(motion(neutral[None], neutral), 0)
    moved = points @ np.array([[2.0, 0.3], [-0.2, 1.5]]) + [100, -50]
    np.testing.assert_allclose(motion(moved, neutral), plain, atol=1e-6)


def test_tracked_faces_are_measured_against_their_own_neutral():
    still = reference() * [3.0, -3.0, -3.0] + [300, 200, 0]  # pixels
    away = (ICT53.to_mesh(PSI[:6], "face478") - reference()) * [3.0, -3.0, -3.0]
    landmarks = np.concatenate([still[None], still + away, [np.full((478, 3), np.nan)]])
    neutral = np.arange(8) == 0
    out = motion_of_landmarks(landmarks, neutral=neutral)
    assert np.isnan(out[7]).all() and np.allclose(out[0], 0, atol=1e-3)
    agree = [np.corrcoef(a, b)[0, 1] for a, b in zip(out[1:7], motion_of_psi(PSI[:6]), strict=True)]
    assert min(agree) > 0.9  # alignment takes the little of the motion that looks rigid
    with pytest.raises(InputError, match="no neutral frame"):
        motion_of_landmarks(landmarks, np.array(["a"] * 4 + ["b"] * 4), neutral)
    with pytest.raises(InputError, match="478"):
        motion_of_landmarks(landmarks[:, :68])


def keypoints_of(psi):
    pixels = ICT53.to_mesh(psi, "face478") * [2.0, -2.0, -2.0] + [250, 250, 0]
    return keypoints(pixels)


def test_the_sources_measure_by_hand():
    assert variance_explained_percent([[3.0, 4.0]], [[3.0, 0.0]]) == pytest.approx(100 * (1 - 16 / 25))


@pytest.mark.parametrize("seed", [0, 1])
def test_planted_parts_and_units_are_found_again(seed):
    rng = np.random.default_rng(seed)
    parts = list(KEYPOINTS.regions.values())
    atoms = np.zeros((10, 136))
    for i, atom in enumerate(atoms):
        members = list(parts[i % 5])
        atom[members] = rng.normal(size=len(members))
    combine = np.zeros((5, 10))
    for i in range(5):  # a unit joins one atom of each of two parts; every atom serves one unit
        combine[i, i], combine[i, 5 + (i + 2) % 5] = rng.uniform(0.7, 1.3, 2)
    planted = combine @ atoms
    codes = rng.exponential(1, (800, 5)) * (rng.random((800, 5)) < 0.3)
    x = codes @ planted
    x += 0.02 * x.std() * rng.normal(size=x.shape)
    coding = DFECS(bits=None, variance=0.98, space=KEYPOINTS).fit(x)
    assert len(coding.templates) == 5  # as many as there are
    assert matched(planted, coding.templates).min() >= 0.95
    assert coding.variance_explained(x) > 98
    for members in parts:  # level 1: what a unit does to a part
        members = list(members)
        used = np.linalg.norm(planted[:, members], axis=1) > 0
        assert matched(planted[used][:, members], coding.templates[:, members]).min() >= 0.95
    loaded_codes = coding.coefficients(x)
    best = linear_sum_assignment(-np.corrcoef(codes.T, loaded_codes.T)[:5, 5:])[1]
    assert np.diag(np.corrcoef(codes.T, loaded_codes[:, best].T)[:5, 5:]).min() >= 0.95


def test_units_and_codes_are_as_the_source_demands():
    x = motion_of_psi(PSI)
    coding = DFECS(bits=None, space=KEYPOINTS, variance=0.9).fit(x)
    assert coding.variance_explained(x) >= 90 and coding.coefficients(x).min() >= 0
    smaller = DFECS(bits=None, space=KEYPOINTS, units=len(coding.templates) - 1, variance=0.9).fit(x)
    assert smaller.variance_explained(x) < coding.variance_explained(x)
    with pytest.raises(InputError, match="keypoints136"):
        coding.encode(PSI)
    assert {n for m in face_parts(ICT53).values() for n in m} == set(range(53))


def test_arrows_and_their_picture():
    start, end = arrows(ICT53.vector(mouthSmile_L=1.0), ICT53)
    moved = np.linalg.norm(end - start, axis=1)
    assert moved.argmax() in (53, 54, 55) and end[54, 1] < start[54, 1]  # the subject's left corner goes up
    unit = np.zeros(136)
    unit[8 + 68] = 1.0
    start, end = arrows(unit, KEYPOINTS, strength=30)
    assert (end - start)[8].tolist() == [0, 30] and np.count_nonzero(end - start) == 1
    ax = plot_keypoint_arrows(start, end, ax=plt.figure().gca(), title="chin")
    assert ax.get_title() == "chin" and ax.yaxis_inverted() and len(ax.collections) == 2
    assert len(ax.collections[1].get_offsets()) == 1
    figure = plot_keypoint_units([(start, end)] * 3, titles=["a", "b", "c"], columns=2)
    assert [a.get_title() for a in figure.axes] == ["a", "b", "c", ""]
    with pytest.raises(InputError, match="68"):
        plot_keypoint_arrows(start[:5], end[:5])
    with pytest.raises(InputError, match="ict53, keypoints136"):
        from dfe_lib.space import ExpressionSpace

        arrows(unit[:2], ExpressionSpace("other", ("a", "b"), np.eye(2)))


def test_units_of_real_actors_explain_clips_that_they_were_not_learnt_from(mirror):
    mirror("pyfeat-news", "001.csv")
    news = read_news()
    recordings = news.frames["recording"].to_numpy()
    x = motion_of_landmarks(frames.landmarks(news.frames), recordings)
    known = np.isin(recordings, np.unique(recordings)[::2])
    coding = DFECS(bits=None, space=KEYPOINTS, variance=0.8).fit(x[known])
    assert coding.variance_explained(x[known]) >= 80
    assert coding.variance_explained(x[~known]) > 65


def test_the_choice_of_size_within_a_budget_never_hurts_on_the_training_frames():
    chosen, ruled = DFECS(bits=48, variance=0.8).fit(PSI), DFECS(bits=None, variance=0.8).fit(PSI)
    fixed = DFECS(bits=48, units=len(ruled.templates), variance=0.8).fit(PSI)
    error = {c: (ICT53.norm(PSI - c.decode(c.encode(PSI))) ** 2).mean() for c in (chosen, fixed)}
    assert error[chosen] <= error[fixed] + 1e-9 and chosen.bits_per_frame <= 48
    assert len(chosen.templates) <= 2 * len(ruled.templates)
