"""Tables of one panel: error and variance explained with intervals, and DFE against every rival, pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from dfe_lib.analysis import surface
from dfe_lib.analysis.beyond import beyond, reproduced_terms
from dfe_lib.analysis.claims import AHEAD, BEHIND, EQUAL, TOO_FEW
from dfe_lib.analysis.coverage import coverage_curve
from dfe_lib.analysis.panel import Panel
from dfe_lib.analysis.sources import HeldOut
from dfe_lib.analysis.statistics import (
    FEWEST_UNITS,
    Difference,
    explained,
    holm,
    mean_interval,
    mean_intervals,
    paired_difference,
    ratio,
    score_intervals,
)
from dfe_lib.space import ICT53

Terms = Callable[[HeldOut, str], np.ndarray]  # (source, coding name) → (n, 2) terms of a ratio


def error_table(panel: Panel, seed: int = 0) -> pd.DataFrame:
    """One row per source and coding, every figure with its 95 % bootstrap interval over the source's units.

    Returns
    -------
    DataFrame: ``data, source, unit, n_units, coding, units`` (templates), ``bits, rms_mm, low, high, p95_mm,
    variance_explained, ve_low, ve_high``.
    """
    rng = np.random.default_rng([seed, 1])
    rows = []
    for source in panel.sources:
        energy = ICT53.norm(source.psi) ** 2
        errors = [panel.errors(source, name) for name in panel.names]
        rms = score_intervals([with_ones(e) for e in errors], source.unit, ratio, rng)
        ve = score_intervals([np.stack([energy, e**2], axis=1) for e in errors], source.unit, explained, rng)
        for coding, error, r, v in zip(panel.codings, errors, rms, ve, strict=True):
            rows.append(
                {
                    "data": source.name, "source": source.source, "unit": source.unit_name,
                    "n_units": source.units, "coding": coding.name, "units": len(coding.templates),
                    "bits": float(coding.bits_per_frame), "rms_mm": r.value, "low": r.low, "high": r.high,
                    "p95_mm": float(np.quantile(error, 0.95)), "variance_explained": v.value,
                    "ve_low": v.low, "ve_high": v.high,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def rate_distortion(panels: Iterable[Panel], seed: int = 0) -> pd.DataFrame:
    """Error against budget: :func:`error_table` of the same codings at several budgets.

    Parameters
    ----------
    panels : of :func:`dfe_lib.analysis.panel.at_budget`, on the same sources.

    Returns
    -------
    DataFrame as of :func:`error_table`, without repetitions; ``bits`` is what is really spent.
    """
    tables = pd.concat([error_table(panel, seed) for panel in panels])
    return tables.drop_duplicates(["data", "coding", "bits"], ignore_index=True)


def against(
    panel: Panel, terms: Terms, score: Callable, lower_is_better: bool, seed: int = 0,
    sources: Iterable[HeldOut] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The panel's first coding (DFE) against every other one on the same frames.

    Parameters
    ----------
    terms : of a source and a coding's name, (n, m) terms per frame of that source.
    score : from their sums to the score.

    Returns
    -------
    DataFrame: ``data, source, other, bits`` (of the other), ``gain`` of DFE over it in the score's unit (above zero:
    DFE is better) with ``low, high``, ``p, p_holm`` (within the source), ``n_units, outcome``.
    """
    rng = np.random.default_rng([seed, 2])
    parts = []
    for source in panel.sources if sources is None else sources:
        first = terms(source, panel.codings[0].name)
        rows = []
        for other in panel.codings[1:]:
            theirs = terms(source, other.name)
            pair = (theirs, first) if lower_is_better else (first, theirs)
            found = paired_difference(*pair, source.unit, score, rng)
            rows.append(
                {"data": source.name, "source": source.source, "other": other.name}
                | {"bits": float(other.bits_per_frame), "gain": found.value, "low": found.low}
                | {"high": found.high, "p": found.p, "n_units": found.units, "outcome": outcome(found)}
            )
        table = pd.DataFrame(rows)
        table.insert(8, "p_holm", holm(table["p"].to_numpy()))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def outcome(found: Difference) -> str:
    """``ahead`` or ``behind`` where the whole 95 % interval says so and at least six units stand behind it."""
    if found.units < FEWEST_UNITS:
        return TOO_FEW
    return AHEAD if found.low > 0 else BEHIND if found.high < 0 else EQUAL


def error_terms(panel: Panel) -> Terms:
    """Terms whose :func:`ratio` is the mean RMS error in mm."""
    return lambda source, coding: with_ones(panel.errors(source, coding))


def within_terms(panel: Panel, tau: float) -> Terms:
    """Terms whose :func:`ratio` is the share of frames within ``tau`` mm."""
    return lambda source, coding: with_ones(panel.errors(source, coding) <= tau)


def outside_terms(panel: Panel, basis: np.ndarray, kind: str) -> Terms:
    """Terms whose :func:`explained` is the share of what lies outside a basis that a coding brings back."""
    true = {source.name: beyond(source.psi, basis, kind) for source in panel.sources}

    def terms(source: HeldOut, coding: str) -> np.ndarray:
        answer = beyond(panel.psi_hat[source.name, coding], basis, kind)
        return reproduced_terms(true[source.name], answer)

    return terms


