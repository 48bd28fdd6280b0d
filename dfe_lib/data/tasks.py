"""The cohort of a prediction notebook: simulated people, a data set by name, or the user's own frames and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from dfe_lib.data.cohort import Cohort, read_cohort
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.errors import AssetError

SIMULATED = "simulated"
ALSO_CALLED = {"first-impressions": "chalearn-first-impressions"}
_SPLITS = {"train", "dev", "test"}


@dataclass(frozen=True, eq=False)
class TaskCohort:
    """A cohort and how to speak of it.

    Attributes
    ----------
    cohort : None where the data are not at hand.
    name : for headings of tables, e.g. ``simulated`` or ``stressid``.
    source : ``simulated``, ``open`` or ``gated``, for :meth:`dfe_lib.results.Record.data`.
    says : the sentence for it; where the data are not at hand, Markdown for :meth:`dfe_lib.results.Record.skip`.
    splits : official split of each recording, where the data set has them; else None.
    left_out : recordings without a single detected face; they are not in ``cohort``.
    videos : file of each recording, where the data set has video; else empty.
    """

    cohort: Cohort | None
    name: str
    source: str
    says: str
    splits: pd.Series | None = None
    left_out: tuple[str, ...] = ()
    videos: Mapping[str, Path] = field(default_factory=dict)

    @property
    def at_hand(self) -> bool:
        """Whether there is anything to work on."""
        return self.cohort is not None


def open_cohort(
    task: str,
    dataset: str = SIMULATED,
    frames_path: str | Path = "",
    labels_path: str | Path = "",
    config: CohortConfig | None = None,
    seed: int = 0,
) -> TaskCohort:
    """The cohort of a task.

    Parameters
    ----------
    task : ``"stress"``, ``"personality"`` or ``"depression"``.
    dataset : ``"simulated"``, or a name that :func:`dfe_lib.data.datasets.open_dataset` knows.
    frames_path, labels_path : the user's own cohort (:func:`~dfe_lib.data.cohort.read_cohort`); given, they count
        instead of ``dataset``.
    config, seed : of the simulated cohort.

    Raises
    ------
    ConfigError : no data set by that name.
    InputError : files that cannot be used, or a data set without a label for the task.

    Examples
    --------
    >>> opened = open_cohort("stress", config=CohortConfig(subjects=2, recordings=2, seconds=1))
    >>> opened.source, opened.at_hand
    ('simulated', True)
    """
    from dfe_lib.data.datasets import TASKS, cohort_of  # knows some twenty data sets: not for a mere import

    if frames_path:
        cohort, lost = _with_faces(read_cohort(frames_path, labels_path, TASKS[task]))
        says = f"your own cohort, from frames_path and labels_path{_lost(lost)}"
        return TaskCohort(cohort, "own cohort", "gated", says, None, lost)
    if dataset == SIMULATED:
        config = config or CohortConfig()
        cohort = simulate_cohort(config, seed, ExtractionNoise.load())
        says = (
            f"{config.subjects} people, {config.recordings} recordings each, planted effect {config.effect:g}"
        )
        return TaskCohort(cohort, SIMULATED, SIMULATED, f"{says}, world '{config.world}'")
    try:
        found = cohort_of(ALSO_CALLED.get(dataset, dataset), task)
    except AssetError as error:
        return TaskCohort(None, dataset, "gated", _absent(dataset, str(error)))
    cohort, lost = _with_faces(Cohort(found.chunks, found.recordings, holds=found.holds))
    split = cohort.recordings.set_index("recording")["split"].astype(str)
    official = split if set(split) <= _SPLITS and "test" in set(split) else None
    has_video = "video" in found.dataset.feeds
    videos = {r: found.dataset.video(r) for r in cohort.recordings["recording"]} if has_video else {}
    return TaskCohort(cohort, dataset, found.source, found.says + _lost(lost), official, lost, videos)


def worlds(config: CohortConfig, seed: int) -> dict[str, Cohort]:
    """The same simulated people in the three worlds: effects only within FACS, only beyond it, and both."""
    noise = ExtractionNoise.load()
    return {w: simulate_cohort(replace(config, world=w), seed, noise) for w in ("facs", "beyond", "mixed")}


def _with_faces(cohort: Cohort) -> tuple[Cohort, tuple[str, ...]]:
    """The cohort without recordings in which no face was ever found, and their names."""
    seen = {name for table in cohort.chunks() for name in table.loc[table["detected"], "recording"].unique()}
    has = cohort.recordings["recording"].isin(seen)
    lost = tuple(cohort.recordings.loc[~has, "recording"])
    if not lost:
        return cohort, ()
    kept = set(cohort.recordings.loc[has, "recording"])

    def walk():
        for table in cohort.chunks():
            part = table[table["recording"].isin(kept)]
            if len(part):
                yield part.reset_index(drop=True)

    kept_rows = cohort.recordings[has].reset_index(drop=True)
    return Cohort(walk, kept_rows, cohort.people, cohort.events, cohort.holds), lost


def _lost(lost: tuple[str, ...]) -> str:
    return f"; {len(lost)} recordings without any face left out" if lost else ""


def _absent(dataset: str, why: str) -> str:
    return (
        f"**{dataset} is not at hand, so this notebook stops here.**\n\n{why}.\n\n"
        'With `dataset: "simulated"` (the default) it runs on people who are made up; with `frames_path` and '
        "`labels_path` on recordings of your own."
    )
