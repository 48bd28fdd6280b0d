"""What a notebook leaves behind: numbers, tables, figures and where they come from.

A notebook opens a :class:`Record` in its first code cell, fills it as it goes and closes it in its last one::

    record = Record.open("03_codebook_coverage", results_dir, profile, seed)
    record.data("embedded", "recorded landmark tracks of three clips")
    record.metric("rms_mm", 0.1234567)      # written as 0.123457
    record.table("coverage", frame)         # coverage.csv
    record.figure("coverage", fig, "Share of frames within τ (mm), n = 500.")  # .png, .pdf, .md; and shown
    tokenizer.save(record.path("tokenizer"))
    record.close()                          # metrics.json

Metrics hold only what two runs with one seed repeat; what varies (seconds, frames per second) is a timing.
A cell may be run again: the later value counts.
"""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
from IPython.display import Markdown, display

from dfe_lib.display import Shown
from dfe_lib.errors import ConfigError, InputError, cannot_write, choices
from dfe_lib.provenance import collect
from dfe_lib.staging import staged_file
from dfe_lib.texts import read_json

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas as pd

SOURCES = {
    "simulated": "simulated: made by a generator of ours, no person behind it",
    "embedded": "embedded: shipped with this package",
    "open": "open: published for everyone, obtained with `dfe data fetch`",
    "gated": "gated: granted to you by its owners, never redistributed",
}
FIGURE_MARK = "dfe_figure"  # in an output's metadata: name of the figure's file
SIGNIFICANT_DIGITS = 6  # float32 arithmetic repeats to about 7 digits; the last one depends on the processor

_PART = r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*"
_NAME = {
    "type": "string",
    "pattern": f"^{_PART}(/{_PART})*$",
}  # of a file below the result: nothing else is ever shown
_NAMES = {"type": "array", "items": _NAME, "uniqueItems": True}
_SCALAR = {"type": ["number", "string", "boolean", "null"]}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "metrics.json of one notebook",
    "type": "object",
    "additionalProperties": False,
    "required": [
        "notebook", "profile", "seed", "data", "metrics", "timings", "tables", "figures", "outputs",
        "provenance",
    ],
    "properties": {
        "status": {"enum": ["complete", "skipped"]},  # absent in results older than it: complete
        "notebook": {"type": "string", "pattern": "^[0-9]{2}_[a-z0-9_]+$"},
        "profile": {"type": "string", "minLength": 1},
        "seed": {"type": "integer"},
        "data": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["source", "what"],
                "properties": {"source": {"enum": list(SOURCES)}, "what": {"type": "string", "minLength": 1}},
            },
        },
        "metrics": {"type": "object", "additionalProperties": _SCALAR},
        "timings": {"type": "object", "additionalProperties": {"type": ["number", "null"]}},
        "tables": _NAMES,
        "figures": _NAMES,
        "outputs": _NAMES,
        "provenance": {
            "type": "object",
            "required": ["python", "platform", "device", "versions", "git_sha", "manifest_sha256"],
            "properties": {
                "python": {"type": "string"},
                "platform": {"type": "string"},
                "device": {"enum": ["cpu", "cuda", "mps"]},
                "versions": {"type": "object", "additionalProperties": {"type": "string"}},
                "git_sha": {"type": ["string", "null"]},
                "manifest_sha256": {"type": ["string", "null"]},
            },
        },
    },
}  # fmt: skip


