"""SMIRK (Retsinas et al. 2024, CVPR): ``.npz`` files of its encoder's outputs.

SMIRK's own demonstrations draw pictures and write no coefficients, so there is no official format. What users keep is
the dictionary that ``smirk_encoder`` returns; this reads it under the encoder's own names, as
``numpy.savez(file, expression_params=…, jaw_params=…, eyelid_params=…)`` writes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.arrays import natural, read_npz
from dfe_lib.data.adapters.flame import REGIONS, flame_space
from dfe_lib.data.adapters.tables import clock
from dfe_lib.errors import InputError
from dfe_lib.space import ExpressionSpace

_NAMES = {"expression": "expression_params", "jaw": "jaw_params", "eyelids": "eyelid_params"}


def read_smirk(
    path: str | Path,
    space: ExpressionSpace | None = None,
    fps: float | None = None,
    recording: str | None = None,
) -> pd.DataFrame:
    """Frame table with ψ of one recording.

    Parameters
    ----------
    path : an ``.npz`` with ``expression_params`` (n, 50), ``jaw_params`` (n, 3) and ``eyelid_params`` (n, 2); or a
        folder of such files, in natural order, which are put one after another (one per image, say). Frames without
        a face are rows with NaN.
    space : ``flame55`` (by default), ``flame53`` (no eyelids, comparable with EMOCA's) or ``flame50``.
    fps : frames per second of the video; without it ``time_s`` counts frames.
    recording : name in the table; by default the file's or folder's.

    Raises
    ------
    InputError : no such file, an array missing, of another shape, or infinite.
    """
    path, space = Path(path), space or flame_space("flame55")
    files = [path]
    if path.is_dir():
        files = sorted(path.glob("*.npz"), key=lambda file: natural(file.name))
        if not files:
            raise InputError(f"{path} holds no .npz file of SMIRK's outputs")
    psi = np.concatenate([_read(file, list(space.regions)) for file in files])
    detected = np.isfinite(psi).all(axis=1)
    psi[~detected] = np.nan
    time_s, timing = clock(np.arange(len(psi)), fps)
    table = frames.frame_table(
        recording or path.stem,
        time_s,
        detected,
        detected,
        attrs={"tool": "SMIRK", "neutral": "none: FLAME's identity is apart", **timing, **space.attrs()},
    )
    return frames.with_psi(table, psi, space.names)


def _read(file: Path, regions: list[str]) -> np.ndarray:
    arrays = read_npz(file, [_NAMES[region] for region in regions])
    parts = []
    for region in regions:
        values, width = arrays[_NAMES[region]], len(REGIONS[region])
        if (
            values.size == 0
            or values.shape[-1:] != (width,)
            or values.size // width not in values.shape[:1] + (1,)
        ):
            raise InputError(
                f"{file}: '{_NAMES[region]}' has shape {values.shape}, but (frames, {width}) is needed"
            )
        if np.isinf(values).any():
            raise InputError(
                f"{file}: '{_NAMES[region]}' holds infinite values; mark frames without a face with NaN"
            )
        parts.append(values.reshape(-1, width).astype(np.float32))
    if len({len(part) for part in parts}) > 1:
        raise InputError(f"{file}: its arrays have {', '.join(str(len(part)) for part in parts)} frames")
    return np.concatenate(parts, axis=1)
