"""Training from tables on disk: streamed, split by subject, broken off and taken up, shared by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from dfe_lib import frames
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError, RunError
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer, checkpoint, data, fit
from dfe_lib.tokens.data import FrameFile, Shuffled, spool
from dfe_lib.tokens.training import train_from_tables

SMALL = {
    **{"codes": 24, "stages": 3, "width": 16, "heads": 2, "layers": 1, "batch": 64, "device": "cpu"},
    **{"joint_epochs": 1, "refine_epochs": 2, "follow_epochs": 1, "start_frames": 512, "refine_batch": 128},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    psi = sample_displays(800, np.random.default_rng(0))
    for r in range(4):
        own = psi[r * 200 : (r + 1) * 200].copy()
        own[::50] = np.nan  # no face
        table = frames.frame_table(f"clip{r}", np.arange(200) / 30, ~np.isnan(own[:, 0]))
        frames.write(frames.with_psi(table, own, ICT53.names), folder / f"clip{r}.parquet")
    return sorted(folder.glob("*.parquet"))


@pytest.fixture(scope="module")
def whole(tables, tmp_path_factory):
    """The run that nothing interrupts."""
    return train_from_tables(tables, tmp_path_factory.mktemp("whole") / "tok", SMALL, progress=False)


def same(a: Tokenizer, b: Tokenizer) -> bool:
    encoders = zip(a._encoder.state_dict().values(), b._encoder.state_dict().values(), strict=True)
    return (
        np.array_equal(a.templates, b.templates)
        and np.array_equal(a.gains, b.gains)
        and all(bool((x == y).all()) for x, y in encoders)
    )


# Frames on disk


def test_an_epoch_is_every_row_once_and_can_be_taken_up_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "BLOCK", 8)
    monkeypatch.setattr(data, "BUFFER", 4)
    rows = np.arange(250, dtype=np.float32).reshape(125, 2)
    rows.tofile(tmp_path / "rows.f32")
    file = FrameFile(tmp_path / "rows.f32", 2)
    assert len(file) == 125 and np.array_equal(file[120:200], rows[120:])
    for size in (5, 32, 50):
        batches = list(Shuffled(file).batches(size, seed=3))
        assert len(batches) == Shuffled(file).steps(size) and max(map(len, batches)) <= size
        assert sorted(np.concatenate(batches)[:, 0]) == rows[:, 0].tolist()
        for start in range(len(batches) + 1):
            rest = list(Shuffled(rows).batches(size, seed=3, start=start))
            assert len(rest) == len(batches) - start
            assert all(np.array_equal(a, b) for a, b in zip(rest, batches[start:], strict=True))
    other = np.concatenate(list(Shuffled(rows).batches(125, seed=4)))
    assert not np.array_equal(other, np.concatenate(list(Shuffled(rows).batches(125, seed=3))))


def test_spooled_frames_are_the_finite_ones_and_subjects_stay_whole(tables, tmp_path):
    people = pd.DataFrame(
        {"recording": [f"clip{i}" for i in range(4)], "subject": list("aabb"), "dataset": "d"}
    )
    spooled = spool(tables, tmp_path, ICT53, 0, people)
    assert len(spooled.training) == len(spooled.validation) == 392 and len(spooled.held_out) == 1
    clips = (0, 1) if spooled.held_out == ("a",) else (2, 3)
    expected = np.concatenate([frames.psi(frames.read(tables[i]), ICT53.names) for i in clips])
    assert np.array_equal(spooled.validation[:392], expected[np.isfinite(expected).all(axis=1)])
    assert spool(tables, tmp_path, ICT53, 0, people, write=False).fingerprint == spooled.fingerprint


def test_too_few_to_validate_on(tables, tmp_path):
    with pytest.raises(InputError, match="at least 2 are needed, since a tenth is held out"):
        train_from_tables(tables[:1], tmp_path / "tok", SMALL, progress=False)
    with pytest.raises(InputError, match="0 recording in an empty list"):
        train_from_tables([], tmp_path / "tok", SMALL, progress=False)
    assert not list(tmp_path.iterdir())


# The result


def test_what_is_written(tables, whole, tmp_path):
    trained = train_from_tables(tables, tmp_path / "tok", SMALL, progress=False)
    assert same(trained.tokenizer, whole.tokenizer)
    pd.testing.assert_frame_equal(trained.history, whole.history)
    assert "784 frames" in trained.tokenizer.card["made_from"]
    assert len(trained.tokenizer.card["held_out_subjects"]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tok"]
    assert len(pd.read_csv(tmp_path / "tok" / "history.csv")) == 4
    assert same(Tokenizer.load(tmp_path / "tok"), trained.tokenizer)


# Broken off and taken up


class Killed(BaseException):
    pass


def test_broken_off_at_any_step_it_ends_with_the_same_bits(tables, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 3)  # so that most steps are lost and done again
    step, count = fit.Run.step, 0

    def dies_every_seventh_time(self, *args):
        nonlocal count
        count += 1
        if count % 7 == 0:
            raise Killed
        step(self, *args)

    monkeypatch.setattr(fit.Run, "step", dies_every_seventh_time)
    for _ in range(50):
        try:
            trained = train_from_tables(tables, tmp_path / "tok", SMALL, progress=False)
            break
        except Killed:
            assert not (tmp_path / "tok").exists()
    assert count > 30 and same(trained.tokenizer, whole.tokenizer)
    pd.testing.assert_frame_equal(trained.history, whole.history)


def test_a_killed_process_is_taken_up(tables, whole, tmp_path):
    script = (
        "import sys; from dfe_lib.tokens import checkpoint; checkpoint.EVERY = 2;"
        "from dfe_lib.tokens.training import train_from_tables;"
        f"train_from_tables(sys.argv[2:], sys.argv[1], {SMALL!r}, progress=False)"
    )
    out = tmp_path / "tok"
    process = subprocess.Popen([sys.executable, "-c", script, str(out), *map(str, tables)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "tok.unfinished" / "checkpoint" / "card.json").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    trained = train_from_tables(tables, out, SMALL, progress=False)
    assert same(trained.tokenizer, whole.tokenizer)
    assert not (tmp_path / "tok.unfinished").exists()


def test_another_training_is_not_taken_up(tables, tmp_path, monkeypatch):
    begin = fit.Run.begin

    def dies_before_refining(self, phase):
        if phase == "refine":
            raise Killed
        begin(self, phase)

    with monkeypatch.context() as patched:
        patched.setattr(fit.Run, "begin", dies_before_refining)
        with pytest.raises(Killed):
            train_from_tables(tables, tmp_path / "tok", SMALL, progress=False)
    with pytest.raises(InputError, match="setting 'sparsity' was 0"):
        train_from_tables(tables, tmp_path / "tok", {**SMALL, "sparsity": 1.0}, progress=False)
    with pytest.raises(InputError, match="the frames were others"):
        train_from_tables(tables[:3], tmp_path / "tok", SMALL, progress=False)


def test_a_loss_that_explodes_keeps_the_batch(tables, tmp_path):
    for i, path in enumerate(tables):
        table = frames.read(path)
        frames.write(frames.with_psi(table, frames.psi(table) * 1e20, ICT53.names), tmp_path / f"{i}.parquet")
    paths = sorted(tmp_path.glob("*.parquet"))
    with pytest.raises(RunError, match="lower learning_rate.*the batch is kept in .*batch.safetensors"):
        train_from_tables(paths, tmp_path / "tok", SMALL, progress=False)
    assert load_file(tmp_path / "tok.unfinished" / "batch.safetensors")["psi"].shape == (64, 53)


# Several processes


def test_two_processes_learn_what_one_does(tables, whole, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, numpy as np, os; from dfe_lib.tokens.training import train_from_tables\n"
        f"t = train_from_tables(sys.argv[2:], sys.argv[1] + '/tok', {SMALL!r}, progress=False).tokenizer\n"
        "np.savez(sys.argv[1] + '/rank' + os.environ['RANK'] + '.npz', templates=t.templates, gains=t.gains)\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, str(script), str(tmp_path), *map(str, tables)], check=True, env=environment, timeout=120
    )
    with np.load(tmp_path / "rank0.npz") as a, np.load(tmp_path / "rank1.npz") as b:
        assert np.array_equal(a["templates"], b["templates"]) and np.array_equal(a["gains"], b["gains"])
        assert np.array_equal(a["templates"], Tokenizer.load(tmp_path / "tok").templates)
    history = pd.read_csv(tmp_path / "tok" / "history.csv")
    # The order of sums differs, and a frame on the border between two codes can then take the other one.
    np.testing.assert_allclose(history["rms_mm"], whole.history["rms_mm"], rtol=0.02)
    np.testing.assert_allclose(history["rms_mm"][0], whole.history["rms_mm"][0], rtol=1e-3)
