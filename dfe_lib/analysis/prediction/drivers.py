"""What drives a prediction: weights of the fold models, how far to trust them, and where their features occur.

A weight says what the model uses, not what the label causes: of two features that say the same, either may get it, and
one may only correct another (Haufe et al. 2014, NeuroImage). So every weight stands beside the feature's own
correlation with the label, and beside its stability over folds and over halves of the people that share nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from dfe_lib.analysis.association import token_presence
from dfe_lib.analysis.prediction.inputs import feature_matrix, label_matrix, subject_groups
from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.analysis.prediction.model import (
    choose_penalty,
    fit_predict,
    grouped_splits,
    permute_labels,
    prepare,
)
from dfe_lib.analysis.statistics import ratio, score_intervals
from dfe_lib.errors import InputError, choices


@dataclass(frozen=True)
class Drivers:
    """What :func:`drivers` returns.

    Attributes
    ----------
    table : one row per feature, in order of ``rank``: ``feature``; ``weight``, by how much the prediction moves when
        the feature moves by one standard deviation (mean over folds; log odds for classes, else units of the label);
        ``low, high``, its smallest and largest value over folds; ``per_unit``, the same per unit of the feature itself
        (NaN for counts, whose weighting is not linear); ``same_sign``, share of folds that agree with the mean's sign;
        ``rank``, mean rank of |weight| over folds; ``alone``, the feature's own correlation with the label.
    folds : (folds, features) weights.
    agreement : rows ``true labels`` and ``shuffled labels``: ``between_folds`` and ``between_halves``, mean rank
        correlation of the weights of two models, the latter (with ``low, high``: 95 % of its repetitions) of models
        that share no person. Folds share most of their people, so noise agrees there too: the second row says how much.
    """

    table: pd.DataFrame
    folds: pd.DataFrame
    agreement: pd.DataFrame


def drivers(
    features: pd.DataFrame,
    labels: pd.Series,
    subjects: pd.Series,
    task: Task,
    seed: int = 0,
    folds: int = 5,
    inner_folds: int = 3,
    halves: int = 20,
) -> Drivers:
    """Weights of the models that the protocol trains, in units that can be compared.

    The same preparation, folds, penalties and model as :func:`dfe_lib.analysis.prediction.protocol.evaluate`; nothing
    is fitted on a fold's test recordings.

    Parameters
    ----------
    features : one row per recording; its columns must mean the same in every fold.
    labels : two classes, or one number per recording.
    halves : how often the people are split into two halves.

    Raises
    ------
    InputError : more than two classes, or more than one target.

    Examples
    --------
    >>> drivers(bags, labels, subjects, STRESS).table.head()   # doctest: +SKIP
    """
    y, targets, classes = label_matrix(labels, task)
    if len(targets) > 1 or (classes is not None and len(classes) != 2):
        raise InputError("drivers are those of one number or of two classes; give one label at a time")
    groups = subject_groups(subjects, labels.index, folds)
    data = feature_matrix("features", features, labels.index)
    rng = np.random.default_rng(seed)
    known = classes is not None
    splits = grouped_splits(y, groups, folds, known, seed)
    penalties = [choose_penalty(data, y, groups, train, task, inner_folds, seed) for train, _ in splits]
    weights = np.stack(
        [_weights(data, y, train, task, p) for (train, _), p in zip(splits, penalties, strict=True)]
    )
    usual = float(np.median(penalties))
    shuffled = y[permute_labels(y, groups, rng)]
    noise = np.stack([_weights(data, shuffled, train, task, usual) for train, _ in splits])
    agreement = [
        _agreement("true labels", weights, data, y, groups, task, usual, halves, seed),
        _agreement("shuffled labels", noise, data, shuffled, groups, task, usual, halves, seed),
    ]
    mean = weights.mean(axis=0)
    spread = np.nanstd(data[0], axis=0)
    linear = not data[1]
    alone = np.mean([_correlations(prepare(data, t, t)[0], y[t, 0]) for t, _ in splits], axis=0)
    table = pd.DataFrame(
        {
            "feature": list(features.columns),
            "weight": mean,
            "low": weights.min(axis=0),
            "high": weights.max(axis=0),
            "per_unit": np.where(linear & (spread > 1e-12), mean / np.maximum(spread, 1e-12), np.nan),
            "same_sign": (np.sign(weights) == np.sign(mean)).mean(axis=0),
            "rank": np.stack([rankdata(-np.abs(w)) for w in weights]).mean(axis=0),
            "alone": alone,
        }
    )
    # By rank: folds may choose different penalties, and the loosest one would decide a mean of weights.
    ordered = table.sort_values("rank", kind="stable", ignore_index=True)
    return Drivers(ordered, pd.DataFrame(weights, columns=features.columns), pd.DataFrame(agreement))


# Words of the frames with a face, (n, S), and the same n rows: ``recording, time_s``; whole recordings at a time, as
# :meth:`dfe_lib.analysis.alphabet.Alphabet.written` gives them.
Written = Iterable[tuple[np.ndarray, pd.DataFrame]]


def occurrence(
    written: Written,
    recordings: pd.DataFrame,
    group: pd.Series,
    tokens: list[int],
    bins: int = 8,
    seed: int = 0,
) -> pd.DataFrame:
    """When tokens occur: share of the frames of each stretch of the recording that have a token, by group.

    Parameters
    ----------
    written : words and times of the frames; of these only sums are kept.
    recordings : ``recording, subject``. group : name of each recording's group (e.g. "stressed"), by recording.
    bins : stretches of equal length, from a recording's first frame to its last.

    Returns
    -------
    DataFrame with ``token, group, time_s`` (middle of the stretch, mean over recordings), ``share``, and ``low, high``:
    95 % interval over subjects.
    """
    whose, of_group, parts = recordings.set_index("recording")["subject"], group.rename("group"), []
    for codes, frames in written:
        time = frames["time_s"] - frames.groupby("recording")["time_s"].transform("min")
        length = time.groupby(frames["recording"]).transform("max").to_numpy()
        part = np.minimum((time.to_numpy() / np.maximum(length, 1e-9) * bins).astype(int), bins - 1)
        rows = pd.DataFrame(_has(codes, tokens).astype(float), columns=range(len(tokens)))
        rows = rows.assign(frames=1.0, time=time.to_numpy(), bin=part, subject=frames["recording"].map(whose))
        rows["group"] = frames["recording"].map(of_group)
        parts.append(rows.groupby(["group", "bin", "subject"], sort=False).sum())
    sums = pd.concat(parts).groupby(["group", "bin", "subject"], sort=False).sum().reset_index()
    rng, rows = np.random.default_rng(seed), []
    for name in pd.unique(group):
        for b in range(bins):
            at = sums[(sums["group"] == name) & (sums["bin"] == b)]
            if at.empty:
                continue
            terms = [at[["frames", i]].to_numpy() for i in range(len(tokens))]
            found = score_intervals(terms, at["subject"].to_numpy(), ratio, rng)
            middle = float(at["time"].sum() / at["frames"].sum())
            rows += [
                {"token": t, "group": name, "time_s": middle, "share": f.value, "low": f.low, "high": f.high}
                for t, f in zip(tokens, found, strict=True)
            ]
    return pd.DataFrame(rows)


def share_with(written: Written, tokens: list[int]) -> pd.Series:
    """Share of the frames of each recording that have any of ``tokens``, by recording."""
    parts = [
        pd.Series(_has(codes, tokens).any(axis=1)).groupby(frames["recording"]).mean()
        for codes, frames in written
    ]
    return pd.concat(parts).sort_index()


def _has(codes: np.ndarray, tokens: list[int]) -> np.ndarray:
    """(n, len(tokens)) bool: whether a frame has a token."""
    return token_presence(codes, int(max(codes.max(), *tokens)) + 1)[:, tokens]


def companions(written: Written, events: pd.DataFrame, tokens: list[int]) -> pd.DataFrame:
    """Which true displays of a simulated cohort each token goes with.

    Parameters
    ----------
    written : as in :func:`occurrence`.
    events : ``recording, display, onset_s, offset_s`` of the simulator.

    Returns
    -------
    DataFrame, one row per token and display, the closest first: ``token, display``; ``during`` and ``elsewhere``, the
    share of the frames with the token while the display is on and while it is not; ``phi``, the correlation of the two
    over frames.
    """
    names = sorted(events["display"].unique())
    row, shown = (
        {name: i for i, name in enumerate(names)},
        dict(list(events.groupby("recording", sort=False))),
    )
    both, n = np.zeros((len(tokens), len(names))), 0
    h, o = np.zeros((len(tokens), 1)), np.zeros((1, len(names)))
    for codes, frames in written:
        has, on = _has(codes, tokens).astype(float), np.zeros((len(frames), len(names)))
        for recording, clip in frames.reset_index(drop=True).groupby("recording", sort=False):
            if recording not in shown:
                continue
            part, at, time = shown[recording], clip.index.to_numpy(), clip["time_s"].to_numpy()
            first = np.searchsorted(time, part["onset_s"].to_numpy())
            last = np.searchsorted(time, part["offset_s"].to_numpy(), side="right")
            for display, a, b in zip(part["display"], first, last, strict=True):
                on[at[a:b], row[display]] = 1
        both, n = both + has.T @ on, n + len(frames)
        h, o = h + has.sum(axis=0)[:, None], o + on.sum(axis=0)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        during, elsewhere = both / o, (h - both) / (n - o)
        phi = (both * n - h * o) / np.sqrt(h * (n - h) * o * (n - o))
    i, j = (a.ravel() for a in np.indices(both.shape))
    table = pd.DataFrame(
        {"token": np.asarray(tokens)[i], "display": np.asarray(names)[j], "during": during.ravel(),
         "elsewhere": elsewhere.ravel(), "phi": np.nan_to_num(phi).ravel(), "order": i}
    )  # fmt: skip
    return table.sort_values(["order", "phi"], ascending=[True, False], ignore_index=True).drop(
        columns="order"
    )


def with_displays(
    top: pd.DataFrame, written: Written, events: pd.DataFrame, planted: pd.DataFrame
) -> pd.DataFrame:
    """Drivers that are tokens, each with the true display that it goes with, and what was planted there.

    Parameters
    ----------
    top : rows of :attr:`Drivers.table`, features ``t<code>``.
    written, events : as for :func:`companions`.
    planted : ``display, acts, weight``: the label's lines of the simulator's table of effects.

    Returns
    -------
    ``top`` with ``token, display, phi``, ``planted`` (what the label does to the display; empty: nothing) and ``note``.
    """
    tokens = token_numbers(top["feature"].tolist())
    best = companions(written, events, tokens).drop_duplicates("token").set_index("token")
    out = top.assign(
        token=tokens, display=best.loc[tokens, "display"].to_numpy(), phi=best.loc[tokens, "phi"].to_numpy()
    )
    said = {}
    for row in planted.to_dict("records"):
        for display in row["display"].split("+"):
            said.setdefault(display, []).append(f"{row['acts']} {row['weight']:+g}")
    out["planted"] = [", ".join(said.get(d, [])) for d in out["display"]]
    out["note"] = [
        f"{d.replace('_', ' ')}\nφ {phi:.2f}" + (", planted" if text else "")
        for d, phi, text in zip(out["display"], out["phi"], out["planted"], strict=True)
    ]
    return out


def token_numbers(features: list[str]) -> list[int]:
    """Codes of the columns ``t<code>`` of a bag of tokens.

    >>> token_numbers(["t3", "t12"])
    [3, 12]
    """
    wrong = [f for f in features if not (f.startswith("t") and f[1:].isdigit())]
    if wrong:
        raise InputError(f"not a column of a bag of tokens: {choices(wrong[0], ['t0', 't1', 't2'])}")
    return [int(f[1:]) for f in features]


def _weights(data, y: np.ndarray, train: np.ndarray, task: Task, penalty: float) -> np.ndarray:
    """(d,) what one standard deviation of each feature does to the prediction of the protocol's model.

    The model is asked rather than opened: its answer is linear in the prepared features (log odds for classes), so its
    answers at the unit vectors, less that at zero, are the weights.
    """
    a, _ = prepare(data, train, train)
    probe = np.vstack([np.zeros(a.shape[1]), np.eye(a.shape[1])])
    out = fit_predict(a, y[train], probe, task, (penalty,))[0]
    if task.kind == "classification":
        chance = np.clip(out, 1e-15, 1)
        out = (np.log(chance[:, -1]) - np.log(chance[:, 0]))[:, None]
    return (out[1:, 0] - out[0, 0]) * a.std(axis=0)


def _agreement(name, weights, data, y, groups, task, penalty, halves, seed) -> dict:
    between = []
    for repeat in range(halves):
        pair = grouped_splits(y, groups, 2, task.kind == "classification", seed + 1000 + repeat)[0]
        if task.kind == "classification" and any(len(np.unique(y[side])) < 2 for side in pair):
            continue
        between.append(_rank_correlation(*(_weights(data, y, side, task, penalty) for side in pair)))
    pairs = [_rank_correlation(weights[i], weights[j]) for i in range(len(weights)) for j in range(i)]
    low, high = np.quantile(between, [0.025, 0.975]) if between else (np.nan, np.nan)
    return {
        "labels": name, "between_folds": float(np.mean(pairs)),
        "between_halves": float(np.mean(between)) if between else np.nan, "low": low, "high": high,
    }  # fmt: skip


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    used = (a != 0) | (b != 0)  # features that never vary would agree for nothing
    if used.sum() < 3 or not a[used].any() or not b[used].any():
        return 0.0
    return float(spearmanr(a[used], b[used]).statistic)


def _correlations(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    y = y - y.mean()
    scale = np.linalg.norm(a, axis=0) * np.linalg.norm(y)
    return np.divide(a.T @ y, scale, out=np.zeros(a.shape[1]), where=scale > 0)
