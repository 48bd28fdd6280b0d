"""Smoothing of ψ over time: asked for, never on its own, and written into what it smoothed.

Smoothing takes jitter out and truth with it: fast movements (a blink lasts three frames) lose height, and a filter that
looks only backwards answers late. :mod:`dfe_lib.face.dynamics` measures both against motion whose truth is known.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.errors import ConfigError, InputError, choices


@dataclass(frozen=True)
class OneEuro:
    """The 1€ filter (Casiez, Roussel & Vogel, CHI 2012): a low-pass whose cutoff rises with speed. Looks back only."""

    min_cutoff: float = 1.0  # Hz at rest
    beta: float = 16.0  # Hz more for each unit of ψ per second: a blink keeps 98 % of its height
    derivative_cutoff: float = 1.0  # Hz, of the speed itself; the authors' value
    max_gap: float = 0.25  # seconds without a face after which the filter starts anew; half a word

    def run(self, time_s: np.ndarray, psi: np.ndarray, sd: np.ndarray | None) -> np.ndarray:
        """(n, d) filtered; ``sd`` plays no part."""
        out = np.array(psi, np.float64)
        speed = np.zeros(psi.shape[1])
        for i, step in enumerate(np.diff(time_s), start=1):
            follow = _follow(self.derivative_cutoff, step)
            speed += follow * ((psi[i] - out[i - 1]) / step - speed)
            follow = _follow(self.min_cutoff + self.beta * np.abs(speed), step)
            out[i] = out[i - 1] + follow * (psi[i] - out[i - 1])
        return out


@dataclass(frozen=True)
class Kalman:
    """Each coefficient moves on at its speed, which white acceleration changes; measured with the jitter of ``sd``.

    For recordings, forwards and backwards (Rauch, Tung & Striebel, AIAA Journal 3(8), 1965), so that it is not late;
    with ``causal`` forwards only, for live use.
    """

    # Root of its spectral density, ψ per s^1.5: jitter falls to a third, a blink keeps 95 % of its height.
    acceleration: float = 7.0
    jitter: float = (
        0.3  # share of the sd that is new in every frame; 0.2 to 0.4 on still moments of real clips
    )
    sd: float = 0.06  # of the measurement, for tables without sd_ columns
    causal: bool = False
    max_gap: float = 0.25  # seconds without a face after which the filter starts anew; half a word

    def run(self, time_s: np.ndarray, psi: np.ndarray, sd: np.ndarray | None) -> np.ndarray:
        """(n, d) filtered (``causal``) or smoothed."""
        n, d = psi.shape
        noise = np.broadcast_to((self.jitter * (self.sd if sd is None else sd)) ** 2, (n, d))
        states, spreads = np.empty((n, 2, d), np.float32), np.empty((n, 3, d), np.float32)
        state = np.stack([psi[0], np.zeros(d)]).astype(np.float64)
        spread = np.stack([noise[0], np.zeros(d), np.ones(d)])  # a speed of up to a full shape per second
        for i in range(n):
            if i:
                state, spread = self._ahead(state, spread, time_s[i] - time_s[i - 1])
                gain = spread[:2] / (spread[0] + noise[i])
                state = state + gain * (psi[i] - state[0])
                spread = np.stack(
                    [(1 - gain[0]) * spread[0], (1 - gain[0]) * spread[1], spread[2] - gain[1] * spread[1]]
                )
            states[i], spreads[i] = state, spread
        if self.causal:
            return states[:, 0].astype(np.float64)
        later = states[-1].astype(np.float64)
        out = np.empty((n, d))
        out[-1] = later[0]
        for i in range(n - 2, -1, -1):
            step = time_s[i + 1] - time_s[i]
            state, spread = states[i].astype(np.float64), spreads[i].astype(np.float64)
            ahead, (p, q, r) = self._ahead(state, spread, step)
            surprise = later - ahead
            # P Fᵀ times the inverse of the 2×2 spread ahead, written out.
            determinant = p * r - q * q
            u = (r * surprise[0] - q * surprise[1]) / determinant
            v = (p * surprise[1] - q * surprise[0]) / determinant
            place, both, pace = spread
            later = state + np.stack(
                [(place + step * both) * u + both * v, (both + step * pace) * u + pace * v]
            )
            out[i] = later[0]
        return out

    def _ahead(self, state: np.ndarray, spread: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
        """State (place, speed) and spread (variances and covariance) one step later."""
        place, both, pace = spread
        q = self.acceleration**2
        return np.stack([state[0] + step * state[1], state[1]]), np.stack(
            [
                place + 2 * step * both + step**2 * pace + q * step**3 / 3,
                both + step * pace + q * step**2 / 2,
                pace + q * step,
            ]
        )


METHODS = {"one-euro": OneEuro, "kalman": Kalman}


def settings_of(method: str, **settings: float) -> OneEuro | Kalman:
    """A method by name, with settings other than its own where given.

    Raises
    ------
    ConfigError : unknown method or setting.
    """
    if method not in METHODS:
        raise ConfigError(f"no such smoothing: {choices(method, METHODS)}")
    known = [f.name for f in fields(METHODS[method])]
    for name in settings:
        if name not in known:
            raise ConfigError(f"'{method}' has no such setting: {choices(name, known)}")
    return METHODS[method](**settings)


def smooth(table: pd.DataFrame, method: str = "kalman", **settings: float) -> pd.DataFrame:
    """A copy of a frame table whose ``psi_`` columns are smoothed, recording by recording.

    Steps are those of ``time_s``, so frame rates may vary. Frames without a face stay NaN: over a gap of up to
    ``max_gap`` seconds the filter carries on, after a longer one it starts anew. ``sd_`` columns stay those of the
    measurement.

    Parameters
    ----------
    method : ``"kalman"`` (for recordings; with ``causal=True`` for live use) or ``"one-euro"`` (live use).
    settings : those of :class:`Kalman` or :class:`OneEuro`.

    Returns
    -------
    Frame table; ``attrs["smoothing"]`` holds method and settings.

    Raises
    ------
    InputError : no ``psi_`` columns, or smoothed already.
    ConfigError : unknown method or setting.

    Examples
    --------
    >>> calm = smooth(table, "kalman")                                # doctest: +SKIP
    >>> calm.attrs["smoothing"]["method"]                             # doctest: +SKIP
    'kalman'
    """
    chosen = settings_of(method, **settings)
    if "smoothing" in table.attrs:
        raise InputError(
            f"this table is smoothed already ({table.attrs['smoothing']['method']}); start from the one that is not"
        )
    psi, sd = frames.psi(table).copy(), frames.psi_sd(table)
    names = [c.removeprefix("psi_") for c in table.columns if c.startswith("psi_")]
    time_s, recordings = table["time_s"].to_numpy(), table["recording"].to_numpy()
    for name in pd.unique(recordings):
        rows = np.flatnonzero(recordings == name)
        psi[rows] = smooth_psi(time_s[rows], psi[rows], chosen, None if sd is None else sd[rows])
    smoothed = frames.with_psi(table, psi, names)[list(table.columns)]
    smoothed.attrs = table.attrs | {"smoothing": describe(chosen)}
    return smoothed


def describe(settings: OneEuro | Kalman) -> dict:
    """Method and settings as they stand in ``attrs["smoothing"]``."""
    (name,) = (name for name, kind in METHODS.items() if isinstance(settings, kind))
    return {"method": name, **asdict(settings)}


def smooth_psi(
    time_s: np.ndarray, psi: np.ndarray, settings: OneEuro | Kalman, sd: np.ndarray | None = None
) -> np.ndarray:
    """(n, d) float32 smoothed ψ of one recording; NaN rows stay.

    Parameters
    ----------
    time_s : (n,) seconds, increasing.
    psi, sd : (n, d), NaN rows where no face was found.
    """
    out = np.full(np.shape(psi), np.nan, np.float32)
    seen = np.flatnonzero(np.isfinite(psi).all(axis=1))
    gaps = np.flatnonzero(np.diff(time_s[seen]) > settings.max_gap) + 1
    for rows in np.split(seen, gaps):
        if len(rows):
            out[rows] = settings.run(time_s[rows], psi[rows], None if sd is None else sd[rows])
    return out


def _follow(cutoff: np.ndarray | float, step: float) -> np.ndarray | float:
    """Share of the way to the new value that a first-order low-pass goes in one step."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))
