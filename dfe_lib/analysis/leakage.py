"""How well somebody is recognised from what was meant to be shared: bags, tokens, ψ, landmarks.

Only "the same person or another" is asked, of people who are numbers; nobody is named. Two attackers compare one
recording with another one by the cosine of their features:

- ``nearest`` knows nothing but the recordings themselves: features are centred and scaled on them;
- ``trained`` has also recordings of other people with their identity, on which it learns which directions tell people
  apart (within-class covariance normalisation, as in speaker verification: Hatch, Kajarekar & Stolcke 2006).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dfe_lib.analysis.representations.counts import bag_of_tokens
from dfe_lib.analysis.statistics import mean_interval
from dfe_lib.errors import InputError

NEAREST, TRAINED = "nearest", "trained"
_DIRECTIONS = 40  # that the trained attacker keeps at most: it has a few dozen people to learn from
_SHRUNK = 0.3  # share of a round covariance in the one it learns, for the same reason


def recognition(
    features: Mapping[str, np.ndarray], person: np.ndarray, seed: int = 0, folds: int = 2
) -> pd.DataFrame:
    """How well the person is recognised from another recording.

    Nobody of whom the trained attacker has learnt is among those it is tried on. Of each part of the people, every
    recording in turn stands for its person in the gallery, and the others are looked up there (top-1); and pairs of
    recordings are told to be of one person or of two (area under the curve).

    Parameters
    ----------
    features : name → (n, m) one row per recording. person : (n,) whose it is; two recordings each, or more.

    Returns
    -------
    One row per feature and attacker: ``shared, attacker``; ``top1, top1_low, top1_high`` and ``chance`` (one over the
    people in the gallery); ``auc, auc_low, auc_high`` (0.5 is chance); ``people, recordings``. Intervals are 95 %
    bootstrap intervals over people.

    Raises
    ------
    InputError : fewer than four people, or one with a single recording.

    Examples
    --------
    >>> rng, person = np.random.default_rng(0), np.repeat(np.arange(20), 2)
    >>> told = recognition({"a face": rng.normal(size=(20, 9))[person]}, person)
    >>> told["top1"].tolist(), told["auc"].tolist()
    ([1.0, 1.0], [1.0, 1.0])
    """
    person = np.unique(np.asarray(person), return_inverse=True)[1]
    counts = np.bincount(person)
    if len(counts) < 4 or counts.min() < 2:
        raise InputError(
            f"recognition needs four people with two recordings each, but got {len(counts)} people, one of them with "
            f"{counts.min()}"
        )
    part = np.random.default_rng(seed).permutation(len(counts))[person] % folds
    rows = []
    for name, given in features.items():
        values = np.asarray(given, dtype=np.float64).reshape(len(person), -1)
        for attacker in (NEAREST, TRAINED):
            hits, areas = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
            for f in range(folds):
                test, known = np.flatnonzero(part == f), np.flatnonzero(part != f)
                points = _points(values, test, known, person, attacker)
                for p, hit, area in _tried(points @ points.T, person[test]):
                    hits[p], areas[p] = hit, area
            told = {"shared": name, "attacker": attacker}
            for label, found in (("top1", hits), ("auc", areas)):
                interval = mean_interval(found, np.arange(len(found)), np.random.default_rng(seed))
                told |= {label: interval.value, f"{label}_low": interval.low, f"{label}_high": interval.high}
            rows.append(
                told | {"chance": folds / len(counts), "people": len(counts), "recordings": len(person)}
            )
    return pd.DataFrame(rows)


def shared_things(
    psi: np.ndarray, codes: np.ndarray, decoded: np.ndarray, recordings: np.ndarray, n_codes: int
) -> dict[str, np.ndarray]:
    """What can be read off each recording, by what of it is shared.

    Parameters
    ----------
    psi : (n, d) of frames with a face, in the order of time. codes : (n, S) their tokens. decoded : (n, d) ψ̂.
    recordings : (n,) names. n_codes : size of the codebook.

    Returns
    -------
    Name → one row per recording, in the order of sorted names: ``bag of tokens`` (roots of shares), ``tokens of every
    frame`` (the bag by stage, and what ψ̂ shows), ``ψ mean and sd``, ``ψ of every frame`` (mean, deviation, deviation of
    the steps from frame to frame, deciles).
    """
    names = np.asarray(recordings).astype(str)
    order = np.argsort(names, kind="stable")
    psi, codes, decoded, names = psi[order], codes[order], decoded[order], names[order]
    whole, by_stage = (
        bag_of_tokens(codes, names, n_codes, stages).to_numpy(float) for stages in (False, True)
    )
    return {
        "bag of tokens": _roots(whole),
        "tokens of every frame": np.hstack([_roots(by_stage), _course(decoded, names)]),
        "ψ mean and sd": _course(psi, names)[:, : 2 * psi.shape[1]],
        "ψ of every frame": _course(psi, names),
    }


def landmark_statistics(points: np.ndarray, recordings: np.ndarray) -> np.ndarray:
    """Mean and deviation of aligned landmarks (n, 478, 3), one row per recording in the order of sorted names."""
    names = np.asarray(recordings).astype(str)
    flat = np.asarray(points, dtype=np.float64).reshape(len(names), -1)
    return np.stack(
        [np.r_[flat[names == n].mean(axis=0), flat[names == n].std(axis=0)] for n in np.unique(names)]
    )


def _course(values: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Mean, deviation, deviation of steps and deciles of (n, d) values, one row per recording."""
    rows = []
    for name in np.unique(names):
        own = values[names == name].astype(np.float64)
        steps = np.diff(own, axis=0).std(axis=0) if len(own) > 1 else np.zeros(own.shape[1])
        rows.append(
            np.r_[own.mean(axis=0), own.std(axis=0), steps, *np.quantile(own, [0.1, 0.5, 0.9], axis=0)]
        )
    return np.stack(rows)


