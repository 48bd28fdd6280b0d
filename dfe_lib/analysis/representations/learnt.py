"""Representations that learn on frames: words of k-means, words of action units, principal components.

Each keeps a bounded number of frames per recording, or sums over them, and learns on those of the training recordings.
What is learnt does not depend on the order of recordings: frames are kept in the order of the recordings' names.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from dfe_lib.analysis.representations.base import training_rows
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.space import ExpressionSpace

LEARN_ON = 8000  # frames of the training recordings, evenly spread: more change the words little
WINDOW = 4.0  # seconds, of the bag of words of action units (openXBOW's users)


class FrameSample:
    """Frames of many recordings, gathered chunk by chunk: values, and the window of its recording that each is in.

    Parameters
    ----------
    most : frames of a recording, evenly spread; a longer recording is thinned.
    window : seconds; windows of about this length share a recording evenly. None: one window each.
    """

    def __init__(self, most: int, window: float | None = None):
        self.most, self.window = most, window
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, seen: Seen, values: np.ndarray) -> None:
        rows = seen.spread(self.most)
        group = seen.group[rows]
        inside = np.zeros(len(rows), dtype=np.int64)
        if self.window is not None:
            seconds = seen.whole[:, 1]
            windows = np.maximum(1, np.rint(seconds / self.window))
            since = seen.time[rows] - seen.time[seen.starts][group]
            inside = np.minimum(since / np.maximum(seconds, 1e-9)[group] * windows[group], windows[group] - 1)
        self._parts.append((values[rows].astype(np.float32), seen.names[group], inside.astype(np.int64)))

    def gathered(self, recordings: pd.Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(m, k) values, (m,) row of ``recordings``, (m,) window; in the order of the recordings' names."""
        values, names, window = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        order = np.argsort(names.astype(str), kind="stable")
        return values[order], recordings.get_indexer(names)[order], window[order]


