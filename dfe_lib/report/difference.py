"""The page that ``dfe diff`` writes."""

from __future__ import annotations

from pathlib import Path

from dfe_lib import results
from dfe_lib.report import changes, pictures
from dfe_lib.report.collect import Table, is_number, shorten
from dfe_lib.report.page import render


def write(found: changes.Changes, target: Path) -> Path:
    """Write the differences as one self-contained page that looks like the report.

    Raises
    ------
    InputError : a figure cannot be read.
    """
    columns = {
        "parameters": ["notebook", "parameter", "A", "B"],
        "data": ["notebook", "only in", "kind", "data"],
        "metrics": ["notebook", "metric", "A", "B", "B − A", "verdict"],
    }
    rows = {
        "parameters": [list(r) for r in found.parameters],
        "data": [list(r) for r in found.data],
        "metrics": [_metric(r) for r in found.metrics.to_dict("records")],
    }
    figures = [
        (f, f.a and pictures.embed(f.a), f.b and pictures.embed(f.b))
        for f in sorted(found.figures, key=lambda f: -(2 if f.apart is None else f.apart))
    ]
    text = render(
        "difference.html.j2",
        found=found,
        tables={name: _table(name, columns[name], rows[name]) for name in columns},
        figures=figures,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    results.write_atomically(target, text.encode())
    return target


def _metric(row: dict) -> list[str]:
    here, there = row["here"], row["reference"]
    both = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (here, there))
    a, b = changes.metric(row, "reference", "new"), changes.metric(row, "here", "gone")
    gap = shorten(str(here - there), 3) if both else ""
    return [row["notebook"], row["metric"], a, b, gap, changes.WORDS[row["verdict"]]]


def _table(name: str, columns: list[str], rows: list[list[str]]) -> Table:
    numeric = [bool(rows) and all(is_number(r[i]) for r in rows if r[i]) for i in range(len(columns))]
    return Table(name, name, columns, numeric, rows, len(rows), "", None)