def _roots(counts: np.ndarray) -> np.ndarray:
    """Roots of shares: rare words count for more, and the cosine is Bhattacharyya's coefficient."""
    return np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _points(
    values: np.ndarray, test: np.ndarray, known: np.ndarray, person: np.ndarray, attacker: str
) -> np.ndarray:
    """Unit vectors of the recordings that are tried, as an attacker sees them."""
    learnt = known if attacker == TRAINED else test
    middle, spread = values[learnt].mean(axis=0), values[learnt].std(axis=0)
    used = spread > 1e-9
    scaled = (values[:, used] - middle[used]) / spread[used]
    points = scaled[test]
    if attacker == TRAINED:
        _, _, directions = np.linalg.svd(scaled[known], full_matrices=False)
        seen = scaled[known] @ directions[:_DIRECTIONS].T
        own = np.unique(person[known], return_inverse=True)[1]
        means = np.stack([seen[own == p].mean(axis=0) for p in range(own.max() + 1)])
        within = np.cov((seen - means[own]).T)
        round_one = np.eye(len(within)) * (np.trace(within) / len(within) + 1e-9)
        values_of, vectors = np.linalg.eigh((1 - _SHRUNK) * within + _SHRUNK * round_one)
        points = points @ directions[:_DIRECTIONS].T @ (vectors / np.sqrt(values_of))
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)


def _tried(likeness: np.ndarray, person: np.ndarray) -> list[tuple[int, float, float]]:
    """Of every person: share of recordings that are found in a gallery, and area under the curve of pairs.

    A pair of one person is held against pairs of the same recording with everybody else's in the same gallery, so that
    what a gallery has in common (what was shown, or said) tells nothing.
    """
    order = np.argsort(person, kind="stable")
    likeness, person = likeness[np.ix_(order, order)], person[order]
    names, counts = np.unique(person, return_counts=True)
    turn = np.concatenate([np.arange(n) for n in counts])
    found = {p: ([], []) for p in names}
    for t in range(counts.min()):  # later ones would make a gallery that lacks somebody
        gallery = np.flatnonzero(turn == t)
        for i in np.flatnonzero(turn != t):
            own, foreign = (
                likeness[i, gallery][person[gallery] == person[i]],
                likeness[i, gallery][person[gallery] != person[i]],
            )
            found[person[i]][0].append(bool((own > foreign).all()))
            found[person[i]][1].append(float((own > foreign).mean() + (own == foreign).mean() / 2))
    return [(int(p), float(np.mean(hits)), float(np.mean(areas))) for p, (hits, areas) in found.items()]
