"""LMVD (He et al. 2024): vlogs of people with and without depression, as OpenFace has seen them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dfe_lib.data.datasets.base import Dataset, Layout
from dfe_lib.data.datasets.folder import openface_frames

# Third-party knowledge; the set's own label files, where they are there, are believed instead.
DEPRESSED = ((1, 601), (1117, 1423))
CONTROL = ((602, 1116), (1425, 1824))


class Lmvd(Dataset):
    name = "lmvd"
    feeds = frozenset({"aus", "landmarks68_2d"})
    labels = {
        "depressed": "0 or 1: from the set's own label/<n>_Depression.csv where it is there, else by number"
    }
    defects = (
        "the classes by number (1–601 and 1117–1423 depressed, 602–1116 and 1425–1824 not) are third-party "
        "knowledge; number 1424 is in neither and is left out",
        "the label is of the vlog (what it is about, where it was found), not a diagnosis",
        "1,823 samples of 1,475 people and 214 hours (the paper's abstract), and no file says who is who: one "
        "person may be on both sides of a split, and every figure is optimistic by an unknown amount",
        "no split is given out: everything is 'all'",
    )
    source_of_layout = (
        "the authors' own readers (github.com/helang818/LMVD): tcnfeature.py takes OpenFace's columns by position "
        "(face_id, 2-D landmarks, no 3-D), kfoldLoader.py the label from <n>_Depression.csv; the folder's name "
        "Video_feature and the classes by number: third-party readers"
    )
    film = 214.0

    def scan(self, layout: Layout) -> pd.DataFrame:
        tracks = layout.by(r"(?:.*/)?Video_feature/(?:.*/)?(?P<n>\d+)\.csv", "n")
        layout.need(tracks, "Video_feature/<n>.csv")
        told = layout.by(r"(?:.*/)?(?P<n>\d+)_Depression\.csv", "n")
        rows = []
        for n, file in tracks.items():
            label = _told(layout, told[n]) if n in told else _by_number(int(n))
            if label is not None:
                rows.append((n, n, "all", float(label), file))
        return pd.DataFrame(rows, columns=["recording", "subject", "split", "depressed", "file"])

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        return openface_frames(self.root / str(row["file"]), str(row["recording"]))


def _told(layout: Layout, path: str) -> int | None:
    text = (
        (layout.tree.root / path)
        .read_text(encoding="utf-8-sig", errors="replace")
        .strip()
        .split(",")[0]
        .strip()
    )
    layout.need(text in ("0", "1"), f"0 or 1 as the label in {path} (it has {text[:20]!r})")
    return int(text) if text in ("0", "1") else None


def _by_number(n: int) -> int | None:
    if any(first <= n <= last for first, last in DEPRESSED):
        return 1
    return 0 if any(first <= n <= last for first, last in CONTROL) else None
