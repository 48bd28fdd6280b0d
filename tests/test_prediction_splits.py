"""Official splits, representations that learn inside folds, leaks shown on purpose, and what is refused by name."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from dfe_lib.analysis.prediction.controls import availability_only, leakage, task_only
from dfe_lib.analysis.prediction.folds import nested, official
from dfe_lib.analysis.prediction.metrics import DEPRESSION, DEPRESSION_SCORE, STRESS
from dfe_lib.analysis.prediction.permutation import label_permutation
from dfe_lib.analysis.prediction.preparing import prepare
from dfe_lib.analysis.prediction.protocol import evaluate
from dfe_lib.analysis.prediction.solvers import PENALTIES
from dfe_lib.data.simulation import CohortConfig, simulate_cohort
from dfe_lib.errors import InputError

SUBJECTS, TAKES = 24, 3
INDEX = pd.Index([f"s{s:02d}_r{r}" for s in range(SUBJECTS) for r in range(TAKES)], name="recording")
PEOPLE = pd.Series(np.repeat([f"s{s:02d}" for s in range(SUBJECTS)], TAKES), index=INDEX)
SPLITS = pd.Series(np.repeat(["train"] * 12 + ["dev"] * 5 + ["test"] * 7, TAKES), index=INDEX)


def _numbers(d=6, seed=0):
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(len(INDEX), d)), index=INDEX)
    return x, pd.Series(x[0] + 0.7 * rng.normal(size=len(INDEX)), index=INDEX, name="phq")


def _classes(seed=0):
    x, y = _numbers(seed=seed)
    return x, (y > 0.3).astype(int)


class Asked:
    """A representation that notes what it was allowed to learn on."""

    name, note, counts = "asked", "", False

    def __init__(self, table):
        self.table, self.recordings, self.columns, self.asked = table, table.index, list(table.columns), []

    def vectors(self, train):
        self.asked.append(frozenset(self.recordings[np.asarray(train)]))
        return self.table.to_numpy()


def test_dev_chooses_and_test_is_scored_once():
    x, y = _numbers()
    outcome = evaluate({"x": x}, y, PEOPLE, DEPRESSION_SCORE, replicates=50, splits=SPLITS)
    rows = {s: np.flatnonzero((SPLITS == s).to_numpy()) for s in ("train", "dev", "test")}
    losses = []
    for penalty in PENALTIES:
        a, b = prepare((x.to_numpy(), False), rows["train"], rows["dev"])
        fitted = Ridge(alpha=penalty).fit(a, y.iloc[rows["train"]])
        losses.append(np.mean((fitted.predict(b) - y.iloc[rows["dev"]]) ** 2))
    best = PENALTIES[int(np.argmin(losses))]
    learn = np.r_[rows["train"], rows["dev"]]
    a, b = prepare((x.to_numpy(), False), learn, rows["test"])
    expected = Ridge(alpha=best).fit(a, y.iloc[learn]).predict(b)
    np.testing.assert_allclose(outcome.predictions["x"], expected, atol=1e-8)
    assert outcome.predictions["recording"].tolist() == INDEX[rows["test"]].tolist()
    assert outcome.penalties.query("method == 'x'")["penalty"].tolist() == [best]
    mae = outcome.table.query("method == 'x' and metric == 'MAE'")["value"].item()
    assert mae == pytest.approx(np.abs(expected - y.iloc[rows["test"]]).mean())


def test_without_dev_the_training_people_choose():
    x, y = _classes()
    two = SPLITS.replace("dev", "train")
    outcome = evaluate({"x": x}, y, PEOPLE, DEPRESSION, replicates=20, splits=two)
    assert len(outcome.predictions) == 7 * TAKES
    plan = official(two, y.to_numpy()[:, None], PEOPLE.to_numpy(), INDEX, np.array([0, 1]), 3, 0)
    assert len(plan) == 1 and len(plan[0].inner) == 3
    assert set(np.concatenate([held for _, held in plan[0].inner])) == set(plan[0].train)


def test_nothing_of_the_test_recordings_reaches_a_representation_that_learns():
    x, y = _classes()
    asked = Asked(x.sample(frac=1, random_state=0))  # in an order of its own
    outcome = evaluate({"x": asked, "same": x}, y, PEOPLE, STRESS, folds=4, replicates=20, reference="same")
    plan = nested(y.to_numpy()[:, None], PEOPLE.to_numpy(), 4, 3, True, 0)
    allowed = [frozenset(INDEX[rows]) for f in plan for rows in (f.train, *(inner for inner, _ in f.inner))]
    assert set(asked.asked) == set(allowed) and len(asked.asked) == 4 * (3 + 1)
    pd.testing.assert_series_equal(outcome.predictions["x"], outcome.predictions["same"], check_names=False)
    asked.asked.clear()
    evaluate({"x": asked}, y, PEOPLE, STRESS, replicates=20, splits=SPLITS)
    test = set(INDEX[(SPLITS == "test").to_numpy()])
    assert asked.asked and not any(test & rows for rows in asked.asked)


def test_test_values_change_nothing_but_their_own_predictions():
    x, y = _numbers()
    other = x.copy()
    other.loc[SPLITS == "test"] = 99.0 + np.random.default_rng(0).normal(size=(7 * TAKES, 6))
    a = evaluate({"x": x}, y, PEOPLE, DEPRESSION_SCORE, replicates=20, splits=SPLITS)
    b = evaluate({"x": other}, y, PEOPLE, DEPRESSION_SCORE, replicates=20, splits=SPLITS)
    pd.testing.assert_frame_equal(a.penalties, b.penalties)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.where(s.index != "s03_r1", "test"), "subject 's03' is in the train and the test split"),
        (lambda s: s.where(s.index != "s13_r1", "train"), "subject 's13' is in the train and the dev split"),
        (lambda s: s.drop("s05_r2"), "'s05_r2' has no split"),
        (lambda s: s.replace("dev", "devel"), "unknown split of recording 's12_r0'.*did you mean 'dev'"),
        (lambda s: s.replace("test", "dev"), "hold no test recording"),
        (lambda s: s.replace("train", "dev"), "hold no train recording"),
    ],
)
def test_official_splits_that_leak_or_lack_are_refused(change, says):
    x, y = _classes()
    with pytest.raises(InputError, match=says):
        evaluate({"x": x}, y, PEOPLE, STRESS, splits=change(SPLITS))


def test_a_train_split_without_a_class_is_refused_and_nothing_repeats_official_splits():
    x, y = _classes()
    with pytest.raises(InputError, match="train split lacks class '1'"):
        evaluate({"x": x}, y.where(SPLITS != "train", 0), PEOPLE, STRESS, splits=SPLITS)
    with pytest.raises(InputError, match="nothing to repeat"):
        evaluate({"x": x}, y, PEOPLE, STRESS, splits=SPLITS, repeats=3)


def test_a_recording_in_which_nothing_was_measured_is_refused_by_name():
    x, y = _classes()
    x.loc["s04_r2"] = np.nan
    for call in (
        lambda: evaluate({"x": x}, y, PEOPLE, STRESS),
        lambda: evaluate({"x": Asked(x)}, y, PEOPLE, STRESS),
        lambda: label_permutation(x, y, PEOPLE, STRESS),
    ):
        with pytest.raises(
            InputError, match="nothing was measured in recording 's04_r2'.*no face is detected"
        ):
            call()


def test_single_missing_values_become_the_median_of_the_training_recordings():
    x, y = _numbers()
    holes = x.copy()
    holes.iloc[::5, 1] = np.nan
    holes["never"] = np.nan
    holes["sometimes"] = np.where(
        np.arange(len(x)) < 40, np.nan, 1.0
    )  # all of some training folds may lack it
    outcome = evaluate({"x": holes}, y, PEOPLE, DEPRESSION_SCORE, replicates=20)
    assert np.isfinite(outcome.predictions["x"]).all()
    values = np.array([[1.0], [5.0], [9.0], [np.nan], [np.nan]])
    a, b = prepare((values, False), np.arange(4), np.array([4]))
    assert a[3, 0] == b[0, 0] == pytest.approx(a[1, 0])


def test_a_class_in_too_few_people_for_the_folds_is_refused():
    x, y = _classes()
    few = pd.Series(PEOPLE.isin(["s01", "s02"]).astype(int).to_numpy(), index=INDEX)
    with pytest.raises(InputError, match="too few subjects show"):
        evaluate({"x": x}, few, PEOPLE, STRESS, folds=5)


def test_bad_labels_subjects_and_names_are_refused():
    x, y = _classes()
    calls = {
        "must be numbers": lambda: evaluate({"x": x}, y.map({0: "low", 1: "high"}), PEOPLE, DEPRESSION_SCORE),
        "'s01_r0' has an infinite label": lambda: evaluate(
            {"x": x}, (y * 1.0).where(y.index != "s01_r0", np.inf), PEOPLE, DEPRESSION_SCORE
        ),
        "'s00_r0' has two subjects": lambda: evaluate({"x": x}, y, pd.concat([PEOPLE, PEOPLE[:1]]), STRESS),
        "neither a table nor a representation: list": lambda: evaluate({"x": [1]}, y, PEOPLE, STRESS),
        "name 'constant' is that of a row": lambda: evaluate({"constant": x}, y, PEOPLE, STRESS),
        "repeats must be 1 or more": lambda: evaluate({"x": x}, y, PEOPLE, STRESS, repeats=0),
        "did you mean 'ridge'": lambda: evaluate({"x": x}, y * 1.0, PEOPLE, DEPRESSION_SCORE, model="rigde"),
        "'asked' gave vectors of shape": lambda: evaluate({"asked": _Short(x)}, y, PEOPLE, STRESS),
        "1 subjects cannot fill 2 folds": lambda: label_permutation(
            x, y, PEOPLE.map(lambda s: "one"), STRESS
        ),
    }
    for says, call in calls.items():
        with pytest.raises(InputError, match=says):
            call()


class _Short(Asked):
    def vectors(self, train):
        return self.table.to_numpy()[1:]


def test_both_leaks_are_shown_on_people_who_differ_and_labels_that_mean_nothing():
    config = CohortConfig(subjects=30, recordings=4, seconds=6.0, effect=0.0, style=1.0)
    cohort = simulate_cohort(config, 0)
    about = cohort.recordings.set_index("recording")
    psi = (
        cohort.frames.filter(like="psi_").groupby(cohort.frames["recording"].astype(str)).agg(["mean", "std"])
    )
    psi.columns = ["_".join(c) for c in psi.columns]
    found = []
    for seed in range(4):  # one drawing of lots among 30 people can look like an effect
        lots = np.random.default_rng(seed).permutation(np.arange(30) % 2)
        labels = pd.Series(np.repeat(lots, 4), index=about.index)
        found.append(leakage(psi, labels, about["subject"], STRESS, seed).set_index("split")["value"])
    value = pd.concat(found, axis=1).mean(axis=1)
    assert value["at random (leaks)"] > value["by subject"] + 0.15
    assert value["at random, scaled on all recordings (leaks twice)"] > value["by subject"] + 0.15
    assert abs(value["by subject, scaled on all recordings (leaks)"] - value["by subject"]) < 0.1


def test_scaling_on_all_recordings_does_leak():
    """A test recording far from the others moves the scale that its own training recordings get."""
    values = np.r_[np.random.default_rng(0).normal(size=(11, 2)), [[100.0, 0.0]]]
    train, test = np.arange(11), np.array([11])
    honest, _ = prepare((values, False), train, test)
    leaky, _ = prepare((values, False), train, test, learn=np.arange(12))
    assert np.abs(leaky[:, 0]).max() < 0.3 * np.abs(honest[:, 0]).max()


def test_controls_know_the_design_and_nothing_of_faces():
    tasks = pd.Series(np.tile(["rest", "math", "talk"], SUBJECTS), index=INDEX)
    design = task_only(tasks)
    assert design.columns.tolist() == ["math", "rest", "talk"] and (design.sum(axis=1) == 1).all()
    label = (tasks == "math").astype(int)
    outcome = evaluate({"task only": design}, label, PEOPLE, STRESS, replicates=20)
    assert outcome.table.query("method == 'task only'")["value"].min() > 0.99
    kept = INDEX.drop(["s03_r2", "s03_r1"])
    there = availability_only(PEOPLE[kept], tasks[kept])
    assert there.loc["s03_r0", ["recordings", "rest", "math", "talk"]].tolist() == [1, 1, 0, 0]
    assert there.loc["s04_r1"].tolist()[0] == 3
    with pytest.raises(InputError, match="'s00_r1' has no task"):
        task_only(tasks.where(tasks.index != "s00_r1"))
    with pytest.raises(InputError, match="'s00_r1' has no task"):
        availability_only(PEOPLE, tasks.drop("s00_r1"))
