"""Does measured motion move like the true one? Error, delay, jitter and lost height, before and after smoothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.signal import find_peaks

from dfe_lib.errors import InputError
from dfe_lib.face.temporal import Kalman, OneEuro, smooth_psi
from dfe_lib.space import ICT53

JITTER_HZ = 6.0  # hardly any movement is faster: 0.04 % of the power of a real range of motion
MAX_LAG = 10  # frames either way
PEAK_PROMINENCE = 0.3  # of a full shape: a movement that can be seen
PEAK_REACH = 3  # frames around a true peak in which the measured one is looked for


def dynamics(truth: np.ndarray, measured: np.ndarray, rate: float) -> dict[str, float]:
    """How measured motion follows the truth.

    Parameters
    ----------
    truth, measured : (n, 53) ψ at a constant frame rate; rows of ``measured`` may be NaN.
    rate : frames per second.

    Returns
    -------
    ``rms_mm``, mean over frames of the distance in G; ``lag_frames``, where the cross-correlation in G is largest
    (positive: late); ``jitter_mm``, RMS of the error above ``JITTER_HZ``; ``peak_ratio``, median over the truth's
    peaks of measured to true height; ``velocity_r``, correlation of the velocities in G.

    Raises
    ------
    InputError : other shapes, or fewer than two seconds.
    """
    truth, measured = ICT53.check(truth), ICT53.check(measured, allow_nan=True)
    if truth.shape != measured.shape or len(truth) < 2 * rate:
        raise InputError(
            f"truth {truth.shape} and measured {measured.shape} must be of one shape and two seconds or more"
        )
    seen = np.isfinite(measured).all(axis=1)
    filled = pd.DataFrame(measured.astype(np.float64)).interpolate(limit_direction="both").to_numpy()
    a, b = truth @ ICT53.whitener, filled @ ICT53.whitener
    return {
        "rms_mm": float(np.linalg.norm(a - b, axis=1)[seen].mean()),
        "lag_frames": _lag(a, b),
        "jitter_mm": _fast(b - a, rate),
        "peak_ratio": _peak_ratio(truth, filled),
        "velocity_r": float(np.corrcoef(np.diff(a, axis=0).ravel(), np.diff(b, axis=0).ravel())[0, 1]),
    }


def compare(
    truth: np.ndarray,
    measured: np.ndarray,
    rate: float,
    sd: np.ndarray | None = None,
    smoothings: dict[str, OneEuro | Kalman] | None = None,
) -> pd.DataFrame:
    """:func:`dynamics` of the measurement as it is and after each smoothing, one row each.

    Parameters
    ----------
    sd : (n, 53) standard deviation of the measurement, where there is one.
    smoothings : name → settings; by default One-Euro, Kalman forwards only, and Kalman both ways.
    """
    if smoothings is None:
        smoothings = {"one-euro": OneEuro(), "kalman, causal": Kalman(causal=True), "kalman": Kalman()}
    time_s = np.arange(len(truth)) / rate
    rows = [{"smoothing": "none", **dynamics(truth, measured, rate)}]
    for name, settings in smoothings.items():
        rows.append({"smoothing": name, **dynamics(truth, smooth_psi(time_s, measured, settings, sd), rate)})
    return pd.DataFrame(rows)


def _lag(a: np.ndarray, b: np.ndarray) -> float:
    """Shift of b against a in frames, to a fraction by a parabola through the three highest correlations."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    n, reach = len(a), min(MAX_LAG, len(a) // 4)
    shifts = np.arange(-reach, reach + 1)
    inner = np.array([(a[max(0, -s) : n - max(0, s)] * b[max(0, s) : n - max(0, -s)]).sum() for s in shifts])
    at = int(np.argmax(inner))
    if at in (0, len(inner) - 1):
        return float(shifts[at])
    left, middle, right = inner[at - 1 : at + 2]
    return float(shifts[at] + 0.5 * (left - right) / (left - 2 * middle + right))


def _fast(error: np.ndarray, rate: float) -> float:
    """RMS over frames of the part of the error above ``JITTER_HZ``."""
    spectrum = np.fft.rfft(error - error.mean(axis=0), axis=0)
    spectrum[np.fft.rfftfreq(len(error), 1 / rate) < JITTER_HZ] = 0
    fast = np.fft.irfft(spectrum, n=len(error), axis=0)
    return float(np.sqrt((fast**2).sum(axis=1).mean()))


def _peak_ratio(truth: np.ndarray, measured: np.ndarray) -> float:
    """Median over peaks of measured to true rise above the foot of the peak."""
    ratios = []
    for true, found in zip(truth.T, measured.T, strict=True):
        peaks, about = find_peaks(true, prominence=PEAK_PROMINENCE)
        feet = np.where(
            true[about["left_bases"]] > true[about["right_bases"]], about["left_bases"], about["right_bases"]
        )
        for peak, foot in zip(peaks, feet, strict=True):
            top = found[max(0, peak - PEAK_REACH) : peak + PEAK_REACH + 1].max()
            ratios.append((top - found[foot]) / (true[peak] - true[foot]))
    return float(np.median(ratios)) if ratios else float("nan")
