"""``make nbdime``: git compares notebooks cell by cell in this clone, and leaves out what every run changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from dfe_lib.paths import REPOSITORY

pytestmark = pytest.mark.skipif(
    not (REPOSITORY / "Makefile").is_file() or not all(map(shutil.which, ("make", "git"))),
    reason="needs a checkout, make and git",
)


@pytest.fixture
def clone(tmp_path):
    """A repository with the project's settings and one notebook; its own .git is the only one that is touched."""
    (tmp_path / "notebooks").mkdir()
    shutil.copytree(REPOSITORY / "notebooks" / ".jupyter", tmp_path / "notebooks" / ".jupyter")
    for name in ("Makefile", ".gitattributes"):
        shutil.copy(REPOSITORY / name, tmp_path)
    os.symlink(Path(sys.executable).parent.parent, tmp_path / ".venv")
    write(tmp_path, "x = 1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "notebooks")
    git(tmp_path, "commit", "-q", "-m", "first")
    subprocess.run(["make", "-s", "nbdime"], cwd=tmp_path, check=True, env=environment(tmp_path))
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    """Without the user's own git settings."""
    names = {"HOME": home, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return os.environ | {k: str(v) for k, v in names.items()} | who


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, check=True
    )
    return done.stdout


def write(folder: Path, source: str, run: int | None = None) -> None:
    cell = new_code_cell(source, id="one")
    notebook = new_notebook(
        cells=[cell, new_code_cell("y = 2", id="two"), new_code_cell("z = 3", id="three")]
    )
    if run is not None:
        cell.update(execution_count=run, outputs=[new_output("stream", text=f"run {run}")])
        cell.metadata["papermill"] = {"duration": run}
        notebook.metadata["papermill"] = {"duration": run}
    nbformat.write(notebook, folder / "notebooks" / "a.ipynb")


def test_a_run_alone_is_no_difference_and_code_is_one(clone):
    write(clone, "x = 1", run=3)
    assert "papermill" not in git(clone, "diff") and "run 3" not in git(clone, "diff")
    write(clone, "x = 5", run=4)
    said = git(clone / "notebooks", "diff")
    assert "x = 5" in said and "modified /cells/0/source" in said
    assert "papermill" not in said and "run 4" not in said and '"cell_type"' not in said


def test_changes_of_two_cells_are_merged(clone):
    git(clone, "checkout", "-q", "-b", "other")
    write(clone, "x = 5")
    git(clone, "commit", "-q", "-a", "-m", "one")
    git(clone, "checkout", "-q", "-")
    path = clone / "notebooks" / "a.ipynb"
    path.write_text(path.read_text().replace("z = 3", "z = 9"))
    git(clone, "commit", "-q", "-a", "-m", "two")
    git(clone, "merge", "-q", "--no-edit", "other")
    assert [c.source for c in nbformat.read(path, as_version=4).cells] == ["x = 5", "y = 2", "z = 9"]
