"""Trains what the face room ships: face478, the expression regressor and the noise of the extraction.

All three come from one set of rendered frames with known ψ (:mod:`dfe_lib.face.render`) that pass through the same
FaceLandmarker as users' videos. Subjects of the held-out part are never trained on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np
from matplotlib.path import Path as Polygon
from safetensors.numpy import load_file, save_file
from scipy.spatial import Delaunay
from tqdm import tqdm

from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import RunError
from dfe_lib.face.align import align
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.morphable import load_head, mirror_landmarks
from dfe_lib.face.render import Renderer, View, sample_appearance, sample_view
from dfe_lib.paths import data_dir
from dfe_lib.space import ICT53

# Ridge penalty in mm². Chosen on both kinds of faces: a tenth of it follows renders as well (mean r 0.49 against
# 0.48) and real actors worse (0.41 against 0.45); ten times it gains nothing on actors and loses on renders (0.45).
PENALTY = 1000.0

# Inner lips and the rims of the eyes on MediaPipe's mesh: holes in the skin.
MOUTH = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
EYE_R = [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]
EYE_L = [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249]


@dataclass(frozen=True)
class RenderConfig:
    """How many frames of how many simulated subjects."""

    train_subjects: int = 400  # more subjects help more than more frames of each
    test_subjects: int = 60  # enough for a stable mean over coefficients
    neutral_frames: int = 3  # averaged: one neutral detection alone is noisy
    expressive_frames: int = 13
    size: int = 256  # px; faces fill 45–75 % of it
    seed: int = 0


@dataclass(frozen=True)
class Renders:
    """Rendered and detected frames.

    Attributes
    ----------
    landmarks : (n, 478, 3) float32 px. psi : (n, 53) float32, the truth. blendshapes : (n, 52) MediaPipe's own.
    subject : (n,) int32. neutral, test : (n,) bool. view : (n, 3) float32 true yaw, pitch, roll in degrees.
    skin : (n,) float32 mean RGB of the skin, 0–1. identity : (n, 50) float32.
    """

    landmarks: np.ndarray
    psi: np.ndarray
    blendshapes: np.ndarray
    subject: np.ndarray
    neutral: np.ndarray
    test: np.ndarray
    view: np.ndarray
    skin: np.ndarray
    identity: np.ndarray


def render_frames(config: RenderConfig, progress: bool = True) -> Renders:
    """Render and detect; the detections are kept in the cache folder under the configuration's name.

    Raises
    ------
    AssetError : ict-facekit or the FaceLandmarker model is not at hand.
    RunError : a face was found in fewer than half of the frames.
    """
    name = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()[:12]
    cached = data_dir() / "derived" / f"renders-{name}.safetensors"
    if cached.is_file():
        return Renders(**load_file(cached))
    rows: dict[str, list] = {field: [] for field in Renders.__dataclass_fields__}
    subjects = config.train_subjects + config.test_subjects
    with (
        Renderer(load_head(), config.size) as renderer,
        Landmarker(blendshapes=True, max_faces=1) as landmarker,
    ):
        for subject in tqdm(range(subjects), desc="rendering", unit="subject", disable=not progress):
            rng = np.random.default_rng((config.seed, subject))
            look = sample_appearance(rng)
            psi = np.zeros((config.neutral_frames + config.expressive_frames, ICT53.dimension), np.float32)
            psi[config.neutral_frames :] = sample_displays(config.expressive_frames, rng)
            for i, expression in enumerate(psi):
                view = sample_view(rng)
                found = landmarker.detect(renderer.render(expression, look, view, rng))
                if found.landmarks is None:
                    continue
                values = (found.landmarks, expression, found.blendshapes, subject, i < config.neutral_frames)
                values += (
                    subject >= config.train_subjects,
                    (view.yaw, view.pitch, view.roll),
                    look.skin.mean(),
                )
                for field, value in zip(rows, (*values, look.identity), strict=True):
                    rows[field].append(value)
    if len(rows["psi"]) < subjects * len(psi) / 2:
        raise RunError(
            f"a face was found in only {len(rows['psi'])} of {subjects * len(psi)} rendered frames"
        )
    dtypes = {"subject": np.int32, "neutral": bool, "test": bool}
    arrays = {k: np.array(v, dtype=dtypes.get(k, np.float32)) for k, v in rows.items()}
    cached.parent.mkdir(parents=True, exist_ok=True)
    staged = cached.with_suffix(".part")
    save_file(arrays, staged)
    staged.replace(cached)
    return Renders(**arrays)


def first_reference(size: int = 384) -> np.ndarray:
    """(478, 3) mm: landmarks of one frontal render of the generic face, scaled by the eye corners of ICT's mesh."""
    head = load_head()
    rng = np.random.default_rng(0)
    look = sample_appearance(rng)
    generic = type(look)(
        **{**look.__dict__, "identity": np.zeros_like(look.identity), "skin": np.full(3, 0.7)}
    )
    lights = ((0.2, 0.3, 0.93, 0.8),)
    view = View(0, 0, 0, 1500, 0.6, (0, 0), lights, np.full((2, 3), 0.5), 0, 0, 95)
    psi = np.zeros(ICT53.dimension, np.float32)
    with Renderer(head, size) as renderer, Landmarker(max_faces=1) as landmarker:
        found = landmarker.detect(renderer.render(psi, generic, view, rng)).landmarks
    if found is None:
        raise RunError(
            "no face was found in a plain frontal render; the renderer or the model does not work here"
        )
    found = found * np.array([1, -1, -1], np.float32)
    corners, true = found[[33, 133, 362, 263]], head.neutral[head.landmarks68[[36, 39, 42, 45]]]
    scale = np.linalg.norm(true[0] - true[3]) / np.linalg.norm(corners[0, :2] - corners[3, :2])
    return (found - corners.mean(axis=0)) * scale + true.mean(axis=0)


