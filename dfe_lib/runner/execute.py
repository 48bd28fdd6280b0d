"""Run one notebook: in a staging folder, with our own kernel, and checked before anything is replaced.

The staging folder lies beside the result folder, so a notebook finds its inputs at
``results_dir/../<notebook>`` in both. Only a run that delivered everything it declares is swapped in; a
failure or Ctrl-C leaves the previous result as it was.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from dfe_lib import results, staging
from dfe_lib.errors import InputError, RunError
from dfe_lib.paths import REPOSITORY
from dfe_lib.progress import BATCH
from dfe_lib.runner.notebook import Notebook

KERNEL = "dfe"


# The kernel ends when the runner does, even by SIGKILL: it must not go on writing where the next run is at work.
# Where the system has no such signal, ipykernel looks after its parent once a second.
_START = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != int(os.environ["JPY_PARENT_PID"]):
        sys.exit()
del sys.path[0]
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""


@contextmanager
def kernel(home: Path) -> Iterator[str]:
    """Name of a kernelspec that starts exactly the running interpreter, valid inside the ``with`` block.

    A user's own ``python3`` kernelspec may belong to another environment, and an IPython profile may run
    start-up files; neither reaches a run.

    Parameters
    ----------
    home : a folder for what the kernel needs on disk; emptied, and removed afterwards.
    """
    home = home.resolve()
    shutil.rmtree(home, ignore_errors=True)  # of a run that was killed
    spec = home / "kernels" / KERNEL / "kernel.json"
    spec.parent.mkdir(parents=True)
    environment = {
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        BATCH: "1",
    }
    argv = [sys.executable, "-c", _START, "-f", "{connection_file}", "--log-level=CRITICAL"]
    content = {"argv": argv, "display_name": "DFE", "language": "python", "env": environment}
    spec.write_text(json.dumps(content))
    paths = os.pathsep.join(filter(None, [str(home), os.environ.get("JUPYTER_PATH")]))
    try:
        with _environment(JUPYTER_PATH=paths, JUPYTER_RUNTIME_DIR=str(home / "runtime")):
            yield KERNEL
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def execute(notebook: Notebook, parameters: dict[str, Any], folder: Path, kernel_name: str) -> None:
    """Run ``notebook`` and replace ``folder`` by what it delivered.

    Parameters
    ----------
    parameters : checked values; ``results_dir`` is set here, relative to the notebook's folder.
    folder : the result folder, ``results/<profile>/<notebook>``.
    kernel_name : from :func:`kernel`.

    Raises
    ------
    RunError : the notebook raised, its kernel died, or an output is missing or broken. The executed
    notebook is
        kept as ``<folder>/<notebook>.failed.ipynb``, the failing cell marked.
    """
    import papermill

    recover(folder)
    place = folder.with_name(f".{folder.name}.staging")
    place.mkdir(parents=True)
    executed = place / f"{notebook.name}.ipynb"
    relative = Path(os.path.relpath(place, notebook.path.parent)).as_posix()
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        try:
            papermill.execute_notebook(
                notebook.path,
                executed,
                parameters={**parameters, "results_dir": relative},
                kernel_name=kernel_name,
                cwd=notebook.path.parent,
                progress_bar=False,
                start_timeout=120,
            )
        except papermill.PapermillExecutionError as error:
            said = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
            raise RunError(f"{notebook.name} failed in cell [{error.exec_count}]: {said}") from error
        except RuntimeError as error:  # DeadKernelError and a kernel that does not start
            raise RunError(
                f"{notebook.name}: the kernel died ({error}); it may have run out of memory"
            ) from error
        verify(notebook, place, parameters)
    except RunError as error:
        kept = _keep_failed(executed, place.name, folder)
        raise RunError(f"{error}; see {kept}") from error
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    _publish(executed, place.name, folder.name, executed)
    staging.swap(place, folder)


def verify(notebook: Notebook, folder: Path, parameters: dict[str, Any]) -> None:
    """Check that a result folder holds every declared output, readable and in agreement with the run.

    A notebook that stopped because its data are not at hand owes its metrics.json alone.

    Raises
    ------
    RunError : naming the first output that is missing or broken.
    """
    owed = ["metrics.json"] if stopped(folder) else notebook.outputs
    for name in owed:
        path = folder / name
        if not path.exists():
            raise RunError(f"{notebook.name} did not write its declared output {name}")
        try:
            _check_output(path)
        except (InputError, OSError, ValueError, SyntaxError) as error:
            raise RunError(f"{notebook.name}: output {name} is broken: {error}") from error
    content = results.read(folder / "metrics.json")
    for key, wanted in {"notebook": notebook.name, **parameters}.items():
        if key in ("notebook", "profile", "seed") and content[key] != wanted:
            raise RunError(
                f"{notebook.name}: metrics.json says {key} = {content[key]!r}, but it ran with {wanted!r}"
            )
    for name in (*content["tables"], *content["figures"], *content["outputs"]):
        if not (folder / name).exists():
            raise RunError(f"{notebook.name}: metrics.json lists {name}, which is not there")


def stopped(folder: Path) -> bool:
    """Whether the result in ``folder`` says that its notebook stopped for want of data."""
    try:
        return results.read(folder / "metrics.json").get("status") == "skipped"
    except InputError:
        return False


def recover(folder: Path) -> None:
    """Undo what a killed run left beside ``folder``: staging is dropped, a result moved aside comes back."""
    shutil.rmtree(folder.with_name(f".{folder.name}.staging"), ignore_errors=True)
    staging.recover(folder)


def _check_output(path: Path) -> None:
    if path.is_dir():
        if not any(path.iterdir()):
            raise InputError("the folder is empty")
    elif path.stat().st_size == 0:
        raise InputError("the file is empty")
    elif path.name == "metrics.json":
        results.read(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        pyarrow.parquet.read_metadata(path)
    elif path.suffix == ".csv":
        import pandas

        pandas.read_csv(path)
    elif path.suffix == ".png":
        import PIL.Image

        with PIL.Image.open(path) as image:
            image.verify()


def _publish(source: Path, staging: str, final: str, target: Path) -> None:
    """Write the executed notebook with the result folder's final name in place of the staging folder's."""
    content = nbformat.reads(source.read_text(encoding="utf-8").replace(staging, final), as_version=4)
    for key in ("input_path", "output_path"):  # absolute paths of this machine
        content.metadata.get("papermill", {}).pop(key, None)
    results.write_atomically(target, nbformat.writes(content).encode())


def _keep_failed(executed: Path, staging: str, folder: Path) -> Path:
    kept = folder / f"{folder.name}.failed.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    if executed.exists():
        _publish(executed, staging, folder.name, kept)
    shutil.rmtree(executed.parent, ignore_errors=True)
    return kept
