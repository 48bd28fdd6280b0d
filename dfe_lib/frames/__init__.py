"""Frame tables and recording tables: what a column means (``columns``), and how tables are read, written
and streamed (``files``).

A frame table is a :class:`pandas.DataFrame`, one row per decoded frame, also where no face was found::

    recording  str       name of the recording
    frame      int32     0, 1, 2, … within the recording
    time_s     float64   presentation time in seconds, strictly increasing
    detected   bool      a face was found
    n_faces    int8      how many were found (-1: not known)
    landmarks  list[1434 × float32]   478 × (x, y, z), pixels; NaN where not detected
    pose_<name>    float32            see POSE; NaN where not detected
    psi_<name>     float32            expression coefficients; NaN where not detected
    token_<stage>  int16              codes; -1 where not detected

Only the first five columns are required. ``table.attrs`` travels with the file (plain JSON values).
"""

from dfe_lib.frames.columns import (
    KEYS,
    N_LANDMARKS,
    POSE,
    check,
    check_recordings,
    frame_table,
    landmarks,
    psi,
    psi_sd,
    tokens,
    with_landmarks,
    with_psi,
    with_psi_sd,
    with_tokens,
)
from dfe_lib.frames.files import (
    MAX_BYTES,
    PART,
    attrs,
    columns_of,
    count,
    one_table_each,
    parts,
    read,
    stream,
    write,
    write_parts,
)

__all__ = [
    "KEYS",
    "MAX_BYTES",
    "N_LANDMARKS",
    "PART",
    "POSE",
    "attrs",
    "check",
    "check_recordings",
    "columns_of",
    "count",
    "frame_table",
    "landmarks",
    "one_table_each",
    "parts",
    "psi",
    "psi_sd",
    "read",
    "stream",
    "tokens",
    "with_landmarks",
    "with_psi",
    "with_psi_sd",
    "with_tokens",
    "write",
    "write_parts",
]
