"""The abstract's claims: what each was tested by, on which data, with which estimate, and what that allows to say.

Only data from people can decide a claim. Simulated rows are shown and never counted: a simulator contains what its
author put in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from dfe_lib.analysis.representations import DFE_BAG
from dfe_lib.errors import InputError, choices

AHEAD, BEHIND, EQUAL = "ahead", "behind", "no difference shown"
TOO_FEW = "too few units to say"  # of a paired test over people or recordings
UNTESTED = "not tested"
SUPPORTED, NOT_SUPPORTED, NOT_TESTABLE = "supported", "not supported", "not testable here"
LEVEL = 0.05  # of the Holm-adjusted p-value
SOURCES = ("simulated", "embedded", "open", "gated")
FACS, MAE, CODINGS = "FACS", "Masked Autoencoders", "other encodings"
NO_RIVAL = "ideal"  # "FACS ideal …": every unit, sides apart, read without error: nobody can run it


@dataclass(frozen=True)
class Comparison:
    """DFE against one other method, on one data set, by one measure.

    Attributes
    ----------
    claim : which claim it bears on.
    measure, data, other : what was measured, on what, against whom.
    source : ``simulated``, ``embedded``, ``open`` or ``gated``.
    gain : by how much DFE is better, in units of the measure (above zero: better); NaN where not measured.
    low, high : 95 % interval of the gain.
    p : Holm-adjusted p-value of the gain.
    testable : False where there are too few people for any test; then it counts neither way.
    notebook : that shows it.
    """

    claim: str
    measure: str
    data: str
    source: str
    other: str
    gain: float
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    testable: bool = True
    notebook: str = ""

    def __post_init__(self):
        if self.source not in SOURCES:
            raise InputError(f"unknown source: {choices(self.source, SOURCES)}")

    @property
    def outcome(self) -> str:
        """``ahead``, ``behind``, ``no difference shown`` or ``not tested``, from DFE's side."""
        if not self.testable or not np.isfinite([self.gain, self.p]).all():
            return UNTESTED
        return EQUAL if self.p >= LEVEL or self.gain == 0 else (AHEAD if self.gain > 0 else BEHIND)

    @property
    def against(self) -> str:
        """The family of the other method: ``FACS``, ``Masked Autoencoders`` or ``other encodings``."""
        if self.other.startswith("FACS"):
            return FACS
        return MAE if self.other.startswith(("MAE", "Masked Autoencoder")) else CODINGS


def paired_comparisons(claim: str, measure: str, table: pd.DataFrame, notebook: str) -> list[Comparison]:
    """Comparisons of codings from a table of paired tests.

    Parameters
    ----------
    table : as of :func:`dfe_lib.analysis.comparison.against`; without a column ``source`` it is of simulated people.
        Leave out who had a smaller budget than DFE.
    """
    kept = table[table["other"] != "ψ"]  # what codings are made from is no coding
    return [
        Comparison(
            claim, measure, row["data"], row.get("source", "simulated"), row["other"], row["gain"], row["low"],
            row["high"], row["p_holm"], row["outcome"] != TOO_FEW, notebook,
        )
        for row in kept.to_dict("records")
    ]  # fmt: skip


def prediction_comparisons(
    claim: str, scores: pd.DataFrame, data: str, source: str, notebook: str
) -> list[Comparison]:
    """DFE's bag of tokens against every FACS pipeline and Masked Autoencoder, by a task's primary measure.

    Parameters
    ----------
    scores : table of :class:`dfe_lib.analysis.prediction.protocol.Outcome` with DFE's bag as its reference. Where no
        row of a family was measured, one row says so: a claim about it must not look tested.
    data : name of the cohort.
    """
    primary = scores[scores["primary"] & (scores["target"] == "all")].set_index("method")
    if primary.loc[DFE_BAG, "difference"] != 0:
        raise InputError(f"the scores of {claim} do not have '{DFE_BAG}' as their reference")
    rows = []
    for family, starts in ((FACS, "FACS"), (MAE, "MAE")):
        rivals = [m for m in primary.index if m.startswith(starts) and NO_RIVAL not in m]
        for other in rivals:
            row = primary.loc[other]
            sign = (
                1 if row["metric"] in ("RMSE", "MAE") else -1
            )  # the table has the other's value minus DFE's
            low, high = sorted((sign * row["difference_low"], sign * row["difference_high"]))
            rows.append(
                Comparison(
                    claim, row["metric"], data, source, other, sign * row["difference"], low, high, row["p_holm"],
                    notebook=notebook,
                )
            )  # fmt: skip
        if not rivals:
            metric = primary["metric"].iloc[0]
            rows.append(Comparison(claim, metric, data, source, family, np.nan, notebook=notebook))
    return rows


