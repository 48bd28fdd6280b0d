"""Under its name whole, or not at all: files and folders, and what killed writers leave behind."""

import os
import signal
import subprocess
import sys

import pytest

from dfe_lib.errors import OutputError
from dfe_lib.locks import BusyError
from dfe_lib.staging import recover, staged_file, staged_folder, standing, swap

WRITE = """
import sys, time
from dfe_lib.staging import staged_file, staged_folder
with {how}(sys.argv[1]) as place:
    (place if place.is_file() else place / "half").write_text("half")
    print(place.name, flush=True)
    time.sleep(60)
"""


def fill(how, target, text):
    with how(target) as place:
        (place if how is staged_file else place / "content").write_text(text)


def content(target):
    return (target if target.is_file() else target / "content").read_text()


@pytest.mark.parametrize("how", [staged_file, staged_folder])
def test_an_error_leaves_what_was_there(tmp_path, how):
    target = tmp_path / "new" / "x"
    with pytest.raises(KeyError), how(target):
        raise KeyError
    assert list(target.parent.iterdir()) == []
    fill(how, target, "first")
    with pytest.raises(FileNotFoundError), how(target) as place:  # the block's own error stays what it is
        if how is staged_folder:
            (place / "content").write_text("half")
        open(tmp_path / "missing")
    assert content(target) == "first" and [p.name for p in target.parent.iterdir()] == ["x"]
    fill(how, target, "second")
    assert content(target) == "second" and [p.name for p in target.parent.iterdir()] == ["x"]
    assert target.stat().st_mode & 0o777 == (0o644 if how is staged_file else 0o755)


@pytest.mark.parametrize("how", [staged_file, staged_folder])
def test_another_writer_is_left_alone_while_it_lives_and_cleared_up_after_it_was_killed(tmp_path, how):
    target = tmp_path / "x"
    fill(how, target, "first")
    other = subprocess.Popen(
        [sys.executable, "-c", WRITE.format(how=how.__name__), target], stdout=subprocess.PIPE, text=True
    )
    hidden = other.stdout.readline().strip()
    with pytest.raises(BusyError, match="x is being written by another process"), how(target):
        pytest.fail("two writers")
    assert {p.name for p in tmp_path.iterdir()} == {"x", hidden}
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    other.stdout.close()
    assert content(target) == "first" and (tmp_path / hidden).exists()
    fill(how, target, "second")
    assert content(target) == "second" and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_was_just_being_replaced_is_found_and_comes_back(tmp_path, monkeypatch):
    target = tmp_path / "x"
    fill(staged_folder, target, "first")
    replace, moves = os.replace, []

    def once(source, destination):
        moves.append((source, destination))
        if len(moves) == 2:
            raise KeyboardInterrupt  # stands for a kill between the two renames
        replace(source, destination)

    (tmp_path / "fresh").mkdir()
    monkeypatch.setattr(os, "replace", once)
    with pytest.raises(KeyboardInterrupt):
        swap(tmp_path / "fresh", target)
    monkeypatch.undo()
    assert not target.exists() and content(standing(target)) == "first"
    recover(target)
    assert content(target) == "first" and standing(target) == target
    assert {p.name for p in tmp_path.iterdir()} == {"x", "fresh"}


@pytest.mark.parametrize("how", [staged_file, staged_folder])
def test_a_place_that_cannot_hold_it_is_named(tmp_path, how):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file/x cannot be written"), how(tmp_path / "file" / "x"):
        pytest.fail("there is no such folder")
    assert (tmp_path / "file").read_text() == "x"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".y.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="y cannot be written"), how(tmp_path / "y"):
        pytest.fail("a link leads out of the folder")
