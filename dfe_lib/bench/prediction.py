"""The prediction protocol: its speed beside plain scikit-learn, its p-values where nothing is, planted effects."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy.stats import kstest, ttest_1samp

from dfe_lib.analysis.prediction.folds import nested
from dfe_lib.analysis.prediction.inputs import Source, source
from dfe_lib.analysis.prediction.metrics import DEPRESSION_SCORE, METRICS, STRESS, Task
from dfe_lib.analysis.prediction.model import cross_validate
from dfe_lib.analysis.prediction.permutation import Arrangements, held_out, label_columns
from dfe_lib.analysis.prediction.power import Part, disjoint
from dfe_lib.analysis.prediction.protocol import evaluate
from dfe_lib.analysis.prediction.solvers import LOGISTIC, RIDGE
from dfe_lib.analysis.representations import describe
from dfe_lib.analysis.representations.base import Table
from dfe_lib.bench.plain_prediction import plain
from dfe_lib.bench.timing import threads
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.tokens import Tokenizer

BAG = "DFE bag of tokens"
IDEAL = "FACS ideal mean+sd"
TRAIT = Task("extraversion", "regression", ("PCC",))
# What is predicted: name → column of the labels, task. Stress changes within people, the others are people's own.
TASKS = {
    "stress": ("stressed", STRESS),
    "depression": ("phq", DEPRESSION_SCORE),
    "extraversion": ("extraversion", TRAIT),
}
LEVEL = 0.05


def prediction() -> dict[str, float | str]:
    """Processor time of all rows of the stress table at demo size: whole protocol, folds alone, scikit-learn's."""
    with threads(1):
        cohort = simulate_cohort(CohortConfig(), 0, ExtractionNoise.load())
        about = cohort.recordings.set_index("recording")
        rows = dict(describe(cohort, Tokenizer.load()))
        rng = np.random.default_rng(0)
        for name in (
            "image MAE",
            "video MAE",
        ):  # as wide as base models; they are cached, so their values do not matter
            rows[name] = Table(name, pd.DataFrame(rng.normal(size=(len(about), 768)), index=about.index))
        started = time.process_time()
        evaluate(rows, about["stressed"], about["subject"], STRESS)
        figures: dict[str, float | str] = {
            "rows": len(rows),
            "recordings": len(about),
            "stress_whole_protocol_s": time.process_time() - started,
        }
        groups = about["subject"].to_numpy()
        fixed = {name: row for name, row in rows.items() if isinstance(row, Table)}
        figures["rows_that_learn_nothing"] = len(fixed)
        for task, model, labels in ((STRESS, LOGISTIC, "stressed"), (DEPRESSION_SCORE, RIDGE, "phq")):
            y = about[labels].to_numpy()[:, None]
            y = y.astype(float) if model == RIDGE else y.astype(int)
            plan = nested(y, groups, 5, 3, model == LOGISTIC, 0)
            ours, theirs, apart = 0.0, 0.0, 0.0
            for name, row in fixed.items():
                features = source(name, row, about.index)
                started = time.process_time()
                mine = cross_validate(features, y, plan, task)
                between = time.process_time()
                values, counts = features(plan[0].train)
                other = plain(values, counts, y, plan, model)
                ours, theirs = ours + between - started, theirs + time.process_time() - between
                if model == LOGISTIC:
                    apart = max(apart, float((mine.values[:, 0] != other.argmax(axis=1)).mean()))
                else:
                    apart = max(apart, float(np.abs(mine.values - other).max()))
            what = labels if model == LOGISTIC else "phq"
            figures |= {
                f"{what}_cross_validation_s": ours,
                f"{what}_scikit_learn_s": theirs,
                f"{what}_relative_to_scikit_learn": theirs / ours,
                f"{what}_largest_{'share_of_other_answers' if model == LOGISTIC else 'difference'}": apart,
            }
        return figures


def null(seeds: int = 20) -> dict[str, float | str]:
    """Share of cohorts without any effect in which each row is significant, and whether its p-values are uniform.

    Ten cohorts per seed.
    """
    return null_figures([null_tests(seed) for seed in range(seeds)])


def null_tests(seed: int, cohorts: int = 10, subjects: int = 24) -> pd.DataFrame:
    """p-values of cohorts of 24 people, 4 recordings of 3 s each, cut from a larger one without effects."""
    with threads(1):
        config = CohortConfig(subjects=subjects * cohorts, seconds=3.0, effect=0.0)
        cohort = simulate_cohort(config, 10_000 + seed, ExtractionNoise.load())
        rows = describe(cohort, Tokenizer.load())
        about = cohort.recordings.set_index("recording")
        tests = [
            _p_values(rows, about, part, 1000 * seed + b, 99, 2).assign(cohort=b)
            for b, part in enumerate(disjoint(about["subject"], subjects))
        ]
    return pd.concat(tests).assign(seed=seed)


