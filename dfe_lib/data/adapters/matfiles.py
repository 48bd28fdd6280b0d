"""MATLAB files of others: named arrays of numbers, and nothing else in them.

A ``.mat`` file of version 5 holds data and no program, but it can hold objects, function handles and arrays that claim
to be huge. The list of its variables is read first; only numeric ones of a believable size are then loaded.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfe_lib.errors import InputError

MAX_BYTES = 2**28  # of one array, written out
_NUMERIC = {"double", "single", "logical", *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64))}


def read_mat(path: str | Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Named arrays of numbers of a MATLAB file of version 4 to 7.2.

    Raises
    ------
    InputError : not there, not such a file, of version 7.3 (HDF5), a name missing, not numeric, or too large.
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}; expected a .mat file"
        )
    try:
        held = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}
        for name in names:
            if name not in held:
                raise InputError(
                    f"{path} lacks the variable '{name}' (it has {', '.join(held) or 'nothing'})"
                )
            shape, kind = held[name]
            if kind not in _NUMERIC:
                raise InputError(f"{path}: '{name}' is of class {kind}, not numbers; it is not read")
            if math.prod(shape) * 8 > MAX_BYTES:
                raise InputError(
                    f"{path}: '{name}' says that it holds {shape} numbers, which is not believed"
                )
        content = loadmat(
            path, variable_names=list(names), appendmat=False, verify_compressed_data_integrity=True
        )
    except NotImplementedError as error:
        raise InputError(f"{path} is of MATLAB's version 7.3; save it with -v7 to have it read") from error
    except (
        MatReadError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OSError,
        OverflowError,
        MemoryError,
        zlib.error,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is not a readable .mat file ({str(error).splitlines()[0][:120]})"
        ) from error
    out = {name: content[name] for name in names}
    for name, values in out.items():
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
            raise InputError(f"{path}: '{name}' holds no numbers")
    return out
