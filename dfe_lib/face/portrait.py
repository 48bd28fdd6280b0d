"""Small pictures of simulated people: the shipped face model, shaded and painted, without OpenGL.

For Masked Autoencoders, which need pictures where a cohort has none. Every person has the same light and camera, and a
head that the crop follows; real video has more to be robust against. What ``face478`` does not see cannot be shown:
neither puffed cheeks nor the tongue, and no wrinkles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.path import Path as Polygon
from scipy import sparse

from dfe_lib.errors import InputError
from dfe_lib.face.face478 import EYE_L, EYE_R, MOUTH
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53

SIZE = 64  # pixels: eight patches of eight a side, and an eye is open by three
SIDE_MM = 196.0  # of the square that the picture shows
CENTRE_MM = 6.0  # height of its middle over the origin of the face
_POINTS = 2.0  # of the surface for each pixel: fewer leave holes where skin is stretched
_LIGHT = np.array([-0.35, 0.45, 0.82])
_AMBIENT = 0.42
_NEAR_MM = 4.0  # a surface this much nearer outweighs another e-fold
BATCH = 8  # frames at once: what is worked on stays in the cache

_LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
_BROWS = (
    [70, 63, 105, 66, 107, 55, 65, 52, 53, 46],
    [300, 293, 334, 296, 336, 285, 295, 282, 283, 276],
)
_IRISES = ((468, range(469, 473)), (473, range(474, 478)))  # centre and rim; the subject's right eye first
_NOSTRILS = ((98, 2), (327, 2))  # wing and base of the nose
# Materials of points, in the order of the columns of :func:`_colours`.
_SKIN, _LIP, _BROW, _HAIR, _DARK, _SCLERA, _IRIS, _PUPIL, _CAVITY, _TEETH = range(10)
_BACKGROUND = np.array([176.0, 182, 188])
_LIGHT_SKIN, _DARK_SKIN = np.array([238, 196, 172.0]), np.array([92, 58, 42.0])


@dataclass(frozen=True)
class _Surface:
    """Points on the face and the head behind it, each a mixture of three vertices.

    Attributes
    ----------
    mix : (P, V) sparse, of the vertices of face478 and of the head.
    triangle : (P,) triangle that a point lies on.
    share : (P,) part of its triangle's area.
    corners : (F, 3) triangles, counter-clockwise seen from outside.
    material : (P,) see above.
    eye : (P,) 0 and 1 in the right and the left eye, else -1.
    head : (H, 3) vertices of the head, mm; they stand after those of the face.
    gather : (V, F) sparse, sums triangles around vertices.
    """

    mix: sparse.csr_array
    triangle: np.ndarray
    share: np.ndarray
    corners: np.ndarray
    material: np.ndarray
    eye: np.ndarray
    head: np.ndarray
    gather: sparse.csr_array


def portraits(
    psi: np.ndarray,
    identity: np.ndarray | None = None,
    skin: np.ndarray | float = 0.3,
    pose: np.ndarray | None = None,
    size: int = SIZE,
) -> np.ndarray:
    """Pictures of faces.

    Parameters
    ----------
    psi : (n, 53) expressions, finite.
    identity : (n, k) or (k,) modes of face478 in standard deviations; None: the generic face. The colours of hair and
        eyes follow from them.
    skin : (n,) or a number, 0 light to 1 dark.
    pose : (n, 3) pitch, yaw, roll in degrees, as in frame tables; None: from the front.
    size : pixels a side.

    Returns
    -------
    (n, size, size, 3) uint8 RGB.

    Raises
    ------
    InputError : shapes that do not fit, or values that are not finite.

    Examples
    --------
    >>> portraits(ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0)).shape
    (1, 64, 64, 3)
    """
    psi = ICT53.check(psi)
    n = len(psi)
    modes = np.zeros(1) if identity is None else np.asarray(identity, np.float32)
    if modes.ndim == 2 and len(modes) != n:
        raise InputError(f"{len(modes)} identities were given for {n} expressions")
    modes = np.broadcast_to(modes, (n, modes.shape[-1]))
    skin = np.broadcast_to(np.asarray(skin, np.float64), (n,))
    pose = np.zeros((n, 3)) if pose is None else np.asarray(pose, np.float64)
    if pose.shape != (n, 3):
        raise InputError(f"pose has shape {pose.shape}, but ({n}, 3) is needed: pitch, yaw and roll")
    for name, values in (("identity", modes), ("skin", skin), ("pose", pose)):
        if not np.isfinite(values).all():
            raise InputError(f"{name} has values that are not finite")
    out = np.empty((n, size, size, 3), np.uint8)
    for start in range(0, n, BATCH):
        rows = slice(start, start + BATCH)
        out[rows] = _draw(psi[rows], modes[rows], np.clip(skin[rows], 0, 1), pose[rows], size)
    return out


def _draw(psi, modes, skin, pose, size) -> np.ndarray:
    surface, n = _surface(size), len(psi)
    model = load_morphable("face478")
    face = model.vertices(psi, modes)
    # The head behind the face is as wide and as high as the face is, whatever its expression.
    right, left, top, chin = (
        model.neutral[i] + np.tensordot(modes, model.identities[: modes.shape[1], i], 1)
        for i in (234, 454, 10, 152)
    )
    width, height = (left - right)[:, 0] / 136, (top - chin)[:, 1] / 160
    head = surface.head * np.stack([width, height, np.ones(n)], axis=1)[:, None]
    turned = np.concatenate([face, head], axis=1) @ _rotations(pose).transpose(0, 2, 1)
    a, b, c = (turned[:, surface.corners[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    area = np.maximum(normals[..., 2].T, 0) / 2 * (size / SIDE_MM) ** 2  # in pixels, of what faces the camera
    around = surface.gather @ normals.transpose(1, 0, 2).reshape(len(surface.corners), -1)
    around = around.reshape(-1, n, 3)
    lit = around @ (_LIGHT / np.linalg.norm(_LIGHT)) / np.maximum(np.linalg.norm(around, axis=2), 1e-9)
    x, y, z = turned.T  # (V, n) each
    x, y = (x / SIDE_MM + 0.5) * size, (0.5 - (y - CENTRE_MM) / SIDE_MM) * size
    near = np.exp((z - 60) / _NEAR_MM)
    light = _AMBIENT + (1.12 - _AMBIENT) * np.maximum(lit, 0)
    mixed = surface.mix @ np.stack([x, y, near, light], axis=1).reshape(len(x), -1)
    px, py, near, light = mixed.reshape(-1, 4, n).transpose(1, 0, 2)  # (P, n) each
    material = _moving_parts(surface, px, py, x, y, face)
    own = np.flatnonzero(surface.material >= _SCLERA)
    light[own] = (
        0.95  # eyes and teeth are wet and lie under lids and lips: no shade from a normal of their own
    )
    weight = area[surface.triangle] * surface.share[:, None]
    weight *= (px >= 0) & (px < size) & (py >= 0) & (py < size)
    pixel = np.clip(py.astype(np.int32), 0, size - 1) * size + np.clip(px.astype(np.int32), 0, size - 1)
    pixel = (pixel + np.arange(n, dtype=np.int32) * (size * size)).ravel()
    covered = np.bincount(pixel, weight.ravel(), minlength=n * size * size)
    weight *= near
    total = np.bincount(pixel, weight.ravel(), minlength=n * size * size)
    weight *= light
    colours = _colours(modes, skin)  # (n, materials, 3)
    which = material + np.arange(n) * colours.shape[1]
    picture = np.stack(
        [
            np.bincount(pixel, (weight * channel[which]).ravel(), minlength=n * size * size)
            for channel in colours.reshape(-1, 3).T
        ],
        axis=1,
    )
    picture /= np.maximum(total, 1e-300)[:, None]
    alpha = np.minimum(2 * covered, 1)[:, None]  # points fall unevenly: what is nearly covered is covered
    picture = alpha * picture + (1 - alpha) * _BACKGROUND
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8).reshape(n, size, size, 3)


def _moving_parts(surface: _Surface, px, py, x, y, face) -> np.ndarray:
    """(P, n) materials, with irises where the eyes look and teeth where the jaw has left them."""
    material = np.repeat(surface.material[:, None], px.shape[1], axis=1)
    for side, (centre, rim) in enumerate(_IRISES):
        members = np.flatnonzero(surface.eye == side)
        rim = list(rim)
        radius = np.hypot(x[rim] - x[centre], y[rim] - y[centre]).mean(axis=0)
        away = np.hypot(px[members] - x[centre], py[members] - y[centre]) / radius
        material[members] = np.where(away < 0.4, _PUPIL, np.where(away < 1, _IRIS, _SCLERA))
    cavity = np.flatnonzero(surface.material == _CAVITY)
    # Upper teeth are fixed to the skull: their edge hangs a little below the closed lips of the neutral face.
    edge = load_morphable("face478").neutral[[13, 14], 1].mean() - 2.5
    wide, high = (surface.mix[cavity][:, : face.shape[1]] @ face[..., i].T for i in (0, 1))
    material[cavity] = np.where((high > edge) & (np.abs(wide) < 19), _TEETH, _CAVITY)
    return material


def _colours(modes: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(n, 10, 3) colours of the materials, 0–255; those of eyes and hair follow from the modes of the face."""
    tone = skin[:, None]
    base = _LIGHT_SKIN * (1 - tone) + _DARK_SKIN * tone
    turn = np.sin(modes.sum(axis=1) * 5)[:, None] / 2 + 0.5  # anything that is fixed for a person
    hair = (np.array([44.0, 32, 26]) * (1 - turn) + np.array([132.0, 92, 58]) * turn) * (1 - 0.6 * tone)
    iris = np.array([70.0, 46, 30]) * (1 - turn) + np.array([86.0, 116, 140]) * turn
    iris = iris * (1 - tone) + np.array([58.0, 38, 26]) * tone
    lips = base * np.array([0.9, 0.68, 0.69])
    sclera, pupil, cavity, teeth = (
        np.broadcast_to(np.array(c, float), base.shape)
        for c in ((222, 218, 212), (22, 18, 18), (74, 26, 28), (228, 224, 212))
    )
    brow = 0.25 * base + 0.75 * hair
    return np.stack(
        [base, lips, brow, hair, base * 0.5, sclera, iris, pupil, cavity, teeth],
        axis=1,
    )


