"""Where the answer is known: worlds, power and p-values of the bag of tokens."""

import numpy as np
import pytest

from dfe_lib.analysis import simulated
from dfe_lib.analysis.prediction.metrics import DEPRESSION_SCORE, STRESS
from dfe_lib.analysis.prediction.summary import summarise
from dfe_lib.analysis.representations import DFE_BAG, describe
from dfe_lib.data.simulation import CohortConfig, simulate_cohort
from dfe_lib.tokens import Tokenizer

SMALL = CohortConfig(subjects=12, recordings=2, seconds=3)


@pytest.fixture(scope="module")
def tok():
    return Tokenizer.load()


def test_the_bag_is_that_of_the_tables(tok):
    cohort = simulate_cohort(SMALL, 0)
    assert simulated.bag(cohort, tok).equals(describe(cohort, tok, codings={})[DFE_BAG].table)


def test_worlds_have_the_rows_that_were_asked_for(tok):
    table = simulated.in_worlds(SMALL, tok, "stressed", STRESS, ["FACS mean+sd", DFE_BAG, "no such row"])
    assert list(table["world"].unique()) == ["facs", "beyond", "mixed"]
    assert set(table["method"]) == {"FACS mean+sd", DFE_BAG, "constant", "shuffled labels"}
    assert (table.query("method == @DFE_BAG")["difference"] == 0).all(), "the bag is the reference"
    shown = summarise(table.query("world == 'facs'"), "simulated", {DFE_BAG: "counts"})
    assert shown.index.name == "simulated data" and shown.loc[DFE_BAG, "what it is"] == "counts"
    assert shown.loc[DFE_BAG, "p (Holm)"] == "–" and "[" in shown.iloc[0, 0]


def test_power_cuts_one_cohort_into_many(tok):
    config = CohortConfig(subjects=24, recordings=4, seconds=15, effect=0.8)
    table = simulated.power(config, tok, "stressed", STRESS, [0.0, 3.0], [8, 24], permutations=39)
    assert table.set_index(["effect", "subjects"])["cohorts"].to_dict() == {
        (0.0, 8): 3, (0.0, 24): 1, (3.0, 8): 3, (3.0, 24): 1
    }  # fmt: skip
    assert table.query("effect == 3")["detected"].min() > 0.5


def test_null_p_values_know_no_effect(tok):
    config = CohortConfig(subjects=40, recordings=2, seconds=2, effect=5.0)
    p = simulated.null_p_values(config, tok, "phq", DEPRESSION_SCORE, 8, permutations=39)
    assert p.shape == (5,) and ((p >= 1 / 40) & (p <= 1)).all() and np.median(p) > 0.1
