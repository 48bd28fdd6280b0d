"""Rendered and detected frames with known ψ: what the face room is trained and measured on.

Frames are made subject by subject in several processes and kept in the cache folder in shards, so that an interrupted
run goes on where it stopped. Every random draw depends on the seed, the subject and the frame alone.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import RunError
from dfe_lib.face.appearance import sample_appearance, sample_view
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.morphable import load_head
from dfe_lib.face.render import Renderer
from dfe_lib.face.texture import crop
from dfe_lib.paths import data_dir
from dfe_lib.progress import bar as progress_bar
from dfe_lib.space import ICT53
from dfe_lib.staging import staged_file

_VERSION = 3  # of what a configuration looks like when rendered; raise it when appearance or renderer change
_SHARD = 20  # subjects


@dataclass(frozen=True)
class RenderConfig:
    """How many frames of how many simulated subjects."""

    subjects: int = 2400  # more subjects help more than more frames of each, and twice as many still help
    neutral_frames: int = 3  # averaged: one neutral detection alone is noisy
    expressive_frames: int = 13
    size: int = 288  # px; faces fill 45–85 % of it, and four in ten pictures are made smaller
    displays: str = (
        "broad"  # "broad", "displays" (sample_displays), "shared" (those, the same for all subjects)
    )
    seed: int = 0


@dataclass(frozen=True)
class Renders:
    """Rendered and detected frames.

    Attributes
    ----------
    landmarks : (n, 478, 3) float32 px. psi : (n, 53) float32, the truth. blendshapes : (n, 52) MediaPipe's own.
    subject : (n,) int32. neutral : (n,) bool. display : (n,) int32, number of the display within its subject.
    view : (n, 3) float32 true yaw, pitch, roll in degrees. face_px : (n,) float32 height of the face in the picture.
    skin : (n,) float32 mean RGB of the skin, 0–1. identity : (n, 50) float32. gaze_gain : (n,) float32.
    crop : (n, 96, 96) uint8, of :func:`dfe_lib.face.texture.crop`.
    """

    landmarks: np.ndarray
    psi: np.ndarray
    blendshapes: np.ndarray
    subject: np.ndarray
    neutral: np.ndarray
    display: np.ndarray
    view: np.ndarray
    face_px: np.ndarray
    skin: np.ndarray
    identity: np.ndarray
    gaze_gain: np.ndarray
    crop: np.ndarray

    def rows(self, where: np.ndarray) -> Renders:
        """The frames that ``where`` (bool or index) picks."""
        return Renders(**{name: getattr(self, name)[where] for name in self.__dataclass_fields__})


def render_frames(config: RenderConfig, progress: bool = True, workers: int | None = None) -> Renders:
    """Render and detect, or read what is in the cache.

    Parameters
    ----------
    workers : processes; by default one per core, at most eight. The result does not depend on it.

    Raises
    ------
    AssetError : ict-facekit or the FaceLandmarker model is not at hand.
    RunError : a face was found in fewer than half of the frames.
    """
    load_head()  # parsed once, before several processes want it
    name = hashlib.sha256(json.dumps([_VERSION, asdict(config)], sort_keys=True).encode()).hexdigest()[:12]
    folder = data_dir() / "derived" / f"renders-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    shards = [(config, folder / f"{s:05d}.safetensors", s) for s in range(0, config.subjects, _SHARD)]
    missing = [shard for shard in shards if not shard[1].is_file()]
    workers = min(workers or os.cpu_count() or 1, 8, max(len(missing), 1))
    bar = progress_bar(
        total=len(missing), desc=f"rendering, {_SHARD} subjects each", show=progress and bool(missing)
    )
    if workers > 1:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for _ in pool.imap_unordered(_make, missing):
                bar.update()
    else:
        for shard in missing:
            _make(shard)
            bar.update()
        if missing:
            for tool in _tools(config.size):
                tool.close()
            _tools.cache_clear()
    bar.close()
    parts = [load_file(path) for _, path, _ in shards]
    # One field after the other, and its parts let go: the crops alone are 0.4 GB.
    renders = Renders(**{k: np.concatenate([p.pop(k) for p in parts]) for k in Renders.__dataclass_fields__})
    wanted = config.subjects * (config.neutral_frames + config.expressive_frames)
    if len(renders.psi) < wanted / 2:
        raise RunError(f"a face was found in only {len(renders.psi)} of {wanted} rendered frames")
    return renders


@lru_cache(maxsize=1)
def _tools(size: int) -> tuple[Renderer, Landmarker]:
    return Renderer(load_head(), size), Landmarker(blendshapes=True, max_faces=1)


def _make(shard: tuple[RenderConfig, Path, int]) -> None:
    config, path, first = shard
    rows: dict[str, list] = {field: [] for field in Renders.__dataclass_fields__}
    renderer, landmarker = _tools(config.size)
    for subject in range(first, min(first + _SHARD, config.subjects)):
        rng = np.random.default_rng((config.seed, subject))
        look = sample_appearance(rng)
        psi = np.zeros((config.neutral_frames + config.expressive_frames, ICT53.dimension), np.float32)
        psi[config.neutral_frames :] = _displays(config, rng)
        for i, expression in enumerate(psi):
            view = sample_view(rng)
            rgb = renderer.render(expression, look, view, rng)
            found = landmarker.detect(rgb)
            if found.landmarks is None:
                continue
            neutral = i < config.neutral_frames
            values = (found.landmarks, expression, found.blendshapes, subject, neutral)
            values += (-1 if neutral else i - config.neutral_frames, (view.yaw, view.pitch, view.roll))
            values += (view.fill * view.shrink * config.size / 1.35, look.skin.mean(), look.identity)
            values += (look.gaze_gain, crop(rgb, found.landmarks))
            for field, value in zip(rows, values, strict=True):
                rows[field].append(value)
    dtypes = {"subject": np.int32, "display": np.int32, "neutral": bool, "crop": np.uint8}
    arrays = {k: np.array(v, dtype=dtypes.get(k, np.float32)) for k, v in rows.items()}
    with staged_file(path) as place:
        save_file(arrays, place)


def _displays(config: RenderConfig, rng: np.random.Generator) -> np.ndarray:
    if config.displays == "shared":
        return sample_displays(config.expressive_frames, np.random.default_rng(config.seed))
    if config.displays == "displays":
        return sample_displays(config.expressive_frames, rng)
    return broad_displays(config.expressive_frames, rng)


def broad_displays(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 53) float32: half of them displays as people make them, the others anything a face can do.

    A regressor that has seen plausible displays alone guesses the unseen coefficients from the seen ones, and is wrong
    wherever people move otherwise than we thought. A quarter are one to four coefficients, often on one side only; a
    quarter are many weak ones at once.
    """
    psi = sample_displays(n, rng)
    kind = rng.random(n)
    d = ICT53.dimension
    for i in np.flatnonzero(kind > 0.5):
        if kind[i] > 0.75:
            values = (rng.random(d) < rng.uniform(0.1, 0.4)) * rng.beta(1.0, 1.8, d)
        else:
            values = np.zeros(d)
            chosen = rng.choice(d, rng.integers(1, 5), replace=False)
            values[chosen] = rng.uniform(0.2, 1.1, len(chosen))
        if rng.random() < 0.5:  # both sides alike
            values = np.maximum(values, ICT53.mirror(values[None].astype(np.float32))[0])
        psi[i] = _possible(values)
    return psi.astype(np.float32)


def _possible(values: np.ndarray) -> np.ndarray:
    """Neither eye looks up and down, in and out, at once; the eyes look together, and lips close on an open jaw."""
    at = ICT53.names.index
    values = values.copy()
    for pair in (("Up", "Down"), ("In", "Out")):
        for side in "LR":
            a, b = (at(f"eyeLook{way}_{side}") for way in pair)
            weaker = a if values[a] < values[b] else b
            values[weaker] = 0
    for way in ("Up", "Down"):
        values[at(f"eyeLook{way}_R")] = values[at(f"eyeLook{way}_L")]
    values[at("eyeLookIn_R")] = values[at("eyeLookOut_L")]
    values[at("eyeLookOut_R")] = values[at("eyeLookIn_L")]
    values[at("mouthClose")] = min(values[at("mouthClose")], values[at("jawOpen")])
    return values


def subject_neutrals(points: np.ndarray, subject: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """(n, m): for every frame the mean of its subject's neutral frames; the mean neutral where there is none."""
    out = np.tile(points[neutral].mean(axis=0), (len(points), 1))
    for s in np.unique(subject[neutral]):
        out[subject == s] = points[neutral & (subject == s)].mean(axis=0)
    return out