def _rotations(pose: np.ndarray) -> np.ndarray:
    """(n, 3, 3) R = Ry(yaw) · Rx(pitch) · Rz(roll) of degrees, signs as in frame tables."""
    p, w, r = np.radians(pose).T
    zero, one = np.zeros_like(p), np.ones_like(p)

    def matrix(*rows):
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    rx = matrix((one, zero, zero), (zero, np.cos(p), -np.sin(p)), (zero, np.sin(p), np.cos(p)))
    ry = matrix((np.cos(w), zero, np.sin(w)), (zero, one, zero), (-np.sin(w), zero, np.cos(w)))
    rz = matrix((np.cos(r), -np.sin(r), zero), (np.sin(r), np.cos(r), zero), (zero, zero, one))
    return ry @ rx @ rz


def _ring_triangles(ring: list[int]) -> list[tuple[int, int, int]]:
    """Triangles that fill a ring of landmarks with a corner first and another in its middle."""
    half = len(ring) // 2
    upper, lower = ring[: half + 1], [ring[0], *ring[: half - 1 : -1]]
    out = []
    for i in range(half):
        out += [(upper[i], lower[i + 1], upper[i + 1]), (upper[i], lower[i], lower[i + 1])]
    return [t for t in out if len(set(t)) == 3]