def _thinned(values: np.ndarray) -> np.ndarray:
    return values[:: max(1, -(-len(values) // LEARN_ON))]


class KMeansBag:
    """A bag of words whose words are whole faces: the nearest of K centres in the metric of the space.

    Parameters
    ----------
    sample : frames of ψ; those of training recordings are clustered, those of all recordings counted.
    words : K; fewer where there are fewer training frames, and the columns left over are zero.
    """

    counts = True
    name = "k-means bag"

    def __init__(
        self,
        recordings: pd.Index,
        sample: FrameSample,
        space: ExpressionSpace,
        words: int = 256,
        seed: int = 0,
    ):
        self.recordings, self.seed = recordings, seed
        values, self._row, _ = sample.gathered(recordings)
        self._points = values @ space.whitener.astype(np.float32)
        self.columns = [f"word {i}" for i in range(words)]
        self.note = (
            f"counts of {words} whole-face words; words learnt by k-means on ψ of the training fold, "
            f"up to {sample.most} frames a recording"
        )

    def words(self, train: np.ndarray) -> np.ndarray:
        """(k, d) centres, in whitened coordinates."""
        mask = training_rows(train, len(self.recordings))
        learn = _thinned(self._points[mask[self._row]])
        k = min(len(self.columns), len(np.unique(learn, axis=0)))
        # Full passes from random frames: in an eighth of the time of k-means++ within 3 % of its error.
        model = KMeans(k, init="random", random_state=self.seed, n_init=1, max_iter=10)
        return model.fit(learn).cluster_centers_

    def vectors(self, train: np.ndarray) -> np.ndarray:
        word = _nearest(self._points, self.words(train))
        n, d = len(self.recordings), len(self.columns)
        return np.bincount(self._row * d + word, minlength=n * d).reshape(n, d).astype(np.float64)


class UnitWords:
    """Bag of words of action units, as with openXBOW: standardised, nearest of 100 words, log term frequency by window.

    Words are random frames of training recordings, as openXBOW picks them by default; standardisation is that of the
    training frames, a window's term frequencies are percent of its frames, and a recording is the mean of its windows'
    logarithms; where openXBOW leaves a choice, it is ours.

    Parameters
    ----------
    sample : frames of intensities, with windows.
    """

    counts = False
    name = "FACS words"

    def __init__(self, recordings: pd.Index, sample: FrameSample, words: int = 100, seed: int = 0):
        self.recordings, self.seed = recordings, seed
        self._values, self._row, window = sample.gathered(recordings)
        # Windows of all recordings, one after the other.
        key = self._row * (window.max() + 1) + window
        _, self._window = np.unique(key, return_inverse=True)
        self._of = np.zeros(self._window.max() + 1, dtype=np.int64)
        self._of[self._window] = self._row
        self.columns = [f"word {i}" for i in range(words)]
        self.note = (
            f"mean over {sample.window:g} s windows of log term frequency of {words} words of action units; "
            "words and scaling learnt in the training fold"
        )

    def vectors(self, train: np.ndarray) -> np.ndarray:
        mask = training_rows(train, len(self.recordings))
        learn = _thinned(self._values[mask[self._row]])
        spread = learn.std(axis=0)
        scale = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0.0)
        learn = np.unique(learn * scale, axis=0)
        k, d = min(len(self.columns), len(learn)), len(self.columns)
        words = learn[np.random.default_rng(self.seed).choice(len(learn), k, replace=False)]
        word = _nearest(self._values * scale, words)
        counts = np.bincount(self._window * d + word, minlength=len(self._of) * d).reshape(-1, d)
        logs = np.log10(1 + 100 * counts / counts.sum(axis=1, keepdims=True))
        out = np.zeros((len(self.recordings), d))
        np.add.at(out, self._of, logs)
        return out / np.bincount(self._of, minlength=len(out))[:, None]


class Moments:
    """Mean and covariance of ψ in every recording: enough for mean and deviation of anything linear in ψ."""

    def __init__(self):
        self._names, self._frames, self._mean, self._cov = [], [], [], []

    def add(self, seen: Seen) -> None:
        x = seen.values.astype(np.float64)
        for name, first, count in zip(seen.names, seen.starts, seen.count, strict=True):
            own = x[first : first + count]
            mean = own.mean(axis=0)
            away = own - mean
            self._names.append(name)
            self._frames.append(count)
            self._mean.append(mean)
            self._cov.append(away.T @ away / count)

    def gathered(self, recordings: pd.Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) frames, (n, d) means, (n, d, d) covariances."""
        order = pd.Index(self._names).get_indexer(recordings)
        return tuple(np.array(part)[order] for part in (self._frames, self._mean, self._cov))


class ComponentStatistics:
    """Mean and deviation of the principal components of ψ, in the metric of the space.

    Computed from the moments of the recordings, without their frames, and exact.

    Parameters
    ----------
    explained : share of the variance of training frames that the components kept explain together; the columns of
        the others are zero.
    """

    counts = False
    name = "PCA mean+sd"

    def __init__(
        self, recordings: pd.Index, moments: Moments, space: ExpressionSpace, explained: float = 0.99
    ):
        self.recordings, self.explained = recordings, explained
        self._frames, mean, cov = moments.gathered(recordings)
        self._mean = mean @ space.whitener
        self._cov = space.whitener.T @ cov @ space.whitener
        self._order = np.argsort(recordings.to_numpy(dtype=str), kind="stable")
        d = space.dimension
        self.columns = [f"pc{i}_{part}" for part in ("mean", "sd") for i in range(d)]
        self.note = (
            f"mean and sd of principal components of ψ ({100 * explained:g} % of the variance); "
            "components learnt in the training fold"
        )

    def vectors(self, train: np.ndarray) -> np.ndarray:
        mask = training_rows(train, len(self.recordings))
        rows = self._order[mask[self._order]]
        weight = self._frames[rows] / self._frames[rows].sum()
        centre = weight @ self._mean[rows]
        away = self._mean[rows] - centre
        total = np.tensordot(weight, self._cov[rows], axes=1) + (away * weight[:, None]).T @ away
        variance, axes = np.linalg.eigh(total)
        variance, axes = variance[::-1], axes[:, ::-1]
        kept = int(np.searchsorted(np.cumsum(variance), self.explained * variance.sum())) + 1
        axes = np.where(np.arange(len(variance)) < kept, axes, 0.0)
        own = np.einsum("di,nde,ei->ni", axes, self._cov, axes, optimize=True)
        return np.concatenate([(self._mean - centre) @ axes, np.sqrt(np.maximum(own, 0))], axis=1)


def _nearest(points: np.ndarray, words: np.ndarray) -> np.ndarray:
    half = (words**2).sum(axis=1) / 2
    parts = [np.argmax(points[i : i + 8192] @ words.T - half, axis=1) for i in range(0, len(points), 8192)]
    return np.concatenate(parts)
