"""The small autoencoders that stand in where no pretrained weights are given, pretrained once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dfe_lib.analysis.autoencoders.models import (
    KINDS,
    Autoencoder,
    Pretraining,
    from_folder,
    placed,
    quiet,
    ready,
)
from dfe_lib.paths import data_dir
from dfe_lib.staging import staged_folder, standing

_RECIPE = 4  # goes up when pretraining changes in a way that its settings do not tell


def default_model(settings: Pretraining | None = None, progress: bool = True) -> Autoencoder:
    """The small autoencoder of these settings: pretrained now, or taken from the cache where it was before.

    Its people are simulated from a seed of their own, so none of them is in any fold of a cohort from another seed.
    """
    settings = settings or Pretraining()
    folder = data_dir() / "derived" / f"mae-{settings.kind}-{_key(settings)[:12]}"
    folder = standing(folder)
    if not (folder / "card.json").is_file():
        from dfe_lib.analysis.autoencoders.pretraining import pretrain

        model, card = pretrain(settings, progress)
        _write(folder, model, card)
    card = json.loads((folder / "card.json").read_text())
    note = (
        f"small model, pretrained from scratch on drawn faces of {settings.people} simulated people, none of whom is "
        "in any fold"
    )
    model = from_folder(folder, KINDS[settings.kind][1])
    model = placed(model) if settings.kind == "video" else model
    return ready(model, settings.kind, note, _key(settings), card)


def _key(settings: Pretraining) -> str:
    return hashlib.sha256(json.dumps([_RECIPE, asdict(settings)], sort_keys=True).encode()).hexdigest()


def _write(folder: Path, model: Any, card: dict) -> None:
    with staged_folder(folder) as place:
        with quiet():
            model.save_pretrained(place)
        (place / "card.json").write_text(json.dumps(card, indent=2) + "\n")
