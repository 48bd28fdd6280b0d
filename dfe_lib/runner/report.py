"""What a finished run shows: an HTML report per profile, and the figures of the demo in ``figures/``."""

from __future__ import annotations

from pathlib import Path

import jinja2
import nbformat
import pandas as pd

from dfe_lib import results
from dfe_lib.paths import MANIFEST

MAX_ROWS = 40  # a longer table is shown by its beginning; the CSV is linked
SOURCE_COLOURS = {"simulated": "#8a6d3b", "embedded": "#31708f", "open": "#3c763d", "gated": "#a94442"}

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DFE: results of the {{ profile }} profile</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color:
#222; } h2 { margin-top: 3rem; border-top: 1px solid #ddd; padding-top: 1rem; }
table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto; margin: .5rem 0
1rem; } th, td { border-bottom: 1px solid #e5e5e5; padding: .2rem .7rem; text-align: left; }
th { background: #f6f6f6; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
figcaption, .small { color: #666; font-size: .85rem; }
.source { color: #fff; border-radius: .25rem; padding: 0 .4rem; font-size: .8rem; }
</style>
</head>
<body>
<h1>Discrete Facial Encoding: results of the <em>{{ profile }}</em> profile</h1>
<p>Made by <code>dfe reproduce --profile {{ profile }}</code>. Every number comes from the metrics.json of its
notebook; nothing is typed by hand.</p>
<ul>
{% for n in notebooks %}<li><a href="#{{ n.name }}">{{ n.title }}</a></li>
{% endfor %}</ul>
{% for n in notebooks %}
<h2 id="{{ n.name }}">{{ n.title }}</h2>
<p class="small">{{ n.name }} · seed {{ n.seed }} · {{ "%.0f"|format(n.seconds) }} s · {{ n.device }} ·
{% if n.html %}<a href="{{ n.html }}">the executed notebook</a> · {% endif %}
<a href="../{{ n.name }}/metrics.json">metrics.json</a></p>
<p>{% for line in n.data %}
<span class="source" style="background:{{ colours[line.source] }}">{{ line.source }}</span>
{{ line.what }}<br>{% endfor %}</p>
{% if n.metrics %}<table><tr><th>metric</th><th>value</th></tr>
{% for name, value in n.metrics.items() %}
<tr><td>{{ name }}</td><td>{{ "undefined" if value is none else value }}</td></tr>
{% endfor %}</table>{% endif %}
{% for figure in n.figures %}
<figure><img loading="lazy" src="../{{ n.name }}/{{ figure }}" alt="{{ figure }}">
<figcaption>{{ figure }}</figcaption></figure>
{% endfor %}
{% for table in n.tables %}<details{% if table.rows <= 12 %} open{% endif %}><summary>
<a href="../{{ n.name }}/{{ table.name }}">{{ table.name }}</a>
<span class="small">{{ table.rows }} rows</span></summary>{{ table.html | safe }}</details>
{% endfor %}
{% endfor %}
</body>
</html>
"""


def write(folder: Path) -> Path:
    """Write ``<folder>/report/index.html`` from the results of a profile, with the executed notebooks
    beside it.

    Parameters
    ----------
    folder : ``results/<profile>``; every notebook that has a metrics.json is shown.

    Returns
    -------
    Path of the page.

    Raises
    ------
    InputError : a metrics.json cannot be read.
    """
    target = folder / "report"
    target.mkdir(parents=True, exist_ok=True)
    sections = [_section(path.parent, target) for path in sorted(folder.glob("[0-9][0-9]_*/metrics.json"))]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(TEMPLATE).render(
        profile=sections[0]["profile"] if sections else folder.name,
        notebooks=sections,
        colours=SOURCE_COLOURS,
    )
    index = target / "index.html"
    results.write_atomically(index, page.encode())
    return index


def _section(folder: Path, target: Path) -> dict:
    content = results.read(folder / "metrics.json")
    name = content["notebook"]
    executed = folder / f"{name}.ipynb"
    return {
        "name": name,
        "title": _title(executed, name),
        "profile": content["profile"],
        "seed": content["seed"],
        "seconds": content["timings"].get("wall_s") or 0.0,
        "device": content["provenance"]["device"],
        "data": content["data"],
        "metrics": content["metrics"],
        "figures": content["figures"],
        "tables": [_table(folder / table) for table in content["tables"]],
        "html": _executed_html(executed, target),
    }


def _table(path: Path) -> dict:
    frame = pd.read_csv(path)
    html = frame.head(MAX_ROWS).to_html(index=False, border=0, na_rep="", escape=True)
    return {"name": path.name, "rows": len(frame), "html": html}


def _title(executed: Path, name: str) -> str:
    """The notebook's first heading; its name where it was not kept."""
    if executed.is_file():
        for cell in nbformat.read(executed, as_version=4).cells:
            if cell.cell_type == "markdown" and cell.source.startswith("# "):
                return cell.source.splitlines()[0].removeprefix("# ").strip()
    return name


def _executed_html(executed: Path, target: Path) -> str | None:
    """Convert the executed notebook unless its page is newer; returns the page's name."""
    if not executed.is_file():
        return None
    page = target / f"{executed.stem}.html"
    if not page.is_file() or page.stat().st_mtime < executed.stat().st_mtime:
        from nbconvert import HTMLExporter

        body, _ = HTMLExporter().from_filename(str(executed))
        results.write_atomically(page, body.encode())
    return page.name


def publish_figures(folder: Path, target: Path, command: str) -> list[Path]:
    """Copy the figures of a finished profile to ``target`` and write its README.

    Only the files that an earlier call wrote are replaced or removed (names like
    ``03_codebook_coverage-x.png``).
    """
    target.mkdir(parents=True, exist_ok=True)
    lines = [f"# Figures\n\nEvery file here was made by `{command}`; do not edit them by hand.\n"]
    fresh: dict[str, bytes] = {}
    for metrics in sorted(folder.glob("[0-9][0-9]_*/metrics.json")):
        content = results.read(metrics)
        if not content["figures"]:
            continue
        name = content["notebook"]
        lines.append(f"\n## {name}\n\nMade by `notebooks/{name}.ipynb`.\n")
        lines += [f"- data ({line['source']}): {line['what']}\n" for line in content["data"]]
        for figure in content["figures"]:
            fresh[f"{name}-{figure}"] = (metrics.parent / figure).read_bytes()
            lines.append(f"\n![{Path(figure).stem}]({name}-{figure})\n")
    lines.append(_licences(folder))
    for old in target.glob("[0-9][0-9]_*-*.png"):
        if old.name not in fresh:
            old.unlink()
    for name, content in fresh.items():
        results.write_atomically(target / name, content)
    results.write_atomically(target / "README.md", "".join(lines).encode())
    return [target / name for name in fresh]


def _licences(folder: Path) -> str:
    """Licence lines of the manifest entries that the notebooks' data lines name."""
    if not MANIFEST.is_file():
        return ""
    from dfe_lib.data import manifest

    said = " ".join(line["what"] for m in folder.glob("*/metrics.json") for line in results.read(m)["data"])
    entries = manifest.load_manifest().entries
    lines = [
        f"- {e.name}: {e.title}. {e.licence}. {e.citation}\n" for e in entries.values() if e.name in said
    ]
    return "\n## Licences of the data shown\n\n" + "".join(lines) if lines else ""
