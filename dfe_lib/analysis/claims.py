"""The abstract's claims, one comparison a row, and what these comparisons allow us to say.

Only data from people can decide a claim. Simulated rows are shown and never counted: a simulator contains what its
author put in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from dfe_lib.analysis.representations.rows import DFE_BAG
from dfe_lib.errors import InputError, choices

AHEAD, BEHIND, EQUAL = "ahead", "behind", "no difference shown"
HOLDS, FAILS, MIXED, OPEN = "holds here", "does not hold here", "mixed here", "open: no difference shown here"
TOO_FEW = "too few units to say"  # of a paired test over people or recordings
UNDECIDED, UNTESTED = "not decided: simulated data only", "not tested"
LEVEL = 0.05  # of the Holm-adjusted p-value


@dataclass(frozen=True)
class Comparison:
    """DFE against one other method, on one data set, by one measure.

    Attributes
    ----------
    claim : which claim it bears on.
    measure, data, other : what was measured, on what, against whom.
    source : ``simulated``, ``embedded``, ``open`` or ``gated``.
    dfe, value : the two figures; NaN where the other was not measured.
    lower_is_better : sense of the measure.
    p : Holm-adjusted p-value of the difference; NaN where the measure has no test.
    resolution : without a p-value, differences up to this size say nothing, in units of the measure.
    testable : False where there are too few people for any test; then it counts neither way.
    """

    claim: str
    measure: str
    data: str
    source: str
    other: str
    dfe: float
    value: float
    lower_is_better: bool = False
    p: float = np.nan
    resolution: float = 0.0
    testable: bool = True

    @property
    def outcome(self) -> str:
        """``ahead``, ``behind``, ``no difference shown`` or ``not tested``, from DFE's side."""
        if not self.testable or not np.isfinite([self.dfe, self.value]).all():
            return UNTESTED
        gain = (self.value - self.dfe) * (1 if self.lower_is_better else -1)
        shown = self.p < LEVEL if np.isfinite(self.p) else abs(gain) > self.resolution
        return EQUAL if not shown or gain == 0 else (AHEAD if gain > 0 else BEHIND)


def fidelity_comparisons(
    precise: str,
    wide: str,
    error: pd.DataFrame,
    outside: pd.DataFrame,
    tests: tuple[pd.DataFrame, pd.DataFrame],
) -> list[Comparison]:
    """Comparisons of precision and of variety at equal bits, each with the paired test over people.

    Parameters
    ----------
    precise, wide : names of the two claims.
    error : ``data, source, coding, bits, rms_mm``; codings below 40 bits are left out.
    outside : ``data, coding, of_that_reproduced``: how much of what FACS cannot say each coding brings back.
    tests : of the one and the other, as of :func:`dfe_lib.analysis.comparison.against`: ``data, other, p_holm,
        outcome``.
    """
    on_error, on_outside = (t.set_index(["data", "other"]) for t in tests)
    rows = []
    for (data, source), part in error[error["bits"] > 40].groupby(["data", "source"], sort=False):
        mm = part.set_index("coding")["rms_mm"]
        back = outside[outside["data"] == data].set_index("coding")["of_that_reproduced"]
        for other in mm.index.drop("DFE"):
            at, where = (data, other), {"data": data, "source": source, "other": other}
            pair = {"dfe": mm["DFE"], "value": mm[other], "lower_is_better": True}
            rows.append(Comparison(precise, "RMS error (mm)", **pair, **_tested(on_error.loc[at]), **where))
            pair = {"dfe": back["DFE"], "value": back[other]}
            rows.append(
                Comparison(wide, "share outside FACS", **pair, **_tested(on_outside.loc[at]), **where)
            )
    return rows


def _tested(row: pd.Series) -> dict:
    return {"p": row["p_holm"], "testable": row["outcome"] != TOO_FEW}


def prediction_comparisons(claim: str, scores: pd.DataFrame, source: str) -> list[Comparison]:
    """DFE's bag of tokens against every FACS pipeline and Masked Autoencoder, by a task's primary measure.

    Parameters
    ----------
    scores : table of :class:`dfe_lib.analysis.prediction.protocol.Outcome`.
    source : where the cohort is from. A method without a value was not measured.
    """
    primary = scores[scores["primary"] & (scores["target"] == scores["target"].iloc[0])].set_index("method")
    dfe, rows = primary.loc[DFE_BAG], []
    rivals = [m for m in primary.index if m.startswith("FACS")]
    for other in rivals:
        row = primary.loc[other]
        lower = row["metric"] in ("RMSE", "MAE")
        values = (dfe["value"], row["value"], lower, row["p_holm"])
        rows.append(Comparison(claim, row["metric"], f"{source} cohort", source, other, *values))
    # No cohort at hand has pictures, which these baselines need; the row stands so that nobody overlooks it.
    rows.append(
        Comparison(
            claim, dfe["metric"], f"{source} cohort", source, "Masked Autoencoder", dfe["value"], np.nan
        )
    )
    return rows


def comparison_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per comparison, with its ``outcome``."""
    return pd.DataFrame([asdict(c) | {"outcome": c.outcome} for c in comparisons])


def verdicts(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per claim: how many comparisons on real data went which way, and what that allows to say.

    Returns
    -------
    DataFrame with ``claim``, counts of real ``ahead``, ``behind``, ``no difference shown``, of ``simulated`` and
    ``not tested`` comparisons, and ``verdict``.

    Examples
    --------
    >>> better = Comparison("precise", "RMS", "actors", "open", "FACS", 0.2, 0.6, lower_is_better=True)
    >>> verdicts([better])["verdict"].item()
    'holds here'
    """
    rows: dict[str, dict[str, int]] = {}
    for c in comparisons:
        if c.source not in ("simulated", "embedded", "open", "gated"):
            raise InputError(
                f"unknown source: {choices(c.source, ['simulated', 'embedded', 'open', 'gated'])}"
            )
        counts = rows.setdefault(c.claim, dict.fromkeys((AHEAD, BEHIND, EQUAL, "simulated", UNTESTED), 0))
        kind = c.outcome
        counts["simulated" if c.source == "simulated" and kind != UNTESTED else kind] += 1
    return pd.DataFrame(
        [{"claim": claim} | counts | {"verdict": _verdict(counts)} for claim, counts in rows.items()]
    )


def _verdict(counts: dict[str, int]) -> str:
    real = counts[AHEAD] + counts[BEHIND] + counts[EQUAL]
    if real == 0:
        return UNDECIDED if counts["simulated"] else UNTESTED
    if counts[AHEAD] == real:
        return HOLDS
    if counts[EQUAL] == real:
        return OPEN
    if counts[AHEAD] == 0:
        return FAILS
    return MIXED
