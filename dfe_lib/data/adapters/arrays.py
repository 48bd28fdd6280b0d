"""``.npy`` and ``.npz`` files of others: no pickles in them are read, and no size is believed before it is checked."""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from dfe_lib.errors import InputError

MAX_BYTES = 2**30  # of one array; an hour of 60 frames a second with 55 coefficients has a tenth of that
_SCALAR_BYTES = 4096
# NumPy reads a header as Python's literals, twice where the first attempt fails, and so raises what its parser does.
_HEADERLESS = (
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    TokenError,
    RecursionError,
    MemoryError,
    OverflowError,
)
# What an archive's members raise: zlib.error, LZMAError and bz2's OSError among them.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    KeyError,
    ValueError,
    EOFError,
    OSError,
    RuntimeError,
)
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def natural(name: str) -> tuple:
    """Sort key that counts: ``frame2`` before ``frame10``."""
    return tuple(
        int(part) if part.isascii() and part.isdecimal() else part for part in re.split(r"([0-9]+)", name)
    )


def read_npy(path: str | Path) -> np.ndarray:
    """One array of numbers.

    Raises
    ------
    InputError : not there, not an array file, not numbers, or shorter than it says.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}; expected an .npy file"
        )
    with path.open("rb") as file:
        return _read(file, path.stat().st_size, str(path))


def read_scalar(path: str | Path) -> float:
    """One number, kept as such or as text (``array('0.25', dtype='<U20')``), as some labels are.

    Raises
    ------
    InputError : as :func:`read_npy`; more than one number, or text that is none.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(_SCALAR_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected an .npy file") from error
    if len(raw) > _SCALAR_BYTES:
        raise InputError(f"{path} has more than {_SCALAR_BYTES} bytes, far more than one number")
    length = int.from_bytes(raw[8:10], "little") + 10  # a version 1 header says how long it is
    try:
        dtype, size = _scalar(raw[:length])
        values = np.frombuffer(raw[length:], dtype)
        return float(values[0]) if size == len(values) == 1 else float("none")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except _HEADERLESS as error:
        raise InputError(f"{path} does not hold one number ({_reason(error)})") from error


@lru_cache(256)
def _scalar(head: bytes) -> tuple[np.dtype, int]:
    """Type and number of values of a header; labels by the hundred thousand have few different ones."""
    file = io.BytesIO(head)
    version = npy.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"format version {version}")
    shape, _, dtype = npy.read_array_header_1_0(file)
    if dtype.kind not in "fiubUS":
        raise InputError(f"it holds '{dtype}', not a number; arrays of objects are never read")
    return dtype, math.prod(shape)


def read_npz(path: str | Path, names: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Named arrays of numbers from an ``.npz`` file; others in it are left alone.

    Raises
    ------
    InputError : not there, not such a file, an array of ``names`` missing, not numbers, or too large.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}; expected an .npz file"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {i.filename.removesuffix(".npy"): i.file_size for i in archive.infolist()}
            missing = [n for n in names if n not in sizes]
            if missing:
                has = ", ".join(list(sizes)[:8]) or "nothing"
                raise InputError(f"{path} lacks the array '{missing[0]}' (it has {has})")
            out = {}
            for name in (*names, *(n for n in optional if n in sizes)):
                with archive.open(f"{name}.npy") as file:
                    out[name] = _read(file, sizes[name], f"{path}: '{name}'")
            return out
    except _UNREADABLE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a readable .npz file ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _read(file, size: int, where: str) -> np.ndarray:
    """The array of an open .npy stream of ``size`` bytes."""
    try:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"format version {version}")
        shape, columns_first, dtype = _HEADERS[version](file)
    except _HEADERLESS as error:
        raise InputError(f"{where} is not a readable .npy file ({_reason(error)})") from error
    if dtype.kind not in "fiub":
        raise InputError(f"{where} holds '{dtype}', not numbers; arrays of objects are never read")
    if any(type(n) is not int or n < 0 for n in shape):
        raise InputError(f"{where} says that its shape is {str(shape)[:60]}, which is none")
    expected = math.prod(shape) * dtype.itemsize
    if expected > min(size, MAX_BYTES):
        raise InputError(
            f"{where} says that it holds {str(shape)[:60]} numbers, which does not fit a file of {size} bytes"
        )
    data = file.read(expected)
    if len(data) != expected:
        raise InputError(f"{where} ends after {len(data)} of {expected} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if columns_first else "C").copy()
