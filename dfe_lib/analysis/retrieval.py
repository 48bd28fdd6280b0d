"""Is the same display found again on another face? Retrieval across identities, for any coding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dfe_lib.analysis.comparison import outcome, with_ones
from dfe_lib.analysis.statistics import holm, mean_interval, paired_difference, ratio
from dfe_lib.data.displays import sample_displays
from dfe_lib.data.simulation import ExtractionNoise
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace


@dataclass(frozen=True, eq=False)
class People:
    """Several people who all show the same displays, as measured.

    Attributes
    ----------
    psi : (n, 53) measured. subject, display : (n,) who shows what.
    pictures : n pictures (H, W, 3) uint8, and landmarks (n, 478, 3) px in them; None where nothing was rendered.
    """

    psi: np.ndarray
    subject: np.ndarray
    display: np.ndarray
    pictures: list[np.ndarray] | None = None
    landmarks: np.ndarray | None = None


def first_hits(distance: np.ndarray, subject: np.ndarray, display: np.ndarray) -> np.ndarray:
    """Rank of the first frame with the same display among all frames of other people, (n,) int64, 1 is best.

    Ties count against the coding: two displays with one code cannot be told apart.

    Parameters
    ----------
    distance : (n, n), small is alike.

    Raises
    ------
    InputError : shapes that differ, or a display that nobody else shows.

    Examples
    --------
    >>> d = np.array([[0, 1, 2.0, 9], [1, 0, 9, 2], [2, 9, 0, 1], [9, 2, 1, 0]])
    >>> first_hits(d, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])).tolist()
    [1, 1, 1, 1]
    """
    distance = np.array(distance, dtype=np.float64)
    subject, display = np.asarray(subject), np.asarray(display)
    n = len(subject)
    if distance.shape != (n, n) or display.shape != (n,):
        raise InputError(f"{n} frames need a {n} × {n} table of distances, got {distance.shape}")
    others = subject[:, None] != subject
    right = others & (display[:, None] == display)
    if not right.any(axis=1).all():
        lost = int(np.flatnonzero(~right.any(axis=1))[0])
        raise InputError(f"display {display[lost]} is shown by one person only: it cannot be found again")
    nearest = np.where(right, distance, np.inf).min(axis=1)
    wrong = others & ~right
    return 1 + (wrong & (distance <= nearest[:, None] + 1e-12)).sum(axis=1)


def scores(ranks: np.ndarray) -> dict[str, float]:
    """``top1, top5, mrr`` of ranks.

    >>> scores(np.array([1, 2, 10]))["mrr"] == (1 + 1 / 2 + 1 / 10) / 3
    True
    """
    ranks = np.asarray(ranks)
    return {
        "top1": float((ranks == 1).mean()),
        "top5": float((ranks <= 5).mean()),
        "mrr": float((1 / ranks).mean()),
    }


def cosine_distance(psi: np.ndarray, space: ExpressionSpace = ICT53) -> np.ndarray:
    """1 − cosine in G between all rows, (n, n); how alike two displays are, whatever their strength."""
    whitened = space.check(psi).astype(np.float64) @ space.whitener
    unit = whitened / np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12)
    return 1 - np.round(unit @ unit.T, 9)  # equal codes are at equal distance, to the last digit


def ranks_of(codings: Iterable[Any], people: People) -> dict[str, np.ndarray]:
    """Ranks of every coding by the cosine of what it gives back, and of the measured ``ψ`` itself, the ceiling."""
    ranks = {"ψ": first_hits(cosine_distance(people.psi), people.subject, people.display)}
    for coding in codings:
        distance = cosine_distance(coding.decode(coding.encode(people.psi)))
        ranks[coding.name] = first_hits(distance, people.subject, people.display)
    return ranks


def against(ranks: dict[str, np.ndarray], first: str, subject: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Mean reciprocal rank of one way against every other one, on the same questions; people are the units.

    Returns
    -------
    DataFrame: ``data, other, gain, low, high, p, p_holm, n_units, outcome``, as of
    :func:`dfe_lib.analysis.comparison.against`.
    """
    rng = np.random.default_rng([seed, 8])
    mine, rows = with_ones(1 / ranks[first]), []
    for other in ranks:
        if other != first:
            found = paired_difference(mine, with_ones(1 / ranks[other]), subject, ratio, rng)
            rows.append(
                {"data": "people who show the same", "other": other, "gain": found.value, "low": found.low}
                | {"high": found.high, "p": found.p, "n_units": found.units, "outcome": outcome(found)}
            )
    table = pd.DataFrame(rows)
    table.insert(6, "p_holm", holm(table["p"].to_numpy()))
    return table


