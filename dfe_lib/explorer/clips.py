"""Recordings to explore: their tokens, what was measured, and the video's frames where the file is at hand."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from dfe_lib import frames
from dfe_lib.data import manifest
from dfe_lib.errors import AssetError, InputError
from dfe_lib.face import video

if TYPE_CHECKING:
    from dfe_lib.tokens import Tokenizer

SHIPPED_FROM = "intel-sample-videos"  # whose clips the shipped tracks were measured on
_HEIGHT = 250  # pixels of a picture as it is shown
_MARGIN = 0.5  # of the face's size, around all places where it was found
_LEAP = 90  # frames ahead that are decoded one by one; further ones are sought


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording.

    Attributes
    ----------
    rows : its part of the frame table.
    codes : (n, S) int16, -1 where no face was found.
    measured : (n, d) float32 ψ, NaN where no face was found; None in a table of tokens alone.
    video : its file, or None.
    """

    recording: str
    rows: pd.DataFrame
    codes: np.ndarray
    measured: np.ndarray | None
    video: Path | None

    @property
    def time_s(self) -> np.ndarray:
        return self.rows["time_s"].to_numpy()


def clips_of(
    table: pd.DataFrame, tokenizer: Tokenizer, videos: Mapping[str, str | Path] | None = None
) -> dict[str, Clip]:
    """The recordings of a frame table, by name, in its order.

    Tokens of the table count where it has as many stages as the tokenizer; else ψ is encoded.

    Raises
    ------
    InputError : no frame, neither ψ nor tokens, or tokens of another tokenizer.
    """
    frames.check(table)
    if not len(table):
        raise InputError("the explorer needs at least one frame; the frame table is empty")
    has = {kind: any(c.startswith(kind) for c in table.columns) for kind in ("psi_", "token_")}
    if not has["token_"]:
        frames.check(table, ["psi_"])
    videos = dict(videos or {})
    found = {}
    for name in dict.fromkeys(table["recording"]):
        rows = table[table["recording"] == name].reset_index(drop=True)
        psi = frames.psi(rows, tokenizer.space.names) if has["psi_"] else None
        codes = frames.tokens(rows) if has["token_"] else None
        if codes is None or codes.shape[1] != len(tokenizer.gains):
            codes = _encoded(rows, psi, tokenizer)
        if codes.max(initial=-1) >= len(tokenizer.templates):
            raise InputError(
                f"recording '{name}' has token {codes.max()}, but the codebook ends at "
                f"{len(tokenizer.templates) - 1}; give the tokenizer that wrote it"
            )
        found[name] = Clip(name, rows, codes, psi, Path(videos[name]) if name in videos else None)
    return found


def _encoded(rows: pd.DataFrame, psi: np.ndarray | None, tokenizer: Tokenizer) -> np.ndarray:
    if psi is None:
        raise InputError(
            f"the table's tokens have another number of stages than the tokenizer ({len(tokenizer.gains)}), and it "
            "has no ψ to encode; give the tokenizer that wrote it"
        )
    codes = np.full((len(rows), len(tokenizer.gains)), -1, np.int16)
    seen = np.isfinite(psi).all(axis=1)
    if seen.any():
        codes[seen] = tokenizer.encode(psi[seen])
    return codes


def shipped_videos() -> dict[str, Path]:
    """Recording → file of the clips that the shipped tracks come from, as far as they are at hand."""
    found = {}
    for file in manifest.load_manifest().entries[SHIPPED_FROM].files:
        if Path(file.path).suffix in (".mkv", ".gif"):
            try:
                found[Path(file.path).stem] = manifest.locate(SHIPPED_FROM, file.path)
            except AssetError:
                continue  # the explorer says that the video is not at hand
    return found


class Footage:
    """Pictures of one clip's video by frame, going on from the last one where it can.

    Parameters
    ----------
    clip : with a ``video``.
    """

    def __init__(self, clip: Clip):
        self._clip, self._time = clip, clip.time_s
        self._mirrored = bool(clip.rows.attrs.get("mirrored", False))
        self._landmarks = frames.landmarks(clip.rows) if "landmarks" in clip.rows.columns else None
        self._box = None if self._landmarks is None else _surroundings(self._landmarks[..., :2])
        self._coming = None
        self._next = 0

    def picture(self, frame: int) -> tuple[bytes, np.ndarray]:
        """JPEG of a frame, ``_HEIGHT`` pixels high, and its landmarks (478, 2) float32 in its pixels.

        It shows the part of the picture in which the clip's face moves. Landmarks are empty (0, 2) where there are
        none. Frames are counted as the extraction counted them.

        Raises
        ------
        InputError : the video cannot be read, or is shorter than the table says.
        """
        if self._coming is None or not self._next <= frame <= self._next + _LEAP:
            self._coming = video.frames(self._clip.video, from_s=float(self._time[frame]))
            found = next(self._coming, None)
        else:
            found = None
            for _ in range(frame - self._next + 1):
                found = next(self._coming, None)
        self._next = frame + 1
        if found is None:
            self._coming = None
            raise InputError(f"{self._clip.video} ends before frame {frame}; it is not the recording's video")
        rgb = found.rgb[:, ::-1] if self._mirrored else found.rgb
        left, top, right, bottom = _within(self._box, rgb.shape[1], rgb.shape[0])
        scale = _HEIGHT / (bottom - top)
        picture = Image.fromarray(np.ascontiguousarray(rgb[top:bottom, left:right]))
        picture = picture.resize((max(1, round((right - left) * scale)), _HEIGHT))
        kept = io.BytesIO()
        picture.save(kept, "JPEG", quality=85)
        points = np.empty((0, 2), np.float32)
        if self._landmarks is not None and np.isfinite(self._landmarks[frame]).all():
            points = ((self._landmarks[frame, :, :2] - [left, top]) * scale).astype(np.float32)
        return kept.getvalue(), points


def _surroundings(points: np.ndarray) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom around all found faces of a clip, (n, 478, 2) px; None without any."""
    found = points[np.isfinite(points).all(axis=(1, 2))]
    if not len(found):
        return None
    margin = _MARGIN * np.ptp(found, axis=1).max(axis=0)
    low, high = found.min(axis=(0, 1)) - margin, found.max(axis=(0, 1)) + margin
    return (*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist())


def _within(box: tuple[int, int, int, int] | None, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a box that lies in a picture; all of the picture where that is next to nothing."""
    if box is not None:
        left, top, right, bottom = max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])
        if right - left >= 8 and bottom - top >= 8:
            return left, top, right, bottom
    return 0, 0, width, height
