"""Trained artefacts on disk: a folder with ``tensors.safetensors`` and ``card.json``, nothing executable.

The card says what the artefact is, what it was made from and how to rebuild it. Shipped artefacts live in
``dfe_lib/assets/<name>``; a user's own can live anywhere.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as serialize

from dfe_lib import shipped
from dfe_lib.errors import InputError
from dfe_lib.paths import ASSETS
from dfe_lib.staging import staged_folder, standing
from dfe_lib.texts import read_json

REQUIRED = ("kind", "what", "made_from", "rebuild")


@dataclass(frozen=True)
class Artefact:
    """Named arrays and the card that describes them."""

    tensors: dict[str, np.ndarray]
    card: dict


def save(folder: str | Path, tensors: dict[str, np.ndarray], card: dict) -> Path:
    """Write an artefact, whole or not at all.

    Parameters
    ----------
    folder : destination; replaced if it is an artefact already.
    tensors : name → array of any numeric dtype.
    card : JSON-able; must have ``kind``, ``what``, ``made_from`` and ``rebuild``.

    Raises
    ------
    InputError : when the card lacks a key, or ``folder`` holds something that is not an artefact.
    OutputError : the place is full or cannot be written to; an artefact that was there is as it was.
    """
    folder = Path(folder)
    missing = [k for k in REQUIRED if k not in card]
    if missing:
        raise InputError(
            f"the card of an artefact needs {', '.join(REQUIRED)}; {', '.join(missing)} is missing"
        )
    if folder.exists() and not (folder / "card.json").is_file():
        raise InputError(f"{folder} exists and is not an artefact; choose another folder")
    with staged_folder(folder) as place:
        (place / "tensors.safetensors").write_bytes(
            serialize({k: np.ascontiguousarray(v) for k, v in tensors.items()})
        )
        (place / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    if folder.resolve().parent == ASSETS:
        shipped.record(folder.resolve())
    return folder


def load(folder: str | Path, kind: str) -> Artefact:
    """Read an artefact of a given kind; a bare name means the shipped one.

    Raises
    ------
    InputError : when it is missing, unreadable, of another kind, or shipped and not as it was committed.
    """
    path = ASSETS / folder if isinstance(folder, str) and not os.path.dirname(folder) else Path(folder)
    path = standing(path)
    if not (path / "card.json").is_file():
        raise InputError(f"no {kind} at {path}: expected a folder with tensors.safetensors and card.json")
    if path.parent == ASSETS:
        shipped.check(path)
    card = read_json(path / "card.json", "the card of an artefact")
    try:
        tensors = load_file(path / "tensors.safetensors")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
        raise InputError(
            f"the {kind} at {path} cannot be read ({error}); rebuild or fetch it again"
        ) from error
    if not isinstance(card, dict) or card.get("kind") != kind:
        found = card.get("kind") if isinstance(card, dict) else type(card).__name__
        raise InputError(f"{path} holds a '{found}', but a '{kind}' is needed")
    return Artefact(tensors, card)


def expect(artefact: Artefact, where: str, **shapes: tuple[int, ...]) -> None:
    """Check that tensors exist with the given shapes.

    Raises
    ------
    InputError : naming the tensor, the shape found and the shape needed.
    """
    for name, shape in shapes.items():
        if name not in artefact.tensors:
            raise InputError(f"{where} lacks the tensor '{name}' of shape {shape}")
        found = artefact.tensors[name].shape
        if tuple(found) != tuple(shape):
            raise InputError(
                f"{where}: tensor '{name}' has shape {tuple(found)}, but {tuple(shape)} is needed"
            )
        values = artefact.tensors[name]
        if values.dtype.kind not in "fiub" or not np.isfinite(values).all():
            raise InputError(f"{where}: tensor '{name}' holds {values.dtype} that are not all finite numbers")
