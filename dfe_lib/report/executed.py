"""Executed notebooks as a reader meets them: title, first paragraph, and an HTML page that needs no network."""

from __future__ import annotations

from pathlib import Path

import nbformat

from dfe_lib import provenance, results

# nbconvert's page asks other hosts for require.js, MathJax, mermaid and the manager of widgets. Our notebooks hold no
# TeX and no diagrams, and a widget shows nothing without its kernel: they are read without any of these.
OFFLINE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""


def words(executed: Path, name: str) -> tuple[str, str]:
    """The notebook's first heading and the paragraph after it; its name where no notebook was kept."""
    if not executed.is_file():
        return name, ""
    for cell in nbformat.read(executed, as_version=4).cells:
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
    mark = f"<!-- of {provenance.digest([executed])} -->\n".encode()
    if not page.is_file() or not page.read_bytes().endswith(mark):
        from jinja2 import DictLoader
        from nbconvert import HTMLExporter

        exporter = HTMLExporter(extra_loaders=[DictLoader({"offline.html.j2": OFFLINE})])
        exporter.template_file = "offline.html.j2"
        body, _ = exporter.from_filename(str(executed))
        results.write_atomically(page, body.encode() + mark)
    return page
