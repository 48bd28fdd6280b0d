"""Two runs side by side: parameters, data, metrics beyond tolerance, figures and notebooks that differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from dfe_lib import results
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.report import notebook_changes, pictures
from dfe_lib.report.collect import say, stamp
from dfe_lib.runner import compare

REDRAWN = 0.001  # share of pixels of another colour from which a figure counts as changed
_PLACES = ("results_dir",)  # where a run lies says nothing about it
_ABSENT = "–"
WORDS = {"differs": "differs", "new": "only in B", "gone": "only in A", "other data": "on other data"}


@dataclass(frozen=True)
class FigureChange:
    """A figure that only one run has, or that looks different; ``apart`` is the share of pixels, 0 to 1."""

    notebook: str
    name: str
    a: Path | None
    b: Path | None
    apart: float | None


@dataclass(frozen=True)
class Changes:
    """What differs between run ``a`` and run ``b``; empty lists where nothing does."""

    a: Path
    b: Path
    tolerance: dict[str, float]
    notebooks: list[str]  # in both
    only: list[tuple[str, str]] = field(default_factory=list)  # (what, "A" or "B")
    parameters: list[tuple[str, str, str, str]] = field(default_factory=list)  # notebook, name, in A, in B
    data: list[tuple[str, str, str, str]] = field(default_factory=list)  # notebook, "A" or "B", source, what
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    figures: list[FigureChange] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  # notebook → lines of nbdime
    counts: dict[str, int] = field(default_factory=dict)  # how many metrics and figures were compared

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        lists = (self.only, self.parameters, self.data, self.figures, self.texts)
        return not any(lists) and self.metrics.empty


def between(a: Path, b: Path) -> Changes:
    """Compare two results folders, e.g. ``results/demo`` now and a copy of it from before.

    Parameters
    ----------
    a, b : folders with one folder per notebook. Numbers agree within the tolerance of ``a``'s profile.

    Raises
    ------
    InputError : a folder holds no results, or a file in it cannot be read.
    """
    one, two = _contents(a), _contents(b)
    tolerance = _tolerance(next(iter(one.values()))["profile"])
    shared = sorted({*one} & {*two})
    only = [(name, "A" if name in one else "B") for name in sorted({*one} ^ {*two})]
    parameters, data, rows, figures, texts = [], [], [], [], {}
    for name in shared:
        x, y = one[name], two[name]
        parameters += _parameters(name, x, y, stamp(a / name), stamp(b / name))
        data += [(name, "A", *line.values()) for line in x["data"] if line not in y["data"]]
        data += [(name, "B", *line.values()) for line in y["data"] if line not in x["data"]]
        rows += compare.side_by_side(name, y, x, **tolerance)
        figures += _figures(name, a / name, b / name, x["figures"], y["figures"])
        here, there = (folder / name / f"{name}.ipynb" for folder in (a, b))
        if here.is_file() and there.is_file():
            if text := notebook_changes.changes(here, there, **tolerance):
                texts[name] = text
        elif here.is_file() or there.is_file():
            only.append((f"the executed notebook {name}.ipynb", "A" if here.is_file() else "B"))
    metrics = pd.DataFrame(rows, columns=compare.COLUMNS, dtype=object)
    counts = {"metrics": len(metrics), "figures": len(figures)}
    return Changes(
        a=a,
        b=b,
        tolerance=tolerance,
        notebooks=shared,
        only=only,
        parameters=parameters,
        data=data,
        metrics=metrics[~metrics["verdict"].isin(["equal", "within"])],
        figures=[f for f in figures if f.apart is None or f.apart > REDRAWN],
        texts=texts,
        counts=counts,
    )


def _contents(folder: Path) -> dict[str, dict[str, Any]]:
    found = [results.read(path) for path in sorted(folder.glob("[0-9][0-9]_*/metrics.json"))]
    if not found:
        raise InputError(
            f"there are no results in {folder}; give a folder like results/demo, with one folder per notebook"
        )
    return {content["notebook"]: content for content in found}


def _tolerance(profile: str) -> dict[str, float]:
    try:
        return compare.tolerance_of(profile)
    except ConfigError:  # a profile of another checkout
        return {"relative": compare.RELATIVE, "absolute": compare.ABSOLUTE}


def _parameters(name: str, x: dict, y: dict, at_a: dict, at_b: dict) -> list[tuple[str, str, str, str]]:
    def given(content: dict, run: dict) -> dict:
        own = {k: content.get(k) for k in ("profile", "seed")} | {"status": content.get("status", "complete")}
        return {k: v for k, v in (own | run.get("parameters", {})).items() if k not in _PLACES}

    one, two = given(x, at_a), given(y, at_b)
    return [
        (name, key, *(say(side[key]) if key in side else _ABSENT for side in (one, two)))
        for key in sorted({*one, *two})
        if key not in one or key not in two or one[key] != two[key]
    ]


def _figures(notebook: str, a: Path, b: Path, of_a: list[str], of_b: list[str]) -> list[FigureChange]:
    found = []
    for name in dict.fromkeys([*of_a, *of_b]):
        one, two = (folder / name if (folder / name).is_file() else None for folder in (a, b))
        apart = pictures.apart(one, two) if one and two else None
        found.append(FigureChange(notebook, name, one, two, apart))
    return found


def summary(changes: Changes) -> str:
    """The differences in lines for a terminal."""
    tolerance = f"{changes.tolerance['absolute']:g} + {changes.tolerance['relative']:g} · |A|"
    lines = [f"A  {changes.a}", f"B  {changes.b}"]
    lines += [f"only in {side}: {what}" for what, side in changes.only]
    lines.append(f"parameters: {len(changes.parameters) or 'none'} differ")
    lines += [f"  {n}  {key}: {one} → {two}" for n, key, one, two in changes.parameters]
    lines.append(f"data: {f'{len(changes.data)} lines differ' if changes.data else 'the same'}")
    lines += [f"  {n}  only in {side}: {source}, {what}" for n, side, source, what in changes.data]
    total = changes.counts.get("metrics", 0)
    lines.append(f"metrics: {len(changes.metrics)} of {total} differ by more than {tolerance}")
    for row in changes.metrics.to_dict("records"):
        values = f"{metric(row, 'reference', 'new')} → {metric(row, 'here', 'gone')}"
        lines.append(f"  {row['notebook']}  {row['metric']}: {values} ({WORDS[row['verdict']]})")
    lines.append(f"figures: {len(changes.figures)} of {changes.counts.get('figures', 0)} changed")
    for f in changes.figures:
        what = f"only in {'A' if f.a else 'B'}" if f.apart is None else f"{100 * f.apart:.1f} % of pixels"
        lines.append(f"  {f.notebook}  {f.name}: {what}")
    lines.append(f"notebooks: {len(changes.texts)} of {len(changes.notebooks)} differ")
    for name, text in changes.texts.items():
        added, removed = (sum(line.startswith(mark) for line in text.splitlines()) for mark in ("+ ", "- "))
        lines.append(f"  {name}: {removed} lines only in A, {added} only in B")
    return "\n".join(lines)


def metric(row: dict[str, Any], side: str, absent: str) -> str:
    """A metric of one side as text; a dash where that side has none."""
    missing = row["verdict"] == absent or (row["verdict"] == "other data" and row[side] is None)
    return _ABSENT if missing else say(row[side])
