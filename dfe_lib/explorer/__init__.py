"""The token explorer: see a token, bend a face with it, find it in a recording, believe it.

What is shown and how it is computed is plain Python and works without a kernel: ``state``, ``clips``, ``codebook``,
``pictures``, ``selection``. ``views``, ``panels`` and ``widget`` put it on the screen; ``opening`` is ``dfe explore``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from dfe_lib.explorer.widget import Explorer
    from dfe_lib.tokens import Tokenizer


def explore(
    tokenizer: Tokenizer,
    table: pd.DataFrame | None = None,
    mesh: str = "face478",
    videos: Mapping[str, str | Path] | None = None,
    recording: str | None = None,
) -> Explorer:
    """Explore the tokens of recordings, and the codebook, in a notebook.

    Parameters
    ----------
    tokenizer : e.g. ``Tokenizer.load()``.
    table : frame table with ``psi_`` or ``token_`` columns, one or more recordings; by default the shipped tracks.
    mesh : ``"face478"``, ``"ict"`` or ``"auto"``, see :func:`dfe_lib.face.morphable.load_morphable`. The small faces
        of the gallery are face478's in any case.
    videos : recording → video file; by default those of the shipped tracks that are at hand.
    recording : opened first; by default the table's first.

    Returns
    -------
    An :class:`~dfe_lib.explorer.widget.Explorer`; as the last expression of a cell it shows itself.

    Raises
    ------
    InputError : a table without frames, with neither ψ nor tokens of this tokenizer, or without that recording.

    Examples
    --------
    >>> from dfe_lib.tokens import Tokenizer                                               # doctest: +SKIP
    >>> explore(Tokenizer.load(), frames.read("tokens.parquet"), videos={"me": "me.mp4"})  # doctest: +SKIP
    """
    # Here, so that `dfe explore` can tell a file of the wrong kind at once.
    from dfe_lib.data.tracks import shipped_tracks
    from dfe_lib.explorer.clips import shipped_videos
    from dfe_lib.explorer.widget import Explorer
    from dfe_lib.face.morphable import load_morphable

    if table is None:
        table = shipped_tracks()
        table.attrs["shipped"] = True
        videos = shipped_videos() if videos is None else videos
    own = tokenizer.space.model
    model = load_morphable(mesh) if own is None else own
    small = load_morphable("face478") if own is None else own
    return Explorer(tokenizer, table, model, videos, small, recording)


__all__ = ["explore"]