def null_figures(tests: list[pd.DataFrame]) -> dict[str, float | str]:
    """The figures of :func:`null` from the tables of its seeds."""
    table = pd.concat(tests)
    cohorts = len(table.groupby(["seed", "cohort"]))
    figures: dict[str, float | str] = {"cohorts": cohorts}
    # 2.5 standard errors: with some fifty shares, one in a hundred such benchmarks goes beyond by chance alone.
    figures["share_allowed"] = LEVEL + 2.5 * np.sqrt(LEVEL * (1 - LEVEL) / cohorts)
    shares = table.groupby(["task", "method"], sort=False)["p"].agg(lambda v: (v <= LEVEL).mean())
    for task in TASKS:
        figures[f"{task}_false_positives"] = float(shares[task].mean())
        figures[f"{task}_largest_share_of_a_row"] = float(shares[task].max())
    uniform = [_uniform(v["p"].to_numpy()) for _, v in table.groupby(["task", "method"], sort=False)]
    figures["tests_of_uniformity"] = len(uniform)
    figures["share_of_them_below_0.05"] = float(np.mean(np.array(uniform) < LEVEL))
    rows = table.groupby("method", sort=False)["p"].agg(lambda v: (v <= LEVEL).mean())
    return figures | {f"false positives of {method}": float(v) for method, v in rows.items()}


def planted(world: str, seeds: int = 20) -> dict[str, float | str]:
    """Cohorts of 60 people with d = 0.8: how often each row detects it, and the bag of tokens against rows of FACS."""
    return planted_figures(world, [planted_tests(world, seed) for seed in range(seeds)])


def planted_tests(world: str, seed: int) -> pd.DataFrame:
    """``task, method, score, p`` of one cohort; in the world of FACS also the protocol's verdict on the ideal coder."""
    with threads(1):
        cohort = simulate_cohort(CohortConfig(effect=0.8, world=world), seed, ExtractionNoise.load())
        rows = describe(cohort, Tokenizer.load(), method="beam", codings={})
        rows = {name: row for name, row in rows.items() if name == BAG or name.startswith("FACS")}
        about = cohort.recordings.set_index("recording")
        table = _p_values(rows, about, np.arange(len(about)), seed, 199, 5).assign(seed=seed)
        if world == "facs":
            worse = {task: _ideal_is_better(rows, about, task, seed) for task in TASKS}
            table["ideal_is_better"] = table["task"].map(worse)
    return table


def planted_figures(world: str, tests: list[pd.DataFrame]) -> dict[str, float | str]:
    """The figures of :func:`planted` from the tables of its seeds."""
    figures: dict[str, float | str] = {"cohorts": len(tests)}
    for task, part in pd.concat(tests).groupby("task", sort=False):
        for method, p in part.groupby("method", sort=False)["p"]:
            figures[f"{task}: detected by {method}"] = float((p <= LEVEL).mean())
        score = part.pivot(index="seed", columns="method", values="score")
        for rival in score.columns.drop(BAG):
            more = (score[BAG] - score[rival]).to_numpy()
            ends = ttest_1samp(more, 0).confidence_interval(0.95)
            figures[f"{task}: bag over {rival}"] = f"{more.mean():+.3f} ({ends.low:+.3f} … {ends.high:+.3f})"
        if world == "facs":
            share = float(part.groupby("seed")["ideal_is_better"].first().mean())
            figures[f"{task}: cohorts in which the ideal coder is significantly better"] = share
    return {f"{world}: {name}": value for name, value in figures.items()}


def _ideal_is_better(rows, about: pd.DataFrame, task: str, seed: int) -> bool:
    """Whether the protocol itself would say so of one cohort, by its paired test on the primary metric."""
    column, scored = TASKS[task]
    pair = {name: rows[name] for name in (BAG, IDEAL)}
    table = evaluate(pair, about[column], about["subject"], scored, seed).table
    row = table[(table["method"] == IDEAL) & table["primary"]].iloc[0]
    sign = 1 if METRICS[row["metric"]].higher_is_better else -1
    return bool(row["p"] <= LEVEL and sign * row["difference"] > 0)


def _p_values(
    rows, about: pd.DataFrame, part: np.ndarray, seed: int, permutations: int, folds: int
) -> pd.DataFrame:
    """``task, method, score, p`` on some recordings; what does not depend on labels is made once."""
    own = about.iloc[part]
    groups, arrangements = own["subject"].to_numpy(), {}
    for name, (column, task) in TASKS.items():
        y, _ = label_columns(own[column], own["subject"], task)
        arrangements[name] = Arrangements.of(y, groups, permutations, seed)
    found = []
    for method, row in rows.items():
        features: Source = source(method, Part(row, part), own.index)
        smoother = held_out(features, groups, folds, seed)
        for name, arranged in arrangements.items():
            test = arranged.test(smoother)
            found.append({"task": name, "method": method, "score": test.score, "p": test.p})
    return pd.DataFrame(found)


def _uniform(p: np.ndarray) -> float:
    """Kolmogorov and Smirnov's p-value that p is uniform; noise within its steps of 1/100 makes it continuous."""
    return float(kstest(p - np.random.default_rng(0).uniform(0, 0.01, len(p)), "uniform").pvalue)
