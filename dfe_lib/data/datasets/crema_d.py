"""CREMA-D (Cao et al. 2014): acted emotion of 91 actors, and what a crowd saw in it."""

from __future__ import annotations

import pandas as pd

from dfe_lib.data.datasets.base import VIDEOS, Dataset, Layout

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
_POINTER = 200  # bytes: a Git LFS pointer has some 130


class CremaD(Dataset):
    name = "crema-d"
    feeds = frozenset({"video"})
    labels = {
        "emotion": f"acted: {', '.join(EMOTIONS.values())}",
        "level": "acted strength: low, medium, high, unspecified",
        "seen": "what most of the crowd saw in the face alone: letters A D F H N S, several with ':' for a tie",
        "seen_level": "0–100: how strongly, by the crowd",
    }
    defects = (
        "without Git LFS the clips are pointer files of a hundred-odd bytes: they are refused, run `git lfs pull`",
        "the crowd often saw another emotion than was acted: 'seen' beside 'emotion'",
        "twelve fixed sentences: mouths follow the words as much as the emotion; the sentence is in the name",
        "no split is given out: everything is 'all', 91 actors",
    )
    source_of_layout = "this project's notes; columns of summaryTable.csv: third-party code"

    def scan(self, layout: Layout) -> pd.DataFrame:
        columns = ("FileName", "FaceVote", "FaceLevel")
        votes = layout.table(r"(?:.*/)?processedResults/summaryTable\.csv", columns)
        votes = votes.drop_duplicates("FileName").set_index("FileName")
        parts = r"(?P<actor>\d{4})_(?P<s>[A-Z]{3})_(?P<e>[A-Z]{3})_(?P<l>[A-Z]{1,2})"
        name = rf"(?:.*/)?(?P<name>{parts})\.(?:{VIDEOS})"
        rows, pointers = [], []
        for m in layout.tree.match(name):
            if (layout.tree.root / m[0]).stat().st_size < _POINTER:
                pointers.append(m["name"])
            rows.append(
                {
                    "recording": m["name"],
                    "subject": m["actor"],
                    "split": "all",
                    "emotion": EMOTIONS.get(m["e"].upper(), ""),
                    "level": LEVELS.get(m["l"].upper(), "unspecified"),  # one clip is called …_X
                    "file": m[0],
                }
            )
        layout.need(rows, "VideoFlash/<actor>_<sentence>_<emotion>_<level>.flv")
        layout.need(
            not pointers,
            f"the content of {len(pointers)} clips, which are Git LFS pointers: run `git lfs pull` "
            f"({', '.join(pointers[:3])})",
        )
        if layout.missing:
            return pd.DataFrame()
        table = pd.DataFrame(rows)
        return table.assign(
            seen=table["recording"].map(votes["FaceVote"]).fillna("").astype(str),
            seen_level=pd.to_numeric(table["recording"].map(votes["FaceLevel"]), errors="coerce"),
        )
