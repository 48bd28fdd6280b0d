"""What there is to work with on this machine: external data by reach, and what ships with the library."""

from __future__ import annotations

import json

import pandas as pd

from dfe_lib.data.manifest import available, list_rows
from dfe_lib.data.registry import Manifest, load_manifest
from dfe_lib.paths import ASSETS

REACH = ("at hand", "can be fetched", "open, by hand", "ask the owners")


def reach(manifest: Manifest | None = None) -> pd.Series:
    """How far away each entry is, one of ``REACH``, indexed by entry.

    An own copy of a data set counts as at hand, although its content cannot be checked.
    """
    manifest = manifest or load_manifest()
    own = list_rows(manifest).set_index("entry")["at_hand"].str.startswith("own copy")

    def of(name: str) -> str:
        entry = manifest[name]
        if own[name] or available(name, manifest=manifest):
            return REACH[0]
        if entry.access != "open":
            return REACH[3]
        return REACH[1] if entry.files else REACH[2]

    return pd.Series({name: of(name) for name in manifest.entries}, name="reach")


def reach_by_notebook(manifest: Manifest | None = None) -> pd.DataFrame:
    """Entries (rows) × notebooks they are for (columns); cells hold the position in ``REACH``, NaN elsewhere.

    Entries that no notebook needs are left out.
    """
    manifest = manifest or load_manifest()
    position = reach(manifest).map(REACH.index)
    cells = {e.name: dict.fromkeys(e.notebooks, float(position[e.name])) for e in manifest.entries.values()}
    table = pd.DataFrame.from_dict({name: row for name, row in cells.items() if row}, orient="index")
    return table[sorted(table.columns)]


def shipped() -> pd.DataFrame:
    """The artefacts inside the package: columns ``artefact, kind, what, made_from, rebuild, KB``.

    A folder without a card (the recorded tracks) has empty descriptions.
    """
    rows = []
    for folder in sorted(p for p in ASSETS.iterdir() if p.is_dir()):
        files = [p for p in folder.rglob("*") if p.is_file()]
        card = json.loads((folder / "card.json").read_text()) if (folder / "card.json").is_file() else {}
        rows.append(
            {
                "artefact": folder.name,
                **{key: card.get(key, "") for key in ("kind", "what", "made_from", "rebuild")},
                "KB": round(sum(p.stat().st_size for p in files) / 1e3, 1),
            }
        )
    return pd.DataFrame(rows, columns=["artefact", "kind", "what", "made_from", "rebuild", "KB"])
