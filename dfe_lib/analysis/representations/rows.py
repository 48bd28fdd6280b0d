"""The rows of the prediction tables: every coding turned into one vector per recording, in the usual ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.analysis.representations.counts import bag_of_levels, bag_of_tokens, functionals
from dfe_lib.codings.facs import FACS, INTENSITIES
from dfe_lib.codings.linear import PCA
from dfe_lib.errors import InputError

DFE_BAG = "DFE bag of tokens"
MAE_NOTE = "not measured: it needs video frames, and there are none here"


def coding_features(
    table: pd.DataFrame, tokenizer: Any, pca: PCA, facs: FACS | None = None, method: str = "greedy"
) -> dict[str, pd.DataFrame]:
    """Features of every recording by every coding; nothing is learnt from ``table``.

    Frames without a face are left out. Both ``tokenizer`` and ``pca`` must have been fitted on other data
    than the recordings at hand, or they leak into every fold.

    Parameters
    ----------
    table : frame table with the ``psi_`` columns of ``tokenizer.space``.
    method : how the tokenizer searches; greedy takes a twentieth of the time of a beam of 8.

    Returns
    -------
    dict, name → table indexed by recording: ``DFE bag of tokens`` and ``FACS bag`` (counts), ``FACS
    mean+sd``, ``PCA mean+sd`` and ``ψ mean+sd`` (the coefficients themselves, without any coding).

    Raises
    ------
    InputError : a recording without a single detected face, by name.
    """
    facs = FACS() if facs is None else facs
    names = tokenizer.space.names
    seen = table[table["detected"]]
    empty = sorted(set(table["recording"]) - set(seen["recording"]))
    if empty:
        raise InputError(
            f"no face was found in recording '{empty[0]}' ({len(empty)} such); leave them out and say so"
        )
    psi = frames.psi(seen, names)
    recordings = seen["recording"].to_numpy()
    levels = facs.encode(psi)
    components = [f"pc{i}" for i in range(len(pca.templates))]
    return {
        DFE_BAG: bag_of_tokens(tokenizer.encode(psi, method=method), recordings, len(tokenizer.templates)),
        "FACS mean+sd": functionals(facs.intensities(psi), recordings, facs.names),
        "FACS bag": bag_of_levels(levels, recordings, facs.names, INTENSITIES),
        "PCA mean+sd": functionals(pca.coefficients(psi), recordings, components),
        "ψ mean+sd": functionals(psi, recordings, names),
    }


def with_unmeasured(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric of an :class:`Outcome` table, with a ``note`` and a row for what was not measured."""
    shown = table.query("metric == @metric and target == 'all'")
    shown = shown[["method", "metric", "value", "low", "high", "difference", "p", "p_holm"]].assign(note="")
    absent = pd.DataFrame(
        [{"method": "Masked Autoencoder", "metric": metric, "value": np.nan, "note": MAE_NOTE}]
    )
    return pd.concat([shown, absent], ignore_index=True)
