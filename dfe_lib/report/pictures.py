"""Pictures inside a page, and how far two pictures are apart."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dfe_lib.errors import InputError

WIDEST = 1400  # pixels; the column is some 1000 wide, and the files beside the page are whole
DRAWN = 2048  # colours; a drawing has fewer, a rendered face or a photograph more
SEEN = 16  # of 255 levels in any channel: what counts as another colour; less is the smoothing of edges


@dataclass(frozen=True)
class Picture:
    """A picture as a page holds it: ``uri`` with its bytes, and its size in pixels."""

    uri: str
    width: int
    height: int


def embed(path: Path) -> Picture:
    """A picture as a data URI: drawings without loss, photographs and rendered faces with little.

    Raises
    ------
    InputError : the file is not a picture.
    """
    image = _open(path)
    if image.width > WIDEST:
        height = round(image.height * WIDEST / image.width)
        image = image.resize((WIDEST, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if image.getcolors(DRAWN) is not None:
        image.save(buffer, "WEBP", lossless=True, quality=50, method=2)
    else:
        image.save(buffer, "WEBP", quality=84, method=3)
    code = base64.b64encode(buffer.getvalue()).decode()
    return Picture(f"data:image/webp;base64,{code}", image.width, image.height)


def apart(a: Path, b: Path) -> float:
    """Share of pixels, 0 to 1, whose colour differs by more than ``SEEN`` levels; 1 where the sizes differ.

    Raises
    ------
    InputError : a file is not a picture.
    """
    one, two = _open(a), _open(b)
    if one.size != two.size:
        return 1.0
    difference = np.abs(np.asarray(one, np.int16) - np.asarray(two, np.int16)).max(axis=2)
    return float((difference > SEEN).mean())


def _open(path: Path) -> Image.Image:
    """The picture in RGB, on white where it is transparent."""
    try:
        with Image.open(path) as image:
            image = image.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable picture ({error})") from error
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
