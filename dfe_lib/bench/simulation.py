"""Speed of the behaviour simulator, and what is to be found in its worlds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.bench.timing import interleaved
from dfe_lib.codings import FACS
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, Simulation, simulate_cohort
from dfe_lib.data.simulation.people import draw_people
from dfe_lib.space import ICT53

SUBJECTS = 400  # of four recordings of 200 frames
SEPARATION = CohortConfig(subjects=60, recordings=4, seconds=30.0)
SEEDS = 3
FOLDS = 6
LABELS = ("stressed", "depressed", "extraversion")


def simulation() -> dict[str, float | str]:
    """Frames per second of the true stream, as tables, and with noise; then areas under the curve per world.

    The areas are of a plain logistic regression, cross-validated over subjects, without any tuning: the
    mean over seeds says what a world holds for a representation, not what a protocol would reach.
    """
    config = CohortConfig(subjects=SUBJECTS)
    noise = ExtractionNoise.load()
    works = {
        "true_stream": lambda: _count(Simulation(config, 0, draw_people(config, 0)).psi()),
        "tables": lambda: _count(simulate_cohort(config, 0).chunks()),
        "tables_with_noise": lambda: _count(simulate_cohort(config, 0, noise).chunks()),
    }
    total = SUBJECTS * config.recordings * config.frames
    rows: dict[str, float | str] = {"cores": float(os.cpu_count() or 1), "frames": float(total)}
    rows |= {f"{name}_frames_per_s": total / t for name, t in interleaved(works, 5).items()}
    for measured, measuring in (("exact", None), ("measured", noise)):
        for world in ("facs", "beyond", "mixed"):
            areas = [_areas(world, seed, measuring) for seed in range(SEEDS)]
            for name in areas[0]:
                rows[f"{measured}_{world}_auc_{name}"] = float(np.mean([a[name] for a in areas]))
    return rows


def _count(parts: Iterator) -> int:
    return sum(len(part) for part in parts)


def _areas(world: str, seed: int, noise: ExtractionNoise | None) -> dict[str, float]:
    """Area under the curve of each label and representation; of labels of a person over mean scores of people."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    cohort = simulate_cohort(replace(SEPARATION, world=world), seed, noise)
    people, found = pd.factorize(cohort.recordings["subject"])[0], {}
    for name, x in _features(cohort).items():
        steps = [LogisticRegression(C=30.0, max_iter=3000)]
        if name == "facs":  # means and deviations have different units; counts of unit length have not
            steps = [StandardScaler(), LogisticRegression(C=0.003, max_iter=3000)]
        for label in LABELS:
            values = cohort.recordings[label].to_numpy()
            y = (values > np.median(values) if label == "extraversion" else values == 1).astype(int)
            score = cross_val_predict(
                make_pipeline(*steps), x, y, groups=people, cv=GroupKFold(FOLDS), method="decision_function"
            )
            if label != "stressed":
                score, y = (pd.Series(v).groupby(people).mean().to_numpy() for v in (score, y))
            found[f"{label}_{name}"] = float(roc_auc_score(y, score))
    return found


def _features(cohort: Cohort) -> dict[str, np.ndarray]:
    """Per recording: mean and deviation of 17 ideal action units; log counts of tokens, of unit length."""
    from dfe_lib.tokens import Tokenizer

    tokenizer, facs, rows = Tokenizer.load(), FACS(), {"facs": [], "bag": []}
    for table in cohort.chunks():
        seen = table[table["detected"]]
        psi = frames.psi(seen, ICT53.names)
        units, codes = facs.intensities(psi), tokenizer.encode(psi, method="greedy")
        for where in seen.groupby("recording", sort=False).indices.values():
            rows["facs"].append(np.concatenate([units[where].mean(axis=0), units[where].std(axis=0)]))
            count = np.log1p(np.bincount(codes[where].ravel(), minlength=len(tokenizer.templates)))
            rows["bag"].append(count / np.linalg.norm(count))
    return {name: np.stack(values) for name, values in rows.items()}
