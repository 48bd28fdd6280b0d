"""What differs between two executed notebooks, by nbdime, with all that differs between any two runs left out."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import nbformat

from dfe_lib.runner.compare import within
from dfe_lib.texts import read_notebook

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])")
_TEXTS = ("text/plain", "text/markdown")


def changes(a: Path, b: Path, relative: float, absolute: float) -> str:
    """What differs between two notebooks as lines of text, ``-`` before what is only in ``a``; empty if nothing does.

    Left out: metadata (papermill's times among them), execution counts, cell ids, the cell of injected parameters,
    pictures and widgets, standard error, addresses of objects, and numbers in printed results that agree.

    Parameters
    ----------
    a, b : executed notebooks.
    relative, absolute : when two numbers agree, see :func:`dfe_lib.runner.compare.compare`.

    Raises
    ------
    InputError : a file is not a notebook.
    """
    import nbdime
    from nbdime.prettyprint import PrettyPrintConfig, pretty_print_diff

    one, two = _bare(a), _bare(b)
    _settle(one, two, relative, absolute)
    difference = nbdime.diff_notebooks(one, two)
    if not difference:
        return ""
    out = io.StringIO()
    config = PrettyPrintConfig(out=out, use_git=False, use_diff=False, use_color=False)
    pretty_print_diff(one, difference, "", config)
    return out.getvalue().strip("\n")


def _bare(path: Path) -> nbformat.NotebookNode:
    cells = [
        _cell(c) for c in read_notebook(path).cells if "injected-parameters" not in c.metadata.get("tags", ())
    ]
    # Minor version 4: cells of later ones must have an id.
    return nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def _cell(cell: nbformat.NotebookNode) -> dict[str, Any]:
    bare = {"cell_type": cell.cell_type, "source": cell.source, "metadata": {}}
    if cell.cell_type == "code":
        outputs = filter(None, map(_output, cell.outputs))
        bare |= {"execution_count": None, "outputs": list(outputs)}
    return bare


def _output(output: nbformat.NotebookNode) -> dict[str, Any] | None:
    if output.output_type == "error":
        return {"output_type": "error", "ename": output.ename, "evalue": output.evalue, "traceback": []}
    if output.output_type == "stream":
        return None if output.name == "stderr" else {**output, "text": _without_addresses(output.text)}
    if any(kind.startswith(("image/", "application/vnd.")) for kind in output.data):
        return None
    data = {k: _without_addresses(v) for k, v in output.data.items() if k in _TEXTS}
    return {"output_type": "display_data", "data": data, "metadata": {}} if data else None


def _without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", text)


def _settle(one: nbformat.NotebookNode, two: nbformat.NotebookNode, relative: float, absolute: float) -> None:
    """Printed results of equal cells that agree within tolerance become the same text."""
    seen: dict[str, list] = {}
    for cell in two.cells:
        if cell.cell_type == "code":
            seen.setdefault(cell.source, []).append(cell)
    for cell in one.cells:
        if cell.cell_type != "code" or not seen.get(cell.source):
            continue
        for x, y in zip(cell.outputs, seen[cell.source].pop(0).outputs, strict=False):
            if x.output_type == y.output_type == "stream" and _agree(x.text, y.text, relative, absolute):
                y.text = x.text
            for kind in set(x.get("data", ())) & set(y.get("data", ())):
                if _agree(x.data[kind], y.data[kind], relative, absolute):
                    y.data[kind] = x.data[kind]


def _agree(x: str, y: str, relative: float, absolute: float) -> bool:
    if [p.split() for p in _NUMBER.split(x)] != [p.split() for p in _NUMBER.split(y)]:  # columns may shift
        return False
    pairs = zip(_NUMBER.findall(x), _NUMBER.findall(y), strict=True)
    return all(within(float(q), float(p), relative, absolute) for p, q in pairs)
