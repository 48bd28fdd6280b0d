"""What other tools have written, as frame tables with ψ: one table of tools, one function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.arkit import read_live_link
from dfe_lib.data.adapters.emoca import read_emoca
from dfe_lib.data.adapters.flame import FlameModel, flame_space
from dfe_lib.data.adapters.openface import read_openface_shape
from dfe_lib.data.adapters.pyfeat import read_feat_csv
from dfe_lib.data.adapters.smirk import read_smirk
from dfe_lib.data.adapters.tables import clock
from dfe_lib.errors import ConfigError, choices
from dfe_lib.face.align import align
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.space import ICT53


@dataclass(frozen=True)
class Tool:
    """One tool whose files can be imported.

    Attributes
    ----------
    reads : what an input is.
    spaces : expression spaces that its files can give; the first is the default.
    keeps_time : its files say when each frame was; otherwise frames per second are needed for that.
    """

    reads: str
    spaces: tuple[str, ...]
    keeps_time: bool

    @property
    def of_flame(self) -> bool:
        return self.spaces[0].startswith("flame")


TOOLS = {
    "emoca": Tool("a result folder, <out>/<model> or above", ("flame53", "flame50"), False),
    "deca": Tool("a result folder as EMOCA's code writes it", ("flame53", "flame50"), False),
    "smirk": Tool(
        "an .npz of the encoder's outputs, or a folder of them", ("flame55", "flame53", "flame50"), False
    ),
    "openface": Tool("a CSV with -pdmparams or -3Dfp", ("openface34", "openface204"), True),
    "pyfeat": Tool("a CSV with the 478-point mesh", (ICT53.name,), False),
    "arkit": Tool("a CSV of Live Link Face", (ICT53.name,), True),
}


def import_table(
    path: str | Path,
    tool: str,
    space: str | None = None,
    fps: float | None = None,
    flame: FlameModel | None = None,
    recording: str | None = None,
) -> pd.DataFrame:
    """Frame table with ψ of one recording that another tool has processed.

    =========  =======================================================  ============================
    tool       ψ                                                        neutral
    =========  =======================================================  ============================
    emoca      FLAME: ``flame53`` (50 modes, jaw) or ``flame50``        FLAME's identity is apart
    deca       the same                                                 the same
    smirk      FLAME: ``flame55`` (and eyelids) or the others           the same
    openface   ``openface34`` (p_0…p_33) or ``openface204`` (X, Y, Z)   median of the recording
    pyfeat     ``ict53``, our regressor on its mesh                     as :func:`dfe_lib.face.extract`
    arkit      ``ict53``, its own coefficients                          ARKit's, none taken off
    =========  =======================================================  ============================

    Parameters
    ----------
    space : one of the tool's spaces; by default its first.
    fps : frames per second, for tools whose files keep no times; without it ``time_s`` counts frames.
    flame : the user's own FLAME model, from :func:`dfe_lib.data.adapters.flame.load_flame`. With it lengths in a
        FLAME space are mm, and the space's name says so; without it they are coefficients.
    recording : name in the table; by default the file's or folder's.

    Returns
    -------
    Frame table; ``attrs`` name tool, neutral, times and space; :func:`dfe_lib.space.space_of` gives the space.

    Raises
    ------
    ConfigError : an unknown tool or space, or an option that the tool has no use for.
    InputError : the file cannot be used.

    Examples
    --------
    >>> table = import_table("results/EMOCA", "emoca", fps=25)          # doctest: +SKIP
    >>> frames.psi(table).shape[1], table.attrs["space"]                # doctest: +SKIP
    (53, 'flame53')
    """
    if tool not in TOOLS:
        raise ConfigError(f"no importer by that name: {choices(tool, TOOLS)}")
    kind = TOOLS[tool]
    space = kind.spaces[0] if space is None else space
    if space not in kind.spaces:
        raise ConfigError(f"files of {tool} do not give that space: {choices(space, kind.spaces)}")
    if fps is not None and kind.keeps_time:
        raise ConfigError(f"files of {tool} keep their own times; leave fps out")
    if flame is not None and not kind.of_flame:
        raise ConfigError(f"files of {tool} hold no FLAME coefficients; leave the FLAME model out")
    if kind.of_flame:
        target = flame_space(space, flame)
        if tool == "smirk":
            return read_smirk(path, target, fps, recording)
        return read_emoca(path, target, fps, recording, tool=tool.upper())
    if tool == "openface":
        return read_openface_shape(path, space, recording)
    if tool == "arkit":
        return read_live_link(path, recording)
    return _from_pyfeat(path, fps, recording)


def _from_pyfeat(path: str | Path, fps: float | None, recording: str | None) -> pd.DataFrame:
    table = read_feat_csv(path, recording, fps=1.0 if fps is None else fps).frames
    points = frames.landmarks(table)
    regressor, pose = ExpressionRegressor.load(), align(points)
    columns = np.column_stack([pose.angles, pose.scale, pose.translation]).astype(np.float32)
    attrs = {"tool": "Py-Feat", "neutral": regressor.NEUTRAL, **ICT53.attrs()}
    table["time_s"], timing = clock(table["source_frame"].to_numpy(), fps)
    table[list(frames.POSE)] = columns
    table.attrs = attrs | timing
    return frames.with_psi(table, regressor.predict(points), ICT53.names)
