"""The rows of the prediction tables: every recording of a cohort in all the usual ways, in one walk through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from dfe_lib import frames
from dfe_lib.analysis.representations.apart import codings_apart
from dfe_lib.analysis.representations.base import Representation, Table
from dfe_lib.analysis.representations.counts import bag_of_levels, bag_of_tokens
from dfe_lib.analysis.representations.dynamics import Words, events, run_lengths, transitions
from dfe_lib.analysis.representations.learnt import (
    WINDOW,
    ComponentStatistics,
    FrameSample,
    KMeansBag,
    Moments,
    UnitWords,
)
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.codings.base import LinearCoding
from dfe_lib.codings.facs import FACS, INTENSITIES
from dfe_lib.codings.keypoints import KEYPOINTS68
from dfe_lib.data.cohort import Cohort
from dfe_lib.errors import InputError
from dfe_lib.face.align import align
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53

DFE_BAG = "DFE bag of tokens"
LENGTH = "recording length only"
POSE = ["pose_pitch", "pose_yaw", "pose_roll"]
PSI_FRAMES = 200  # of a recording, for what learns on ψ: 42 kB each
UNIT_FRAMES = 1000  # of a recording, for words of action units: 20 in a window of 4 s for 3 min, 68 kB each
BIGRAMS = 512  # words of the vocabulary of bigrams: as wide as two stages of the bag

_POINTS = [f"{axis}{i}" for i in range(len(KEYPOINTS68)) for axis in "xy"]
_LANDMARK_NOTE = "mean and sd of 68 keypoints (x, y; mm, aligned); carries the shape of the face"


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
    InputError : a recording without a detected face, without frames, or in two chunks, by name.

    Examples
    --------
    >>> from dfe_lib.data.simulation import CohortConfig, simulate_cohort
    >>> from dfe_lib.tokens import Tokenizer
    >>> cohort = simulate_cohort(CohortConfig(subjects=3, recordings=2, seconds=5), seed=0)
    >>> rows = describe(cohort, Tokenizer.load(), codings={})
    >>> rows["DFE bag of tokens"].vectors(np.arange(4)).shape
    (6, 256)
    """
    walk = _Walk(cohort, tokenizer, method, codings, seed)
    for chunk in cohort.chunks():
        walk.take(chunk)
    return walk.rows()


