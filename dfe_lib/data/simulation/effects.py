"""The table of effects (``effects.yaml``), read safely and checked against the lexicon."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from dfe_lib.data.simulation.config import EFFECTS
from dfe_lib.data.simulation.lexicon import lexicon
from dfe_lib.errors import InputError, choices
from dfe_lib.texts import read_yaml

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
LABELS = ("stress", "depression", *TRAITS)
ACTS = ("rate", "amplitude", "speed", "one_sided", "left", "pairing")
HEAD, SPEECH = "head_motion", "speech"
_UNSEEN = ("one_sided", "left", "pairing")  # what the mean of both sides of every unit does not show
_KEYS = ("label", "display", "acts", "weight", "world", "source")


@dataclass(frozen=True)
class Effect:
    """One line; see the head of ``effects.yaml`` for what the fields mean."""

    label: str
    display: str
    acts: str
    weight: float
    world: str
    source: str


@lru_cache(maxsize=8)
def effects(path: str | Path = EFFECTS) -> tuple[Effect, ...]:
    """The lines of a table of effects, checked.

    Raises
    ------
    InputError : not readable as YAML, or a line that cannot be, by number and key: among others one of world
        "facs" that acts on what action units do not describe.

    Examples
    --------
    >>> effects()[0].label, effects()[0].display
    ('stress', 'brow_lower')
    """
    content = read_yaml(path, "a table of effects")
    if not isinstance(content, dict) or set(content) != {"sources", "effects"}:
        raise InputError(f"{path} is no table of effects: it needs exactly the keys sources and effects")
    sources, lines = content["sources"] or {}, content["effects"] or []
    return tuple(_effect(line, sources, f"{path}: effect {i + 1}") for i, line in enumerate(lines))


def effect_table(path: str | Path = EFFECTS) -> pd.DataFrame:
    """The same as a table to show, one row per line."""
    return pd.DataFrame([vars(e) for e in effects(path)], columns=list(_KEYS))


def _effect(line: dict, sources: dict, where: str) -> Effect:
    if not isinstance(line, dict) or set(line) != set(_KEYS):
        raise InputError(f"{where} needs exactly the keys {', '.join(_KEYS)}, got {line!r}")
    effect = Effect(**line)
    if effect.label not in LABELS:
        raise InputError(f"{where}: unknown label: {choices(effect.label, LABELS)}")
    if effect.acts not in ACTS:
        raise InputError(f"{where}: unknown property: {choices(effect.acts, ACTS)}")
    if isinstance(effect.weight, bool) or not isinstance(effect.weight, int | float):
        raise InputError(f"{where}: weight must be a number, got {effect.weight!r}")
    if effect.source not in ("assumed", *sources):
        raise InputError(f"{where}: unknown source: {choices(effect.source, ['assumed', *sources])}")
    if effect.world not in ("facs", "beyond"):
        raise InputError(f"{where}: unknown world: {choices(effect.world, ['facs', 'beyond'])}")
    _check_property(effect, where)
    if effect.world != _world(effect):
        raise InputError(
            f"{where}: {effect.acts} of {effect.display} belongs to the world '{_world(effect)}', not '{effect.world}'"
        )
    return effect


def _check_property(effect: Effect, where: str) -> None:
    """Raise unless the display has such a property."""
    known = lexicon()
    if effect.acts == "pairing":
        pairs = ["+".join(pair) for pair in known.pairs]
        if effect.display not in pairs:
            raise InputError(
                f"{where}: pairing acts on a pair of the lexicon: {choices(effect.display, pairs)}"
            )
        return
    if effect.display in (HEAD, SPEECH):
        only = {HEAD: "amplitude", SPEECH: "rate"}[effect.display]
        if effect.acts != only:
            raise InputError(f"{where}: on {effect.display} acts only {only}, got {effect.acts}")
        return
    if effect.display not in known.names:
        raise InputError(f"{where}: unknown display: {choices(effect.display, [*known.names, HEAD, SPEECH])}")
    display = known[effect.display]
    if display.kind == "speech":
        raise InputError(f"{where}: visemes come with speech; act on '{SPEECH}' instead of '{display.name}'")
    if effect.acts == "one_sided" and not display.one_sided:
        raise InputError(f"{where}: '{display.name}' is never one-sided in the lexicon")
    if effect.acts == "left" and not (display.one_sided or display.directed):
        raise InputError(f"{where}: '{display.name}' goes to no side in the lexicon")


def _world(effect: Effect) -> str:
    """Which world a property is of: its display's, unless units without sides do not show the property."""
    if effect.acts in _UNSEEN:
        return "beyond"
    return (
        "beyond"
        if effect.display in lexicon().names and lexicon()[effect.display].kind == "beyond"
        else "facs"
    )
