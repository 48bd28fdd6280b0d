"""Sparse coding of many frames at once: box-constrained coordinate descent and learnt dictionaries."""

from __future__ import annotations

import numpy as np

BLOCK = 1024  # frames at a time


def coordinate_descent(
    targets: np.ndarray,
    atoms: np.ndarray,
    low: np.ndarray | float,
    high: np.ndarray | float,
    l1: np.ndarray | float = 0.0,
    step: np.ndarray | None = None,
    start: np.ndarray | None = None,
    sweeps: int = 300,
    tolerance: float = 1e-4,
) -> np.ndarray:
    """Minimise ½‖target − x·atoms‖² + l1·|x| over ``low ≤ x ≤ high`` for many targets at once.

    Every coordinate is moved to its exact optimum in turn, for all frames together, and frames that have
    settled leave the work. With ``step`` the solution stays on the grid ``low + i·step``: then it is a
    local optimum.

    Parameters
    ----------
    targets : (n, m) float, whitened expressions.
    atoms : (k, m) float, whitened templates; a zero atom keeps its start value.
    low, high, l1, step : scalars or (k,).
    start : (n, k) initial x; zero (moved into the box) by default.
    tolerance : a frame has settled when no coordinate moves it by more than this many mm.

    Returns
    -------
    (n, k) float64.
    """
    k, n = len(atoms), len(targets)
    bounds = [np.broadcast_to(np.asarray(v, dtype=np.float64), (k,)) for v in (low, high, l1)]
    step = np.zeros(k) if step is None else step
    gram = atoms @ atoms.T
    out = np.zeros((n, k)) if start is None else np.array(start, dtype=np.float64)
    np.clip(out, bounds[0], bounds[1], out=out)
    for begin in range(0, n, BLOCK):
        rows = slice(begin, begin + BLOCK)
        _descend(out[rows], targets[rows] @ atoms.T, gram, *bounds, step, sweeps, tolerance)
    return out


def _descend(x, products, gram, low, high, l1, step, sweeps, tolerance) -> None:
    """Sweeps over one block of frames, which stays in the cache; x (n, k) is changed in place."""
    size = gram.diagonal()
    rows, here, goal = np.arange(len(x)), x.T.copy(), products.T.copy()  # (k, n): a coordinate is contiguous
    moving = np.flatnonzero(size > 1e-12)
    for _ in range(sweeps):
        largest = np.zeros(len(rows))
        for j in moving:
            best = goal[j] - gram[j] @ here
            best /= size[j]
            best += here[j]
            if l1[j]:
                best -= np.minimum(np.maximum(best, -l1[j] / size[j]), l1[j] / size[j])
            np.maximum(best, low[j], out=best)  # np.clip takes several times as long on short arrays
            np.minimum(best, high[j], out=best)
            if step[j] > 0:
                best = low[j] + np.rint((best - low[j]) / step[j]) * step[j]
            np.maximum(largest, np.abs(best - here[j]) * np.sqrt(size[j]), out=largest)
            here[j] = best
        settled = largest < tolerance
        if settled.all():
            break
        if settled.mean() > 0.3:  # copying pays only when enough frames leave
            x[rows[settled]] = here[:, settled].T
            rows, here, goal = rows[~settled], here[:, ~settled].copy(), goal[:, ~settled].copy()
    x[rows] = here.T


def learn_dictionary(
    x: np.ndarray, atoms: int, alpha: float, positive: bool, seed: int, rounds: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """Sparse dictionary ``x ≈ codes · dictionary`` with unit-norm atoms, by alternation (Mairal et al. 2010).

    Codes are lasso codes by coordinate descent, kept warm from round to round; atoms are then updated one after the
    other. An atom that nobody uses, or in the first half hardly anybody, restarts at the frame that is reproduced
    worst. scikit-learn's learner minimises the same objective, but codes frame by frame: for these small dictionaries
    it takes some ten times as long.

    Parameters
    ----------
    x : (n, m) float64.
    atoms : how many.
    alpha : L1 weight.
    positive : codes are non-negative (else signed).

    Returns
    -------
    codes : (n, atoms) float64.
    dictionary : (atoms, m) float64.
    """
    length = np.linalg.norm(x, axis=1)
    dictionary = _starts(x, atoms, np.random.default_rng(seed))
    low = 0.0 if positive else -np.inf
    codes = np.zeros((len(x), atoms))
    for i in range(rounds):
        codes = coordinate_descent(x, dictionary, low, np.inf, alpha, start=codes, sweeps=10, tolerance=1e-3)
        if i % 5 == 4 and i < rounds / 2:
            energy = (codes**2).sum(axis=0)
            codes[:, energy < 0.1 * np.median(energy)] = 0
        used, cross = codes.T @ codes, codes.T @ x
        for j in range(atoms):
            if used[j, j] < 1e-10:
                worst = np.argmax(((x - codes @ dictionary) ** 2).sum(axis=1))
                dictionary[j] = x[worst] / max(length[worst], 1e-12)
                continue
            dictionary[j] += (cross[j] - used[j] @ dictionary) / used[j, j]
            dictionary[j] /= max(np.linalg.norm(dictionary[j]), 1e-12)
    codes = coordinate_descent(x, dictionary, low, np.inf, alpha, start=codes, tolerance=1e-3)
    return codes, dictionary


def _starts(x: np.ndarray, atoms: int, rng: np.random.Generator) -> np.ndarray:
    """Frames to start from, each likelier the more of it lies outside the span of those chosen before."""
    chosen, rest = [], x.copy()
    for _ in range(atoms):
        energy = (rest**2).sum(axis=1)
        if energy.sum() < 1e-9 * (x**2).sum():  # the frames' whole space is spanned: begin again
            rest = x.copy()
            energy = (rest**2).sum(axis=1)
        pick = rng.choice(len(x), p=energy / energy.sum())
        direction = rest[pick] / np.sqrt(energy[pick])
        chosen.append(x[pick] / np.linalg.norm(x[pick]))
        rest = rest - np.outer(rest @ direction, direction)
    return np.stack(chosen)
