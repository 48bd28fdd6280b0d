"""The look of all figures: colours that stay apart for colour-blind readers, units on axes, plain numbers."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from dfe_lib.figures import style

# Machado, Oliveira & Fernandes (2009), severity 1: what a dichromat sees, as a matrix on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
APART = 10.0  # CIEDE2000; a difference of 1 can just be seen, one of 10 at a glance


def lightness_and_colour(colours, vision):
    rgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ VISION[vision].T
    linear = np.clip(linear, 0, 1)
    seen = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(seen[None])[0]


def closest(colours, vision):
    lab = lightness_and_colour(colours, vision)
    distance = deltaE_ciede2000(lab[:, None], lab[None])
    return distance[~np.eye(len(lab), dtype=bool)].min()


@pytest.mark.parametrize("vision", VISION)
def test_codings_can_be_told_apart(vision):
    methods = [c for name, c in style.CODING_COLOURS.items() if name not in ("constant", "shuffled")]
    assert closest(methods, vision) > APART
    assert closest(style.QUALITATIVE, vision) > APART


def test_the_measure_sees_a_palette_that_fails():
    assert closest(("#FF0000", "#7F7F00"), "deuteranopia") < closest(("#FF0000", "#7F7F00"), "normal") / 2


@pytest.mark.parametrize("vision", VISION)
def test_more_displacement_is_darker_for_everybody(vision):
    lightness = lightness_and_colour(style.DISPLACEMENT(np.linspace(0, 1, 9)), vision)[:, 0]
    assert (np.diff(lightness) < -1).all()


def test_raising_and_lowering_can_be_told_apart():
    from dfe_lib.figures.prediction import LOWERS, RAISES

    assert all(closest((RAISES, LOWERS), vision) > 2 * APART for vision in VISION)


def test_columns_are_those_of_a_page():
    assert 25.4 * style.COLUMN == pytest.approx(86, abs=3) and 25.4 * style.PAGE == pytest.approx(178, abs=3)


def test_a_logarithmic_axis_has_plain_numbers():
    figure, ax = plt.subplots()
    ax.plot([1, 2], [0.13, 6.0])
    ax.set_yscale("log")
    style.plain_log(ax.yaxis)
    figure.canvas.draw()
    shown = [t.get_text() for t in ax.get_yticklabels(which="both") if t.get_text()]
    assert {"0.2", "0.5", "1", "2", "5"} <= set(shown) and not any("10^" in t for t in shown)
    plt.close(figure)
