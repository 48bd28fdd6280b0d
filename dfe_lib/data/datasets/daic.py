"""DAIC-WOZ (AVEC 2016, 2017) and E-DAIC (AVEC 2019): interviews by an animated interviewer, as tracked faces only."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dfe_lib.data.adapters.openface import read_openface
from dfe_lib.data.datasets.base import Dataset, Layout
from dfe_lib.data.datasets.columns import with_units
from dfe_lib.data.datasets.openface_points import beside, read_points

_PHQ = "0–24: PHQ-8 score; empty in the test set where the set's own file leaves it out"
_DEPRESSED = "0 or 1: PHQ-8 of 10 or more"
_GENDER = "as coded in the set's own file"
CUT = 10  # PHQ-8 from which on somebody counts as depressed
_ODD = "score and binary label contradict each other"
SPLITS = {"train": "train", "dev": "dev", "test": "test"}


class DaicWoz(Dataset):
    """DAIC-WOZ (AVEC 2016, 2017): interviews by an animated interviewer, as tracked landmarks and action units."""

    name = "daic-woz"
    feeds = frozenset({"aus", "landmarks68"})
    labels = {"phq": _PHQ, "depressed": _DEPRESSED, "gender": _GENDER}
    defects = (
        "header names have leading spaces (' success'): they are stripped",
        "frames with success 0 hold left-over numbers: only success = 1 counts as detected, all else is NaN",
        "sessions 373 and 444 are interrupted, 451, 458 and 480 lack the interviewer, 402 is cut: they are kept, "
        "and marked in the column 'remark'; drop them with recordings[recordings.remark == '']",
        "where the binary label does not fit the score (10 or more), the column 'remark' says so; both stay as given",
        "no video is given out: landmarks and action units can be had, ψ of a picture cannot",
        "test_split has no scores; full_test_split.csv, where it was given to you, has them",
        "14 intensities only, by an OpenFace of before 2.0: AU07, AU23 and AU45 have none",
    )
    metric = "F1 of the depressed, RMSE and MAE of the score; the baseline of AVEC 2017 is 7.05 and 5.66"
    source_of_layout = (
        "this project's notes; the header X0…, Y0…, Z0… and the two files of the test set: third-party code"
    )
    remarks = {
        "373": "interrupted", "444": "interrupted", "402": "video cut",
        "451": "no interviewer", "458": "no interviewer", "480": "no interviewer",
    }  # fmt: skip

    def scan(self, layout: Layout) -> pd.DataFrame:
        parts = [_split(layout, word, split) for word, split in SPLITS.items() if word != "test"]
        parts.append(_test(layout))
        table = pd.concat(parts, ignore_index=True)
        units = layout.by(r"(?:.*/)?(?P<id>\d+)_CLNF_AUs\.txt", "id")
        points = layout.by(r"(?:.*/)?(?P<id>\d+)_CLNF_features3D\.txt", "id")
        layout.need(units, "XXX_P/XXX_CLNF_AUs.txt")
        layout.need(points, "XXX_P/XXX_CLNF_features3D.txt")
        both = table["recording"].map(points).notna()
        return table.assign(
            subject=table["recording"],
            remark=_remarks(table, self.remarks),
            file=table["recording"].map(units).where(both).fillna(""),
            file_landmarks=table["recording"].map(points).fillna(""),
        )

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        name = str(row["recording"])
        table = with_units(read_openface(self.root / str(row["file"]), name))
        return beside(table, read_points(self.root / str(row["file_landmarks"]), "{axis}{i}"))


def _split(layout: Layout, word: str, split: str) -> pd.DataFrame:
    columns = ("Participant_ID", "PHQ8_Binary", "PHQ8_Score", "Gender")
    path = rf"(?:.*/)?{word}_split_Depression_AVEC2017\.csv"
    return _labelled(layout, layout.table(path, columns), columns, split)


def _test(layout: Layout) -> pd.DataFrame:
    """The test set: with scores where full_test_split.csv is there, else without."""
    if next(layout.tree.match(r"(?:.*/)?full_test_split\.csv"), None):
        columns = ("Participant_ID", "PHQ_Binary", "PHQ_Score", "Gender")
        return _labelled(layout, layout.table(r"(?:.*/)?full_test_split\.csv", columns), columns, "test")
    columns = ("participant_ID", "", "", "Gender")  # a small p, and no scores
    if next(layout.tree.match(r"(?:.*/)?test_split_Depression_AVEC2017\.csv"), None) is None:
        return _labelled(layout, pd.DataFrame(columns=["participant_ID", "Gender"]), columns, "test")
    given = layout.table(r"(?:.*/)?test_split_Depression_AVEC2017\.csv", ("participant_ID", "Gender"))
    return _labelled(layout, given, columns, "test")


def _labelled(layout: Layout, table: pd.DataFrame, columns: tuple[str, ...], split: str) -> pd.DataFrame:
    person, binary, score, gender = columns
    empty = pd.Series(float("nan"), table.index)
    where = f"{{}} in the labels of {split}"
    table = table[table[person].notna()]  # spreadsheets leave empty rows behind
    who = layout.numbers(table[person], table[person], where.format(person))
    return pd.DataFrame(
        {
            "recording": who.astype("Int64").astype(str),
            "split": split,
            "phq": layout.numbers(table.get(score, empty), table[person], where.format(score)),
            "depressed": layout.numbers(table.get(binary, empty), table[person], where.format(binary)),
            "gender": table[gender].astype(str),
        }
    )


def _remarks(table: pd.DataFrame, known: Mapping[str, str]) -> pd.Series:
    """What is known to be wrong with a session, and labels that contradict each other; empty where nothing is."""
    known_ones = table["recording"].map(lambda person: known.get(person, ""))
    odd = (
        table["phq"].notna()
        & table["depressed"].notna()
        & ((table["phq"] >= CUT) != (table["depressed"] == 1))
    )
    return known_ones.where(~odd, (known_ones + "; " + _ODD).str.removeprefix("; "))


class EDaic(Dataset):
    """E-DAIC (AVEC 2019): interviews by an animated interviewer, as action units, head pose and gaze."""

    name = "e-daic"
    feeds = frozenset({"aus"})
    labels = {"phq": _PHQ, "depressed": _DEPRESSED, "gender": _GENDER}
    defects = (
        "action units, pose and gaze only: no landmarks and no video are given out, so only FACS rows can be had",
        "header names may have leading spaces: they are stripped",
        "where the binary label does not fit the score (10 or more), the column 'remark' says so; both stay as given",
        "frames with success 0 hold left-over numbers: only success = 1 counts as detected, all else is NaN",
    )
    metric = "CCC of the score"
    source_of_layout = "this project's notes; in third-party code gaze is also written Gaze"

    def scan(self, layout: Layout) -> pd.DataFrame:
        columns = ("Participant_ID", "PHQ_Binary", "PHQ_Score", "Gender")
        parts = []
        for word, split in SPLITS.items():
            given = layout.table(rf"(?:.*/)?{word}_split\.csv", columns)
            parts.append(_labelled(layout, given, columns, split))
        table = pd.concat(parts, ignore_index=True)
        units = layout.by(r"(?:.*/)?(?P<id>\d+)_OpenFace2\.1\.0_Pose_gaze_AUs\.csv", "id")
        layout.need(units, "XXX_P/features/XXX_OpenFace2.1.0_Pose_gaze_AUs.csv")
        return table.assign(
            subject=table["recording"],
            remark=_remarks(table, {}),
            file=table["recording"].map(units).fillna(""),
        )

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        return with_units(read_openface(self.root / str(row["file"]), str(row["recording"])))
