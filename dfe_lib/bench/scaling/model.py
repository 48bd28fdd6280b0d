"""What hours of video cost: a model with a dozen measured constants, and its tables in docs/scaling.md."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from dfe_lib.errors import InputError
from dfe_lib.paths import REPOSITORY

HOURS = (10.0, 1_000.0, 100_000.0)


@dataclass(frozen=True)
class Rates:
    """Constants of the model, all measured; speeds are frames per second of one core.

    Attributes
    ----------
    extract, beam, greedy, encoder, bags, spool, joint, refine : speed of each step, from file to file.
    whole_bytes, psi_bytes, token_bytes : of a frame in a table with landmarks, in one without, and of its tokens.
    journal_bytes : of a recording in the journal.
    wait_s : a worker's idle time between two tasks.
    task_s : what the scheduler and the client need for a task: one over the tasks per second that they can give out.
    """

    extract: float
    beam: float
    greedy: float
    encoder: float
    bags: float
    spool: float
    joint: float
    refine: float
    whole_bytes: float
    psi_bytes: float
    token_bytes: float
    journal_bytes: float
    wait_s: float
    task_s: float

    @classmethod
    def measured(cls, figures: Mapping[str, Mapping] | None = None) -> Rates:
        """Those of ``benchmarks/latest.json``.

        Raises
        ------
        InputError : a figure that was not measured yet, with the command.
        """
        if figures is None:
            figures = json.loads((REPOSITORY / "benchmarks" / "latest.json").read_text(encoding="utf-8"))
        found = {
            k: v for suite in ("scale", "costs") for k, v in figures.get(suite, {}).get("figures", {}).items()
        }
        named = {
            "bags": "bags_frames_per_s", "spool": "spool_frames_per_s",
            "joint": "train_joint_frames_per_s", "refine": "train_refine_frames_per_s",
        }  # fmt: skip
        wanted = {f.name: named.get(f.name, f"rate_{f.name}") for f in fields(cls)}
        absent = [name for name in wanted.values() if name not in found]
        if absent:
            raise InputError(
                f"'{absent[0]}' is not in benchmarks/latest.json; measure it: `dfe bench scale`, `dfe bench costs`"
            )
        return cls(**{field: float(found[name]) for field, name in wanted.items()})


@dataclass(frozen=True)
class Cost:
    """What :func:`cost` returns; core-hours, hours, GB (10⁹ bytes), numbers."""

    hours: float
    frames: float
    recordings: float
    extract_core_h: float
    encode_core_h: float
    bags_core_h: float
    training_core_h: float
    wall_h: float
    scheduler_share: float
    whole_gb: float
    psi_gb: float
    token_gb: float
    spool_gb: float
    journal_mb: float


def cost(
    hours: float,
    rates: Rates,
    workers: int,
    minutes: float = 10.0,
    fps: float = 30.0,
    method: str = "beam",
    trained_on: float = 1e7,
    epochs: tuple[int, int] = (5, 40),
) -> Cost:
    """Cores and disk for so many hours of video, extracted, encoded and counted by ``workers`` one-core workers.

    Parameters
    ----------
    minutes : length of a recording; each is a task to extract and one to encode.
    method : of encoding.
    trained_on : frames that a tokenizer is trained on, at most; more teach it nothing new.
    epochs : joint and refining epochs.

    Examples
    --------
    >>> rates = Rates(50, 1e4, 5e4, 1e4, 2e5, 1e5, 5e4, 1e4, 1500, 300, 20, 300, 0.01, 0.002)
    >>> round(cost(10, rates, workers=1).extract_core_h, 9)
    6.0
    """
    n, recordings = hours * 3600 * fps, hours * 60 / minutes
    speed = getattr(rates, method)
    learnt = min(n, trained_on)
    training = learnt * (1 / rates.spool + epochs[0] / rates.joint + epochs[1] / rates.refine)
    each = n / recordings
    walls = [wall(recordings, each / s, workers, rates) for s in (rates.extract, speed, rates.bags)]
    busy = 3 * recordings * rates.task_s
    return Cost(
        hours, n, recordings,
        extract_core_h=n / rates.extract / 3600,
        encode_core_h=n / speed / 3600,
        bags_core_h=n / rates.bags / 3600,
        training_core_h=training / 3600,
        wall_h=sum(walls) / 3600,
        scheduler_share=busy / sum(walls),
        whole_gb=n * rates.whole_bytes / 1e9,
        psi_gb=n * rates.psi_bytes / 1e9,
        token_gb=n * rates.token_bytes / 1e9,
        spool_gb=learnt * 4 * 53 / 1e9,
        journal_mb=2 * recordings * rates.journal_bytes / 1e6,
    )  # fmt: skip


def wall(tasks: float, seconds: float, workers: int, rates: Rates) -> float:
    """Seconds until so many equal tasks are done: workers in rounds, or the scheduler where it is the slower."""
    return max(math.ceil(tasks / workers) * (seconds + rates.wait_s), tasks * rates.task_s)


def page(rates: Rates) -> pd.DataFrame:
    """The table of docs/scaling.md: a column for each of ``HOURS``, and as many workers as one would have for it."""
    columns = {}
    for hours, workers in zip(HOURS, (2, 64, 1024), strict=True):
        found = cost(hours, rates, workers)
        columns[f"{hours:,.0f} h"] = {
            "workers": f"{workers:,}",
            "frames": f"{found.frames:.3g}",
            "recordings of 10 min": f"{found.recordings:,.0f}",
            "extraction, core-hours": f"{found.extract_core_h:,.3g}",
            "encoding by beam, core-hours": f"{found.encode_core_h:,.3g}",
            "bags, core-hours": f"{found.bags_core_h:,.3g}",
            "training on up to 10⁷ frames, core-hours": f"{found.training_core_h:,.3g}",
            "extraction, encoding and bags, hours": f"{found.wall_h:,.3g}",
            "of that what the scheduler is busy": f"{100 * found.scheduler_share:.2g} %",
            "tables with landmarks, GB": f"{found.whole_gb:,.3g}",
            "tables without landmarks, GB": f"{found.psi_gb:,.3g}",
            "tokens alone, GB": f"{found.token_gb:,.3g}",
            "raw copy for training, GB": f"{found.spool_gb:,.3g}",
            "journals, MB": f"{found.journal_mb:,.3g}",
        }
    return pd.DataFrame(columns)


def document(figures: Mapping[str, Mapping], path: Path = REPOSITORY / "docs" / "scaling.md") -> None:
    """Put the tables of costs and of predictions into the page, once all is measured that they are made of."""
    if not {"scale", "costs"} <= set(figures) or not path.is_file():
        return
    shown, text = figures["costs"]["figures"], path.read_text(encoding="utf-8")
    for name, table in (("costs", page(Rates.measured(figures))), ("predictions", predictions(shown))):
        begin, end = f"<!-- {name}: written by `dfe bench` -->", f"<!-- end of {name} -->"
        block = f"{begin}\n\n{_markdown(table)}\n\n{end}"
        text = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, block=block: block, text, flags=re.DOTALL
        )
    path.write_text(text, encoding="utf-8")


def predictions(figures: Mapping[str, float]) -> pd.DataFrame:
    """What the model said of each run, what the run took, and their ratio."""
    rows = {}
    for name in figures:
        if name.endswith("_predicted_s"):
            run = name.removesuffix("_predicted_s")
            said, took = figures[name], figures[f"{run}_measured_s"]
            rows[run.replace("_", " ")] = [f"{said:.3g}", f"{took:.3g}", f"{took / said:.2f}"]
    columns = ["predicted, s", "measured, s", "measured / predicted"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _markdown(table: pd.DataFrame) -> str:
    lines = [f"| | {' | '.join(table.columns)} |", "| --- |" + " ---: |" * table.shape[1]]
    return "\n".join(
        [
            *lines,
            *(
                f"| {name} | {' | '.join(row)} |"
                for name, row in zip(table.index, table.to_numpy(), strict=True)
            ),
        ]
    )
