"""Names of files, recordings and labels that are markup, paths, options or commands to a terminal."""

import ast
import json

import numpy as np
import pytest

from dfe_lib import cli, frames, results
from dfe_lib.display import Shown
from dfe_lib.errors import InputError, printable
from dfe_lib.explorer import opening
from dfe_lib.frames import frame_table
from dfe_lib.paths import is_below
from dfe_lib.report import executed

ESCAPES = {  # what a terminal would do with it
    "clipboard": "clip\x1b]52;c;cm0gLXJmIH4=\x07",
    "title": "clip\x9d0;root\x9c",
    "erase": "clip\x1b[2K\rdfe: all is well",
    "turned": "clip\u202egpj.exe",
    "bytes": b"clip\xff\xfe".decode("utf-8", "surrogateescape"),
}
NAMES = [
    '<img src=x onerror="window.bitten=1">',
    '"><script>window.bitten=1</script>',
    "../../../outside",
    "/absolute",
    "--ServerApp.token=",
    "-c import os",
    '"; import os; os.mkdir("ran"); "',
    "'''\nimport os\n",
    "\\",
    "{{ 7 * 7 }}",
    "",
]


def table_of(folder, name):
    rng = np.random.default_rng(0)
    table = frame_table(name, np.arange(3) / 25, np.ones(3, bool))
    table["psi_jawOpen"] = rng.random(3, np.float32)
    return frames.write(table, folder / "table.parquet")


# ---------------------------------------------------------------- the terminal


@pytest.mark.parametrize("name", ESCAPES.values(), ids=ESCAPES)
def test_a_name_cannot_command_the_terminal(tmp_path, monkeypatch, capfd, name):
    """The file is there and is no table, or is not there; either way it is named, and only named."""
    for made in (True, False):
        path = tmp_path / f"{name}.parquet"
        if made:
            path.write_bytes(b"no table")
        monkeypatch.setattr(
            "sys.argv", ["dfe", "export", str(path), "--format", "csv", "--out", str(tmp_path / "out.csv")]
        )
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = "".join(capfd.readouterr())
        assert stop.value.code == 2 and "clip" in said
        assert all(c.isprintable() or c == "\n" for c in said), ascii(said)
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("name", ESCAPES.values(), ids=ESCAPES)
def test_an_error_is_printable_wherever_it_is_shown(name):
    said = str(InputError(f"{name} is not a recording\nbut something else"))
    assert all(c.isprintable() or c == "\n" for c in said) and "\n" in said
    said.encode("utf-8")
    assert printable("Zoë · ψ̂ 日本.mp4") == "Zoë · ψ̂ 日本.mp4"


def test_the_command_says_nothing_but_by_say():
    """`print` would pass on what a name holds."""
    from pathlib import Path

    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.name != "say.py":
            calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
            assert not [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], (
                path
            )


def test_a_worker_takes_a_name_that_no_encoding_can_write(tmp_path, monkeypatch, capfd):
    path = tmp_path / f"{ESCAPES['bytes']}.mp4"
    path.write_bytes(b"no video")
    monkeypatch.setattr("sys.argv", ["dfe", "extract", str(path), "--out", str(tmp_path / "out.parquet")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = "".join(capfd.readouterr())
    assert stop.value.code == 2 and "clip\\udcff" in said and "Traceback" not in said


# ---------------------------------------------------------------- paths, options and code


@pytest.mark.parametrize("name", [*NAMES, *ESCAPES.values()])
def test_the_explorer_opens_a_recording_of_any_name_in_its_own_folder(tmp_path, monkeypatch, name):
    monkeypatch.setenv("DFE_RESULTS_DIR", str(tmp_path / "results"))
    parameters = {"table": str(tmp_path / "t.parquet"), "recording": name, "video": ""}
    copy = opening.prepare(parameters)
    assert copy.parent.parent == tmp_path / "results" / "explore" and copy.is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    command = opening.command(copy)
    assert copy.name[0].isalnum() and command[3] == copy.name and is_below(copy.name)
    # Parameters become code: exactly one assignment of exactly this text, whatever it holds.
    (cell,) = [
        c
        for c in json.loads(copy.read_text())["cells"]
        if "injected-parameters" in c["metadata"].get("tags", [])
    ]
    given = {}
    for node in ast.parse("".join(cell["source"])).body:
        assert isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        given[node.targets[0].id] = node.value.value
    assert given["recording"] == name and set(given) == {"profile", "results_dir", *parameters}


def test_two_names_that_look_alike_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("DFE_RESULTS_DIR", str(tmp_path))
    made = {opening.prepare({"table": "t", "recording": n, "video": ""}) for n in ("a/b", "a_b", "a:b")}
    assert len(made) == 3


@pytest.mark.parametrize(
    "name", ["../secret.csv", "/etc/passwd", "a/../../b", "..", ".hidden", "a\\b", "a//b", "a\0"]
)
@pytest.mark.parametrize("kind", ["tables", "figures", "outputs"])
def test_a_result_names_no_file_elsewhere(tmp_path, kind, name):
    """A report copies what a result names into its page."""
    record = results.Record.open("05_stress", tmp_path, "demo", 0)
    record.data("simulated", "nobody")
    record.close()
    content = json.loads((tmp_path / "metrics.json").read_text())
    content[kind] = [name]
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"schema at {kind}"):
        results.read(tmp_path / "metrics.json")


# ---------------------------------------------------------------- markup


@pytest.mark.parametrize("name", NAMES[:2])
def test_objects_show_names_as_names(name):
    class Thing(Shown):
        def _facts(self):
            return {name: name}

    shown = Thing()._repr_html_()
    assert "<img" not in shown and "<script" not in shown and "&lt;" in shown


@pytest.mark.parametrize(
    "markup",
    [
        "<script>window.bitten=1</script>",
        '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
        "<META\thttp-equiv=refresh content='0;url=//evil.example'>",
        '<base href="https://evil.example/">',
        '<iframe srcdoc="x"></iframe>',
        '<object data="x"></object><embed src=x>',
        '<form action="https://evil.example/"><button>Go</button></form>',
        '<link rel="dns-prefetch" href="//evil.example">',
    ],
)
def test_the_page_of_an_executed_notebook_holds_no_such_element(tmp_path, markup):
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    html = new_output("display_data", {"text/html": markup, "text/plain": ""})
    cells = [new_markdown_cell(f"# Title\n\n{markup}"), new_code_cell("f()", outputs=[html])]
    nbformat.write(new_notebook(cells=cells), tmp_path / "n.ipynb")
    page = executed.to_html(tmp_path / "n.ipynb", tmp_path).read_text()
    element = markup[1:5].lower()
    assert f"<{element}" not in page.partition("</head>")[2].lower()
    assert "default-src 'none'" in page[:1024] and "script-src" not in page
