"""Fidelity, coverage, representations and statistics, mostly by cases worked out by hand."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import balanced_accuracy_score, f1_score

from dfe_lib.analysis import coverage, fidelity, statistics
from dfe_lib.analysis.prediction import metrics
from dfe_lib.analysis.representations import CountWeights, bag_of_levels, bag_of_tokens, functionals
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

PSI = sample_displays(300, np.random.default_rng(0))


# fidelity


def test_error_is_the_vertex_displacement_in_mm():
    open_jaw = ICT53.vector(jawOpen=1.0)[None]
    size = np.sqrt(ICT53.metric[ICT53.names.index("jawOpen"), ICT53.names.index("jawOpen")])
    assert fidelity.rms_error(open_jaw, open_jaw * 0.75) == pytest.approx(size / 4, rel=1e-5)
    assert fidelity.variance_explained(open_jaw, open_jaw * 0.75) == pytest.approx(1 - 1 / 16, rel=1e-5)
    assert fidelity.variance_explained(PSI, 0 * PSI) == pytest.approx(0)


def test_fidelity_refuses_what_it_cannot_compare():
    with pytest.raises(InputError, match="same frames"):
        fidelity.rms_error(PSI, PSI[:-1])
    with pytest.raises(InputError, match="neutral"):
        fidelity.variance_explained(0 * PSI, PSI)
    with pytest.raises(InputError, match="NaN"):
        fidelity.rms_error(PSI, PSI * np.nan)


# coverage


def test_diversity_of_orthogonal_opposed_and_equal_templates():
    inverse = np.linalg.inv(ICT53.whitener)
    axes = np.eye(53)[:3] @ inverse
    assert coverage.diversity(axes) == pytest.approx(1, abs=1e-4)
    assert coverage.diversity(np.stack([axes[0], -axes[0]])) == pytest.approx(2, abs=1e-4)
    assert coverage.diversity(np.stack([axes[0], 3 * axes[0], 0 * axes[0]])) == pytest.approx(0, abs=1e-4)
    with pytest.raises(InputError, match="two templates"):
        coverage.diversity(axes[:1])


def test_usage_and_entropy_by_hand():
    codes = np.array([[0, 1], [0, 3], [-1, -1]])
    np.testing.assert_array_equal(coverage.usage(codes, 4), [[2, 0, 0, 0], [0, 1, 0, 1]])
    assert coverage.usage_entropy(codes, 4) == pytest.approx(1.5)  # 1/2, 1/4, 1/4
    assert coverage.usage_entropy(np.zeros((5, 1), dtype=int), 4) == 0
    with pytest.raises(InputError, match="4 entries"):
        coverage.usage(np.array([[4]]), 4)
    with pytest.raises(InputError, match="without a face"):
        coverage.usage_entropy(np.full((2, 2), -1), 4)


def test_coverage_curve_counts_frames_within_each_threshold():
    unit = ICT53.vector(jawOpen=1.0)
    size = ICT53.norm(unit)
    psi = np.stack([unit * s / size for s in (0.5, 1.5, 2.5, 3.5)])
    curve = coverage.coverage_curve(psi, 0 * psi, [0, 1, 2, 10])
    np.testing.assert_allclose(curve, [0, 0.25, 0.5, 1])


# representations


def test_bag_of_tokens_by_hand():
    codes = np.array([[0, 1], [1, 1], [-1, -1], [2, 0]])
    bag = bag_of_tokens(codes, ["b", "b", "a", "a"], 3)
    assert bag.index.tolist() == ["b", "a"] and bag.to_numpy().tolist() == [[1, 3, 0], [1, 0, 1]]
    staged = bag_of_tokens(codes, ["b", "b", "a", "a"], 3, by_stage=True)
    assert staged.loc["b"].to_dict() == dict(s0_t0=1, s0_t1=1, s0_t2=0, s1_t0=0, s1_t1=2, s1_t2=0)
    assert (staged.sum(axis=1) == bag.sum(axis=1)).all()
    for bad in (codes + 1, codes.astype(float), codes[:, 0]):
        with pytest.raises(InputError):
            bag_of_tokens(bad, ["a"] * 4, 3)


def test_bag_of_levels_counts_presence_by_level():
    codes = np.array([[0, 5], [2, 5], [2, 0], [-1, -1]])
    bag = bag_of_levels(codes, ["r"] * 4, ["AU01", "AU12"])
    assert bag.loc["r", "AU01_2"] == 2 and bag.loc["r", "AU12_5"] == 2 and bag.to_numpy().sum() == 4


def test_functionals_leave_out_missing_frames_and_name_empty_recordings():
    values = np.array([[1.0], [3.0], [np.nan], [7.0]])
    table = functionals(values, ["a", "a", "a", "b"], ["AU12"])
    assert table.loc["a"].tolist() == [2.0, 1.0] and table.loc["b"].tolist() == [7.0, 0.0]
    with pytest.raises(InputError, match="'c' has no measured frame"):
        functionals(values, ["a", "a", "c", "b"], ["AU12"])


def test_count_weights_equal_scikit_learn_and_know_training_rows_only():
    counts = np.random.default_rng(0).poisson(1.0, (20, 8))
    ours = CountWeights().fit(counts).transform(counts)
    theirs = TfidfTransformer().fit(counts).transform(np.log1p(counts)).toarray()
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert (CountWeights().fit(counts[:10]).idf_ != CountWeights().fit(counts).idf_).any()
    assert np.isfinite(CountWeights().fit(counts).transform(np.zeros((1, 8)))).all()


# metrics and statistics


def test_metrics_equal_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    sums = metrics.classification_sums(y, p, 3).sum(axis=0)
    assert metrics.weighted_f1(sums) == pytest.approx(f1_score(y, p, average="weighted"))
    assert metrics.macro_f1(sums) == pytest.approx(f1_score(y, p, average="macro"))
    assert metrics.balanced_accuracy(sums) == pytest.approx(balanced_accuracy_score(y, p))
    y, p = y % 2, p % 2
    assert metrics.positive_f1(metrics.classification_sums(y, p, 2).sum(axis=0)) == pytest.approx(
        f1_score(y, p)
    )


def test_regression_metrics_by_definition():
    rng = np.random.default_rng(0)
    y = rng.normal(3, 2, 40)
    p = 0.5 * y + rng.normal(0, 1, 40)
    sums = metrics.regression_sums(y, p).sum(axis=0)
    assert metrics.mae(sums) == pytest.approx(np.abs(y - p).mean())
    assert metrics.one_minus_mae(sums) == pytest.approx(1 - np.abs(y - p).mean())
    assert metrics.rmse(sums) == pytest.approx(np.sqrt(((y - p) ** 2).mean()))
    assert metrics.pcc(sums) == pytest.approx(pearsonr(y, p)[0])
    lin = 2 * np.cov(y, p, bias=True)[0, 1] / (y.var() + p.var() + (y.mean() - p.mean()) ** 2)
    assert metrics.ccc(sums) == pytest.approx(lin)
    one, two = np.arange(40) < 20, np.arange(40) >= 20
    fold = np.where(one, 0, 1)
    means = np.where(one, y[two].mean(), y[one].mean())  # each half gets the other half's mean: knows nothing
    assert np.corrcoef(y, means)[0, 1] < -0.01
    assert metrics.pcc(metrics.regression_sums(y, means, fold).sum(axis=0)) == 0
    within = (
        np.r_[y[one] - y[one].mean(), y[two] - y[two].mean()],
        np.r_[p[one] - p[one].mean(), p[two] - p[two].mean()],
    )
    assert metrics.pcc(metrics.regression_sums(y, p, fold).sum(axis=0)) == pytest.approx(pearsonr(*within)[0])
    constant = metrics.regression_sums(y, np.full(40, 3.0)).sum(axis=0)
    assert metrics.pcc(constant) == 0 and metrics.ccc(constant) == pytest.approx(0, abs=1e-9)


def _mean(sums):
    return sums[..., 1] / sums[..., 0]


def test_bootstrap_interval_covers_the_mean_and_shrinks():
    rng = np.random.default_rng(0)

    def width(n):
        sums = np.stack([np.ones(n), rng.normal(5, 1, n)], axis=1)
        interval = statistics.bootstrap_interval(sums, _mean, rng)
        assert interval.low < interval.value < interval.high and interval.value == pytest.approx(
            _mean(sums.sum(0))
        )
        return interval.high - interval.low

    assert width(400) == pytest.approx(4 * 1 / np.sqrt(400), rel=0.2)
    assert width(25) > 2 * width(400)
    with pytest.raises(InputError, match="at least 2"):
        statistics.bootstrap_interval(np.ones((1, 2)), _mean, rng)


def test_paired_permutation_is_exact_on_three_subjects():
    rng = np.random.default_rng(0)
    a = np.stack([np.ones(3), [1.0, 2.0, 4.0]], axis=1)
    b = np.stack([np.ones(3), [0.0, 0.0, 0.0]], axis=1)
    # |±1 ±2 ±4| reaches 7 for two of the eight sign patterns.
    assert statistics.paired_permutation(a, b, _mean, rng) == pytest.approx(2 / 8)
    assert statistics.paired_permutation(a, a, _mean, rng) == 1
    with pytest.raises(InputError, match="same subjects"):
        statistics.paired_permutation(a, b[:2], _mean, rng)


def test_paired_permutation_is_uniform_under_the_null():
    rng = np.random.default_rng(0)
    p = [
        statistics.paired_permutation(
            *(np.stack([np.ones(30), rng.normal(size=30)], axis=1) for _ in "ab"),
            _mean,
            rng,
            permutations=199,
        )
        for _ in range(300)
    ]
    assert np.mean(np.array(p) <= 0.05) < 0.09 and 0.42 < np.mean(p) < 0.58


def test_holm_by_hand():
    np.testing.assert_allclose(
        statistics.holm(np.array([0.04, 0.01, np.nan, 0.03])), [0.06, 0.03, np.nan, 0.06]
    )
    np.testing.assert_allclose(statistics.holm(np.array([0.5, 0.9])), [1.0, 1.0])
    assert len(statistics.holm(np.array([]))) == 0
