"""The simple models on top: objectives and penalties of scikit-learn, solved along the grid of penalties.

======================  =================================================  ==========================================
model                   minimised                                          the same in scikit-learn
======================  =================================================  ==========================================
logistic regression     Σ cᵢ log(1 + exp(−yᵢ fᵢ)) + ½ λ ‖w‖²                 LogisticRegression(C=1/λ, balanced)
linear SVM              Σ cᵢ max(0, 1 − yᵢ fᵢ)² + ½ λ (‖w‖² + b²)            LinearSVC(C=1/λ, balanced)
ridge                   Σ (yᵢ − fᵢ)² + λ ‖w‖²                                Ridge(alpha=λ)
elastic net             (1/2n) Σ (yᵢ − fᵢ)² + (λ/4n)(2‖w‖₁ + ‖w‖²)           ElasticNet(alpha=λ/n, l1_ratio=0.5)
======================  =================================================  ==========================================

cᵢ makes classes weigh the same. The first two are for classes, the others for numbers. Ridge is solved for all λ
at once; the first two by Newton's method, started from the next larger λ; elastic net is scikit-learn's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfe_lib.analysis.prediction.preparing import Design
from dfe_lib.errors import InputError, choices

LOGISTIC, SVM, RIDGE, ELASTIC = "logistic regression", "linear SVM", "ridge", "elastic net"
MODELS = {"classification": (LOGISTIC, SVM), "regression": (RIDGE, ELASTIC)}  # the first is the default
# λ. Rows have a mean squared length of 1, so one grid serves every table: with some 200 of them the largest leaves
# hardly more than the mean, the smallest nearly no penalty. Our choice.
PENALTIES = (0.05, 0.5, 5.0, 50.0, 500.0)
SMALL = 1e-9  # of the gradient per unit of total weight, where Newton's method stops


@dataclass(frozen=True, eq=False)
class Path:
    """Linear functions f = x w + b, one per penalty and output.

    Attributes
    ----------
    weights : (penalties, r, outputs); offsets : (penalties, outputs). Two classes have one output, the evidence for
        the last class; more classes one each; numbers one per target.
    """

    weights: np.ndarray
    offsets: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(penalties, n, outputs) of rows x."""
        return x @ self.weights + self.offsets[:, None, :]


def model_for(kind: str, model: str | None) -> str:
    """The model by name, or the default of the kind of task.

    Raises
    ------
    InputError : a model that this kind of task does not have.
    """
    if model is None:
        return MODELS[kind][0]
    if model not in MODELS[kind]:
        raise InputError(f"unknown model for a {kind} task: {choices(model, MODELS[kind])}")
    return model


def solve(x: np.ndarray, squares: np.ndarray | None, y: np.ndarray, model: str, penalties) -> Path:
    """Fit rows x (n, r) to y (n, T) at every penalty.

    Parameters
    ----------
    squares : diagonal of ``x.T @ x`` where x has been rotated (:class:`Design`); only ridge needs it.
    y : class numbers 0 … C − 1 in one column, or values.
    """
    if model == RIDGE:
        centre = y.mean(axis=0)
        inner = x.T @ (y - centre)
        weights = inner / (squares[:, None] + np.asarray(penalties)[:, None, None])
        return Path(weights, np.tile(centre, (len(penalties), 1)))
    if model == ELASTIC:
        return _elastic(x, y, penalties)
    if model not in (LOGISTIC, SVM):  # numbers
        raise InputError(f"unknown model: {choices(model, (LOGISTIC, SVM, RIDGE, ELASTIC))}")
    classes = y[:, 0].astype(int)
    n_classes = int(classes.max()) + 1
    share = len(classes) / (n_classes * np.bincount(classes, minlength=n_classes))
    if model == LOGISTIC and n_classes > 2:
        return _multinomial(x, classes, penalties)
    curve = _logistic if model == LOGISTIC else _squared_hinge
    outputs = []
    for c in [1] if n_classes == 2 else range(n_classes):
        sign = np.where(classes == c, 1.0, -1.0)
        # One class against the rest: the rest weighs 1, as in LIBLINEAR.
        cost = share[classes] if n_classes == 2 else np.where(classes == c, share[c], 1.0)
        outputs.append(_newton(x, sign, cost, curve, penalties, free_offset=model == LOGISTIC))
    found = np.stack(outputs, axis=-1)
    return Path(found[:, :-1], found[:, -1])


def rotatable(model: str) -> bool:
    """Whether the penalty is the same in rotated coordinates."""
    return model != ELASTIC


def path(design: Design, y: np.ndarray, model: str, penalties) -> Path:
    """:func:`solve` on a design."""
    return solve(design.train, design.squares, y, model, penalties)


def _logistic(margin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loss, its first and its second derivative."""
    p = 1 / (1 + np.exp(np.clip(margin, -500, 500)))
    return np.logaddexp(0, -margin), -p, p * (1 - p)


def _squared_hinge(margin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    short = np.maximum(1 - margin, 0)
    return short**2, -2 * short, 2.0 * (short > 0)


def _newton(x, sign, cost, curve, penalties, free_offset: bool) -> np.ndarray:
    """(penalties, r + 1) weights and offset of a convex loss of the margin, from the largest penalty down."""
    x = np.column_stack([x, np.ones(len(x))])
    w = np.zeros(x.shape[1])
    found = np.empty((len(penalties), len(w)))
    diagonal = np.arange(len(w))
    for i in np.argsort(penalties)[::-1]:
        ridge = np.full(len(w), float(penalties[i]))
        if free_offset:
            ridge[-1] = 0.0
        loss, slope, bend = curve(sign * (x @ w))
        for _ in range(100):
            gradient = x.T @ (cost * sign * slope) + ridge * w
            if np.abs(gradient).max() < SMALL * cost.sum():
                break
            half = x * np.sqrt(cost * bend)[:, None]
            hessian = half.T @ half
            hessian[diagonal, diagonal] += ridge + 1e-12
            step = np.linalg.solve(hessian, gradient)
            before, size = cost @ loss + ridge @ w**2 / 2, 1.0
            while True:
                trial = w - size * step
                loss, slope, bend = curve(sign * (x @ trial))
                if cost @ loss + ridge @ trial**2 / 2 <= before + 1e-12 * abs(before) or size < 1e-6:
                    break
                size /= 2
            w = trial
        found[i] = w
    return found


def _multinomial(x, classes, penalties) -> Path:
    from sklearn.linear_model import LogisticRegression

    fitted = [
        LogisticRegression(C=1 / p, class_weight="balanced", solver="newton-cholesky", tol=1e-8).fit(
            x, classes
        )
        for p in penalties
    ]
    return Path(np.stack([f.coef_.T for f in fitted]), np.stack([f.intercept_ for f in fitted]))


def _elastic(x, y, penalties) -> Path:
    from sklearn.linear_model import ElasticNet

    fits = [
        [ElasticNet(alpha=p / len(x), tol=1e-6, max_iter=20000).fit(x, t) for t in y.T] for p in penalties
    ]
    weights = np.stack([np.stack([f.coef_ for f in row], axis=1) for row in fits])
    return Path(weights, np.array([[f.intercept_ for f in row] for row in fits]))
