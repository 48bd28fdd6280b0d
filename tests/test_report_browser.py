"""The report and the comparison of two runs in a real browser, cut off from every network."""

from __future__ import annotations

import driven
import pytest
from report_runs import run

from dfe_lib.report import changes, difference, page

pytestmark = driven.MARKS


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Paths of a report and of a comparison, both of hostile runs."""
    home = tmp_path_factory.mktemp("pages")
    a, b = run(home / "a"), run(home / "b", rms=0.75, tau=0.7, spot=60, source="x = 2")
    return {"report": page.write(a), "diff": difference.write(changes.between(a, b), home / "diff.html")}


@pytest.fixture
def visit(browser, pages):
    """Open one of the pages; at the end it must have said nothing on the console and asked for nothing."""
    said, asked, opened = [], [], []

    def go(which, **options):
        tab = browser.new_page(**options)
        opened.append(tab)
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(pages[which].as_uri())
        return tab

    yield go
    for tab in opened:
        assert tab.evaluate("window.bitten") is None, "a label of the run was executed"
        tab.close()
    assert not said
    assert all(url.startswith(("data:", "file:")) for url in asked)
    assert sum(url.startswith("file:") for url in asked) == len(opened), "one file is all there is"


def press(tab, button, key="Enter"):
    button.focus()
    tab.keyboard.press(key)


def column(table, index):
    return table.locator("tbody tr").evaluate_all(f"rows => rows.map(r => r.cells[{index}].textContent)")


def test_a_table_is_sorted_from_the_keyboard(visit):
    tab = visit("report")
    table = tab.locator("table", has=tab.get_by_role("button", name="a", exact=True))
    head = table.locator("th").first
    press(tab, head.get_by_role("button"))
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(table, 0) == ["1", "3.142", "20"], "as numbers, not as words"
    press(tab, head.get_by_role("button"), "Space")
    assert head.get_attribute("aria-sort") == "descending" and column(table, 0) == ["20", "3.142", "1"]
    assert "descending" in tab.locator("#said").inner_text()
    other = table.locator("th").nth(1)
    press(tab, other.get_by_role("button"))
    assert column(table, 1) == ["x", "y", "z"] and head.get_attribute("aria-sort") is None


def test_a_cut_table_is_sorted_over_all_its_rows_and_shown_whole(visit):
    tab = visit("report")
    fold = tab.locator("details", has_text="300 rows").last
    press(tab, fold.locator("summary"))
    table = fold.locator("table")
    number = table.get_by_role("button", name="number")
    number.wait_for()
    assert table.locator("tbody tr").count() == 20
    press(tab, number)
    assert column(table, 0) == [str(i) for i in range(20)], "rows that were not shown come first"
    press(tab, number)
    assert column(table, 0)[0] == "299"
    press(tab, fold.get_by_role("button", name="Show all rows"))
    assert table.locator("tbody tr").count() == 300
    assert 'a "quoted", broken\nline' in column(table, 1)


def test_a_table_is_downloaded(visit):
    tab = visit("report")
    tab.locator("details", has_text="300 rows").last.locator("summary").click()
    with tab.expect_download() as got:
        tab.get_by_role("link", name="Download long.csv").click()
    assert got.value.suggested_filename == "long.csv"
    with open(got.value.path()) as stream:
        assert stream.readline().startswith("number,word,")


def test_the_first_stop_of_the_tab_key_skips_to_the_results(visit):
    tab = visit("report")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the results"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#main"


def test_a_figure_is_enlarged_and_closed_again(visit):
    tab = visit("report")
    press(tab, tab.get_by_role("button", name="Enlarge the figure face"))
    view = tab.get_by_role("dialog")
    assert view.is_visible() and view.locator("img").evaluate("image => image.naturalWidth") == 300
    tab.keyboard.press("Escape")
    assert not view.is_visible()


@pytest.mark.parametrize("which", ["report", "diff"])
def test_it_fits_a_telephone_and_a_sheet(visit, which, tmp_path):
    tab = visit(which, viewport={"width": 400, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400
    broken = "[...document.images].filter(image => image.src && !image.naturalWidth).length"
    assert tab.evaluate(broken) == 0
    tab.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    navigation = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    print(f"{which}: {tab.evaluate(navigation):.0f} ms from navigation to load")


def test_folded_tables_are_printed(visit):
    tab = visit("report")
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("main details:not([open])").count() == 0
    assert not tab.locator("nav").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("main details:not([open])").count() > 0


def test_the_comparison_shows_both_figures_and_sorts(visit):
    tab = visit("diff")
    assert tab.locator(".pair img").count() == 2
    assert tab.get_by_text("rms_mm").is_visible()
    head = tab.locator("#metrics th").first
    press(tab, head.get_by_role("button"))
    assert head.get_attribute("aria-sort") == "ascending"
