"""Result folders of EMOCA and DECA: one folder per face image with ``exp.npy`` and ``pose.npy``, as EMOCA's
demonstrations write them with ``--save_codes`` (``<out>/<model>/<image>/{shape,exp,tex,pose,detail}.npy``)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.arrays import natural, read_npy
from dfe_lib.data.adapters.flame import N_EXPRESSIONS, flame_space
from dfe_lib.data.adapters.tables import clock
from dfe_lib.errors import InputError
from dfe_lib.space import ExpressionSpace

_FACE = re.compile(
    r"(\d+)_(\d+)"
)  # EMOCA's name of a face in a video: frame, from 1 on; then which face in it
_SPREAD = 100  # a frame number above so many times the number of images counts no frames of one video


def read_emoca(
    folder: str | Path,
    space: ExpressionSpace | None = None,
    fps: float | None = None,
    recording: str | None = None,
    tool: str = "EMOCA",
) -> pd.DataFrame:
    """Frame table with ψ of one result folder.

    Images come in natural order (``frame2`` before ``frame10``). Where every image is called as EMOCA calls a video's
    faces (``000012_000``: frame, face), the first face of each frame is kept, ``n_faces`` counts them, and with
    ``fps`` the frame numbers give the times, and frames without a face get an undetected row. Face 0 is the
    detector's first, not the same person throughout. Nothing is centred: FLAME separates identity (``shape.npy``) from
    expression.

    Parameters
    ----------
    folder : ``<out>/<model>``, or a folder above it that holds the results of one model, or one image's folder.
    space : ``flame53`` (by default; 50 expression modes and the jaw's axis-angle, the last three numbers of
        ``pose.npy``) or ``flame50``; with or without millimetres.
    fps : frames per second of the video; without it ``time_s`` counts frames.
    recording : name in the table; by default the folder's.

    Raises
    ------
    InputError : no ``exp.npy`` below the folder, results of several models, an array of another shape or not finite.
    """
    folder, space = Path(folder), space or flame_space()
    if space.dimension not in (50, 53):
        raise InputError(f"{tool} writes no ψ of space '{space.name}'; allowed: flame50, flame53")
    images = _images(folder, tool)
    numbers, n_faces = np.arange(len(images)), None
    faces = [_FACE.fullmatch(image.name) for image in images]
    if all(faces):
        first: dict[int, Path] = {}
        counts: dict[int, int] = {}
        for match, image in zip(faces, images, strict=True):
            number = int(match[1])
            first.setdefault(number, image)
            counts[number] = counts.get(number, 0) + 1
        images, n_faces = list(first.values()), np.array(list(counts.values()))
        numbers = np.array(list(first)) - (0 in first or 1)
        if fps is None:
            numbers = np.arange(len(images))
        elif numbers[-1] > _SPREAD * len(images):
            raise InputError(
                f"{folder}: the last of {len(images)} images is called frame {numbers[-1] + 1}; these are no frames of "
                "one video: leave --fps out"
            )
    known = np.stack([_coefficients(image, space.dimension) for image in images])
    psi = np.full((numbers[-1] + 1, space.dimension), np.nan, np.float32)
    psi[numbers] = known
    counted = np.zeros(len(psi), np.int8)
    counted[numbers] = 1 if n_faces is None else np.minimum(n_faces, 127)
    time_s, timing = clock(np.arange(len(psi)), fps)
    table = frames.frame_table(
        recording or folder.stem,
        time_s,
        counted > 0,
        counted,
        attrs={"tool": tool, "neutral": "none: FLAME's identity is apart", **timing, **space.attrs()},
    )
    return frames.with_psi(table, psi, space.names)


def _images(folder: Path, tool: str) -> list[Path]:
    if not folder.is_dir():
        kind = "a file, not a folder" if folder.is_file() else "not there"
        raise InputError(f"{folder} is {kind}; expected a result folder of {tool}")
    if (folder / "exp.npy").is_file():
        return [folder]
    images = [file.parent for file in folder.rglob("exp.npy")]
    if not images:
        raise InputError(f"{folder} holds no exp.npy; run {tool} with --save_codes True")
    models = sorted({image.parent for image in images})
    if len(models) > 1:
        raise InputError(
            f"{folder} holds the results of {len(models)} models or videos; give one of them, e.g. {models[0]}"
        )
    return sorted(images, key=lambda image: natural(image.name))


def _coefficients(image: Path, dimension: int) -> np.ndarray:
    parts = [_vector(image / "exp.npy", N_EXPRESSIONS)]
    if dimension > N_EXPRESSIONS:
        parts.append(_vector(image / "pose.npy", 6)[3:])
    return np.concatenate(parts)


def _vector(path: Path, n: int) -> np.ndarray:
    values = read_npy(path)
    if values.size != n or not np.isfinite(values).all():
        raise InputError(f"{path} has shape {values.shape}, but {n} finite numbers are needed")
    return values.ravel()
