"""``dfe explore``: from a file to JupyterLab on the explorer's notebook, with that file as its parameter."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

import nbformat

from dfe_lib import frames
from dfe_lib.errors import InputError, printable
from dfe_lib.paths import NOTEBOOKS, data_dir, results_dir

NOTEBOOK = NOTEBOOKS / "08_token_explorer.ipynb"


def parameters_of(path: str | Path, progress: bool = False) -> dict[str, str]:
    """The notebook's parameters for a file: ``table``, ``recording`` (the first one) and ``video``.

    A video or photograph is extracted first, once: the frame table is kept in the cache folder, by what is in the file.

    Parameters
    ----------
    path : a frame table (.parquet, with ψ or tokens), a video or a photograph.
    progress : show a progress bar while extracting.

    Raises
    ------
    InputError : the file is not there, or is none of these.
    AssetError : a video is given and the FaceLandmarker model is not at hand.
    """
    path = Path(path).expanduser().resolve()
    if path.suffix != ".parquet":
        table = _extracted(path, progress)
        return {"table": str(table), "recording": path.stem, "video": str(path)}
    columns = frames.columns_of(path)
    if "n_detected" in columns and "frame" not in columns:
        raise InputError(
            f"{path} holds bags of tokens, one row per recording; give a frame table from `dfe encode`"
        )
    if not any(c.startswith(("psi_", "token_")) for c in columns):
        raise InputError(
            f"{path} has neither psi_ nor token_ columns (it has {', '.join(columns[:8])}…); make a frame table with "
            "`dfe extract` or `dfe encode`"
        )
    table = frames.read(path, columns=list(frames.KEYS))
    if not len(table):
        raise InputError(f"{path} has no frame; give a table with at least one")
    return {"table": str(path), "recording": str(table["recording"].iloc[0]), "video": ""}


def _extracted(path: Path, progress: bool) -> Path:
    from dfe_lib.face.extract import extract_to
    from dfe_lib.face.video import probe

    probe(path)  # says what is wrong with a file that is no video
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    table = data_dir() / "derived" / "explorer" / f"{path.stem}-{digest}.parquet"
    if not table.is_file():
        extract_to(path, table, progress=progress)
    return table


def prepare(parameters: dict[str, str], folder: str | Path | None = None) -> Path:
    """A copy of the notebook with these parameters; the project's own stays as it is.

    Parameters
    ----------
    folder : where to; by default ``results/explore/<recording>``.

    Returns
    -------
    Path of the copy.

    Raises
    ------
    InputError : the notebook is not there, as outside a checkout.
    """
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    if not NOTEBOOK.is_file():
        raise InputError(f"{NOTEBOOK} is not there; run from a checkout of the project")
    name = _file_name(parameters["recording"])
    folder = results_dir("explore") / name if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    given = {"profile": "explore", "results_dir": "results", **parameters}
    content = parameterize_notebook(load_notebook_node(str(NOTEBOOK)), given)
    content.metadata.pop("papermill", None)
    copy = folder / f"{name}.ipynb"
    copy.write_text(nbformat.writes(content) + "\n", encoding="utf-8")
    return copy


def _file_name(recording: str) -> str:
    """A file's name for a recording whose own may be anything: a path, an option, a command to the terminal.

    >>> _file_name("clip-1.a"), _file_name("../../--config=x")
    ('clip-1.a', 'config_x-fa4370cb')
    """
    name = re.sub(r"[^\w.-]+", "_", recording[:80]).strip("._-")
    if name and name == recording:
        return name
    digest = hashlib.sha256(recording.encode(errors="replace")).hexdigest()[:8]
    return f"{name or 'recording'}-{digest}"


def command(notebook: Path) -> list[str]:
    """The command that opens JupyterLab on a notebook, in its folder."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # as in a container; JupyterLab wants to be told
    start = [sys.executable, "-m", "jupyterlab", notebook.name, f"--ServerApp.root_dir={notebook.parent}"]
    start += ["--ServerApp.ip=127.0.0.1"]  # on this machine alone, whatever else is configured
    return [*start, *(["--allow-root"] if root else [])]


def open_lab(path: str | Path | None = None, progress: bool = False) -> None:
    """Replace this process by JupyterLab on the explorer, for a file or for the shipped recordings.

    Raises
    ------
    InputError, AssetError : as :func:`parameters_of` and :func:`prepare`.
    """
    if path is None:
        if not NOTEBOOK.is_file():
            raise InputError(f"{NOTEBOOK} is not there; run from a checkout of the project")
        notebook = NOTEBOOK
    else:
        notebook = prepare(parameters_of(path, progress))
        print(printable(f"notebook: {notebook}"), flush=True)
    os.chdir(notebook.parent)
    os.execv(sys.executable, command(notebook))
