"""Are the probabilities right, and which classes are taken for which? Tables from an :class:`Outcome`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dfe_lib.analysis.prediction.protocol import Outcome
from dfe_lib.analysis.statistics import ratio, score_interval
from dfe_lib.errors import InputError


def reliability(outcome: Outcome, bins: int = 10) -> pd.DataFrame:
    """Predicted chance against observed share: the reliability curve of each method.

    Two classes: the chance of the last one; more: of every class, pooled.

    Parameters
    ----------
    bins : of equal width over 0 … 1; empty ones are left out.

    Returns
    -------
    DataFrame with ``method, low, high`` (ends of the bin), ``predicted`` (mean chance), ``observed`` (share that is
    of the class) and ``count`` (predictions, over all repeats).

    Raises
    ------
    InputError : the model gives no probabilities.
    """
    rows = []
    for method, _, chance, hit in _chances(outcome):
        where = _bin(chance, bins)
        for b in np.unique(where):
            at = where == b
            row = {"method": method, "low": b / bins, "high": (b + 1) / bins}
            rows.append(
                row | {"predicted": chance[at].mean(), "observed": hit[at].mean(), "count": int(at.sum())}
            )
    return pd.DataFrame(rows)


def calibration(outcome: Outcome, bins: int = 10, seed: int = 0) -> pd.DataFrame:
    """Expected calibration error and Brier score of each method.

    ``ece`` is the mean distance of observed share and predicted chance over bins, weighted by their predictions (Naeini
    et al. 2015). It is above 0 even if every chance is right, so ``ece_if_right`` says what it would then be: the mean
    over labels drawn from the chances themselves. ``brier`` is the mean squared distance of chance and truth, with a
    95 % bootstrap interval over subjects; a constant at the share p of a class has p (1 − p).

    Returns
    -------
    DataFrame with ``method, ece, ece_if_right, brier, brier_low, brier_high``.
    """
    rows = []
    for method, subject, chance, hit in _chances(outcome):
        rng = np.random.default_rng(seed)
        member = np.eye(bins)[_bin(chance, bins)]
        drawn = rng.random((200, len(chance))) < chance
        errors = np.abs((np.vstack([hit, drawn]) - chance) @ member).sum(axis=1) / len(chance)
        squared = (chance - hit) ** 2
        found = score_interval(np.stack([np.ones(len(squared)), squared], axis=1), subject, ratio, rng)
        row = {"method": method, "ece": errors[0], "ece_if_right": errors[1:].mean()}
        rows.append(row | {"brier": found.value, "brier_low": found.low, "brier_high": found.high})
    return pd.DataFrame(rows)


def confusion(outcome: Outcome) -> pd.DataFrame:
    """Which class is taken for which: ``method, truth, predicted, count`` (mean over repeats) and ``share`` of truth.

    Raises
    ------
    InputError : the outcome is of numbers.
    """
    decided = _decided(outcome)
    classes = sorted(decided["truth"].unique())
    repeats = decided["repeat"].nunique()
    rows = []
    for method, part in decided.groupby("method", sort=False):
        for truth in classes:
            own = part[part["truth"] == truth]
            for predicted in classes:
                n = int((own["predicted"] == predicted).sum())
                row = {"method": method, "truth": truth, "predicted": predicted}
                rows.append(row | {"count": n / repeats, "share": n / max(len(own), 1)})
    return pd.DataFrame(rows)


def _decided(outcome: Outcome) -> pd.DataFrame:
    if outcome.decisions.empty:
        raise InputError(
            "numbers were predicted, not classes: there are no probabilities and no confusion of classes"
        )
    return outcome.decisions


def _chances(outcome: Outcome):
    """Per method: subjects, chances and whether the recording is of that class."""
    decided = _decided(outcome)
    classes = [c.removeprefix("chance ") for c in decided.columns if c.startswith("chance ")]
    if decided.loc[decided["method"] == outcome.reference, f"chance {classes[0]}"].isna().any():
        raise InputError(f"the model '{outcome.model}' gives no probabilities; use logistic regression")
    used = classes[-1:] if len(classes) == 2 else classes
    for method, part in decided.groupby("method", sort=False):
        chance = np.concatenate([part[f"chance {c}"].to_numpy() for c in used])
        hit = np.concatenate([(part["truth"].astype(str) == c).to_numpy(float) for c in used])
        yield method, np.tile(part["subject"].to_numpy(), len(used)), chance, hit


def _bin(chance: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((chance * bins).astype(int), bins - 1)
