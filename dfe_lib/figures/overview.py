"""The method in one picture: a frame, its landmarks and ψ, its tokens, the bag of a recording, and a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from dfe_lib.errors import InputError
from dfe_lib.figures.extraction import plot_landmarks
from dfe_lib.figures.faces import below_chin, plot_face
from dfe_lib.figures.galleries import wrapped
from dfe_lib.figures.naming import describe
from dfe_lib.figures.prediction import LOWERS, RAISES
from dfe_lib.figures.style import PAGE, QUALITATIVE, colour

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable

_HEIGHT = 5.6  # inches
_BANDS = {"A": (0.67, 0.326), "B": (0.352, 0.31), "C": (0.004, 0.34)}  # bottom and height, of the figure's
_BAND = "#F5F4F2"
_ARROW = "0.45"
_COEFFICIENTS = 8
_TOKENS = 12


@dataclass(frozen=True)
class Prediction:
    """What a linear model makes of bags of tokens: the people of the picture's last band.

    Attributes
    ----------
    weights : (K,) of every token, in units of the label per standard deviation of the token's frequency.
    truth, predicted : (n,) label of every recording, and what was predicted out of fold.
    label : what is predicted. who : of whom, e.g. ``"60 simulated people"``.
    """

    weights: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    label: str
    who: str


def plot_overview(
    rgb: np.ndarray | None,
    landmarks: np.ndarray,
    psi: np.ndarray,
    clip_codes: np.ndarray,
    frame: int,
    tokenizer,
    model: Morphable,
    prediction: Prediction,
) -> Figure:
    """Draw the method, from a frame of a real clip to a prediction.

    Parameters
    ----------
    rgb : (H, W, 3) uint8, the frame; None where the picture is not at hand: its landmarks stand alone.
    landmarks : (478, 2 or 3), px. psi : (d,), of the frame.
    clip_codes : (n, S), the tokens of the clip's frames with a face. frame : row of this frame in it.
    prediction : see :class:`Prediction`.

    Returns
    -------
    A new figure of a page's width.
    """
    clip_codes = np.asarray(clip_codes)
    if clip_codes.ndim != 2 or not 0 <= frame < len(clip_codes) or (clip_codes < 0).any():
        raise InputError(
            f"tokens of frames with a face, and one of these frames, are needed; got {clip_codes.shape}"
        )
    figure = plt.figure(figsize=(PAGE, _HEIGHT), layout="none")
    for bottom, height in _BANDS.values():
        box = FancyBboxPatch(
            (0.012, bottom + 0.006), 0.976, height - 0.012, boxstyle="round,pad=0,rounding_size=0.012",
            transform=figure.transFigure, facecolor=_BAND, edgecolor="none", zorder=-2, mutation_aspect=PAGE / _HEIGHT,
        )  # fmt: skip
        figure.add_artist(box)
    _measure(figure, rgb, landmarks, psi, tokenizer, model)
    _tokens(figure, psi, clip_codes[frame], tokenizer, model)
    _predict(figure, clip_codes, clip_codes[frame], tokenizer, prediction)
    return figure


def _measure(figure: Figure, rgb, landmarks, psi, tokenizer, model) -> None:
    bottom, height = _BANDS["A"]
    low, tall = bottom + 0.02, height - 0.096
    photo = figure.add_axes((0.03, low, 0.3, tall))
    plot_landmarks(rgb, landmarks, photo, size=2.0, margin=0.25)
    _fill(photo, None if rgb is None else rgb.shape[1], 0.3 * PAGE / (tall * _HEIGHT))
    face = figure.add_axes((0.39, low, 0.19, tall))
    _face(face, psi, model)
    bars = figure.add_axes((0.77, low + 0.05, 0.2, tall - 0.05), facecolor="none")
    top = np.argsort(-np.abs(psi))[:_COEFFICIENTS][::-1]
    bars.barh([tokenizer.space.names[i] for i in top], psi[top], color=QUALITATIVE[0], height=0.7)
    bars.axvline(0, color="0.4", linewidth=0.6)
    bars.set_xlabel("coefficient (0 neutral, 1 full)", fontsize=6.5, labelpad=1)
    bars.tick_params(axis="y", length=0, labelsize=6.5)
    bars.tick_params(axis="x", labelsize=6)
    _step(figure, 0.03, "A", "1", "video frame, landmarks", f"{len(landmarks)} points, in pixels")
    _step(figure, 0.395, "A", "2", "face model", "identity and pose taken off")
    _step(figure, 0.655, "A", "3", "expression ψ", f"the largest of {tokenizer.space.dimension} coefficients")
    for start in (0.345, 0.595):
        _arrow(figure, (start, low + tall / 2), (start + 0.035, low + tall / 2))


def _tokens(figure: Figure, psi, codes, tokenizer, model) -> None:
    bottom, height = _BANDS["B"]
    stages = len(codes)
    parts = [tokenizer.decode(codes[None, :s])[0] for s in range(1, stages + 1)]
    added = np.diff(np.stack([np.zeros_like(parts[0]), *parts]), axis=0)
    heat = np.linalg.norm(model.vertices(added) - model.neutral, axis=2)
    words = describe(tokenizer.templates[codes], tokenizer.space)
    width = 0.955 / (stages + 1)
    low, tall = bottom + 0.08, height - 0.175
    for s in range(stages + 1):
        left = 0.025 + s * width
        ax = figure.add_axes((left, low, width, tall))
        if s < stages:
            peak = heat[s].max()
            shown = 6.0 / max(
                peak, 1e-6
            )  # one strength for all, as fine tokens could not be seen beside coarse ones
            _face(ax, added[s] * shown, model, heat[s] * shown, limit=6.0)
            text = f"token {codes[s]}"
            note = f"{wrapped(words[s], 17)}\nup to {peak:.1f} mm"
        else:
            _face(ax, parts[-1], model)
            text = "sum: ψ̂"
            note = f"{float(tokenizer.space.norm(psi - parts[-1])):.2f} mm RMS\nfrom ψ"
        ax.text(0.5, 1.0, text, transform=ax.transAxes, ha="center", va="bottom", fontsize=7)
        ax.text(
            0.5,
            -0.03,
            note,
            transform=ax.transAxes,
            ha="center",
            va="top",
            fontsize=5.5,
            color="0.3",
            linespacing=1.15,
        )
        if s:
            figure.text(
                left,
                low + tall / 2,
                "=" if s == stages else "+",
                ha="center",
                va="center",
                fontsize=11,
                color=_ARROW,
            )
    bits = (
        f"{tokenizer.bits_per_frame:.0f} bits a frame, coarse to fine; colour: where a token moves the skin"
    )
    _step(figure, 0.03, "B", "4", "tokens", bits)


def _predict(figure: Figure, clip_codes, codes, tokenizer, prediction: Prediction) -> None:
    bottom, height = _BANDS["C"]
    low, tall = bottom + 0.075, height - 0.155
    share = np.array([(clip_codes == k).any(axis=1).mean() for k in range(len(tokenizer.templates))])
    most = np.argsort(-share, kind="stable")[:_TOKENS]
    labels = [str(k) for k in most]
    bag = figure.add_axes((0.088, low, 0.25, tall), facecolor="none")
    here = np.isin(most, codes)
    bag.bar(labels, 100 * share[most], color=[colour("DFE") if h else "#F0B583" for h in here], width=0.75)
    bag.set_ylabel("frames with it (%)", fontsize=6.5)
    weights = figure.add_axes((0.485, low, 0.21, tall), facecolor="none")
    value = np.asarray(prediction.weights)[most]
    weights.bar(labels, value, color=[RAISES if v > 0 else LOWERS for v in value], width=0.75)
    weights.axhline(0, color="0.4", linewidth=0.6)
    weights.set_ylabel(f"{prediction.label} per SD", fontsize=6.5)
    for ax in (bag, weights):
        ax.set_xlabel("token", fontsize=6.5, labelpad=1)
        ax.tick_params(axis="x", length=0, labelsize=5.5, rotation=90)
        ax.tick_params(axis="y", labelsize=6)
    _scatter(figure.add_axes((0.81, low, 0.165, tall), facecolor="none"), prediction)
    _step(
        figure, 0.03, "C", "5", "bag of tokens", f"of the clip: {len(clip_codes)} frames; dark: in this frame"
    )
    _step(figure, 0.405, "C", "6", "linear model", f"learnt on {prediction.who}")
    _step(figure, 0.745, "C", "7", "prediction", "of people not learnt from")
    for start in (0.35, 0.705):
        _arrow(figure, (start, low + tall / 2), (start + 0.025, low + tall / 2))


def _scatter(ax: Axes, prediction: Prediction) -> None:
    truth, guess = np.asarray(prediction.truth, dtype=float), np.asarray(prediction.predicted, dtype=float)
    ax.scatter(truth, guess, s=5, color=colour("DFE"), alpha=0.45, linewidths=0)
    ends = (min(truth.min(), guess.min()), max(truth.max(), guess.max()))
    ax.plot(ends, ends, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    ax.text(
        0.04,
        0.98,
        f"r = {np.corrcoef(truth, guess)[0, 1]:.2f}",
        transform=ax.transAxes,
        va="top",
        fontsize=6.5,
    )
    ax.tick_params(labelsize=6)
    ax.set_xlabel(f"planted {prediction.label}", fontsize=6.5, labelpad=1)
    ax.set_ylabel("predicted", fontsize=6.5)


def _fill(ax: Axes, width: int | None, aspect: float) -> None:
    """Widen a cut of the picture until it fills its axes, as far as the picture goes."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    half = max(right - left, aspect * (bottom - top)) / 2
    middle = (left + right) / 2
    if width is not None:
        half = min(half, middle, width - 1 - middle)
    ax.set_xlim(middle - half, middle + half)


def _face(
    ax: Axes, psi: np.ndarray, model: Morphable, heat: np.ndarray | None = None, limit: float | None = None
) -> None:
    plot_face(model.vertices(psi), model.triangles, ax, heat, limit=limit)
    low, high = model.neutral[:, :2].min(axis=0) - 3, model.neutral[:, :2].max(axis=0) + 3
    bottom = below_chin(model)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1] if bottom is None else bottom, high[1]))


def _step(figure: Figure, x: float, band: str, number: str, title: str, note: str) -> None:
    """Heading of a step: its number and name, and in grey below what is shown."""
    bottom, height = _BANDS[band]
    y = bottom + height
    figure.text(x, y - 0.03, f"{number}  {title}", fontsize=8, fontweight="bold", va="center")
    figure.text(x, y - 0.056, note, fontsize=6.5, color="0.35", va="center")


def _arrow(figure: Figure, start: tuple[float, float], end: tuple[float, float]) -> None:
    figure.add_artist(
        FancyArrowPatch(
            start, end, transform=figure.transFigure, arrowstyle="-|>", mutation_scale=11, linewidth=1.4,
            color=_ARROW, shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip
