"""The report and the comparison of two runs: complete, escaped, self-contained."""

import base64
import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_runs import ATTRIBUTE, EVIL, run

from dfe_lib import cli
from dfe_lib.errors import InputError
from dfe_lib.report import changes, collect, notebook_changes, page, pictures


class Tags(HTMLParser):
    """Every element with its attributes, and the visible text."""

    def __init__(self, text):
        super().__init__()
        self.found, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "a")


@pytest.fixture(scope="module")
def tags(folder):
    return Tags(page.write(folder).read_text())


def test_nothing_of_a_run_becomes_markup(tags):
    assert len(tags.of("script")) == 1, "the page's own"
    assert not any(key.startswith("on") for _, attrs in tags.found for key in attrs)
    words = "".join(tags.words)
    assert words.count(EVIL) >= 6, "it is shown as it is: title, data, metric, column, caption, measure"
    assert ATTRIBUTE in words


def test_the_page_needs_nothing_from_elsewhere(tags, folder):
    for tag, attrs in tags.found:
        for key in ("src", "href", "poster", "action"):
            place = attrs.get(key) or ""
            assert not re.match(r"(https?:)?//", place), (tag, place)
            if key == "href" and place and place[0] != "#" and not place.startswith("data:"):
                assert (folder / place).is_file(), f"the link {place} leads nowhere"
    assert all(a["src"].startswith("data:image/") for a in tags.of("img"))
    policy = next(a for a in tags.of("meta") if "http-equiv" in a)["content"]
    assert policy.startswith("default-src 'none'") and "'sha256-" in policy
    assert "cdn" not in (folder / "notebooks" / "03_codebook_coverage.html").read_text()[:200_000].lower()


def test_it_can_be_read_with_ears_and_keys(tags):
    names = {tag for tag, _ in tags.found}
    assert {"main", "nav", "header", "footer", "h1"} <= names
    assert all(a.get("alt") for a in tags.of("img"))
    assert tags.of("img")[0]["alt"] == f"Faces {EVIL}, in mm; n = 5."
    assert len(tags.of("caption")) == len(tags.of("table"))
    assert all(a.get("scope") in ("col", "row") for a in tags.of("th"))
    skip = next(a for a in tags.of("a") if a.get("class") == "skip")
    ids = [attrs["id"] for _, attrs in tags.found if "id" in attrs]
    assert skip["href"][1:] in ids and len(ids) == len(set(ids))
    assert {a["href"][1:] for a in tags.of("a") if a.get("href", "").startswith("#")} <= set(ids)


def test_claims_come_first_with_their_estimates(tags):
    words = " ".join(" ".join(tags.words).split())
    assert words.index("Claims and verdicts") < words.index("Title <script>")
    assert "0.209" in words and "[0.2, 0.3] over FACS full" in words
    assert "1 supported" in words and "1 not testable here" in words


def test_a_long_table_is_cut_and_carried_whole(tags, folder):
    words = "".join(tags.words)
    assert f"first {collect.SHOWN} of 300 rows" in words
    link = next(a for a in tags.of("a") if a.get("download") == "long.csv")
    code = base64.b64decode(link["href"].partition(",")[2])
    assert code == (folder / "03_codebook_coverage" / "long.csv").read_bytes()


def test_a_table_too_long_to_carry_is_linked(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "CARRIED", 100)
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": range(200)}).to_csv(path, index=False)
    table = collect.read_table(path, "x/t.csv")
    assert (
        table.uri is None
        and table.count == 200
        and table.link == "x/t.csv"
        and len(table.rows) == collect.SHOWN
    )


def test_a_run_without_figures_tables_or_stamp_has_a_report(tmp_path):
    from dfe_lib import results

    record = results.Record.open("05_stress", tmp_path / "05_stress", "demo", 0)
    record.data("gated", "StressID is not at hand")
    record.close()
    assert "05_stress" in page.write(tmp_path).read_text()
    (tmp_path / "empty").mkdir()
    assert "results of the <em>empty</em>" in page.write(tmp_path / "empty").read_text()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a_b *c* 2*3*4", "a_b <em>c</em> 2*3*4"),
        ("[x](javascript:alert(1))", "x)"),
        ("`<b>` & **<i>**", "<code>&lt;b&gt;</code> &amp; <strong>&lt;i&gt;</strong>"),
    ],
)
def test_markdown_of_a_caption_is_escaped_first(text, html):
    assert str(page.inline(text)) == html


