"""The protocol as one would write it with scikit-learn: Pipeline, GridSearchCV, one loop. Oracle and rival of ours.

Same folds, preparation, objectives and penalties; the solvers are scikit-learn's own.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_sample_weight

from dfe_lib.analysis.prediction.folds import Fold
from dfe_lib.analysis.prediction.solvers import LOGISTIC, PENALTIES, RIDGE, SVM


class UnitRows(TransformerMixin, BaseEstimator):
    """Divides by the root of the mean squared length of the training rows."""

    def fit(self, X, y=None):
        self.scale_ = np.sqrt((X**2).sum(axis=1).mean()) or 1.0
        return self

    def transform(self, X):
        return X / self.scale_


def plain(
    values: np.ndarray, counts: bool, y: np.ndarray, plan: list[Fold], model: str, precise: bool = False
) -> np.ndarray:
    """(n, C) chances, (n,) decision values or (n, T) numbers of every test row.

    Parameters
    ----------
    values : (n, d); counts : whether they are.
    y : (n, T) class numbers in one column, or values.
    precise : solve to many digits, for comparing predictions; else as scikit-learn comes.
    """
    classes = model != RIDGE
    target = y[:, 0] if classes else y
    out = np.full(y.shape if model == RIDGE else (len(y), int(y.max()) + 1), np.nan)
    for fold in plan:
        where = {row: i for i, row in enumerate(fold.train)}
        inner = [([where[r] for r in a], [where[r] for r in b]) for a, b in fold.inner]
        estimator, grid, scoring = _model(model, precise)
        pipeline = Pipeline([*_preparation(counts), ("unit", UnitRows()), ("model", estimator)])
        search = GridSearchCV(pipeline, grid, scoring=scoring, cv=inner)
        search.fit(values[fold.train], target[fold.train])
        best = search.best_estimator_
        if model == LOGISTIC:
            out[fold.test] = best.predict_proba(values[fold.test])
        elif model == SVM:
            decided = best.decision_function(values[fold.test])
            out[fold.test] = np.stack([-decided / 2, decided / 2], axis=1) if decided.ndim == 1 else decided
        else:
            out[fold.test] = best.predict(values[fold.test]).reshape(len(fold.test), -1)
    return out


def _preparation(counts: bool) -> list:
    if counts:
        tfidf = TfidfTransformer()
        return [("log", FunctionTransformer(np.log1p)), ("tfidf", tfidf), ("dense", FunctionTransformer(_dense)),
                ("centre", StandardScaler(with_std=False))]  # fmt: skip
    return [
        ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
        ("scale", StandardScaler()),
    ]


def _dense(matrix):
    return matrix.toarray()


def _model(model: str, precise: bool):
    exact = {"tol": 1e-10, "max_iter": 100000} if precise else {"max_iter": 10000}
    c = {"model__C": [1 / p for p in PENALTIES]}
    if model == LOGISTIC:
        return LogisticRegression(class_weight="balanced", **exact), c, _negative_log_loss
    if model == SVM:
        return LinearSVC(class_weight="balanced", random_state=0, **exact), c, _negative_hinge
    return Ridge(), {"model__alpha": list(PENALTIES)}, "neg_mean_squared_error"


def _negative_log_loss(estimator, X, y) -> float:
    return -log_loss(y, estimator.predict_proba(X), sample_weight=compute_sample_weight("balanced", y))


def _negative_hinge(estimator, X, y) -> float:
    decided = estimator.decision_function(X)
    sign = (
        np.where(y == 1, 1, -1)
        if decided.ndim == 1
        else np.where(np.arange(decided.shape[1]) == y[:, None], 1, -1)
    )
    loss = np.maximum(1 - sign * decided, 0) ** 2
    loss = loss if loss.ndim == 1 else loss.mean(axis=1)
    return -float(np.average(loss, weights=compute_sample_weight("balanced", y)))