def fit_face478(renders: Renders, target: np.ndarray, modes: int = 20) -> dict[str, np.ndarray]:
    """A morphable model on the 478 landmarks, by regression of aligned landmarks on ψ and identity.

    Returns
    -------
    neutral (478, 3), expressions (53, 478, 3), identities (modes, 478, 3) in mm, triangles (F, 3).
    """
    train = ~renders.test
    for _ in range(2):  # the mean face, then alignment to the mean face
        points = align(renders.landmarks[train], target).points
        target = points[renders.neutral[train]].mean(axis=0)
        pair = mirror_landmarks(target)
        target = (target + target[pair] * np.array([-1, 1, 1])) / 2
    points = align(renders.landmarks[train], target).points.reshape(train.sum(), -1)
    psi, subject = renders.psi[train], renders.subject[train]
    own = subject_neutrals(points, subject, renders.neutral[train])
    gram = psi.T @ psi + 2.0 * np.eye(psi.shape[1])  # as a prior of two frames at zero displacement
    expressions = np.linalg.solve(gram, psi.T @ (points - own)).reshape(-1, 478, 3)
    swapped = expressions[ICT53.mirror_order][:, pair] * np.array([-1, 1, 1])
    neutrals = np.stack([own[subject == s][0] for s in np.unique(subject)])
    _, s, vt = np.linalg.svd(neutrals - neutrals.mean(axis=0), full_matrices=False)
    identities = vt[:modes] * s[:modes, None] / np.sqrt(len(neutrals))
    expressions = (expressions + swapped) / 2
    wide = ICT53.vector(jawOpen=1.0, eyeWide_L=1.0, eyeWide_R=1.0)
    return {
        "neutral": target.astype(np.float32),
        "expressions": expressions.astype(np.float32),
        "identities": identities.reshape(modes, 478, 3).astype(np.float32),
        "triangles": triangulate(target + np.tensordot(wide, expressions, axes=1)),
    }


