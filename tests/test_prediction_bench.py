"""The benchmark of the protocol measures what its tests do: p-values of parts of a cohort, and their uniformity."""

import sys

import numpy as np
import pandas as pd
import pytest

import dfe_lib.bench.prediction  # noqa: F401  (the package shows its function of this name)
from dfe_lib.analysis.prediction.permutation import label_permutation
from dfe_lib.analysis.representations.base import Table

bench = sys.modules["dfe_lib.bench.prediction"]


def test_p_values_of_a_part_are_those_of_a_cohort_that_is_no_larger():
    rng = np.random.default_rng(0)
    index = pd.Index([f"s{s}_r{r}" for s in range(16) for r in range(4)], name="recording")
    people = np.repeat([f"s{s}" for s in range(16)], 4)
    about = pd.DataFrame({"subject": people, "stressed": np.tile([0, 1, 1, 0], 16)}, index=index)
    about["phq"] = np.repeat(rng.integers(0, 25, 16), 4)
    about["extraversion"] = np.repeat(rng.random(16), 4)
    table = pd.DataFrame(rng.normal(size=(64, 5)), index=index)
    table[0] += 3 * about["stressed"]
    part = np.arange(32, 64)
    found = bench._p_values({"x": Table("x", table)}, about, part, 7, 39, 4).set_index("task")
    for name, (column, task) in bench.TASKS.items():
        own = about.iloc[part]
        alone = label_permutation(table.iloc[part], own[column], own["subject"], task, 7, 39, 4)
        assert found.loc[name, "p"] == alone.p and found.loc[name, "score"] == pytest.approx(alone.score)
    assert found.loc["stress", "p"] < 0.1


def test_uniformity_is_told():
    rng = np.random.default_rng(0)
    steps = np.arange(1, 101) / 100
    assert bench._uniform(rng.choice(steps, 200)) > 0.05
    assert bench._uniform(np.minimum(rng.choice(steps, 200), rng.choice(steps, 200))) < 0.01
