"""Kills, full and read-only disks, truncated files and clocks that jump: what is finished stays, the rest is redone."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import batch_work as work
import numpy as np
import pandas as pd
import pytest

from dfe_lib import artefacts, export, frames, results
from dfe_lib.batch import run as batch
from dfe_lib.batch.inputs import jobs_of
from dfe_lib.batch.journal import Entry, Journal
from dfe_lib.batch.workers import workers
from dfe_lib.bench.scaling.faults import JOBS, TRAINING, reproduce
from dfe_lib.bench.scaling.kills import Job, contents, survive
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError, OutputError
from dfe_lib.locks import BusyError, alone
from dfe_lib.paths import PACKAGE, REPOSITORY
from dfe_lib.runner import run
from dfe_lib.space import ICT53
from dfe_lib.tokens.tables import encode_table
from dfe_lib.tokens.training import train_from_tables

SHORT = {**TRAINING, "joint_epochs": 1, "refine_epochs": 1, "follow_epochs": 1}
CARD = {"kind": "thing", "what": "a test", "made_from": "nothing", "rebuild": "never"}


def frame_table(name="anna", n=400, seed=0):
    psi = sample_displays(n, np.random.default_rng(seed))
    table = frames.frame_table(name, np.arange(n) / 30, np.ones(n, bool), attrs=ICT53.attrs())
    return frames.with_psi(table, psi, ICT53.names)


# Kills


@pytest.mark.parametrize(
    ("name", "kills"), [("training", 2), pytest.param("reproduce", 1, marks=pytest.mark.notebooks)]
)
def test_killed_at_random_and_started_again_it_leaves_what_a_run_in_peace_leaves(tmp_path, name, kills):
    (tmp_path / "given").mkdir()
    job = JOBS[name](tmp_path / "given")
    if name == "reproduce":
        (
            tmp_path / "given" / "notebooks" / "01_reads.ipynb"
        ).unlink()  # one is enough here; the benchmark has both
    done = survive(job, tmp_path / "runs", kills, np.random.default_rng(1))
    assert done.total >= kills and done.different == []


WRITER = """
import sys
from pathlib import Path
import numpy as np
from dfe_lib import artefacts, frames
from dfe_lib.locks import BusyError, alone
given, out = map(Path, sys.argv[1:])
table, card = frames.read(given), {"kind": "k", "what": "w", "made_from": "m", "rebuild": "r"}
with alone(out, "a test"):
    for i in range(60):
        artefacts.save(out / "state", {"x": np.full(4096, i, np.int16)}, card)
        target = out / f"{i:02d}.parquet"
        if not target.exists():
            frames.write(table.iloc[i:], target)
"""


def test_tables_and_artefacts_that_are_written_again_and_again_survive_kills(tmp_path, given):
    def command(home):
        return [sys.executable, "-c", WRITER, str(given), str(home / "out")]

    done = survive(Job("tables", command, "out"), tmp_path, 4, np.random.default_rng(0))
    assert done.kills == {"main": 4} and done.different == []


# A disk that is full, or may not be written to


class Disk:
    """A small disk of its own where this process may mount one; else a limit to the size of files stands in."""

    def __init__(self, place: Path):
        self.place, self._filler = place, place / "filler"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
        self.mounted = (
            shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0
        )

    @contextmanager
    def full(self, left: int):
        """Only ``left`` bytes can be written."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            if self.mounted:
                with open(self._filler, "wb", buffering=0) as file, pytest.raises(OSError):
                    while True:
                        file.write(bytes(4096))
                os.truncate(self._filler, self._filler.stat().st_size - left)
            else:
                resource.setrlimit(resource.RLIMIT_FSIZE, (left, limits[1]))
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            self._filler.unlink(missing_ok=True)

    @contextmanager
    def read_only(self):
        try:
            if self.mounted:
                self._remount("ro")
            else:
                for path in [self.place, *self.place.rglob("*")]:
                    path.chmod(0o555)
                if os.access(self.place, os.W_OK):
                    pytest.skip("this process may write everywhere, and not mount")
            yield
        finally:
            if self.mounted:
                self._remount("rw")
            else:
                for path in [self.place, *self.place.rglob("*")]:
                    path.chmod(0o755)

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.place)], check=True)

    def gone(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.place)], check=True)


