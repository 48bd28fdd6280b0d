"""The figures of the demo in ``figures/``."""

from __future__ import annotations

from pathlib import Path

from dfe_lib import results
from dfe_lib.paths import MANIFEST


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
