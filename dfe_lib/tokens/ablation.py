"""What each part of the tokenizer is for: the same training with one part changed, over several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from dfe_lib.analysis.fidelity import rms_error
from dfe_lib.space import ICT53, ExpressionSpace
from dfe_lib.tokens.quantizer import ResidualQuantizer
from dfe_lib.tokens.start import start, start_unshared
from dfe_lib.tokens.training import TrainingConfig, train

VARIANTS: dict[str, dict[str, float]] = {
    "full": {},
    "no sparsity": {"sparsity": 0.0},
    "no orthogonality": {"orthogonality": 0.0},
    "one stage": {"stages": 1},
}


def ablate(
    psi: np.ndarray,
    held_out: np.ndarray,
    config: TrainingConfig,
    seeds: Sequence[int],
    variants: Mapping[str, Mapping[str, float]] = VARIANTS,
    space: ExpressionSpace = ICT53,
    displacements: np.ndarray | None = None,
) -> pd.DataFrame:
    """Train every variant with every seed.

    Parameters
    ----------
    psi, held_out : (n, d) and (m, d) frames to learn from and to measure on.
    variants : name → settings that differ from ``config``.

    Returns
    -------
    DataFrame, one row per variant and seed: ``run, seed, bits``; RMS error (mm) of held-out frames by
    ``beam, greedy, encoder``; ``locality`` (mean movement of a template over its RMS) and ``similarity`` (mean
    squared cosine between templates) of the codebook.
    """
    rows = []
    for name, changes in variants.items():
        for seed in seeds:
            trained = train(
                psi,
                replace(config, seed=seed, **changes),
                space=space,
                displacements=displacements,
                progress=False,
            )
            tok, refined = trained.tokenizer, trained.history.query("phase == 'refine'").iloc[-1]
            error = {
                m: rms_error(held_out, tok.decode(tok.encode(held_out, m)), space)
                for m in ("beam", "greedy", "encoder")
            }
            looks = {"locality": refined["sparsity"], "similarity": refined["orthogonality"]}
            rows.append({"run": name, "seed": seed, "bits": tok.bits_per_frame, **error, **looks})
    return pd.DataFrame(rows)


def sharing(
    psi: np.ndarray,
    held_out: np.ndarray,
    config: TrainingConfig,
    seeds: Sequence[int],
    space: ExpressionSpace = ICT53,
) -> pd.DataFrame:
    """One codebook for all stages against one per stage, both by k-means on residuals and greedy search.

    Returns
    -------
    DataFrame, one row per kind and seed: ``run, seed, templates`` (how many vectors are kept), ``greedy``
    (RMS error in mm).
    """
    rows = []
    x, y = (torch.from_numpy((p @ space.whitener).astype(np.float32)) for p in (psi, held_out))
    for name, begin in {"shared": start, "unshared": start_unshared}.items():
        for seed in seeds:
            quantizer = ResidualQuantizer(
                space.dimension, config.codes, config.stages, name == "shared"
            ).eval()
            generator = torch.Generator().manual_seed(seed)
            kept = torch.randperm(len(x), generator=generator)[: config.start_frames]
            quantizer.assign(*begin(x[kept], config.codes, config.stages, generator))
            with torch.no_grad():
                left = y - quantizer.decode(quantizer.encode(y))
            error = float(left.double().square().sum(dim=1).sqrt().mean())
            rows.append({"run": name, "seed": seed, "templates": len(quantizer.codebook), "greedy": error})
    return pd.DataFrame(rows)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one row per ``run`` in the order given; columns (what, mean|sd).

    >>> rows = pd.DataFrame({"run": ["a", "a"], "seed": [0, 1], "beam": [1.0, 3.0]})
    >>> summarise(rows)["beam"].loc["a"].round(3).to_dict()
    {'mean': 2.0, 'sd': 1.414}
    """
    table = rows.drop(columns="seed").groupby("run", sort=False).agg(["mean", "std"])
    return table.rename(columns={"std": "sd"}, level=1)
