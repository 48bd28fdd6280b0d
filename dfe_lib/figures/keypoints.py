"""Units of codings as arrows on 68 keypoints, as the authors of DFECS show theirs."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.figures.style import QUALITATIVE, axes

# Runs of points that are drawn as lines; the flag closes the run.
_LINES = (
    *((range(0, 17), False), (range(17, 22), False), (range(22, 27), False), (range(27, 31), False)),
    *((range(31, 36), False), (range(36, 42), True), (range(42, 48), True)),
    *((range(48, 60), True), (range(60, 68), True)),
)
_OUTLINE = "#BBBBBB"
_SHORTEST = 0.006  # of the face's width: shorter arrows are left out


def plot_keypoint_arrows(
    start: np.ndarray, end: np.ndarray, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw one unit: the face at rest in grey, and an arrow for every keypoint that the unit moves.

    Parameters
    ----------
    start, end : (68, 2), x right and y down, as :func:`dfe_lib.codings.keypoints.arrows` gives them; its ``strength``
        makes the arrows longer.

    Returns
    -------
    ax, holding one :class:`matplotlib.collections.LineCollection` (the face) and one quiver.

    Raises
    ------
    InputError : arrays of another shape, or that are not finite.

    Examples
    --------
    >>> start, end = arrows(coding.templates[0], coding.space)        # doctest: +SKIP
    >>> plot_keypoint_arrows(start, end, title="unit 1")              # doctest: +SKIP
    """
    start, end = np.asarray(start, float), np.asarray(end, float)
    if start.shape != (68, 2) or end.shape != (68, 2) or not np.isfinite([start, end]).all():
        raise InputError(f"start and end must be finite (68, 2) keypoints, got {start.shape} and {end.shape}")
    ax = axes(ax)
    runs = [[*run, run[0]] if closed else list(run) for run, closed in _LINES]
    ax.add_collection(LineCollection([start[run] for run in runs], colors=_OUTLINE, linewidths=0.8))
    width, height = np.ptp(start, axis=0)
    moved = np.linalg.norm(end - start, axis=1) > _SHORTEST * width
    ax.quiver(
        *start[moved].T,
        *(end - start)[moved].T,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.012,
        headwidth=3.5,
        headlength=3.5,
        headaxislength=3.5,
        minlength=0,
        color=QUALITATIVE[5],
        zorder=3,
    )
    (left, top), (right, bottom) = start.min(axis=0), start.max(axis=0)
    ax.set(
        xlim=(left - 0.12 * width, right + 0.12 * width), ylim=(bottom + 0.15 * height, top - 0.1 * height)
    )
    ax.set_aspect("equal")
    ax.axis("off")
    if title is not None:
        ax.set_title(title)
    return ax


def plot_keypoint_units(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], titles: Sequence[str] | None = None, columns: int = 6
) -> Figure:
    """Several units side by side, ``columns`` in a row; see :func:`plot_keypoint_arrows`."""
    if not len(pairs):
        raise InputError("there are no units to draw")
    columns = min(columns, len(pairs))
    rows = -(-len(pairs) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(1.2 * columns, 1.5 * rows), squeeze=False)
    for i, ax in enumerate(grid.ravel()):
        if i < len(pairs):
            plot_keypoint_arrows(*pairs[i], ax=ax, title=None if titles is None else titles[i])
        else:
            ax.axis("off")
    return figure
