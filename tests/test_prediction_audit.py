"""Calibration, confusion, the identity probe and the power curve, against scikit-learn and known answers."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, confusion_matrix

from dfe_lib.analysis.prediction.audit import identity_probe
from dfe_lib.analysis.prediction.calibration import calibration, confusion, reliability
from dfe_lib.analysis.prediction.metrics import DEPRESSION_SCORE, STRESS
from dfe_lib.analysis.prediction.power import disjoint, power_curve
from dfe_lib.analysis.prediction.protocol import CONSTANT, evaluate
from dfe_lib.errors import InputError

SUBJECTS, TAKES = 30, 4
INDEX = pd.Index([f"s{s}_r{r}" for s in range(SUBJECTS) for r in range(TAKES)], name="recording")
PEOPLE = pd.Series(np.repeat([f"s{s}" for s in range(SUBJECTS)], TAKES), index=INDEX)


@pytest.fixture(scope="module")
def outcome():
    rng = np.random.default_rng(0)
    labels = pd.Series(rng.integers(0, 2, len(INDEX)), index=INDEX)
    x = pd.DataFrame(rng.normal(size=(len(INDEX), 4)), index=INDEX)
    x[0] += 1.5 * labels
    return evaluate({"x": x}, labels, PEOPLE, STRESS, replicates=20, repeats=2)


def test_reliability_is_scikit_learns_curve(outcome):
    part = outcome.decisions.query("method == 'x'")
    observed, predicted = calibration_curve(part["truth"], part["chance 1"], n_bins=10)
    ours = reliability(outcome).query("method == 'x'")
    np.testing.assert_allclose(ours["observed"], observed)
    np.testing.assert_allclose(ours["predicted"], predicted)
    assert ours["count"].sum() == len(part) == 2 * len(INDEX)


def test_brier_and_calibration_error(outcome):
    part = outcome.decisions.query("method == 'x'")
    ours = calibration(outcome).set_index("method").loc["x"]
    assert ours["brier"] == pytest.approx(brier_score_loss(part["truth"], part["chance 1"]))
    bins = reliability(outcome).query("method == 'x'")
    assert ours["ece"] == pytest.approx(
        np.average(abs(bins["observed"] - bins["predicted"]), weights=bins["count"])
    )
    assert ours["ece"] < 2 * ours["ece_if_right"] < 0.2
    assert ours["brier_low"] < ours["brier"] < ours["brier_high"]
    constant = calibration(outcome).set_index("method").loc[CONSTANT]
    assert constant["brier"] == pytest.approx(0.25, abs=0.01) and ours["brier"] < 0.2


def test_confusion_is_scikit_learns_matrix(outcome):
    part = outcome.decisions.query("method == 'x'")
    matrix = confusion_matrix(part["truth"], part["predicted"])
    ours = confusion(outcome).query("method == 'x'")
    np.testing.assert_allclose(ours["count"].to_numpy().reshape(2, 2), matrix / 2)
    np.testing.assert_allclose(ours.groupby("truth")["share"].sum(), 1)


def test_no_probabilities_are_made_up():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(len(INDEX), 3)), index=INDEX)
    labels = pd.Series(np.arange(len(INDEX)) % 2, index=INDEX)
    svm = evaluate({"x": x}, labels, PEOPLE, STRESS, replicates=20, model="linear SVM")
    with pytest.raises(InputError, match="'linear SVM' gives no probabilities"):
        calibration(svm)
    numbers = evaluate({"x": x}, labels * 1.0, PEOPLE, DEPRESSION_SCORE, replicates=20)
    with pytest.raises(InputError, match="numbers were predicted"):
        confusion(numbers)


def test_identity_probe_knows_who_is_told_and_who_is_not():
    rng = np.random.default_rng(0)
    own = np.repeat(rng.normal(size=(SUBJECTS, 30)), TAKES, axis=0)
    tables = {
        "tells": pd.DataFrame(own + 0.2 * rng.normal(size=own.shape), index=INDEX),
        "silent": pd.DataFrame(rng.normal(size=own.shape), index=INDEX),
    }
    found = identity_probe(tables, PEOPLE).set_index("method")
    assert found.loc["tells", "told"] > 0.95
    assert found.loc["silent", "told"] < 0.15 and found.loc["silent", "chance"] == pytest.approx(1 / SUBJECTS)
    assert (found["low"] <= found["told"]).all() and (found["told"] <= found["high"]).all()


def test_identity_probe_refuses_who_cannot_be_held_out():
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(len(INDEX), 3)), index=INDEX)
    with pytest.raises(InputError, match="subject 's0' has one recording"):
        identity_probe({"x": x}, PEOPLE.drop(index=["s0_r1", "s0_r2", "s0_r3"]))


def _cohort(effect, seed):
    rng = np.random.default_rng(seed)
    index = pd.Index([f"p{i:03d}" for i in range(240)])
    labels = pd.Series(rng.permutation(np.arange(240) % 2), index=index)
    noise = pd.DataFrame(rng.normal(size=(240, 5)), index=index)
    signal = noise.copy()
    signal[0] += effect * labels
    return {"signal": signal, "noise": noise}, labels, pd.Series(index, index=index)


def test_power_grows_with_effect_and_size_and_is_the_level_without():
    table = power_curve(_cohort, STRESS, (0.0, 1.5), (12, 40), permutations=99)
    table = table.set_index(["method", "effect", "subjects"])
    power = table["detected"]
    assert power["signal", 1.5, 40] >= 0.8 and power["signal", 1.5, 40] > power["signal", 1.5, 12] > 0.2
    assert power["noise", 1.5, 40] < 0.5 and power["signal", 0.0, 12] <= 0.2
    assert table.loc[("signal", 0.0, 12), "cohorts"] == 20
    row = table.loc[("signal", 1.5, 12)]
    ends = binomtest(round(row["detected"] * row["cohorts"]), int(row["cohorts"])).proportion_ci(
        method="exact"
    )
    assert row["low"] == pytest.approx(ends[0]) and row["high"] == pytest.approx(ends[1])


def test_cohorts_are_disjoint_and_whole():
    parts = disjoint(PEOPLE, 7)
    assert len(parts) == 4 and all(PEOPLE.iloc[rows].nunique() == 7 for rows in parts)
    assert len(np.unique(np.concatenate(parts))) == 4 * 7 * TAKES
    with pytest.raises(InputError, match="30 subjects cannot be cut into cohorts of 31"):
        disjoint(PEOPLE, 31)


def test_a_cohort_without_both_classes_is_counted_and_not_tested():
    def make(effect, seed):
        features, labels, people = _cohort(effect, seed)
        return features, (labels * 0).where(np.arange(240) < 120, labels), people

    table = power_curve(make, STRESS, (1.0,), (60,), permutations=19).query("method == 'noise'").iloc[0]
    assert table["cohorts"] == 2 and table["untestable"] == 2
    with pytest.raises(InputError, match="use 19 or more"):
        power_curve(make, STRESS, permutations=9)


def test_a_representation_of_a_part_learns_on_the_part_alone():
    asked = []

    class Learns:
        recordings, counts = INDEX, False

        def vectors(self, train):
            asked.append(np.asarray(train))
            return np.random.default_rng(0).normal(size=(len(INDEX), 3))

    def make(effect, seed):
        return {"x": Learns()}, pd.Series(np.arange(len(INDEX)) % 2, index=INDEX), PEOPLE

    power_curve(make, STRESS, (1.0,), (10,), permutations=19)
    blocks = disjoint(PEOPLE, 10)
    for rows in asked:
        assert any(np.isin(rows, block).all() for block in blocks) and len(rows) < 40
