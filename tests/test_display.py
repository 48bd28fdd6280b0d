"""Objects say what they are, in a prompt and in a notebook, and bars keep to where they are seen."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dfe_lib import codings, display, frames, progress, results
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer


def test_a_tokenizer_says_its_sizes():
    said = repr(Tokenizer.load())
    assert said.startswith("Tokenizer(stages 6, codes 256, bits a frame 48, space ict53")
    assert repr(Tokenizer()) == "Tokenizer(state not trained, space ict53)"
    assert "<td" in Tokenizer.load()._repr_html_()


def test_codings_say_whether_they_are_fitted(rng):
    psi = rng.random((300, 53)).astype(np.float32)
    assert repr(codings.PCA()) == "PCA(state not fitted, space ict53)"
    assert "units 17" in repr(codings.FACS())
    fitted = codings.KMeans(codes=4).fit(psi)
    assert repr(fitted) == "KMeans(codes 4, bits a frame 2, space ict53)"
    assert "bits a frame" in repr(codings.PCA(bits=16).fit(psi))


def test_a_record_counts_and_escapes(tmp_path):
    record = results.Record.open("01_try", tmp_path / "a", "<script>alert(1)</script>", 3)
    record.metric("x", 1)
    assert "metrics 1" in repr(record) and "nothing said yet" in repr(record)
    html = record._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_a_frame_table_in_a_row_per_recording():
    tables = [
        frames.frame_table(name, np.arange(n) / fps, np.arange(n) % 2 == 0, attrs={"space": "ict53"})
        for name, n, fps in (("<b>", 10, 25), ("one", 1, 25))
    ]
    table = frames.with_psi(pd.concat(tables), np.zeros((11, 53)), ICT53.names)
    table.attrs = tables[0].attrs
    got = display.summary(table)
    assert list(got.index) == ["<b>", "one"] and list(got["frames"]) == [10, 1]
    assert got.loc["<b>", "fps"] == 25 and np.isnan(got.loc["one", "fps"])
    assert got.loc["<b>", "with_a_face"] == 0.5 and got.loc["one", "holds"] == "ψ of 53 (ict53)"
    assert "<th>&lt;b&gt;</th>" in got._repr_html_()
    with pytest.raises(InputError, match="lacks"):
        display.summary(table.drop(columns="time_s"))


@pytest.mark.parametrize(
    ("kernel", "batch", "terminal", "seen"),
    [
        (True, False, False, True),
        (True, True, False, False),
        (False, False, True, True),
        (False, False, False, False),
    ],
)
def test_a_bar_is_shown_where_somebody_watches(kernel, batch, terminal, seen, monkeypatch):
    shell = SimpleNamespace(kernel=1) if kernel else None
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.delenv(progress.BATCH, raising=False)
    if batch:
        monkeypatch.setenv(progress.BATCH, "1")
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stream)
    assert progress.watched() == seen
    if not kernel:
        assert list(progress.bar(range(3), desc="counting")) == [0, 1, 2]
        assert ("counting" in stream.getvalue()) == seen
        before = stream.getvalue()
        assert (
            list(progress.bar(range(2), show=False, desc="hidden")) == [0, 1] and stream.getvalue() == before
        )
