"""Claims are decided by data from people alone, and a claim that fails is called so."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dfe_lib.analysis.claims import (
    TOO_FEW,
    Comparison,
    comparison_table,
    evidence,
    paired_comparisons,
    prediction_comparisons,
    untested,
    verdicts,
)
from dfe_lib.errors import InputError
from dfe_lib.figures.claims import LOOKS, plot_claims


def row(gain=0.1, p=0.01, source="open", other="FACS bag", data="people", **more):
    return Comparison("c", "F1", data, source, other, gain, gain - 0.05, gain + 0.05, p, **more)


@pytest.mark.parametrize(
    ("comparison", "outcome"),
    [
        (row(), "ahead"),
        (row(-0.1), "behind"),
        (row(p=0.2), "no difference shown"),
        (row(0.0), "no difference shown"),
        (row(np.nan), "not tested"),
        (row(p=np.nan), "not tested"),
        (row(testable=False), "not tested"),
    ],
)
def test_outcome_of_one_comparison(comparison, outcome):
    assert comparison.outcome == outcome


def test_rivals_belong_to_families():
    families = [row(other=o).against for o in ("FACS mean+sd", "MAE image", "Masked Autoencoders", "PCA bag")]
    assert families == ["FACS", "Masked Autoencoders", "Masked Autoencoders", "other encodings"]


@pytest.mark.parametrize(
    ("rows", "verdict", "gain"),
    [
        ([row(0.3), row(0.1, other="FACS events")], "supported", 0.1),
        ([row(0.3), row(-0.1, other="FACS events")], "not supported", -0.1),
        ([row(0.3), row(0.1, p=0.5, other="FACS events")], "not supported", 0.1),
        ([row(0.3), row(np.nan, other="FACS events")], "supported", 0.3),
        ([row(testable=False)], "not testable here", 0.1),
        ([row(np.nan)], "not testable here", np.nan),
    ],
)
def test_one_data_set_supports_a_claim_if_every_tested_rival_is_beaten(rows, verdict, gain):
    found = evidence(rows)
    assert found["verdict"].item() == verdict
    assert found["gain"].item() == pytest.approx(gain, nan_ok=True), (
        "the estimate is that of the strongest rival"
    )


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([row(data="a"), row(data="b", source="gated")], "supported"),
        ([row(data="a"), row(-0.1, data="b")], "supported on 1 of 2"),
        ([row(data="a", p=0.9), row(data="b", p=0.9)], "not supported"),
        ([row(source="simulated")], "not testable here"),
        ([row(source="simulated"), row(-0.1, data="b")], "not supported"),
        ([row(np.nan)], "not testable here"),
        ([row(data="a"), row(data="b", testable=False)], "supported"),
    ],
)
def test_only_data_from_people_decide(rows, verdict):
    assert verdicts(evidence(rows))["verdict"].item() == verdict


def test_what_simulated_data_say_stands_beside_and_is_not_counted():
    found = verdicts(evidence([row(source="simulated"), row(-0.1, source="simulated", data="b")])).iloc[0]
    assert found["people"] == 0 and found["simulated"] == "supported (1), not supported (1)"


def test_every_comparison_stands_in_the_table_once():
    rows = [row(), row(source="simulated"), row(np.nan), row(-0.1), row(p=0.5)]
    assert comparison_table(rows)["outcome"].tolist() == [
        "ahead", "ahead", "not tested", "behind", "no difference shown"
    ]  # fmt: skip


def test_a_source_must_be_one_of_four():
    with pytest.raises(InputError, match="open"):
        row(source="web")


def test_paired_tables_of_codings():
    table = pd.DataFrame(
        {"data": ["actors", "actors", "tracks"], "source": "open", "other": ["PCA", "ψ", "PCA"]}
    )
    table = table.assign(
        gain=0.2, low=0.1, high=0.3, p_holm=[0.001, 0.001, 1.0], outcome=["ahead", "ahead", TOO_FEW]
    )
    found = paired_comparisons("precise", "mm", table, "04_facs_comparison")
    assert [(c.data, c.outcome) for c in found] == [("actors", "ahead"), ("tracks", "not tested")]
    rendered = paired_comparisons("precise", "MRR", table.drop(columns="source").head(1), "04")
    assert rendered[0].source == "simulated"


def scores(metric="weighted F1"):
    rows = pd.DataFrame(
        {"method": ["DFE bag of tokens", "FACS bag", "FACS ideal bag", "PCA bag", "MAE image"]}
    )
    rows["difference"] = [0.0, -0.1, 0.3, 0.5, 0.05]
    rows["difference_low"], rows["difference_high"] = rows["difference"] - 0.02, rows["difference"] + 0.04
    rows = rows.assign(p_holm=[np.nan, 0.01, 0.01, 0.01, 0.5], metric=metric, primary=True, target="all")
    return pd.concat([rows, rows.assign(primary=False), rows.assign(target="one")])


def test_a_task_is_tested_against_facs_and_masked_autoencoders():
    found = prediction_comparisons("2a", scores(), "StressID", "gated", "05_stress")
    assert [(c.other, c.against, c.outcome) for c in found] == [
        ("FACS bag", "FACS", "ahead"),
        ("MAE image", "Masked Autoencoders", "no difference shown"),
    ], "an ideal coder is no pipeline; PCA is not what the claim names"
    assert (found[0].gain, found[0].low, found[0].high) == pytest.approx((0.1, 0.06, 0.12))


def test_a_lower_error_is_a_gain():
    found = prediction_comparisons("2c", scores("RMSE"), "StressID", "gated", "07")
    assert (found[0].gain, found[0].low, found[0].high) == pytest.approx((-0.1, -0.12, -0.06))
    assert found[0].outcome == "behind"


def test_a_family_that_was_not_measured_has_a_row_that_says_so():
    without = scores()[lambda t: ~t["method"].str.startswith("MAE")]
    found = evidence(prediction_comparisons("2a", without, "StressID", "gated", "05_stress"))
    assert found.set_index("against")["verdict"].to_dict() == {
        "FACS": "supported", "Masked Autoencoders": "not testable here"
    }  # fmt: skip
    with pytest.raises(InputError, match="reference"):
        prediction_comparisons("2a", scores().assign(difference=0.1), "StressID", "gated", "05")


def test_a_task_without_its_data_is_not_testable():
    found = verdicts(evidence(untested("2a", "stressid is not at hand", "05_stress")))
    assert found["against"].tolist() == ["FACS", "Masked Autoencoders"]
    assert set(found["verdict"]) == {"not testable here"}


def test_the_picture_has_a_cell_per_estimate_and_hatches_what_does_not_count():
    table = evidence([row(), row(-0.2, source="simulated", data="cohort"), row(np.nan, other="MAE image")])
    figure = plot_claims(table)
    ax = figure.axes[0]
    texts = [t.get_text() for t in ax.texts]
    assert texts == [
        "+0.100\n[0.050, 0.150]\nover FACS bag",
        "-0.200\n[-0.250, -0.150]\nover FACS bag",
        "not measured",
    ]
    assert [bool(p.get_hatch()) for p in ax.patches] == [False, True, False]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["people", "cohort"]
    assert matplotlib.colors.to_hex(ax.patches[0].get_facecolor()) == LOOKS["supported"].lower()
    plt.close(figure)
