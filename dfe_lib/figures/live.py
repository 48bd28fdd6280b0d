"""Figures that move: plotly widgets of a face and of a time line, changed in place. Needs WebGL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_hex

from dfe_lib.figures.style import DISPLACEMENT, SKIN, colour

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

_HEAT = [[i / 8, to_hex(DISPLACEMENT(i / 8))] for i in range(9)]
_LIGHTING = {"ambient": 0.5, "diffuse": 0.6, "specular": 0.05, "roughness": 0.9, "fresnel": 0}
# Perspective: plotly lights an orthographic scene from behind.
_FRONT = {"eye": {"x": 0, "y": 0, "z": 2.2}, "up": {"x": 0, "y": 1, "z": 0}}


def live_face(model: Morphable, title: str, heat: bool = False) -> go.FigureWidget:
    """A face that can be turned with the mouse and changed with :func:`move_face`.

    Parameters
    ----------
    model : gives the neutral face, shown first, and the triangles.
    heat : colour the face by displacement, with a scale in mm, instead of plain grey.
    """
    (x, y, z), (i, j, k) = model.neutral.T, model.triangles.T
    look = {"color": SKIN}
    if heat:
        bar = {"title": "mm", "thickness": 10, "len": 0.6}
        look = {"intensity": np.zeros(len(x)), "cmin": 0, "cmax": 1, "colorscale": _HEAT, "colorbar": bar}
    light = {"lighting": _LIGHTING, "lightposition": {"x": -400, "y": 600, "z": 1500}}
    mesh = go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, hoverinfo="skip", name=title, **look, **light)
    # Fixed axes: otherwise the scene would rescale with every expression and hide small movements.
    middle, reach = (model.neutral.max(0) + model.neutral.min(0)) / 2, 0.58 * np.ptp(model.neutral, axis=0)
    scene = {"aspectmode": "manual", "camera": _FRONT}
    scene["aspectratio"] = dict(zip("xyz", (1.25 * reach / reach.max()).tolist(), strict=True))
    for axis, m, r in zip("xyz", middle.tolist(), reach.tolist(), strict=True):
        scene[f"{axis}axis"] = {"visible": False, "autorange": False, "range": [m - r, m + r]}
    layout = {"title": _title(title), "scene": scene, "width": 360, "height": 380}
    return go.FigureWidget(mesh, layout | {"margin": {"l": 0, "r": 0, "t": 30, "b": 0}})


def move_face(figure: go.FigureWidget, vertices: np.ndarray, heat: np.ndarray | None = None) -> None:
    """Set the vertices, (V, 3) mm, and the displacement to colour them by, (V,) mm."""
    x, y, z = np.ascontiguousarray(vertices.T)
    change = {"x": x, "y": y, "z": z}
    if heat is not None:
        change |= {"intensity": heat, "cmax": max(float(heat.max()), 1e-3)}
    with figure.batch_update():
        figure.data[0].update(change)


def live_timeline(depth: int, title: str) -> go.FigureWidget:
    """Marks over time, one row per stage, and a line at the present frame; see :func:`move_timeline`."""
    places = go.Scatter(x=[], y=[], mode="markers", name="used", hoverinfo="x")
    places.marker = {"color": colour("DFE"), "symbol": "square", "size": 7}
    present = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper", "line": {"width": 1}}
    layout = {
        "title": _title(title),
        "xaxis": {"title": "time (s)"},
        "yaxis": {"title": "stage", "range": [depth + 0.5, 0.5], "dtick": 1},
        "shapes": [present],
        "width": 720,
        "height": 220,
        "margin": {"l": 50, "r": 10, "t": 30, "b": 40},
        "template": "simple_white",
    }
    return go.FigureWidget(places, layout)


def move_timeline(figure: go.FigureWidget, at_s: np.ndarray, stage: np.ndarray, time_s: np.ndarray) -> None:
    """Put marks at times ``at_s`` and rows ``stage``; the axis spans all of ``time_s``."""
    end = float(time_s[-1]) if len(time_s) > 1 else float(time_s[0]) + 1
    with figure.batch_update():
        figure.data[0].update(x=at_s, y=stage)
        figure.layout.xaxis.range = [float(time_s[0]), end]


def _title(text: str) -> dict:
    return {"text": text, "font": {"size": 12}, "x": 0.5}