def triangulate(opened: np.ndarray) -> np.ndarray:
    """(F, 3) int32 triangles over the landmarks of a face whose mouth and eyes are open (478, 3), holes left out.

    Delaunay on the unrolled face. With the mouth open no triangle can join the upper lip to the lower one but across
    the hole, and those are dropped.
    """
    points = opened[:468]
    centre = points.mean(axis=0) - np.array([0, 0, 60.0])
    angle = np.arctan2(points[:, 0] - centre[0], points[:, 2] - centre[2])
    flat = np.column_stack([angle * 90.0, points[:, 1]])
    triangles = Delaunay(flat).simplices
    middle = flat[triangles].mean(axis=1)
    keep = ~np.any([Polygon(flat[ring]).contains_points(middle) for ring in (MOUTH, EYE_R, EYE_L)], axis=0)
    edges = np.stack([flat[triangles[:, i]] - flat[triangles[:, (i + 1) % 3]] for i in range(3)])
    keep &= np.linalg.norm(edges, axis=2).max(axis=0) < 40  # slivers along the outline
    triangles = triangles[keep]
    a, b, c = (flat[triangles[:, i]] for i in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    clockwise = ux * vy - uy * vx < 0
    triangles[clockwise] = triangles[clockwise][:, ::-1]
    return triangles.astype(np.int32)


def subject_neutrals(points: np.ndarray, subject: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(n, m): for every frame the mean of its subject's neutral frames; the mean neutral where there is none."""
    out = np.tile(points[neutral].mean(axis=0), (len(points), 1))
    for s in np.unique(subject[neutral]):
        out[subject == s] = points[neutral & (subject == s)].mean(axis=0)
    return out


def fit_regressor(renders: Renders, target: np.ndarray, penalty: float) -> dict[str, np.ndarray]:
    """Ridge regression of ψ on aligned, neutral-centred landmarks, the same for the mirrored face.

    Parameters
    ----------
    target : (478, 3) mm, the neutral face478.
    penalty : of the squared weights, in mm²: landmark noise of that total variance is expected on real faces.
    """
    x, psi = centred(renders, target, ~renders.test)
    pair = mirror_landmarks(target)
    swapped = (x.reshape(-1, 478, 3)[:, pair] * np.array([-1, 1, 1])).reshape(x.shape)
    gram = x.T @ x + swapped.T @ swapped + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ psi + swapped.T @ ICT53.mirror(psi))
    spread = _neutral_spread(renders, target, weights)
    return {
        k: v.astype(np.float32)
        for k, v in (("weights", weights), ("neutral", target), ("neutral_spread", spread))
    }


def _neutral_spread(renders: Renders, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(53,) standard deviation over training subjects of the ψ that their neutral faces measure; sides alike."""
    rows = renders.neutral & ~renders.test
    psi = (align(renders.landmarks[rows], target).points - target).reshape(rows.sum(), -1) @ weights
    subject = renders.subject[rows]
    spread = np.std([psi[subject == s].mean(axis=0) for s in np.unique(subject)], axis=0)
    return (spread + ICT53.mirror(spread)) / 2


def centred(renders: Renders, target: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1434) float64 aligned landmarks minus each subject's neutral, and (n, 53) true ψ."""
    points = align(renders.landmarks[rows], target).points.reshape(rows.sum(), -1).astype(np.float64)
    own = subject_neutrals(points, renders.subject[rows], renders.neutral[rows])
    return points - own, renders.psi[rows].astype(np.float64)


def noise_model(psi: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Measured ψ as gain · true ψ + residual, from held-out renders.

    Returns
    -------
    gain (53,), residual_covariance (53, 53), residual_cholesky (53, 53) lower triangular.
    """
    gain = (psi * predicted).sum(axis=0) / np.maximum((psi**2).sum(axis=0), 1e-9)
    residual = predicted - gain * psi
    covariance = np.cov(residual, rowvar=False) + 1e-9 * np.eye(psi.shape[1])
    return {
        "gain": gain.astype(np.float32),
        "residual_covariance": covariance.astype(np.float32),
        "residual_cholesky": np.linalg.cholesky(covariance).astype(np.float32),
    }
