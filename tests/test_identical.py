"""Two runs are the same file by file, and whatever is not the same is found."""

import json
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from report_runs import run

from dfe_lib.runner.identical import differences, spread

NAME = "03_codebook_coverage"


@pytest.fixture
def two(tmp_path):
    """A run, and the same again at another time and place."""
    one = run(tmp_path / "one" / "demo")
    shutil.copytree(one, two := tmp_path / "two" / "demo")
    metrics = json.loads((two / NAME / "metrics.json").read_text())
    metrics["timings"] = {"wall_s": 99.0, "fit_s": 0.1}
    (two / NAME / "metrics.json").write_text(json.dumps(metrics))
    stamp = json.loads((two / NAME / "run.json").read_text()) | {"wall_s": 1.0}
    (two / NAME / "run.json").write_text(json.dumps(stamp))
    for folder, where, seconds in ((one, "one", 1), (two, "two", 2)):
        cells = [
            new_code_cell(
                f'results_dir = "../{where}"\nseed = 0', metadata={"tags": ["injected-parameters"]}
            ),
            new_code_cell(
                "x",
                metadata={"papermill": {"duration": seconds}},
                outputs=[
                    new_output("stream", name="stdout", text=f"at 0x{seconds}23456789\nrms 0.25\n"),
                    new_output("stream", name="stderr", text=f"{seconds} s\n"),
                    new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}),
                    new_output("execute_result", {"text/plain": f"PosixPath('../{where}/a.png')"}),
                    new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"id": where}}),
                ],
            ),
        ]
        nbformat.write(new_notebook(cells=cells), folder / NAME / f"{NAME}.ipynb")
    return one, two


def test_another_time_and_place_is_the_same_run(two):
    assert differences(*two) == []


def edit(name, old, new):
    def change(folder):
        path = folder / NAME / name
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    ("change", "file"),
    [
        (edit("short.csv", b"3.14159", b"3.1416"), "short.csv"),
        (edit("face.png", b"IDAT", b"IDAt"), "face.png"),
        (edit("metrics.json", b"0.25", b"0.250001"), "metrics.json"),
        (edit("run.json", b'"tau": 0.5', b'"tau": 0.6'), "run.json"),
        (edit(f"{NAME}.ipynb", b"rms 0.25", b"rms 0.26"), f"{NAME}.ipynb"),
        (edit(f"{NAME}.ipynb", b"iVBORw0KGgo=", b"iVBORw0KGgp="), f"{NAME}.ipynb"),
        (edit(f"{NAME}.ipynb", b"seed = 0", b"seed = 1"), f"{NAME}.ipynb"),
        (lambda f: (f / NAME / "more.parquet").write_bytes(b"x"), "more.parquet"),
        (lambda f: (f / NAME / "long.csv").unlink(), "long.csv"),
    ],
)
def test_what_differs_is_found(two, change, file):
    change(two[1])
    found = differences(*two)
    assert [d.file for d in found] == [f"{NAME}/{file}"], found


def test_how_far_runs_are_apart_is_said_by_kind(two):
    edit("metrics.json", b'"rms_mm": 0.25', b'"rms_mm": 0.276')(two[1])
    edit("short.csv", b"3.14159", b"3.14474")(two[1])
    table = spread(*two).set_index(["notebook", "kind"])
    metrics, tables = table.loc[(NAME, "metrics")], table.loc[(NAME, "tables")]
    assert metrics["largest"] == pytest.approx(0.026 / 0.26) and metrics["other"] == 1 / metrics["values"]
    assert tables["largest"] == pytest.approx(0.00315 / 3.15159) and tables["other"] == 1 / tables["values"]
    assert table.loc[(NAME, "figures"), "largest"] == 0 and table.loc[("09_claims", "tables"), "other"] == 0
