"""Opening videos and photographs that nobody vouches for.

Only files are opened: no address, no pipe, and none of the formats that name other files or hosts to read from
(playlists, session descriptions, numbered pictures). No picture may have more than ``MOST_PIXELS``, whatever a header
claims. Whatever a decoder makes of a damaged file ends in one InputError.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from PIL import ExifTags, Image, ImageOps

from dfe_lib.errors import DFEError, InputError

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MOST_PIXELS = 64_000_000  # twice a frame of 8K video; in colour, with its copies, some 0.6 GB
LONGEST_SIDE = 32_000  # px; from 32,767 on OpenCV, inside the detector, ends the process
# Pillow reads more than these, some of it by running other programs.
_PICTURES = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
# libav's names; of sound only what gets a clear "no video stream".
_VIDEOS = (
    "matroska,webm,mov,mp4,avi,gif,apng,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,flv,asf,ogg,nut,mxf,dv,rm,wtv,"
    "mjpeg,yuv4mpegpipe,wav,mp3,aac,flac"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _VIDEOS}
# What decoders raise on damaged files, each in its own way.
BROKEN = (
    av.FFmpegError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def existing(path: str | Path) -> Path:
    """The path of a file that is there and holds something.

    Raises
    ------
    InputError : it is missing, empty, a folder, a pipe or a device.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; give a video or photograph, or several of them")
        if not path.is_file():
            if path.exists():
                raise InputError(f"{path} is a pipe or device; give a file")
            raise InputError(f"{path} is not there; give the path of a video or photograph")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes); copy or download it again")
    except OSError as error:
        raise InputError(f"{path} cannot be reached ({error.strerror}); give another path") from error
    return path


def is_photograph(path: Path) -> bool:
    """By the name's ending, as the lists of data sets tell them apart too."""
    return path.suffix.lower() in PHOTOGRAPHS


def photograph(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, upright.

    Raises
    ------
    InputError : not a photograph, damaged, or of more than ``MOST_PIXELS``.
    """
    with _opened_photograph(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def photograph_size(path: Path) -> tuple[int, int]:
    """Width and height of :func:`photograph`, from the header.

    Raises
    ------
    InputError : as :func:`photograph`.
    """
    with _opened_photograph(path) as picture:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return picture.size[::-1] if turned else picture.size


@contextmanager
def _opened_photograph(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=_PICTURES) as picture:
            check_size(path, *picture.size)
            yield picture
    except DFEError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} has far more than {MOST_PIXELS // 10**6} million pixels; make it smaller"
        ) from error
    except BROKEN as error:
        raise InputError(f"{path} is not a readable photograph ({reason(error)}); export it again") from error


@contextmanager
def container(path: Path) -> Iterator[av.container.InputContainer]:
    """A video's container; its decoders make no picture of more than ``MOST_PIXELS``.

    Raises
    ------
    InputError : not a video, of a format that is not opened, without pictures, or with too large ones.
    """
    try:
        # From the root on, or a name like "concat:a|b" would be an address. Words in tags may be in any encoding.
        with av.open(str(path.absolute()), options=dict(_OPTIONS), metadata_errors="replace") as opened:
            if not opened.streams.video:
                kinds = ", ".join(sorted({s.type for s in opened.streams})) or "none"
                raise InputError(
                    f"{path} has no video stream (streams: {kinds}); give a file with pictures in it"
                )
            stream = opened.streams.video[0]
            check_size(path, stream.width, stream.height)
            stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            yield opened
    except DFEError:
        raise
    except BROKEN as error:
        raise InputError(
            f"{path} is not a readable video ({reason(error)}); re-encode it, e.g. as H.264 in .mp4"
        ) from error


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]


def check_size(what: object, width: int, height: int) -> None:
    """Refuse pictures that decoders and detectors cannot hold.

    Raises
    ------
    InputError : more than ``MOST_PIXELS``, or a side longer than ``LONGEST_SIDE``.
    """
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise InputError(
            f"{what}: {width} × {height} pixels are too many; at most {MOST_PIXELS // 10**6} million, and "
            f"{LONGEST_SIDE:,} along a side, are read"
        )
