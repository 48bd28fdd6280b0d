"""A cohort: frame tables of many recordings, and a table that says whose they are, with their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.tables import read_csv
from dfe_lib.errors import InputError
from dfe_lib.shards import find

PSI, UNITS = "psi", "aus"  # what frame tables of a cohort hold: ψ, or action units alone


class Cohort:
    """Recordings with labels, and their frames: all at once, or a few recordings at a time.

    A cohort that fits in memory is used through ``frames``. One that does not is walked through by
    :meth:`chunks`, which keeps nothing: frames come from files, or are simulated, anew in every walk. The two
    give the same rows in the same order.

    Parameters
    ----------
    frames : frame table with ``psi_`` columns, or a function that starts a walk: it returns an iterable of
        frame tables, each with one or more whole recordings.
    recordings : one row per recording: ``recording, subject, dataset`` and labels.
    people : one row per subject (simulated cohorts: ``subject``, ``identity_0`` … and ``skin``), or None.
    events : true displays (simulated cohorts: ``recording, display, onset_s, apex_s, offset_s, amplitude``), a
        function that makes that table when it is first asked for, or None.
    holds : ``"psi"``: frames have ψ, and every representation can be had; ``"aus"``: they have action units alone.

    Examples
    --------
    >>> table = frames.frame_table("a", [0.0, 0.1], [True, True])
    >>> cohort = Cohort(table, pd.DataFrame({"recording": ["a"], "subject": ["s"], "dataset": ["own"]}))
    >>> [len(part) for part in cohort.chunks()]
    [2]
    """

    def __init__(
        self,
        frames: pd.DataFrame | Callable[[], Iterable[pd.DataFrame]],
        recordings: pd.DataFrame,
        people: pd.DataFrame | None = None,
        events: pd.DataFrame | Callable[[], pd.DataFrame] | None = None,
        holds: str = PSI,
    ):
        self.recordings, self.people, self.holds = recordings, people, holds
        self._frames, self._events = frames, events

    @cached_property
    def frames(self) -> pd.DataFrame:
        """All frames in one table; see :mod:`dfe_lib.frames`."""
        if isinstance(self._frames, pd.DataFrame):
            return self._frames
        parts = list(self._frames())
        table = pd.concat(parts, ignore_index=True)
        table.attrs = dict(parts[0].attrs)
        return table

    @cached_property
    def events(self) -> pd.DataFrame | None:
        """True displays with their timing, where they are known."""
        return self._events() if callable(self._events) else self._events

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Frame tables of one or more whole recordings each, every recording once; memory is that of one."""
        yield from [self._frames] if isinstance(self._frames, pd.DataFrame) else self._frames()

    def one(self, recording: str) -> pd.DataFrame:
        """The frames of one recording; those that come before it are passed by.

        Raises
        ------
        InputError : there is none by that name.
        """
        for table in self.chunks():
            own = table["recording"] == recording
            if own.any():
                return table[own].reset_index(drop=True)
        raise InputError(f"the cohort has no recording '{recording}'")


def read_cohort(frames_path: str | Path, recordings_path: str | Path, labels: Sequence[str]) -> Cohort:
    """A user's own cohort, as ``dfe extract`` writes it, with a table of labels.

    Frames are read when they are asked for, one file at a time by ``Cohort.chunks``; landmarks are left out.

    Parameters
    ----------
    frames_path : a .parquet frame table, or a folder of them (one per recording).
    recordings_path : CSV with the columns ``recording, subject, dataset`` and ``labels``.
    labels : label columns that the task needs.

    Raises
    ------
    InputError : a file or column that is missing, recordings without frames, or a recording in two files.
    """
    folder = Path(frames_path)
    paths = find(folder)
    path = Path(recordings_path)
    recordings = read_recordings(path, labels)
    known, found = set(recordings["recording"]), {}
    for file in paths:
        names = set().union(*(part["recording"] for part in frames.stream([file], ["recording"])))
        for name in sorted(names & known):
            if name in found:
                raise InputError(
                    f"recording '{name}' stands in {found[name].name} and {file.name}; keep one of them in {folder}"
                )
            found[name] = file
    absent = sorted(known - set(found))
    if absent:
        raise InputError(f"{len(absent)} recordings of {path} have no frames, the first is '{absent[0]}'")

    def walk() -> Iterator[pd.DataFrame]:
        for file in dict.fromkeys(found.values()):
            columns = [c for c in frames.columns_of(file) if c != "landmarks"]
            table = frames.read(file, columns, needs=["psi_"])
            yield table[table["recording"].isin(known)].reset_index(drop=True)

    return Cohort(walk, recordings)


def read_recordings(path: str | Path, labels: Sequence[str] = ()) -> pd.DataFrame:
    """A recording table from CSV: ``recording, subject, dataset`` and ``labels``.

    Raises
    ------
    InputError : no such file, or a column that is missing.
    """
    path = Path(path)
    if not path.is_file():
        columns = ", ".join(["recording", "subject", "dataset", *labels])
        raise InputError(f"{path} is not there; expected a CSV with {columns}")
    table = read_csv(path, [], "a recording table", dtype={"recording": str, "subject": str})
    return frames.check_recordings(table, labels)