class _Walk:
    """What is gathered on the way through a cohort."""

    def __init__(self, cohort, tokenizer, method, codings, seed):
        self.cohort, self.tokenizer, self.method, self.seed = cohort, tokenizer, method, seed
        self.recordings = pd.Index(cohort.recordings["recording"].astype(str), name="recording")
        self.space = tokenizer.space
        has_units = self.space.name == ICT53.name
        self.facs, self.ideal = (FACS(), FACS("full", sided=True)) if has_units else (None, None)
        if codings is None:
            codings = codings_apart(tokenizer.bits_per_frame) if has_units else {}
        self.codings = dict(codings)
        self.tables: dict[str, list[pd.DataFrame]] = {}
        self.notes: dict[str, str] = {}
        self.bigrams: list[tuple[np.ndarray, Any]] = []
        self.psi, self.units = FrameSample(PSI_FRAMES), FrameSample(UNIT_FRAMES, WINDOW)
        self.moments = Moments()
        self.done: set[str] = set()

    def take(self, chunk: pd.DataFrame) -> None:
        """One chunk of whole recordings; those that the recording table does not list are passed over."""
        listed = chunk["recording"].isin(self.recordings).to_numpy()
        chunk = chunk if listed.all() else chunk[listed]
        if not len(chunk):
            return
        seen = Seen.of(chunk, self.space.names)
        again = sorted(self.done & set(seen.names))
        if again:
            raise InputError(
                f"recording '{again[0]}' comes in two chunks; a chunk must hold whole recordings"
            )
        self.done |= set(seen.names)
        self.moments.add(seen)
        self.psi.add(seen, seen.psi)
        self._tokens(seen)
        if self.facs is not None:
            self._action_units(seen)
        for name, coding in self.codings.items():
            self._levels(seen, name, coding)
        note = "mean and sd of the coefficients, without any coding; nothing learnt"
        names = [f"{n}_{part}" for part in ("mean", "sd") for n in self.space.names]
        self._add("ψ mean+sd", seen.frame(seen.mean_sd(seen.psi), names), note)
        self._landmarks(seen)
        if set(POSE) <= set(seen.table.columns):
            note = "mean and sd of pitch, yaw and roll of the head; a control, no coding of the face"
            names = [f"{n}_{part}" for part in ("mean", "sd") for n in POSE]
            self._add("head pose mean+sd", seen.frame(seen.mean_sd(seen.table[POSE].to_numpy()), names), note)
        note = "frames, seconds and share of frames with a face: what the availability of data gives away"
        self._add(LENGTH, seen.frame(seen.whole, ["frames", "seconds", "share_detected"]), note)

    def _add(self, name: str, table: pd.DataFrame, note: str) -> None:
        self.tables.setdefault(name, []).append(table)
        self.notes[name] = note

    def _tokens(self, seen: Seen) -> None:
        codes = self.tokenizer.encode(seen.psi, method=self.method)
        who, k = seen.names[seen.group], len(self.tokenizer.templates)
        note = "counts of tokens, one vocabulary for all stages; tokenizer learnt apart"
        self._add(DFE_BAG, bag_of_tokens(codes, who, k), note)
        note = "counts of tokens, each stage with words of its own; tokenizer learnt apart"
        self._add("DFE bag by stage", bag_of_tokens(codes, who, k, by_stage=True), note)
        note = "counts of first-stage tokens by how long each was held; tokenizer learnt apart"
        self._add("DFE run lengths", run_lengths(seen, codes[:, 0], k), note)
        self.bigrams.append((seen.names, transitions(seen, codes[:, 0], k)))

    def _action_units(self, seen: Seen) -> None:
        who = seen.names[seen.group]
        for facs, row in ((self.facs, "FACS"), (self.ideal, "FACS ideal")):
            x = facs.intensities(seen.psi)
            names = [f"{n}_{part}" for part in ("mean", "sd") for n in facs.names]
            what = (
                "OpenFace's 17 action units by the ideal coder"
                if facs is self.facs
                else f"all {len(facs.names)} action units, sides apart, by the ideal coder: an upper reference"
            )
            self._add(f"{row} mean+sd", seen.frame(seen.mean_sd(x), names), f"mean and sd of {what}")
            bag = bag_of_levels(facs.codes_of(x), who, facs.names, INTENSITIES)
            self._add(f"{row} bag", bag, f"counts of unit and intensity; {what}")
            if facs is self.facs:
                self.units.add(seen, x)
                note = f"onsets a minute, length, peak and share of time of {what}"
                self._add("FACS events", events(seen, x, facs.names), note)

    def _levels(self, seen: Seen, name: str, coding: LinearCoding) -> None:
        codes = coding.encode(seen.psi).astype(np.int64)
        n_levels = int(coding.grid.levels.max())
        if coding.orthogonal:  # no level means absence: every one is a word
            codes, n_levels = codes + 1, n_levels + 1
        elif (
            coding.signed
        ):  # levels on both sides of zero: the middle one is absence, and has to be the first
            middle = (coding.grid.levels - 1) // 2
            codes = np.where(codes == middle, 0, np.where(codes < middle, codes + 1, codes))
        units = [f"u{j}" for j in range(codes.shape[1])]
        note = f"counts of unit and level at {coding.bits_per_frame:.0f} bits; coding learnt apart"
        self._add(f"{name} bag", bag_of_levels(codes, seen.names[seen.group], units, n_levels), note)

    def _landmarks(self, seen: Seen) -> None:
        if "landmarks" in seen.table.columns:
            points = align(frames.landmarks(seen.table)).points[:, KEYPOINTS68, :2]
            table = seen.mean_sd(points.reshape(len(points), -1))
            names = [f"{n}_{part}" for part in ("mean", "sd") for n in _POINTS]
            self._add("landmarks mean+sd", seen.frame(table, names), _LANDMARK_NOTE + "; measured")

    def rows(self) -> dict[str, Representation]:
        lacking = self.recordings.difference(pd.Index(sorted(self.done)))
        if len(lacking):
            raise InputError(
                f"recording '{lacking[0]}' has no frames ({len(lacking)} such); leave such recordings out of the "
                "cohort, and say how many they are"
            )
        tables = {
            name: Table(name, pd.concat(parts).loc[self.recordings], self.notes[name])
            for name, parts in self.tables.items()
        }
        learnt: list[Representation] = [self._bigrams()]
        if self.facs is not None:
            learnt.append(UnitWords(self.recordings, self.units, seed=self.seed))
        learnt.append(KMeansBag(self.recordings, self.psi, self.space, seed=self.seed))
        learnt.append(ComponentStatistics(self.recordings, self.moments, self.space))
        if "landmarks mean+sd" not in tables and self.cohort.people is not None and self.facs is not None:
            learnt.append(self._simulated_landmarks())
        rows = tables | {row.name: row for row in learnt}
        order = ("DFE ", "FACS", "DFECS", "Facial", "PCA", "k-means", "ψ", "landmarks", "head", "recording")
        rank = {name: next(i for i, o in enumerate((*order, "")) if name.startswith(o)) for name in rows}
        return {name: rows[name] for name in sorted(rows, key=rank.get)}

    def _bigrams(self) -> Words:
        names = np.concatenate([names for names, _ in self.bigrams])
        table = sparse.vstack([counts for _, counts in self.bigrams]).tocsr()
        table = table[pd.Index(names).get_indexer(self.recordings)]
        note = (
            f"counts of one first-stage token after another, repeats collapsed; the {BIGRAMS} bigrams in most "
            "recordings of the training fold"
        )
        return Words("DFE bigrams", self.recordings, table, BIGRAMS, note)

    def _simulated_landmarks(self) -> Table:
        """Mean and deviation of landmarks that are linear in identity and ψ: from the moments of ψ, exactly."""
        model, people = load_morphable("face478"), self.cohort.people.set_index("subject")
        modes = [c for c in people.columns if c.startswith("identity_")]
        who = self.cohort.recordings["subject"].astype(str)
        _, mean, cov = self.moments.gathered(self.recordings)
        identity = people.loc[who, modes].to_numpy()
        points = model.vertices(mean, identity)[:, KEYPOINTS68, :2]
        moves = model.expressions[:, KEYPOINTS68, :2].reshape(len(model.expressions), -1)
        sd = np.sqrt(np.maximum(np.einsum("dp,nde,ep->np", moves, cov, moves, optimize=True), 0))
        names = [f"{n}_{part}" for part in ("mean", "sd") for n in _POINTS]
        values = np.concatenate([points.reshape(len(points), -1), sd], axis=1)
        table = pd.DataFrame(values, index=self.recordings, columns=names)
        return Table(
            "landmarks mean+sd",
            table,
            _LANDMARK_NOTE + "; simulated: identity and ψ on the shipped face model",
        )
