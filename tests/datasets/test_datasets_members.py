"""``dfe reproduce --profile paper``: what is at hand is run, what is not is left out with the reason."""

import io

import nbformat
import numpy as np
import pytest
import trees

from dfe_lib import frames
from dfe_lib.data.datasets import DATASETS, TASKS
from dfe_lib.errors import ConfigError
from dfe_lib.runner import members, run
from dfe_lib.runner.notebook import load_profile
from dfe_lib.runner.notebook import members as members_of
from dfe_lib.space import ICT53

PARAMETERS = """
profile: str = "demo"  # which profile
results_dir: str = "../results/demo/05_stress"  # where results go
seed: int = 0  # of everything
dataset: str = ""  # which data set
frames_path: str = ""  # where its frames are
"""
BODY = """
from dfe_lib.data.datasets import cohort_of
from dfe_lib.results import Record
record = Record.open("05_stress", results_dir, profile, seed)
cohort = cohort_of(dataset, "depression")
record.data(cohort.source, cohort.says)
record.metric("recordings", len(cohort.recordings))
record.close()
"""


@pytest.fixture
def walk(tmp_path, monkeypatch):
    monkeypatch.setattr(run.provenance, "code_digest", lambda: "library")
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DFE_DATA_MIRROR", "")
    monkeypatch.setenv("DFE_RESULTS_DIR", str(tmp_path / "results"))
    folder = tmp_path / "notebooks"
    (folder / "profiles" / "paper").mkdir(parents=True)
    cells = [
        nbformat.v4.new_markdown_cell("# A cohort"),
        nbformat.v4.new_code_cell(PARAMETERS.strip(), metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(BODY),
    ]
    kernel = {"name": "x", "display_name": "x", "language": "python"}
    metadata = {"dfe": {"inputs": [], "outputs": ["metrics.json"]}, "kernelspec": kernel}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), folder / "05_stress.ipynb")
    (folder / "profiles" / "paper.yaml").write_text("data: {fetch: []}\ndefaults: {seed: 4}\n")
    for name in ("e-daic", "daic-woz"):
        member(folder, name)
    return folder


def member(folder, name, task="depression", values="{dataset: %s}"):
    text = f"dataset: {name}\ntask: {task}\nnotebooks:\n  05_stress: {values.replace('%s', name)}\n"
    (folder / "profiles" / "paper" / f"{task}-{name}.yaml").write_text(text)


def test_what_has_landmarks_is_extracted_first(walk, tmp_path):
    """A set of action units alone runs as it is; one that can have ψ is not run without it."""
    made = {name: tmp_path / "cache" / name for name in ("e-daic", "daic-woz")}
    for name, make in (("e-daic", trees.e_daic), ("daic-woz", trees.daic_woz)):
        made[name].mkdir(parents=True)
        recordings = make(made[name])
    out, _ = go(walk)
    assert list(out.ran) == ["paper/depression-e-daic"]
    assert "`dfe data extract daic-woz`" in out.left_out["paper/depression-daic-woz"]
    with_psi(tmp_path / "cache", "daic-woz", recordings)
    out, said = go(walk)
    assert set(out.ran) == {"paper/depression-e-daic", "paper/depression-daic-woz"} and "2 of 2" in said


def with_psi(cache, name, recordings):
    for recording in recordings:
        table = frames.frame_table(recording, np.arange(3) / 10, np.ones(3, bool), attrs=ICT53.attrs())
        frames.write(
            frames.with_psi(table, np.zeros((3, 53)), ICT53.names),
            cache / "derived" / name / "frames" / f"{recording}.parquet",
        )


def go(walk, **options):
    said = io.StringIO()
    out = members.reproduce("paper", notebooks=walk, profiles=walk / "profiles", stream=said, **options)
    return out, said.getvalue()


def test_what_is_there_runs_and_the_rest_is_named(walk, tmp_path):
    place = tmp_path / "cache" / "e-daic"
    place.mkdir(parents=True)
    trees.e_daic(place)
    out, said = go(walk)
    assert (
        out.ok
        and list(out.ran) == ["paper/depression-e-daic"]
        and list(out.left_out) == ["paper/depression-daic-woz"]
    )
    assert "dfe data where daic-woz" in out.left_out["paper/depression-daic-woz"]
    last = said.split("members had their data at hand")[1]
    assert "1 of 2" in said and "1 ran" in last and "left out" in last
    metrics = run.results.read(
        tmp_path / "results" / "paper" / "depression-e-daic" / "05_stress" / "metrics.json"
    )
    assert metrics["metrics"]["recordings"] == 4 and metrics["seed"] == 4
    assert metrics["data"][0]["source"] == "gated" and "e-daic" in metrics["data"][0]["what"]
    assert metrics["profile"] == "paper/depression-e-daic"

    again, said = go(walk)
    assert again.ran["paper/depression-e-daic"].skipped == ["05_stress"]
    path = place / "labels" / "dev_split.csv"
    path.write_text(path.read_text().replace("400,male,0,0", "400,male,0,3"))
    again, said = go(walk)
    assert again.ran["paper/depression-e-daic"].ran == ["05_stress"] and "changed: dataset" in said


def test_nothing_at_hand_is_no_failure(walk):
    out, said = go(walk)
    assert out.ok and not out.ran and len(out.left_out) == 2 and "0 of 2" in said
    out, said = go(walk, only=["05"])
    assert len(out.left_out) == 2


def test_members_are_checked_before_anything_runs(walk):
    member(walk, "e-daicc")
    with pytest.raises(ConfigError, match="did you mean 'e-daic'"):
        go(walk)
    (walk / "profiles" / "paper" / "depression-e-daicc.yaml").unlink()
    member(walk, "lmvd", values="{datset: lmvd}")
    with pytest.raises(ConfigError, match="did you mean 'dataset'"):
        go(walk)


def test_member_takes_over_from_its_profile(walk):
    found = load_profile("paper/depression-e-daic", walk / "profiles")
    assert found.defaults == {"seed": 4} and found.dataset == "e-daic"
    assert members_of("paper", walk / "profiles") == ["paper/depression-daic-woz", "paper/depression-e-daic"]
    assert members_of("demo", walk / "profiles") == []
    with pytest.raises(ConfigError, match="unknown profile"):
        load_profile("paper/nothing", walk / "profiles")


def test_the_folder_of_frames_is_filled_in(walk, tmp_path):
    member(walk, "disfa", task="coverage", values='{frames_path: "{frames}"}')
    settings = load_profile("paper/coverage-disfa", walk / "profiles")
    values = run.values_of(settings, run.discover(walk))
    assert values["05_stress"]["frames_path"] == str(tmp_path / "cache" / "derived" / "disfa" / "frames")


def test_the_projects_own_members():
    names = members_of("paper")
    for name in names:
        found = load_profile(name)
        assert found.dataset in DATASETS and name == f"paper/{found.task}-{found.dataset}"
        assert found.task in ("coverage", *TASKS) and found.description
    for task in TASKS:
        had = {n for n, kind in DATASETS.items() if set(TASKS[task]) & set(kind.labels)}
        had |= {"gilanie-depression-au"} if task == "depression" else set()
        assert {n.split("-", 1)[1] for n in names if n.startswith(f"paper/{task}-")} == had


def test_values_of_the_projects_own_members_fit_their_notebooks():
    known = run.discover()
    for name in members_of("paper"):
        run.values_of(load_profile(name), known)