@pytest.fixture
def disk(tmp_path):
    made = Disk(tmp_path / "disk")
    yield made
    made.gone()


def _export(folder, given):
    export.export(frames.read(given), folder / "out.csv", "csv")


def _encode(folder, given):
    encode_table(given, folder / "tokens.parquet", None, "greedy")


def _train(folder, given):
    train_from_tables([given, given.with_name("bert.parquet")], folder / "tok", SHORT, progress=False)


def _artefact(folder, given):
    artefacts.save(folder / "art", {"x": np.random.default_rng(0).random((200, 100))}, CARD)


def _table(folder, given):
    frames.write(frames.read(given), folder / "again.parquet")


def _record(folder, given):
    record = results.Record.open("00_first", folder / "00_first", "ci", 0)
    record.data("simulated", "numbers")
    record.table("big", pd.DataFrame({"x": np.arange(20_000)}))
    record.close()


def _coding(folder, given):
    from dfe_lib.codings import PCA

    PCA().fit(sample_displays(300, np.random.default_rng(0))).save(folder / "pca")


def _page(folder, given):
    results.write_atomically(folder / "index.html", b"<p>" * 10_000)


def _alone(folder, given):
    with alone(folder / "run", "a run"), open(folder / "run" / "x", "wb") as file:
        file.write(bytes(100_000))


WRITERS = {
    "a table": (_table, 8192),
    "an export": (_export, 8192),
    "tokens": (_encode, 8192),
    "an artefact": (_artefact, 8192),
    "a coding": (_coding, 4096),
    "a record": (_record, 16_384),
    "a page": (_page, 8192),
    "frames to train on": (_train, 8192),
    "a checkpoint": (_train, 250_000),
    "anything of a locked run": (_alone, 8192),
}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    frames.write(frame_table("bert", seed=1), folder / "bert.parquet")
    return frames.write(frame_table(), folder / "anna.parquet")


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_said_leaves_what_was_there_and_is_no_harm_once_there_is_room(
    name, disk, given, tmp_path
):
    write, left = WRITERS[name]
    write(tmp_path / "roomy", given)
    wanted = finished(tmp_path / "roomy")
    with (
        disk.full(left),
        pytest.raises(OutputError, match="make room there or choose another place") as caught,
    ):
        write(disk.place, given)
    assert str(disk.place) in str(caught.value)
    assert finished(disk.place) == {}, "nothing half-written may have a final name"
    write(disk.place, given)
    assert finished(disk.place) == wanted
    assert not [p for p in disk.place.rglob("*") if p.name.startswith(".") or "unfinished" in p.name]
    if name in (
        "anything of a locked run",
        "a record",
    ):  # these write in place; a record does so in a staging folder
        return
    with disk.full(left), pytest.raises(OutputError):
        write(disk.place, given)
    assert finished(disk.place) == wanted


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_disk_is_said(name, disk, given):
    write, _ = WRITERS[name]
    with disk.read_only(), pytest.raises(OutputError, match="cannot be written .*choose another place"):
        write(disk.place, given)
    assert contents(disk.place) == {}


def extract(clips, folder):
    """By one worker, the longer clip in segments; the states of the jobs."""
    jobs, folder = jobs_of(clips, folder)
    options = {"neutral": "estimated", "mirrored": False, "smooth": None}

    def call(job, place):
        return work.in_segments(job, place, options)

    return [outcome.state for outcome in batch.run(jobs, folder, lambda n: workers(1), call, {}, "test")]


