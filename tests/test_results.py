"""The record of a notebook: schema, rounding, and nothing half-written."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfe_lib import results
from dfe_lib.errors import ConfigError, InputError, OutputError
from dfe_lib.results import Record


@pytest.fixture
def record(tmp_path):
    record = Record.open("03_codebook_coverage", tmp_path / "03_codebook_coverage", "ci", 7)
    record.data("embedded", "three landmark tracks")
    return record


def test_a_record_holds_what_was_put_in(record):
    record.metric("rms_mm", np.float32(1 / 3))
    record.metric("codes", np.int64(256))
    record.metric("undefined", float("nan"))
    record.metric("ok", np.bool_(True))
    record.timing("seconds", 1.5)
    table = record.table("coverage", pd.DataFrame({"share": [1 / 3]}))
    fig, _ = plt.subplots()
    figure = record.figure("coverage", fig, "An empty frame, n = 0.")
    record.path("tokenizer/card.json").write_text("{}")
    content = results.read(record.close())
    assert content["metrics"] == {"rms_mm": 0.333333, "codes": 256, "undefined": None, "ok": True}
    assert content["metrics"]["ok"] is True
    assert content["timings"]["seconds"] == 1.5 and content["timings"]["wall_s"] >= 0
    assert table.read_text() == "share\n0.333333\n"
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert not plt.fignum_exists(fig.number), "a figure left open is drawn a second time by the notebook"
    assert (content["tables"], content["figures"]) == (["coverage.csv"], ["coverage.png"])
    assert content["outputs"] == ["tokenizer/card.json"] and content["seed"] == 7
    assert content["provenance"]["versions"]["numpy"] == np.__version__
    assert str(record.folder) not in json.dumps(content), "a result must not name a place on this machine"


def test_data_are_said_aloud(record, capsys):
    record.data("simulated", "40 people of our own making")
    record.data("simulated", "40 people of our own making")  # the cell was run twice
    content = results.read(record.close())
    assert content["data"][1:] == [{"source": "simulated", "what": "40 people of our own making"}]
    assert "embedded, simulated" in capsys.readouterr().out


def test_equal_figures_are_equal_files(tmp_path):
    written = []
    for name in ("a", "b"):
        record = Record.open("00_data_inventory", tmp_path / name, "ci", 0)
        fig, ax = plt.subplots()
        ax.plot([0, 1], [1, 0], label="ψ")
        ax.legend()
        ax.imshow(np.eye(3), rasterized=True)
        record.figure("line", fig, "A line, n = 2 points.")
        written.append({p.name: p.read_bytes() for p in record.folder.iterdir()})
    assert written[0] == written[1] and set(written[0]) == {"line.png", "line.pdf", "line.md"}
    assert written[0]["line.md"] == b"A line, n = 2 points.\n"


def test_a_pdf_keeps_text_as_text_and_names_no_date_or_version(record):
    fig, ax = plt.subplots()
    ax.set_xlabel("error (mm)")
    pdf = record.figure("x", fig, "Nothing, n = 0.").with_suffix(".pdf").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf, "TrueType, so that an editor can change the text"
    for stamp in (b"CreationDate", b"ModDate", b"/Producer", b"/Creator"):
        assert stamp not in pdf


def test_a_seaborn_grid_or_axes_will_do(record):
    _, ax = plt.subplots()
    assert record.figure("x", ax, "An empty frame, n = 0.").is_file()


@pytest.mark.parametrize(
    ("do", "says"),
    [
        (lambda r: r.data("open source", "x"), "allowed: simulated, embedded, open, gated"),
        (lambda r: r.data("open", " "), "empty"),
        (lambda r: r.metric("x", [1, 2]), "got list"),
        (lambda r: r.metric("x", np.zeros(3)), "shape (3,)"),
        (lambda r: r.metric("x", float("inf")), "infinite"),
        (lambda r: r.timing("x", "fast"), "must be a number"),
        (lambda r: r.path("../elsewhere.csv"), "own result folder"),
        (lambda r: r.path("/etc/x.csv"), "own result folder"),
        (lambda r: r.figure("x", 3, "Three."), "matplotlib figure"),
        (lambda r: r.figure("x", plt.figure(), " "), "needs a caption"),
        (lambda r: r.figure("x", plt.figure(), "no sentence"), "but got 'no sentence'"),
        (lambda r: r.figure("x", plt.figure(), "One.\n\nTwo."), "one paragraph"),
        (lambda r: (r.path("never.parquet"), r.close()), "never written: never.parquet"),
        (lambda r: r.input("02_rvqvae_training/tokenizer"), "--only 02"),
    ],
)
def test_what_cannot_be_recorded_is_refused(record, do, says):
    with pytest.raises((InputError, ConfigError)) as caught:
        do(record)
    assert says in str(caught.value)


def test_silence_about_the_data_is_an_error(tmp_path):
    record = Record.open("00_data_inventory", tmp_path, "ci", 0)
    with pytest.raises(InputError, match=r"record\.data"):
        record.close()
    assert not (tmp_path / "metrics.json").exists()


def test_opening_removes_the_older_metrics(record):
    record.close()
    Record.open("03_codebook_coverage", record.folder, "ci", 7)
    assert not (record.folder / "metrics.json").exists()


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path, monkeypatch):
    target = tmp_path / "a.json"
    results.write_atomically(target, b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OutputError, match="a.json cannot be written .full.; choose another place"):
        results.write_atomically(target, b"new")
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"notebook": "00_x"}', "\ud800"])
def test_broken_metrics_are_refused(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_bytes(text.encode("utf-16-le", "surrogatepass") if text == "\ud800" else text.encode())
    with pytest.raises(InputError):
        results.read(path)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_keeps_six_digits_and_stays_put(value):
    once = results.rounded(value)
    assert results.rounded(once) == once
    assert abs(once - value) <= 5.1e-6 * abs(value) + 5e-324