def untested(claim: str, why: str, notebook: str) -> list[Comparison]:
    """Rows of a task whose data were not at hand, so that the claim about it does not look tested."""
    return [
        Comparison(claim, "not measured", why, "gated", family, np.nan, notebook=notebook)
        for family in (FACS, MAE)
    ]


def comparison_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per comparison, with ``against`` and ``outcome``."""
    return pd.DataFrame([asdict(c) | {"against": c.against, "outcome": c.outcome} for c in comparisons])


def evidence(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per claim, family of rivals, measure and data set: the estimate over the strongest rival, and a verdict.

    ``supported``: ahead of every rival that could be tested, each at the 5 % level after Holm's correction. ``not
    supported``: not ahead of some. ``not testable here``: no rival could be tested.

    Returns
    -------
    DataFrame: ``claim, against, measure, data, source, notebook``; ``rival`` (that leaves DFE the smallest gain),
    ``gain, low, high, p`` against it; ``ahead, behind, undecided`` (numbers of rivals) and ``verdict``.

    Examples
    --------
    >>> better = Comparison("precise", "RMS", "actors", "open", "FACS", 0.2, 0.1, 0.3, p=0.001)
    >>> evidence([better])["verdict"].item()
    'supported'
    """
    groups: dict[tuple, list[Comparison]] = {}
    for c in comparisons:
        groups.setdefault((c.claim, c.against, c.measure, c.data, c.source, c.notebook), []).append(c)
    rows = []
    for key, members in groups.items():
        tested = [c for c in members if c.outcome != UNTESTED]
        strongest = min(tested or members, key=lambda c: np.inf if np.isnan(c.gain) else c.gain)
        row = dict(zip(("claim", "against", "measure", "data", "source", "notebook"), key, strict=True))
        row |= {
            "rival": strongest.other,
            "gain": strongest.gain,
            "low": strongest.low,
            "high": strongest.high,
        }
        row |= {"p": strongest.p if tested else np.nan}
        row |= {n: sum(c.outcome == o for c in tested) for n, o in
                (("ahead", AHEAD), ("behind", BEHIND), ("undecided", EQUAL))}  # fmt: skip
        ahead = row["ahead"] == len(tested)
        row["verdict"] = NOT_TESTABLE if not tested else SUPPORTED if ahead else NOT_SUPPORTED
        rows.append(row)
    return pd.DataFrame(rows)


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """One row per claim, family of rivals and measure: the verdict over data from people alone.

    Parameters
    ----------
    table : of :func:`evidence`.

    Returns
    -------
    DataFrame: ``claim, against, measure, people`` (data sets of people that could be tested), ``supported`` (how many
    of them support it), ``simulated`` (what simulated data say, which does not count) and ``verdict``: ``supported``,
    ``not supported``, ``supported on 1 of 2`` or ``not testable here``.
    """
    rows = []
    for (claim, against, measure), part in table.groupby(["claim", "against", "measure"], sort=False):
        people = part[(part["source"] != "simulated") & (part["verdict"] != NOT_TESTABLE)]
        made = part.loc[part["source"] == "simulated", "verdict"]
        good = int((people["verdict"] == SUPPORTED).sum())
        if not len(people):
            verdict = NOT_TESTABLE
        elif good in (0, len(people)):
            verdict = SUPPORTED if good else NOT_SUPPORTED
        else:
            verdict = f"supported on {good} of {len(people)}"
        said = ", ".join(f"{v} ({n})" for v, n in made.value_counts(sort=False).items())
        rows.append(
            {"claim": claim, "against": against, "measure": measure, "people": len(people), "supported": good,
             "simulated": said, "verdict": verdict}
        )  # fmt: skip
    return pd.DataFrame(rows)
