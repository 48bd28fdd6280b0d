"""What a rendered subject looks like and how a frame is taken: drawn at random, our choice throughout.

Everything that a camera sees beside ψ is varied widely (skin, brows, lips, irises, lashes, hair, beard, blemishes;
pose, lens, lights, background, sharpness, noise, compression), so that a regressor cannot learn to rely on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path as Polygon

from dfe_lib.face.morphable import FACE_VERTICES, Morphable
from dfe_lib.space import ICT53

# Degrees that a full eyeLook coefficient turns the eyeball: outwards or inwards, up, down. ICT-FaceKit's expression
# shapes move the lids alone. Our choice, near the limits of comfortable gaze.
GAZE_DEGREES = {"In": 32.0, "Out": 32.0, "Up": 24.0, "Down": 28.0}


@dataclass(frozen=True)
class Appearance:
    """What one simulated subject looks like. Colours are RGB in 0–1, lengths in mm."""

    identity: np.ndarray  # (I,) float32, standard deviations
    skin: np.ndarray
    lips: np.ndarray
    brows: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    sclera: float  # brightness of the white of the eye
    brow_thickness: float
    brow_drop: float  # below the line of the 68 points, which is the brow's upper edge
    brow_strength: float  # 0: unpainted, 1: opaque
    lash_strength: float  # 0: no lashes, 1: as dark as painted
    hairline: float  # above the brows
    beard: float  # 0: none, 1: opaque
    blemishes: np.ndarray  # (12, 5) centre x, y, z, radius and darkening of soft spots
    gaze_gain: float  # how far the eyeballs turn; 0 for glass eyes, which turn not at all
    gloss: float  # specular share


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
    tint: tuple[float, float, float]  # colour of the main light
    background: np.ndarray  # (2, 3) RGB of top and bottom
    shrink: float  # the picture is delivered at this share of its rendered size
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
    spots = np.column_stack(
        [
            rng.uniform(-70, 70, 12),
            rng.uniform(-90, 80, 12),
            rng.uniform(0, 90, 12),
            rng.uniform(2, 18, 12),
            rng.normal(0, 0.10, 12),
        ]
    )
    return Appearance(
        identity=np.clip(rng.normal(0, 1, modes), -2.5, 2.5).astype(np.float32),
        skin=skin,
        lips=np.clip(
            skin * rng.uniform(0.7, 1.0) * [1.05, rng.uniform(0.6, 0.95), rng.uniform(0.6, 0.95)], 0, 1
        ),
        brows=np.clip(colour * rng.uniform(0.6, 1.1), 0, 1),
        hair=np.clip(colour, 0, 1),
        iris=irises[rng.integers(4)] * rng.uniform(0.8, 1.2),
        sclera=rng.uniform(0.75, 0.97),
        brow_thickness=rng.uniform(1.8, 5.0),
        brow_drop=rng.uniform(-1.0, 5.0),
        brow_strength=rng.uniform(0.35, 1.0),
        lash_strength=rng.uniform(0.0, 1.0),
        hairline=rng.uniform(34, 62),
        beard=rng.uniform(0.2, 0.9) if rng.random() < 0.2 else 0.0,
        blemishes=spots,
        gaze_gain=0.0 if rng.random() < 0.1 else rng.uniform(0.75, 1.25),
        gloss=rng.uniform(0.0, 0.2),
    )


def sample_view(rng: np.random.Generator) -> View:
    """Draw a camera, lights and recording quality: mostly frontal, up to ±35° yaw and ±20° pitch."""
    lights = []
    for i in range(rng.integers(1, 4)):
        direction = np.array([rng.normal(0, 0.7), rng.normal(0.3, 0.5), 1.0])
        intensity = rng.uniform(0.6, 1.0) if i == 0 else rng.uniform(0.1, 0.5)
        lights.append((*(direction / np.linalg.norm(direction)), intensity))
    wide = rng.random() < 0.3  # turned heads, so that far poses are not rare
    yaw = rng.uniform(-35, 35) if wide else np.clip(rng.normal(0, 12), -35, 35)
    pitch = rng.uniform(-20, 20) if wide else np.clip(rng.normal(0, 8), -20, 20)
    return View(
        yaw=float(yaw),
        pitch=float(pitch),
        roll=float(np.clip(rng.normal(0, 6), -20, 20)),
        distance=float(np.exp(rng.uniform(np.log(350), np.log(2000)))),
        fill=float(rng.uniform(0.45, 0.85)),
        offset=(float(rng.normal(0, 0.04)), float(rng.normal(0, 0.04))),
        lights=tuple(lights),
        tint=tuple(np.clip(rng.normal(1, 0.06, 3), 0.8, 1.0).tolist()),
        background=np.clip(rng.uniform(0.1, 0.9, size=(2, 1)) + rng.normal(0, 0.12, size=(2, 3)), 0, 1),
        shrink=float(rng.uniform(0.4, 1.0)) if rng.random() < 0.4 else 1.0,
        blur=float(max(0, rng.normal(0.2, 0.5))),
        noise=float(abs(rng.normal(0, 4))),
        jpeg=int(rng.integers(50, 96)),
    )


def gaze(psi: np.ndarray, side: str) -> tuple[float, float]:
    """Degrees by which the eye of one side (``"L"`` or ``"R"``) turns to the subject's left, and up."""
    turn = {
        way: GAZE_DEGREES[way] * float(psi[ICT53.names.index(f"eyeLook{way}_{side}")]) for way in GAZE_DEGREES
    }
    left = turn["Out"] - turn["In"] if side == "L" else turn["In"] - turn["Out"]
    return left, turn["Up"] - turn["Down"]


