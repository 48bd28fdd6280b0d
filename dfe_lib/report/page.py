"""The HTML report of a profile: one file that works without a network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from dfe_lib import provenance, results
from dfe_lib.report import collect

INDEX = "index.html"
MARKS = {"yes": "✓", "no": "✗", "part": "◐", "open": "○"}  # beside the words, so that colour is not all


def write(folder: Path) -> Path:
    """Write ``<folder>/index.html`` from the results of a profile, and the executed notebooks beside it.

    Parameters
    ----------
    folder : ``results/<profile>``; every notebook that has a metrics.json is shown.

    Returns
    -------
    Path of the page.

    Raises
    ------
    InputError : a metrics.json, table or figure cannot be read.
    """
    shown = collect.sections(folder)
    verdicts = collect.claims(folder)
    text = render(
        "report.html.j2",
        profile=shown[0].content["profile"] if shown else folder.name,
        notebooks=shown,
        verdicts=verdicts,
        counts=Counter(v.kind for v in verdicts),
        sources=collect.sources(shown),
        licences=collect.licences(shown),
        total=sum(s.seconds or 0 for s in shown),
        longest=max((s.seconds or 0 for s in shown), default=0) or 1,
    )
    index = folder / INDEX
    results.write_atomically(index, text.encode() + _mark(folder))
    return index


def is_of(folder: Path) -> bool:
    """Whether the page in ``folder`` was made of the results that lie there now, and with all that belongs to it."""
    index = folder / INDEX
    return index.is_file() and index.read_bytes().endswith(_mark(folder))


def _mark(folder: Path) -> bytes:
    made_of = [
        p for name in ("metrics.json", "run.json") for p in sorted(folder.glob(f"[0-9][0-9]_*/{name}"))
    ]
    return f"<!-- of {provenance.digest(made_of)} -->\n".encode()


def render(template: str, **values) -> str:
    """A page of ``templates/``, with style and script inside it; everything else is escaped."""
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_file("page.css")),
            script=Markup(script),
            script_hash=digest,  # the browser runs this script and no other, whatever a label says
            **values,
        )
    )


@lru_cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dfe_lib.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"markdown": inline, "duration": duration, "say": collect.say}
    environment.globals["marks"] = MARKS
    return environment


def _file(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def inline(text: str) -> Markup:
    """Emphasis, strong and code of a line of Markdown as HTML; all else escaped, links as their text.

    >>> str(inline("**n** < `3`"))
    '<strong>n</strong> &lt; <code>3</code>'
    """
    html = str(escape(re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)))
    parts = re.split(r"`([^`]+)`", html)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", parts[i])
        parts[i] = re.sub(r"(?<![\w*])\*(?=\S)([^*]+?)\*(?!\w)", r"<em>\1</em>", parts[i])
    for i in range(1, len(parts), 2):
        parts[i] = f"<code>{parts[i]}</code>"
    return Markup("".join(parts))


def duration(seconds: float | None) -> str:
    """Seconds as a person says them.

    >>> duration(3.26), duration(125.2), duration(None)
    ('3.3 s', '2 min 5 s', '–')
    """
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
