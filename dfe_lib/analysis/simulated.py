"""What the protocol finds where the answer is known: three worlds, effects and cohorts of all sizes, and nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.analysis.prediction.power import disjoint, p_value, power_curve
from dfe_lib.analysis.prediction.protocol import evaluate
from dfe_lib.analysis.representations import DFE_BAG, bag_of_tokens, describe
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.data.tasks import worlds

Columns = str | list[str]  # one label, or several at once


def bag(cohort: Cohort, tokenizer: Any) -> pd.DataFrame:
    """The bag of tokens alone, for cohorts of thousands: a walk that keeps nothing but counts."""
    parts = []
    for chunk in cohort.chunks():
        seen = chunk[chunk["detected"]]
        codes = tokenizer.encode(frames.psi(seen, tokenizer.space.names), method="greedy")
        parts.append(bag_of_tokens(codes, seen["recording"].to_numpy(), len(tokenizer.templates)))
    return pd.concat(parts)


def in_worlds(
    config: CohortConfig, tokenizer: Any, columns: Columns, task: Task, rows: Sequence[str], seed: int = 0
) -> pd.DataFrame:
    """The protocol's table in each of the three worlds, for the same people.

    Parameters
    ----------
    columns : label, or labels, of the task.
    rows : names of representations that learn nothing on the cohort, beside the bag of tokens; those that are not
        made here are left out.

    Returns
    -------
    The table of :class:`~dfe_lib.analysis.prediction.protocol.Outcome` with a first column ``world``.
    """
    parts = []
    for world, cohort in worlds(config, seed).items():
        about = cohort.recordings.set_index("recording")
        made = describe(cohort, tokenizer, codings={})
        features = {name: made[name] for name in (DFE_BAG, *rows) if name in made}
        table = evaluate(features, about[columns], about["subject"], task, seed, reference=DFE_BAG).table
        table.insert(0, "world", world)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def power(
    config: CohortConfig,
    tokenizer: Any,
    columns: Columns,
    task: Task,
    effects: Sequence[float],
    sizes: Sequence[int],
    seed: int = 0,
    permutations: int = 199,
) -> pd.DataFrame:
    """Power of the bag of tokens, as of :func:`~dfe_lib.analysis.prediction.power.power_curve`.

    ``config.subjects`` people are simulated for each effect and cut into cohorts of each size.
    """

    def make(effect: float, at: int):
        cohort = simulate_cohort(replace(config, effect=effect), at, ExtractionNoise.load())
        about = cohort.recordings.set_index("recording")
        return {DFE_BAG: bag(cohort, tokenizer)}, about[columns], about["subject"]

    return power_curve(make, task, effects, sizes, seeds=(seed,), permutations=permutations)


def null_p_values(
    config: CohortConfig,
    tokenizer: Any,
    columns: Columns,
    task: Task,
    size: int,
    seed: int = 0,
    permutations: int = 199,
) -> np.ndarray:
    """p-values of the bag of tokens in cohorts of ``size`` people among whom there is nothing to find.

    Cohorts whose label does not vary enough to be tested are left out.
    """
    cohort = simulate_cohort(replace(config, effect=0.0), seed, ExtractionNoise.load())
    about, table = cohort.recordings.set_index("recording"), bag(cohort, tokenizer)
    labels, people = about[columns], about["subject"]
    p = np.array(
        [
            p_value(table, labels, people, rows, task, seed + number, permutations)
            for number, rows in enumerate(disjoint(people, size))
        ]
    )
    return p[np.isfinite(p)]