def outside_table(panel: Panel, basis: np.ndarray, kind: str, seed: int = 0) -> pd.DataFrame:
    """How much of the variance lies outside a basis, and how much of that each coding brings back, with intervals.

    Returns
    -------
    DataFrame: ``data, source, coding, outside_facs, of_that_reproduced, low, high``.
    """
    rng = np.random.default_rng([seed, 3])
    terms = outside_terms(panel, basis, kind)
    rows = []
    for source in panel.sources:
        share = beyond(source.psi, basis, kind).share
        found = score_intervals([terms(source, name) for name in panel.names], source.unit, explained, rng)
        for name, f in zip(panel.names, found, strict=True):
            rows.append(
                {"data": source.name, "source": source.source, "coding": name, "outside_facs": share}
                | {"of_that_reproduced": f.value, "low": f.low, "high": f.high}
            )
    return pd.DataFrame(rows)


def curves(panel: Panel, thresholds: Sequence[float]) -> pd.DataFrame:
    """Coverage curves: ``data, coding, tau_mm, share``."""
    rows = []
    for source in panel.sources:
        for coding in panel.names:
            share = coverage_curve(source.psi, panel.psi_hat[source.name, coding], thresholds)
            rows.append(
                pd.DataFrame({"data": source.name, "coding": coding, "tau_mm": thresholds, "share": share})
            )
    return pd.concat(rows, ignore_index=True)


def group_table(panel: Panel, tau: float, seed: int = 0) -> pd.DataFrame:
    """Share of frames within ``tau`` mm by group of people, for sources that have groups.

    Returns
    -------
    DataFrame: ``data, group, frames, n_units, coding, share, low, high``; a group of one unit has no interval.
    """
    rng = np.random.default_rng([seed, 4])
    rows = []
    for source in panel.sources:
        groups = np.unique(source.group)
        if len(groups) < 2:
            continue
        for group in groups:
            here = source.group == group
            for coding in panel.names:
                within = panel.errors(source, coding)[here] <= tau
                found = mean_interval(within, source.unit[here], rng)
                rows.append(
                    {"data": source.name, "group": group, "frames": int(here.sum())}
                    | {"n_units": len(np.unique(source.unit[here])), "coding": coding}
                    | {"share": found.value, "low": found.low, "high": found.high}
                )
    return pd.DataFrame(rows)


def region_table(panel: Panel, seed: int = 0, tau: float = 0.5) -> pd.DataFrame:
    """Error on the skin of each region, and how much of its movement is explained.

    Returns
    -------
    DataFrame: ``data, region, coding, rms_mm, low, high, moves_mm`` (RMS of the true movement there), ``within``
    (share of frames within ``tau`` mm there), ``variance_explained``.
    """
    rng = np.random.default_rng([seed, 5])
    rows = []
    for source in panel.sources:
        moves = surface.region_norms(source.psi)
        errors = {
            (coding, region): error
            for coding in panel.names
            for region, error in surface.region_norms(source.psi - panel.psi_hat[source.name, coding]).items()
        }
        found = mean_intervals(np.stack(list(errors.values()), axis=1), source.unit, rng)
        for (coding, region), error, mean, low, high in zip(errors, errors.values(), *found, strict=True):
            energy = (moves[region] ** 2).sum()
            rows.append(
                {
                    "data": source.name,
                    "region": region,
                    "coding": coding,
                    "rms_mm": mean,
                    "low": low,
                    "high": high,
                }
                | {"moves_mm": float(np.sqrt(energy / len(error))), "within": float((error <= tau).mean())}
                | {"variance_explained": float(1 - (error**2).sum() / energy) if energy else np.nan}
            )
    return pd.DataFrame(rows)


def asymmetry(psi: np.ndarray) -> np.ndarray:
    """RMS displacement of the one-sided part ``(ψ − mirrored ψ) / 2``, (n,) mm."""
    return ICT53.norm((np.asarray(psi) - ICT53.mirror(psi)) / 2)


def sentence(table: pd.DataFrame, what: str, unit: str = "mm") -> str:
    """What :func:`against` found, in one paragraph of Markdown: where DFE wins, and plainly where it does not.

    Examples
    --------
    >>> row = {"data": "actors", "other": "PCA", "gain": 0.2, "low": 0.1, "high": 0.3, "outcome": "ahead"}
    >>> sentence(pd.DataFrame([row]), "RMS error")
    '**RMS error.** DFE is ahead in 1 of 1 comparisons: the 95 % interval of the paired difference lies above zero.'
    """
    ahead = table[table["outcome"] == AHEAD]
    text = f"**{what}.** DFE is ahead in {len(ahead)} of {len(table)} comparisons"
    text += ": the 95 % interval of the paired difference lies above zero." if len(ahead) else "."
    words = {BEHIND: "It is **behind** against ", EQUAL: "**No difference is shown** from "}
    for kind, start in words.items():
        rows = table[table["outcome"] == kind]
        each = [
            f"{r.other} on {r.data} ({r.gain:+.3g} {unit}, {r.low:.3g} to {r.high:.3g})"
            for r in rows.itertuples()
        ]
        text += f" {start}{'; '.join(each)}." if each else ""
    few = table[table["outcome"] == TOO_FEW]["data"].unique()
    text += f" Too few units to say on {', '.join(few)}." if len(few) else ""
    return text


def with_ones(values: np.ndarray) -> np.ndarray:
    """(n, 2) terms whose :func:`dfe_lib.analysis.statistics.ratio` is the mean of (n,) values."""
    return np.stack([np.ones(len(values)), np.asarray(values, dtype=np.float64)], axis=1)
