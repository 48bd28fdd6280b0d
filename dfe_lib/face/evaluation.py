"""How good is ψ? On renders, where the truth is known, and on real actors, where another detector's AUs must serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

# AU of Py-Feat and the coefficient that it should move with (subject's left side where there are two).
AU_PAIRS = {
    "AU01": "browInnerUp_L",
    "AU02": "browOuterUp_L",
    "AU04": "browDown_L",
    "AU05": "eyeWide_L",
    "AU06": "cheekSquint_L",
    "AU10": "mouthUpperUp_L",
    "AU12": "mouthSmile_L",
    "AU15": "mouthFrown_L",
    "AU20": "mouthStretch_L",
    "AU24": "mouthPress_L",
    "AU26": "jawOpen",
    "AU43": "eyeBlink_L",
}


def agreement(psi: np.ndarray, predicted: np.ndarray) -> dict[str, float | list[float]]:
    """How well predicted ψ follows the truth.

    Parameters
    ----------
    psi, predicted : (n, 53).

    Returns
    -------
    ``mean_r`` and ``r`` (53 Pearson correlations; 0 where either is constant), ``variance_explained`` and
    ``rms_mm`` (mean over frames of the RMS vertex error), both in the metric G.
    """
    psi, predicted = ICT53.check(psi), ICT53.check(predicted)
    error, size = ICT53.norm(psi - predicted), ICT53.norm(psi)
    r = [pearson(a, b) for a, b in zip(psi.T, predicted.T, strict=True)]
    return {
        "mean_r": float(np.mean(r)),
        "r": [round(v, 3) for v in r],
        "variance_explained": float(1 - (error**2).sum() / (size**2).sum()),
        "rms_mm": float(error.mean()),
    }


def au_agreement(psi: np.ndarray, aus: pd.DataFrame, recordings: np.ndarray) -> pd.DataFrame:
    """Correlation of coefficients with another tool's AUs, each recording's median removed from both.

    Parameters
    ----------
    psi : (n, 53), NaN rows allowed.
    aus : n rows with the columns of ``AU_PAIRS``.
    recordings : (n,) names.

    Returns
    -------
    DataFrame with columns ``au``, ``coefficient``, ``r``, one row per pair.

    Raises
    ------
    InputError : an AU column is missing, or lengths differ.
    """
    missing = [au for au in AU_PAIRS if au not in aus.columns]
    if missing:
        raise InputError(f"the AU table lacks the column '{missing[0]}'")
    if not len(psi) == len(aus) == len(recordings):
        raise InputError(
            f"ψ has {len(psi)} rows, the AUs {len(aus)}, recordings {len(recordings)}; they must agree"
        )
    columns = [ICT53.names.index(name) for name in AU_PAIRS.values()]
    ours = _without_median(np.asarray(psi)[:, columns], recordings)
    theirs = _without_median(aus[list(AU_PAIRS)].to_numpy(float), recordings)
    r = []
    for a, b in zip(ours.T, theirs.T, strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        r.append(pearson(a[both], b[both]))
    return pd.DataFrame({"au": list(AU_PAIRS), "coefficient": list(AU_PAIRS.values()), "r": r})


@dataclass(frozen=True)
class RenderBenchmark:
    """Held-out renders, truth and answers.

    Attributes
    ----------
    psi : (n, 53) true ψ of the expressive frames.
    predicted : method → (n, 53): our regressor, and MediaPipe's own blendshapes with the same neutral taken off.
    table : one row per method: ``method, mean_r, variance_explained, rms_mm``.
    r : method → (53,) correlation per coefficient.
    """

    psi: np.ndarray
    predicted: dict[str, np.ndarray]
    table: pd.DataFrame
    r: dict[str, np.ndarray]


def render_benchmark(subjects: int, expressions: int, seed: int) -> RenderBenchmark:
    """Render subjects that were never trained on, detect them, and compare both methods with the truth.

    Parameters
    ----------
    subjects, expressions : simulated people, and expressive frames of each (beside three neutral ones).
    seed : any; training used other people.

    Raises
    ------
    AssetError : ict-facekit or the FaceLandmarker model is not at hand.
    """
    from dfe_lib.data.adapters.arkit import to_ict53
    from dfe_lib.face.landmarks import blendshape_names
    from dfe_lib.face.regressor import ExpressionRegressor
    from dfe_lib.face.training import RenderConfig, render_frames, subject_neutrals

    config = RenderConfig(0, subjects, expressive_frames=expressions, seed=1000 + seed)
    renders = render_frames(config, progress=False)
    ours = ExpressionRegressor.load().predict(renders.landmarks, renders.subject, renders.neutral)
    theirs = to_ict53(renders.blendshapes, blendshape_names())
    theirs = theirs - subject_neutrals(theirs, renders.subject, renders.neutral)
    shown = ~renders.neutral
    predicted = {"ours": ours[shown], "MediaPipe blendshapes": theirs[shown]}
    scores = {name: agreement(renders.psi[shown], values) for name, values in predicted.items()}
    r = {name: np.array(score.pop("r")) for name, score in scores.items()}
    table = pd.DataFrame([{"method": name} | score for name, score in scores.items()])
    return RenderBenchmark(renders.psi[shown], predicted, table, r)


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; 0 where one of the two does not vary (nothing was followed)."""
    if len(a) < 2 or np.std(a) == 0 or np.std(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _without_median(values: np.ndarray, recordings: np.ndarray) -> np.ndarray:
    frame = pd.DataFrame(values)
    return (frame - frame.groupby(np.asarray(recordings)).transform("median")).to_numpy()
