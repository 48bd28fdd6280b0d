"""Sheets of faces that a person can judge: photograph beside recovered face, true face beside recovered face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.figures.faces import plot_face, plot_face_row
from dfe_lib.figures.style import QUALITATIVE
from dfe_lib.space import ICT53

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

_BARS = 6  # coefficients beside each face
_MARGIN = 0.45  # of the face's height, left around it


def plot_contact_sheet(
    pictures: Sequence[np.ndarray],
    landmarks: np.ndarray,
    psi: np.ndarray,
    model: Morphable,
    titles: Sequence[str] | None = None,
    columns: int = 2,
) -> Figure:
    """Pictures, the faces recovered from them, and their largest coefficients.

    Parameters
    ----------
    pictures : n pictures, (H, W, 3) uint8 RGB; cut to the face.
    landmarks : (n, 478, 2 or 3) px, where the faces are. psi : (n, 53).
    titles : one per picture.
    columns : pictures side by side.
    """
    psi = ICT53.check(psi)
    if not len(pictures) == len(landmarks) == len(psi):
        raise InputError(
            f"{len(pictures)} pictures, {len(landmarks)} sets of landmarks and {len(psi)} rows of ψ; give one of each"
        )
    rows = -(-len(pictures) // columns)
    figure, grid = plt.subplots(
        rows,
        3 * columns,
        figsize=(3.6 * columns, 1.35 * rows),
        width_ratios=[1, 1, 1.1] * columns,
        squeeze=False,
        layout="constrained",
    )
    longest = 1.05 * max(float(np.abs(psi).max()), 0.5)
    for i, triple in enumerate(grid.reshape(rows * columns, 3)):
        if i >= len(pictures):
            for ax in triple:
                ax.set_axis_off()
            continue
        photo, face, bars = triple
        photo.imshow(pictures[i])  # without landmarks: their dots would cover the expression
        photo.set_axis_off()
        photo.set_anchor("N")  # so that the title stands above the face beside it too
        (left, top), (right, bottom) = landmarks[i, :, :2].min(axis=0), landmarks[i, :, :2].max(axis=0)
        margin = _MARGIN * (bottom - top)
        photo.set(xlim=(left - margin, right + margin), ylim=(bottom + margin / 2, top - margin))
        if titles is not None:
            photo.set_title(titles[i], fontsize=6, loc="left", pad=4)
        plot_face(model.vertices(psi[i]), model.triangles, face)
        face.set_anchor("NW")  # what is left of its place stands between the face and the names of the bars
        largest = np.argsort(-np.abs(psi[i]))[:_BARS][::-1]
        bars.barh([ICT53.names[k] for k in largest], psi[i][largest], color=QUALITATIVE[0])
        bars.tick_params(labelsize=5)
        bars.axvline(0, color="0.4", linewidth=0.5)
        bars.set_xlim(min(0.0, 1.05 * float(psi.min())), longest)
    return figure


def plot_true_and_recovered(truth: np.ndarray, answer: np.ndarray, model: Morphable) -> Figure:
    """True faces above the recovered ones above their distance on the mesh, in mm.

    Parameters
    ----------
    truth, answer : (n, 53).
    """
    truth, answer = ICT53.check(truth), ICT53.check(answer)
    true, back = model.vertices(truth), model.vertices(answer)
    heat = np.linalg.norm(true - back, axis=2)
    titles = ["true"] * len(truth) + ["recovered"] * len(truth)
    titles += [f"error, RMS {v:.1f} mm" for v in ICT53.norm(truth - answer)]
    colours = [None] * 2 * len(truth) + list(heat)
    figure = plot_face_row([*true, *back, *true], model.triangles, titles, colours, columns=len(truth))
    figure.axes[-1].set_ylabel("error (mm)")
    return figure
