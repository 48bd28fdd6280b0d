"""Faces drawn with matplotlib alone: depth-sorted, shaded triangles, no OpenGL.

Pictures show the subject as seen by another person: the subject's left is at the right. Vertices are in mm,
x to the subject's left, y up, z out of the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.figures.style import DISPLACEMENT, SKIN, axes

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

_LIGHT = np.array([-0.35, 0.45, 0.82])  # from above, the viewer's left, and in front
_AMBIENT = 0.42  # share of light that reaches every triangle
_COARSE = 4000  # meshes with fewer triangles are refined before shading


def plot_face(
    vertices: np.ndarray,
    triangles: np.ndarray,
    ax: Axes | None = None,
    colour: str | np.ndarray | None = None,
    yaw: float = 0.0,
    pitch: float = 0.0,
    limit: float | None = None,
    colourbar: bool = False,
) -> Axes:
    """Draw one face, orthographically.

    Parameters
    ----------
    vertices : (V, 3), mm.
    triangles : (F, 3) int, counter-clockwise seen from outside.
    colour : a matplotlib colour; or (V,) mm, drawn as heat from 0 to ``limit``; None is a neutral grey.
    yaw, pitch : degrees; positive yaw turns the nose to the viewer's right, positive pitch lifts it.
    limit : mm at the dark end of the heat; by default the largest value.
    colourbar : add the scale of the heat, in mm.

    Returns
    -------
    ax, holding one :class:`matplotlib.collections.PolyCollection`.

    Raises
    ------
    InputError : arrays of the wrong shape, or vertices that are not finite.

    Examples
    --------
    >>> model = load_morphable("face478")                                              # doctest: +SKIP
    >>> plot_face(model.vertices(ICT53.vector(jawOpen=0.8)), model.triangles, yaw=20)  # doctest: +SKIP
    """
    vertices, triangles = _check(vertices, triangles)
    heat = None if colour is None or isinstance(colour, str) else np.asarray(colour, dtype=float)
    if heat is not None and heat.shape != (len(vertices),):
        raise InputError(
            f"colour has shape {heat.shape}; one value per vertex, ({len(vertices)},), is needed"
        )
    ax = axes(ax)
    seen = vertices @ _turn(yaw, pitch).T
    normals = _normals(seen, triangles)
    values = np.column_stack([seen, normals, np.zeros(len(seen)) if heat is None else heat])
    corners = values[triangles]  # (F, 3 corners, x y z and normal and heat)
    if len(triangles) < _COARSE:
        corners = _split(corners)
    edge = corners[:, 1:, :3] - corners[:, :1, :3]
    front = np.flatnonzero(np.cross(edge[:, 0], edge[:, 1])[:, 2] > 0)
    order = front[np.argsort(corners[front, :, 2].mean(axis=1))]  # far ones first, near ones over them
    middle = corners[order].mean(axis=1)

    if heat is None:
        base = np.tile(to_rgb(SKIN if colour is None else colour), (len(order), 1))
    else:
        scale = Normalize(0, _positive(heat.max() if limit is None else limit))
        base = DISPLACEMENT(scale(middle[:, 6]))[:, :3]
        if colourbar:
            bar = ax.figure.colorbar(ScalarMappable(scale, DISPLACEMENT), ax=ax, shrink=0.6, pad=0.02)
            bar.set_label("displacement (mm)")
    shaded = base * _lambert(middle[:, 3:6])[:, None]
    polygons = PolyCollection(corners[order, :, :2], facecolors=shaded, edgecolors=shaded, linewidths=0.25)
    polygons.set_rasterized(True)  # thousands of triangles: one picture inside a PDF
    ax.add_collection(polygons, autolim=False)
    return _frame(ax, seen)


def plot_face_row(
    faces: Sequence[np.ndarray],
    triangles: np.ndarray,
    titles: Sequence[str] | None = None,
    colours: Sequence[str | np.ndarray | None] | None = None,
    limit: float | None = None,
    columns: int = 8,
    bottom: float | None = None,
    **view: float,
) -> Figure:
    """Draw several faces side by side, at one scale and with one heat scale.

    Parameters
    ----------
    faces : list of (V, 3), mm.
    titles, colours : one per face, see :func:`plot_face`; heat shares one ``limit``, shown once as a bar.
    columns : at most so many in a row.
    bottom : y in mm where the pictures end, to leave the neck out.
    view : ``yaw``, ``pitch``.

    Returns
    -------
    A new figure; its first ``len(faces)`` axes hold the faces.
    """
    if not len(faces):
        raise InputError("plot_face_row was given no face; at least one (V, 3) array is needed")
    colours = [None] * len(faces) if colours is None else list(colours)
    heats = [c for c in colours if c is not None and not isinstance(c, str)]
    if heats and limit is None:
        limit = float(max(np.max(h) for h in heats))
    columns = min(columns, len(faces))
    rows = -(-len(faces) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(1.05 * columns, 1.4 * rows), squeeze=False)
    for i, ax in enumerate(grid.flat):
        if i >= len(faces):
            ax.set_axis_off()
            continue
        plot_face(faces[i], triangles, ax, colours[i], limit=limit, **view)
        if titles is not None:
            ax.set_title(titles[i], fontsize=6)
    low, high = _common_limits(grid.flat[: len(faces)])
    low[1] = low[1] if bottom is None else max(low[1], bottom)
    for ax in grid.flat[: len(faces)]:
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    if heats:
        scale = ScalarMappable(Normalize(0, _positive(limit)), DISPLACEMENT)
        bar = figure.colorbar(scale, ax=grid, shrink=0.6, pad=0.01, aspect=30)
        bar.set_label("displacement (mm)")
    return figure


def plot_coarse_to_fine(
    tokenizer, codes: np.ndarray, model: Morphable, psi: np.ndarray | None = None
) -> Figure:
    """One frame built up token by token: the first face has one token, the last all; then the measured face.

    Heat is what each token alone moves, so the row also shows what every stage adds.

    Parameters
    ----------
    tokenizer : a fitted :class:`dfe_lib.tokens.Tokenizer`.
    codes : (S,) int, the tokens of one frame.
    psi : (53,), the measured expression, drawn last; titles then give the remaining error in mm.
    """
    codes = np.atleast_1d(np.asarray(codes))
    if codes.ndim != 1 or (codes < 0).any():
        raise InputError(f"one frame's tokens are needed, (stages,), none negative; got shape {codes.shape}")
    partial = [tokenizer.decode(codes[None, :s])[0] for s in range(1, len(codes) + 1)]
    before = [np.zeros_like(partial[0]), *partial[:-1]]
    faces, titles, heats = [], [], []
    for s, (now, last) in enumerate(zip(partial, before, strict=True)):
        faces.append(model.vertices(now))
        heats.append(np.linalg.norm(model.vertices(now) - model.vertices(last), axis=1))
        left = "" if psi is None else f"\n{float(tokenizer.space.norm(psi - now)):.2f} mm left"
        titles.append(f"+ token {codes[s]}{left}")
    if psi is not None:
        faces.append(model.vertices(psi))
        titles.append("measured\n")
        heats.append(None)
    return plot_face_row(faces, model.triangles, titles, heats, columns=len(faces), bottom=below_chin(model))


def plot_template_gallery(
    templates: np.ndarray,
    model: Morphable,
    use: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    count: int = 24,
    scale: float = 1.0,
    columns: int = 8,
) -> Figure:
    """Templates as displacement heat on the face that each makes, most used first.

    Parameters
    ----------
    templates : (K, 53) expression coefficients of every code.
    use : (K,) how often each code was used; by default the templates keep their order.
    names : (K,) text below the code's number, e.g. its strongest coefficient.
    count : how many to draw.
    scale : factor on every template, e.g. the gain of the first stage.
    """
    templates = np.asarray(templates) * scale
    if use is not None and np.shape(use) != (len(templates),):
        raise InputError(
            f"use has shape {np.shape(use)}; {len(templates)} counts, one per template, are needed"
        )
    order = np.arange(len(templates)) if use is None else np.argsort(-np.asarray(use), kind="stable")
    order = order[:count]
    faces = list(model.vertices(templates[order]))
    heats = [np.linalg.norm(face - model.neutral, axis=1) for face in faces]
    titles = [f"{k}" if names is None else f"{k}\n{names[k]}" for k in order]
    return plot_face_row(faces, model.triangles, titles, heats, columns=columns, bottom=below_chin(model))


def below_chin(model: Morphable) -> float | None:
    """y in mm that leaves room for an open jaw below the chin; None for a mesh that ends at the chin."""
    if not len(model.landmarks68):
        return None
    return float(model.neutral[model.landmarks68[8], 1]) - 32.0


def _check(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    vertices, triangles = np.asarray(vertices, dtype=float), np.asarray(triangles)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(
            f"vertices have shape {vertices.shape}, but one face, (vertices, 3) in mm, is needed"
        )
    if not np.isfinite(vertices).all():
        raise InputError("vertices hold NaN or infinite values; draw only frames where a face was found")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.max(initial=-1) >= len(vertices):
        raise InputError(f"triangles of shape {triangles.shape} do not fit {len(vertices)} vertices")
    return vertices, triangles


def _turn(yaw: float, pitch: float) -> np.ndarray:
    y, p = np.radians(yaw), np.radians(pitch)
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    return about_x @ about_y


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, smoothed over neighbouring triangles so that facets do not show."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    columns = [
        sum(np.bincount(triangles[:, corner], flat[:, axis], len(vertices)) for corner in range(3))
        for axis in range(3)
    ]
    smooth = np.stack(columns, axis=1)
    return smooth / np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12)


def _split(corners: np.ndarray) -> np.ndarray:
    """(4F, 3, m): every triangle cut into four, its values in between, so that a coarse mesh looks smooth."""
    a, b, c = (corners[:, i] for i in range(3))
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.concatenate([np.stack(part, axis=1) for part in parts])


def _lambert(normal: np.ndarray) -> np.ndarray:
    """(F,) brightness in 0–1 of triangles with these normals, (F, 3)."""
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    toward = np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, None)
    return np.clip(_AMBIENT + (1.05 - _AMBIENT) * toward, 0, 1)


def _positive(limit: float) -> float:
    return float(limit) if limit > 1e-6 else 1.0  # a face that does not move is drawn cold


def _frame(ax: Axes, seen: np.ndarray) -> Axes:
    low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
    margin = 0.03 * (high - low).max()
    ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _common_limits(drawn: Sequence[Axes]) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.array([a.get_xlim() for a in drawn]), np.array([a.get_ylim() for a in drawn])
    return np.array([x[:, 0].min(), y[:, 0].min()]), np.array([x[:, 1].max(), y[:, 1].max()])
