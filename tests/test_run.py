"""The strict runner, on notebooks small enough to write here."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import nbformat
import pytest

from dfe_lib import results
from dfe_lib.errors import ConfigError, InputError, RunError
from dfe_lib.report import page
from dfe_lib.runner import compare, run
from dfe_lib.runner import notebook as notebooks
from dfe_lib.runner.execute import execute, kernel, recover, verify

PARAMETERS = """
profile: str = "demo"  # which profile
results_dir: str = "../results/demo/{name}"  # where results go
seed: int = 0  # of everything random
rate: float = 0.5  # learning rate
label: str | None = None  # free text
sizes: list[int] = [1, 2]  # of the layers
"""
OPEN = """
import sys, os
from dfe_lib.results import Record
record = Record.open("{name}", results_dir, profile, seed)
record.data("simulated", "one number")
"""
WALK = {
    "00_first": (
        """
        record.metric("cwd_is_the_notebooks_folder", os.path.exists("00_first.ipynb"))
        record.metric("same_interpreter", sys.executable)
        record.metric("rate", rate)
        record.path("number.json").write_text(str(seed + 1))
        """,
        [],
        ["number.json"],
    ),
    "01_second": (
        'record.metric("number", int(record.input("00_first/number.json").read_text()))',
        ["00_first/number.json"],
        [],
    ),
    "02_apart": (
        """
        import pandas as pd, matplotlib.pyplot as plt
        record.table("t", pd.DataFrame({"x": [1.0, 2.0]}))
        fig, ax = plt.subplots()
        record.figure("f", fig, "Nothing, n = 0.")
        """,
        [],
        ["t.csv", "f.png"],
    ),
}


def write_notebook(folder, name, body="", inputs=(), outputs=(), parameters=PARAMETERS, close=True):
    cells = [nbformat.v4.new_markdown_cell(f"# Title of {name}")]
    if parameters is not None:
        cells.append(
            nbformat.v4.new_code_cell(parameters.format(name=name).strip(), metadata={"tags": ["parameters"]})
        )
    cells.append(nbformat.v4.new_code_cell(OPEN.format(name=name)))
    cells.append(nbformat.v4.new_code_cell(textwrap.dedent(body)))
    if close:
        cells.append(nbformat.v4.new_code_cell("record.close()"))
    declared = {"inputs": list(inputs), "outputs": ["metrics.json", *outputs]}
    # The kernel that the notebook names does not exist: the runner must not ask it.
    metadata = {
        "dfe": declared,
        "kernelspec": {"name": "elsewhere", "display_name": "x", "language": "python"},
    }
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.fixture
def walk(tmp_path, monkeypatch):
    # What the library holds is not the point here, and an editor may save a module while these tests run.
    monkeypatch.setattr(run.provenance, "code_digest", lambda: "library")
    folder = tmp_path / "notebooks"
    (folder / "profiles").mkdir(parents=True)
    for name, (body, inputs, outputs) in WALK.items():
        write_notebook(folder, name, body, inputs, outputs)
    (folder / "profiles" / "ci.yaml").write_text("defaults: {seed: 3}\nnotebooks: {00_first: {rate: 1}}\n")
    return folder


def go(walk, **options):
    said = io.StringIO()
    summary = run.reproduce(
        "ci",
        folder=walk.parent / "results" / "ci",
        notebooks=walk,
        profiles=walk / "profiles",
        stream=said,
        **options,
    )
    return summary, said.getvalue()


@pytest.mark.notebooks
def test_a_walk_runs_then_rests_then_reruns_only_what_changed(walk):
    summary, said = go(walk)
    assert summary.ok and summary.ran == list(WALK), said
    assert [line.split()[:2] for line in said.splitlines()] == [[n, "ran"] for n in WALK]
    first = results.read(summary.folder / "00_first" / "metrics.json")
    assert first["metrics"] == {
        "cwd_is_the_notebooks_folder": True,
        "same_interpreter": sys.executable,
        "rate": 1.0,
    }
    assert (first["profile"], first["seed"]) == ("ci", 3)
    assert results.read(summary.folder / "01_second" / "metrics.json")["metrics"] == {"number": 4}
    executed = (summary.folder / "00_first" / "00_first.ipynb").read_text()
    assert "staging" not in executed and str(walk) not in executed
    assert not [p for p in summary.folder.iterdir() if p.name.startswith(".")]

    shown = page.write(summary.folder).read_text()
    assert "Title of 02_apart" in shown and "02_apart/f.png" in shown and "one number" in shown
    assert (summary.folder / "notebooks" / "02_apart.html").is_file()

    summary, said = go(walk)
    assert summary.skipped == list(WALK) and said.count("up to date") == 3, said

    # An output of the first was damaged: it runs again; what it delivers is the same, so the second rests.
    (summary.folder / "00_first" / "number.json").write_text("5")
    summary, said = go(walk, only=["1"])
    assert (summary.ran, summary.skipped) == (["00_first"], ["01_second"]), said
    assert "number.json was changed" in said


@pytest.mark.notebooks
def test_a_failure_keeps_the_earlier_result_and_stops_only_its_dependants(walk):
    before, _ = go(walk, only=["00"])
    kept = (before.folder / "00_first" / "metrics.json").read_bytes()
    write_notebook(walk, "00_first", "1 / 0", (), ["number.json"])
    summary, said = go(walk)
    assert set(summary.failed) == {"00_first"} and summary.blocked == {"01_second": "00_first"}
    assert summary.ran == ["02_apart"] and not summary.ok
    assert "ZeroDivisionError: division by zero" in said and "it reads from 00_first, which failed" in said
    assert (summary.folder / "00_first" / "metrics.json").read_bytes() == kept
    failed = nbformat.read(summary.folder / "00_first" / "00_first.failed.ipynb", as_version=4)
    assert "exception" in str(failed.cells[0].source).lower(), "the failing cell is not marked"
    assert any(o.output_type == "error" for c in failed.cells for o in c.get("outputs", ()))


@pytest.mark.notebooks
def test_a_notebook_without_its_data_stops_in_order_and_says_so(walk):
    write_notebook(
        walk,
        "00_first",
        "record.skip('**StressID** is not at hand.\\n\\nAsk its owners.')\n1 / 0",
        (),
        ["number.json"],
    )
    # Who reads from it still runs, and can ask whether there is anything to read.
    body = "record.metric('told', results.read(record.input('00_first/metrics.json'))['status'])"
    inputs = ["00_first/metrics.json", "00_first/number.json"]
    write_notebook(walk, "01_second", f"from dfe_lib import results\n{body}", inputs)
    summary, said = go(walk)
    assert summary.ok and "00_first                 stopped" in said, said
    content = results.read(summary.folder / "00_first" / "metrics.json")
    assert content["status"] == "skipped" and content["metrics"] == {}
    assert content["data"] == [{"source": "gated", "what": "StressID is not at hand."}]
    executed = nbformat.read(summary.folder / "00_first" / "00_first.ipynb", as_version=4)
    shown = str([c.get("outputs") for c in executed.cells])
    assert "Ask its owners" in shown and "Nothing is wrong" in shown and "ZeroDivisionError" not in shown
    told = results.read(summary.folder / "01_second" / "metrics.json")
    assert told["metrics"] == {"told": "skipped"} and told["status"] == "complete"
    assert go(walk)[0].ran == ["00_first"], "it is asked again each time: the data may have come"


@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("body", "close", "says"),
    [
        ("", True, "did not write its declared output late.csv"),
        ("record.path('late.csv').write_text('')", True, "late.csv is broken: the file is empty"),
        ("open(results_dir + '/late.csv', 'w').write('a,b\\n1,2\\n')", False, "declared output metrics.json"),
        ("os._exit(1)", True, "the kernel died"),
    ],
)
def test_what_was_promised_must_be_delivered(tmp_path, body, close, says):
    path = write_notebook(tmp_path, "04_promise", body, (), ["late.csv"], close=close)
    target = tmp_path / "results" / "04_promise"
    with kernel(tmp_path / ".kernel") as name, pytest.raises(RunError, match=says):
        execute(notebooks.read(path), {"profile": "ci", "seed": 0}, target, name)
    assert not (target / "metrics.json").exists()
    assert sorted(p.name for p in target.parent.iterdir()) == ["04_promise"]


def test_a_metrics_file_of_another_run_is_refused(tmp_path):
    notebook = notebooks.read(write_notebook(tmp_path, "04_promise"))
    record = results.Record.open("04_promise", tmp_path / "r", "demo", 0)
    record.data("open", "x")
    record.close()
    verify(notebook, tmp_path / "r", {"profile": "demo", "seed": 0})
    with pytest.raises(RunError, match="seed = 0, but it ran with 1"):
        verify(notebook, tmp_path / "r", {"profile": "demo", "seed": 1})
    content = json.loads((tmp_path / "r" / "metrics.json").read_text())
    (tmp_path / "r" / "metrics.json").write_text(json.dumps(content | {"data": []}))
    with pytest.raises(RunError, match="does not satisfy its schema"):
        verify(notebook, tmp_path / "r", {"profile": "demo", "seed": 0})


@pytest.mark.notebooks
def test_interruption_leaves_the_earlier_result(walk):
    write_notebook(walk, "00_first", "import time; time.sleep(60)", (), ["number.json"])
    target = walk.parent / "results" / "ci"
    (target / "00_first").mkdir(parents=True)
    (target / "00_first" / "metrics.json").write_text("earlier")
    code = (
        "import sys; from pathlib import Path; from dfe_lib.runner import run; "
        "w = Path(sys.argv[1]); run.reproduce('ci', ['00'], folder=Path(sys.argv[2]), "
        "notebooks=w, profiles=w / 'profiles')"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(walk), str(target)],
        stderr=subprocess.PIPE,
        text=True,
        # Started in the background (as by a CI server), this process may ignore Ctrl-C and hand that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list(target.glob(".00_first.staging/*.ipynb")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode != 0 and "KeyboardInterrupt" in said
    assert [p.name for p in target.iterdir()] == ["00_first"]
    assert (target / "00_first" / "metrics.json").read_text() == "earlier"


def test_what_cannot_be_had_is_named_once_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DFE_DATA_MIRROR", "")
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path))
    run.prepare("demo")
    said = capsys.readouterr()
    assert (
        said.out.startswith("going on without mediapipe-face-landmarker")
        and said.out.count("ict-facekit") == 1
    )
    assert "offline" in said.err and not list(tmp_path.rglob("*.part"))


def test_what_a_killed_run_left_is_mended(tmp_path):
    target, aside, staging = (tmp_path / n for n in ("00_first", ".00_first.old", ".00_first.staging"))
    for folder in (aside, staging):
        folder.mkdir()
    (aside / "metrics.json").write_text("earlier")
    recover(target)
    assert [p.name for p in tmp_path.iterdir()] == ["00_first"]
    assert (target / "metrics.json").read_text() == "earlier"


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("notebooks: {00_first: {rte: 1.0}}", "did you mean 'rate'"),
        (
            "notebooks: {00_first: {rate: 1e-3}}",
            "YAML reads 1e-3 as text, write it with a point, as 0.00100000",
        ),
        ("notebooks: {00_first: {rate: true}}", "must be float, but got True"),
        ("notebooks: {00_first: {rate: null}}", "must be float, but got None"),
        ("notebooks: {00_first: {seed: 1.0}}", "must be int, but got 1.0"),
        ("notebooks: {00_first: {sizes: [1, two]}}", "must be int, but got 'two'"),
        ("notebooks: {00_frist: {}}", "did you mean '00_first'"),
        ("defaults: {sede: 1}", "no notebook has the parameter 'sede'"),
        ("default: {seed: 1}", "did you mean 'defaults'"),
        ("- 1", "must be a mapping"),
        ("a: [", "cannot be read as profile ci"),
    ],
)
def test_a_profile_is_read_strictly_before_anything_runs(walk, profile, says):
    (walk / "profiles" / "ci.yaml").write_text(profile)
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        go(walk)
    assert not (walk.parent / "results").exists()


def test_unknown_names_are_answered_with_the_known_ones(walk):
    with pytest.raises(ConfigError, match="did you mean 'ci'"):
        notebooks.load_profile("cii", walk / "profiles")
    with pytest.raises(ConfigError, match="did you mean '01_second'"):
        go(walk, only=["01_secnd"])
    known = notebooks.discover(walk)
    assert {notebooks.select(w, known) for w in ("1", "01", "01_second", "notebooks/01_second.ipynb")} == {
        "01_second"
    }


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        (None, "no cells tagged 'parameters'"),
        ("seed: int = 0", "lacks profile, results_dir"),
        (PARAMETERS + "\nx = 3", "lines like"),
        (PARAMETERS + "\nx: dict = {{}}", "has type dict"),
        (PARAMETERS + "\nx: int = 0.5", "must be int"),
        (PARAMETERS + "\nx: int = seed", "must be a literal"),
        (PARAMETERS + "\nx: int = ", "not Python"),
    ],
)
def test_a_parameters_cell_is_read_strictly(tmp_path, parameters, says):
    with pytest.raises(ConfigError, match=says):
        notebooks.read(write_notebook(tmp_path, "00_first", parameters=parameters))


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        (["01_second/x"], [], "lower number"),
        (["../x"], [], "below the results folder"),
        ([], ["/x"], "below the results folder"),
    ],
)
def test_declared_paths_stay_inside(tmp_path, inputs, outputs, says):
    with pytest.raises(ConfigError, match=says):
        notebooks.read(write_notebook(tmp_path, "01_second", "", inputs, outputs))


def test_an_input_from_nowhere_and_a_file_that_is_no_notebook(tmp_path):
    write_notebook(tmp_path, "01_second", "", ["00_first/x"])
    with pytest.raises(ConfigError, match="unknown notebook"):
        notebooks.discover(tmp_path)
    (tmp_path / "00_first.ipynb").write_text("{}")
    with pytest.raises(ConfigError, match="not a readable notebook"):
        notebooks.read(tmp_path / "00_first.ipynb")


def test_every_part_of_a_fingerprint_counts(walk, tmp_path):
    notebook = notebooks.read(walk / "01_second.ipynb")
    folder = tmp_path / "r"
    (folder / "00_first").mkdir(parents=True)
    (folder / "00_first" / "number.json").write_text("1")
    common = {"library": "a", "packages": "b", "manifest": "c", "assets": "d"}
    start = run.fingerprint(notebook, {"seed": 0}, folder, common)
    assert start == run.fingerprint(notebook, {"seed": 0}, folder, common)
    assert run.fingerprint(notebook, {"seed": 1}, folder, common)["parameters"] != start["parameters"]
    (folder / "00_first" / "number.json").write_text("2")
    assert run.fingerprint(notebook, {"seed": 0}, folder, common)["inputs"] != start["inputs"]
    write_notebook(walk, "01_second", "pass", ["00_first/number.json"])
    assert run.fingerprint(notebook, {"seed": 0}, folder, common)["notebook"] != start["notebook"]
    assert set(start) == {*common, "notebook", "parameters", "inputs"}


def test_comparison_is_side_by_side_and_within_tolerances(tmp_path):
    def leave(root, what="x", **metrics):
        record = results.Record.open("00_first", tmp_path / root / "00_first", "demo", 0)
        record.data("open", what)
        for name, value in metrics.items():
            record.metric(name, value)
        record.close()

    leave("there", same=1, near=1.0, far=1.0, text="a", flag=True, gone=0)
    compare.save(tmp_path / "there", tmp_path / "reference")
    leave("here", same=1, near=1.04, far=1.2, text="b", flag=1, fresh=0)
    table = compare.compare(tmp_path / "here", tmp_path / "reference", relative=0.05, absolute=0.0)
    verdicts = dict(zip(table["metric"], table["verdict"], strict=True))
    assert verdicts == {
        "same": "equal", "near": "within", "far": "differs", "text": "differs", "flag": "differs",
        "gone": "gone", "fresh": "new",
    }  # fmt: skip
    assert set(compare.disagreements(table)["metric"]) == {"far", "text", "flag", "gone", "fresh"}
    shutil.rmtree(tmp_path / "here")
    leave("here", what="other", same=1, near=5.0)
    table = compare.compare(tmp_path / "here", tmp_path / "reference")
    assert compare.disagreements(table).empty and "other data" in set(table["verdict"])
    with pytest.raises(InputError, match="--save-reference"):
        compare.compare(tmp_path / "here", tmp_path / "nowhere")


def test_the_kernel_is_this_interpreter_whatever_the_user_has(tmp_path, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager

    monkeypatch.setenv("JUPYTER_PATH", os.fspath(tmp_path))
    with kernel(tmp_path / ".kernel") as name:
        assert KernelSpecManager().get_kernel_spec(name).argv[0] == sys.executable
    assert os.environ["JUPYTER_PATH"] == os.fspath(tmp_path)


def test_a_check_without_reference_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match="--profile ci --save-reference"):
        compare.recompute("ci", (), tmp_path / "none")


@pytest.mark.notebooks
def test_a_check_recomputes_elsewhere_and_compares(walk, tmp_path, monkeypatch, capsys):
    summary, _ = go(walk, only=["00"])
    compare.save(summary.folder, tmp_path / "reference")
    stamp = (summary.folder / "00_first" / run.STAMP).read_bytes()
    inside = {"notebooks": walk, "profiles": walk / "profiles"}
    original = run.reproduce
    monkeypatch.setattr(run, "reproduce", lambda *args, **options: original(*args, **options, **inside))
    monkeypatch.setattr(compare, "load_profile", lambda name: notebooks.load_profile(name, walk / "profiles"))
    assert compare.recompute("ci", ["00"], tmp_path / "reference")
    assert "3 metrics, 0 disagree" in capsys.readouterr().out
    saved = tmp_path / "reference" / "00_first.json"
    saved.write_text(saved.read_text().replace('"rate": 1.0', '"rate": 2.0'))
    assert not compare.recompute("ci", ["00"], tmp_path / "reference")
    assert (summary.folder / "00_first" / run.STAMP).read_bytes() == stamp
