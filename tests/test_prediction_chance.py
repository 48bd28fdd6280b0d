"""Chance tests against brute force, and the area under the curve, intervals and swaps against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from dfe_lib.analysis.prediction.folds import between_people, fold_of, nested
from dfe_lib.analysis.prediction.metrics import (
    DEPRESSION_SCORE,
    METRICS,
    PERSONALITY,
    STRESS,
    Task,
    auroc,
    ranking_sums,
)
from dfe_lib.analysis.prediction.permutation import Arrangements, chance_tests, label_permutation
from dfe_lib.analysis.prediction.preparing import prepare
from dfe_lib.analysis.prediction.protocol import evaluate
from dfe_lib.errors import InputError

SUBJECTS, TAKES = 20, 4
INDEX = pd.Index([f"s{s:02d}_r{r}" for s in range(SUBJECTS) for r in range(TAKES)], name="recording")
PEOPLE = pd.Series(np.repeat([f"s{s:02d}" for s in range(SUBJECTS)], TAKES), index=INDEX)


def _table(seed=0, d=8):
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(len(INDEX), d)), index=INDEX)


@pytest.mark.parametrize("d", [3, 200])
@pytest.mark.parametrize("within", [True, False])
def test_the_score_is_that_of_ridge_models_trained_one_by_one(d, within):
    rng = np.random.default_rng(0)
    table = _table(0, d)
    y = rng.normal(size=len(INDEX)) if within else np.repeat(rng.normal(size=SUBJECTS), TAKES)
    if within:
        y -= np.repeat(
            y.reshape(SUBJECTS, TAKES).mean(axis=1), TAKES
        )  # what differs between people is not asked
    predicted = np.empty(len(INDEX))
    values = table.to_numpy()
    for train, test in GroupKFold(5, shuffle=True, random_state=0).split(values, groups=PEOPLE.to_numpy()):
        a, b = prepare((values, False), train, test)
        predicted[test] = Ridge(alpha=len(train)).fit(a, y[train]).predict(b) - y[train].mean()
    frame = pd.DataFrame({"p": predicted, "y": y, "s": PEOPLE.to_numpy()})
    if within:
        frame[["p", "y"]] -= frame.groupby("s")[["p", "y"]].transform("mean")
    else:
        frame = frame.groupby("s").mean()
    found = label_permutation(
        table, pd.Series(y, index=INDEX), PEOPLE, DEPRESSION_SCORE, permutations=19, folds=5
    )
    assert found.within == within
    assert found.score == pytest.approx(np.corrcoef(frame["p"], frame["y"])[0, 1])


def test_permuted_labels_stay_with_their_people_or_move_whole():
    rng = np.random.default_rng(0)
    groups = PEOPLE.to_numpy()[rng.permutation(len(INDEX))]  # rows in any order
    own = rng.normal(size=(len(INDEX), 1))
    moved = Arrangements.of(own, groups, 50, 0)
    assert moved.within and (moved.labels[1:] != moved.labels[0]).any(axis=(1, 2)).all()
    for s in np.unique(groups):
        rows = groups == s
        expected = np.sort(moved.labels[0, rows, 0])
        np.testing.assert_allclose(np.sort(moved.labels[:, rows, 0], axis=1), np.tile(expected, (51, 1)))
    theirs = np.unique(groups, return_inverse=True)[1][:, None].astype(float)
    moved = Arrangements.of(theirs, groups, 50, 0)
    assert not moved.within and between_people(theirs, groups)
    np.testing.assert_array_equal(
        np.sort(moved.labels[:, :, 0], axis=1), np.tile(np.arange(SUBJECTS), (51, 1))
    )


@pytest.mark.parametrize("kind", ["within", "between", "numbers"])
def test_p_values_are_uniform_where_nothing_is(kind):
    task = DEPRESSION_SCORE if kind == "numbers" else STRESS
    p = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        own = np.repeat(rng.normal(size=(SUBJECTS, 8)), TAKES, axis=0)  # idiosyncratic people
        table = pd.DataFrame(own + rng.normal(size=own.shape), index=INDEX)
        if kind == "within":
            y = rng.permuted(np.tile([0, 1, 0, 1], (SUBJECTS, 1)), axis=1).ravel()
        else:
            y = np.repeat(rng.permutation(np.arange(SUBJECTS) % (7 if kind == "numbers" else 2)), TAKES)
        p.append(label_permutation(table, pd.Series(y, index=INDEX), PEOPLE, task, seed, 39, folds=4).p)
    p = np.array(p)
    assert (p <= 0.05).mean() <= 0.125  # 0.05 and three and a half standard errors
    assert 0.4 < p.mean() < 0.6 and p.min() >= 1 / 40


def test_planted_effects_are_found_within_and_between_people():
    rng = np.random.default_rng(0)
    y = pd.Series(np.tile([0, 1, 0, 1], SUBJECTS), index=INDEX)
    own = (
        np.repeat(rng.normal(size=(SUBJECTS, 1)), TAKES, axis=0) * 5
    )  # people differ far more than their states
    table = _table()
    table[0] = own[:, 0] + 0.8 * y.to_numpy() + 0.3 * rng.normal(size=len(INDEX))
    assert label_permutation(table[[0]], y, PEOPLE, STRESS, permutations=199).p == 0.005
    traits = pd.DataFrame({"a": np.repeat(rng.normal(size=SUBJECTS), TAKES)}, index=INDEX)
    traits["b"] = np.repeat(rng.normal(size=SUBJECTS), TAKES)
    shown = _table()
    shown[[0, 1]] = traits.to_numpy() + 0.3 * rng.normal(size=(len(INDEX), 2))
    tests = chance_tests({"shown": shown, "none": _table(5)}, traits, PEOPLE, PERSONALITY, permutations=199)
    tests = tests.set_index("method")
    assert tests.loc["shown", "p"] == 0.005 and tests.loc["shown", "p_holm"] == 0.01
    assert (
        tests.loc["shown", "score"] > tests.loc["shown", "chance_high"] > 0 > tests.loc["shown", "chance_low"]
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_auroc_is_scikit_learns_for_everyone_and_for_any_resample(n_classes):
    rng = np.random.default_rng(n_classes)
    n, people = 60, np.repeat(np.arange(15), 4)
    truth = rng.integers(0, n_classes, n)
    scores = rng.normal(size=(n, n_classes)).round(1) + np.eye(n_classes)[truth]  # rounded: there are ties
    if n_classes == 2:
        scores = np.stack([-scores[:, 1], scores[:, 1]], axis=1)
    pairs = ranking_sums(truth, scores, np.zeros(n), people)

    def theirs(rows):
        if n_classes == 2:
            return roc_auc_score(truth[rows], scores[rows, 1])
        return np.mean([roc_auc_score(truth[rows] == c, scores[rows, c]) for c in range(3)])

    assert auroc(pairs.sum(axis=(0, 1))) == pytest.approx(theirs(np.arange(n)))
    for _ in range(5):
        weights = rng.multinomial(15, np.full(15, 1 / 15)).astype(float)
        rows = np.concatenate(
            [np.flatnonzero(people == s) for s in np.repeat(np.arange(15), weights.astype(int))]
        )
        ours = auroc(np.einsum("i,j,ijk->k", weights, weights, pairs))
        assert ours == pytest.approx(theirs(rows))


def test_auroc_compares_within_folds_only():
    truth, person = np.array([0, 1, 0, 1]), np.arange(4)
    scores = np.array([5.0, 6.0, 1.0, 2.0])[:, None] * [-1, 1]  # the second fold has another zero
    assert auroc(ranking_sums(truth, scores, np.array([0, 0, 1, 1]), person).sum(axis=(0, 1))) == 1
    assert auroc(ranking_sums(truth, scores, np.zeros(4), person).sum(axis=(0, 1))) == 0.75
    assert np.isnan(auroc(ranking_sums(truth, scores, np.arange(4), person).sum(axis=(0, 1))))
    with pytest.raises(InputError, match="AUROC cannot be the first metric"):
        Task("x", "classification", ("AUROC",))


def test_repeats_are_averaged_and_their_spread_is_told():
    labels = pd.Series(np.tile([0, 1, 0, 1], SUBJECTS), index=INDEX)
    table = _table()
    table[0] += labels
    runs = [evaluate({"x": table}, labels, PEOPLE, STRESS, seed, replicates=50).table for seed in (3, 4, 5)]
    both = evaluate({"x": table}, labels, PEOPLE, STRESS, 3, replicates=50, repeats=3)
    for metric in STRESS.metrics:
        single = [r[(r["method"] == "x") & (r["metric"] == metric)]["value"].item() for r in runs]
        row = both.table[(both.table["method"] == "x") & (both.table["metric"] == metric)].iloc[0]
        assert row["value"] == pytest.approx(np.mean(single))
        assert row["spread"] == pytest.approx(np.std(single, ddof=1))
        assert row["low"] < row["value"] < row["high"]
    assert both.predictions["repeat"].nunique() == 3 and len(both.predictions) == 3 * len(INDEX)
    assert both.penalties.query("method == 'x'").groupby("repeat").size().tolist() == [5, 5, 5]


def test_table_values_are_those_of_its_decisions():
    labels = pd.Series(np.tile([0, 1, 0, 1], SUBJECTS), index=INDEX)
    table = _table()
    table[0] += labels
    outcome = evaluate({"x": table}, labels, PEOPLE, STRESS, replicates=20)
    part = outcome.decisions.query("method == 'x'")
    by_fold = [roc_auc_score(f["truth"], f["score 1"]) for _, f in part.groupby("fold")]
    pairs = [(f["truth"] == 1).sum() * (f["truth"] == 0).sum() for _, f in part.groupby("fold")]
    value = outcome.table.query("method == 'x' and metric == 'AUROC'")["value"].item()
    assert value == pytest.approx(np.average(by_fold, weights=pairs))
    assert METRICS["AUROC"].ranks
    plan = nested(labels.to_numpy()[:, None], PEOPLE.to_numpy(), 5, 3, True, 0)
    assert (fold_of(plan, len(labels)) == part["fold"]).all()
