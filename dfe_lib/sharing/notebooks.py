"""A notebook's result folder for others: numbers, tables, drawings and code; no pictures of people, no widgets."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
from PIL import Image

from dfe_lib import artefacts, results
from dfe_lib.errors import DFEError, InputError
from dfe_lib.figures.files import DRAWING, SHOWS, WORDS
from dfe_lib.paths import NOTEBOOKS
from dfe_lib.report.collect import stamp
from dfe_lib.sharing import tables
from dfe_lib.sharing.names import FILE, OTHER, PLACE, RECORDING, Names

_FILES = ("frames_path", "labels_path", "recordings_path", "table", "video")  # parameters that name data
_PLACES = (*_FILES, "image_weights", "video_weights", "tokenizer")
_TEXTS = ("text/plain", "text/markdown", "text/html")
_ACTIVE = ("<img", "<svg", "<video", "<canvas", "<script", "<iframe", "<object", "data:image", "data:video")
_SHARED_KINDS = ("tokenizer", "coding")
# Of the card of what is one's own.
_CARD = (
    "kind",
    "what",
    "rebuild",
    "space",
    "config",
    "has_encoder",
    "coding",
    "name",
    "parameters",
    "figures",
)


def is_result(folder: Path) -> bool:
    """Whether this is what a notebook left behind."""
    try:
        return results.read(folder / "metrics.json")["notebook"] == folder.name
    except InputError:
        return False


def names_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that a notebook's result may name, where it stands on data that are not open.

    Raises
    ------
    InputError : the data are not at hand any more, so that their names cannot be known.
    """
    content = results.read(folder / "metrics.json")
    if not tables.gated_words(content["data"])[0]:
        return
    for output in content["outputs"]:
        if output.endswith(".parquet"):
            yield from (n for n in tables.names_in(folder / output) if n[0] != FILE)
    given = _parameters(folder)
    if not given:
        raise InputError(
            f"{folder} stands on data that are not open, and nothing says which: its run.json is missing"
        )
    yield from ((RECORDING, given[k]) for k in ("recording", "clip") if given.get(k))
    for parameter in _FILES:
        if given.get(parameter):
            path = NOTEBOOKS / given[parameter]
            yield OTHER, path.stem
            yield from _of_file(path, folder)
    if given.get("dataset", "simulated") != "simulated" and not given.get("frames_path"):
        from dfe_lib.data.datasets import open_dataset

        try:
            listed = open_dataset(given["dataset"]).listed
        except DFEError as error:
            raise InputError(
                f"{folder} may name people of {given['dataset']}, and which cannot be told: {error}"
            ) from error
        for column in tables.NAMED.keys() & set(listed.columns):
            yield from ((tables.NAMED[column], name) for name in listed[column].astype(str).unique())


def _of_file(path: Path, folder: Path) -> Iterator[tuple[str, str]]:
    if not path.exists():
        raise InputError(
            f"{folder} may name recordings of {path}, which is not there any more, so that their names cannot be told; "
            "put it back, or leave the folder out"
        )
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        if file.suffix in (".parquet", ".csv"):
            wanted = {c: str for c in tables.NAMED}
            if file.suffix == ".parquet":
                yield from tables.names_in(file)
            else:
                table = pd.read_csv(file, dtype=wanted)
                for column in tables.NAMED.keys() & set(table.columns):
                    yield from ((tables.NAMED[column], name) for name in table[column].dropna().unique())
        else:
            yield RECORDING, file.stem


def _parameters(folder: Path) -> dict:
    """What the notebook was run with; of one run by hand, what papermill wrote into it."""
    given = stamp(folder).get("parameters")
    executed = folder / f"{folder.name}.ipynb"
    if given is None and executed.is_file():
        given = nbformat.read(executed, as_version=4).metadata.get("papermill", {}).get("parameters")
    return dict(given or {})


def write(folder: Path, target: Path, names: Names, removed: Counter) -> None:
    """The folder for others, below ``target``.

    Raises
    ------
    AccessError : a table with a row per person of gated data.
    InputError : a file cannot be read.
    """
    content = results.read(folder / "metrics.json")
    private, gated = tables.gated_words(content["data"])
    target.mkdir(parents=True)
    figures = [f for f in content["figures"] if _figure(folder / f, target, names, private, removed)]
    kept = [t for t in content["tables"] if (folder / t).is_file()]
    for name in kept:
        tables.write_results_csv(folder / name, target / name, names, private, gated, removed)
    outputs = [o for o in content["outputs"] if _output(folder / o, target / o, names, private, removed)]
    listed = {*content["tables"], *content["outputs"], "metrics.json", "run.json", f"{folder.name}.ipynb"}
    listed |= {Path(f).with_suffix(s).name for f in content["figures"] for s in (".png", ".pdf", ".md")}
    removed["files that no result names"] += sum(p.name not in listed for p in folder.iterdir())
    content["data"] = names.value(content["data"], private)
    for part in ("metrics", "timings"):  # here keys are words of the notebook
        content[part] = {names.text(k, private): names.value(v, private) for k, v in content[part].items()}
    content |= {"figures": figures, "tables": kept, "outputs": outputs}
    _json(results.check(content), target / "metrics.json")
    if stamped := stamp(folder):
        given = {k: PLACE if k in _PLACES and v else v for k, v in stamped.get("parameters", {}).items()}
        stays = {k: stamped[k] for k in ("fingerprint", "wall_s", "provenance") if k in stamped}
        _json(stays | {"parameters": names.value(given, private)}, target / "run.json")
    executed = folder / f"{folder.name}.ipynb"
    if executed.is_file():
        _notebook(executed, target, names, private, set(figures), removed)


