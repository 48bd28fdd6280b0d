"""One run at a time in a folder, also after the first one was killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dfe_lib import locks, provenance
from dfe_lib.errors import InputError

HOLD = """
import sys, time
from dfe_lib.locks import alone
with alone(sys.argv[1], "dfe train --out tok"):
    print("in", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    folder = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "in\n"
    yield folder, process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_run_ends_at_once_and_says_who_is_there(holder):
    folder, process = holder
    started = time.monotonic()
    with pytest.raises(locks.BusyError, match="is in use by `dfe train --out tok`") as caught:
        with locks.alone(folder, "another"):
            pytest.fail("two runs in one folder")
    assert time.monotonic() - started < 5
    assert f"process {process.pid} on " in str(caught.value) and "choose another folder" in str(caught.value)
    assert caught.value.exit_code == 2 and isinstance(caught.value, InputError)
    assert (folder / locks.NAME).read_text(), "the second run must not touch the first one's lock"


def test_a_killed_run_leaves_no_lock_behind(holder):
    folder, process = holder
    os.kill(process.pid, signal.SIGKILL)
    with locks.alone(folder, "the next"):  # not waited for: it may still be going down
        assert "the next" in (folder / locks.NAME).read_text()
    assert not folder.exists(), "nothing was written, so nothing is left"


def test_the_lock_goes_with_the_run_and_what_was_written_stays(tmp_path):
    folder = tmp_path / "a" / "b"
    with pytest.raises(ZeroDivisionError):
        with locks.alone(folder, "one"):
            (folder / "result.csv").write_text("x\n")
            with pytest.raises(locks.BusyError), locks.alone(folder, "two"):
                pytest.fail("also within one process")
            assert [p.name for p in provenance.files_below(folder)] == ["result.csv"]
            before = provenance.digest([folder])
            raise ZeroDivisionError
    assert [p.name for p in folder.iterdir()] == ["result.csv"]
    assert provenance.digest([folder]) == before, "the lock is no part of a result"
    with locks.alone(folder, "three"):
        pass


def test_clear_leaves_the_lock_alone(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("x")
    work = tmp_path / "work"
    with locks.alone(work, "one"):
        (work / "sub" / "deep").mkdir(parents=True)
        (work / "sub.gone" / "half").mkdir(parents=True)  # a run was killed while it cleared
        (work / "file").write_text("x")
        (work / "link").symlink_to(tmp_path / "elsewhere")
        locks.clear(work)
        assert [p.name for p in work.iterdir()] == [locks.NAME]
        with pytest.raises(locks.BusyError), locks.alone(work, "two"):
            pytest.fail("the lock was lost")
    assert not work.exists() and (tmp_path / "elsewhere" / "kept").exists()


def test_a_place_that_cannot_be_a_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file cannot be written .*choose another place"):
        with locks.alone(tmp_path / "file", "one"):
            pytest.fail("a file is no folder")
