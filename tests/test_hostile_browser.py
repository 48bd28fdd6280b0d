"""Report, executed notebook and explorer in a real browser, with names that want to be programs: none runs."""

from __future__ import annotations

import base64
import json

import driven
import ipywidgets
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from report_runs import run
from test_explorer import Model, Tokens, clip

from dfe_lib.display import Shown
from dfe_lib.explorer.views import FaceView, Gallery, Picture, Raster
from dfe_lib.explorer.widget import Explorer
from dfe_lib.paths import PACKAGE
from dfe_lib.report import page

ELSEWHERE = "https://evil.example/"
EVIL = [
    "<img src=x onerror=window.bitten=1>",
    f'"><script src={ELSEWHERE}></script><script>window.bitten=1</script>',
    f"'><svg onload=window.bitten=1><image href={ELSEWHERE}>",
    f"</style><style>body {{background:url({ELSEWHERE})}}</style>",
    f"[here](javascript:window.bitten=1) ![]({ELSEWHERE})",
    f'<meta http-equiv="refresh" content="0;url={ELSEWHERE}">',
    "</title></table></span><iframe srcdoc='<script>parent.bitten=1</script>'>",
    "`</code><b onclick=window.bitten=1>`",
]
LINKS = "document.querySelectorAll('a[href^=\"javascript:\" i], area').length"

pytestmark = driven.MARKS


def abroad(asked):
    """Addresses that were asked for; what the page's own policy stops is named by the browser, but not sent."""
    own = ("file:", "data:", "blob:", "about:")
    return [r.url for r in asked if not r.url.startswith(own) and r.failure != "csp"]