class Record(Shown):
    """The growing result of one notebook. Made with :meth:`open`, written with :meth:`close`."""

    def __init__(self, notebook: str, folder: Path, profile: str, seed: int):
        self.folder = folder
        self._started = time.perf_counter()
        self._content: dict[str, Any] = {
            "status": "complete", "notebook": notebook, "profile": profile, "seed": int(seed), "data": [],
            "metrics": {}, "timings": {}, "tables": [], "figures": [], "outputs": [],
        }  # fmt: skip

    @classmethod
    def open(cls, notebook: str, results_dir: str | Path, profile: str, seed: int) -> Record:
        """Begin a result; an older metrics.json in the folder is removed: it cannot pass for a new one.

        Parameters
        ----------
        notebook : file name without ``.ipynb``, e.g. ``"03_codebook_coverage"``.
        results_dir : the notebook's own result folder; created.
        profile, seed : as in the parameters cell.

        Raises
        ------
        ConfigError : when the notebook's name or the seed has the wrong form.
        OutputError : the folder cannot be made or written to.
        """
        if not re.fullmatch(SCHEMA["properties"]["notebook"]["pattern"], notebook):
            raise ConfigError(f"a notebook is named like 03_codebook_coverage, but got '{notebook}'")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise ConfigError(f"the seed is a whole number, but got {seed!r}")
        folder = Path(results_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics.json").unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return cls(notebook, folder, profile, seed)

    def data(self, source: str, what: str) -> None:
        """Say, in the notebook and in the result, which data the notebook stands on.

        Parameters
        ----------
        source : ``simulated``, ``embedded``, ``open`` or ``gated``.
        what : which data, in words; name the manifest entry where there is one.
        """
        if source not in SOURCES:
            raise ConfigError(f"unknown data source: {choices(source, SOURCES)}")
        if not what.strip():
            raise ConfigError("say which data: the text that describes them is empty")
        line = {"source": source, "what": what}
        if line not in self._content["data"]:
            self._content["data"].append(line)
        kind, meaning = SOURCES[source].split(": ", 1)
        display(Markdown(f"> **Data: {kind}** ({meaning}). {what}"))

    def metric(self, name: str, value: float | int | str | bool | None) -> None:
        """Set a number, text or truth value that the same seed repeats; ``nan`` becomes null: undefined."""
        self._set("metrics", name, value)

    def timing(self, name: str, value: float | None) -> None:
        """Set a number that varies between runs: seconds, frames per second, bytes of memory."""
        if isinstance(_plain(name, value), str | bool):
            raise InputError(f"timing '{name}' must be a number, but got {value!r}")
        self._set("timings", name, value)

    def table(self, name: str, frame: pd.DataFrame, index: bool | None = None) -> Path:
        """Write a table as ``<name>.csv``, floats with six significant digits.

        ``index``: whether row labels are written; by default when they are not just 0, 1, 2, ….
        """
        path = self._register("tables", _bare(name) + ".csv")
        if index is None:
            index = list(frame.index) != list(range(len(frame)))
        text = frame.to_csv(index=index, float_format=f"%.{SIGNIFICANT_DIGITS}g", lineterminator="\n")
        write_atomically(path, text.encode())
        return path

    def figure(self, name: str, fig: matplotlib.figure.Figure, caption: str) -> Path:
        """Write a figure as ``<name>.png``, ``<name>.pdf`` and ``<name>.md`` (the caption), show it once, close it.

        Parameters
        ----------
        caption : one to three sentences of Markdown: what is shown, in which units, and n, taken from the data.
        """
        from dfe_lib.figures import files  # imports matplotlib

        path = files.save(fig, self._register("figures", _bare(name) + ".png").with_suffix(""), caption)
        # The mark ties the picture in the notebook to its file, which says whether it may be shared.
        display(fig if hasattr(fig, "savefig") else fig.figure, metadata={FIGURE_MARK: path.name})
        return path

    def path(self, name: str) -> Path:
        """Path of a further output (file or folder) in the result folder; it must exist at :meth:`close`."""
        return self._register("outputs", name)

    def input(self, name: str) -> Path:
        """Path of another notebook's output, as ``"02_rvqvae_training/tokenizer"``.

        Raises
        ------
        InputError : when that notebook has not been run; names the command.
        """
        found = self.folder.parent / name
        if not found.exists():
            raise InputError(
                f"{self._content['notebook']} needs {name}, which is not there; "
                f"run `dfe reproduce --profile {self._content['profile']} --only {name[:2]}` first"
            )
        return found

    def skip(self, what: str, source: str = "gated") -> None:
        """Stop the notebook here because its data are not at hand: metrics.json says "skipped", no cell below runs.

        Parameters
        ----------
        what : which data, their licence and how to get them; shown in the notebook (Markdown).
        source : kind of the data that are missing, as in :meth:`data`.
        """
        display(Markdown(what))
        self._content["status"] = "skipped"
        for kind in ("tables", "figures", "outputs"):
            self._content[kind] = []
        first = what.strip().splitlines()[0].translate({ord(c): None for c in "#*`>"}).strip()
        self._content["data"] = [{"source": source, "what": first}]
        self.close()
        raise _Stop

    def _facts(self) -> dict[str, object]:
        content = self._content
        sources = ", ".join(sorted({line["source"] for line in content["data"]}))
        counts = {k: len(content[k]) for k in ("metrics", "tables", "figures", "outputs")}
        about = {k: content[k] for k in ("notebook", "profile", "seed")}
        return {**about, "data": sources or "nothing said yet", **counts, "folder": self.folder}

    def close(self) -> Path:
        """Check the record and write metrics.json: complete, or not at all.

        Raises
        ------
        InputError : nothing was said about the data, an announced output is missing, or the schema fails.
        """
        missing = [n for n in self._content["outputs"] if not (self.folder / n).exists()]
        if missing:
            raise InputError(f"announced with record.path() but never written: {', '.join(missing)}")
        self._content["timings"].setdefault("wall_s", round(time.perf_counter() - self._started, 3))
        content = {**self._content, "provenance": collect()}
        check(content, "the record")
        target = self.folder / "metrics.json"
        write_atomically(target, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
        counts = ", ".join(f"{len(content[k])} {k}" for k in ("metrics", "tables", "figures", "outputs"))
        sources = ", ".join(sorted({line["source"] for line in content["data"]}))
        print(
            f"{content['notebook']} ({content['profile']}, seed {content['seed']}): {counts}; data: {sources}"
        )
        return target

    def _set(self, part: str, name: str, value: Any) -> None:
        self._content[part][name] = _plain(name, value)

    def _register(self, part: str, name: str) -> Path:
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or name in ("", ".", "metrics.json"):
            raise InputError(f"an output lies inside the notebook's own result folder, but got '{name}'")
        if name not in self._content[part]:
            self._content[part].append(name)
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


class _Stop(Exception):
    """Ends a notebook early and in order, without a stack trace."""

    def __str__(self) -> str:
        return ""

    def _render_traceback_(self) -> list[str]:  # what IPython shows instead
        return ["Stopped here, as the data are not at hand. Nothing is wrong; see above."]


_Stop.__name__ = (
    "SystemExit"  # papermill and nbclient know an error of this name, without text, as an orderly end
)


def check(content: Any, source: str = "metrics.json") -> dict:
    """Return ``content`` if it satisfies the schema of metrics.json.

    Raises
    ------
    InputError : naming the place and what is wrong there.
    """
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(SCHEMA).iter_errors(content))
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "top level"
        hint = "; say it with record.data(source, what)" if where == "data" else ""
        raise InputError(f"{source} does not satisfy its schema at {where}: {error.message}{hint}")
    return content


def read(path: str | Path) -> dict:
    """Read and check a metrics.json.

    Raises
    ------
    InputError : missing, not JSON, or against the schema.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} is not there; the notebook has to be run first")
    return check(read_json(path, "metrics.json"), str(path))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name never shows half of it.

    Raises
    ------
    OutputError : the place is full or cannot be written to.
    """
    with staged_file(path) as place:
        place.write_bytes(content)


def rounded(value: float) -> float:
    """``value`` to six significant digits.

    >>> rounded(123456.789), rounded(0.000123456789)
    (123457.0, 0.000123457)
    """
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _plain(name: str, value: Any) -> float | int | str | bool | None:
    """A JSON scalar from a Python or numpy scalar (or a zero-dimensional array or tensor)."""
    if hasattr(value, "item") and hasattr(value, "shape"):
        if getattr(value, "size", 1) != 1 and not callable(getattr(value, "size", None)):
            raise InputError(
                f"'{name}' must be one value, but got an array of shape {value.shape}; use a table"
            )
        value = value.item()
    if value is None or isinstance(value, bool | str | int):
        return value
    if not isinstance(value, float):
        raise InputError(
            f"'{name}' must be a number, text, true/false or None, but got {type(value).__name__}"
        )
    if math.isinf(value):
        raise InputError(f"'{name}' is infinite; check what it was computed from")
    return None if math.isnan(value) else rounded(value)


def _bare(name: str) -> str:
    """A table's or figure's name without the suffix that is added anyway."""
    return re.sub(r"\.(csv|png|pdf|md)$", "", name)
