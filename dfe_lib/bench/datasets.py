"""Opening a data set of ten thousand recordings: the first time, and again with the index that was kept."""

from __future__ import annotations

import os
import struct
import tempfile
import time
from pathlib import Path

RECORDINGS = 10_000
TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism", "interview")
_SHARES = {"training": 0.6, "validation": 0.2, "test": 0.2}


def datasets() -> dict[str, float | str]:
    """Seconds for generated sets of 10,000 recordings, laid out as First Impressions, DAIC-WOZ and AffectNet are.

    ``walk`` is a bare walk over the same tree that asks each file for its size and time: what no index can save.
    """
    from dfe_lib.data.datasets import open_dataset

    before = os.environ.get("DFE_DATA_DIR")
    out: dict[str, float | str] = {"recordings": float(RECORDINGS)}
    with tempfile.TemporaryDirectory(prefix="dfe-bench-") as place:
        os.environ["DFE_DATA_DIR"] = str(Path(place) / "cache")
        try:
            makers = {"chalearn-first-impressions": _clips, "daic-woz": _sessions, "affectnet": _pictures}
            for name, make in makers.items():
                root = Path(place) / name
                make(root)
                out[f"{name}_walk_s"] = _seconds(lambda root=root: _walk(root))
                out[f"{name}_first_open_s"] = _seconds(lambda n=name, r=root: open_dataset(n, r))
                out[f"{name}_open_again_s"] = _seconds(lambda n=name, r=root: open_dataset(n, r))
                assert len(open_dataset(name, root).recordings) == RECORDINGS
        finally:
            if before is None:
                del os.environ["DFE_DATA_DIR"]
            else:
                os.environ["DFE_DATA_DIR"] = before
    return out


def _seconds(call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _walk(root: Path) -> int:
    return sum(
        os.stat(os.path.join(folder, file)).st_size for folder, _, files in os.walk(root) for file in files
    )


def _clips(root: Path) -> None:
    """Clips by the thousand in a folder, and their annotations as Python 2 pickled them."""
    number = 0
    for word, share in _SHARES.items():
        clips = [
            f"source{n // 3:06d}.{n % 3:03d}.mp4" for n in range(number, number + round(share * RECORDINGS))
        ]
        number += len(clips)
        for n, clip in enumerate(clips):
            folder = root / f"{word}80_{n // 1000:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / clip).write_bytes(b"\0")
        value = b"G" + struct.pack(">d", 0.5)
        column = b"}(" + b"".join(b"U" + bytes([len(c)]) + c.encode() + value for c in clips) + b"u"
        body = b"".join(b"U" + bytes([len(t)]) + t.encode() + column for t in TRAITS)
        (root / f"annotation_{word}.pkl").write_bytes(b"\x80\x02}(" + body + b"u.")


def _pictures(root: Path) -> None:
    """Pictures with three labels each, one to a file."""
    import io

    import numpy as np

    labels = {}
    for kind, value in (("exp", "3"), ("val", "0.25"), ("aro", "-0.5")):
        file = io.BytesIO()
        np.save(file, np.array(value))
        labels[kind] = file.getvalue()
    for part, share in (("train_set", 0.9), ("val_set", 0.1)):
        for folder in ("images", "annotations"):
            (root / part / folder).mkdir(parents=True)
        for n in range(round(share * RECORDINGS)):
            (root / part / "images" / f"{n}.jpg").write_bytes(b"\0")
            for kind, content in labels.items():
                (root / part / "annotations" / f"{n}_{kind}.npy").write_bytes(content)


def _sessions(root: Path) -> None:
    """A folder with four files for each session, and three tables."""
    head = "Participant_ID,PHQ8_Binary,PHQ8_Score,Gender\n"
    people = list(range(100_000, 100_000 + RECORDINGS))
    cut = RECORDINGS // 2
    for person in people:
        folder = root / f"{person}_P"
        folder.mkdir(parents=True)
        for file in ("CLNF_AUs.txt", "CLNF_features3D.txt", "CLNF_gaze.txt", "AUDIO.wav"):
            (folder / f"{person}_{file}").write_bytes(b"\0")
    for word, part in (("train", people[:cut]), ("dev", people[cut:])):
        rows = "".join(f"{p},{p % 2},{p % 25},1\n" for p in part)
        (root / f"{word}_split_Depression_AVEC2017.csv").write_text(head + rows)