@pytest.fixture
def tab(browser):
    """A tab; at the end nothing ran that a name brought, nothing was asked for elsewhere, and nobody was led away."""
    tab = browser.new_page()
    asked = []
    tab.on("request", lambda request: asked.append(request))
    yield tab
    tab.wait_for_timeout(300)
    assert tab.evaluate("window.bitten") is None
    assert not abroad(asked)
    assert "evil" not in tab.url and len(tab.frames) == 1
    tab.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A run in which every text is hostile, and its report."""
    folder = run(tmp_path_factory.mktemp("runs") / "a")
    home = folder / "03_codebook_coverage"
    (home / "face.md").write_text("\n".join(EVIL))
    content = json.loads((home / "metrics.json").read_text())
    content["metrics"] = {f"{i} {text}": text for i, text in enumerate(EVIL)}
    content["data"] = [{"source": "open", "what": text} for text in EVIL]
    content["provenance"]["versions"] = {text: text for text in EVIL}
    (home / "metrics.json").write_text(json.dumps(content))
    pd.DataFrame({text: EVIL for text in EVIL}).to_csv(home / "short.csv", index=False)
    stamp = json.loads((home / "run.json").read_text())
    stamp["parameters"] = {text: text for text in EVIL}
    (home / "run.json").write_text(json.dumps(stamp))

    class Thing(Shown):
        def _facts(self):
            return {text: text for text in EVIL}

    table = pd.DataFrame({text: EVIL for text in EVIL}, index=EVIL)
    outputs = [new_output("display_data", {"text/html": text, "text/plain": text}) for text in EVIL]
    outputs += [
        new_output("display_data", {"text/html": table.to_html()}),
        new_output("display_data", {"text/html": Thing()._repr_html_()}),
        new_output("display_data", {"text/markdown": "\n\n".join(EVIL)}),
        new_output("display_data", {"application/javascript": "window.bitten=1"}),
        new_output(
            "display_data",
            {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload='window.bitten=1'/>"},
        ),
        new_output("stream", text="\n".join(EVIL)),
        new_output("error", ename=EVIL[0], evalue=EVIL[1], traceback=EVIL),
    ]
    path = home / "03_codebook_coverage.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells = [new_markdown_cell(f"# {EVIL[1]}\n\n{EVIL[4]}")]
    book.cells += [new_markdown_cell(text) for text in EVIL] + [new_code_cell(EVIL[1], outputs=outputs)]
    nbformat.write(book, path)
    return page.write(folder)


def test_a_report_shows_hostile_texts_as_texts(tab, report):
    tab.goto(report.as_uri())
    tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    for text in EVIL[:4]:
        assert tab.get_by_text(text, exact=False).count(), text
    assert tab.evaluate(LINKS) == 0
    assert (
        tab.evaluate(
            "document.querySelectorAll('main script, main style, main iframe, main svg, main meta').length"
        )
        == 0
    )
    assert (
        tab.evaluate(
            "[...document.querySelectorAll('*')].some(e => [...e.attributes].some(a => a.name.startsWith('on')))"
        )
        is False
    )
    for button in tab.locator("th button").all()[:12]:  # sorting a table makes it anew from the CSV
        button.dispatch_event("click")
    tab.wait_for_timeout(200)


def test_an_executed_notebook_runs_nothing_of_its_outputs(tab, report):
    tab.goto((report.parent / "notebooks" / "03_codebook_coverage.html").as_uri())
    assert tab.get_by_text("bitten").count() > 10, "what was put out is there to be read"
    for link in tab.locator("a").all():
        link.dispatch_event("click")
    for place in tab.locator("b, svg, img").all():
        place.dispatch_event("click")


@pytest.fixture(scope="module")
def explorer():
    """The explorer on recordings with hostile names and origins, all its pages filled."""
    tables = [clip(name, 6, lost=(3,)) for name in EVIL]
    table = pd.concat(tables, ignore_index=True)
    table.attrs |= {"source": EVIL[0], "dataset": EVIL[1], "space": "ict53"}
    videos = {EVIL[0]: f"/nowhere/{EVIL[1].replace('/', '')}.mp4"}
    explorer = Explorer(Tokens(), table, Model(), videos=videos)
    explorer.player.recording.value = EVIL[1]
    return explorer


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def test_the_explorer_s_html_is_inert(tab, explorer):
    """ipywidgets writes the value of an HTML widget into the page as it is."""
    htmls = [w.value for w in every(explorer) if isinstance(w, ipywidgets.HTML)]
    assert len(htmls) > 6 and any("&lt;" in value for value in htmls)
    tab.goto("about:blank")
    tab.evaluate(
        "htmls => { for (const h of htmls) document.body.appendChild(document.createElement('div')).innerHTML = h; }",
        htmls,
    )
    assert tab.evaluate("document.querySelectorAll('script, img, iframe, style, meta, image, a').length") == 0
    assert not [w for w in every(explorer) if getattr(w, "description_allow_html", False)]


MODEL = """async ([script, state]) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const read = ([key, v]) => [key, v?.bytes === undefined ? v : bytes(v.bytes)];
  const values = Object.fromEntries(Object.entries(state).map(read)), nothing = () => {};
  const set = (key, value) => { values[key] = value; };
  const model = { get: (key) => values[key], set, save_changes: nothing, on: nothing, off: nothing, send: nothing };
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const view = await import(url);
  const el = document.body.appendChild(document.createElement("div"));
  el.className = "shown";
  await view.default.render({ model, el });
  await new Promise((done) => setTimeout(done, 200));
}"""


@pytest.mark.parametrize(
    ("kind", "script"), [(FaceView, "face"), (Gallery, "gallery"), (Picture, "picture"), (Raster, "raster")]
)
def test_the_explorer_s_own_views_write_texts_as_texts(tab, explorer, kind, script):
    def sent(value):
        return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value

    widget = next(w for w in every(explorer) if isinstance(w, kind))
    state = {
        k: sent(v)
        for k, v in widget.get_state().items()
        if not k.startswith("_") and k not in ("layout", "tabbable", "tooltip")
    }
    hostile = " ".join(EVIL)
    for key, value in state.items():  # whatever text the kernel may send
        if isinstance(value, str) and key != "height":
            state[key] = hostile
        elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            state[key] = [hostile for _ in value]
    if "legend" in state:
        state["legend"] = [[hostile, rgb] for _, rgb in state["legend"]]
    if kind is Picture:
        state["note"] = hostile
    tab.goto("about:blank")
    code = (PACKAGE / "explorer" / "browser" / f"{script}.js").read_text()
    tab.evaluate(MODEL, [code, state])
    shown = tab.locator(".shown")
    assert shown.locator("canvas, button").count(), "it was drawn"
    assert shown.locator("script, iframe, style, meta, image, svg, a, img, b").count() == 0
    if kind is not FaceView:
        assert hostile.split()[0] in shown.inner_html().replace("&lt;", "<")


def test_the_test_would_notice(browser):
    """The same texts, written carelessly, do run and call here."""
    tab, asked = browser.new_page(), []
    tab.on("request", lambda request: asked.append(request))
    tab.goto("about:blank")
    tab.evaluate("text => { document.body.innerHTML = text; }", EVIL[0] + f"<img src={ELSEWHERE}>")
    tab.wait_for_function("window.bitten === 1")
    assert abroad(asked) == [ELSEWHERE]
    tab.close()
