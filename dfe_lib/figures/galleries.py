"""Galleries of faces: templates sorted by region, and displays beside what codings make of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from dfe_lib.errors import InputError
from dfe_lib.figures.faces import below_chin, plot_face
from dfe_lib.figures.style import DISPLACEMENT, PAGE

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

_PEAK = 6.0  # mm
_WRAP = 17  # characters: what fits above one face of eight


def plot_region_gallery(
    templates: np.ndarray,
    model: Morphable,
    regions: Sequence[str],
    names: Sequence[str],
    use: np.ndarray,
    columns: int = 8,
) -> Figure:
    """Templates by the region that they move most: one row a region, the most used first, named in words.

    Every template is drawn at one strength, so that fine tokens show as well as coarse ones: its largest displacement
    is 6 mm.

    Parameters
    ----------
    templates : (K, d). regions, names : (K,) texts. use : (K,) how often each is used.
    columns : templates of each region.
    """
    templates, use = np.asarray(templates), np.asarray(use)
    if not len(templates) == len(regions) == len(names) == len(use):
        raise InputError("templates, regions, names and use must be equally many")
    rows = {
        r: [k for k in np.argsort(-use, kind="stable") if regions[k] == r] for r in dict.fromkeys(regions)
    }
    rows = {r: members for r, members in sorted(rows.items(), key=lambda item: -len(item[1]))}
    chosen = {
        f"{r}\n({len(members)} token{'s' * (len(members) != 1)})": members[:columns]
        for r, members in rows.items()
    }
    titles = {label: [f"{k}: {names[k]}" for k in members] for label, members in chosen.items()}
    psi, heats = {}, {}
    for label, members in chosen.items():
        psi[label], heats[label] = at_one_strength(templates[members], model)
    return _grid(psi, titles, heats, model, columns, "displacement (mm), scaled")


def plot_named(templates: np.ndarray, model: Morphable, names: Sequence[str], columns: int = 8) -> Figure:
    """Templates (K, d) in rows, each with its name above, at one strength (see :func:`plot_region_gallery`)."""
    templates = np.asarray(templates)
    if len(templates) != len(names) or not len(names):
        raise InputError(f"{len(templates)} templates need as many names, at least one, got {len(names)}")
    psi, titles, heats = {}, {}, {}
    for row, start in enumerate(range(0, len(templates), columns)):
        part, key = slice(start, start + columns), " " * row  # rows without a label
        psi[key], heats[key] = at_one_strength(templates[part], model)
        titles[key] = list(names[part])
    return _grid(psi, titles, heats, model, min(columns, len(names)), "displacement (mm), scaled")


def plot_one(
    truth: np.ndarray,
    answers: Sequence[np.ndarray],
    names: Sequence[str],
    model: Morphable,
    title: str = "true",
) -> Figure:
    """One display and what every coding gives back, coloured by its error; RMS errors stand above.

    Parameters
    ----------
    truth : (d,). answers : n of (d,). names : n texts.
    """
    psi = np.stack([truth, *answers])
    vertices = model.vertices(psi)
    heat = np.linalg.norm(vertices - vertices[0], axis=2)
    texts = [
        title,
        *(f"{name}\n{np.sqrt((h**2).mean()):.2f} mm" for name, h in zip(names, heat[1:], strict=True)),
    ]
    columns = min(6, len(psi))
    rows = {" " * i: slice(i * columns, (i + 1) * columns) for i in range(-(-len(psi) // columns))}
    return _grid(
        {k: psi[part] for k, part in rows.items()}, {k: texts[part] for k, part in rows.items()},
        {k: heat[part] for k, part in rows.items()}, model, columns, "error (mm)",
    )  # fmt: skip


def plot_answers(
    truth: np.ndarray,
    answers: Mapping[str, np.ndarray],
    model: Morphable,
    titles: Sequence[str],
    first: str = "display",
) -> Figure:
    """Displays in the first row, then a row for each coding: the face that it gives back, coloured by its error.

    Parameters
    ----------
    truth : (n, d). answers : coding → (n, d).
    titles : n texts above the displays, e.g. what they are and where from.
    first : what stands left of the first row.
    """
    if len(truth) != len(titles) or any(len(a) != len(truth) for a in answers.values()):
        raise InputError("every display needs a title, and an answer from every coding")
    if not len(truth):
        raise InputError("there is no display to draw")
    true = model.vertices(np.atleast_2d(truth))
    psi, heats, texts = {first: truth}, {first: None}, {first: list(titles)}
    for name, answer in answers.items():
        psi[name] = answer
        heats[name] = np.linalg.norm(model.vertices(np.atleast_2d(answer)) - true, axis=2)
        texts[name] = [f"{np.sqrt((h**2).mean()):.2f} mm" for h in heats[name]]
    return _grid(psi, texts, heats, model, len(truth), "error (mm)")


def at_one_strength(templates: np.ndarray, model: Morphable) -> tuple[np.ndarray, np.ndarray]:
    """Templates (K, d) scaled so that each one's largest displacement is 6 mm, and their displacements (K, V) in mm."""
    moved = np.linalg.norm(model.vertices(templates) - model.neutral, axis=2)
    strength = _PEAK / np.maximum(moved.max(axis=1, keepdims=True), 1e-6)
    return templates * strength, moved * strength


def _grid(
    psi: Mapping[str, np.ndarray],
    titles: Mapping[str, Sequence[str]],
    heats: Mapping[str, np.ndarray | None],
    model: Morphable,
    columns: int,
    label: str,
) -> Figure:
    """Rows of faces with a label left of each row and one scale of heat for all."""
    lines = {
        row: max((wrapped(t).count("\n") + 1 for t in texts), default=1) for row, texts in titles.items()
    }
    width = PAGE / 8.6  # of one face, so that eight fit the page beside their labels
    heights = [1.25 * width + 0.1 * n for n in lines.values()]
    figure, grid = plt.subplots(
        len(psi), columns, squeeze=False, height_ratios=heights,
        figsize=(min(PAGE, width * columns + 0.9), sum(heights) + 0.1),
    )  # fmt: skip
    limit = max((float(np.quantile(h, 0.999)) for h in heats.values() if h is not None), default=1.0)
    bottom = below_chin(model)
    reach = model.neutral[:, :2]
    low, high = reach.min(axis=0) - 3, reach.max(axis=0) + 3
    if bottom is not None:
        low[1] = bottom
    for row, (name, expressions) in zip(grid, psi.items(), strict=True):
        for i, ax in enumerate(row):
            if i < len(expressions):
                heat = None if heats[name] is None else heats[name][i]
                plot_face(model.vertices(expressions[i]), model.triangles, ax, heat, limit=limit)
                ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
                ax.set_title(wrapped(titles[name][i]), fontsize=5.5, pad=2)
            ax.set_axis_off()
        row[0].text(
            -0.12, 0.5, name, transform=row[0].transAxes, rotation=90, ha="right", va="center", fontsize=7,
            multialignment="center",
        )  # fmt: skip
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, limit), DISPLACEMENT), ax=grid, shrink=min(1.0, 2.4 / len(psi)), aspect=25,
        pad=0.01,
    )  # fmt: skip
    bar.set_label(label)
    return figure


def wrapped(text: str, width: int = _WRAP) -> str:
    """``text`` broken into lines of at most ``width`` characters; its own line breaks stay."""
    return "\n".join(part for line in text.split("\n") for part in textwrap.wrap(line, width))