def test_extraction_on_a_full_disk_stops_and_goes_on_where_it_was(disk, mirror, tmp_path):
    clips = []
    for i, name in enumerate(("want.mkv", "no.mkv", "milk.mkv")):
        clips.append(tmp_path / f"{i}.mkv")
        shutil.copyfile(mirror("intel-sample-videos", name), clips[-1])

    def tables(folder):
        return {p.name: p.read_bytes() for p in (folder / "out").glob("*.parquet")}

    extract(clips, tmp_path / "out")
    wanted = tables(tmp_path)
    first, second, _ = (len(wanted[f"{i}.parquet"]) for i in range(3))
    for left, whole in ((first // 3, 0), (first + round(1.2 * second), 1)):
        with disk.full(left), pytest.raises(OutputError, match="make room there or choose another place"):
            extract(clips, disk.place / "out")
        there = tables(disk.place)
        assert len(there) == whole and there.items() <= wanted.items()
        assert not (disk.place / "out" / "quarantine").exists(), "the recordings are not to blame"
    states = extract(clips, disk.place / "out")
    assert sorted(states) == ["made", "made", "there"]
    assert tables(disk.place) == wanted
    assert sorted(p.name for p in (disk.place / "out").iterdir()) == [*sorted(wanted), "journal.jsonl"]


def go(disk, notebooks):
    said = io.StringIO()
    summary = run.reproduce(
        "ci",
        folder=disk / "results" / "ci",
        notebooks=notebooks,
        profiles=notebooks / "profiles",
        stream=said,
    )
    return summary, said.getvalue()


@pytest.mark.notebooks
def test_reproduce_on_a_full_disk_stops_says_so_and_goes_on_when_there_is_room(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(run.provenance, "code_digest", lambda: "library")
    reproduce(tmp_path)  # writes them
    notebooks = tmp_path / "notebooks"
    (notebooks / "01_reads.ipynb").unlink()
    with disk.full(24_576), pytest.raises(OutputError, match="ci cannot be written .*make room there"):
        go(disk.place, notebooks)
    assert not list(disk.place.rglob("metrics.json"))
    summary, said = go(disk.place, notebooks)
    assert summary.ok and summary.ran == ["00_number"], said
    assert [p.name for p in summary.folder.iterdir()] == ["00_number"], (
        "nothing of the run before is left over"
    )


def test_a_second_run_in_the_same_folder_ends_and_the_first_is_unharmed(tmp_path, given):
    reproduce(tmp_path)
    places = {
        tmp_path / "tok.unfinished": lambda: _train(tmp_path, given),
        tmp_path / "results" / "ci": lambda: go(tmp_path, tmp_path / "notebooks"),
    }
    for place, second in places.items():
        with alone(place, "the first"):
            (place / "begun").write_text("x")
            before = contents(tmp_path)
            with pytest.raises(BusyError, match=f"{place.name} is in use by `the first`"):
                second()
            assert contents(tmp_path) == before
        (place / "begun").unlink()


# Files cut short


def cut(path, rng, times):
    whole = path.read_bytes()
    for length in sorted({0, 1, *rng.integers(len(whole) - 1, size=times).tolist()}):
        path.write_bytes(whole[:length])
        yield length
    path.write_bytes(whole)


def test_what_is_cut_short_is_refused_at_any_length(tmp_path, given, rng):
    table = shutil.copy(given, tmp_path / "t.parquet")
    for _ in cut(Path(table), rng, 20):
        with pytest.raises(InputError, match="t.parquet"):
            frames.read(table)
    _artefact(tmp_path, given)
    for name in ("tensors.safetensors", "card.json"):
        for _ in cut(tmp_path / "art" / name, rng, 20):
            with pytest.raises(InputError, match="art"):
                artefacts.load(tmp_path / "art", "thing")
    assert artefacts.load(tmp_path / "art", "thing").tensors["x"].shape == (200, 100)


def test_a_stamp_cut_short_has_its_notebook_run_again(tmp_path, rng):
    (tmp_path / "run.json").write_text(json.dumps({"fingerprint": {"library": "x"}, "files": {"t.csv": "y"}}))
    for _ in cut(tmp_path / "run.json", rng, 20):
        assert run.stale(None, tmp_path, {}) == "its stamp cannot be read"


def test_a_journal_cut_short_tells_of_what_it_holds_whole(tmp_path, rng):
    made = [Entry(f"r{i}", f"r{i}.mp4", f"r{i}.parquet", "f", 1, "s", 2, 2, 0.1, 1) for i in range(4)]
    journal = Journal(tmp_path)
    for entry in made:
        journal.add(entry)
        (tmp_path / entry.table).write_bytes(b"x")
    whole = journal.path.read_bytes()
    for length in [0, 1, len(whole) - 1, *rng.integers(len(whole), size=20)]:
        journal.path.write_bytes(whole[:length])
        known = [e for e in made if Journal(tmp_path).finished(e.recording, "f", tmp_path / e.table)]
        assert known == made[: whole[:length].count(b"\n")]
        assert journal.path.read_bytes() == b"".join(whole.splitlines(keepends=True)[: len(known)])


def test_a_checkpoint_cut_short_is_said_with_what_to_do(tmp_path, given, rng, monkeypatch):
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    monkeypatch.setattr("dfe_lib.tokens.tokenizer.Tokenizer.save", stop)
    with pytest.raises(Stop):
        _train(tmp_path, given)
    monkeypatch.undo()
    work = tmp_path / "tok.unfinished"
    for name in ("tensors.safetensors", "card.json"):
        for _ in cut(work / "checkpoint" / name, rng, 1):
            with pytest.raises(InputError, match="delete .*tok.unfinished to begin anew"):
                _train(tmp_path, given)
    _train(tmp_path, given)
    assert not work.exists() and (tmp_path / "tok" / "card.json").is_file()


# Clocks

CLOCKS = """
import itertools, time
_now, _calls = time.time, itertools.count()
time.time = lambda: _now() + (0.0, -1.7e9, 2.4e9, -3600.0)[next(_calls) % 4]  # now, 1972, 2102, an hour ago
"""


def test_no_result_depends_on_the_clock(tmp_path, given):
    """A training in a process whose clock jumps with every look at it, on tables from the future."""
    _train(tmp_path / "still", given)
    for name in ("anna", "bert"):
        copy = Path(shutil.copy(given.with_name(f"{name}.parquet"), tmp_path / f"{name}.parquet"))
        os.utime(copy, (4.1e9, 4.1e9))
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCKS)
    program = (
        "import json, sys, time; from dfe_lib.tokens.training import train_from_tables; "
        "assert abs(time.time() - time.time()) > 1e6; "
        "train_from_tables(sys.argv[2:], 'jumping/tok', json.loads(sys.argv[1]), progress=False)"
    )
    command = [sys.executable, "-c", program, json.dumps(SHORT), "anna.parquet", "bert.parquet"]
    path = os.pathsep.join([str(tmp_path / "clock"), str(REPOSITORY)])
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True, timeout=300)
    assert contents(tmp_path / "jumping") == contents(tmp_path / "still")


def test_our_code_asks_only_clocks_that_never_jump():
    """The date is for people to read; what is waited for or measured is monotonic."""
    asked = re.compile(r"\btime\.time\(|\bdatetime\.(utcnow|today)\(|\btime\.(localtime|gmtime)\(")
    assert [p.name for p in PACKAGE.rglob("*.py") if asked.search(p.read_text(encoding="utf-8"))] == []


def finished(folder):
    """Files under final names; an unfinished training and the lock of a failed run are none."""
    found = {n: c for n, c in contents(folder).items() if "unfinished" not in n and not n.endswith("/")}
    return {n: c for n, c in found.items() if n not in ("filler", "run/x")}
