"""face478: the morphable model on MediaPipe's 478 landmarks, by regression on rendered frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.path import Path as Polygon
from scipy.spatial import Delaunay

from dfe_lib.errors import RunError
from dfe_lib.face.align import align
from dfe_lib.face.appearance import sample_appearance, sample_view
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.morphable import load_head, mirror_landmarks
from dfe_lib.face.render import Renderer
from dfe_lib.face.renders import Renders, subject_neutrals
from dfe_lib.space import ICT53

# Inner lips and the rims of the eyes on MediaPipe's mesh: holes in the skin.
MOUTH = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
EYE_R = [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]
EYE_L = [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249]


def first_reference(size: int = 384) -> np.ndarray:
    """(478, 3) mm: landmarks of one frontal render of the generic face, scaled by the eye corners of ICT's mesh."""
    head = load_head()
    rng = np.random.default_rng(0)
    look = sample_appearance(rng)
    generic = replace(look, identity=np.zeros_like(look.identity), skin=np.full(3, 0.7), beard=0.0)
    plain = {"blur": 0.0, "noise": 0.0, "jpeg": 95, "shrink": 1.0, "offset": (0.0, 0.0), "fill": 0.6}
    plain |= {"lights": ((0.2, 0.3, 0.93, 0.8),), "background": np.full((2, 3), 0.5), "distance": 1500.0}
    view = replace(sample_view(rng), yaw=0.0, pitch=0.0, roll=0.0, **plain)
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
    for _ in range(2):  # the mean face, then alignment to the mean face
        points = align(renders.landmarks, target).points
        target = points[renders.neutral].mean(axis=0)
        pair = mirror_landmarks(target)
        target = (target + target[pair] * np.array([-1, 1, 1])) / 2
    points = align(renders.landmarks, target).points.reshape(len(renders.psi), -1)
    psi, subject = renders.psi, renders.subject
    own = subject_neutrals(points, subject, renders.neutral)
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
