"""Recorded landmark tracks of freely licensed clips that ship with the library: real motion without a download."""

from __future__ import annotations

import pandas as pd

from dfe_lib import frames, shipped
from dfe_lib.errors import InputError
from dfe_lib.paths import ASSETS


def shipped_tracks() -> pd.DataFrame:
    """All shipped tracks as one frame table, with landmarks, pose and ψ.

    Our measurements on clips of Intel IoT DevKit sample-videos (CC BY 4.0); rebuild with ``dfe build tracks``.

    Raises
    ------
    InputError : none came with this installation, or they are not the ones that were committed.
    """
    found = sorted((ASSETS / "tracks").glob("*.parquet"))
    if not found:
        raise InputError(
            "no recorded tracks came with this installation; give a frame table from `dfe extract`"
        )
    shipped.check(ASSETS / "tracks")
    return pd.concat([frames.read(path, needs=["psi_"]) for path in found], ignore_index=True)
