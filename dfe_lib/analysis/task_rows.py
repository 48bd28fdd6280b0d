"""All rows of a task's table: representations of the face, Masked Autoencoders, and what should know nothing."""

from __future__ import annotations

from typing import Any

from dfe_lib.analysis.autoencoders import Crops, Rendered, mae_rows
from dfe_lib.analysis.prediction.controls import availability_only, task_only
from dfe_lib.analysis.representations import Representation, Table, describe
from dfe_lib.data.simulation import CohortConfig, simulate_cohort
from dfe_lib.data.tasks import TaskCohort

SLOW = ("k-means bag", "FACS words")  # learn words anew on every set of training people


def task_rows(
    opened: TaskCohort,
    tokenizer: Any,
    config: CohortConfig,
    method: str = "greedy",
    seed: int = 0,
    slow: bool = True,
    autoencoders: bool = True,
    image: str = "",
    video: str = "",
) -> dict[str, Representation]:
    """One representation per row, in the order of the table.

    Parameters
    ----------
    opened : at hand.
    config : that simulated people were made with; their pictures are drawn without the noise of extraction, which a
        camera does not see.
    method : how the tokenizer searches.
    slow : with the rows of ``SLOW``.
    autoencoders : with the rows of Masked Autoencoders, where there are pictures: drawn ones of simulated people, crops
        of the videos of a data set.
    image, video : local folders of pretrained weights; empty: small models, pretrained on drawn faces.
    """
    cohort = opened.cohort
    rows = describe(cohort, tokenizer, method=method, seed=seed)
    if not slow:
        rows = {name: row for name, row in rows.items() if name not in SLOW}
    if autoencoders and (opened.videos or cohort.people is not None):
        true = cohort if opened.videos else simulate_cohort(config, seed)
        pictures = Crops(opened.videos) if opened.videos else Rendered(true)
        rows |= mae_rows(true, pictures, image or None, video or None, progress=False)
    if "task" in cohort.recordings:
        about = cohort.recordings.set_index("recording")
        note = "which task the recording is of; a control"
        rows["task only"] = Table("task only", task_only(about["task"]), note)
        there = availability_only(about["subject"], about["task"])
        rows["availability only"] = Table(
            "availability only", there, "which recordings of a person exist; a control"
        )
    return rows
