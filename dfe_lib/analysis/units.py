"""What single units (templates) are like: how different, how local, how sparse in use, and how like an action unit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from dfe_lib.analysis import coverage, surface
from dfe_lib.analysis.panel import Panel
from dfe_lib.analysis.sources import HeldOut
from dfe_lib.codings.action_units import au_basis
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53, ExpressionSpace

ACTIVE_MM = 0.05  # a unit that moves the face by less is not counted as used


def cosines(a: np.ndarray, b: np.ndarray, space: ExpressionSpace = ICT53) -> np.ndarray:
    """Cosines in G between rows of (k, d) and (m, d), (k, m) float64; 0 for a row that moves nothing."""
    one, two = (_unit_rows(x, space) for x in (a, b))
    return one @ two.T


def chance_cosine(
    basis: np.ndarray, rng: np.random.Generator, draws: int = 5000, space: ExpressionSpace = ICT53
) -> float:
    """The best |cosine| with any row of ``basis`` that 95 % of random directions (even in G) stay below."""
    directions = rng.standard_normal((draws, space.dimension))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return float(np.quantile(np.abs(directions @ _unit_rows(basis, space).T).max(axis=1), 0.95))


def resemblance(
    templates: np.ndarray, au_names: list[str], au_basis: np.ndarray, threshold: float
) -> pd.DataFrame:
    """Which action unit each template is most like.

    Parameters
    ----------
    threshold : best |cosine| up to which a template resembles none, e.g. :func:`chance_cosine`.

    Returns
    -------
    DataFrame, one row per template: ``unit, au`` (the most like), ``cosine`` (negative: it takes that movement back),
    ``resembles`` (``au``, or ``"none"``).
    """
    c = cosines(templates, au_basis)
    best = np.abs(c).argmax(axis=1)
    value = c[np.arange(len(c)), best]
    names = np.array(au_names)[best]
    return pd.DataFrame(
        {"unit": np.arange(len(c)), "au": names, "cosine": value}
        | {"resembles": np.where(np.abs(value) > threshold, names, "none")}
    )


def au_cosines(templates: np.ndarray, aus: Iterable[str]) -> np.ndarray:
    """Cosine in G of each template (k, d) with the two-sided action unit named beside it (``AU12``), (k,) float64.

    Raises
    ------
    InputError : an action unit that the full table does not have.
    """
    names, basis = au_basis("full")
    aus = list(aus)
    for au in aus:
        if au not in names:
            raise InputError(f"no such action unit: {choices(au, names)}")
    one = _unit_rows(templates, ICT53)
    return (one * _unit_rows(basis[[names.index(au) for au in aus]], ICT53)).sum(axis=1)


def active_units(coding: Any, codes: np.ndarray) -> np.ndarray:
    """How many units move the face by at least 0.05 mm in each frame, (n,) int; for token codings the tokens."""
    codes = np.asarray(codes)
    grid = getattr(coding, "grid", None)
    if grid is None:
        return (codes >= 0).sum(axis=1)
    amount = np.abs(grid.values(codes)) * coding.space.norm(coding.templates)
    return (amount >= ACTIVE_MM).sum(axis=1)


def unit_table(panel: Panel, source: HeldOut, au_basis: np.ndarray, threshold: float) -> pd.DataFrame:
    """One row per coding: what its units are like.

    Returns
    -------
    DataFrame: ``coding, units, diversity`` (mean pairwise G-cosine distance), ``area`` (median share of the face that
    carries 90 % of a unit's movement), ``active`` (mean units in use per frame of ``source``), ``au_cosine`` (median
    best |cosine| with an action unit), ``au_like`` (share of units above ``threshold``), ``aus_found`` (share of the
    action units that some unit is like by more than ``threshold``).
    """
    rows = []
    for coding in panel.codings:
        templates = np.asarray(coding.templates)
        templates = templates[coding.space.norm(templates) > 1e-6]
        if len(templates) < 2:
            raise InputError(f"{coding.name} has fewer than two units that move something")
        c = np.abs(cosines(templates, au_basis))
        rows.append(
            {
                "coding": coding.name,
                "units": len(templates),
                "diversity": coverage.diversity(templates),
                "area": float(np.nanmedian(surface.moved_area(templates))),
                "active": float(active_units(coding, panel.codes[source.name, coding.name]).mean()),
                "au_cosine": float(np.median(c.max(axis=1))),
                "au_like": float((c.max(axis=1) > threshold).mean()),
                "aus_found": float((c.max(axis=0) > threshold).mean()),
            }
        )
    return pd.DataFrame(rows)


def _unit_rows(rows: np.ndarray, space: ExpressionSpace) -> np.ndarray:
    whitened = space.check(rows).astype(np.float64) @ space.whitener
    return whitened / np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12)
