"""A task on a data set: who, with which labels, and frame tables read one recording at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dfe_lib.data.cohort import PSI, UNITS
from dfe_lib.data.datasets.base import TASKS, Dataset
from dfe_lib.errors import ConfigError, InputError, choices

FACS_ONLY = "FACS rows only: this set holds action units, no video or landmarks"


@dataclass(frozen=True)
class DatasetCohort:
    """Recordings of a data set with the labels of one task; stands where a cohort is asked for.

    Attributes
    ----------
    dataset : what is read from.
    recordings : ``recording, subject, dataset, split`` and labels; rows without any label of the task are left out.
    labels : label columns of the task that the set has.
    holds : what the frame tables hold: ``"psi"``, or ``"aus"`` in sets of which ψ cannot be made.
    people, events : None: what only a simulated cohort knows.
    """

    dataset: Dataset
    recordings: pd.DataFrame
    labels: tuple[str, ...]
    holds: str
    people: None = None
    events: None = None

    @property
    def source(self) -> str:
        """The word for :meth:`dfe_lib.results.Record.data`."""
        return self.dataset.source

    @property
    def says(self) -> str:
        """The sentence for :meth:`dfe_lib.results.Record.data`."""
        extent = f"{len(self.recordings)} recordings of {self.recordings['subject'].nunique()} subjects"
        says = f"{self.dataset.name}: {extent} with {', '.join(self.labels)}"
        return says if self.holds == PSI else f"{says}. {FACS_ONLY}"

    def each(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Recordings and their frame tables, one at a time; see :meth:`Dataset.each` for what cannot be read."""
        for recording in self.recordings["recording"]:
            try:
                read = self.dataset.psi if self.holds == PSI else self.dataset.frames
                table = read(recording)
            except (InputError, OSError) as error:
                self.dataset.skip(recording, InputError(str(error)))
                continue
            table.attrs |= {"dataset": self.dataset.name, "access": self.dataset.access}
            yield recording, table

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Frame tables of one recording each, as :meth:`dfe_lib.data.cohort.Cohort.chunks` gives them."""
        yield from (table for _, table in self.each())

    @property
    def frames(self) -> pd.DataFrame:
        """Frame tables of all recordings, one after another, without landmarks: read anew at each call.

        Ten thousand clips of fifteen seconds are a gigabyte; go through :meth:`each` where that is too much.
        """
        tables = list(self.chunks())
        if not tables:
            raise InputError(f"no recording of {self.dataset.name} could be read")
        out = pd.concat(tables, ignore_index=True)
        out.attrs = tables[0].attrs
        return out


def cohort_of(
    dataset: Dataset | str,
    task: str,
    root: str | Path | None = None,
    frames_path: str | Path | None = None,
    keep_going: bool = False,
) -> DatasetCohort:
    """The cohort of a task on a data set.

    ψ is used where every recording has its extracted table (``dfe data extract NAME`` makes them, into
    ``DFE_DATA_DIR/derived/<name>/frames``, or ``frames_path``). A set that holds action units and neither pictures nor
    landmarks gives those: then only FACS rows can be had.

    Parameters
    ----------
    dataset : open, or the name of one.
    task : ``"stress"``, ``"personality"`` or ``"depression"``.
    root, frames_path, keep_going : as for :func:`dfe_lib.data.datasets.open_dataset`, for a name.

    Raises
    ------
    ConfigError : an unknown task or data set.
    InputError : the set has no label for the task.
    AssetError : the set is not at hand, or its ψ was not extracted yet; the message has the command.

    Examples
    --------
    >>> cohort = cohort_of("e-daic", "depression")                    # doctest: +SKIP
    >>> cohort.labels, cohort.holds                                    # doctest: +SKIP
    (('phq', 'depressed'), 'aus')
    """
    if task not in TASKS:
        raise ConfigError(f"no such task: {choices(task, TASKS)}")
    if isinstance(dataset, str):
        from dfe_lib.data.datasets import open_dataset

        dataset = open_dataset(dataset, root, frames_path, keep_going)
    table = dataset.recordings
    labels = tuple(n for n in TASKS[task] if n in table.columns)
    if not labels:
        has = ", ".join(dataset.labels) or "none at all"
        raise InputError(f"{dataset.name} has no label for {task} ({', '.join(TASKS[task])}); it has {has}")
    kept = table[table[list(labels)].notna().all(axis=1)].reset_index(drop=True)
    kept.attrs = dict(table.attrs)
    if not len(kept):
        raise InputError(f"no recording of {dataset.name} has {', '.join(labels)}")
    return DatasetCohort(dataset, kept, labels, _holds(dataset, list(kept["recording"])))


def _holds(dataset: Dataset, recordings: list[str]) -> str:
    lacking = [name for name in recordings if not dataset.has_psi(name)]
    if not lacking:
        return PSI
    if dataset.feeds != {"aus"}:
        dataset.psi(lacking[0])  # says what is missing, and the command
    return UNITS
