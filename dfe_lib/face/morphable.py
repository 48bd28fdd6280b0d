"""Morphable models: vertices from expression coefficients ψ and identity, for drawing and for rendering.

Two meshes share one ψ. ``ict`` is ICT-FaceKit (Li et al., CVPR 2020; MIT), read from its OBJ files once and cached
compactly. ``face478`` is its counterpart on MediaPipe's 478 landmarks, estimated by regression from our own renders
and shipped with the library (:mod:`dfe_lib.face.training`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from safetensors.numpy import load_file, save_file

from dfe_lib import artefacts
from dfe_lib.data import manifest
from dfe_lib.errors import InputError, choices
from dfe_lib.paths import data_dir
from dfe_lib.space import ICT53

ICT = "ict-facekit"
FACE_VERTICES = 9409  # ICT vertices 0–9408 are its part "Face"; the metric G is taken over them
N_IDENTITIES = 50
_CM = 10.0  # ICT-FaceKit is in centimetres


@dataclass(frozen=True, eq=False)
class Morphable:
    """A linear face model: neutral + expressions · ψ + identities · β.

    Attributes
    ----------
    neutral : (V, 3) float32, mm; x to the subject's left, y up, z out of the face.
    expressions : (53, V, 3) float32, mm per unit of each coefficient of ICT53.
    identities : (I, V, 3) float32, mm per standard deviation of each identity mode.
    triangles : (F, 3) int32, counter-clockwise seen from outside.
    parts : part name → (first, last) range of triangles, e.g. ``"Face"``.
    landmarks68 : (68,) int32 vertices of the usual 68 points, or empty.
    """

    name: str
    neutral: np.ndarray
    expressions: np.ndarray
    identities: np.ndarray
    triangles: np.ndarray
    parts: dict[str, tuple[int, int]]
    landmarks68: np.ndarray

    def vertices(self, psi: np.ndarray, identity: np.ndarray | None = None) -> np.ndarray:
        """Vertices of faces with the given expressions.

        Parameters
        ----------
        psi : (n, 53) or (53,).
        identity : (n, ≤I) or (≤I,), in standard deviations; None is the generic face.

        Returns
        -------
        (n, V, 3) or (V, 3) float32, mm.

        Raises
        ------
        InputError : wrong shape, or values that are not finite.
        """
        one = np.ndim(psi) == 1
        psi = ICT53.check(psi)
        out = self.neutral + np.tensordot(psi, self.expressions, axes=1)
        if identity is not None:
            identity = np.asarray(identity, dtype=np.float32)
            if identity.shape[-1] > len(self.identities):
                raise InputError(
                    f"model '{self.name}' has {len(self.identities)} identity modes, got {identity.shape[-1]}"
                )
            out = out + np.tensordot(identity, self.identities[: identity.shape[-1]], axes=1)
        return out[0] if one and out.ndim == 3 else out

    def face(self) -> Morphable:
        """The facial surface only, without skull, eyes and teeth (the first 9,409 vertices of ICT)."""
        first, last = self.parts["Face"]
        n = FACE_VERTICES
        return Morphable(
            self.name,
            self.neutral[:n],
            self.expressions[:, :n],
            self.identities[:, :n],
            self.triangles[first:last],
            {"Face": (0, last - first)},
            self.landmarks68,
        )


@lru_cache(maxsize=4)
def load_morphable(name: str = "auto") -> Morphable:
    """The morphable model to draw with.

    Parameters
    ----------
    name : ``"ict"`` (dense, 9,409 vertices), ``"face478"`` (shipped) or ``"auto"`` (dense where it is at hand).

    Raises
    ------
    AssetError : ``"ict"`` is asked for and not at hand.
    InputError : unknown name.
    """
    if name == "auto":
        name = "ict" if manifest.available(ICT) else "face478"
    if name == "ict":
        return load_head().face()
    if name == "face478":
        return _load_face478()
    raise InputError(f"no such morphable model: {choices(name, ['auto', 'ict', 'face478'])}")


def _load_face478() -> Morphable:
    artefact = artefacts.load("face478", kind="morphable-model")
    artefacts.expect(artefact, "assets/face478", neutral=(478, 3), expressions=(53, 478, 3))
    t = artefact.tensors
    return Morphable(
        "face478",
        t["neutral"].astype(np.float32),
        t["expressions"].astype(np.float32),
        t["identities"].astype(np.float32),
        t["triangles"].astype(np.int32),
        {"Face": (0, len(t["triangles"]))},
        np.empty(0, np.int32),
    )


@lru_cache(maxsize=1)
def load_head() -> Morphable:
    """The whole ICT head (26,719 vertices, with eyes, teeth and skull) and its first 50 identity modes.

    The OBJ files are verified and parsed once (some seconds); a compact copy is kept in the cache folder.

    Raises
    ------
    AssetError : the ict-facekit files are not at hand.
    """
    entry = manifest.load_manifest().entries[ICT]
    version = hashlib.sha256(json.dumps(sorted(f.sha256 for f in entry.files)).encode()).hexdigest()[:12]
    cached = data_dir() / "derived" / f"ict-head-{version}.safetensors"
    if cached.is_file():
        t = load_file(cached)
    else:
        t = _parse_ict()
        cached.parent.mkdir(parents=True, exist_ok=True)
        staged = cached.with_suffix(".part")
        save_file(t, staged)
        staged.replace(cached)
    parts = {n: tuple(int(i) for i in r) for n, r in zip(_PARTS, t["parts"], strict=True)}
    return Morphable(
        "ict", t["neutral"], t["expressions"], t["identities"], t["triangles"], parts, t["landmarks68"]
    )


_PARTS = (
    *("Face", "BackHead", "GumsTongue", "Teeth", "ScleraLeft", "IrisLeft", "ScleraRight", "IrisRight"),
    *("LacrimalFluid", "EyeBlend", "EyeOcclusion", "EyeLashes"),
)


def _parse_ict() -> dict[str, np.ndarray]:
    index = json.loads(manifest.read_bytes(ICT, "vertex_indices.json"))
    name = "generic_neutral_mesh.obj"
    neutral, triangles, parts = read_obj(manifest.read_bytes(ICT, name), name)

    def displacement(name: str) -> np.ndarray:
        vertices = _obj_vertices(manifest.read_bytes(ICT, f"{name}.obj"))
        if vertices.shape != neutral.shape:
            raise InputError(
                f"ict-facekit: {name}.obj has {len(vertices)} vertices, the neutral {len(neutral)}"
            )
        return (vertices - neutral).astype(np.float32) * _CM

    if tuple(index["expressions"]) != ICT53.names:
        raise InputError("ict-facekit: vertex_indices.json lists other expressions than the space ict53")
    return {
        "neutral": (neutral * _CM).astype(np.float32),
        "expressions": np.stack([displacement(n) for n in ICT53.names]),
        "identities": np.stack([displacement(f"identity{i:03d}") for i in range(N_IDENTITIES)]),
        "triangles": triangles,
        "parts": np.array([parts[n] for n in _PARTS], np.int32),
        "landmarks68": np.array(index["idx_to_landmark_verts"], np.int32),
    }


def read_obj(obj: bytes, name: str) -> tuple[np.ndarray, np.ndarray, dict[str, tuple[int, int]]]:
    """Vertices, triangles (quads are split) and, per material, their range, of a Wavefront OBJ.

    Parameters
    ----------
    obj : the file's content; materials are contiguous in it.
    name : of the file, for the message.

    Returns
    -------
    vertices (V, 3) float64; triangles (F, 3) int32; material → first and last triangle (excluded).

    Raises
    ------
    InputError : no numbers where they should be, not finite, or faces of vertices that do not exist.
    """
    try:
        vertices, (triangles, parts) = _obj_vertices(obj), _obj_triangles(obj)
    except (ValueError, OverflowError, KeyError) as error:
        raise InputError(f"{name} is not a readable OBJ file ({str(error)[:120]})") from error
    if not np.isfinite(vertices).all():
        raise InputError(f"{name} has vertices that are not finite numbers")
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(vertices):
        raise InputError(f"{name} has faces of vertices that do not exist ({len(vertices)} do)")
    return vertices, triangles, parts


def _obj_vertices(obj: bytes) -> np.ndarray:
    lines = [line[2:] for line in obj.split(b"\n") if line.startswith(b"v ")]
    return np.array(b" ".join(lines).split(), dtype=np.float64).reshape(-1, 3)


def _obj_triangles(obj: bytes) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """Triangles (quads are split) and, per material, their range; materials are contiguous in the file."""
    triangles: list[tuple[int, int, int]] = []
    parts: dict[str, tuple[int, int]] = {}
    current = None
    for line in obj.split(b"\n"):
        if line.startswith(b"usemtl "):
            current = line[7:].strip().decode().removeprefix("M_")
            parts[current] = (len(triangles), len(triangles))
        elif line.startswith(b"f "):
            corner = [int(word.split(b"/")[0]) - 1 for word in line[2:].split()]
            triangles += [(corner[0], corner[i], corner[i + 1]) for i in range(1, len(corner) - 1)]
            parts[current] = (parts[current][0], len(triangles))
    return np.array(triangles, np.int32).reshape(-1, 3), parts


def mirror_landmarks(neutral: np.ndarray) -> np.ndarray:
    """(478,) int: the counterpart of each landmark on the other side, from a nearly symmetric neutral face.

    Raises
    ------
    InputError : when nearest counterparts do not pair up one to one.
    """
    from scipy.optimize import linear_sum_assignment

    centred = neutral - neutral.mean(axis=0)
    cost = np.linalg.norm(centred[:, None] - centred[None] * np.array([-1, 1, 1]), axis=2)
    order = linear_sum_assignment(cost + cost.T)[1]
    if not np.array_equal(order[order], np.arange(len(order))):
        raise InputError("the landmarks of this face do not pair up left and right")
    return order
