"""A figure says of itself whether it shows somebody, and which words stand in it."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from dfe_lib.explorer.pictures import plot_all_templates
from dfe_lib.face.morphable import load_morphable
from dfe_lib.figures import extraction, files, sheets


def told(path):
    with Image.open(path) as picture:
        return picture.info[files.SHOWS], picture.info[files.WORDS].splitlines()


def photograph():
    return np.full((64, 64, 3), 90, np.uint8)


def sheet():
    points = np.random.default_rng(0).uniform(10, 50, (1, 478, 3))
    return sheets.plot_contact_sheet([photograph()], points, np.zeros((1, 53)), load_morphable("face478"))


def landmarks_alone():
    return extraction.plot_landmarks(None, np.random.default_rng(0).uniform(0, 9, (478, 3))).figure


def picture_without_a_word_about_it():
    figure, ax = plt.subplots()
    ax.imshow(photograph())
    return figure


def chart():
    figure, ax = plt.subplots()
    ax.imshow(np.eye(3))
    ax.set_title("clip one · ψ")
    return figure


def templates():
    return plot_all_templates(np.zeros((3, 84, 72, 3), np.uint8))


@pytest.mark.parametrize(
    ("draw", "shows"),
    [
        (sheet, files.PEOPLE),
        (landmarks_alone, files.PEOPLE),
        (picture_without_a_word_about_it, files.PEOPLE),
        (chart, files.DRAWING),
        (templates, files.DRAWING),
    ],
)
def test_photographs_and_landmarks_are_people_and_all_else_is_drawn(draw, shows, tmp_path):
    path = files.save(draw(), tmp_path / "figure", "What is shown, n = 1.")
    assert told(path)[0] == shows


def test_its_words_can_be_read_without_looking(tmp_path):
    assert "clip one · ψ" in told(files.save(chart(), tmp_path / "figure", "A chart, n = 1."))[1]


def test_words_of_ticks_and_legends_count(tmp_path):
    figure, ax = plt.subplots()
    ax.barh(["anna", "bert"], [1, 2], label="people")
    ax.legend()
    assert {"anna", "bert", "people"} <= set(told(files.save(figure, tmp_path / "f", "Bars, n = 2."))[1])
