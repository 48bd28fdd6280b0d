"""How simulated motion differs from measured motion: marginals, co-activation, autocorrelation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

ACTIVE = 0.1  # a coefficient above it counts as active; about the noise of extraction
QUANTILES = (0.5, 0.9, 0.99)
LAGS_S = (0.1, 0.2, 0.4, 0.8, 1.2)
WINDOW_S = 2.0  # the length of the shortest recordings at hand, the news clips
COLUMNS = ("source", "statistic", "coefficient", "other", "at", "value")

Motion = tuple[np.ndarray, Sequence[str], np.ndarray]


def compare_motion(
    sources: Mapping[str, Motion],
    names: Sequence[str] = ICT53.names,
    lags_s: Sequence[float] = LAGS_S,
    window_s: float = WINDOW_S,
) -> pd.DataFrame:
    """The same statistics of several sources of motion, in one long table.

    Before co-activation and autocorrelation are taken, all sources are cut into windows of one length and each window
    loses its mean: a long recording and a short clip then lose alike to it, and what is left is motion, not the
    difference of neutral faces.

    Parameters
    ----------
    sources : name → (psi, recording, time_s): (n, d) float, NaN where no face was found; (n,) name of the recording of
        each frame, frames of one recording side by side; (n,) seconds.
    lags_s : of autocorrelation, seconds; taken at the nearest whole number of frames of each source, and left out
        where that is none, or further from the lag than half of it.
    window_s : seconds; what is left at the end of a recording is kept if it lasts half of it.

    Returns
    -------
    DataFrame ``source, statistic, coefficient, other, at, value``:
    ``active`` share of frames above 0.1; ``quantile`` of the value, ``at`` its order; ``speed`` root mean square change
    per second; ``co-activation`` correlation of ``coefficient`` and ``other``; ``autocorrelation``, ``at`` the lag in
    seconds. Coefficients that never move in a source have no correlations.

    Raises
    ------
    InputError : nothing to compare, lengths that do not agree, a source without a frame, times that do not increase
        within a recording.

    Examples
    --------
    >>> psi = np.random.default_rng(0).random((50, 53))
    >>> table = compare_motion({"noise": (psi, ["a"] * 50, np.arange(50) / 10)})
    >>> sorted(table["statistic"].unique())
    ['active', 'autocorrelation', 'co-activation', 'quantile', 'speed']
    """
    if not sources:
        raise InputError("compare_motion needs at least one source of motion, got none")
    if not window_s > 0:
        raise InputError(f"window_s must be above 0, got {window_s}")
    parts = []
    for source, (psi, recording, time_s) in sources.items():
        rows = _statistics(*_checked(source, psi, recording, time_s, len(names)), names, lags_s, window_s)
        parts.append(pd.concat(list(rows), ignore_index=True).assign(source=source))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def agreement(table: pd.DataFrame, reference: str) -> pd.DataFrame:
    """How alike the sources of :func:`compare_motion` are to one of them, over coefficients or pairs of them.

    Returns
    -------
    DataFrame ``source, statistic, at, r, mean, reference_mean, n``: Pearson correlation with ``reference`` of the
    values that both have (co-activation: of pairs of different coefficients), and both means over these.

    Raises
    ------
    InputError : no such source.
    """
    known = list(dict.fromkeys(table["source"]))
    if reference not in known:
        raise InputError(f"no source '{reference}' in the table; it has {', '.join(known)}")
    keys = ["statistic", "at", "coefficient", "other"]
    of = table[table["source"] == reference][[*keys, "value"]]
    both = table[table["source"] != reference].merge(of, on=keys, suffixes=("", "_reference"))
    rows = []
    for (source, statistic, at), part in both.groupby(
        ["source", "statistic", "at"], sort=False, dropna=False
    ):
        x, y = part["value"].to_numpy(), part["value_reference"].to_numpy()
        moving = len(part) > 2 and x.std() > 0 and y.std() > 0
        r = np.corrcoef(x, y)[0, 1] if moving else np.nan
        rows.append((source, statistic, at, r, x.mean(), y.mean(), len(part)))
    return pd.DataFrame(rows, columns=["source", "statistic", "at", "r", "mean", "reference_mean", "n"])


def _checked(source, psi, recording, time_s, d) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    psi, time_s = np.asarray(psi, np.float64), np.asarray(time_s, np.float64)
    groups = pd.factorize(np.asarray(recording))[0]
    if psi.ndim != 2 or psi.shape[1] != d or not len(psi) == len(groups) == len(time_s):
        raise InputError(
            f"source '{source}': ψ of shape {psi.shape}, {len(groups)} recordings and {len(time_s)} times do not go "
            f"together; needed are (n, {d}), n and n"
        )
    if not np.isfinite(psi).all(axis=1).any():
        raise InputError(f"source '{source}' has no frame with a face")
    same = groups[1:] == groups[:-1]
    if (np.diff(time_s)[same] <= 0).any():
        raise InputError(
            f"source '{source}': times do not increase within a recording; sort by recording and time"
        )
    return psi, groups, time_s


def _statistics(psi, groups, time_s, names, lags_s, window_s) -> Iterator[pd.DataFrame]:
    seen = np.isfinite(psi).all(axis=1)
    yield _rows("active", names, (psi[seen] > ACTIVE).mean(axis=0))
    for order in QUANTILES:
        yield _rows("quantile", names, np.quantile(psi[seen], order, axis=0), at=order)
    step_s = np.diff(time_s)
    follows = (groups[1:] == groups[:-1]) & seen[1:] & seen[:-1]
    if not follows.any():
        return  # single pictures have no motion
    speed = np.diff(psi, axis=0)[follows] / step_s[follows, None]
    yield _rows("speed", names, np.sqrt((speed**2).mean(axis=0)))
    centred, window = _windows(psi, groups, time_s, seen, window_s)
    moving = np.flatnonzero(centred[np.isfinite(centred).all(axis=1)].std(axis=0) > 1e-6)
    known = np.isfinite(centred).all(axis=1)
    if known.sum() < 3 or not len(moving):
        return
    together = np.corrcoef(centred[known][:, moving].T)
    i, j = np.triu_indices(len(moving), 1)
    yield _rows("co-activation", np.take(names, moving[i]), together[i, j], other=np.take(names, moving[j]))
    median_s = float(np.median(step_s[follows]))
    for lag in lags_s:
        k = round(lag / median_s)
        if k < 1 or abs(k * median_s - lag) > lag / 2 or k >= len(psi):
            continue
        pairs = (window[k:] == window[:-k]) & known[k:] & known[:-k] & (window[k:] >= 0)
        if pairs.sum() < 3:
            continue
        x, y = centred[:-k][pairs][:, moving], centred[k:][pairs][:, moving]
        with np.errstate(invalid="ignore", divide="ignore"):
            r = (x * y).mean(axis=0) / np.sqrt((x**2).mean(axis=0) * (y**2).mean(axis=0))
        yield _rows("autocorrelation", np.take(names, moving), r, at=lag)


def _windows(psi, groups, time_s, seen, window_s) -> tuple[np.ndarray, np.ndarray]:
    """ψ less the mean of its window, and the number of the window of each frame, −1 where one is left out."""
    first = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    begin = time_s[first].repeat(np.diff([*first, len(groups)]))
    number = ((time_s - begin) / window_s + 1e-9).astype(int)
    window = pd.factorize(groups.astype(np.int64) * (number.max() + 1) + number)[0]
    frame = pd.DataFrame({"window": window, "time": time_s, "seen": seen})
    lasts = frame.groupby("window")["time"].agg(np.ptp)
    usual = frame.groupby("window")["seen"].sum()
    good = (lasts >= window_s / 2) & (usual >= 3)
    window = np.where(good.to_numpy()[window], window, -1)
    used = np.flatnonzero((window >= 0) & seen)
    out = np.full(psi.shape, np.nan)
    if len(used):
        out[used] = psi[used] - pd.DataFrame(psi[used]).groupby(window[used]).transform("mean").to_numpy()
    return out, window


def _rows(statistic, coefficients, values, other="", at=np.nan) -> pd.DataFrame:
    return pd.DataFrame(
        {"statistic": statistic, "coefficient": coefficients, "other": other, "at": at, "value": values}
    )
