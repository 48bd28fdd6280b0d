"""Fitted codings on disk: an artefact each, which names its coding and its expression space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.space import ExpressionSpace, numbers

KIND = "coding"


def save_coding(
    coding: Any, path: str | Path, tensors: dict[str, np.ndarray], parameters: dict[str, Any]
) -> Path:
    """Write a fitted coding with the card that :func:`load_coding` checks."""
    card = {
        "kind": KIND,
        "coding": type(coding).__name__,
        "name": coding.name,
        "space": coding.space.name,
        "parameters": parameters,
        "what": f"{coding.name} coding of expression space {coding.space.name}",
        "made_from": "expression coefficients chosen by the user",
        "rebuild": f"dfe_lib.codings.{type(coding).__name__}(…).fit(psi).save(path)",
    }
    return artefacts.save(path, tensors, card)


def rows_of(codes: object) -> np.ndarray:
    """Whatever a caller hands over as codes, as (n, k) whole numbers; one row may come alone.

    Raises
    ------
    InputError : text, fractions, ragged lists, another number of dimensions.
    """
    given = np.atleast_2d(numbers(codes, "codes", None))
    if given.ndim != 2 or given.dtype.kind not in "iu":
        if (
            given.dtype.kind != "f"
            or given.ndim != 2
            or not (np.mod(given, 1) == 0).all()
            or (abs(given) > 2**31).any()
        ):
            raise InputError(
                f"codes must be whole numbers of shape (frames, units), got {given.dtype} {given.shape}"
            )
        return given.astype(np.int64)
    return given


def made(kind: type[Any], artefact: artefacts.Artefact, path: str | Path, space: ExpressionSpace) -> Any:
    """A coding of class ``kind`` with the parameters of an artefact's card, not fitted yet.

    Raises
    ------
    InputError : parameters that the class does not take.
    """
    try:
        return kind(**artefact.card["parameters"], space=space)
    except (TypeError, ValueError, OverflowError, AttributeError, KeyError) as error:
        raise InputError(
            f"{path} has parameters that {kind.__name__} cannot have ({error}); fit it again"
        ) from error


def load_coding(kind: str, path: str | Path, space: ExpressionSpace) -> artefacts.Artefact:
    """Read a coding's artefact and refuse another coding or another space by name.

    Raises
    ------
    InputError : see above.
    """
    artefact = artefacts.load(Path(path), kind=KIND)
    card = artefact.card
    if card.get("coding") != kind or not isinstance(card.get("parameters"), dict):
        raise InputError(f"{path} holds a {card.get('coding')} coding, but {kind} is needed")
    if card.get("space") != space.name:
        raise InputError(f"{path} codes space '{card.get('space')}', but space '{space.name}' was asked for")
    return artefact
