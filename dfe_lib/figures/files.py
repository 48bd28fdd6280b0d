"""A figure on disk: PNG to look at, PDF to print, and its caption; equal pictures are equal files.

A PNG says of itself what it shows, a drawing or somebody, and which words stand in it: before results are shared,
:mod:`dfe_lib.sharing` keeps drawings without private names and drops the rest.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.image import _ImageBase
from matplotlib.text import Text

from dfe_lib.errors import InputError
from dfe_lib.results import write_atomically

SUFFIXES = (".png", ".pdf", ".md")
SHOWS, WORDS = "Shows", "Words"  # text chunks of a PNG
DRAWING, PEOPLE = "drawing", "people"
SOMEBODY, DRAWN = "somebody", "drawn"  # gid of artists: a person's landmarks; a coloured picture that we drew
_HEADER = 8 + 25  # bytes of a PNG before its first other chunk
_SCREEN = 150  # dots per inch of the PNG
_PRINT = 180  # of what is no line inside the PDF: shaded faces, pictures
# Dates and versions inside a file would make equal pictures differ.
_NO_PNG_STAMP = {"Software": None}
_NO_PDF_STAMP = {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}


def save(figure: Figure, stem: Path, caption: str) -> Path:
    """Write ``<stem>.png``, ``<stem>.pdf`` and ``<stem>.md``.

    In the PDF lines stay lines and text stays text (TrueType, so that an editor can change it); artists that
    are marked as rasterised, such as the triangles of faces, become one picture.

    Parameters
    ----------
    figure : a matplotlib figure, or what lies on one: axes, a seaborn grid.
    stem : path without suffix.
    caption : what is shown, units and n; one to three sentences of Markdown.

    Returns
    -------
    Path of the PNG.

    Raises
    ------
    InputError : no matplotlib figure, or a caption that is empty, no sentence, or longer than a paragraph.
    """
    figure = figure if hasattr(figure, "savefig") else getattr(figure, "figure", figure)
    if not hasattr(figure, "savefig"):
        raise InputError(f"figure '{stem.name}' must be a matplotlib figure, but got {type(figure).__name__}")
    caption = caption.strip()
    if not caption.endswith((".", "!", "?")) or "\n\n" in caption:
        raise InputError(
            f"figure '{stem.name}' needs a caption of one to three sentences in one paragraph: what is shown, "
            f"its units and n; but got '{caption}'"
        )
    written = {".md": caption.encode() + b"\n"}
    # Cutting white margins off gives a figure without a layout engine that of the defaults when it is done.
    settings = {"pdf.fonttype": 42, "figure.constrained_layout.use": False}
    for suffix, dots, stamp in ((".png", _SCREEN, _NO_PNG_STAMP), (".pdf", _PRINT, _NO_PDF_STAMP)):
        buffer = io.BytesIO()
        with matplotlib.rc_context(settings):
            figure.savefig(buffer, format=suffix[1:], dpi=dots, bbox_inches="tight", metadata=stamp)
        written[suffix] = buffer.getvalue()
    # Only now: the words of ticks come into being when they are drawn.
    written[".png"] = _with_text(written[".png"], {SHOWS: shows(figure), WORDS: "\n".join(words(figure))})
    for suffix, content in written.items():
        write_atomically(stem.with_name(stem.name + suffix), content)
    plt.close(figure)
    return stem.with_name(stem.name + ".png")


def _with_text(png: bytes, told: dict[str, str]) -> bytes:
    """A PNG with chunks of international text after its header."""
    chunks = b""
    for key, text in told.items():
        body = b"iTXt" + key.encode() + b"\0\0\0\0\0" + text.encode()
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:_HEADER] + chunks + png[_HEADER:]


def shows(figure: Figure) -> str:
    """``"people"`` where a figure holds a photograph or a person's landmarks, else ``"drawing"``.

    Whoever draws landmarks says so (``gid=SOMEBODY``). Any picture in colours counts as a photograph unless it is said
    to be drawn (``gid=DRAWN``), so that what forgets the mark is not shared.
    """
    for artist in figure.findobj():
        coloured = (
            isinstance(artist, _ImageBase) and artist.get_array() is not None and artist.get_array().ndim == 3
        )
        if artist.get_gid() == SOMEBODY or (coloured and artist.get_gid() != DRAWN):
            return PEOPLE
    return DRAWING


def words(figure: Figure) -> list[str]:
    """Every text in a figure once, sorted: titles, labels, ticks, legends."""
    return sorted({text.get_text().strip() for text in figure.findobj(Text)} - {""})
