"""RAVDESS facial landmark tracking (Swanson, Livingstone & Russo 2019): acted emotion as OpenFace has seen it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dfe_lib.data.datasets.base import Dataset, Layout
from dfe_lib.data.datasets.folder import openface_frames

MODALITY = {"01": "audio-video", "02": "video", "03": "audio"}
CHANNEL = {"01": "speech", "02": "song"}
EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad",
    "05": "angry", "06": "fearful", "07": "disgust", "08": "surprised",
}  # fmt: skip


class Ravdess(Dataset):
    name = "ravdess-tracking"
    feeds = frozenset({"aus", "landmarks68"})
    labels = {
        "emotion": f"acted: {', '.join(EMOTIONS.values())}",
        "intensity": "1 normal, 2 strong (none for neutral)",
        "channel": "speech or song",
        "statement": "1 or 2: which of two sentences",
        "repetition": "1 or 2",
    }
    defects = (
        "acted, with fixed sentences: mouths follow the words as much as the emotion",
        "a performance may be there twice, as video with sound (01-…) and without (02-…): use one modality",
        "no column success: a confidence above 0 counts as success",
        "no split is given out: everything is 'all', 24 actors",
    )
    source_of_layout = "this project's notes (columns, names); clips are found by name in any folder"

    def scan(self, layout: Layout) -> pd.DataFrame:
        codes = "-".join(rf"(?P<{part}>\d\d)" for part in "mceisra")
        name = rf"(?:.*/)?(?P<name>{codes})\.csv"
        rows = [
            {
                "recording": m["name"],
                "subject": f"actor{m['a']}",
                "split": "all",
                "emotion": EMOTIONS.get(m["e"], ""),
                "intensity": int(m["i"]),
                "channel": CHANNEL.get(m["c"], ""),
                "statement": int(m["s"]),
                "repetition": int(m["r"]),
                "modality": MODALITY.get(m["m"], ""),
                "file": m[0],
            }
            for m in layout.tree.match(name)
        ]
        layout.need(rows, "<modality>-<vocal>-<emotion>-<intensity>-<statement>-<repetition>-<actor>.csv")
        odd = [r["recording"] for r in rows if not (r["emotion"] and r["channel"] and r["modality"])]
        layout.need(not odd, f"names with known codes ({', '.join(odd[:3])})")
        return pd.DataFrame(rows)

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        return openface_frames(self.root / str(row["file"]), str(row["recording"]))