def retrieval_table(ranks: dict[str, np.ndarray], subject: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Scores of several ways, each with an interval over the people who ask.

    Parameters
    ----------
    ranks : way → (n,) as of :func:`first_hits`. subject : (n,) whose frame asks.

    Returns
    -------
    DataFrame: ``coding``, and ``top1, top5, mrr``, each with ``_low`` and ``_high``.
    """
    rng = np.random.default_rng([seed, 6])
    rows = []
    for name, r in ranks.items():
        row: dict = {"coding": name}
        for measure, values in (("top1", r == 1), ("top5", r <= 5), ("mrr", 1 / r)):
            found = mean_interval(values, subject, rng)
            row |= {measure: found.value, f"{measure}_low": found.low, f"{measure}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)


def rendered_people(subjects: int, displays: int, seed: int = 0, neutral_frames: int = 2) -> People:
    """Rendered people who all show the same displays, detected and measured like any video.

    Raises
    ------
    AssetError : ict-facekit or the FaceLandmarker model is not at hand.
    """
    from dfe_lib.face import ExpressionRegressor
    from dfe_lib.face.appearance import sample_appearance, sample_view
    from dfe_lib.face.landmarks import Landmarker
    from dfe_lib.face.morphable import load_head
    from dfe_lib.face.render import Renderer

    shown = shared_displays(displays, seed)
    psi = np.concatenate([np.zeros((neutral_frames, ICT53.dimension), np.float32), shown])
    number = np.concatenate([np.full(neutral_frames, -1), np.arange(displays)])
    pictures, landmarks, who, what = [], [], [], []
    with Renderer(load_head()) as renderer, Landmarker(max_faces=1) as landmarker:
        for subject in range(subjects):
            rng = np.random.default_rng((4000, seed, subject))  # people of nobody's training set
            look = sample_appearance(rng)
            for expression, display in zip(psi, number, strict=True):
                picture = renderer.render(expression, look, sample_view(rng), rng)
                found = landmarker.detect(picture).landmarks
                if found is not None:
                    pictures.append(picture)
                    landmarks.append(found)
                    who.append(subject)
                    what.append(display)
    subject, display, points = np.array(who), np.array(what), np.stack(landmarks)
    measured = ExpressionRegressor.load().predict(points, subject, display < 0)
    keep = (display >= 0) & np.isfinite(measured).all(axis=1)
    keep &= np.isin(
        display, [d for d in range(displays) if len(np.unique(subject[keep & (display == d)])) > 1]
    )
    kept = [picture for picture, good in zip(pictures, keep, strict=True) if good]
    return People(measured[keep], subject[keep], display[keep], kept, points[keep])


def measured_people(subjects: int, displays: int, seed: int = 0) -> People:
    """The same without pictures: true displays with the gain and noise of the extraction, new for every person."""
    shown = shared_displays(displays, seed)
    rng = np.random.default_rng([seed, 4001])
    psi = ExtractionNoise.load().apply(np.tile(shown, (subjects, 1)), rng).astype(np.float32)
    return People(psi, np.repeat(np.arange(subjects), displays), np.tile(np.arange(displays), subjects))


def shared_displays(n: int, seed: int) -> np.ndarray:
    """(n, 53) displays that move the face by at least 1 mm, so that there is something to find again."""
    drawn = sample_displays(4 * n + 20, np.random.default_rng([seed, 4002]))
    return drawn[ICT53.norm(drawn) >= 1.0][:n]
