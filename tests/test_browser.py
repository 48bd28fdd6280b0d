"""Notebook 08 used as a person would: JupyterLab in a real browser, cut off from every other host."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import driven
import numpy as np
import pytest

from dfe_lib.bench.explorer import (
    NOTEBOOK,
    browser_page,
    jupyterlab,
    key_to_redraw_ms,
    run_notebook,
)

pytestmark = driven.MARKS
SHOTS = os.environ.get("DFE_SCREENSHOTS")  # a folder to keep the pictures in; else pytest's temporary one


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def page(home):
    """The notebook, opened and run from JupyterLab's menu; its errors are gathered in ``page.said``."""
    with jupyterlab(NOTEBOOK, home) as url, browser_page(height=1100) as page:
        page.said = []
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("console", lambda line: line.type == "error" and page.said.append(line.text))
        run_notebook(page, url)
        yield page


@pytest.fixture
def shot(page, home, request):
    """Takes a picture of the explorer as it is after the test."""
    yield
    folder = Path(SHOTS) if SHOTS else home
    page.locator("[role=status]").first.evaluate("e => e.scrollIntoView()")
    page.screenshot(path=folder / f"{request.node.name}.png")


def status(page) -> str:
    return page.locator("[role=status]", has_text=re.compile(r"frame \d+")).inner_text()


def until(page, text: str | re.Pattern) -> None:
    page.locator("[role=status]", has_text=text).wait_for()


def tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def handle(page, slider: str):
    return page.locator(".widget-slider", has_text=slider).locator(".noUi-handle").first


def says(page, selector: str, what: str, value: str) -> None:
    """Wait until a canvas says so of its last drawing."""
    page.locator(f'{selector}[data-{what}="{value}"]').first.wait_for()


def settled(page, selector: str) -> str:
    """The number of drawings of a canvas, once it has stopped growing."""
    before = None
    while before != (now := page.locator(selector).first.get_attribute("data-drawn")):
        before = now
        page.wait_for_timeout(400)
    return now


def drawn_anew(page, selector: str, act) -> np.ndarray:
    """The picture after something that makes a canvas draw."""
    before = settled(page, selector)
    act()
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).dataset.drawn !== before",
        arg=[selector, before],
    )
    return picture(page, selector)


def picture(page, selector: str) -> np.ndarray:
    """(H, W, 3) int: a canvas as it is seen, without its border, where the focus is shown."""
    from PIL import Image

    settled(page, selector)
    shot = page.locator(selector).first.screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)[5:-5, 5:-5]


FACE, RASTER = ".dfe-face canvas", ".dfe-raster canvas"


def test_the_face_is_drawn(page, shot):
    rgb = picture(page, FACE)
    assert 0.2 < (rgb.min(axis=2) < 235).mean() < 0.9, "a face fills a good part of the picture"


def test_a_click_on_a_template_bends_the_face_with_it(page, shot):
    tab(page, "Tokens")
    faces = page.locator(".dfe-gallery").first.locator("button")
    assert faces.count() == 256
    before = picture(page, FACE)
    faces.nth(3).click()
    token = faces.nth(3).get_attribute("data-code")
    until(page, f"token {token}: face moved by")
    page.get_by_text(re.compile(rf"Token {token}: .+ Moves the face by")).wait_for()
    rgb = picture(page, FACE)
    assert (rgb != before).any() and ((rgb[..., 0] - rgb[..., 2]) > 60).any(), "what the token moves is hot"
    page.keyboard.press("ArrowRight")
    until(page, f"token {faces.nth(4).get_attribute('data-code')}: face moved by")


def test_the_intensity_slider_moves_the_mesh(page, record_property):
    before = picture(page, FACE)
    taken = key_to_redraw_ms(page, "Intensity", ("ArrowRight", "ArrowLeft") * 3 + ("End",))
    record_property("key_to_face_ms", round(float(np.median(taken)), 1))
    assert (picture(page, FACE) != before).any()
    handle(page, "Intensity").press("Home")
    until(page, re.compile(r"face moved by [1-9\d.]+"))


def test_the_face_turns_by_keyboard_and_shows_its_mesh(page, shot):
    front = picture(page, FACE)
    page.locator(FACE).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    says(page, FACE, "yaw", "0.20")
    turned = picture(page, FACE)
    assert (turned != front).any()
    wired = drawn_anew(page, FACE, page.get_by_label("Wireframe").check)
    assert (wired != turned).any()
    assert (drawn_anew(page, FACE, page.get_by_label("Wireframe").uncheck) == turned).mean() > 0.98
    page.get_by_role("button", name="Front view").click()
    says(page, FACE, "yaw", "0.00")
    assert (picture(page, FACE) == front).mean() > 0.98


