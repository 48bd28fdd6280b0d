"""A figure on disk: PNG to look at, PDF to print, and its caption; equal pictures are equal files."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.results import write_atomically

SUFFIXES = (".png", ".pdf", ".md")
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
    for suffix, content in written.items():
        write_atomically(stem.with_name(stem.name + suffix), content)
    plt.close(figure)
    return stem.with_name(stem.name + ".png")
