"""The figures of a finished demo in ``figures/``: pictures, captions, and a page that says where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dfe_lib import results
from dfe_lib.paths import MANIFEST

MAX_PDF_BYTES = (
    500_000  # galleries of shaded faces exceed it: a checkout stays small, and results/ has them anyway
)


def publish_figures(folder: Path, target: Path, command: str) -> list[Path]:
    """Copy the figures of a finished profile to ``target`` and write its README.

    Every figure comes as PNG and caption (``.md``), and as PDF unless that is larger than 500 kB. Only files
    that an earlier call wrote are replaced or removed (names like ``03_codebook_coverage-x.png``).

    Parameters
    ----------
    folder : ``results/<profile>``.
    target : where the figures go; created.
    command : what makes them all again, for the README.

    Returns
    -------
    Paths of the PNGs.

    Raises
    ------
    InputError : a metrics.json cannot be read.
    """
    contents = [(p.parent, results.read(p)) for p in sorted(folder.glob("[0-9][0-9]_*/metrics.json"))]
    contents = [(home, content) for home, content in contents if content["figures"]]
    lines = [
        f"# Figures\n\nEvery file here was made by `{command}`; do not edit them by hand. PDFs that are larger "
    ]
    lines.append(f"than {MAX_PDF_BYTES // 1000} kB stay in `results/{folder.name}`.\n")
    fresh: dict[str, bytes] = {}
    for home, content in contents:
        name = content["notebook"]
        lines.append(_heading(content))
        for figure in content["figures"]:
            stem = f"{name}-{Path(figure).stem}"
            caption = _caption(home / figure)
            fresh[f"{stem}.png"] = (home / figure).read_bytes()
            fresh[f"{stem}.md"] = f"{caption}\n".encode()
            vector = (home / figure).with_suffix(".pdf")
            if vector.is_file() and vector.stat().st_size <= MAX_PDF_BYTES:
                fresh[f"{stem}.pdf"] = vector.read_bytes()
            lines.append(_entry(stem, caption, f"{stem}.pdf" in fresh))
    lines.append(_licences(content for _, content in contents))
    _replace(target, fresh)
    results.write_atomically(target / "README.md", "".join(lines).encode())
    return [target / name for name in fresh if name.endswith(".png")]


def _heading(content: dict) -> str:
    """Notebook, the command for it alone, and the data that it stands on."""
    name = content["notebook"]
    data = "".join(f"- **{line['source']}**: {line['what']}\n" for line in content["data"])
    return (
        f"\n## {name}\n\nNotebook [{name}](../notebooks/{name}.ipynb), run by "
        f"`dfe reproduce --profile {content['profile']} --only {name[:2]}`. Its data:\n\n{data}"
    )


def _caption(figure: Path) -> str:
    """The caption beside a picture; its name in results that are older than captions."""
    path = figure.with_suffix(".md")
    return path.read_text(encoding="utf-8").strip() if path.is_file() else f"{figure.stem}."


def _entry(stem: str, caption: str, with_pdf: bool) -> str:
    vector = f" [PDF]({stem}.pdf)" if with_pdf else ""
    alternative = caption.replace("[", "(").replace("]", ")")
    return f"\n### {stem.split('-', 1)[1]}\n\n![{alternative}]({stem}.png)\n\n*{stem}.* {caption}{vector}\n"


def _replace(target: Path, fresh: dict[str, bytes]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".pdf", ".md"):
        for old in target.glob(f"[0-9][0-9]_*-*{suffix}"):
            if old.name not in fresh:
                old.unlink()
    for name, content in fresh.items():
        results.write_atomically(target / name, content)


def _licences(contents: Iterable[dict]) -> str:
    """Licence lines of the manifest entries that the notebooks' data lines name."""
    if not MANIFEST.is_file():
        return ""
    from dfe_lib.data import manifest

    said = " ".join(line["what"] for content in contents for line in content["data"])
    entries = manifest.load_manifest().entries
    lines = [
        f"- {e.name}: {e.title}. {e.licence}. {e.citation}\n" for e in entries.values() if e.name in said
    ]
    return "\n## Licences of the data shown\n\n" + "".join(lines) if lines else ""
