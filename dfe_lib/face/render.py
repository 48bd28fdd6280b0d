"""Rendering of training frames: ICT heads with known ψ, painted and lit at random, off-screen.

Appearance is our choice and drawn anew for every subject (skin, brows, lips, irises, hair) and frame (pose, lens,
lights, background, blur, noise, JPEG). Rendered faces are simulated data and are called so wherever they are used.
"""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.path import Path as Polygon
from PIL import Image, ImageFilter

from dfe_lib.face.morphable import FACE_VERTICES, Morphable

# Parts that are transparent in life; drawn opaque they would hide the eyes.
_HIDDEN = ("LacrimalFluid", "EyeBlend", "EyeOcclusion")


@dataclass(frozen=True)
class Appearance:
    """What one simulated subject looks like. Colours are RGB in 0–1."""

    identity: np.ndarray  # (I,) float32, standard deviations
    skin: np.ndarray
    lips: np.ndarray
    brows: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    brow_thickness: float  # mm
    brow_strength: float  # 0: unpainted, 1: opaque


@dataclass(frozen=True)
class View:
    """How one frame is taken. Angles in degrees, distance in mm."""

    yaw: float
    pitch: float
    roll: float
    distance: float
    fill: float  # height of the face relative to the picture
    offset: tuple[float, float]  # of the face's centre, relative to the picture
    lights: tuple[tuple[float, float, float, float], ...]  # direction x, y, z and intensity
    background: np.ndarray  # (2, 3) RGB of top and bottom
    blur: float  # px
    noise: float  # grey levels, 0–255
    jpeg: int  # quality


def sample_appearance(rng: np.random.Generator, modes: int = 50) -> Appearance:
    """Draw a subject: identity modes ~ N(0, 1) cut at ±2.5, skin from very dark to very light."""
    tone = rng.beta(1.1, 1.1)  # 0 dark, 1 light
    dark, light = np.array([0.20, 0.12, 0.08]), np.array([0.95, 0.80, 0.72])
    skin = np.clip(dark + tone * (light - dark) + rng.normal(0, 0.02, 3), 0, 1)
    hair = np.array([[0.06, 0.05, 0.04], [0.28, 0.18, 0.10], [0.55, 0.42, 0.25], [0.55, 0.54, 0.53]])
    colour = hair[rng.choice(4, p=[0.45, 0.3, 0.15, 0.1])] * rng.uniform(0.8, 1.2)
    irises = np.array([[0.20, 0.12, 0.06], [0.35, 0.24, 0.10], [0.25, 0.35, 0.20], [0.25, 0.38, 0.52]])
    return Appearance(
        identity=np.clip(rng.normal(0, 1, modes), -2.5, 2.5).astype(np.float32),
        skin=skin,
        lips=np.clip(skin * rng.uniform(0.75, 0.95) * [1.05, 0.72, 0.72], 0, 1),
        brows=np.clip(colour * rng.uniform(0.6, 1.1), 0, 1),
        hair=np.clip(colour, 0, 1),
        iris=irises[rng.integers(4)] * rng.uniform(0.8, 1.2),
        brow_thickness=rng.uniform(2.0, 4.5),
        brow_strength=rng.uniform(0.55, 1.0),
    )


