"""Folds done by worker processes give what this process would."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dfe_lib.analysis.prediction import trials
from dfe_lib.analysis.prediction.metrics import PERSONALITY, STRESS
from dfe_lib.analysis.prediction.protocol import evaluate
from dfe_lib.analysis.representations import describe
from dfe_lib.batch.workers import workers
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.errors import ConfigError
from dfe_lib.tokens import Tokenizer


class Here:
    """What stands for workers: it sees all that they would be sent."""

    def __init__(self):
        self.rows = []

    def map(self, function, *columns):
        self.rows += zip(*columns, strict=True)
        return [function(*row) for row in self.rows]


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(CohortConfig(subjects=14, recordings=2, seconds=4.0), 0, ExtractionNoise.load())


@pytest.fixture(scope="module")
def rows(cohort):
    return describe(cohort, Tokenizer.load(), codings={})


def same(one, other):
    for name in ("table", "predictions", "decisions", "penalties"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


@pytest.mark.parametrize(
    ("task", "columns"), [(STRESS, "stressed"), (PERSONALITY, ["openness", "neuroticism"])]
)
def test_folds_elsewhere_are_folds_here(cohort, rows, task, columns):
    about, here = cohort.recordings.set_index("recording"), Here()
    about = about.sample(frac=1, random_state=0)  # in another order than the rows
    some = {n: rows[n] for n in ("DFE bag of tokens", "k-means bag", "FACS words", "PCA mean+sd")}
    some["a table"] = rows["ψ mean+sd"].table
    given = some, about[columns], about["subject"], task
    one = evaluate(*given, replicates=20, repeats=2, folds=3)
    same(one, evaluate(*given, replicates=20, repeats=2, folds=3, workers=here))
    assert len(here.rows) == 2 * 3 * (len(some) + 1)
    sent = {type(value) for row in here.rows for value in row[:-2]}
    assert sent == {str, int}  # features lie on disk


def test_real_processes(cohort, rows):
    about = cohort.recordings.set_index("recording")
    given = (
        {n: rows[n] for n in ("DFE bag of tokens", "k-means bag")},
        about["stressed"],
        about["subject"],
        STRESS,
    )
    with workers(1) as pool:
        other = evaluate(*given, replicates=20, folds=2, workers=pool)
    same(evaluate(*given, replicates=20, folds=2), other)


def test_a_learner_that_workers_do_not_know_is_refused(tmp_path, rows):
    class Own(type(rows["k-means bag"])):
        pass

    mine = object.__new__(Own)
    vars(mine).update(vars(rows["k-means bag"]))
    with pytest.raises(ConfigError, match="'k-means bag' learns in every fold"):
        trials.write_features(mine, None, mine.recordings, tmp_path / "f")


def test_what_is_written_is_read_again(tmp_path, rows):
    train = np.arange(0, 28, 2)
    for i, name in enumerate(("k-means bag", "FACS words", "PCA mean+sd")):
        index, path = rows[name].recordings[::-1], tmp_path / f"{i}"
        trials.write_features(rows[name], None, index, path)
        values, counts = trials.read_features(str(path))(train)
        there = rows[name].recordings.get_indexer(index)
        np.testing.assert_array_equal(values, rows[name].vectors(there[train])[there])
        assert counts == rows[name].counts