def test_a_composed_face_and_its_coefficients(page, shot):
    tab(page, "Compose")
    page.get_by_role("button", name="take this frame's tokens").click()
    until(page, re.compile(r"composed face: face moved by (?!0\.00)"))
    bars = page.locator("svg[role=img]", has_text="jawOpen")
    full = bars.get_attribute("aria-label")
    page.get_by_role("button", name="clear", exact=True).click()
    until(page, "composed face: face moved by 0.00 mm")
    assert bars.get_attribute("aria-label") != full


def test_a_click_on_a_cell_goes_there_and_chooses_its_token(page, shot):
    tab(page, "Recording")
    page.locator(RASTER).click(position={"x": 420, "y": 12})
    until(page, re.compile(r"frame [1-9]\d* · .*recorded face"))
    says(page, RASTER, "cursor", re.search(r"frame (\d+)", status(page))[1])
    before = picture(page, RASTER)
    only = page.get_by_label("show only the chosen token")
    assert (drawn_anew(page, RASTER, only.check) != before).any()
    assert (drawn_anew(page, RASTER, only.uncheck) == before).all()


def test_playing_moves_face_and_raster(page, shot):
    handle(page, "Frame").press("Home")
    until(page, "frame 0 ·")
    face, raster = picture(page, FACE), picture(page, RASTER)
    page.get_by_role("button", name="Play the recording").click()
    until(page, re.compile(r"frame ([5-9]|[1-5]\d) ·"))
    page.get_by_role("button", name="Pause the recording").click()
    page.wait_for_timeout(1000)
    assert (picture(page, FACE) != face).any() and (picture(page, RASTER) != raster).any()


def test_frames_and_stages_work_from_the_keyboard(page):
    settled(page, RASTER)
    before = int(re.search(r"frame (\d+)", status(page))[1])
    handle(page, "Frame").press("ArrowLeft")
    until(page, f"frame {before - 1} ·")
    handle(page, "Stages used").press("Home")
    until(page, re.compile(r"· 0 of \d+ tokens on .* face moved by 0\.00 mm"))
    handle(page, "Stages used").press("End")
    until(page, re.compile(r"· (\d+) of \1 tokens on"))
    page.locator("button.widget-toggle-button").first.click()
    until(page, re.compile(r"· 5 of 6 tokens on"))


def test_another_recording_and_the_comparison(page, shot):
    choice = page.locator(".widget-dropdown", has_text="Recording").locator("select").first
    names = choice.locator("option").all_inner_texts()
    choice.select_option(names[1])
    until(page, re.compile(rf"^{re.escape(names[1])} · frame \d+"))
    tab(page, "Compare")
    page.get_by_text("Jensen–Shannon distance").wait_for()
    assert page.locator("svg[role=img]", has_text="%").locator("rect").count() > 10


def test_export_says_what_it_wrote(page, home, shot):
    tab(page, "Export")
    page.get_by_role("button", name="write CSV, PNG and citation").click()
    page.locator("[role=alert]", has_text="citation.txt").wait_for()
    assert (home / "notebooks" / "selection" / "face.png").is_file()


def test_every_control_has_a_name_for_screen_readers(page):
    missing = page.evaluate(
        """() => [...document.querySelectorAll('.dfe button, .dfe canvas')].filter(
          (e) => !e.getAttribute('aria-label') && !e.textContent.trim()).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert not missing


def test_nothing_failed(page):
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").count() == 0
    errors = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")
    assert "Traceback" not in " ".join(errors.all_inner_texts())
    assert page.said == []


def test_the_page_of_the_saved_notebook_shows_the_pictures(page, home):
    """Without a kernel: what the executed notebook holds, as the report's page of it, in a browser."""
    from dfe_lib.report.executed import to_html

    page.keyboard.press("Escape")
    page.get_by_role("menuitem", name="File", exact=True).click()
    page.get_by_text("Save Notebook", exact=True).click()
    saved = home / "notebooks" / NOTEBOOK.name
    for _ in range(60):
        page.wait_for_timeout(500)
        if _cells_with_outputs(saved) >= 6:
            break
    exported = to_html(saved, home / "page")
    said, static = [], page.context.browser.new_page(viewport={"width": 1300, "height": 1000})
    static.on("pageerror", lambda error: said.append(str(error)))
    static.on("console", lambda line: line.type == "error" and said.append(line.text))
    static.goto(exported.as_uri())
    pictures = static.locator(".jp-RenderedImage img")
    assert pictures.count() >= 4, "gallery, raster, coarse to fine, tokens"
    for i in range(pictures.count()):
        assert pictures.nth(i).evaluate("e => e.naturalWidth") > 300
    static.screenshot(path=(Path(SHOTS) if SHOTS else home) / "static_export.png", full_page=True)
    static.close()
    assert said == []


def _cells_with_outputs(notebook: Path) -> int:
    """How many cells of a saved notebook have outputs; 0 while JupyterLab is still writing it."""
    text = notebook.read_text()
    if not text.rstrip().endswith("}"):
        return 0
    return sum(bool(cell.get("outputs")) for cell in json.loads(text)["cells"])
