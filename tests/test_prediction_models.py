"""The models of the protocol against scikit-learn's: same objective, same penalty, same folds, same predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from dfe_lib.analysis.prediction.folds import nested
from dfe_lib.analysis.prediction.metrics import DEPRESSION_SCORE, PERSONALITY, STRESS
from dfe_lib.analysis.prediction.model import cross_validate, fit_predict
from dfe_lib.analysis.prediction.preparing import prepare, rotate
from dfe_lib.analysis.prediction.protocol import evaluate
from dfe_lib.analysis.prediction.solvers import ELASTIC, LOGISTIC, PENALTIES, RIDGE, SVM, model_for, path
from dfe_lib.bench.plain_prediction import plain
from dfe_lib.errors import InputError

SUBJECTS, TAKES = 16, 3
GROUPS = np.repeat([f"s{s:02d}" for s in range(SUBJECTS)], TAKES)


def _rows(d, seed=0, counts=False):
    rng = np.random.default_rng(seed)
    n = SUBJECTS * TAKES
    return (
        rng.poisson(2.0, (n, d)).astype(float) if counts else rng.normal(size=(n, d)) * rng.uniform(0.1, 9, d)
    )


def _classes(values, n_classes=2, seed=1):
    rng = np.random.default_rng(seed)
    signal = values[:, 0] / values[:, 0].std() + 0.8 * rng.normal(size=len(values))
    edges = np.quantile(signal, [0.6] if n_classes == 2 else [0.5, 0.8])
    return np.searchsorted(edges, signal)[:, None]


@pytest.mark.parametrize("d", [5, 120])
def test_logistic_regression_is_scikit_learns(d):
    values = _rows(d)
    y = _classes(values)
    a, b = prepare((values, False), np.arange(36), np.arange(36, 48))
    ours = fit_predict(a, y[:36], b, STRESS, PENALTIES)
    for penalty, chances in zip(PENALTIES, ours, strict=True):
        theirs = LogisticRegression(C=1 / penalty, class_weight="balanced", tol=1e-10, max_iter=10000)
        np.testing.assert_allclose(chances, theirs.fit(a, y[:36, 0]).predict_proba(b), atol=2e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("d", [5, 120])
def test_svm_is_liblinears(d, n_classes):
    values = _rows(d)
    y = _classes(values, n_classes)
    a, b = prepare((values, False), np.arange(36), np.arange(36, 48))
    design = rotate(a, b)
    ours = path(design, y[:36], SVM, PENALTIES)(design.test)
    for penalty, decided in zip(PENALTIES, ours, strict=True):
        theirs = LinearSVC(C=1 / penalty, class_weight="balanced", tol=1e-10, max_iter=200000, random_state=0)
        expected = theirs.fit(a, y[:36, 0]).decision_function(b).reshape(len(b), -1)
        np.testing.assert_allclose(decided, expected, atol=1e-5)


@pytest.mark.parametrize("d", [5, 120])
def test_ridge_is_scikit_learns_for_all_targets(d):
    values = _rows(d)
    y = np.stack([values[:, 0], np.random.default_rng(0).normal(size=len(values)) + 7], axis=1)
    a, b = prepare((values, False), np.arange(36), np.arange(36, 48))
    ours = fit_predict(a, y[:36], b, PERSONALITY, PENALTIES)
    for penalty, predicted in zip(PENALTIES, ours, strict=True):
        np.testing.assert_allclose(predicted, Ridge(alpha=penalty).fit(a, y[:36]).predict(b), atol=1e-8)


@pytest.mark.parametrize("model", [LOGISTIC, SVM, RIDGE])
@pytest.mark.parametrize(("d", "counts"), [(6, False), (90, False), (60, True)])
def test_the_whole_protocol_is_the_plain_loop(model, d, counts):
    values = _rows(d, counts=counts)
    if not counts:
        values[3, 1] = np.nan  # one imputed value
    y = _classes(np.nan_to_num(values)) if model != RIDGE else np.nan_to_num(values[:, :2]) + 3
    task = STRESS if model != RIDGE else DEPRESSION_SCORE
    plan = nested(y, GROUPS, 4, 3, model != RIDGE, 0)
    ours = cross_validate(lambda train: (values, counts), y, plan, task, model)
    theirs = plain(values, counts, y, plan, model, precise=True)
    mine = ours.values if model == RIDGE else ours.scores
    if model == LOGISTIC:
        mine = np.exp(mine) / np.exp(mine).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mine, theirs, atol=2e-4 if model == SVM else 1e-5)


def test_three_classes_with_every_model():
    values = _rows(10)
    labels = pd.Series(_classes(values, 3)[:, 0], index=[f"r{i}" for i in range(len(values))])
    people = pd.Series(GROUPS, index=labels.index)
    table = pd.DataFrame(values, index=labels.index)
    for model in (LOGISTIC, SVM):
        outcome = evaluate({"x": table}, labels, people, STRESS, folds=4, replicates=20, model=model)
        score = outcome.table.query("method == 'x'").set_index("metric")["value"]
        assert score["AUROC"] > 0.65 and score["balanced accuracy"] > 0.4  # chance: 0.5 and 0.33
        chances = outcome.decisions.query("method == 'x'")[["chance 0", "chance 1", "chance 2"]].to_numpy()
        if model == SVM:
            assert np.isnan(chances).all()
        else:
            np.testing.assert_allclose(chances.sum(axis=1), 1)


def test_elastic_net_predicts_numbers_and_leaves_columns_out():
    values = _rows(40)
    y = values[:, :1] / values[:, 0].std()
    a, _ = prepare((values, False), np.arange(48), np.arange(48))
    theirs = ElasticNet(alpha=0.5 / 48, l1_ratio=0.5, tol=1e-8, max_iter=100000).fit(a, y[:, 0])
    predicted = fit_predict(a, y, a, DEPRESSION_SCORE, PENALTIES, ELASTIC)
    assert np.corrcoef(predicted[0, :, 0], y[:, 0])[0, 1] > 0.99
    np.testing.assert_allclose(predicted[1, :, 0], theirs.predict(a), atol=1e-3)
    assert np.ptp(predicted[-1]) < 1e-9  # the largest penalty leaves nothing


def test_rotation_keeps_predictions_and_gives_weights_back():
    values = _rows(120)
    a, b = prepare((values, False), np.arange(36), np.arange(36, 48))
    design = rotate(a, b)
    np.testing.assert_allclose(design.train @ design.train.T, a @ a.T, atol=1e-9)
    np.testing.assert_allclose(design.test @ design.train.T, b @ a.T, atol=1e-9)
    w = np.random.default_rng(0).normal(size=(design.train.shape[1], 1))
    np.testing.assert_allclose(b @ design.weights(w), design.test @ w, atol=1e-9)


def test_chances_are_of_classes_as_common_as_they_are():
    rng = np.random.default_rng(0)
    n = len(GROUPS)
    labels = pd.Series((rng.random(n) < 0.2).astype(int), index=[f"r{i}" for i in range(n)])
    table = pd.DataFrame(rng.normal(size=(n, 3)), index=labels.index)
    outcome = evaluate(
        {"x": table}, labels, pd.Series(GROUPS, index=labels.index), STRESS, folds=4, replicates=20
    )
    mean = outcome.decisions.query("method == 'x'")["chance 1"].mean()
    assert mean == pytest.approx(labels.mean(), abs=0.08)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(InputError, match="allowed: logistic regression, linear SVM"):
        model_for("classification", "ridge")
