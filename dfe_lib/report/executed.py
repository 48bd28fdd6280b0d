"""Executed notebooks as a reader meets them: title, first paragraph, and an HTML page that needs no network.

What a notebook put out may quote names from anywhere. The page runs no script at all, loads nothing, and leads nowhere
by itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from dfe_lib import provenance, results
from dfe_lib.texts import read_notebook

_POLICY = (
    "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
# What a policy does not stop: going elsewhere by itself (`meta`), and elements that no output of ours needs.
_ASTRAY = re.compile(
    r"<(?=/?(?:meta|base|link|script|iframe|frame|frameset|object|embed|form|portal)\b)", re.IGNORECASE
)
# nbconvert's page asks other hosts for require.js, MathJax, mermaid and the manager of widgets. Our notebooks hold no
# TeX and no diagrams, and a widget shows nothing without its kernel: they are read without any of these.
OFFLINE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head -%}<meta http-equiv="Content-Security-Policy" content="POLICY">{{ super() }}{%- endblock -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
""".replace("POLICY", _POLICY)


def words(executed: Path, name: str) -> tuple[str, str]:
    """The notebook's first heading and the paragraph after it; its name where no notebook was kept."""
    if not executed.is_file():
        return name, ""
    for cell in read_notebook(executed).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            heading, _, rest = cell.source.partition("\n")
            paragraph = next(
                (p for p in rest.split("\n\n") if p.strip() and p.lstrip()[0] not in "#>|-*"), ""
            )
            return heading.removeprefix("# ").strip(), " ".join(paragraph.split())
    return name, ""


def to_html(executed: Path, folder: Path) -> Path | None:
    """``<folder>/<name>.html`` of an executed notebook, made again only when the notebook is another one."""
    if not executed.is_file():
        return None
    page = folder / f"{executed.stem}.html"
    # Not by times of change: the clock of a machine may be set back between two runs.
    mark = f"<!-- of {provenance.digest([executed, Path(__file__)])} -->\n".encode()
    if not page.is_file() or not page.read_bytes().endswith(mark):
        from jinja2 import DictLoader
        from nbconvert import HTMLExporter

        exporter = HTMLExporter(extra_loaders=[DictLoader({"offline.html.j2": OFFLINE})])
        exporter.template_file = "offline.html.j2"
        body, _ = exporter.from_filename(str(executed))
        head, end, shown = body.partition("</head>")
        results.write_atomically(page, (head + end + _ASTRAY.sub("&lt;", shown)).encode() + mark)
    return page
