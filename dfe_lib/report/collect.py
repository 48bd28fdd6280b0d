"""A results folder read for a page: notebooks with their tables, figures and data, the claims, where all comes from."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfe_lib import results
from dfe_lib.errors import InputError
from dfe_lib.paths import MANIFEST
from dfe_lib.report import executed
from dfe_lib.report.pictures import Picture, embed
from dfe_lib.texts import read_json

SHOWN = 20  # rows of a table; the page fetches the others from the CSV that it carries
CARRIED = 400_000  # bytes of a CSV that the page carries at most; a longer one is linked
_CLAIM = ("claim", "against", "measure")
_EVIDENCE = ("data", "source", "rival", "verdict", "gain", "low", "high")
PAGES = "notebooks"  # folder of the executed notebooks as HTML


@dataclass(frozen=True)
class Table:
    """A CSV file: its first rows as text, and all of it as a data URI where it is not too long."""

    name: str
    title: str
    columns: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    count: int
    link: str
    uri: str | None


@dataclass(frozen=True)
class Figure:
    """A figure with its caption (Markdown) and where its files lie."""

    name: str
    picture: Picture
    caption: str
    png: str
    pdf: str | None

    @property
    def alt(self) -> str:
        """The caption without marks; the name, where there is no caption."""
        return plain(self.caption) or self.name


@dataclass(frozen=True)
class Section:
    """One notebook of a run."""

    name: str
    title: str
    lead: str
    page: str | None
    content: dict[str, Any]
    stamp: dict[str, Any]
    tables: list[Table]
    figures: list[Figure]

    @property
    def seconds(self) -> float | None:
        """Wall time of the whole run of the notebook, as the runner measured it; else what the notebook measured."""
        return self.stamp.get("wall_s") or self.content["timings"].get("wall_s")

    @property
    def metrics(self) -> Table:
        """Its metrics as a table."""
        rows = [[k, "undefined" if v is None else say(v)] for k, v in self.content["metrics"].items()]
        numeric = [False, bool(rows) and all(is_number(v) for _, v in rows)]
        return Table("metrics", "metrics", ["metric", "value"], numeric, rows, len(rows), "", None)


@dataclass(frozen=True)
class Verdict:
    """A claim against one family of rivals by one measure, with what data from people say."""

    claim: str
    against: str
    measure: str
    verdict: str
    simulated: str
    estimates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """``yes``, ``no``, ``part`` or ``open``, for the mark."""
        known = {"supported": "yes", "not supported": "no", "not testable here": "open"}
        return known.get(self.verdict, "part")


def sections(folder: Path) -> list[Section]:
    """Every notebook of a profile that left a metrics.json, in order.

    Raises
    ------
    InputError : a metrics.json, table or figure cannot be read.
    """
    return [_section(path.parent, folder) for path in sorted(folder.glob("[0-9][0-9]_*/metrics.json"))]


def _section(home: Path, folder: Path) -> Section:
    content = results.read(home / "metrics.json")
    name = content["notebook"]
    notebook = home / f"{name}.ipynb"
    title, lead = executed.words(notebook, name)
    page = executed.to_html(notebook, folder / PAGES)
    return Section(
        name=name,
        title=title,
        lead=lead,
        page=page and f"{PAGES}/{page.name}",
        content=content,
        stamp=stamp(home),
        tables=[read_table(home / t, f"{home.name}/{t}") for t in content["tables"]],
        figures=[_figure(home / f, home.name) for f in content["figures"]],
    )


def stamp(home: Path) -> dict[str, Any]:
    """The runner's run.json: parameters, digests, wall time; empty where the notebook was run by hand."""
    try:
        content = read_json(home / "run.json", "the stamp of a run")
    except InputError:
        return {}  # a result without a stamp is shown without what the stamp would add
    kept = content if isinstance(content, dict) else {}
    if not isinstance(kept.get("parameters", {}), dict):
        del kept["parameters"]
    if not isinstance(kept.get("wall_s", 0.0), int | float):
        del kept["wall_s"]
    return kept


