"""A tokenizer on disk: which arrays there must be, of which shapes, for which expression space."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.space import ExpressionSpace
from dfe_lib.tokens.model import Encoder, ModelConfig
from dfe_lib.tokens.settings import TrainingConfig

KIND = "tokenizer"
_ENCODER = "encoder."


def write(
    path: str | Path,
    templates: np.ndarray,
    gains: np.ndarray,
    space: ExpressionSpace,
    encoder: Encoder | None,
    config: ModelConfig,
    card: dict,
) -> Path:
    """Write an artefact folder (safetensors and a JSON card); parameters as of ``Tokenizer.from_parts``."""
    tensors = {"templates": templates, "gains": gains}
    if encoder is not None:
        tensors |= {_ENCODER + k: v.numpy() for k, v in encoder.state_dict().items()}
    return artefacts.save(
        path,
        tensors,
        {
            "what": f"Tokenizer of expression coefficients, space {space.name}",
            "made_from": "not recorded",
            "rebuild": "dfe train FRAMES... --out DIR",
            **card,
            "kind": KIND,
            "space": {"name": space.name, "names": list(space.names), "unit": space.unit},
            "config": asdict(config),
            "has_encoder": encoder is not None,
        },
    )


def read(path: str | Path, space: ExpressionSpace) -> dict:
    """What ``Tokenizer.from_parts`` takes, by name.

    Raises
    ------
    InputError : missing, unreadable, of another kind, shape or expression space.
    """
    artefact = artefacts.load(path, KIND)
    where, card = f"tokenizer {path}", dict(artefact.card)
    config, has_encoder = _understand(card, where, space)
    encoder, shapes = None, {"templates": (config.codes, space.dimension), "gains": (config.stages,)}
    if has_encoder:
        encoder = blank_encoder(space, config)
        shapes |= {_ENCODER + k: tuple(v.shape) for k, v in encoder.state_dict().items()}
    artefacts.expect(artefact, where, **shapes)
    if encoder is not None:
        encoder.load_state_dict(
            {k: torch.from_numpy(artefact.tensors[_ENCODER + k]) for k in encoder.state_dict()}
        )
    for own in ("kind", "space", "config", "has_encoder"):
        del card[own]
    return {
        "templates": artefact.tensors["templates"],
        "gains": artefact.tensors["gains"],
        "space": space,
        "encoder": encoder,
        "config": config,
        "card": card,
    }


def _understand(card: dict, where: str, space: ExpressionSpace) -> tuple[ModelConfig, bool]:
    """Configuration, and whether there is an encoder."""
    try:
        made_for, names = card["space"]["name"], tuple(card["space"]["names"])
        settings, has_encoder = dict(card["config"]), bool(card["has_encoder"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: the card lacks {error}; train or fetch the tokenizer again") from error
    if (made_for, names) != (space.name, space.names):
        raise InputError(
            f"{where} was made for the expression space '{made_for}', but ψ is in '{space.name}'; "
            "load it with that space or train another"
            + (" (the coefficient names differ)" if made_for == space.name else "")
        )
    if "device" in settings:  # the one of the training need not be here
        settings["device"] = "auto"
    kind = TrainingConfig if "batch" in settings else ModelConfig
    return kind.from_mapping(settings), has_encoder


def blank_encoder(space: ExpressionSpace, config: ModelConfig) -> Encoder:
    """An encoder to be filled; torch's global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        return Encoder(space, config)
