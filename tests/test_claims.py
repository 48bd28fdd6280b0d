"""Claims are decided by real data alone, and a claim that fails is called so."""

import numpy as np
import pytest

from dfe_lib.analysis.claims import Comparison, comparison_table, verdicts
from dfe_lib.errors import InputError


def row(dfe=0.8, value=0.7, source="open", **more):
    return Comparison("c", "F1", "people", source, "FACS", dfe, value, **more)


@pytest.mark.parametrize(
    ("comparison", "outcome"),
    [
        (row(), "ahead"),
        (row(0.7, 0.8), "behind"),
        (row(0.7, 0.8, lower_is_better=True), "ahead"),
        (row(p=0.2), "no difference shown"),
        (row(p=0.01), "ahead"),
        (row(0.7, 0.8, p=0.01), "behind"),
        (row(0.85, 1.0, resolution=0.3), "no difference shown"),
        (row(value=np.nan), "not tested"),
        (row(0.7, 0.7), "no difference shown"),
    ],
)
def test_outcome_of_one_comparison(comparison, outcome):
    assert comparison.outcome == outcome


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([row(), row(source="embedded")], "holds here"),
        ([row(0.1, 0.9), row(p=0.9)], "does not hold here"),
        ([row(), row(0.1, 0.9)], "mixed here"),
        ([row(p=0.9), row(p=0.5)], "open: no difference shown here"),
        ([row(source="simulated")], "not decided: simulated data only"),
        ([row(source="simulated"), row(0.1, 0.9)], "does not hold here"),
        ([row(value=np.nan)], "not tested"),
    ],
)
def test_verdict_over_a_claim(rows, verdict):
    assert verdicts(rows)["verdict"].item() == verdict


def test_every_comparison_is_counted_once():
    rows = [row(), row(source="simulated"), row(value=np.nan), row(0.1, 0.9), row(p=0.5)]
    assert verdicts(rows).drop(columns=["claim", "verdict"]).to_numpy().sum() == len(rows)
    assert comparison_table(rows)["outcome"].tolist()[3] == "behind"


def test_a_source_must_be_one_of_four():
    with pytest.raises(InputError, match="open"):
        verdicts([row(source="web")])
