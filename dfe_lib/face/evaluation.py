"""How good is ψ? On renders, where the truth is known, and on real actors, where another detector's AUs must serve."""

from __future__ import annotations

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
    ``r`` (53 Pearson correlations; 0 where either is constant), ``mean_r`` (of the coefficients that move in the
    truth), ``variance_explained`` and ``rms_mm`` (mean over frames of the RMS vertex error), both in the metric G.
    """
    psi, predicted = ICT53.check(psi), ICT53.check(predicted)
    error, size = ICT53.norm(psi - predicted), ICT53.norm(psi)
    r = [pearson(a, b) for a, b in zip(psi.T, predicted.T, strict=True)]
    moving = psi.std(axis=0) > 0
    return {
        "mean_r": float(np.mean(np.array(r)[moving])) if moving.any() else 0.0,
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
    ours = without_median(np.asarray(psi)[:, columns], recordings)
    theirs = without_median(aus[list(AU_PAIRS)].to_numpy(float), recordings)
    r = []
    for a, b in zip(ours.T, theirs.T, strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        r.append(pearson(a[both], b[both]))
    return pd.DataFrame({"au": list(AU_PAIRS), "coefficient": list(AU_PAIRS.values()), "r": r})


def retrieval(psi: np.ndarray, subject: np.ndarray, display: np.ndarray, ranks: int = 1) -> float:
    """How often a display is found again on other people's faces.

    Of every frame the nearest frames in G among all other subjects are looked up.

    Parameters
    ----------
    psi : (n, 53). subject, display : (n,) who shows what.
    ranks : the display counts as found when it is among so many nearest ones.

    Returns
    -------
    Share of the frames, 0–1.
    """
    points = ICT53.check(psi).astype(np.float64) @ ICT53.whitener
    size = (points**2).sum(axis=1)
    distance = size[:, None] + size - 2 * points @ points.T
    distance[subject[:, None] == subject] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :ranks]
    return float((display[nearest] == display[:, None]).any(axis=1).mean())


def identity_probe(values: np.ndarray, subject: np.ndarray, folds: int = 4) -> float:
    """Accuracy of a linear probe (logistic regression, stratified folds) that guesses the subject, over chance.

    Parameters
    ----------
    values : (n, m) whatever may give the subject away. subject : (n,).

    Returns
    -------
    Accuracy times the number of subjects: 1 is chance. NaN where a subject has fewer frames than there are folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _, counts = np.unique(subject, return_counts=True)
    if len(counts) < 2 or counts.min() < folds:
        return float("nan")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, tol=1e-3))
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    return float(cross_val_score(probe, values, subject, cv=split).mean() * len(counts))


def pose_r2(values: np.ndarray, view: np.ndarray, subject: np.ndarray, folds: int = 5) -> float:
    """How much of the head pose a linear map finds in ``values``: the largest R² of yaw, pitch and roll.

    Parameters
    ----------
    values : (n, m). view : (n, 3) true angles. subject : (n,) no subject is in the training and the test part.

    Returns
    -------
    R² of ridge regression (penalty chosen inside each training part); negative where it is worse than the mean.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = min(folds, len(np.unique(subject)))
    if folds < 2:
        return float("nan")
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
    found = cross_val_predict(ridge, values, view, groups=subject, cv=GroupKFold(folds))
    return float(r2_score(view, found, multioutput="raw_values").max())


def calibration(error: np.ndarray, sd: np.ndarray) -> dict[str, float]:
    """Share of the errors within one and two of their announced standard deviations; 0.68 and 0.95 if Gaussian.

    Parameters
    ----------
    error, sd : of one shape.
    """
    ratio = np.abs(error) / sd
    return {"within_1_sd": float((ratio < 1).mean()), "within_2_sd": float((ratio < 2).mean())}


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; 0 where one of the two does not vary (nothing was followed)."""
    if len(a) < 2 or np.std(a) == 0 or np.std(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def without_median(values: np.ndarray, recordings: np.ndarray) -> np.ndarray:
    """(n, m) values minus their recording's median; NaN stays."""
    frame = pd.DataFrame(values)
    return (frame - frame.groupby(np.asarray(recordings)).transform("median")).to_numpy()