def test_pictures_become_small_and_stay_what_they_are(tmp_path, rng):
    noise = tmp_path / "noise.png"
    Image.fromarray(rng.integers(0, 255, (900, 2000, 3), dtype=np.uint8)).save(noise)
    got = pictures.embed(noise)
    assert (got.width, got.height) == (1400, 630) and got.uri.startswith("data:image/webp;base64,")
    assert len(got.uri) < 0.5 * noise.stat().st_size
    flat = tmp_path / "flat.png"
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(flat)
    back = Image.open(io.BytesIO(base64.b64decode(pictures.embed(flat).uri.partition(",")[2]))).convert("RGB")
    assert back.getpixel((5, 5)) == (255, 255, 255), (
        "what is transparent is white, and a drawing loses nothing"
    )
    assert pictures.apart(flat, flat) == 0 and pictures.apart(flat, noise) == 1
    with pytest.raises(InputError, match="not a readable picture"):
        pictures.embed(Path(__file__))


def test_a_run_equals_its_copy_and_noise_does_not_count(folder, tmp_path, monkeypatch, capsys):
    again = run(tmp_path / "again", rms=0.2501)
    found = changes.between(folder, again)
    assert found.same, changes.summary(found)
    monkeypatch.setattr("sys.argv", ["dfe", "diff", str(folder), str(again)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0 and (again / "diff.html").is_file()
    assert "0 of 3 differ" in capsys.readouterr().out


def test_what_differs_is_said_and_shown(folder, tmp_path, monkeypatch, capsys):
    other = run(tmp_path / "other", rms=0.75, tau=0.7, spot=60, source=f"x = 2  # {EVIL}")
    monkeypatch.setattr(
        "sys.argv", ["dfe", "diff", str(folder), str(other), "--out", str(tmp_path / "d.html")]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().out
    assert stop.value.code == 1
    assert "tau: 0.5 → 0.7" in said and "rms_mm: 0.25 → 0.75 (differs)" in said
    assert re.search(r"face\.png: \d+\.\d % of pixels", said)
    assert "results_dir" not in said, "where a run lies is no difference"
    assert re.search(r"03_codebook_coverage: \d+ lines only in A, \d+ only in B", said)
    shown = Tags((tmp_path / "d.html").read_text())
    assert len(shown.of("script")) == 1 and len(shown.of("img")) == 2
    assert f"x = 2  # {EVIL}" in "".join(shown.words)


def test_what_only_one_run_has_is_named(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "b")
    shutil.rmtree(other / "09_claims")
    (other / "03_codebook_coverage" / "03_codebook_coverage.ipynb").unlink()
    (other / "03_codebook_coverage" / "face.png").unlink()
    found = changes.between(folder, other)
    assert found.only == [("09_claims", "A"), ("the executed notebook 03_codebook_coverage.ipynb", "A")]
    assert [(f.name, f.b, f.apart) for f in found.figures] == [("face.png", None, None)]
    assert "face.png: only in A" in changes.summary(found)
    with pytest.raises(InputError, match="no results"):
        changes.between(folder, tmp_path / "nothing")


def test_printed_numbers_agree_within_tolerance(tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    def notebook(name, text, stderr="bar 1 s"):
        outputs = [new_output("stream", text=text), new_output("stream", name="stderr", text=stderr)]
        outputs.append(new_output("display_data", {"image/png": name, "text/plain": f"<Figure {name}>"}))
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell("f()", outputs=outputs)]), path)
        return path

    a = notebook("a", "r = 0.500  at 0x7f00aa11\n  n 10")
    assert (
        notebook_changes.changes(a, notebook("b", "r = 0.501 at 0x7f00bb22\n n 10", "9 s"), 0.05, 0.0) == ""
    )
    assert "+  r = 0.9" in notebook_changes.changes(
        a, notebook("c", "r = 0.9 at 0x7f00aa11\n  n 10"), 0.05, 0.0
    )
