"""From frames to one vector per recording: counts of tokens, means and deviations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dfe_lib.errors import InputError


def bag_of_tokens(
    codes: np.ndarray, recordings: Sequence[str], n_codes: int, by_stage: bool = False
) -> pd.DataFrame:
    """How often each token occurs in each recording.

    Only counts: weights such as IDF depend on the other recordings and must be learnt inside a training fold
    (:class:`~dfe_lib.analysis.representations.weights.CountWeights`; the protocol does it for every table of
    integers).

    Parameters
    ----------
    codes : (n, S) integers; −1 (no face) is not counted.
    recordings : (n,) recording of each frame.
    n_codes : K, size of the codebook.
    by_stage : one word per (stage, code) instead of one per code of the shared codebook.

    Returns
    -------
    DataFrame of int64, one row per recording in order of appearance, columns ``t<code>`` or
    ``s<stage>_t<code>``.

    Examples
    --------
    >>> bag_of_tokens(np.array([[0, 1], [1, 1]]), ["a", "a"], 2).loc["a"].tolist()
    [1, 3]
    """
    codes, groups, names = _by_recording(codes, recordings)
    if not np.issubdtype(codes.dtype, np.integer) or (
        codes.size and (codes.max() >= n_codes or codes.min() < -1)
    ):
        raise InputError(f"codes must be integers in −1 … {n_codes - 1} (−1: no face)")
    stages = codes.shape[1]
    word = codes + n_codes * np.arange(stages) if by_stage else codes.astype(np.int64)
    columns = [f"t{k}" for k in range(n_codes)]
    if by_stage:
        columns = [f"s{s}_{c}" for s in range(stages) for c in columns]
    return _count(word, codes >= 0, groups, names, columns)


def bag_of_levels(
    codes: np.ndarray, recordings: Sequence[str], names: Sequence[str], n_levels: int = 6
) -> pd.DataFrame:
    """The same for codings with one level per unit, such as FACS: words are like ``AU12_3``.

    Parameters
    ----------
    codes : (n, k) levels in 0 … n_levels − 1, 0 meaning absent; −1 (no face) is not counted.
    names : (k,) names of the units.
    """
    codes, groups, order = _by_recording(codes, recordings)
    if codes.shape[1] != len(names) or codes.max(initial=0) >= n_levels or codes.min(initial=0) < -1:
        raise InputError(
            f"codes must have {len(names)} columns of levels in −1 … {n_levels - 1}, got {codes.shape}"
        )
    word = (codes.astype(np.int64) - 1) + (n_levels - 1) * np.arange(len(names))
    columns = [f"{name}_{level}" for name in names for level in range(1, n_levels)]
    return _count(word, codes > 0, groups, order, columns)


def functionals(values: np.ndarray, recordings: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Mean and standard deviation over the frames of each recording: the usual pipeline of action units.

    Parameters
    ----------
    values : (n, k) float; NaN (no face) is left out of both.

    Returns
    -------
    DataFrame, one row per recording, columns ``<name>_mean`` and ``<name>_sd`` (ddof 0).

    Raises
    ------
    InputError : a recording in which some value was never measured, by name.
    """
    values, groups, order = _by_recording(np.asarray(values, dtype=np.float64), recordings)
    if values.shape[1] != len(names):
        raise InputError(f"{values.shape[1]} columns of values, but {len(names)} names")
    known = np.isfinite(values)
    sums = [np.zeros((len(order), len(names))) for _ in range(2)]
    counts = np.zeros((len(order), len(names)))
    np.add.at(counts, groups, known)
    empty = np.flatnonzero((counts == 0).any(axis=1))
    if len(empty):
        raise InputError(
            f"recording '{order[empty[0]]}' has no measured frame"
            + (f" (and {len(empty) - 1} more)" if len(empty) > 1 else "")
            + "; leave such recordings out of features, labels and subjects alike, and say how many they are"
        )
    np.add.at(sums[0], groups, np.where(known, values, 0))
    mean = sums[0] / counts
    np.add.at(sums[1], groups, np.where(known, values - mean[groups], 0) ** 2)
    table = np.concatenate([mean, np.sqrt(sums[1] / counts)], axis=1)
    columns = [f"{n}_mean" for n in names] + [f"{n}_sd" for n in names]
    return pd.DataFrame(table, index=pd.Index(order, name="recording"), columns=columns)


def _by_recording(values: np.ndarray, recordings: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.asarray(values)
    if values.ndim != 2 or len(values) != len(recordings) or not len(values):
        raise InputError(
            f"values of shape {values.shape} need as many recordings, one per frame; got {len(recordings)}"
        )
    groups, order = pd.factorize(np.asarray(recordings))
    return values, groups, order


def _count(word, counted, groups, order, columns) -> pd.DataFrame:
    flat = (groups[:, None] * len(columns) + word)[counted]
    counts = np.bincount(flat, minlength=len(order) * len(columns)).reshape(len(order), len(columns))
    return pd.DataFrame(counts, index=pd.Index(order, name="recording"), columns=columns)
