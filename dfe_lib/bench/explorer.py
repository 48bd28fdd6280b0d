"""The token explorer as a person meets it: JupyterLab in a real browser, timed from the key to the picture.

The browser tests use the same two context managers.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfe_lib.errors import RunError
from dfe_lib.explorer.opening import prepare
from dfe_lib.paths import NOTEBOOKS

NOTEBOOK = NOTEBOOKS / "08_token_explorer.ipynb"
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses its sandbox to root, as whom containers run
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # the widget must not need the network
]
PRESSES = 15
FRAMES = 18_000  # ten minutes
# Until the face has been drawn anew: the canvas counts its drawings once they are done.
_WAIT = """([selector, before]) => new Promise((done) => {
  const canvas = document.querySelector(selector), end = performance.now() + 10000;
  const look = () => {
    if (canvas.dataset.drawn !== before) done(true);
    else if (performance.now() > end) done(false);
    else setTimeout(look, 1);
  };
  look();
})"""
# Until nothing more is drawn: the kernel's own face follows the one that the browser draws at once.
_SETTLED = """(selector) => new Promise((done) => {
  const canvas = document.querySelector(selector);
  let drawn = canvas.dataset.drawn, since = performance.now();
  const look = () => {
    if (canvas.dataset.drawn !== drawn) [drawn, since] = [canvas.dataset.drawn, performance.now()];
    if (performance.now() - since > 400) done();
    else setTimeout(look, 20);
  };
  look();
})"""


@contextmanager
def jupyterlab(notebook: Path, home: Path) -> Iterator[str]:
    """Address of a JupyterLab that serves a copy of ``notebook``; all its files are in the folder ``home``.

    Raises
    ------
    RunError : it does not start.
    """
    work = home / "notebooks"
    work.mkdir(parents=True)
    shutil.copy(notebook, work)
    # All cells are drawn, not only those in view: nobody need scroll. And no question about news.
    _setting(home, "notebook-extension/tracker", windowingMode="none")
    _setting(home, "apputils-extension/notification", fetchNews="false", checkForUpdates=False)
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    # A kernel told of another backend than the notebook's own would show figures as words.
    inherited = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={work}", "--IdentityProvider.token=t"],
            env=inherited | {k: str(v) for k, v in folders.items()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield f"{_url(home / 'runtime', server, home / 'log')}lab/tree/{notebook.name}?token=t&reset"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _setting(home: Path, plugin: str, **values) -> None:
    file = home / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


def _url(runtime: Path, server: subprocess.Popen, log: Path) -> str:
    for _ in range(600):
        for info in runtime.glob("jpserver-*.json"):
            return json.loads(info.read_text())["url"]
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise RunError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@contextmanager
def browser_page(width: int = 1300, height: int = 1000) -> Iterator:
    """A page of a headless Chromium that reaches no other host."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def run_notebook(page, url: str) -> None:
    """Open the notebook in JupyterLab, run all its cells from the menu, and wait for the explorer's face."""
    page.goto(url)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.get_by_text(re.compile(r"Python 3.* \| Idle")).wait_for()
    _run_all(page)
    page.locator("[role=status]", has_text=re.compile(r"frame \d+")).wait_for()
    page.locator(".dfe-face canvas[data-drawn]").wait_for()
    page.get_by_text(re.compile(r"Python 3.* \| Idle")).wait_for()


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


def key_to_redraw_ms(page, slider: str, keys: tuple[str, ...]) -> list[float]:
    """Milliseconds from each key on a slider, by its description, to the face drawn anew.

    Raises
    ------
    RunError : a key that moves nothing.
    """
    canvas = ".dfe-face canvas"
    page.locator(".widget-slider", has_text=slider).locator(".noUi-handle").first.focus()
    taken = []
    for key in keys:
        drawn = page.locator(canvas).get_attribute("data-drawn")
        started = time.perf_counter()
        page.keyboard.press(key)
        if not page.evaluate(_WAIT, [canvas, drawn]):
            raise RunError(f"the key {key} on the slider '{slider}' moved no face within 10 s")
        taken.append(1000 * (time.perf_counter() - started))
        page.evaluate(_SETTLED, canvas)
    return taken


def scroll_frames_ms(page, steps: int = 120) -> list[float]:
    """Milliseconds from one picture to the next while the raster is scrolled by a third of its width each time."""
    return page.evaluate(
        """(steps) => new Promise((done) => {
          const scroll = document.querySelector('.dfe-scroll'), taken = [];
          let last = null;
          const step = (now) => {
            if (last !== null) taken.push(now - last);
            last = now;
            if (taken.length === steps) return done(taken);
            scroll.scrollLeft = (scroll.scrollLeft + 280) % (scroll.scrollWidth - scroll.clientWidth);
            requestAnimationFrame(step);
          };
          requestAnimationFrame(step);
        })""",
        steps,
    )


def explorer() -> dict[str, float | str]:
    """Milliseconds from a key on the intensity slider to the face, both meshes; seconds of the gallery; size of state.

    Raises
    ------
    RunError : no Chromium, or JupyterLab does not start.
    AssetError : the dense mesh is not at hand.
    """
    import numpy as np
    from ipywidgets import Widget

    from dfe_lib import frames
    from dfe_lib.bench.timing import best
    from dfe_lib.explorer import explore
    from dfe_lib.explorer.pictures import small_faces
    from dfe_lib.face.morphable import load_morphable
    from dfe_lib.tokens import Tokenizer

    if CHROMIUM is None:
        raise RunError("no Chromium on the PATH; install it to time the explorer")
    tokenizer, model = Tokenizer.load(), load_morphable("face478")
    rows: dict[str, float | str] = {
        "gallery_of_256_s": best(lambda: small_faces(tokenizer.templates, model)),
    }
    held = np.random.default_rng(0).integers(0, len(tokenizer.templates), (FRAMES // 15, tokenizer.stages))
    table = frames.frame_table("long", np.arange(FRAMES) / 30, np.ones(FRAMES, bool))
    table = frames.with_tokens(table, np.repeat(held, 15, axis=0))
    for mesh in ("face478", "ict"):
        Widget.close_all()
        load_morphable(mesh)
        rows[f"{mesh}_opens_in_s"] = best(lambda mesh=mesh: explore(tokenizer, table, mesh), 1)
        rows[f"{mesh}_state_mb"] = len(json.dumps(Widget.get_manager_state())) / 1e6
        with tempfile.TemporaryDirectory() as folder:
            path = frames.write(table, Path(folder) / "long.parquet")
            notebook = prepare({"recording": "long", "mesh": mesh, "table": str(path)}, Path(folder))
            with jupyterlab(notebook, Path(folder) / "lab") as url, browser_page() as page:
                run_notebook(page, url)
                page.get_by_role("tab", name="Tokens").click()
                taken = key_to_redraw_ms(page, "Intensity", ("ArrowLeft", "ArrowRight") * PRESSES)
                rows[f"{mesh}_key_to_face_ms"] = statistics.median(taken)
                rows[f"{mesh}_slowest_key_to_face_ms"] = max(taken)
                rows[f"{mesh}_scroll_frame_ms"] = statistics.median(scroll_frames_ms(page))
    Widget.close_all()
    return rows
