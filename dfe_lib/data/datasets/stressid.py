"""StressID (Chaptoukaev et al. 2023): eleven tasks a person, filmed, with what people said of their stress."""

from __future__ import annotations

import pandas as pd

from dfe_lib.data.datasets.base import VIDEOS, Dataset, Layout

TASKS = (
    *("Breathing", "Video1", "Video2", "Counting1", "Counting2", "Counting3"),
    *("Stroop", "Speaking", "Math", "Reading", "Relax"),
)


class StressID(Dataset):
    name = "stressid"
    feeds = frozenset({"video"})
    labels = {
        "stressed": "0 or 1: self-rated stress of 5 or more (of 0–10), column binary-stress",
        "affect3": "0 relaxed, 1 neutral, 2 stressed: from valence, arousal, stress, relaxation; column affect3-class",
        "task": f"what the person did: {', '.join(TASKS)}",
    }
    defects = (
        "which recordings exist already predicts the label (macro-F1 0.70 is reported from availability alone): "
        "compare with a table that holds only task and availability; `listed` has both, also of recordings without "
        "video",
        "random splits leak subjects (weighted F1 0.70 against 0.62 ± 0.07 with splits by subject): group by "
        "subject",
        "self-ratings are missing for some tasks: the label is empty there, and such rows are left out of a cohort",
        "no split is given out: everything is 'all', cross-validation by subject makes the folds",
    )
    metric = (
        "weighted F1; the authors' video baseline is 0.62 ± 0.07 (binary) and 0.48 ± 0.01 (three classes), split by "
        "subject"
    )
    source_of_layout = (
        "labels.csv and its columns: this project's notes; Videos/<subject>/<subject>_<task>.mp4 "
        "and the form 2ea4_Math of the index: third-party code"
    )
    partial = "not everybody agreed to be filmed, so labels without video are rightful"

    def scan(self, layout: Layout) -> pd.DataFrame:
        table = layout.table(r"(?:.*/)?labels\.csv", ("binary-stress", "affect3-class"))
        names = table.iloc[:, 0].astype(str) if len(table) else pd.Series(dtype=str)
        parts = names.str.extract(r"^([^_/\s]+)[_/](\w+)$")  # 2ea4_Math; also written 2ea4/Math
        bad = names[parts[0].isna()]
        layout.need(not len(bad), f"names like 2ea4_Math in labels.csv (it has {', '.join(bad[:3])})")
        clips = layout.by(rf"(?:.*/)?(?P<clip>[^/_]+_\w+)\.(?:{VIDEOS})", "clip")
        layout.need(clips, "Videos/<subject>/<subject>_<task>.mp4")
        recording = parts[0] + "_" + parts[1]
        return pd.DataFrame(
            {
                "recording": recording,
                "subject": parts[0],
                "split": "all",
                "stressed": table["binary-stress"],
                "affect3": table["affect3-class"],
                "task": parts[1],
                "file": recording.map(clips).fillna(""),
            }
        )
