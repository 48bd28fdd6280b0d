"""Least squares with bounds for many frames at once, exactly: what FACS coding by intensities comes down to."""

from __future__ import annotations

import numpy as np
from scipy.optimize import lsq_linear

BLOCK = 4096  # frames at a time: enough that many have equally many free coordinates
_RIDGE = 1e-10  # of the largest diagonal entry: one answer also where atoms are mixtures of each other
_PATIENCE = 3  # exchanges of all violated bounds that may fail to help before one at a time is exchanged


def bounded_least_squares(
    targets: np.ndarray, atoms: np.ndarray, high: np.ndarray | float = np.inf
) -> np.ndarray:
    """Minimise ‖target − x · atoms‖² over ``0 ≤ x ≤ high``, exactly, for every target.

    Block principal pivoting (Júdice & Pires 1994; Kim & Park 2011): guess which coordinates are free, solve for them,
    exchange those that violate a bound or whose gradient points inwards, until nothing is left to exchange. All frames
    share the Gram matrix, the guess (a few sweeps of coordinate descent) and every step. Where atoms are mixtures of
    each other the fit is unique but x is not; then some x that fits is returned.

    Parameters
    ----------
    targets : (n, m) float.
    atoms : (k, m) float; a zero atom gets x = 0.
    high : upper ends, a number or (k,), above 0; by default none (non-negative least squares).

    Returns
    -------
    (n, k) float64.

    Examples
    --------
    >>> bounded_least_squares(np.array([[2.0, -1.0]]), np.eye(2)).round(6).tolist()
    [[2.0, 0.0]]
    """
    targets, atoms = np.asarray(targets, np.float64), np.asarray(atoms, np.float64)
    length = np.linalg.norm(atoms, axis=1)
    length[length == 0] = 1.0
    units = atoms / length[:, None]  # so that one tolerance serves all coordinates
    high = np.broadcast_to(np.asarray(high, np.float64), (len(atoms),)) * length
    gram = units @ units.T + _RIDGE * np.eye(len(units))
    out = np.empty((len(targets), len(atoms)))
    for start in range(0, len(targets), BLOCK):
        block = targets[start : start + BLOCK]
        x, left = _pivot(block @ units.T, gram, high)
        for i in left:  # not seen so far; the slow way is still the right answer
            x[i] = lsq_linear(units.T, block[i], (0, high), method="bvls").x
        out[start : start + BLOCK] = x / length
    return out


def _pivot(products: np.ndarray, gram: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solutions (n, k), and the rows for which the exchanges did not end."""
    n, k = products.shape
    x = _descend(products, gram, high)
    free, rows = (x > 0) & (x < high), np.arange(n)
    fewest, patience = np.full(n, k + 1), np.full(n, _PATIENCE)
    small = 1e-9 * max(np.abs(products).max(initial=0), 1e-300)
    for _ in range(20 + 10 * k):
        is_free = free[rows]
        fixed = np.where(is_free, 0.0, x[rows])
        y = fixed + _solve(is_free, products[rows] - fixed @ gram, gram)
        inwards = products[rows] - y @ gram
        below, above = is_free & (y < -small), is_free & (y > high + small)
        release = ~is_free & np.where(fixed > 0, inwards < -small, inwards > small)
        wrong = below | above | release
        count = wrong.sum(axis=1)
        patience[rows] = np.where(count < fewest[rows], _PATIENCE, patience[rows] - 1)
        fewest[rows] = np.minimum(count, fewest[rows])
        stuck = patience[rows] < 0
        if stuck.any():  # the last one alone: slow, but never goes round in circles (Murty 1974)
            last = k - 1 - np.argmax(wrong[:, ::-1], axis=1)
            wrong &= ~stuck[:, None] | (np.arange(k) == last[:, None])
        y[wrong & below] = 0.0
        x[rows] = np.where(wrong & above, high, y)
        free[rows] = is_free ^ wrong
        rows = rows[count > 0]
        if not len(rows):
            break
    return np.clip(x, 0, high), rows


def _solve(free: np.ndarray, right: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """(n, k) solutions over the free coordinates, zero elsewhere; frames with equally many of them go together."""
    out, count = np.zeros_like(right), free.sum(axis=1)
    order = np.argsort(count, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(count[order])) + 1):
        if not len(rows) or not count[rows[0]]:
            continue
        members = np.nonzero(free[rows])[1].reshape(len(rows), -1)
        system = gram[members[:, :, None], members[:, None, :]]
        found = np.linalg.solve(system, right[rows[:, None], members][..., None])
        out[rows[:, None], members] = found[..., 0]
    return out


def _descend(products: np.ndarray, gram: np.ndarray, high: np.ndarray, sweeps: int = 12) -> np.ndarray:
    """A first guess by coordinate descent: what is at a bound after a few sweeps mostly stays there."""
    goal = np.ascontiguousarray(products.T)
    x, best = np.zeros_like(goal), np.empty(goal.shape[1])
    for _ in range(sweeps):
        for j in range(len(goal)):
            np.dot(gram[j], x, out=best)
            np.subtract(goal[j], best, out=best)
            best += x[j]
            np.maximum(best, 0.0, out=best)
            np.minimum(best, high[j], out=x[j])
    return x.T.copy()
