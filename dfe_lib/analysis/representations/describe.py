"""The rows of the prediction tables: every recording of a cohort in all the usual ways, in one walk through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dfe_lib import frames
from dfe_lib.analysis.representations.apart import codings_apart
from dfe_lib.analysis.representations.base import Representation
from dfe_lib.analysis.representations.gathering import Rows, Tables, mean_sd
from dfe_lib.analysis.representations.psi_rows import PsiRows
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.analysis.representations.token_rows import TokenRows
from dfe_lib.analysis.representations.unit_rows import UnitRows
from dfe_lib.codings.base import LinearCoding
from dfe_lib.codings.facs import FACS
from dfe_lib.data.cohort import UNITS, Cohort
from dfe_lib.data.datasets.columns import intensities, units_of
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

LENGTH = "recording length only"
POSE = ["pose_pitch", "pose_yaw", "pose_roll"]
_ORDER = ("DFE ", "FACS", "DFECS", "Facial", "PCA", "k-means", "ψ", "landmarks", "head", "recording", "")


def describe(
    cohort: Cohort,
    tokenizer: Any,
    method: str = "greedy",
    codings: Mapping[str, LinearCoding] | None = None,
    seed: int = 0,
) -> dict[str, Representation]:
    """One representation per row of the tables, in the order of the tables.

    Frames are taken from ``cohort.chunks()`` once and never held longer than their chunk; what must be learnt on frames
    keeps a bounded sample of each recording. Frames without a face are left out. Nothing but the rows whose notes say
    "training fold" is learnt on the cohort.

    Parameters
    ----------
    cohort : what its frames hold decides which rows there are. Of ψ (``cohort.holds == "psi"``) all; of action units
        alone those of FACS, from the units as they are given, and the controls.
    tokenizer : fitted on other data than the cohort, or it leaks into every fold.
    method : how it searches; greedy takes a twentieth of the time of the beam.
    codings : name → coding whose levels are counted, fitted on other data than the cohort. By default DFECS, Facial
        Basis and PCA at the tokenizer's bits per frame, learnt apart (:func:`~.apart.codings_apart`).
    seed : of what is learnt.

    Returns
    -------
    dict, name → representation; see their notes. Rows about action units, and the default codings, need ψ of ICT53 and
    are left out in other spaces; "landmarks mean+sd" needs landmarks in the frames or the people of a simulated cohort,
    "head pose mean+sd" needs pose.

    Raises
    ------
    InputError : a recording without a detected face, without frames, or in two chunks, by name; action units that one
        recording has and another lacks.

    Examples
    --------
    >>> from dfe_lib.data.simulation import CohortConfig, simulate_cohort
    >>> from dfe_lib.tokens import Tokenizer
    >>> cohort = simulate_cohort(CohortConfig(subjects=3, recordings=2, seconds=5), seed=0)
    >>> rows = describe(cohort, Tokenizer.load(), codings={})
    >>> rows["DFE bag of tokens"].vectors(np.arange(4)).shape
    (6, 256)
    """
    recordings = pd.Index(cohort.recordings["recording"].astype(str), name="recording")
    if cohort.holds == UNITS:
        names = units_of(cohort)
        what = f"{len(names)} action units as the data set gives them"
        groups: list[Rows] = [UnitRows(recordings, "FACS", names, _values, what, seed=seed)]
        read = intensities
    else:
        names, read = tokenizer.space.names, frames.psi
        groups = [TokenRows(recordings, tokenizer, method), *_ideal_coders(recordings, tokenizer.space, seed)]
        if codings is None:
            codings = codings_apart(tokenizer.bits_per_frame) if tokenizer.space.name == ICT53.name else {}
        groups.append(PsiRows(cohort, recordings, tokenizer.space, codings, seed))
    groups.append(_Controls(recordings))
    done: set[str] = set()
    for chunk in cohort.chunks():
        listed = chunk["recording"].isin(recordings).to_numpy()
        chunk = chunk if listed.all() else chunk[listed]
        if not len(chunk):
            continue
        seen = Seen.of(chunk, names, read)
        again = sorted(done & set(seen.names))
        if again:
            raise InputError(
                f"recording '{again[0]}' comes in two chunks; a chunk must hold whole recordings"
            )
        done |= set(seen.names)
        for group in groups:
            group.take(seen)
    lacking = recordings.difference(pd.Index(sorted(done)))
    if len(lacking):
        raise InputError(
            f"recording '{lacking[0]}' has no frames ({len(lacking)} such); leave such recordings out of the "
            "cohort, and say how many they are"
        )
    rows = {row.name: row for group in groups for row in group.made()}
    rank = {name: next(i for i, start in enumerate(_ORDER) if name.startswith(start)) for name in rows}
    return {name: rows[name] for name in sorted(rows, key=rank.get)}


def _values(seen: Seen):
    return seen.values


def _ideal_coders(recordings: pd.Index, space, seed: int) -> list[Rows]:
    """Action units as the best possible coder would write them; only ψ of ICT53 says what they are."""
    if space.name != ICT53.name:
        return []
    usual, ideal = FACS(), FACS("full", sided=True)
    what = "OpenFace's 17 action units by the ideal coder"
    reference = f"all {len(ideal.names)} action units, sides apart, by the ideal coder: an upper reference"
    return [
        UnitRows(recordings, "FACS", usual.names, lambda s: usual.intensities(s.values), what, seed=seed),
        UnitRows(
            recordings, "FACS ideal", ideal.names, lambda s: ideal.intensities(s.values), reference, False
        ),
    ]


class _Controls:
    """What is no coding of the face: how the head is held, and how long recordings are."""

    def __init__(self, recordings: pd.Index):
        self._tables = Tables(recordings)

    def take(self, seen: Seen) -> None:
        if set(POSE) <= set(seen.table.columns):
            note = "mean and sd of pitch, yaw and roll of the head; a control, no coding of the face"
            pose = seen.mean_sd(seen.table[POSE].to_numpy())
            self._tables.add("head pose mean+sd", seen.frame(pose, mean_sd(POSE)), note)
        note = "frames, seconds and share of frames with a face: what the availability of data gives away"
        self._tables.add(LENGTH, seen.frame(seen.whole, ["frames", "seconds", "share_detected"]), note)

    def made(self) -> list[Representation]:
        return self._tables.made()
