"""Tokens and action units in time, and displays found again on other faces."""

import numpy as np
import pytest

from dfe_lib.analysis import association, retrieval
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53


def test_mutual_information_by_hand():
    x = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool)
    found = association.mutual_information(x, x[:, :1])
    assert found.ravel() == pytest.approx([1, 0])
    # 3 of 8 together, 1 and 1 alone, 3 neither: H(½) twice minus H(3/8, 1/8, 1/8, 3/8).
    a = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)[:, None]
    b = np.array([1, 1, 1, 0, 1, 0, 0, 0], bool)[:, None]
    p = np.array([3, 1, 1, 3]) / 8
    assert association.mutual_information(a, b).item() == pytest.approx(2 + (p * np.log2(p)).sum())
    always = np.ones((8, 1), bool)
    assert association.mutual_information(a, always).item() == 0


def test_presence_ignores_stages_and_missing_faces():
    found = association.token_presence(np.array([[0, 2], [2, 2], [-1, -1]]), 3)
    assert found.astype(int).tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_shift_turns_every_clip_by_itself():
    clips = np.repeat(["b", "a", "c"], [4, 3, 5])
    rng = np.random.default_rng(0)
    for _ in range(20):
        index = association.shifted(clips, rng)
        assert (clips[index] == clips).all()
        steps = np.diff(index[clips == "c"]) % 5
        assert (steps == 1).all(), "order is kept, but for one jump"
    with pytest.raises(InputError, match="stand together"):
        association.shifted(np.array(["a", "b", "a"]), rng)


def slow(rng, clips, hold=6):
    """Series that hold their state for a while, as expressions do, and differ in level from clip to clip."""
    parts = []
    for length in np.unique(clips, return_counts=True)[1]:
        level = rng.uniform(0.2, 0.8)
        start = rng.integers(hold)  # two series that change in step would not be independent
        parts.append(np.repeat(rng.random(length // hold + 2) < level, hold)[start : start + length])
    return np.concatenate(parts)


CLIPS = np.repeat(np.arange(15), 40)


def test_null_is_flat_for_independent_series_although_they_are_slow():
    p, family = [], []
    for trial in range(40):
        rng = np.random.default_rng(trial)
        x, y = (np.stack([slow(rng, CLIPS) for _ in range(3)], axis=1) for _ in "xy")
        found = association.associate(x, y, CLIPS, rng, permutations=199)
        p += found["p"].tolist()
        family.append(found["p_family"].min())
    p = np.array(p)
    assert len(p) == 360 and 0.45 < p.mean() < 0.55
    assert np.mean(p <= 0.05) < 0.09 and np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.08)
    assert np.mean(np.array(family) <= 0.05) <= 0.15


def test_what_goes_together_is_found_and_what_avoids_each_other_too():
    rng = np.random.default_rng(1)
    x = np.stack([slow(rng, CLIPS), slow(rng, CLIPS)], axis=1)
    y = np.stack([x[:, 0] ^ (rng.random(600) < 0.1), ~x[:, 1], slow(rng, CLIPS)], axis=1)
    found = association.associate(x, y, CLIPS, rng, permutations=499).set_index(["x", "y"])
    assert found.loc[(0, 0), "p_family"] < 0.01 and found.loc[(0, 0), "z"] > 5
    assert found.loc[(1, 1), "p_family"] < 0.01 and found.loc[(1, 1), "z"] < -5
    assert found.loc[(0, 2), "p_family"] > 0.05
    assert found.loc[(0, 0), "bits"] > 5 * found.loc[(0, 0), "null_bits"]


def test_a_difference_between_clips_alone_is_no_association():
    x = np.repeat(np.arange(15) % 2, 40).astype(bool)[:, None]
    x[::7] ^= True
    y = np.repeat(np.arange(15) % 2, 40).astype(bool)[:, None]
    y[3::11] ^= True
    found = association.associate(x, y, CLIPS, np.random.default_rng(0), permutations=299)
    assert found["bits"].item() > 0.2 and found["p"].item() > 0.05


def test_what_never_changes_or_hardly_occurs_is_left_out():
    rng = np.random.default_rng(0)
    rare = np.zeros(600, bool)
    rare[:5] = True
    x = np.stack([slow(rng, CLIPS), np.ones(600, bool), rare], axis=1)
    found = association.associate(x, x[:, :1], CLIPS, rng, permutations=19)
    assert found["x"].tolist() == [0]
    with pytest.raises(InputError, match="no pair"):
        association.associate(x[:, 1:], x[:, :1], CLIPS, rng)
    with pytest.raises(InputError, match="same frames"):
        association.associate(x, x[:-1, :1], CLIPS, rng)


# retrieval

SUBJECT, DISPLAY = np.repeat([0, 1, 2], 2), np.tile([0, 1], 3)


def test_ranks_by_hand():
    # Of frame 0 (person 0, display 0) the others are at 3 (right), 1 (wrong), 2 (right), 4 (wrong): rank 2.
    distance = np.full((6, 6), 9.0)
    distance[0, 2:] = [3, 1, 2, 4]
    distance[0, 1] = 0  # of the same person: not a candidate
    ranks = retrieval.first_hits(distance, SUBJECT, DISPLAY)
    assert ranks[0] == 2
    assert ranks[1] == 3, "all at one distance: two wrong ones come first, ties count against"
    scores = retrieval.scores(np.array([1, 2, 6, 10]))
    assert scores == {"top1": 0.25, "top5": 0.5, "mrr": pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 10) / 4)}


def test_a_perfect_and_a_blind_distance():
    alike = (DISPLAY[:, None] != DISPLAY).astype(float)
    assert (retrieval.first_hits(alike, SUBJECT, DISPLAY) == 1).all()
    assert (retrieval.first_hits(0 * alike, SUBJECT, DISPLAY) == 3).all()
    with pytest.raises(InputError, match="one person only"):
        retrieval.first_hits(alike, SUBJECT, np.array([0, 1, 0, 1, 0, 5]))
    with pytest.raises(InputError, match="table of distances"):
        retrieval.first_hits(alike[:3], SUBJECT, DISPLAY)


def test_cosine_forgets_strength():
    smile, jaw = ICT53.vector(mouthSmile_L=1), ICT53.vector(jawOpen=1)
    distance = retrieval.cosine_distance(np.stack([smile, 3 * smile, jaw]))
    assert distance[0, 1] == pytest.approx(0, abs=1e-6) and distance[0, 2] > 0.5


def test_measured_people_show_the_same_displays_and_are_told_apart_by_noise_alone():
    people = retrieval.measured_people(4, 6)
    assert people.psi.shape == (24, 53) and people.pictures is None
    true = retrieval.shared_displays(6, 0)
    assert (ICT53.norm(true) >= 1).all()
    ranks = retrieval.first_hits(retrieval.cosine_distance(people.psi), people.subject, people.display)
    table = retrieval.retrieval_table({"ψ": ranks}, people.subject)
    row = table.iloc[0]
    assert row["top1"] <= row["top5"] and 1 / 6 < row["top1_low"] <= row["top1"] <= row["top1_high"] <= 1
    again = retrieval.measured_people(4, 6)
    np.testing.assert_array_equal(again.psi, people.psi)
