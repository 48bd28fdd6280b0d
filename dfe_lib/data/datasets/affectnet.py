"""AffectNet (Mollahosseini et al. 2019): photographs of faces from the web, with emotion, valence and arousal."""

from __future__ import annotations

import pandas as pd

from dfe_lib.data.adapters.arrays import read_scalar
from dfe_lib.data.datasets.base import Dataset, Layout
from dfe_lib.errors import InputError

EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
SPLITS = {"train_set": "train", "val_set": "dev"}
_UNKNOWN = -2.0  # how valence and arousal say that they were not judged


class AffectNet(Dataset):
    name = "affectnet"
    feeds = frozenset({"pictures"})
    labels = {
        "emotion": f"one of {', '.join(EMOTIONS)} (0–7 in the files)",
        "valence": "−1 unpleasant to 1 pleasant",
        "arousal": "−1 calm to 1 excited",
    }
    defects = (
        "nobody says who is on a photograph: every picture is a subject of its own, and one person can be in both "
        "sets",
        "one picture a person: the neutral face cannot be estimated from the recording, so ψ is relative to "
        "everybody's mean face (`--neutral population`)",
        "a number can name different pictures in train_set and val_set: recordings are called train-<n>, "
        "dev-<n>",
        "valence and arousal of −2 mean 'not judged': they are empty here",
    )
    film = (287_651 + 3_999) / 30 / 3600  # the pictures, as if they were frames
    source_of_layout = (
        "this project's notes; that the annotations hold a number, or a text of one: third-party code"
    )

    def scan(self, layout: Layout) -> pd.DataFrame:
        rows, bad, root = [], [], layout.tree.root
        labels = layout.by(
            r"(?P<set>train_set|val_set)/annotations/(?P<n>\d+)_(?P<kind>exp|val|aro)\.npy",
            "set",
            "n",
            "kind",
        )
        for m in layout.tree.match(r"(?P<set>train_set|val_set)/images/(?P<n>\d+)\.(?:jpe?g|png)"):
            key = (m["set"], m["n"])
            try:
                values = [read_scalar(f"{root}/{labels[*key, k]}") for k in ("exp", "val", "aro")]
                emotion = EMOTIONS[int(values[0])]
            except (KeyError, IndexError):
                bad.append(f"{m['set']}/annotations/{m['n']}_{{exp,val,aro}}.npy (whole, 0–7)")
                continue
            except InputError as error:
                bad.append(str(error))
                continue
            valence, arousal = (None if v == _UNKNOWN else v for v in values[1:])
            split = SPLITS[m["set"]]
            name = f"{split}-{m['n']}"
            rows.append((name, name, split, emotion, valence, arousal, m[0]))
        for part in SPLITS:
            layout.need(any(r[-1].startswith(part) for r in rows) or bad, f"{part}/images/<n>.jpg")
        layout.missing += bad
        columns = ["recording", "subject", "split", "emotion", "valence", "arousal", "file"]
        table = pd.DataFrame(rows, columns=columns)
        return table.astype({"valence": float, "arousal": float})
