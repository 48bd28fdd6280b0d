"""Where on the face something happens: regions of the skin, and how local a movement is.

Measured on the mesh that is at hand: ICT-FaceKit's, on which the metric G is defined, else the shipped ``face478``,
whose fields are estimated from detections and therefore less local. Regions are made of vertices, not of
coefficients: an error of ``jawOpen`` that ``mouthLowerDown`` makes good is none.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.face.face478 import EYE_L, EYE_R, MOUTH
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53, ExpressionSpace

# Points of MediaPipe's mesh that lie in each region; a vertex goes with the nearest of these.
ANCHORS: dict[str, tuple[int, ...]] = {
    "brows": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285, 9)
    + (10, 109, 67, 103, 54, 338, 297, 332, 284, 151),
    "eyes": (*EYE_R, *EYE_L, 27, 28, 29, 30, 23, 24, 22, 257, 258, 259, 260, 252, 253, 254),
    "nose": (1, 2, 4, 5, 6, 195, 197, 98, 327, 48, 278, 49, 279, 64, 294, 45, 275, 131, 360),
    "cheeks": (50, 280, 205, 425, 187, 411, 117, 346, 123, 352, 101, 330, 36, 266, 207, 427, 147, 376, 137, 366),
    "mouth": (*MOUTH, 61, 291, 0, 17, 37, 267, 39, 269, 40, 270, 84, 314, 91, 321, 146, 375, 181, 405, 185, 409),
    "jaw": (152, 148, 377, 176, 400, 149, 378, 150, 379, 136, 365, 172, 397, 58, 288, 199, 175, 208, 428),
}  # fmt: skip
_REACH = 25.0  # mm: what lies further from every anchor (neck, ears, crown) belongs to no region


@lru_cache(maxsize=1)
def _skin() -> tuple[np.ndarray, np.ndarray]:
    """Fields of the coefficients (53, V, 3) in mm and the region of every vertex (V,), −1 for none."""
    model, marked = load_morphable("auto"), load_morphable("face478")
    neutral, fields = (model.neutral, model.expressions)
    if model.name == marked.name:  # the last ten of the 478 points are the irises
        neutral, fields = neutral[:468], fields[:, :468]
    anchors = marked.neutral[np.concatenate([np.array(points) for points in ANCHORS.values()])]
    region = np.repeat(np.arange(len(ANCHORS)), [len(points) for points in ANCHORS.values()])
    distance = np.linalg.norm(neutral[:, None] - anchors, axis=2)
    found = region[distance.argmin(axis=1)]
    found[distance.min(axis=1) > _REACH] = -1
    return fields.astype(np.float64), found


def vertex_regions() -> np.ndarray:
    """(V,) index into ``ANCHORS`` of the region of every vertex of the mesh at hand; −1 for none."""
    return _skin()[1]


@lru_cache(maxsize=1)
def region_metrics() -> dict[str, np.ndarray]:
    """Region → (53, 53) float64 mm²: ``ψ G_r ψᵀ`` is the mean squared displacement of the skin in that region."""
    fields, regions = _skin()
    metrics = {}
    for i, name in enumerate(ANCHORS):
        part = fields[:, regions == i].reshape(len(fields), -1)
        metrics[name] = 3 * part @ part.T / part.shape[1]  # three numbers a vertex
    return metrics


def region_norms(psi: np.ndarray, space: ExpressionSpace = ICT53) -> dict[str, np.ndarray]:
    """RMS displacement of the skin of each region, region → (n,) float64 mm.

    Raises
    ------
    InputError : the space is not ICT53, which alone has this mesh.

    Examples
    --------
    >>> moved = region_norms(ICT53.vector(browInnerUp_L=1.0))
    >>> max(moved, key=lambda region: moved[region][0])
    'brows'
    """
    _only_ict53(space)
    psi = space.check(psi).astype(np.float64)
    return {
        name: np.sqrt(np.maximum(((psi @ metric) * psi).sum(axis=1), 0))
        for name, metric in region_metrics().items()
    }


def template_regions(templates: np.ndarray, space: ExpressionSpace = ICT53) -> list[str]:
    """The region in which each template (K, d) moves the skin most."""
    norms = region_norms(templates, space)
    names = list(norms)
    return [names[i] for i in np.stack(list(norms.values())).argmax(axis=0)]


def moved_area(templates: np.ndarray, share: float = 0.9, space: ExpressionSpace = ICT53) -> np.ndarray:
    """Share of the face's vertices that carry ``share`` of a template's squared displacement, (K,) in 0–1.

    Small is local. A template that moves nothing has NaN.
    """
    _only_ict53(space)
    fields = _skin()[0]
    moved = space.check(templates).astype(np.float32) @ fields.reshape(len(fields), -1).astype(np.float32)
    energy = (moved.reshape(len(moved), -1, 3) ** 2).sum(axis=2)
    energy = -np.sort(-energy, axis=1)
    total = energy.sum(axis=1, dtype=np.float64)
    still = total < 1e-9
    reached = np.cumsum(energy, axis=1, dtype=np.float64) < share * np.where(still, 1, total)[:, None]
    return np.where(still, np.nan, (reached.sum(axis=1) + 1) / fields.shape[1])


def _only_ict53(space: ExpressionSpace) -> None:
    if space.name != ICT53.name:
        raise InputError(f"regions of the skin are known for space '{ICT53.name}', not for '{space.name}'")
