"""Sets that hold action units alone: FACS rows, controls, and drivers over units in place of tokens."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import trees
import yaml

from dfe_lib import results
from dfe_lib.analysis.alphabet import alphabet_of
from dfe_lib.analysis.prediction.drivers import occurrence
from dfe_lib.analysis.representations import describe
from dfe_lib.codings.facs import FACS, INTENSITIES
from dfe_lib.data.datasets.columns import units
from dfe_lib.data.simulation import CohortConfig, simulate_cohort
from dfe_lib.data.tasks import open_cohort
from dfe_lib.errors import InputError
from dfe_lib.figures.charts import plot_psi_over_time
from dfe_lib.frames import psi
from dfe_lib.runner import members
from dfe_lib.runner.notebook import load_profile
from dfe_lib.tokens import Tokenizer

FACS_ROWS = ["FACS mean+sd", "FACS bag", "FACS events", "FACS words", "recording length only"]


@pytest.fixture
def opened(cache):
    (cache / "e-daic").mkdir(parents=True)
    trees.e_daic_cohort(cache / "e-daic", people=8, n=12)
    return open_cohort("depression", "e-daic")


def test_the_cohort_says_what_it_holds(opened):
    assert opened.at_hand and opened.cohort.holds == "aus" and opened.source == "gated"
    assert opened.says.endswith("FACS rows only: this set holds action units, no video or landmarks")
    assert set(opened.splits) == {"train", "dev", "test"} and not opened.videos


def test_rows_are_those_of_facs_and_the_controls(opened):
    rows = describe(opened.cohort, Tokenizer.load())
    assert list(rows) == FACS_ROWS
    one = opened.cohort.recordings["recording"][0]
    table = opened.cohort.frames.query("recording == @one and detected")
    values = table[units(table)].to_numpy()
    at = opened.cohort.recordings.index[0]
    found = rows["FACS mean+sd"].vectors(np.arange(8))[at]
    np.testing.assert_allclose(found, [*values.mean(axis=0), *values.std(axis=0)], rtol=1e-5)
    bag = rows["FACS bag"].table.loc[one]
    assert bag["AU12_2"] == (np.rint(table["AU12"]) == 2).sum() and bag.sum() == (np.rint(values) > 0).sum()


def test_units_take_the_place_of_tokens(opened):
    alphabet = alphabet_of(opened.cohort, Tokenizer.load())
    assert alphabet.row == "FACS bag"
    rows = describe(opened.cohort, Tokenizer.load())
    numbers = alphabet.numbers(rows[alphabet.row].columns)
    seen = opened.cohort.frames.query("detected").reset_index(drop=True)
    codes = alphabet.codes(seen)
    counted = np.bincount(codes.ravel(), minlength=len(alphabet.words))[numbers]
    np.testing.assert_array_equal(counted, rows[alphabet.row].table.sum())  # the row counts these very words
    smile = alphabet.templates[alphabet.numbers(["AU12_3"])[0]]
    facs = FACS()
    strengths = 3.0 * (np.array(facs.names) == "AU12")
    np.testing.assert_allclose(smile, facs.deform(strengths[None])[0], atol=1e-6)
    with pytest.raises(InputError, match="AU12_9"):
        alphabet.numbers(["AU12_9"])
    group = opened.cohort.recordings.set_index("recording")["depressed"]
    when = occurrence(alphabet.written(opened.cohort), opened.cohort.recordings, group, numbers[:2])
    assert set(when["token"]) == set(numbers[:2]) and when["share"].between(0, 1).all()


def test_tokens_are_the_alphabet_of_everything_else():
    cohort, tokenizer = (
        simulate_cohort(CohortConfig(subjects=2, recordings=1, seconds=1), 0),
        Tokenizer.load(),
    )
    alphabet = alphabet_of(cohort, tokenizer)
    seen = cohort.frames[cohort.frames["detected"]]
    np.testing.assert_array_equal(alphabet.codes(seen), tokenizer.encode(psi(seen), method="greedy"))
    assert alphabet.numbers(["t3", "t12"]) == [3, 12] and alphabet.row == "DFE bag of tokens"


def test_a_unit_that_one_recording_lacks_is_named(opened, cache):
    path = next((cache / "e-daic" / "309_P").rglob("*.csv"))
    path.write_text(path.read_text().replace("AU12_r", "AUxx_r"))
    with pytest.raises(InputError, match="'309' has no intensity of AU12"):
        describe(open_cohort("depression", "e-daic").cohort, Tokenizer.load())


def test_units_over_time_are_drawn_as_intensities(opened):
    table = opened.cohort.frames
    ax = plot_psi_over_time(table[table["recording"] == table["recording"].iloc[0]], ["AU12"])
    assert ax.get_ylabel() == "intensity (0–5)" and len(ax.get_lines()) == 2


@pytest.mark.notebooks
def test_the_member_of_profile_paper_runs_to_its_end(cache, tmp_path, monkeypatch):
    """The project's own notebook and member on E-DAIC, trimmed as in profile ci."""
    (cache / "e-daic").mkdir(parents=True)
    trees.e_daic_cohort(cache / "e-daic")
    monkeypatch.setenv("DFE_RESULTS_DIR", str(tmp_path / "results"))
    own, trimmed = load_profile("paper/depression-e-daic"), load_profile("ci").notebooks["07_depression"]
    profiles = tmp_path / "profiles"
    (profiles / "paper").mkdir(parents=True)
    (profiles / "paper.yaml").write_text("data: {fetch: []}\ndefaults: {seed: 0}\n")
    values = {"07_depression": trimmed | own.notebooks["07_depression"]}
    member = {"dataset": own.dataset, "task": own.task, "notebooks": values}
    (profiles / "paper" / "depression-e-daic.yaml").write_text(yaml.safe_dump(member))
    said = io.StringIO()
    out = members.reproduce("paper", profiles=profiles, stream=said)
    assert out.ok and not out.left_out, said.getvalue()
    folder = tmp_path / "results" / "paper" / "depression-e-daic" / "07_depression"
    made = results.read(folder / "metrics.json")
    assert made["metrics"]["frames_hold"] == "aus"
    assert "FACS rows only" in made["data"][0]["what"] and made["data"][0]["source"] == "gated"
    methods = set(pd.read_csv(folder / "scores.csv")["method"])
    assert methods == {
        "FACS mean+sd",
        "FACS bag",
        "FACS events",
        "recording length only",
        "constant",
        "shuffled labels",
    }
    assert (
        pd.read_csv(folder / "drivers.csv")["feature"].str.fullmatch(rf"AU\d\d_[1-{INTENSITIES - 1}]").all()
    )
    assert {"drivers.png", "raster.png", "occurrence.png", "score.png", "forest.png"} <= set(made["figures"])
    executed = json.loads((folder / "07_depression.ipynb").read_text())
    shown = json.dumps(executed, ensure_ascii=False)
    assert "FACS rows only: this set holds action units, no video or landmarks" in shown
    assert {"DFE bag of tokens"} <= set(
        pd.read_csv(folder / "worlds.csv")["method"]
    )  # simulated people have ψ