def sample_view(rng: np.random.Generator) -> View:
    """Draw a camera, lights and recording quality: mostly frontal, up to ±35° yaw and ±20° pitch."""
    lights = []
    for i in range(rng.integers(1, 4)):
        direction = np.array([rng.normal(0, 0.7), rng.normal(0.3, 0.5), 1.0])
        intensity = rng.uniform(0.6, 1.0) if i == 0 else rng.uniform(0.1, 0.5)
        lights.append((*(direction / np.linalg.norm(direction)), intensity))
    return View(
        yaw=float(np.clip(rng.normal(0, 13), -35, 35)),
        pitch=float(np.clip(rng.normal(0, 8), -20, 20)),
        roll=float(np.clip(rng.normal(0, 6), -20, 20)),
        distance=float(rng.uniform(350, 1500)),
        fill=float(rng.uniform(0.45, 0.75)),
        offset=(float(rng.normal(0, 0.04)), float(rng.normal(0, 0.04))),
        lights=tuple(lights),
        background=np.clip(rng.uniform(0.1, 0.9, size=(2, 1)) + rng.normal(0, 0.12, size=(2, 3)), 0, 1),
        blur=float(max(0, rng.normal(0.2, 0.5))),
        noise=float(abs(rng.normal(0, 4))),
        jpeg=int(rng.integers(55, 96)),
    )


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

    def __init__(self, head: Morphable, size: int = 256):
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
        self._plotter = pyvista.Plotter(off_screen=True, window_size=(size, size), lighting="none")
        self._plotter.render_window.SetMultiSamples(0)  # the blur and JPEG that follow hide the jaggies
        self._plotter.add_mesh(
            self._mesh,
            scalars="colour",
            rgb=True,
            smooth_shading=False,
            ambient=0.25,
            diffuse=0.9,
            specular=0.06,
        )
        self._lights = [pyvista.Light(light_type="camera light") for _ in range(3)]
        for light in self._lights:
            self._plotter.add_light(light)
        self._region = _paint_regions(head)
        self._painted: tuple[Appearance, np.ndarray] | None = None
        self._plotter.show(auto_close=False, interactive=False)

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_) -> None:
        self._plotter.close()

    def render(self, psi: np.ndarray, look: Appearance, view: View, rng: np.random.Generator) -> np.ndarray:
        """One frame.

        Parameters
        ----------
        psi : (53,) expression coefficients of the face.
        rng : for the image noise alone.

        Returns
        -------
        (size, size, 3) uint8 RGB.
        """
        vertices = self.head.vertices(psi, look.identity)
        self._mesh.points = vertices
        self._mesh.point_data["Normals"] = _normals(vertices, self._triangles)
        self._mesh.point_data.active_normals_name = "Normals"
        if self._painted is None or self._painted[0] is not look:
            self._painted = (look, _paint(self._region, look))
            self._mesh["colour"] = self._painted[1]
        self._aim(vertices, view)
        for light, setting in zip(self._lights, (*view.lights, *[(0, 0, 1, 0.0)] * 3), strict=False):
            light.position, light.intensity = setting[:3], setting[3]
        top, bottom = view.background
        self._plotter.set_background(tuple(bottom), top=tuple(top))
        self._plotter.render()
        rgb = self._plotter.screenshot(return_img=True)
        return _degrade(np.asarray(rgb)[..., :3], view, rng)

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


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for axis in range(3):
        out[:, axis] = sum(np.bincount(triangles[:, i], flat[:, axis], len(vertices)) for i in range(3))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class _Regions:
    brow_distance: np.ndarray  # (V,) mm to the nearest brow line; large elsewhere
    lips: np.ndarray  # (V,) bool
    iris_radius: np.ndarray  # (V,) mm from the iris' centre; large elsewhere
    part: dict[str, np.ndarray]  # vertex indices
    crown: np.ndarray  # (V,) bool, hair


def _paint_regions(head: Morphable) -> _Regions:
    """Where brows, lips, irises and hair are, found once on the neutral face from its 68 points."""
    v, n = head.neutral, len(head.neutral)
    face = np.arange(n) < FACE_VERTICES
    points = v[head.landmarks68]
    brow = np.full(n, 1e3, np.float32)
    for line in (points[17:22], points[22:27]):
        dense = np.concatenate([np.linspace(line[i], line[i + 1], 12) for i in range(4)])
        distance = np.linalg.norm(v[face][:, None] - dense[None], axis=2).min(axis=1)
        brow[face] = np.minimum(brow[face], distance)
    outer, inner = Polygon(points[48:60, :2]), Polygon(points[60:68, :2])
    lips = face & outer.contains_points(v[:, :2]) & ~inner.contains_points(v[:, :2], radius=-0.3)
    lips &= v[:, 2] > points[48:60, 2].min() - 5
    part = {name: np.unique(head.triangles[slice(*span)]) for name, span in head.parts.items()}
    iris = np.full(n, 1e3, np.float32)
    for side in ("Left", "Right"):
        # The iris mesh lies behind the clear front of the eyeball, so its disc is painted on the eyeball.
        ball, centre = part[f"Sclera{side}"], v[part[f"Iris{side}"]].mean(axis=0)
        front = ball[v[ball, 2] > v[ball, 2].mean()]
        iris[front] = np.linalg.norm((v[front] - centre)[:, :2], axis=1)
    top = points[17:27, 1].max()
    crown = np.zeros(n, bool)
    crown[part["BackHead"]] = v[part["BackHead"], 1] > top - 60
    crown[face] = v[face, 1] > top + 48
    return _Regions(brow, lips, iris, part, crown)


def _paint(region: _Regions, look: Appearance) -> np.ndarray:
    colour = np.tile(look.skin, (len(region.lips), 1))
    colour[region.crown] = look.hair
    colour[region.lips] = look.lips
    opacity = look.brow_strength / (
        1 + np.exp(np.minimum(region.brow_distance - look.brow_thickness, 20) / 0.5)
    )
    colour += opacity[:, None] * (look.brows - colour)
    colour[region.part["GumsTongue"]] = (0.45, 0.16, 0.16)
    colour[region.part["Teeth"]] = (0.86, 0.84, 0.78)
    for side in ("Left", "Right"):
        colour[region.part[f"Sclera{side}"]] = (0.92, 0.90, 0.88)
    colour[region.iris_radius < 6.0] = look.iris
    colour[region.iris_radius < 2.4] = (0.02, 0.02, 0.02)
    colour[region.part["EyeLashes"]] = np.minimum(look.brows, 0.15)
    return (np.clip(colour, 0, 1) * 255).astype(np.uint8)


def _degrade(rgb: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    image = Image.fromarray(rgb)
    if view.blur > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(view.blur))
    noisy = np.asarray(image, np.float32) + rng.normal(0, view.noise, rgb.shape).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=view.jpeg)
    return np.asarray(Image.open(buffer).convert("RGB"))
