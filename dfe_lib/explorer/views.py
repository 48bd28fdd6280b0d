"""The explorer's own widgets: a face in WebGL, a gallery, a raster over time, a picture.

A plotly figure would do for the first and third, but carries 5.0 MB of plotly into every saved notebook; these carry
5 to 12 KB each, and move a mesh of 9,409 vertices by sending its vertices alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import numpy as np
import traitlets

from dfe_lib.errors import InputError
from dfe_lib.explorer.pictures import HEIGHT, WIDTH, sheet
from dfe_lib.explorer.state import Face
from dfe_lib.figures.style import DISPLACEMENT

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

_BROWSER = Path(__file__).parent / "browser"
_CSS = _BROWSER / "explorer.css"


class FaceView(anywidget.AnyWidget):
    """One face that can be turned with mouse and keyboard, its heat, and the scale of it in mm."""

    _esm, _css = _BROWSER / "face.js", _CSS
    vertices = traitlets.Bytes().tag(sync=True)  # float32
    triangles = traitlets.Bytes().tag(sync=True)  # uint16
    heat = traitlets.Bytes().tag(sync=True)  # float32 mm, or empty
    palette = traitlets.List().tag(sync=True)
    centre = traitlets.List().tag(sync=True)
    reach = traitlets.Float(1.0).tag(sync=True)
    limit = traitlets.Float(1.0).tag(sync=True)
    what = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    wire = traitlets.Bool(False).tag(sync=True)
    step = traitlets.Bytes().tag(sync=True)  # float32, vertices for one more of strength; or empty
    strength = traitlets.Float(1.0).tag(sync=True)  # of the vertices that were sent
    asked = traitlets.Float(1.0).tag(sync=True)  # where the slider is: linked to it in the browser
    frame = traitlets.Int(0).tag(sync=True)  # counts up, the sign to draw

    def __init__(self, model: Morphable, **options):
        if len(model.neutral) > 65535:
            raise InputError(f"the explorer draws at most 65,535 vertices, the mesh has {len(model.neutral)}")
        low, high = model.neutral.min(axis=0), model.neutral.max(axis=0)
        shades = np.rint(255 * DISPLACEMENT(np.linspace(0, 1, 16))[:, :3]).astype(int)
        super().__init__(
            vertices=model.neutral.astype(np.float32).tobytes(),
            triangles=model.triangles.astype(np.uint16).tobytes(),
            centre=((low + high) / 2).tolist(),
            reach=float(0.6 * (high - low).max()),
            palette=shades.tolist(),
            **options,
        )

    def show(self, face: Face, label: str) -> None:
        """Draw a face; one message to the browser."""
        with self.hold_sync():
            self.vertices = np.ascontiguousarray(face.vertices, np.float32).tobytes()
            self.heat = np.ascontiguousarray(face.heat, np.float32).tobytes()
            self.step = np.ascontiguousarray(face.step, np.float32).tobytes()
            self.limit, self.what, self.label = face.limit, face.what, label
            self.strength = face.strength
            self.frame += 1


class Gallery(anywidget.AnyWidget):
    """Small faces to choose from; ``selected`` is the chosen code."""

    _esm, _css = _BROWSER / "gallery.js", _CSS
    sheet = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List([WIDTH, HEIGHT, 16]).tag(sync=True)
    order = traitlets.List().tag(sync=True)  # of (code, place in the sheet)
    captions = traitlets.List().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    height = traitlets.Unicode("none").tag(sync=True)
    built = traitlets.Int(0).tag(sync=True)

    def show(self, codes: Sequence[int], words: Sequence[str], captions: Sequence[str] | None = None) -> None:
        """Show these codes, in this order; all their pictures are in the sheet already, in order of code."""
        self._build([(int(k), int(k)) for k in codes], words, captions)

    def show_few(
        self,
        faces: np.ndarray,
        codes: Sequence[int],
        words: Sequence[str],
        captions: Sequence[str] | None = None,
    ) -> None:
        """Show these codes with pictures of theirs alone, (K, H, W, 3) being all: a sheet of a few KB."""
        with self.hold_sync():
            self.sheet = sheet(faces[list(codes)]) if len(codes) else b""
            self._build([(int(k), i) for i, k in enumerate(codes)], words, captions)

    def _build(
        self, order: list[tuple[int, int]], words: Sequence[str], captions: Sequence[str] | None
    ) -> None:
        with self.hold_sync():
            self.order = order
            self.names = [words[k] for k, _ in order]
            self.captions = [str(k) for k, _ in order] if captions is None else list(captions)
            self.built += 1


class Raster(anywidget.AnyWidget):
    """Tokens over time; ``cursor`` is the frame, ``picked`` the last cell that was chosen, (frame, stage, when)."""

    _esm, _css = _BROWSER / "raster.js", _CSS
    codes = traitlets.Bytes().tag(sync=True)  # int16 (n, S)
    time_s = traitlets.Bytes().tag(sync=True)  # float64
    colours = traitlets.Bytes().tag(sync=True)  # uint8 (K, 3)
    legend = traitlets.List().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    only = traitlets.Int(-1).tag(sync=True)
    cursor = traitlets.Int(0).tag(sync=True)
    picked = traitlets.List().tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    loaded = traitlets.Int(0).tag(sync=True)

    def show(
        self,
        codes: np.ndarray,
        time_s: np.ndarray,
        colours: np.ndarray,
        legend: list,
        cursor: int,
        label: str,
    ) -> None:
        """Show one recording, whole: every frame is in the bitmap, none is left out."""
        with self.hold_sync():
            self.codes = np.ascontiguousarray(codes, np.int16).tobytes()
            self.time_s = np.ascontiguousarray(time_s, np.float64).tobytes()
            self.colours = np.ascontiguousarray(colours, np.uint8).tobytes()
            self.legend, self.cursor, self.label = legend, cursor, label
            self.loaded += 1


class Picture(anywidget.AnyWidget):
    """One frame of a video with its landmarks; a sentence where there is none."""

    _esm, _css = _BROWSER / "picture.js", _CSS
    jpeg = traitlets.Bytes().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)  # float32 (n, 2), pixels of the picture
    dots = traitlets.Bool(True).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)

    def show(self, jpeg: bytes, points: np.ndarray, note: str, label: str) -> None:
        with self.hold_sync():
            self.jpeg, self.points = jpeg, np.ascontiguousarray(points, np.float32).tobytes()
            self.note, self.label = note, label
            self.frame += 1
