"""Weights of counts, as for the words of a text; learnt on training recordings."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from dfe_lib.errors import InputError, choices


class CountWeights(TransformerMixin, BaseEstimator):
    """Weighting of count tables, fitted on training recordings only; rows get unit length.

    Parameters
    ----------
    scheme : ``"tfidf"`` (log(1 + count) × smoothed inverse document frequency), ``"logtf"`` or ``"tf"``.
    """

    def __init__(self, scheme: str = "tfidf"):
        self.scheme = scheme

    def fit(self, X, y=None):
        if self.scheme not in ("tfidf", "logtf", "tf"):
            raise InputError(f"unknown weighting: {choices(self.scheme, ['tfidf', 'logtf', 'tf'])}")
        X = np.asarray(X, dtype=np.float64)
        document_frequency = (X > 0).sum(axis=0)
        smoothed = np.log((1 + len(X)) / (1 + document_frequency)) + 1
        self.idf_ = smoothed if self.scheme == "tfidf" else np.ones(X.shape[1])
        return self

    def transform(self, X):
        X = np.asarray(X, dtype=np.float64)
        weighted = (X if self.scheme == "tf" else np.log1p(X)) * self.idf_
        length = np.linalg.norm(weighted, axis=1, keepdims=True)
        return weighted / np.where(length > 0, length, 1)
