"""ARKit coefficients, as Live Link Face writes them, in the expression space ICT53."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.tables import numbers, read_csv
from dfe_lib.data.manifest import locate
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

ENTRY, FILE = "arkit-range-of-motion", "alex_rom_3.csv"
TICKS_PER_SECOND = 60.0  # Live Link Face counts sixtieths after the last colon, with a fraction
_TIMECODE = re.compile(r"(\d+):(\d\d):(\d\d):(\d\d(?:\.\d+)?)")


def arkit_name(coefficient: str) -> str:
    """ARKit's name of an ICT53 coefficient; browInnerUp and cheekPuff have no sides in ARKit.

    >>> arkit_name("mouthSmile_L"), arkit_name("browInnerUp_R"), arkit_name("jawOpen")
    ('mouthSmileLeft', 'browInnerUp', 'jawOpen')
    """
    name, _, side = coefficient.partition("_")
    if name in ("browInnerUp", "cheekPuff"):
        return name
    return name + {"": "", "L": "Left", "R": "Right"}[side]


def to_ict53(values: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """ARKit coefficients as ψ in ICT53.

    Parameters
    ----------
    values : (n, k), 0–1. Left and right are the subject's own, as in ICT53.
    names : k names, ``jawOpen`` or ``JawOpen``; others than the 51 that are needed (tongueOut, head angles)
        are ignored.

    Returns
    -------
    (n, 53) float32; the sideless browInnerUp and cheekPuff stand on both sides.

    Raises
    ------
    InputError : a needed coefficient is missing.
    """
    position = {name[:1].lower() + name[1:]: i for i, name in enumerate(names)}
    wanted = [arkit_name(n) for n in ICT53.names]
    missing = [n for n in wanted if n not in position]
    if missing:
        raise InputError(f"the ARKit coefficients lack {', '.join(dict.fromkeys(missing))}")
    return np.asarray(values, dtype=np.float32)[:, [position[n] for n in wanted]]


def read_live_link(path: str | Path, recording: str | None = None) -> pd.DataFrame:
    """Frame table with ψ (``psi_*`` in ICT53's order) of a Live Link Face CSV.

    ``time_s`` is the timecode counted from the first frame.

    Raises
    ------
    InputError : not such a file, a missing column, a timecode that cannot be read or does not increase.
    """
    needed = [n[:1].upper() + n[1:] for n in dict.fromkeys(map(arkit_name, ICT53.names))]
    table = read_csv(path, ["Timecode", *needed], "a Live Link Face CSV")
    psi = to_ict53(numbers(table, needed, path), needed)
    detected = np.isfinite(psi).all(axis=1)
    psi[~detected] = np.nan
    time_s = np.array([_seconds(code, path) for code in table["Timecode"]])
    out = frames.frame_table(
        recording or Path(path).stem,
        time_s - time_s[0],
        detected,
        n_faces=detected,
        attrs={"tool": "Live Link Face (ARKit)", "space": ICT53.name},
    )
    return frames.with_psi(out, psi, ICT53.names)


def read_range_of_motion() -> pd.DataFrame:
    """4,030 frames (134 s at 30 per second) of one person moving the face through its range.

    Returns
    -------
    Frame table with ψ in ICT53's order.

    Raises
    ------
    AssetError : the entry ``arkit-range-of-motion`` is not at hand.
    """
    return read_live_link(locate(ENTRY, FILE), recording=ENTRY)


def _seconds(code: object, path: str | Path) -> float:
    parts = _TIMECODE.fullmatch(str(code).strip())
    if not parts:
        raise InputError(f"{path}: timecode {code!r} is not of the form hours:minutes:seconds:sixtieths")
    hours, minutes, seconds, ticks = (float(p) for p in parts.groups())
    return hours * 3600 + minutes * 60 + seconds + ticks / TICKS_PER_SECOND
