"""Figures that move: faces and a time line in one plotly widget, changed in place. Needs WebGL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_hex

from dfe_lib.figures.style import DISPLACEMENT, SKIN, colour

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

FACE, TEMPLATE, PLACES = range(3)  # traces of the figure

_HEAT = [[i / 8, to_hex(DISPLACEMENT(i / 8))] for i in range(9)]
_LIGHTING = {"ambient": 0.5, "diffuse": 0.6, "specular": 0.05, "roughness": 0.9, "fresnel": 0}
# Perspective: plotly lights an orthographic scene from behind.
_FRONT = {"eye": {"x": 0, "y": 0, "z": 2.2}, "up": {"x": 0, "y": 1, "z": 0}}


def live_figure(model: Morphable, depth: int) -> go.FigureWidget:
    """Two faces that can be turned with the mouse, and a time line below them.

    It is one widget, since every plotly widget carries the whole of plotly into a saved notebook (5 MB).

    Parameters
    ----------
    model : gives the neutral face, shown first, and the triangles.
    depth : number of stages, the rows of the time line.

    Returns
    -------
    FigureWidget with the traces FACE (grey), TEMPLATE (heat, mm) and PLACES (marks over time).
    """
    present = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "y domain", "line": {"width": 1}}
    layout = {
        "scene": _scene(model, left=0.0),
        "scene2": _scene(model, left=0.5),
        "xaxis": {"title": "time (s)", "domain": [0.0, 1.0], "anchor": "y"},
        "yaxis": {"title": "stage", "range": [depth + 0.5, 0.5], "dtick": 1, "domain": [0.0, 0.2]},
        "shapes": [present],
        "annotations": [
            _heading("face made of the tokens that are on", x=0.25, y=1.0),
            _heading("what the chosen token moves", x=0.75, y=1.0),
            _heading("where the chosen token is used (click to go there)", x=0.5, y=0.24),
        ],
        "width": 740,
        "height": 560,
        "margin": {"l": 50, "r": 10, "t": 30, "b": 40},
        "template": "simple_white",
        "showlegend": False,
    }
    bar = {"title": "mm", "thickness": 10, "len": 0.5, "x": 1.0, "y": 0.65}
    heat = {
        "intensity": np.zeros(len(model.neutral)),
        "cmin": 0,
        "cmax": 1,
        "colorscale": _HEAT,
        "colorbar": bar,
    }
    places = go.Scatter(x=[], y=[], mode="markers", name="used", hoverinfo="x")
    places.marker = {"color": colour("DFE"), "symbol": "square", "size": 7}
    return go.FigureWidget(
        [_mesh(model, scene="scene", color=SKIN), _mesh(model, scene="scene2", **heat), places], layout
    )


def move_face(
    figure: go.FigureWidget, trace: int, vertices: np.ndarray, heat: np.ndarray | None = None
) -> None:
    """Set the vertices of FACE or TEMPLATE, (V, 3) mm, and the displacement to colour them by, (V,) mm."""
    x, y, z = np.ascontiguousarray(vertices.T)
    change = {"x": x, "y": y, "z": z}
    if heat is not None:
        change |= {"intensity": heat, "cmax": max(float(heat.max()), 1e-3)}
    with figure.batch_update():
        figure.data[trace].update(change)


def move_marks(figure: go.FigureWidget, at_s: np.ndarray, stage: np.ndarray, time_s: np.ndarray) -> None:
    """Put marks at times ``at_s`` and rows ``stage``; the axis spans all of ``time_s``."""
    end = float(time_s[-1]) if len(time_s) > 1 else float(time_s[0]) + 1
    with figure.batch_update():
        figure.data[PLACES].update(x=at_s, y=stage)
        figure.layout.xaxis.range = [float(time_s[0]), end]


def move_present(figure: go.FigureWidget, time_s: float) -> None:
    """Put the line of the time line at the present frame."""
    figure.layout.shapes[0].update(x0=time_s, x1=time_s)


def _mesh(model: Morphable, **look) -> go.Mesh3d:
    (x, y, z), (i, j, k) = model.neutral.T, model.triangles.T
    light = {"lighting": _LIGHTING, "lightposition": {"x": -400, "y": 600, "z": 1500}}
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, hoverinfo="skip", **light, **look)


def _scene(model: Morphable, left: float) -> dict:
    # Fixed axes: otherwise the scene would rescale with every expression and hide small movements.
    middle, reach = (model.neutral.max(0) + model.neutral.min(0)) / 2, 0.58 * np.ptp(model.neutral, axis=0)
    scene = {"aspectmode": "manual", "camera": _FRONT, "domain": {"x": [left, left + 0.5], "y": [0.28, 1.0]}}
    scene["aspectratio"] = dict(zip("xyz", (1.7 * reach / reach.max()).tolist(), strict=True))
    for axis, m, r in zip("xyz", middle.tolist(), reach.tolist(), strict=True):
        scene[f"{axis}axis"] = {"visible": False, "autorange": False, "range": [m - r, m + r]}
    return scene


def _heading(text: str, x: float, y: float) -> dict:
    place = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 12}, **place}
