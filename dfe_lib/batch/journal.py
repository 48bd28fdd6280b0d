"""What a run has finished and what it has given up, on disk: a restart goes on from there.

``journal.jsonl`` holds one line per finished recording, written after its table. A recording whose line is missing,
or whose table is not as the line says, is done again; so whatever moment a run dies at, nothing is lost.
``quarantine/<recording>.json`` holds why a recording was given up; removing that file has it tried again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dfe_lib.errors import cannot_write

NAME = "journal.jsonl"
QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Entry:
    """One finished recording.

    Attributes
    ----------
    source, table : names of the file that was given and of the table, without their folders.
    fingerprint : of the source (name, size, time of change) and of everything else that the table depends on.
    bytes, sha256 : of the table.
    frames, measured : rows of the table, and how many of them hold a face (or, of an encoding, tokens).
    seconds : of one worker's time, of the last attempt; of segments only the end.
    attempts : how many it took.
    """

    recording: str
    source: str
    table: str
    fingerprint: str
    bytes: int
    sha256: str
    frames: int
    measured: int
    seconds: float
    attempts: int


class Journal:
    """The finished recordings of an output folder; made by the one run that holds the folder's lock."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / NAME
        self._entries: dict[str, Entry] = {}
        whole = 0
        with suppress(FileNotFoundError):
            for line in self.path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break  # a run died while it wrote this
                whole += len(line)
                with suppress(ValueError, TypeError):  # a line of something else; its recording is done again
                    entry = Entry(**json.loads(line))
                    self._entries[entry.recording] = entry
            os.truncate(self.path, whole)

    def finished(self, recording: str, fingerprint: str, target: Path) -> Entry | None:
        """The entry of a recording whose table stands, made from the same things; else None."""
        entry = self._entries.get(recording)
        if entry is None or (entry.fingerprint, entry.table) != (fingerprint, target.name):
            return None
        try:
            return entry if target.stat().st_size == entry.bytes else None
        except FileNotFoundError:
            return None

    def add(self, entry: Entry) -> None:
        """Append a line; it is on the disk when this returns.

        Raises
        ------
        OutputError : the folder is full or cannot be written to.
        """
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(asdict(entry)).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._entries[entry.recording] = entry
        self.release(entry.recording)

    def given_up(self, recording: str, fingerprint: str) -> str | None:
        """Why a recording lies in quarantine, if it does, for the same things; else None."""
        try:
            found = json.loads(self.place(recording).read_text(encoding="utf-8"))
            return str(found["error"]) if found["fingerprint"] == fingerprint else None
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):  # cut short, or somebody's own: tried again
            return None

    def give_up(
        self, recording: str, source: str, fingerprint: str, error: Exception, trace: str, attempts: int
    ) -> Path:
        """Put a recording into quarantine and return its file.

        Raises
        ------
        OutputError : the folder is full or cannot be written to.
        """
        place = self.place(recording)
        content = {
            "recording": recording,
            "source": source,
            "error": " ".join(str(error).split()) or type(error).__name__,
            "kind": type(error).__name__,
            "attempts": attempts,
            "fingerprint": fingerprint,
            "traceback": trace.splitlines(),
        }
        try:
            place.parent.mkdir(exist_ok=True)
            staged = place.with_name(f".{place.name}.part")  # the folder is this run's alone
            staged.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            os.replace(staged, place)
        except OSError as failed:
            raise cannot_write(place, failed) from failed
        return place

    def release(self, recording: str) -> None:
        """Take a recording out of quarantine, if it is there."""
        place = self.place(recording)
        with suppress(FileNotFoundError):
            place.unlink()
            with suppress(OSError):  # others are in it
                place.parent.rmdir()

    def place(self, recording: str) -> Path:
        """Where a recording's file lies when it is in quarantine."""
        return self.folder / QUARANTINE / f"{recording}.json"
