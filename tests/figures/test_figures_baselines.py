"""A few figures against pictures that were looked at: what artists cannot tell, such as light, depth and layout.

A change that is meant is taken over with ``DFE_BASELINES=write pytest tests/figures/test_figures_baselines.py``;
look at the new pictures before committing them.
"""

from __future__ import annotations

import os

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.testing.compare import calculate_rms
from PIL import Image

from dfe_lib.face.morphable import load_morphable
from dfe_lib.figures import charts, comparison, faces, prediction, style
from dfe_lib.paths import REPOSITORY
from dfe_lib.space import ICT53

BASELINES = REPOSITORY / "tests" / "figures" / "baselines"
TOLERANCE = 6.0  # RMS of 0–255: another version of matplotlib moves letters by a pixel


def smile():
    model = load_morphable("face478")
    face = model.vertices(ICT53.vector(mouthSmile_L=1.0, jawOpen=0.6))
    figure, ax = plt.subplots(figsize=(1.4, 1.6))
    faces.plot_face(face, model.triangles, ax, np.linalg.norm(face - model.neutral, axis=1), yaw=25, limit=15)
    return figure


def raster():
    codes = np.repeat(np.array([[3, 9], [3, 4], [-1, -1], [7, 9]]), 4, axis=0)
    figure, ax = plt.subplots(figsize=(3.0, 1.2))
    charts.plot_token_raster(codes, np.arange(16) / 10, ax=ax)
    return figure


def forest():
    rows = [("DFE bag of tokens", 0.7), ("FACS mean+sd", 0.6), ("constant", 0.5), ("shuffled labels", 0.48)]
    table = pd.DataFrame(rows, columns=["method", "value"])
    table = table.assign(
        low=table["value"] - 0.1, high=table["value"] + 0.1, p_holm=[np.nan, 0.2, 0.01, 0.001]
    )
    figure, ax = plt.subplots(figsize=(3.4, 1.5))
    prediction.plot_forest(table, "AUROC", 0.5, ax=ax)
    return figure


def coverage():
    tau = np.linspace(0, 2, 21)
    curves = [pd.DataFrame({"coding": c, "tau_mm": tau, "share": 1 - np.exp(-k * tau)}) for c, k in
              (("DFE", 4), ("FACS openface", 1), ("FACS full sided", 2))]  # fmt: skip
    figure, ax = plt.subplots(figsize=(3.4, 2.0))
    comparison.plot_coverage(pd.concat(curves), ax)
    return figure


@pytest.mark.parametrize("draw", [smile, raster, forest, coverage], ids=lambda f: f.__name__)
def test_it_looks_as_it_did(draw, tmp_path):
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        matplotlib.use("agg")
        style.use_style()
        plt.rcParams["font.family"] = "DejaVu Sans"  # comes with matplotlib, the same everywhere
        figure = draw()
        now = tmp_path / "now.png"
        figure.savefig(now, dpi=80, metadata={"Software": None})
        plt.close(figure)
    kept = BASELINES / f"{draw.__name__}.png"
    if os.environ.get("DFE_BASELINES") == "write":
        kept.write_bytes(now.read_bytes())
    pictures = [np.asarray(Image.open(p).convert("RGB")).astype(np.int16) for p in (kept, now)]
    assert pictures[0].shape == pictures[1].shape
    assert calculate_rms(*pictures) < TOLERANCE
    assert calculate_rms(pictures[0], np.full_like(pictures[0], 255)) > 2 * TOLERANCE, "a picture of nothing"
