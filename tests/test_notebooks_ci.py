"""The trimmed notebooks, end to end, with whatever assets are at hand."""

import json

import pytest

from dfe_lib import results, sharing
from dfe_lib.report import page
from dfe_lib.runner import identical, run
from dfe_lib.runner.execute import execute, kernel
from dfe_lib.runner.notebook import discover

pytestmark = pytest.mark.notebooks

# Figures with a frame, a photograph or somebody's landmarks.
PEOPLE = {"one_frame.png", "contact_sheet.png", "photographs.png", "overview.png", "reconstructions.png"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One complete run of the ci profile, shared by all tests here."""
    folder = tmp_path_factory.mktemp("results") / "ci"
    return run.reproduce("ci", folder=folder)


def metrics(folder, name):
    return results.read(folder / name / "metrics.json")


def test_every_notebook_runs(finished):
    assert finished.ok, finished.failed | finished.blocked
    assert sorted({*finished.ran, *finished.skipped}) == list(discover())


def test_each_says_what_it_stands_on_and_shows_something(finished):
    for name in discover():
        content = metrics(finished.folder, name)
        assert content["profile"] == "ci" and content["data"] and content["metrics"]
        executed = (finished.folder / name / f"{name}.ipynb").read_text()
        for line in content["data"]:
            assert f"**Data: {line['source']}**" in executed, f"{name} does not say aloud: {line}"


def test_results_name_no_place_on_this_machine(finished):
    for name in discover():
        text = json.dumps(metrics(finished.folder, name))
        assert str(finished.folder) not in text and str(run.REPOSITORY) not in text


def test_a_second_run_rests(finished):
    again = run.reproduce("ci", folder=finished.folder)
    assert again.ok and not again.ran


def test_the_command_says_what_was_done_and_where_it_lies(finished, dfe, monkeypatch):
    monkeypatch.setenv("DFE_RESULTS_DIR", str(finished.folder.parent))
    code, said, wrong = dfe("reproduce", "--profile", "ci")
    assert (code, wrong) == (0, "")
    assert f"0 ran, {len(discover())} up to date" in said
    assert said.splitlines()[-1].startswith(f"results: {finished.folder} (report: ")
    assert page.is_of(finished.folder)
    code, said, wrong = dfe("reproduce", "--profile", "ci", "--only", "00", "--force")
    assert code == 0 and "00_data_inventory        ran" in said, wrong


def test_the_same_seed_gives_the_same_of_everything(finished, tmp_path, monkeypatch):
    """All files of all notebooks, computed once more elsewhere, in another time zone and another locale."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setenv("LC_ALL", "C")
    again = run.reproduce("ci", folder=tmp_path / "ci")
    assert again.ok, again.failed
    assert again.ran == sorted({*finished.ran, *finished.skipped})
    assert identical.differences(finished.folder, again.folder) == []


def test_the_run_can_be_shared_without_anybody_in_it(finished, tmp_path):
    done = sharing.scrub(finished.folder, tmp_path / "shared")
    assert sharing.check(done.folder) == []
    for name in discover():
        before, after = metrics(finished.folder, name), metrics(done.folder, name)
        lost = {*before["figures"]} - {*after["figures"]}
        assert lost <= PEOPLE, "only what shows somebody is left out"
        assert after["tables"] == before["tables"] and after["outputs"] == before["outputs"]
        assert after["metrics"].keys() == before["metrics"].keys()
        assert (done.folder / name / f"{name}.ipynb").is_file()
    assert not PEOPLE & {p.name for p in done.folder.rglob("*.png")}


def test_the_report_shows_every_notebook(finished):
    text = page.write(finished.folder).read_text()
    for name in discover():
        assert f'id="{name}"' in text and (finished.folder / "notebooks" / f"{name}.html").is_file()
        for figure in metrics(finished.folder, name)["figures"]:
            assert f'href="{name}/{figure}"' in text


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("05_stress", "stressid"),
        ("06_personality", "chalearn-first-impressions"),
        ("07_depression", "daic-woz"),
    ],
)
def test_a_data_set_that_is_not_at_hand_stops_its_notebook_in_order(name, dataset, tmp_path, monkeypatch):
    for variable in ("DFE_DATA_DIR", "DFE_DATA_MIRROR"):
        monkeypatch.setenv(variable, str(tmp_path / "nothing"))
    notebook = discover()[name]
    with kernel(tmp_path / ".kernel") as kernel_name:
        execute(notebook, {"profile": "ci", "seed": 0, "dataset": dataset}, tmp_path / name, kernel_name)
    content = metrics(tmp_path, name)
    assert content["status"] == "skipped" and content["figures"] == content["tables"] == []
    assert dataset in content["data"][0]["what"] and str(tmp_path) not in json.dumps(content)
    executed = (tmp_path / name / f"{name}.ipynb").read_text()
    assert (
        f"dfe data where {dataset}" in executed and "licence" in executed and "Nothing is wrong" in executed
    )
