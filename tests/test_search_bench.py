"""The benchmark's bookkeeping; the figures themselves are measured, never asserted."""

import json

import numpy as np
import pytest
import torch

from dfe_lib import bench
from dfe_lib.bench.report import markdown
from dfe_lib.bench.timing import in_new_process, interleaved, peak_mb
from dfe_lib.errors import ConfigError
from dfe_lib.tokens import search


def test_works_are_taken_by_turns():
    order = []
    taken = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, 2)
    assert order == ["a", "b", "a", "b"] and set(taken) == {"a", "b"} and min(taken.values()) >= 0


def test_a_new_process_does_not_count_its_parents_memory():
    ours = np.ones(100_000_000)  # 800 MB
    code = (
        "from dfe_lib.bench.timing import peak_mb; print(peak_mb()); x = b'x' * 200_000_000; print(peak_mb())"
    )
    before, after = in_new_process(code)
    assert before < ours.nbytes / 1e6 <= peak_mb() and 150 < after - before < 250


def test_the_faiss_peer_is_given_what_we_have(rng):
    pytest.importorskip("faiss", reason="faiss-cpu is a development dependency")
    from dfe_lib.bench.peers import Faiss

    x, book = (rng.normal(size=shape).astype(np.float32) for shape in ((200, 7), (32, 7)))
    gains = np.array([1.0, 0.6, 0.3], np.float32)
    peer = Faiss(gains[:, None, None] * book)  # 5 bits a code: not one byte
    codes = search.search(*map(torch.from_numpy, (x, book, gains)), width=4)
    assert np.array_equal(peer.encode(x, 4), codes.numpy())
    rebuilt = (gains[:, None] * book[codes.numpy()]).sum(axis=1)
    assert peer.decode(codes.numpy()) == pytest.approx(rebuilt, abs=1e-5)
    own = Faiss.trained(x, 3, 32)
    assert own.books.shape == (3, 32, 7)
    assert np.square(x - own.decode(own.encode(x))).mean() < np.square(x - rebuilt).mean()


def test_rows_of_a_device_and_what_they_say_where_there_is_none(rng, monkeypatch):
    for peer in ("faiss", "vector_quantize_pytorch"):
        pytest.importorskip(peer, reason=f"{peer} is a development dependency")
    from dfe_lib.bench import device

    x, book = (torch.from_numpy(rng.normal(size=s).astype(np.float32)) for s in ((100, 5), (16, 5)))
    rows = device.measure(x, book, torch.tensor([1.0, 0.5]), torch.device("cpu"))
    assert tuple(rows) == device.ROWS and all(value > 0 for value in rows.values())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    missing = device.gpu(x, book, torch.tensor([1.0, 0.5]))
    assert set(missing.values()) == {"not measured"} and {f"gpu_{name}" for name in rows} < set(missing)


def test_one_suite_leaves_the_figures_of_the_other(tmp_path, monkeypatch):
    figures = {"tokens": {"d53_greedy_relative_to_rvq": 23.456789, "gpu": "not measured"}}
    suites = {"extraction": lambda: {"frames_per_s": 1.0}, "tokens": lambda: figures["tokens"]}
    monkeypatch.setattr(bench, "SUITES", suites)
    target, page = tmp_path / "b" / "latest.json", tmp_path / "BENCHMARKS.md"
    bench.run("all", target, page)
    figures["tokens"] = {"d53_greedy_relative_to_rvq": 30.0, "gpu": "not measured"}
    result = bench.run("tokens", target, page)
    assert json.loads(target.read_text()) == result
    assert result["extraction"]["figures"] == {"frames_per_s": 1.0}
    assert page.read_text() == markdown(result)
    assert "| d53_greedy_relative_to_rvq | 30 | ≥ 20 |" in page.read_text()
    assert "| gpu | not measured |" in page.read_text()
    with pytest.raises(ConfigError, match="no such benchmark"):
        bench.run("spede", target, page)
