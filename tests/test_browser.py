"""Notebook 08 used as a person would: JupyterLab in a real browser, cut off from every other host."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dfe_lib.paths import NOTEBOOKS

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
NOTEBOOK = NOTEBOOKS / "08_token_explorer.ipynb"
ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses its sandbox to root, as whom containers run
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # the widget must not need the network
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.enable_socket,  # the server on this machine; other hosts are cut off above
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on the PATH; install it to try the widget for real"
    ),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """URL of a JupyterLab that serves a copy of the notebook; all its files are in a temporary folder."""
    home = tmp_path_factory.mktemp("lab")
    work = home / "notebooks"
    work.mkdir()
    shutil.copy(NOTEBOOK, work)
    # All cells are drawn, not only those in view: the test need not scroll. And no question about news.
    _setting(home, "notebook-extension/tracker", windowingMode="none")
    _setting(home, "apputils-extension/notification", fetchNews="false", checkForUpdates=False)
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    log = open(home / "log", "w")
    server = subprocess.Popen(
        [*command, f"--ServerApp.root_dir={work}", "--IdentityProvider.token=t"],
        env=os.environ | {k: str(v) for k, v in folders.items()},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield _url(home / "runtime", server, home / "log")
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


def _setting(home: Path, plugin: str, **values) -> None:
    file = home / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


def _url(runtime: Path, server: subprocess.Popen, log: Path) -> str:
    for _ in range(300):
        for info in runtime.glob("jpserver-*.json"):
            return json.loads(info.read_text())["url"]
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def page(lab):
    """The notebook, opened and run from JupyterLab's menu."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"{lab}lab/tree/{NOTEBOOK.name}?token=t&reset")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.get_by_text(re.compile(r"Python 3.* \| Idle")).wait_for()
        _run_all(page)
        page.locator("[role=status]", has_text=re.compile(r"frame \d+")).wait_for()
        page.locator(".js-plotly-plot canvas").first.wait_for()
        yield page
        browser.close()


def _run_all(page) -> None:
    """Run → Run All Cells; once more if it was lost, as happens while the kernel's connection settles."""
    from playwright.sync_api import TimeoutError as Late

    begun = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[(\d+|\*)\]")).first
    for attempt in range(4):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        try:
            return begun.wait_for(timeout=8_000)
        except Late:
            if attempt == 3:
                raise


def status(page) -> str:
    return page.locator("[role=status]", has_text=re.compile(r"frame \d+")).inner_text()


def until(page, text: str | re.Pattern) -> None:
    page.locator("[role=status]", has_text=text).wait_for()


def chips(page):
    return page.locator("button.widget-toggle-button")


def picture(page, which: int) -> np.ndarray:
    """(H, W, 3) uint8: the face (0) or the template (1)."""
    import io

    from PIL import Image

    page.wait_for_timeout(800)  # WebGL draws in the next animation frames and says nothing when done
    shot = page.locator(".js-plotly-plot").screenshot()
    whole = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
    height, width = int(0.7 * whole.shape[0]), whole.shape[1] // 2
    return whole[30:height, which * width : (which + 1) * width]


def test_the_face_is_drawn(page):
    rgb = picture(page, 0).astype(int)
    skin = (np.ptp(rgb, axis=2) < 40) & (rgb.max(axis=2) < 235)
    assert skin.mean() > 0.15, "a grey face fills a good part of the picture"


def test_a_click_on_a_chip_takes_its_token_out_of_the_face(page):
    with_all, face = status(page), picture(page, 0)
    total = int(re.search(r"(\d+) of \1 tokens on", with_all)[1])
    chips(page).first.click()
    until(page, f"{total - 1} of {total} tokens on")
    assert (picture(page, 0) != face).any()
    chips(page).first.click()
    until(page, f"{total} of {total} tokens on")
    assert status(page) == with_all


def test_show_explains_the_token_of_a_chip(page):
    button = page.get_by_role("button", name=re.compile(r"^show \d+$")).last
    token = re.search(r"\d+", button.inner_text())[0]
    button.click()
    page.get_by_text(re.compile(rf"^Token {token}: .+ Used \d+ times in this recording\.$")).wait_for()
    rgb = picture(page, 1).astype(int)
    assert ((rgb[..., 0] - rgb[..., 2]) > 60).any(), "what the token moves is hot"


def test_the_frame_slider_works_from_the_keyboard(page):
    before = int(re.search(r"frame (\d+)", status(page))[1])
    handle = page.locator(".widget-slider", has_text="Frame").locator(".noUi-handle")
    handle.focus()
    page.keyboard.press("ArrowRight")
    until(page, f"frame {before + 1} ·")


def test_stage_slider_goes_from_coarse_to_fine(page):
    handle = page.locator(".widget-slider", has_text="Stages used").locator(".noUi-handle")
    handle.focus()
    page.keyboard.press("Home")
    until(page, re.compile(r"· 0 of \d+ tokens on · face moved by 0\.00 mm"))
    page.keyboard.press("ArrowRight")
    until(page, re.compile(r"· 1 of \d+ tokens on"))
    page.keyboard.press("End")
    until(page, re.compile(r"· (\d+) of \1 tokens on"))


def test_another_recording_is_opened_from_the_list(page):
    choice = page.locator(".widget-dropdown", has_text="Recording").locator("select")
    names = choice.locator("option").all_inner_texts()
    choice.select_option(names[1])
    until(page, re.compile(rf"^{re.escape(names[1])} · frame \d+"))


def test_no_cell_failed(page):
    errors = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert "Traceback" not in " ".join(errors.all_inner_texts())
