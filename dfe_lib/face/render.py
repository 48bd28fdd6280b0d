"""Rendering of training frames: ICT heads with known ψ, painted and lit at random, off-screen.

Rendered faces are simulated data and are called so wherever they are used.
"""

from __future__ import annotations

import io
import subprocess
import sys
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter
from scipy.sparse import csr_array

from dfe_lib.face.appearance import Appearance, View, find_regions, gaze, paint
from dfe_lib.face.morphable import Morphable

# Parts that are transparent in life; drawn opaque they would hide the eyes.
_HIDDEN = ("LacrimalFluid", "EyeBlend", "EyeOcclusion")


@lru_cache(maxsize=1)
def can_render() -> bool:
    """Whether off-screen OpenGL works here; tried in a process of its own, because a bad driver ends the process."""
    trial = "import pyvista; p = pyvista.Plotter(off_screen=True, window_size=(8, 8)); p.add_mesh(pyvista.Sphere()); "
    done = subprocess.run(
        [sys.executable, "-c", trial + "assert p.screenshot(return_img=True).std() > 0"],
        capture_output=True,
        timeout=120,
    )
    return done.returncode == 0


class Renderer:
    """Renders one head model, many times. Needs OpenGL off-screen (EGL or OSMesa; VTK's wheels bring a way).

    Examples
    --------
    >>> with Renderer(load_head()) as renderer:                      # doctest: +SKIP
    ...     rgb = renderer.render(psi, sample_appearance(rng), sample_view(rng), rng)
    """

    def __init__(self, head: Morphable, size: int = 288):
        import pyvista
        import vtk

        vtk.vtkObject.GlobalWarningDisplayOff()  # a missing X display is no fault off-screen
        self.head, self.size = head, size
        hidden = np.zeros(len(head.triangles), bool)
        for part in _HIDDEN:
            hidden[slice(*head.parts[part])] = True
        triangles = head.triangles[~hidden]
        cells = np.column_stack([np.full(len(triangles), 3), triangles]).ravel()
        self._mesh = pyvista.PolyData(head.neutral.copy(), cells)
        self._mesh["colour"] = np.zeros((len(head.neutral), 3), np.uint8)
        self._triangles = triangles
        # Sums the normals of the triangles around each vertex.
        corners = np.arange(len(triangles)).repeat(3)
        ones = np.ones(triangles.size, np.float32)
        self._around = csr_array((ones, (triangles.ravel(), corners)), (len(head.neutral), len(triangles)))
        self._plotter = pyvista.Plotter(off_screen=True, window_size=(size, size), lighting="none")
        self._plotter.render_window.SetMultiSamples(0)  # the blur and JPEG that follow hide the jaggies
        self._actor = self._plotter.add_mesh(
            self._mesh, scalars="colour", rgb=True, smooth_shading=False, ambient=0.25, diffuse=0.9
        )
        self._lights = [pyvista.Light(light_type="camera light") for _ in range(3)]
        for light in self._lights:
            self._plotter.add_light(light)
        self._region = find_regions(head)
        self._look: Appearance | None = None
        self._person = head.neutral
        self._plotter.render()  # opens the window; show() would put a picture into a notebook

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._plotter.close()

    def render(self, psi: np.ndarray, look: Appearance, view: View, rng: np.random.Generator) -> np.ndarray:
        """One frame.

        Parameters
        ----------
        psi : (53,) expression coefficients of the face; eyeLook turns the eyeballs too.
        rng : for the image noise alone.

        Returns
        -------
        (h, h, 3) uint8 RGB, h = size · view.shrink.
        """
        if self._look is not look:
            self._look = look
            self._person = self.head.neutral + np.tensordot(
                look.identity, self.head.identities[: len(look.identity)], axes=1
            )
            self._mesh["colour"] = paint(self._region, look)
            self._actor.prop.specular = look.gloss
        vertices = self._person.copy()
        for i in np.flatnonzero(psi):  # a display moves few of the coefficients
            vertices += psi[i] * self.head.expressions[i]
        self._turn_eyes(vertices, psi, look.gaze_gain)
        self._mesh.points = vertices
        self._mesh.point_data["Normals"] = self._normals(vertices)
        self._mesh.point_data.active_normals_name = "Normals"
        self._aim(vertices, view)
        for light, setting in zip(self._lights, (*view.lights, *[(0, 0, 1, 0.0)] * 3), strict=False):
            light.position, light.intensity = setting[:3], setting[3]
        self._lights[0].diffuse_color = view.tint
        top, bottom = view.background
        self._plotter.set_background(tuple(bottom), top=tuple(top))
        self._plotter.render()
        rgb = self._plotter.screenshot(return_img=True)
        return _degrade(np.asarray(rgb)[..., :3], view, rng)

    def _turn_eyes(self, vertices: np.ndarray, psi: np.ndarray, gain: float) -> None:
        for side, name in (("L", "Left"), ("R", "Right")):
            left, up = np.radians(gaze(psi, side)) * gain
            if left == up == 0:
                continue
            ball = self._region.part[f"Sclera{name}"]
            points = vertices[ball]
            centre = (points.min(axis=0) + points.max(axis=0)) / 2
            about_y = np.array([[np.cos(left), 0, np.sin(left)], [0, 1, 0], [-np.sin(left), 0, np.cos(left)]])
            about_x = np.array([[1, 0, 0], [0, np.cos(up), np.sin(up)], [0, -np.sin(up), np.cos(up)]])
            vertices[ball] = (points - centre) @ (about_y @ about_x).T + centre

    def _aim(self, vertices: np.ndarray, view: View) -> None:
        # The camera turns instead of the head: yaw about y, pitch about x, roll about the line of sight.
        points = vertices[self.head.landmarks68]
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        yaw, pitch = np.radians(view.yaw), np.radians(view.pitch)
        ahead = np.array([-np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        height = 1.35 * np.ptp(points[:, 1])  # brow to chin, and the forehead
        camera = self._plotter.camera
        camera.up = (0, 1, 0)
        camera.position = centre + ahead * view.distance
        camera.focal_point = centre
        camera.view_angle = np.degrees(2 * np.arctan(height / view.fill / 2 / view.distance))
        camera.roll = camera.roll + view.roll
        camera.SetWindowCenter(-2 * view.offset[0], -2 * view.offset[1])
        self._plotter.renderer.ResetCameraClippingRange()

    def _normals(self, vertices: np.ndarray) -> np.ndarray:
        a, b, c = (vertices[self._triangles[:, i]] for i in range(3))
        out = self._around @ np.cross(b - a, c - a)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def _degrade(rgb: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    image = Image.fromarray(rgb)
    if view.shrink < 1:
        side = round(view.shrink * image.width)
        image = image.resize((side, side), Image.Resampling.BOX)
    if view.blur > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(view.blur))
    clean = np.asarray(image, np.float32)
    noisy = clean + view.noise * rng.standard_normal(clean.shape, dtype=np.float32)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=view.jpeg)
    return np.asarray(Image.open(buffer).convert("RGB"))