def _figure(path: Path, target: Path, names: Names, private: bool, removed: Counter) -> bool:
    """Copy a figure that is a drawing without a private name, with its PDF and caption; whether it was."""
    try:
        with Image.open(path) as picture:
            shows, words = picture.info.get(SHOWS), picture.info.get(WORDS, "")
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path} is not a readable picture ({error})") from error
    reason = (
        "pictures without a word on what they show" if shows is None
        else "pictures of people" if shows != DRAWING
        else "charts with a private name" if private and names.among(words)
        else None
    )  # fmt: skip
    if reason is not None:
        removed[reason] += 1
        return False
    for suffix in (".png", ".pdf"):
        if path.with_suffix(suffix).is_file():
            (target / path.name).with_suffix(suffix).write_bytes(path.with_suffix(suffix).read_bytes())
    if path.with_suffix(".md").is_file():
        caption = path.with_suffix(".md").read_text(encoding="utf-8")
        (target / path.name).with_suffix(".md").write_text(names.text(caption, private), encoding="utf-8")
    return True


def _output(path: Path, target: Path, names: Names, private: bool, removed: Counter) -> bool:
    """A notebook's further output: a table, or a tokenizer or coding."""
    if path.suffix == ".parquet" and path.is_file():
        return tables.write(path, target, names, removed, private)  # the notebook says whose it is
    if path.is_dir():
        return artefact(path, target, names, private, removed)
    removed["files of unknown kind"] += 1
    return False


def artefact(folder: Path, target: Path, names: Names, private: bool, removed: Counter) -> bool:
    """Copy a trained tokenizer or coding with a cleaned card; nothing else that was trained is passed on."""
    for kind in _SHARED_KINDS:
        try:
            found = artefacts.load(folder, kind)
        except InputError:
            continue
        artefacts.save(
            target, found.tensors, names.value(_card(found.card) if private else found.card, private)
        )
        return True
    removed["trained things of unknown kind"] += 1
    return False


def _card(card: dict) -> dict:
    """A card without the names of tables and subjects that it was made from."""
    count = re.match(r"[\d,]+ frames", str(card.get("made_from", "")))
    kept = {k: v for k, v in card.items() if k in _CARD}
    return kept | {"made_from": f"{count[0]} of private tables" if count else "private data"}


def _notebook(
    path: Path, target: Path, names: Names, private: bool, figures: set[str], removed: Counter
) -> None:
    try:
        found = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise InputError(f"{path} is not a readable notebook ({str(error)[:120]})") from error
    cells = []
    for cell in found.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            continue  # run.json has them
        bare = {
            "cell_type": cell.cell_type,
            "source": names.text(cell.source, private),
            "metadata": {"tags": tags},
        }
        removed["attachments of notebooks"] += len(cell.get("attachments", {}))
        if cell.cell_type == "code":
            outputs = [_shared(o, target, names, private, figures, removed) for o in cell.outputs]
            bare |= {
                "execution_count": cell.execution_count,
                "outputs": [o for o in outputs if o is not None],
            }
        cells.append(bare)
    kept = {k: found.metadata[k] for k in ("kernelspec", "language_info") if k in found.metadata}
    removed["states of widgets"] += "widgets" in found.metadata
    _json({"cells": cells, "metadata": kept, "nbformat": 4, "nbformat_minor": 4}, target / path.name)


def _shared(
    output, target: Path, names: Names, private: bool, figures: set[str], removed: Counter
) -> dict | None:
    """An output for others: our own figures that are kept, and words where the data are open."""
    if output.output_type == "stream" and output.name == "stdout" and not private:
        return {"output_type": "stream", "name": "stdout", "text": names.text(output.text, private)}
    if output.output_type not in ("display_data", "execute_result"):
        removed["printed outputs"] += 1
        return None
    if any(kind.startswith("image/") for kind in output.data):
        name = output.get("metadata", {}).get(results.FIGURE_MARK)
        if name not in figures:
            removed["pictures in notebooks"] += 1
            return None
        data = {"image/png": base64.b64encode((target / name).read_bytes()).decode()}
        return {"output_type": "display_data", "data": data, "metadata": {results.FIGURE_MARK: name}}
    if any(not kind.startswith("text/") for kind in output.data):
        removed["widgets"] += 1
        return None
    data = {k: output.data[k] for k in _TEXTS if k in output.data}
    said = data.get("text/markdown", "").startswith("> **Data:")
    if (private and not said) or any(mark in text.lower() for text in data.values() for mark in _ACTIVE):
        removed["printed outputs"] += 1
        return None
    data = {k: names.text(v, private) for k, v in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _json(content: dict, target: Path) -> None:
    target.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