def _head(model) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (H, 3) and triangles of a cap of hair behind the face, and of a neck."""
    rows, columns = 10, 20
    down = np.linspace(0, np.pi * 0.56, rows)[:, None]
    round_ = np.linspace(0.85 * np.pi, 2.15 * np.pi, columns)[None]  # the back half, seen past the face
    cap = np.stack(
        [
            77 * np.sin(down) * np.cos(round_),
            22 + 82 * np.cos(down) + 0 * round_,
            22 + 88 * np.sin(down) * np.sin(round_) + 0 * down,
        ],
        axis=-1,
    ).reshape(-1, 3)
    around = np.linspace(-np.pi / 2, np.pi / 2, 9)[None]
    heights = np.linspace(-48, -140, 4)[:, None]
    neck = np.stack(
        [46 * np.sin(around) + 0 * heights, heights + 0 * around, 16 + 46 * np.cos(around) + 0 * heights],
        axis=-1,
    ).reshape(-1, 3)

    def grid(r, c, first):
        out = []
        for i in range(r - 1):
            for j in range(c - 1):
                a, b = first + i * c + j, first + i * c + j + 1
                out += [(a, a + c, b + c), (a, b + c, b)]
        return out

    triangles = grid(rows, columns, 0), grid(4, 9, len(cap))
    return np.concatenate([cap, neck]), [np.array(t) for t in triangles]


@lru_cache(maxsize=2)
def _surface(size: int) -> _Surface:
    model = load_morphable("face478")
    rest = model.neutral.astype(np.float64)
    wide = ICT53.vector(jawOpen=1.0, eyeWide_L=1.0, eyeWide_R=1.0)
    roomy = model.vertices(wide).astype(np.float64)  # holes get the points that they need when they are open
    head, head_triangles = _head(model)
    v = len(rest)
    groups = [
        (model.triangles, _SKIN, -1),
        (np.array(_ring_triangles(EYE_R)), _SCLERA, 0),
        (np.array(_ring_triangles(EYE_L)), _SCLERA, 1),
        (np.array(_ring_triangles(MOUTH)), _CAVITY, -1),
        (head_triangles[0] + v, _HAIR, -1),
        (head_triangles[1] + v, _SKIN, -1),
    ]
    places = np.concatenate([roomy, head])
    corners, material, eye = [], [], []
    for triangles, kind, side in groups:
        p = places[triangles]
        facing = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
        if kind in (_SCLERA, _CAVITY):  # seen from the front
            back = facing[:, 2] < 0
            triangles = np.where(back[:, None], triangles[:, ::-1], triangles)
        corners.append(triangles)
        material.append(np.full(len(triangles), kind))
        eye.append(np.full(len(triangles), side))
    corners, material, eye = map(np.concatenate, (corners, material, eye))
    p = places[corners]
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1) / 2
    # Finer where there is more to see, coarser on hair.
    fine = np.where(material >= _SCLERA, 2.0, np.where(material == _HAIR, 0.5, 1.0))
    steps = np.maximum(1, np.rint(np.sqrt(area * fine * _POINTS) * size / SIDE_MM)).astype(int)
    triangle, bary = [], []
    for k in np.unique(steps):
        own = np.flatnonzero(steps == k)
        grid = _centroids(k)
        triangle.append(np.repeat(own, len(grid)))
        bary.append(np.tile(grid, (len(own), 1)))
    triangle, bary = np.concatenate(triangle), np.concatenate(bary)
    rows = np.repeat(np.arange(len(triangle)), 3)
    total = v + len(head)
    mix = sparse.csr_array((bary.ravel(), (rows, corners[triangle].ravel())), shape=(len(triangle), total))
    at = mix @ np.concatenate([rest, head])
    material, eye, is_face = material[triangle], eye[triangle], corners[triangle].max(axis=1) < v
    material = _painted(at, material, is_face, rest)
    members = np.repeat(np.arange(len(corners)), 3)
    gather = sparse.csr_array(
        (np.ones(3 * len(corners)), (corners.ravel(), members)), shape=(total, len(corners))
    )
    # Rings of eyes and mouth must not bend the normals of the skin around them.
    skin_only = sparse.diags_array(
        (np.isin(np.arange(len(corners)), triangle[material < _SCLERA])).astype(float)
    )
    return _Surface(
        mix,
        triangle,
        1 / steps[triangle].astype(float) ** 2,
        corners,
        material,
        eye,
        head,
        sparse.csr_array(gather @ skin_only),
    )


def _centroids(k: int) -> np.ndarray:
    """(k², 3) barycentric middles of the k² equal parts of a triangle."""
    out = []
    for i in range(k):
        for j in range(k - i):
            out.append(((i + 1 / 3) / k, (j + 1 / 3) / k))
            if j < k - i - 1:
                out.append(((i + 2 / 3) / k, (j + 2 / 3) / k))
    u = np.array(out)
    return np.column_stack([u, 1 - u.sum(axis=1)])


def _painted(at, material, is_face, rest) -> np.ndarray:
    """(P,) materials with lips, brows, nostrils, and the lashes of the upper lids on the skin of the face."""
    material = material.copy()
    skin = np.flatnonzero((material == _SKIN) & is_face)
    flat = at[skin, :2]
    material[skin[Polygon(rest[_LIPS, :2]).contains_points(flat)]] = _LIP
    for brow in _BROWS:
        material[skin[Polygon(rest[brow, :2]).contains_points(flat, radius=0.8)]] = _BROW
    for wing, base in _NOSTRILS:
        centre = rest[wing, :2] * 0.55 + rest[base, :2] * 0.45
        material[skin[np.hypot(*((flat - centre) / [4.0, 2.4]).T) < 1]] = _DARK
    for ring in (EYE_R, EYE_L):
        upper = rest[ring[: len(ring) // 2 + 1], :2]
        along = np.linspace(0, len(upper) - 1, 40)
        line = np.column_stack([np.interp(along, np.arange(len(upper)), upper[:, i]) for i in range(2)])
        gap = np.min(np.hypot(*(flat[:, None] - line[None]).transpose(2, 0, 1)), axis=1)
        material[skin[gap < 1.8]] = _DARK
    return material
