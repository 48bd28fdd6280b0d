"""What a frame table holds: its columns, built, checked and taken out as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from dfe_lib.errors import InputError, choices

KEYS = {"recording": "str", "frame": "int32", "time_s": "float64", "detected": "bool", "n_faces": "int8"}
# degrees ×3, px per mm, px ×2
POSE = ("pose_pitch", "pose_yaw", "pose_roll", "pose_scale", "pose_tx", "pose_ty")
N_LANDMARKS = 478
LANDMARKS = pa.list_(pa.float32(), N_LANDMARKS * 3)
# Kinds of NumPy's types that a column, or a family of columns, may have.
_KINDS = {"frame": "iu", "n_faces": "iu", "time_s": "iuf", "detected": "b"}
_KINDS |= {"psi_": "f", "sd_": "f", "pose_": "f", "token_": "iu"}
_WORDS = {"iu": "whole numbers", "iuf": "numbers", "b": "true or false", "f": "numbers with a fraction"}


def frame_table(
    recording: str,
    time_s: np.ndarray,
    detected: np.ndarray,
    n_faces: np.ndarray | None = None,
    landmarks: np.ndarray | None = None,
    attrs: dict | None = None,
    **columns: np.ndarray,
) -> pd.DataFrame:
    """Build a frame table from arrays of equal length.

    Parameters
    ----------
    landmarks : (n, 478, 3) float32 pixels, optional.
    columns : further columns, e.g. ``pose_yaw=...``.
    """
    n = len(time_s)
    table = pd.DataFrame(
        {
            "recording": pd.array([recording] * n, dtype="str"),
            "frame": np.arange(n, dtype=np.int32),
            "time_s": np.asarray(time_s, dtype=np.float64),
            "detected": np.asarray(detected, dtype=bool),
            "n_faces": np.full(n, -1, np.int8) if n_faces is None else np.asarray(n_faces, dtype=np.int8),
        }
    )
    if landmarks is not None:
        table = with_landmarks(table, landmarks)
    for name, values in columns.items():
        table[name] = values
    table.attrs = dict(attrs or {})
    return check(table)


def check(table: pd.DataFrame, needs: Sequence[str] = (), source: str = "the frame table") -> pd.DataFrame:
    """Return ``table`` if it is a frame table with the columns in ``needs``.

    ``needs`` holds column names, or the prefixes ``"psi_"`` and ``"token_"`` for at least one such column.

    Raises
    ------
    InputError : naming the missing column, or the recording whose times do not increase.
    """
    for name in (*KEYS, *needs):
        is_prefix = name.endswith("_")
        found = any(c.startswith(name) for c in table.columns) if is_prefix else name in table.columns
        if not found:
            what = f"columns '{name}…'" if is_prefix else f"column '{name}'"
            hint = {"psi_": "dfe extract", "landmarks": "dfe extract", "token_": "dfe encode"}.get(name)
            raise InputError(
                f"{source} lacks the {what} (it has {', '.join(map(str, table.columns[:8]))}…)"
                + (f"; make it with `{hint}`" if hint else "")
            )
    _check_kinds(table, source)
    step = np.diff(table["time_s"].to_numpy(dtype=np.float64))
    same = table["recording"].to_numpy()[1:] == table["recording"].to_numpy()[:-1]
    if (same & ~(step > 0)).any():
        row = int(np.flatnonzero(same & ~(step > 0))[0]) + 1
        raise InputError(
            f"{source}: time_s does not increase at row {row} (recording {table['recording'].iloc[row]})"
        )
    return table


def _check_kinds(table: pd.DataFrame, source: str) -> None:
    """Columns stand there once, and hold what their names say."""
    if not table.columns.is_unique:
        raise InputError(f"{source} has the column '{table.columns[table.columns.duplicated()][0]}' twice")
    for name, dtype in table.dtypes.items():
        kinds = _KINDS.get(name) or next(
            (k for p, k in _KINDS.items() if p[-1] == "_" and name.startswith(p)), ""
        )
        if kinds and (not isinstance(dtype, np.dtype) or dtype.kind not in kinds):
            raise InputError(f"{source}: column '{name}' holds {dtype}, but {_WORDS[kinds]} are needed")
    if pd.api.types.is_string_dtype(table["recording"].dtype) and not table["recording"].isna().any():
        return
    raise InputError(f"{source}: column 'recording' must hold a name in every row")


def _columns(table: pd.DataFrame, prefix: str) -> list[str]:
    return [c for c in table.columns if c.startswith(prefix)]


def landmarks(table: pd.DataFrame) -> np.ndarray:
    """(n, 478, 3) float32 landmarks in pixels, NaN where no face was found."""
    check(table, ["landmarks"])
    column = pa.chunked_array(pa.array(table["landmarks"])).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], LANDMARKS)
    if column.null_count or column.type != LANDMARKS:
        raise InputError(
            f"column 'landmarks' must hold {N_LANDMARKS * 3} float32 a row, without nulls; it is {column.type}"
        )
    return column.flatten().to_numpy(zero_copy_only=False).reshape(-1, N_LANDMARKS, 3)


def with_landmarks(table: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    """A copy of ``table`` with the landmarks column set from a (n, 478, 3) array."""
    values = np.asarray(values, dtype=np.float32)
    if values.shape != (len(table), N_LANDMARKS, 3):
        raise InputError(
            f"landmarks have shape {values.shape}, but ({len(table)}, {N_LANDMARKS}, 3) is needed"
        )
    flat = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), N_LANDMARKS * 3)
    return table.assign(landmarks=pd.array(flat, dtype=pd.ArrowDtype(LANDMARKS)))


def psi(table: pd.DataFrame, names: Sequence[str] | None = None) -> np.ndarray:
    """(n, d) float32 expression coefficients, NaN where no face was found.

    Parameters
    ----------
    names : coefficient names in the wanted order; by default those of the table, in its order.
    """
    wanted = _columns(table, "psi_") if names is None else [f"psi_{n}" for n in names]
    check(table, ["psi_"] if names is None else wanted)
    return table[wanted].to_numpy(dtype=np.float32)


def with_psi(table: pd.DataFrame, values: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """A copy of ``table`` with columns ``psi_<name>`` set from a (n, d) array."""
    return _with_columns(table, values, [f"psi_{n}" for n in names], np.float32)


def psi_sd(table: pd.DataFrame, names: Sequence[str] | None = None) -> np.ndarray | None:
    """(n, d) float32 standard deviation of the measured coefficients, or None where the table has none.

    Columns ``sd_<name>``: what the extraction does not know about ``psi_<name>`` of that frame.

    Parameters
    ----------
    names : as in :func:`psi`; by default those of the table's ``psi_`` columns, in their order.
    """
    if not _columns(table, "sd_"):
        return None
    names = [c.removeprefix("psi_") for c in _columns(table, "psi_")] if names is None else names
    wanted = [f"sd_{n}" for n in names]
    check(table, wanted)
    return table[wanted].to_numpy(dtype=np.float32)


def with_psi_sd(table: pd.DataFrame, values: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """A copy of ``table`` with columns ``sd_<name>`` set from a (n, d) array."""
    return _with_columns(table, values, [f"sd_{n}" for n in names], np.float32)


def tokens(table: pd.DataFrame) -> np.ndarray:
    """(n, stages) int16 codes, -1 where no face was found."""
    check(table, ["token_"])
    return table[_columns(table, "token_")].to_numpy(dtype=np.int16)


def with_tokens(table: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    """A copy of ``table`` with columns ``token_0 … token_<S-1>`` set from a (n, S) array."""
    kept = table.drop(columns=_columns(table, "token_"))
    return _with_columns(kept, codes, [f"token_{s}" for s in range(np.shape(codes)[1])], np.int16)


def _with_columns(table: pd.DataFrame, values: np.ndarray, names: list[str], dtype: type) -> pd.DataFrame:
    values = np.asarray(values, dtype=dtype)
    if values.shape != (len(table), len(names)):
        raise InputError(f"values have shape {values.shape}, but ({len(table)}, {len(names)}) is needed")
    new = pd.DataFrame(values, columns=names, index=table.index)
    kept = table.drop(columns=[n for n in names if n in table.columns])
    out = pd.concat([kept, new], axis=1)
    out.attrs = dict(table.attrs)
    return out


def check_recordings(table: pd.DataFrame, needs: Sequence[str] = ()) -> pd.DataFrame:
    """Return ``table`` if it is a recording table: ``recording`` (unique), ``subject``, ``dataset`` and ``needs``.

    Raises
    ------
    InputError : naming what is missing or repeated.
    """
    for name in ("recording", "subject", "dataset", *needs):
        if name not in table.columns:
            raise InputError(f"the recording table lacks '{name}': {choices(name, map(str, table.columns))}")
    repeated = table["recording"][table["recording"].duplicated()]
    if len(repeated):
        raise InputError(f"recording '{repeated.iloc[0]}' stands twice in the recording table")
    return table
