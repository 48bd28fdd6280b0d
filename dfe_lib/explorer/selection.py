"""What is taken along from the explorer: a table of tokens, a picture of the face, a line to cite."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dfe_lib import __version__
from dfe_lib.data.access import refuse_gated
from dfe_lib.errors import InputError
from dfe_lib.explorer.clips import SHIPPED_FROM, Clip
from dfe_lib.explorer.codebook import Codebook
from dfe_lib.explorer.state import Face
from dfe_lib.staging import staged_file

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

METHOD = "Discrete Facial Encoding, arXiv 2510.01662"


@dataclass(frozen=True)
class Selection:
    """A stretch of a recording, all its tokens or one.

    Attributes
    ----------
    first, last : frames, both included.
    token : the one code that is meant; None for all.
    """

    clip: Clip
    first: int
    last: int
    token: int | None = None

    def __post_init__(self):
        if not 0 <= self.first <= self.last < len(self.clip.codes):
            raise InputError(
                f"frames {self.first} to {self.last} are not within 0 to {len(self.clip.codes) - 1}; the first comes "
                "before the last"
            )


def tokens_of(selection: Selection, codebook: Codebook) -> pd.DataFrame:
    """One row per token: ``recording, frame, time_s, stage`` (1 …), ``token, gain, rms_mm`` and ``words``.

    ``rms_mm`` is how far the token moves the face, in the unit of the space. Frames without a face have no row.
    """
    clip, part = selection.clip, slice(selection.first, selection.last + 1)
    codes = clip.codes[part]
    wanted = codes >= 0 if selection.token is None else codes == selection.token
    frame, stage = np.nonzero(wanted)
    token = codes[frame, stage].astype(int)
    gain = codebook.tokenizer.gains[stage].astype(float)
    return pd.DataFrame(
        {
            "recording": clip.recording,
            "frame": clip.rows["frame"].to_numpy()[part][frame],
            "time_s": clip.time_s[part][frame],
            "stage": stage + 1,
            "token": token,
            "gain": gain,
            f"rms_{codebook.space.unit}": gain * codebook.size[token],
            "words": [codebook.words[k] for k in token],
        }
    )


def citation(selection: Selection, codebook: Codebook) -> str:
    """One line that says what was selected, from which data, with which software and method."""
    clip = selection.clip
    what = (
        "all tokens"
        if selection.token is None
        else f"token {selection.token} ({codebook.words[selection.token]})"
    )
    attrs = clip.rows.attrs
    source = attrs.get("source") or attrs.get("dataset") or clip.recording
    if attrs.get("shipped"):
        source = f"{source}, {SHIPPED_FROM} (CC BY 4.0, Intel)"
    size = f"{len(codebook)} codes × {len(codebook.tokenizer.gains)} stages"
    begin, end = (float(clip.time_s[i]) for i in (selection.first, selection.last))
    return (
        f"{what} in {clip.recording}, frames {selection.first}–{selection.last} ({begin:.2f}–{end:.2f} s; "
        f"data: {source}); tokenizer of {size}, DFE companion {__version__}; method: {METHOD}."
    )


def picture_of(face: Face, model: Morphable, title: str) -> Figure:
    """The face as it is shown, from the front and from the side, with its scale in mm."""
    from dfe_lib.figures.faces import plot_face

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    heat = face.heat if len(face.heat) else None
    for ax, yaw in zip(figure.subplots(1, 2), (0.0, 40.0), strict=True):
        plot_face(
            face.vertices, model.triangles, ax, heat, yaw=yaw, limit=face.limit, colourbar=yaw > 0 and heat is not None
        )  # fmt: skip
    figure.suptitle(title + (f"\n{face.what}" if face.what else ""), fontsize=9)
    return figure


def save(
    selection: Selection, codebook: Codebook, face: Face, model: Morphable, folder: str | Path, title: str
) -> list[Path]:
    """Write ``tokens.csv``, ``tokens.json`` (what its columns mean), ``face.png`` and ``citation.txt``.

    Raises
    ------
    AccessError : the recording was granted to you alone and may not be passed on.
    OutputError : the folder is full or cannot be written to.
    """
    refuse_gated(selection.clip.rows.attrs, "an export from the explorer")
    folder, line = Path(folder), citation(selection, codebook)
    columns = {"citation": line, "columns": _columns(codebook.space.unit)}
    with staged_file(folder / "tokens.csv") as place:
        tokens_of(selection, codebook).to_csv(place, index=False, float_format="%.6g")
    with staged_file(folder / "tokens.json") as place:
        place.write_text(json.dumps(columns, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    with staged_file(folder / "face.png") as place:
        picture_of(face, model, title).savefig(place, format="png", dpi=150)
    with staged_file(folder / "citation.txt") as place:
        place.write_text(line + "\n", encoding="utf-8")
    return [folder / name for name in ("tokens.csv", "tokens.json", "face.png", "citation.txt")]


def _columns(unit: str) -> dict[str, str]:
    return {
        "recording": "name of the recording",
        "frame": "frame, from 0",
        "time_s": "presentation time (s)",
        "stage": "stage of the coding, 1 is the coarsest",
        "token": "code of the shared codebook",
        "gain": "factor of the stage on the token's template",
        f"rms_{unit}": f"displacement by the token alone, root mean square over the face ({unit})",
        "words": "what the token does; left and right are the subject's own",
    }