def read_table(path: Path, link: str) -> Table:
    """The first rows of a CSV file, as text with four significant digits; the CSV keeps all.

    Raises
    ------
    InputError : the file is missing or not a table.
    """
    try:
        raw = path.read_bytes()
        lines = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the table {path} cannot be read ({error})") from error
    columns, rows = (lines[0], lines[1:]) if lines else ([], [])
    rows = [row + [""] * (len(columns) - len(row)) for row in rows]
    numeric = [
        all(is_number(r[i]) for r in rows if r[i]) and any(r[i] for r in rows) for i in range(len(columns))
    ]
    uri = (
        "data:text/csv;charset=utf-8;base64," + base64.b64encode(raw).decode()
        if len(raw) <= CARRIED
        else None
    )
    return Table(
        name=path.name,
        title=path.stem.replace("_", " "),
        columns=columns,
        numeric=numeric,
        rows=[[shorten(v) for v in row] for row in rows[:SHOWN]],
        count=len(rows),
        link=link,
        uri=uri,
    )


def _figure(path: Path, home: str) -> Figure:
    caption = path.with_suffix(".md")
    pdf = path.with_suffix(".pdf")
    return Figure(
        name=path.stem.replace("_", " "),
        picture=embed(path),
        caption=" ".join(caption.read_text(encoding="utf-8", errors="replace").split())
        if caption.is_file()
        else "",
        png=f"{home}/{path.name}",
        pdf=f"{home}/{pdf.name}" if pdf.is_file() else None,
    )


def claims(folder: Path) -> list[Verdict]:
    """The verdicts of the run, as :mod:`dfe_lib.analysis.claims` gives them; empty where none were written."""
    for path in sorted(folder.glob("[0-9][0-9]_*/verdicts.csv")):
        rows, evidence = _records(path), _records(path.with_name("evidence.csv"))
        if evidence and not {*_CLAIM, *_EVIDENCE} <= set(evidence[0]):
            raise InputError(f"{path.with_name('evidence.csv')} lacks columns of {', '.join(_EVIDENCE)}")
        if rows and {*_CLAIM, "verdict", "simulated"} <= set(rows[0]):
            return [_verdict(row, evidence) for row in rows]
    return []


def _verdict(row: dict[str, str], evidence: list[dict[str, str]]) -> Verdict:
    same = [e for e in evidence if all(e[k] == row[k] for k in _CLAIM) and e["source"] != "simulated"]
    estimates = [
        {k: e[k] for k in ("data", "source", "rival", "verdict")}
        | {k: shorten(e[k], 3) for k in ("gain", "low", "high")}
        for e in same
        if e["gain"]
    ]
    return Verdict(*(row[k] for k in (*_CLAIM, "verdict", "simulated")), estimates)


def _records(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the table {path} cannot be read ({error})") from error


def sources(shown: list[Section]) -> list[dict[str, Any]]:
    """Each line about data once: ``source``, ``what``, and the ``notebooks`` that say it."""
    found: dict[tuple[str, str], list[str]] = {}
    for section in shown:
        for line in section.content["data"]:
            found.setdefault((line["source"], line["what"]), []).append(section.name)
    return [{"source": s, "what": w, "notebooks": n} for (s, w), n in sorted(found.items())]


def licences(shown: list[Section]) -> list[Any]:
    """The manifest entries that the lines about data name."""
    if not MANIFEST.is_file():
        return []
    from dfe_lib.data import manifest

    said = " ".join(line["what"] for section in shown for line in section.content["data"])
    words = set(re.findall(r"[A-Za-z0-9][\w.-]*\w", said))
    return [entry for entry in manifest.load_manifest().entries.values() if entry.name in words]


def is_number(text: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def shorten(text: str, digits: int = 4) -> str:
    """A number to so many significant digits; whole numbers and words as they are.

    >>> shorten("0.0123456"), shorten("123456"), shorten("news")
    ('0.01235', '123456', 'news')
    """
    if not is_number(text) or re.fullmatch(r"[+-]?\d+", text):
        return text
    return f"{float(f'{float(text):.{digits}g}'):g}"


def say(value: Any) -> str:
    """A metric or parameter as text."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def plain(markdown: str) -> str:
    """Markdown of a caption without its marks.

    >>> plain("**Tokens** of `a.mp4`, see [here](x.md)")
    'Tokens of a.mp4, see here'
    """
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"(\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w))", "", text).strip()
