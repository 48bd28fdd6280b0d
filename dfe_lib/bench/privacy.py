"""Who it is, told from what is shared: simulated people, rendered people, actors; against chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.analysis.leakage import landmark_statistics, recognition, shared_things
from dfe_lib.bench.device import NOT_MEASURED
from dfe_lib.bench.timing import threads
from dfe_lib.data import manifest
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.face.align import align
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer

SEED = 0
LANDMARKS = "aligned landmarks"
PEOPLE, RECORDINGS, SECONDS = 120, 4, 20.0  # of the simulated cohort


def privacy() -> dict[str, float | str]:
    """Top-1 and area under the curve with 95 % intervals, by data, thing shared, and attacker."""
    with threads(2):
        rows: dict[str, float | str] = {}
        for data, table in leaks().items():
            if table is None:
                rows[data] = NOT_MEASURED
                continue
            rows[f"{data}: people"] = int(table["people"].iloc[0])
            rows[f"{data}: top1 by chance"] = float(table["chance"].iloc[0])
            for row in table.itertuples():
                what = f"{row.shared}, {row.attacker}"
                rows |= {f"{data}: top1, {what}": row.top1, f"{data}: auc, {what}": row.auc}
                rows[f"{data}: 95 %, {what}"] = (
                    f"{row.top1_low:.2f}–{row.top1_high:.2f}; {row.auc_low:.2f}–{row.auc_high:.2f}"
                )
    return rows


def leaks() -> dict[str, pd.DataFrame | None]:
    """:func:`~dfe_lib.analysis.leakage.recognition` by data; None where the data are not at hand."""
    has_renders = all(map(manifest.available, ("ict-facekit", "mediapipe-face-landmarker")))
    return {
        "simulated": simulated(),
        "rendered": rendered() if has_renders else None,
        "actors": actors() if manifest.available("pyfeat-news") else None,
    }


def simulated() -> pd.DataFrame:
    """People with habits of their own, four recordings each; landmarks are mean faces of the shipped face model."""
    cohort = simulate_cohort(
        CohortConfig(PEOPLE, RECORDINGS, SECONDS, effect=0.0), SEED, ExtractionNoise.load()
    )
    table = cohort.frames[cohort.frames["detected"]]
    psi, names = frames.psi(table, ICT53.names), table["recording"].to_numpy(str)
    things = _things(psi, names)
    who = cohort.recordings.set_index("recording")["subject"].loc[np.unique(names)]
    modes = cohort.people.set_index("subject").filter(like="identity_").loc[who].to_numpy()
    mean = pd.DataFrame(psi).groupby(names).mean().to_numpy(np.float32)
    things[LANDMARKS] = load_morphable("face478").vertices(mean, modes).reshape(len(mean), -1)
    return recognition(things, who.to_numpy(str), SEED)


def rendered() -> pd.DataFrame:
    """Forty people of the renderer who all show the same displays: one half of these, and the other.

    Who it is can be told from the face alone, as nobody has habits. ψ is measured against a neutral face that is
    estimated in each half.
    """
    from dfe_lib.face.picture import PictureRegressor
    from dfe_lib.face.renders import render_frames
    from dfe_lib.face.training import SHARED

    renders = render_frames(SHARED, progress=False)
    renders = renders.rows(~renders.neutral)
    half = np.random.default_rng(SEED).permutation(renders.display.max() + 1)[renders.display] % 2
    names = np.char.add(np.char.add(renders.subject.astype(str), "_"), half.astype(str))
    psi, _ = PictureRegressor.load().predict(renders.landmarks, renders.crop, names)
    things = _things(psi, names)
    things[LANDMARKS] = landmark_statistics(align(renders.landmarks).points, names)
    return recognition(things, _before_last(np.unique(names)), SEED)


def actors() -> pd.DataFrame:
    """Twenty clips of news, each cut in two: whether two halves are of one clip.

    Who speaks is not stated, so this is the recognition of a clip: a person on one day, in one light, saying one thing.
    """
    from dfe_lib.data.adapters.pyfeat import read_news
    from dfe_lib.face.regressor import ExpressionRegressor

    table = read_news().frames
    place = table.groupby("recording").cumcount() / table.groupby("recording")["frame"].transform("size")
    names = (table["recording"] + "_" + (place >= 0.5).astype(int).astype(str)).to_numpy(str)
    points = frames.landmarks(table)
    psi = ExpressionRegressor.load().predict(points, recordings=names)
    seen = np.isfinite(psi).all(axis=1)
    things = _things(psi[seen], names[seen])
    things[LANDMARKS] = landmark_statistics(align(points[seen]).points, names[seen])
    return recognition(things, _before_last(np.unique(names[seen])), SEED)


def _things(psi: np.ndarray, names: np.ndarray) -> dict[str, np.ndarray]:
    tokenizer = Tokenizer.load()
    codes = tokenizer.encode(psi)
    return shared_things(psi, codes, tokenizer.decode(codes), names, tokenizer.codes_per_stage)


def _before_last(names: np.ndarray) -> np.ndarray:
    return np.array([name.rpartition("_")[0] for name in names])
