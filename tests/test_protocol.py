"""The prediction protocol: it finds what is there, nothing where nothing is, and refuses to leak."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib.analysis.prediction.controls import label_permutation, leakage
from dfe_lib.analysis.prediction.folds import check_apart, grouped_splits, permute_labels
from dfe_lib.analysis.prediction.metrics import DEPRESSION, DEPRESSION_SCORE, PERSONALITY, STRESS, Task
from dfe_lib.analysis.prediction.preparing import prepare
from dfe_lib.analysis.prediction.protocol import CONSTANT, SHUFFLED, evaluate
from dfe_lib.errors import InputError

SUBJECTS, TAKES = 24, 3
INDEX = pd.Index([f"s{s}_r{r}" for s in range(SUBJECTS) for r in range(TAKES)], name="recording")
PEOPLE = pd.Series(np.repeat([f"s{s}" for s in range(SUBJECTS)], TAKES), index=INDEX)


def _own(rng, width):
    """Features that tell who it is, and nothing else."""
    return np.repeat(rng.normal(size=(SUBJECTS, width)), TAKES, axis=0) + 0.1 * rng.normal(
        size=(len(INDEX), width)
    )


def _data(signal, seed=0, subject_label=False):
    rng = np.random.default_rng(seed)
    size = SUBJECTS if subject_label else len(INDEX)
    y = rng.permutation(np.arange(size) % 2)
    y = np.repeat(y, TAKES) if subject_label else y
    x = rng.normal(size=(len(INDEX), 5))
    x[:, 0] += signal * y
    noise = pd.DataFrame(rng.normal(size=(len(INDEX), 5)), index=INDEX)
    return {"good": pd.DataFrame(x, index=INDEX), "noise": noise}, pd.Series(y, index=INDEX, name="label")


def _value(outcome, method, metric=None):
    rows = outcome.table.query("method == @method and target == 'all'")
    return (rows[rows["primary"]] if metric is None else rows[rows["metric"] == metric])["value"].item()


def test_finds_an_effect_and_its_rows_are_complete():
    features, labels = _data(3.0)
    outcome = evaluate(features, labels, PEOPLE, STRESS)
    assert list(dict.fromkeys(outcome.table["method"])) == ["good", "noise", CONSTANT, SHUFFLED]
    assert _value(outcome, "good") > 0.85
    for method in ("noise", CONSTANT, SHUFFLED):
        assert _value(outcome, method) < 0.7
    tested = outcome.table.dropna(subset="p")
    assert set(tested["method"]) == {"noise", CONSTANT, SHUFFLED} and (tested["p_holm"] >= tested["p"]).all()
    assert (tested["p_holm"] < 0.05).all()
    assert (outcome.table["low"] <= outcome.table["value"] + 1e-9).all()
    assert outcome.predictions["recording"].tolist() == INDEX.tolist()
    assert outcome.predictions.groupby("subject")["fold"].nunique().max() == 1


def test_a_difference_has_the_interval_of_pairs():
    features, labels = _data(1.5)
    same = features | {"twin": features["good"]}
    table = evaluate(same, labels, PEOPLE, STRESS).table.query("primary").set_index("method")
    assert (table.loc[["good", "twin"], ["difference", "difference_low", "difference_high"]] == 0).all(
        axis=None
    )
    row = table.loc["noise"]
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0
    assert (
        row["difference_high"] - row["difference_low"] < row["high"] - row["low"] + table.loc["good", "high"]
    )


def test_same_seed_same_table():
    features, labels = _data(1.0)
    a, b = (evaluate({"good": features["good"]}, labels, PEOPLE, STRESS, replicates=50) for _ in range(2))
    pd.testing.assert_frame_equal(a.table, b.table)
    pd.testing.assert_frame_equal(a.predictions, b.predictions)


def test_row_order_of_tables_does_not_matter():
    features, labels = _data(1.0)
    shuffled = {name: t.sample(frac=1, random_state=1) for name, t in features.items()}
    a = evaluate(features, labels, PEOPLE, STRESS, replicates=50)
    b = evaluate(shuffled, labels, PEOPLE.sample(frac=1, random_state=2), STRESS, replicates=50)
    pd.testing.assert_frame_equal(a.table, b.table)


def test_nothing_is_found_where_nothing_is():
    found = []
    for seed in range(12):
        features, labels = _data(0.0, seed, subject_label=True)
        found.append(label_permutation(features["good"], labels, PEOPLE, STRESS, seed, permutations=99).p)
    assert min(found) < 0.9 and np.mean(np.array(found) <= 0.05) <= 0.25 and np.mean(found) > 0.25


def test_label_permutation_finds_an_effect_in_twenty_clips():
    rng = np.random.default_rng(0)
    index = pd.Index([f"c{i}" for i in range(20)])
    y = pd.Series(np.arange(20) % 2, index=index)
    x = pd.DataFrame(rng.normal(size=(20, 30)) + 1.2 * y.to_numpy()[:, None], index=index)
    result = label_permutation(x, y, pd.Series(index, index=index), STRESS, permutations=199)
    assert result.score > 0.5 and result.p == pytest.approx(0.005) and len(result.null) == 199
    assert abs(result.null.mean()) < 0.1 and not result.within


def test_random_splits_leak_people():
    rng = np.random.default_rng(0)
    labels = pd.Series(np.repeat(rng.permutation(np.arange(SUBJECTS) % 2), TAKES), index=INDEX)
    table = leakage(pd.DataFrame(_own(rng, 40), index=INDEX), labels, PEOPLE, STRESS).set_index("split")[
        "value"
    ]
    assert table["at random (leaks)"] > 0.95 and table["by subject"] < 0.7 and len(table) == 4


def test_regression_with_several_targets():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(INDEX), 4))
    labels = pd.DataFrame({"open": x[:, 0], "warm": rng.normal(size=len(INDEX))}, index=INDEX) * 0.1 + 0.5
    outcome = evaluate({"x": pd.DataFrame(x, index=INDEX)}, labels, PEOPLE, PERSONALITY, replicates=50)
    pcc = outcome.table.query("method == 'x' and metric == 'PCC'").set_index("target")["value"]
    assert pcc["open"] > 0.95 and abs(pcc["warm"]) < 0.4
    assert pcc["all"] == pytest.approx((pcc["open"] + pcc["warm"]) / 2)
    assert len(outcome.predictions) == 2 * len(INDEX)


def test_constant_is_the_best_constant_for_the_metric():
    features, labels = _data(0.0)
    labels.iloc[:50] = 0  # the positive class is rare: always answering with it maximises its F1
    rare = labels.mean()
    outcome = evaluate(features, labels, PEOPLE, DEPRESSION, replicates=50)
    assert _value(outcome, CONSTANT) == pytest.approx(2 * rare / (1 + rare))
    score = pd.Series(np.r_[np.zeros(60), np.full(12, 20.0)], index=INDEX)
    outcome = evaluate(features, score, PEOPLE, DEPRESSION_SCORE, replicates=50)
    assert _value(outcome, CONSTANT) == pytest.approx(20 * 12 / 72)  # the median, not the mean


def test_counts_are_weighted_by_training_recordings_only():
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (12, 6)).astype(float)
    train, test = np.arange(8), np.arange(8, 12)
    a, _ = prepare((counts, True), train, test)
    other = counts.copy()
    other[test] = 50
    np.testing.assert_array_equal(prepare((other, True), train, test)[0], a)
    values = rng.normal(size=(12, 3))
    values[0, 0] = np.nan
    a, b = prepare((values, False), train, test)
    assert np.isfinite(a).all() and (a**2).sum(axis=1).mean() == pytest.approx(1)
    np.testing.assert_allclose(a.mean(axis=0), 0, atol=1e-12)


def test_folds_keep_subjects_apart():
    y, groups = np.arange(72)[:, None] % 2, PEOPLE.to_numpy()
    for stratified in (True, False):
        splits = grouped_splits(y, groups, 5, stratified, seed=0)
        assert sorted(np.concatenate([test for _, test in splits])) == list(range(72))
    with pytest.raises(InputError, match="'b' is in training and test"):
        check_apart(np.array(["a", "b"]), np.array(["b", "c"]))


def test_labels_of_people_are_permuted_between_people():
    rng = np.random.default_rng(0)
    own = np.repeat(np.arange(SUBJECTS), TAKES)[:, None]
    moved = own[permute_labels(own, PEOPLE.to_numpy(), rng)].reshape(SUBJECTS, TAKES)
    assert (moved == moved[:, :1]).all() and sorted(moved[:, 0]) == list(range(SUBJECTS))
    within = permute_labels(np.arange(len(INDEX))[:, None], PEOPLE.to_numpy(), rng)
    assert sorted(within) == list(range(len(INDEX))) and (within != np.arange(len(INDEX))).any()
    assert (PEOPLE.to_numpy()[within] == PEOPLE.to_numpy()).all()


def _broken(change):
    features, labels = _data(0.0)
    arguments = {"features": features, "labels": labels, "subjects": PEOPLE, "task": STRESS}
    return arguments | change(features, labels)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda f, y: {"labels": y.astype(float).where(y.index != "s1_r1")},
            "1 recordings have no label.*s1_r1",
        ),
        (lambda f, y: {"labels": y * 0}, "same in all 72"),
        (
            lambda f, y: {"labels": (y * 0).where(~y.index.str.startswith("s3_"), 1)},
            "class '1' occurs in one subject",
        ),
        (lambda f, y: {"subjects": PEOPLE[PEOPLE != "s5"]}, "'s5_r0' has no subject"),
        (lambda f, y: {"labels": y[:12]}, "4 subjects cannot fill 5 folds"),
        (lambda f, y: {"labels": pd.concat([y, y[:1]])}, "'s0_r0' has two labels"),
        (
            lambda f, y: {"features": {"good": f["good"].drop(index="s2_r2")}},
            "'good' lacks recording 's2_r2'",
        ),
        (lambda f, y: {"features": {"good": f["good"].astype(str) + "x"}}, "not numbers"),
        (lambda f, y: {"features": {"good": f["good"] * np.inf}}, "infinite"),
        (lambda f, y: {"features": {}}, "no features"),
        (lambda f, y: {"reference": "best"}, "'best' is not among"),
    ],
)
def test_bad_input_is_refused_by_name(change, says):
    with pytest.raises(InputError, match=says):
        evaluate(**_broken(change))


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(InputError, match="allowed: 1-MAE"):
        Task("x", "regression", ("F1",))
