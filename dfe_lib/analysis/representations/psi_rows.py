"""Rows of expression coefficients: as they are, in components and words learnt on them, and in other codings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.analysis.representations.base import Representation, Table
from dfe_lib.analysis.representations.counts import bag_of_levels
from dfe_lib.analysis.representations.gathering import Tables, mean_sd
from dfe_lib.analysis.representations.learnt import ComponentStatistics, FrameSample, KMeansBag, Moments
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.codings.base import LinearCoding
from dfe_lib.codings.keypoints import KEYPOINTS68
from dfe_lib.data.cohort import Cohort
from dfe_lib.face.align import align
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53, ExpressionSpace

LANDMARKS = "landmarks mean+sd"
PSI_FRAMES = 200  # of a recording, for what learns on ψ: 42 kB each

_POINTS = [f"{axis}{i}" for i in range(len(KEYPOINTS68)) for axis in "xy"]
_LANDMARK_NOTE = "mean and sd of 68 keypoints (x, y; mm, aligned); carries the shape of the face"


class PsiRows:
    """Mean and deviation of ψ, its components, words of k-means, bags of levels of ``codings``, and landmarks.

    Parameters
    ----------
    codings : name → coding whose levels are counted.
    """

    def __init__(
        self,
        cohort: Cohort,
        recordings: pd.Index,
        space: ExpressionSpace,
        codings: Mapping[str, LinearCoding],
        seed: int = 0,
    ):
        self.cohort, self.recordings, self.space, self.seed = cohort, recordings, space, seed
        self.codings = dict(codings)
        self._tables, self._sample, self._moments = Tables(recordings), FrameSample(PSI_FRAMES), Moments()

    def take(self, seen: Seen) -> None:
        self._moments.add(seen)
        self._sample.add(seen, seen.values)
        for name, coding in self.codings.items():
            self._levels(seen, name, coding)
        note = "mean and sd of the coefficients, without any coding; nothing learnt"
        self._tables.add("ψ mean+sd", seen.frame(seen.mean_sd(seen.values), mean_sd(self.space.names)), note)
        if "landmarks" in seen.table.columns:
            points = align(frames.landmarks(seen.table)).points[:, KEYPOINTS68, :2]
            table = seen.mean_sd(points.reshape(len(points), -1))
            self._tables.add(LANDMARKS, seen.frame(table, mean_sd(_POINTS)), _LANDMARK_NOTE + "; measured")

    def made(self) -> list[Representation]:
        rows = self._tables.made()
        rows.append(KMeansBag(self.recordings, self._sample, self.space, seed=self.seed))
        rows.append(ComponentStatistics(self.recordings, self._moments, self.space))
        drawn = self.cohort.people is not None and self.space.name == ICT53.name
        if drawn and all(row.name != LANDMARKS for row in rows):
            rows.append(self._simulated_landmarks())
        return rows

    def _levels(self, seen: Seen, name: str, coding: LinearCoding) -> None:
        codes = coding.encode(seen.values).astype(np.int64)
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
        self._tables.add(f"{name} bag", bag_of_levels(codes, seen.names[seen.group], units, n_levels), note)

    def _simulated_landmarks(self) -> Table:
        """Mean and deviation of landmarks that are linear in identity and ψ: from the moments of ψ, exactly."""
        model, people = load_morphable("face478"), self.cohort.people.set_index("subject")
        modes = [c for c in people.columns if c.startswith("identity_")]
        who = self.cohort.recordings["subject"].astype(str)
        _, mean, cov = self._moments.gathered(self.recordings)
        identity = people.loc[who, modes].to_numpy()
        points = model.vertices(mean, identity)[:, KEYPOINTS68, :2]
        moves = model.expressions[:, KEYPOINTS68, :2].reshape(len(model.expressions), -1)
        sd = np.sqrt(np.maximum(np.einsum("dp,nde,ep->np", moves, cov, moves, optimize=True), 0))
        values = np.concatenate([points.reshape(len(points), -1), sd], axis=1)
        table = pd.DataFrame(values, index=self.recordings, columns=mean_sd(_POINTS))
        return Table(
            LANDMARKS, table, _LANDMARK_NOTE + "; simulated: identity and ψ on the shipped face model"
        )
