"""The folder of published figures: what is copied, what is said about it, and what is left alone."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from dfe_lib import results
from dfe_lib.runner import published


@pytest.fixture
def demo(tmp_path):
    record = results.Record.open("01_extraction", tmp_path / "demo" / "01_extraction", "demo", 0)
    record.data("open", "clips of intel-sample-videos")
    fig, ax = plt.subplots()
    ax.plot([0, 1])
    record.figure("face", fig, "A face in [mm], n = 1.")
    record.close()
    return tmp_path / "demo"


def test_a_figure_comes_with_pdf_caption_command_data_and_licence(demo, tmp_path):
    target = tmp_path / "figures"
    assert published.publish_figures(demo, target, "make reproduce") == [target / "01_extraction-face.png"]
    for suffix in (".png", ".pdf", ".md"):
        made = (demo / "01_extraction" / "face").with_suffix(suffix).read_bytes()
        assert (target / f"01_extraction-face{suffix}").read_bytes() == made
    text = (target / "README.md").read_text()
    for part in (
        "make reproduce", "`dfe reproduce --profile demo --only 01`", "../notebooks/01_extraction.ipynb",
        "**open**: clips of intel-sample-videos", "CC BY 4.0", "![A face in (mm), n = 1.](01_extraction-face.png)",
        "A face in [mm], n = 1. [PDF](01_extraction-face.pdf)",
    ):  # fmt: skip
        assert part in text, part


def test_only_what_an_earlier_call_wrote_is_removed(demo, tmp_path):
    target = tmp_path / "figures"
    target.mkdir()
    for name in (
        "01_extraction-older.png",
        "01_extraction-older.pdf",
        "01_extraction-older.md",
        "by-hand.png",
    ):
        (target / name).write_bytes(b"x")
    published.publish_figures(demo, target, "make reproduce")
    assert sorted(p.name for p in target.iterdir()) == [
        "01_extraction-face.md", "01_extraction-face.pdf", "01_extraction-face.png", "README.md", "by-hand.png",
    ]  # fmt: skip


def test_large_pdfs_stay_with_the_results(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "MAX_PDF_BYTES", 10)
    target = tmp_path / "figures"
    published.publish_figures(demo, target, "make reproduce")
    assert not list(target.glob("*.pdf")) and "results/demo" in (target / "README.md").read_text()


def test_results_older_than_captions_are_published_under_their_name(demo, tmp_path):
    for suffix in (".md", ".pdf"):
        (demo / "01_extraction" / "face").with_suffix(suffix).unlink()
    published.publish_figures(demo, tmp_path / "figures", "make reproduce")
    assert "![face.](01_extraction-face.png)" in (tmp_path / "figures" / "README.md").read_text()
