"""Claims are decided by real data alone, and a claim that fails is called so."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib.analysis.claims import TOO_FEW, Comparison, comparison_table, fidelity_comparisons, verdicts
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


def test_precision_counts_only_where_a_test_over_people_shows_it():
    data = ["actors", "actors", "actors", "tracks", "tracks"]
    coding = ["DFE", "PCA", "short", "DFE", "PCA"]
    error = pd.DataFrame({"data": data, "source": "open", "coding": coding, "bits": [48, 48, 8, 48, 48]})
    error["rms_mm"] = [0.2, 0.3, 0.1, 0.2, 0.9]
    outside = pd.DataFrame({"data": data, "coding": coding, "of_that_reproduced": [0.9, 0.8, 0.0, 0.9, 0.1]})
    shown = pd.DataFrame({"data": ["actors", "tracks"], "other": "PCA", "p_holm": [0.001, 1.0]})
    shown["outcome"] = ["ahead", TOO_FEW]
    not_shown = shown.assign(p_holm=[0.3, 1.0])
    rows = fidelity_comparisons("precise", "wide", error, outside, (shown, not_shown))
    assert [(r.claim, r.data, r.outcome) for r in rows] == [
        ("precise", "actors", "ahead"),
        ("wide", "actors", "no difference shown"),
        ("precise", "tracks", "not tested"),
        ("wide", "tracks", "not tested"),
    ]
