"""Every notebook is stripped, declares itself and only tells the story: the code lives in the library."""

import ast
import re

import nbformat
import pytest

from dfe_lib.paths import NOTEBOOKS, PROFILES
from dfe_lib.runner import notebook as notebooks

NAMES = (
    "00_data_inventory",
    "01_3dmm_extraction",
    "02_rvqvae_training",
    "03_codebook_coverage",
    "04_facs_comparison",
    "05_stress",
    "06_personality",
    "07_depression",
    "08_token_explorer",
    "09_claims",
)
MAX_LINES = 25
FORBIDDEN = {
    "an absolute path": r"""["'](/|~|[A-Z]:\\)[\w.]""",
    "an installation": r"\b(pip|conda|mamba)\s+install|subprocess|os\.system",
    "a warning filter": r"filterwarnings|simplefilter|catch_warnings",
    "a shell or magic command": r"^\s*[!%]",
}


@pytest.fixture(params=NAMES)
def content(request):
    return nbformat.read(NOTEBOOKS / f"{request.param}.ipynb", as_version=4)


def code_cells(content):
    return [c for c in content.cells if c.cell_type == "code"]


def test_these_are_all_the_notebooks():
    assert sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb")) == list(NAMES)


def test_stripped(content):
    nbformat.validate(content)
    for cell in code_cells(content):
        assert not cell.outputs and cell.execution_count is None, f"outputs in: {cell.source[:60]}"
    assert "widgets" not in content.metadata and "papermill" not in content.metadata


def test_opens_with_a_title_and_prose(content):
    first = content.cells[0]
    assert first.cell_type == "markdown" and re.match(r"# \S.*\n\n?\S", first.source), (
        "title, then a paragraph"
    )
    assert sum(c.cell_type == "markdown" for c in content.cells) >= len(code_cells(content)) / 2, (
        "too little prose"
    )


def test_closes_the_record(content):
    assert code_cells(content)[-1].source.rstrip().endswith("record.close()")


def test_defines_nothing(content):
    for cell in code_cells(content):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef), (
                f"definitions live in dfe_lib: {ast.unparse(node)[:60]}"
            )


def test_cells_are_short_and_clean(content):
    for cell in code_cells(content):
        assert len(cell.source.splitlines()) <= MAX_LINES, cell.source
        for what, pattern in FORBIDDEN.items():
            found = re.search(pattern, cell.source, flags=re.MULTILINE)
            assert not found, f"{what}: {found and found.group()}"


def test_every_parameter_is_explained(content):
    (cell,) = [c for c in code_cells(content) if "parameters" in c.metadata.get("tags", ())]
    lines = cell.source.splitlines()
    for statement in ast.parse(cell.source).body:
        written = lines[statement.lineno - 1 : statement.end_lineno]
        assert any("#" in line for line in written), f"no comment: {written[0]}"


@pytest.mark.parametrize("name", NAMES)
def test_declares_itself(name):
    notebook = notebooks.read(NOTEBOOKS / f"{name}.ipynb")
    defaults = {n: notebook.parameters[n].default for n in notebooks.GIVEN}
    assert defaults == {"profile": "demo", "results_dir": f"../results/demo/{name}", "seed": 0}


@pytest.mark.parametrize("profile", sorted(p.stem for p in PROFILES.glob("*.yaml")))
def test_profiles_fit_the_notebooks(profile):
    known = notebooks.discover()
    settings = notebooks.load_profile(profile)
    assert set(settings.notebooks) <= set(known)
    for notebook in known.values():
        settings.values(notebook)


def test_profiles_name_assets_of_the_manifest():
    from dfe_lib.data.manifest import load_manifest

    for path in PROFILES.glob("*.yaml"):
        for entry in load_manifest().select(notebooks.load_profile(path.stem).fetch):
            assert entry.access == "open" and entry.files


def test_the_index_links_every_notebook_in_order():
    text = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\w+)\.ipynb\)", text) == list(NAMES)
