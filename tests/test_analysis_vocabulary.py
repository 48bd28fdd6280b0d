"""Richness, use and company of codes, by counts worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib.analysis import richness, vocabulary
from dfe_lib.analysis.coverage import frequencies
from dfe_lib.errors import InputError


def test_good_turing_and_chao1_by_hand():
    # Combinations a ×3, b ×2, c, d, e once: n = 8, S = 5, f1 = 3, f2 = 1.
    codes = np.array([[0, 1]] * 3 + [[1, 0]] * 2 + [[2, 2], [3, 3], [4, 4], [-1, -1]])
    found = richness.richness(frequencies(codes))
    assert (found.frames, found.seen) == (8, 5)
    assert found.good_turing == pytest.approx(1 - 3 / 8)
    assert found.chao1 == pytest.approx(5 + 3 * 2 / (2 * 2))
    # Variance by hand: 3·2/4 + 3·25/16 + 9·1·4/64 = 1.5 + 4.6875 + 0.5625 = 6.75.
    spread = np.exp(1.96 * np.sqrt(np.log(1 + 6.75 / 1.5**2)))
    assert (found.low, found.high) == pytest.approx((5 + 1.5 / spread, 5 + 1.5 * spread))
    # Without order a and b are one combination ×5: S = 4, f1 = 3, f2 = 0.
    unordered = richness.richness(frequencies(codes, ordered=False))
    assert unordered.good_turing == pytest.approx(1 - 3 / 8) and unordered.chao1 == pytest.approx(4 + 3)


def test_everything_seen_twice_leaves_nothing_to_find():
    found = richness.richness(np.array([2, 2, 5]))
    assert found.good_turing == 1 and found.chao1 == found.low == found.high == 3


def test_everything_seen_once_knows_nothing():
    assert richness.richness(np.array([1, 1, 1, 1])).good_turing == 0


def test_chao1_finds_most_of_a_known_number():
    """500 equally likely combinations, 600 draws: some 150 unseen, found within a tenth."""
    draws = np.random.default_rng(0).integers(0, 500, 600)
    found = richness.richness(np.bincount(draws)[np.bincount(draws) > 0])
    assert found.seen < 400 and found.chao1 == pytest.approx(500, rel=0.1) and found.low < 500 < found.high


def test_rarefaction_by_hand_and_by_drawing():
    assert richness.rarefaction(np.array([2, 1]), [1, 2, 3]) == pytest.approx([1, 5 / 3, 2])
    counts = np.array([7, 5, 4, 2, 1, 1])
    frames = np.repeat(np.arange(6), counts)
    rng = np.random.default_rng(0)
    drawn = np.mean([len(np.unique(rng.choice(frames, 6, replace=False))) for _ in range(4000)])
    assert richness.rarefaction(counts, [6])[0] == pytest.approx(drawn, abs=0.05)
    with pytest.raises(InputError, match="1 … 20"):
        richness.rarefaction(counts, [21])


def test_rarefaction_of_many_frames_neither_overflows_nor_falls():
    counts = np.random.default_rng(1).integers(1, 3000, 2000)
    curve = richness.rarefaction(counts, np.unique(np.geomspace(1, counts.sum(), 50).astype(int)))
    assert np.isfinite(curve).all() and (np.diff(curve) > -1e-6).all() and curve[-1] == pytest.approx(2000)


def test_counts_are_whole_and_positive():
    for bad in (np.array([1.5]), np.array([0, 1]), np.zeros(0, int)):
        with pytest.raises(InputError, match="whole numbers"):
            richness.richness(bad)


def test_stages_add_combinations():
    codes = np.random.default_rng(0).integers(0, 4, (300, 3))
    table = richness.richness_by_stage(codes)
    assert table["stages"].tolist() == [1, 2, 3] and (np.diff(table["seen"]) >= 0).all()
    curves = richness.rarefaction_by_stage(codes)
    assert curves.groupby("stages")["expected"].max().tolist() == pytest.approx(table["seen"].tolist())


def test_perplexity_and_zipf_by_hand():
    codes = np.array([[0, 0], [1, 0], [2, 0], [3, 0]])
    table = vocabulary.stage_usage(codes, 8)
    assert table["perplexity"].tolist() == [4, 1] and table["used"].tolist() == [4, 1]
    assert np.isnan(table["zipf"]).all(), "five occurrences are needed to rank a code"
    assert vocabulary.zipf_exponent(np.round(1e6 / np.arange(1, 50) ** 1.5)) == pytest.approx(1.5, abs=0.01)
    ranks = vocabulary.rank_frequency(codes, 8)
    assert ranks[ranks["stage"] == 2].to_dict("records") == [{"stage": 2, "rank": 1, "share": 1.0}]


def test_cooccurrence_by_hand():
    # Codes 0 and 1 always come together, at either stage; 2 and 3 too.
    codes = np.array([[0, 1]] * 4 + [[2, 3]] * 4 + [[-1, -1]])
    observed, expected = vocabulary.cooccurrence(codes, 4)
    assert observed[0, 1] == observed[1, 0] == 4 and observed[0, 3] == 0 and not observed.diagonal().any()
    assert expected[0, 1] == pytest.approx(8 * 0.5 * 0.5) and expected[0, 2] == 0
    table = vocabulary.company(codes, 4, fewest=2)
    assert table.iloc[0][["a", "b", "together"]].tolist() == [0, 1, 4]
    assert table["lift"].iloc[0] == pytest.approx(np.log2(4.5 / 2.5))


def test_independent_stages_are_as_expected():
    rng = np.random.default_rng(0)
    codes = np.stack(
        [rng.choice(6, 20000, p=p) for p in ([0.3, 0.3, 0.1, 0.1, 0.1, 0.1], np.full(6, 1 / 6))], 1
    )
    observed, expected = vocabulary.cooccurrence(codes, 6)
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(observed[off], expected[off], rtol=0.1)
    assert vocabulary.company(codes, 6)["lift"].abs().max() < 0.2


def test_no_token_is_said():
    with pytest.raises(InputError, match="no face|no token|with a face"):
        vocabulary.cooccurrence(np.full((3, 2), -1), 4)
    assert isinstance(vocabulary.rank_frequency(np.array([[0]]), 2), pd.DataFrame)
