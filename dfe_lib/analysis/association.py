"""Which tokens go with which action units in real recordings: mutual information against a null that respects time.

Neighbouring frames are alike, so a test that shuffles frames finds everything. Here the action units of each clip are
shifted in a circle against its tokens: both series keep their own rhythm and each clip its own level, and only their
timing is broken. What two series share because both differ from clip to clip therefore counts for nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dfe_lib.errors import InputError


def token_presence(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """(n, K) bool: whether a frame has a code, at whatever stage."""
    codes = np.asarray(codes)
    present = np.zeros((len(codes), n_codes), dtype=bool)
    seen = (codes >= 0).all(axis=1)
    present[np.flatnonzero(seen)[:, None], codes[seen]] = True
    return present


def mutual_information(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mutual information in bits of all pairs of columns of two presence tables.

    Parameters
    ----------
    x : (n, k) bool. y : (n, m) bool.

    Returns
    -------
    (k, m) float64, 0 … 1.

    Examples
    --------
    >>> on = np.array([[True], [True], [False], [False]])
    >>> mutual_information(on, on).item(), mutual_information(on, on[::2].repeat(2, 0)[[0, 2, 1, 3]]).item()
    (1.0, 0.0)
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x):
        raise InputError(f"presence tables need the same frames, got {x.shape} and {y.shape}")
    n = len(x)
    both = x.T @ y
    return _information(both, x.sum(axis=0)[:, None], y.sum(axis=0)[None, :], n)


def shifted(clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) row numbers in which every clip is turned in a circle by a random number of frames.

    Raises
    ------
    InputError : the rows of a clip do not stand together.
    """
    starts, lengths = _runs(clips)
    index = np.arange(len(clips))
    for start, length in zip(starts, lengths, strict=True):
        index[start : start + length] = start + (np.arange(length) + rng.integers(length)) % length
    return index


def associate(
    x: np.ndarray,
    y: np.ndarray,
    clips: np.ndarray,
    rng: np.random.Generator,
    permutations: int = 999,
    rarest: float = 0.05,
) -> pd.DataFrame:
    """Mutual information of every pair of columns, against circular shifts within clips.

    Parameters
    ----------
    x : (n, k) bool, e.g. tokens. y : (n, m) bool, e.g. action units; frames of a clip in order of time.
    clips : (n,) names.
    rarest : columns that are on, or off, in a smaller share of the frames are left out: so few occasions show nothing,
        and every pair more makes the bar higher for all.

    Returns
    -------
    DataFrame, one row per pair: ``x, y`` (column numbers), ``bits``, ``null_bits`` (mean of the null), ``z``, ``p`` (of
    this pair alone) and ``p_family`` (that any pair at all reaches such a z: corrected for all pairs at once).

    Tests stand on the signed root ``± √(2 n ln 2 · bits)``, plus where the two occur together, minus where they avoid
    each other: under the null it is nearly normal, while bits are skewed and rare columns would set the bar for all.
    ``z`` is its distance from its own mean under the null, in standard deviations.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape[:1] != y.shape[:1] or x.shape[:1] != np.shape(clips):
        raise InputError(
            f"the tables and the clips need the same frames, got {x.shape}, {y.shape}, {np.shape(clips)}"
        )
    varies = [
        (t.mean(axis=0) >= rarest) & (t.mean(axis=0) <= 1 - rarest) & (t.std(axis=0) > 0) for t in (x, y)
    ]
    rows, columns = (np.flatnonzero(v) for v in varies)
    if not len(rows) or not len(columns):
        raise InputError(
            f"no pair can be tested: every column is on, or off, in under {rarest:.0%} of the frames"
        )
    x, y = x[:, rows], y[:, columns]
    n, nx, ny = len(x), x.sum(axis=0)[:, None], y.sum(axis=0)[None, :]
    both = x.T @ y
    observed = _information(both, nx, ny, n)
    null = np.empty((permutations, *observed.shape), dtype=np.float32)
    bits = np.zeros(observed.shape)
    for b in range(permutations):
        together = x.T @ y[shifted(clips, rng)]
        found = _information(together, nx, ny, n)
        null[b], bits = _signed_root(found, together, nx, ny, n), bits + found
    mean, sd = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-3)
    null = np.abs(null - mean) / sd
    z = (_signed_root(observed, both, nx, ny, n) - mean) / sd
    tiny = 1e-5  # the null is kept in single precision
    p = (1 + (null >= np.abs(z) - tiny).sum(axis=0)) / (1 + permutations)
    p_family = (1 + (null.max(axis=(1, 2))[:, None, None] >= np.abs(z) - tiny).sum(axis=0)) / (
        1 + permutations
    )
    i, j = (a.ravel() for a in np.indices(observed.shape))
    return pd.DataFrame(
        {
            "x": rows[i], "y": columns[j], "bits": observed.ravel(), "null_bits": bits.ravel() / permutations,
            "z": z.ravel(), "p": p.ravel(), "p_family": p_family.ravel(),
        }
    ).sort_values("z", key=np.abs, ascending=False, ignore_index=True)  # fmt: skip


def _signed_root(bits: np.ndarray, both: np.ndarray, nx: np.ndarray, ny: np.ndarray, n: int) -> np.ndarray:
    return np.where(both * n >= nx * ny, 1, -1) * np.sqrt(2 * n * np.log(2) * bits)


def _information(both: np.ndarray, nx: np.ndarray, ny: np.ndarray, n: int) -> np.ndarray:
    """Bits of a 2 × 2 table per pair, from how often both, each one, and all."""
    cells = (
        (both, nx, ny),
        (nx - both, nx, n - ny),
        (ny - both, n - nx, ny),
        (n - nx - ny + both, n - nx, n - ny),
    )
    total = np.zeros(np.broadcast(both, nx, ny).shape)
    for joint, a, b in cells:
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.where(joint > 0.5, joint / n * np.log2(joint * n / (a * b)), 0)
    return np.maximum(total, 0)


def _runs(clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    clips = np.asarray(clips)
    starts = np.flatnonzero(np.r_[True, clips[1:] != clips[:-1]])
    if len(np.unique(clips)) != len(starts):
        raise InputError("the frames of a clip must stand together, in order of time")
    return starts, np.diff(np.r_[starts, len(clips)])