@dataclass(frozen=True)
class Regions:
    """Where things are on a head, found once on its neutral face."""

    vertices: np.ndarray  # (V, 3) mm, neutral
    brow_line: np.ndarray  # (L, 3) mm, densely along both lines of brow points
    brow_reach: np.ndarray  # (B,) vertices near a brow
    lips: np.ndarray  # (V,) bool
    beard: np.ndarray  # (V,) 0–1, how much of a beard would grow there
    iris_radius: np.ndarray  # (V,) mm from the iris' centre; large elsewhere
    part: dict[str, np.ndarray]  # part name → vertices
    face: np.ndarray  # (V,) bool
    brow_top: float  # mm, height of the highest brow point


def find_regions(head: Morphable) -> Regions:
    """Brows, lips, beard and irises of a head, from its 68 points and its parts."""
    v, n = head.neutral, len(head.neutral)
    face = np.arange(n) < FACE_VERTICES
    points = v[head.landmarks68]
    line = np.concatenate(
        [
            np.linspace(brow[i], brow[i + 1], 12)
            for brow in (points[17:22], points[22:27])
            for i in range(len(brow) - 1)
        ]
    )
    near = np.linalg.norm(v[face][:, None] - line[None], axis=2).min(axis=1) < 25
    outer, inner = Polygon(points[48:60, :2]), Polygon(points[60:68, :2])
    lips = face & outer.contains_points(v[:, :2]) & ~inner.contains_points(v[:, :2], radius=-0.3)
    lips &= v[:, 2] > points[48:60, 2].min() - 5
    below = points[33, 1] - 4 + 0.006 * v[:, 0] ** 2 - v[:, 1]  # mm under a line from the nose up to the ears
    above = v[:, 1] - points[8, 1] + 10
    beard = face * ~lips / ((1 + np.exp(-below / 2.5)) * (1 + np.exp(-above / 2.5)))
    part = {name: np.unique(head.triangles[slice(*span)]) for name, span in head.parts.items()}
    iris = np.full(n, 1e3, np.float32)
    for side in ("Left", "Right"):
        # The iris mesh lies behind the clear front of the eyeball, so its disc is painted on the eyeball.
        ball, centre = part[f"Sclera{side}"], v[part[f"Iris{side}"]].mean(axis=0)
        front = ball[v[ball, 2] > v[ball, 2].mean()]
        iris[front] = np.linalg.norm((v[front] - centre)[:, :2], axis=1)
    return Regions(v, line, np.flatnonzero(face)[near], lips, beard, iris, part, face, points[17:27, 1].max())


def paint(region: Regions, look: Appearance) -> np.ndarray:
    """(V, 3) uint8 RGB of every vertex."""
    v = region.vertices
    colour = np.tile(look.skin, (len(v), 1))
    for x, y, z, radius, darkening in look.blemishes:
        spot = np.exp(-((v - [x, y, z]) ** 2).sum(axis=1) / (2 * radius**2))
        colour *= 1 + darkening * spot[:, None]
    colour += look.beard * region.beard[:, None] * (look.hair - colour)
    hair = region.face & (v[:, 1] > region.brow_top + look.hairline)
    hair[region.part["BackHead"]] = v[region.part["BackHead"], 1] > region.brow_top - 60
    colour[hair] = look.hair
    colour[region.lips] = look.lips
    line = region.brow_line - [0, look.brow_drop, 0]
    distance = np.linalg.norm(v[region.brow_reach][:, None] - line[None], axis=2).min(axis=1)
    opacity = look.brow_strength / (1 + np.exp((distance - look.brow_thickness) / 0.6))
    _blend(colour, region.brow_reach, look.brows, opacity[:, None])
    colour[region.part["GumsTongue"]] = (0.45, 0.16, 0.16)
    colour[region.part["Teeth"]] = (0.86, 0.84, 0.78)
    for side in ("Left", "Right"):
        colour[region.part[f"Sclera{side}"]] = look.sclera * np.array([1.0, 0.98, 0.96])
    colour[region.iris_radius < 6.0] = look.iris
    colour[region.iris_radius < 2.4] = (0.02, 0.02, 0.02)
    lashes = region.part["EyeLashes"]
    colour[lashes] = look.skin
    _blend(colour, lashes, np.minimum(look.brows, 0.15), look.lash_strength)
    return (np.clip(colour, 0, 1) * 255).astype(np.uint8)


def _blend(colour: np.ndarray, where: np.ndarray, towards: np.ndarray, opacity: float | np.ndarray) -> None:
    colour[where] += opacity * (towards - colour[where])
