"""Pictures that the explorer shows: all templates as small faces, ψ and token use as bars. Plain functions."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.transforms import IdentityTransform
from PIL import Image

from dfe_lib.figures.files import DRAWN
from dfe_lib.figures.galleries import at_one_strength
from dfe_lib.figures.style import DISPLACEMENT, PAGE, QUALITATIVE
from dfe_lib.space import ExpressionSpace

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

WIDTH, HEIGHT = 72, 84  # pixels of one small face
_LIGHT = np.array([-0.35, 0.45, 0.82]) / np.linalg.norm([-0.35, 0.45, 0.82])
_AMBIENT = 0.42
_REST = (
    (214, 214, 214),
    (188, 188, 188),
)  # codes without a colour of their own, by turns, so that changes show


def small_faces(templates: np.ndarray, model: Morphable) -> np.ndarray:
    """All templates as small frontal faces, coloured by displacement, each at one strength (at most 6 mm).

    Parameters
    ----------
    templates : (K, d).

    Returns
    -------
    (K, 84, 72, 3) uint8, on white.
    """
    psi, heat = at_one_strength(templates, model)
    low, high = model.neutral.min(axis=0), model.neutral.max(axis=0)
    scale = min((WIDTH - 4) / (high - low)[0], (HEIGHT - 12) / (high - low)[1])
    across = max(1, 16384 // WIDTH)  # Agg draws no wider pictures
    out = np.empty((len(psi), HEIGHT, WIDTH, 3), np.uint8)
    for start in range(0, len(psi), across):
        part = range(start, min(start + across, len(psi)))
        renderer = RendererAgg(WIDTH * len(part), HEIGHT, 72)
        points, colours = [], []
        for i, k in enumerate(part):
            corners, shades = _shaded(model.vertices(psi[k]), model.triangles, heat[k])
            middle = (low + high)[:2] / 2
            points.append((corners - middle) * scale + [(i + 0.5) * WIDTH, HEIGHT / 2 + 4])  # room for a jaw
            colours.append(shades)
        renderer.draw_gouraud_triangles(
            renderer.new_gc(), np.concatenate(points), np.concatenate(colours), IdentityTransform()
        )
        rgba = np.asarray(renderer.buffer_rgba()).astype(np.float32)
        rgb = rgba[..., :3] + 255 - rgba[..., 3:]  # Agg's colours are multiplied with their opacity
        row = np.clip(rgb, 0, 255).astype(np.uint8).reshape(HEIGHT, len(part), WIDTH, 3)
        out[part.start : part.stop] = row.transpose(1, 0, 2, 3)
    return out


def _shaded(vertices: np.ndarray, triangles: np.ndarray, heat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (F, 3, 2) of the triangles that face the viewer, far ones first, and RGBA (F, 3, 4) at each corner."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    smooth = np.stack(
        [
            sum(np.bincount(triangles[:, i], flat[:, axis], len(vertices)) for i in range(3))
            for axis in range(3)
        ],
        axis=1,
    )
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12)
    shade = DISPLACEMENT(np.clip(heat / 6.0, 0, 1))
    shade[:, :3] *= np.clip(_AMBIENT + (1.05 - _AMBIENT) * np.clip(smooth @ _LIGHT, 0, None), 0, 1)[:, None]
    front = np.flatnonzero(flat[:, 2] > 0)
    order = triangles[front[np.argsort(vertices[triangles[front], 2].mean(axis=1))]]
    return vertices[order][..., :2], shade[order]


def sheet(faces: np.ndarray, columns: int = 16) -> bytes:
    """Small faces (k, H, W, 3) side by side in one WebP picture, ``columns`` in a row."""
    kept = io.BytesIO()
    Image.fromarray(_page(faces, columns)).save(kept, "WEBP", quality=88, method=2)
    return kept.getvalue()


def _page(faces: np.ndarray, columns: int) -> np.ndarray:
    k, height, width, _ = faces.shape
    rows = -(-k // columns)
    page = np.full((rows * columns, height, width, 3), 255, np.uint8)
    page[:k] = faces
    page = page.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return page.reshape(rows * height, columns * width, 3)


def plot_all_templates(faces: np.ndarray, columns: int = 16) -> Figure:
    """The whole gallery as a figure, every face with its code: what remains of the explorer without a kernel."""
    page = _page(faces, columns)
    figure = plt.figure(figsize=(PAGE, PAGE * page.shape[0] / page.shape[1]), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(page, interpolation="lanczos", gid=DRAWN)
    for k in range(len(faces)):
        row, column = divmod(k, columns)
        ax.text(column * WIDTH + 2, row * HEIGHT - 7, str(k), fontsize=6, va="top")  # above the head
    ax.set_axis_off()
    return figure


def code_colours(use: np.ndarray, coloured: int = 8) -> tuple[np.ndarray, list[tuple[str, list[int]]]]:
    """(K, 3) uint8: the most used codes in a colour each, the others in two greys; and a legend of the former."""
    shades = np.array([_REST[k % 2] for k in range(len(use))], np.uint8)
    legend: list[tuple[str, list[int]]] = []
    for i, k in enumerate(np.argsort(-use, kind="stable")[:coloured]):
        if use[k]:
            shades[k] = [int(QUALITATIVE[i % len(QUALITATIVE)][j : j + 2], 16) for j in (1, 3, 5)]
            legend.append((f"token {k}", shades[k].tolist()))
    return shades, [*legend, ("other tokens", list(_REST[0]))]


def psi_bars(psi: np.ndarray, space: ExpressionSpace, columns: int = 2) -> str:
    """ψ as an SVG of horizontal bars, one a coefficient, by region; zero in the middle, ±1 at the ends.

    Parameters
    ----------
    psi : (d,).
    """
    rows: list[tuple[str, float | None]] = []
    for region, members in space.regions.items():
        rows.append((region, None))
        rows += [(space.names[i], float(psi[i])) for i in members]
    per, step, label, reach = -(-len(rows) // columns), 15, 120, 44
    width = label + 2 * reach + 42
    shapes = []
    for i, (name, value) in enumerate(rows):
        x, y = (i // per) * (width + 16), (i % per) * step
        if value is None:
            shapes.append(f'<text x="{x}" y="{y + 12}" font-weight="bold">{html.escape(name)}</text>')
            continue
        zero, shown = x + label + reach, float(np.clip(value, -1, 1))
        colour = QUALITATIVE[0] if value >= 0 else QUALITATIVE[5]
        left = zero + min(shown, 0) * reach
        shapes.append(
            f'<text x="{x + label - 4}" y="{y + 12}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="{left:.1f}" y="{y + 2}" width="{abs(shown) * reach:.1f}" height="11" fill="{colour}"/>'
            f'<path d="M{zero} {y}v{step}" stroke="#999"/>'
            f'<text x="{zero + reach + 4}" y="{y + 12}">{f"{value:+.2f}" if abs(value) >= 0.005 else ""}</text>'
        )
    largest = int(np.argmax(np.abs(psi)))
    said = f"Expression coefficients; the largest is {space.names[largest]}, {float(psi[largest]):+.2f}"
    return _svg(columns * (width + 16), per * step + 4, said, "".join(shapes))


def use_bars(table: pd.DataFrame, words: Sequence[str], names: tuple[str, str], count: int = 12) -> str:
    """Shares of tokens in two recordings side by side, as an SVG; a table of :func:`~.codebook.compare_use`."""
    rows = table.head(count)
    top = max(float(rows[["one", "two"]].to_numpy().max(initial=0)), 1e-9)
    label, reach, step = 270, 200, 36
    shades = (QUALITATIVE[0], QUALITATIVE[1])
    shapes = [
        f'<rect x="{label}" y="{4 + 18 * i}" width="12" height="12" fill="{shade}"/>'
        f'<text x="{label + 18}" y="{15 + 18 * i}">{html.escape(_short(name, 36))}</text>'
        for i, (name, shade) in enumerate(zip(names, shades, strict=True))
    ]
    for row, entry in enumerate(rows.itertuples()):
        y = 46 + row * step
        text = html.escape(_short(f"{entry.token}: {words[entry.token]}", 42))
        shapes.append(f'<text x="{label - 8}" y="{y + 19}" text-anchor="end">{text}</text>')
        for i, share in enumerate((entry.one, entry.two)):
            at, length = y + 15 * i, share / top * reach
            shapes.append(f'<rect x="{label}" y="{at}" width="{length:.1f}" height="13" fill="{shades[i]}"/>')
            shapes.append(f'<text x="{label + length + 6:.1f}" y="{at + 11}">{100 * share:.1f} %</text>')
    said = f"Token use of {names[0]} and {names[1]}, the {len(rows)} tokens with the largest difference"
    return _svg(label + reach + 80, 50 + step * len(rows), said, "".join(shapes))


def _svg(width: float, height: float, said: str, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html.escape(said)}" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:100%" fill="currentColor" '
        f'font-size="12" font-family="system-ui, sans-serif">{inside}</svg>'
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
