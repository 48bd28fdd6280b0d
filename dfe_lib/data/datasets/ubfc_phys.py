"""UBFC-Phys (Meziati Sabour et al. 2023): rest, a speech and arithmetic before a jury, filmed."""

from __future__ import annotations

import pandas as pd

from dfe_lib.data.datasets.base import VIDEOS, Dataset, Layout

TASKS = {"T1": "rest", "T2": "speech", "T3": "arithmetic"}


class UbfcPhys(Dataset):
    name = "ubfc-phys"
    feeds = frozenset({"video"})
    labels = {
        "stressed": "0 or 1: 0 at rest (T1), 1 in speech (T2) and arithmetic (T3): the task, not what the person felt",
        "task": "rest, speech or arithmetic",
        "condition": "test or ctrl, from info_s<k>.txt; empty where it has neither word",
        "gender": "m or f, from info_s<k>.txt; empty where it has neither",
    }
    defects = (
        "the label is the task: people talk in T2 and T3 and rest in T1, so whoever detects speech detects the "
        "label",
        "people are of two conditions, test and ctrl: look at 'test' alone as well",
        "self-rated anxiety (selfReportedAnx_s<k>.csv) is once before and once after, not per task: it is no label "
        "here",
    )
    source_of_layout = (
        "this project's notes; three minutes a clip and the five lines of info_s<k>.txt (id, sex, "
        "condition, date, time): third-party code"
    )
    film = 56 * 3 * 3 / 60

    def scan(self, layout: Layout) -> pd.DataFrame:
        clips = layout.by(rf"(?:.*/)?vid_(?P<person>s\d+)_(?P<task>T[123])\.(?:{VIDEOS})", "person", "task")
        layout.need(clips, "s<k>/vid_s<k>_T<j>.avi")
        people = sorted({person for person, _ in clips}, key=lambda s: int(s[1:]))
        told = {m["person"]: m[0] for m in layout.tree.match(r"(?:.*/)?info_(?P<person>s\d+)\.txt")}
        rows = []
        for person in people:
            gender, condition = _info(layout, told.get(person))
            for task, word in TASKS.items():
                rows.append(
                    {
                        "recording": f"{person}_{task}",
                        "subject": person,
                        "split": "all",
                        "stressed": int(task != "T1"),
                        "task": word,
                        "condition": condition,
                        "gender": gender,
                        "file": clips.get((person, task), ""),
                    }
                )
        return pd.DataFrame(rows)


def _info(layout: Layout, path: str | None) -> tuple[str, str]:
    """Sex and condition, where the file has them in its second and third line."""
    if path is None:
        return "", ""
    text = (layout.tree.root / path).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip().lower() for line in text.splitlines()]
    gender = next((line for line in lines if line in ("m", "f")), "")
    return gender, next((line for line in lines if line in ("test", "ctrl")), "")
