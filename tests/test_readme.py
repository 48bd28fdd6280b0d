"""The examples of README and docs run.

A page is read like a reader would: its fenced blocks are run from top to bottom in one folder that holds a short real
clip as ``clip.mp4``, the output of one block being the input of the next.
"""

import contextlib
import io
import re
import shutil
import sys
from pathlib import Path

import av
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pages import PAGES, Block, blocks, commands_in, resolve

from dfe_lib import cli
from dfe_lib.bench.readers import openface_header
from dfe_lib.data import manifest
from dfe_lib.face.landmark_sets import KEYPOINTS68
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53

CLIP = ("intel-sample-videos", "head-pose-face-detection-male.gif")
LANDMARKER = ("mediapipe-face-landmarker", "face_landmarker.task")
FRAMES = 18

# Commands that are shown but not run here, and why; test_docs.py holds all of them to the real options.
NOT_RUN = {
    ("explore",): "opens JupyterLab; tests/test_browser.py drives it",
    ("train",): "takes minutes; tests/test_training_tables.py trains",
    ("reproduce",): "takes minutes; tests/test_notebooks_ci.py runs the notebooks",
    ("diff",): "needs two finished runs",
    ("scrub",): "needs a finished run; tests/test_sharing.py scrubs",
    ("bench",): "takes minutes",
    ("build",): "takes minutes",
    ("data", "fetch"): "uses the network",
    ("data", "verify"): "reads every file that was ever fetched",
    ("data", "extract"): "needs a data set that was granted",
}


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory):
    """The first frames of a real clip, as the file that the examples name; None where it is not at hand."""
    if not manifest.available(CLIP[0]):
        return None
    target = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(manifest.locate(*CLIP))) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        made = out.add_stream("mpeg4", rate=12)
        made.width, made.height, made.pix_fmt = stream.width // 2 * 2, stream.height // 2 * 2, "yuv420p"
        made.bit_rate = 8_000_000
        for _, frame in zip(range(FRAMES), source.decode(stream), strict=False):
            rgb = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[: made.height, : made.width])
            out.mux(made.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(made.encode())
    return target


@pytest.fixture
def folder(short_clip, tmp_path, monkeypatch):
    """A reader's folder: the clip under the names of the examples, and a small file as OpenFace writes it."""
    monkeypatch.chdir(tmp_path)
    if short_clip is not None:
        for name in ("clip", "a", "b"):
            shutil.copy(short_clip, tmp_path / f"{name}.mp4")
    _as_openface_writes(tmp_path / "openface.csv")
    return tmp_path


def _as_openface_writes(path: Path) -> None:
    """Eight frames of an opening mouth with every column of OpenFace, landmarks in mm before a camera."""
    names = openface_header()
    values = dict.fromkeys(names, np.zeros(8))
    values |= {"frame": np.arange(1, 9), "timestamp": np.arange(8) / 30}
    values |= dict.fromkeys(("confidence", "success"), np.ones(8))
    opening = np.zeros((8, ICT53.dimension), np.float32)
    opening[:, ICT53.names.index("jawOpen")] = np.linspace(0, 0.8, 8)
    points = load_morphable("face478").vertices(opening)[:, KEYPOINTS68] * [1, -1, -1] + [0, 0, 600]
    values |= {f"{axis}_{i}": points[:, i, k] for k, axis in enumerate("XYZ") for i in range(68)}
    values |= {name: np.linspace(0, 1, 8) for name in names if re.fullmatch(r"p_\d+|AU.._r", name)}
    pd.DataFrame({name: values[name] for name in names}).to_csv(path, index=False)


def run(words: list[str], monkeypatch) -> str:
    """What `dfe` says; an error is what it complains of."""
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(cli, "_debug", False)
    said, complaint = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complaint),
        pytest.raises(SystemExit) as stop,
    ):
        cli.main()
    assert not stop.value.code, f"{' '.join(words)}: {complaint.getvalue() or said.getvalue()}"
    return said.getvalue()


def needs_clip(block: Block) -> bool:
    return any(name in block.text for name in ("clip.", "a.mp4", "tokens.parquet", "tables/"))


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, folder, short_clip, monkeypatch):
    """Every Python block, and every command of every shell block but NOT_RUN, in order, in one folder."""
    todo = [b for b in blocks(page) if b.language == "python" or (b.language == "sh" and commands_in(b))]
    if not todo:
        return
    lacking = [CLIP[0]] if short_clip is None else []
    lacking += [] if manifest.available(LANDMARKER[0]) else [LANDMARKER[0]]
    left_out, names = [], {"__name__": "example"}
    for block in todo:
        if lacking and needs_clip(block):
            left_out.append(block.line)
            continue
        if block.language == "python":
            try:
                exec(compile(block.text, f"{page}:{block.line}", "exec"), names)
            finally:
                plt.close("all")
            continue
        for words in commands_in(block):
            _, path, rest = resolve(words)
            given = [w for w in rest if "=" not in w and re.search(r"\.(mp4|csv|parquet)$|^results/", w)]
            out = rest[rest.index("--out") + 1] if "--out" in rest else None
            absent = [g for g in given if g != out and "*" not in g and not Path(g).exists()]
            if path in NOT_RUN or any("*" in w or w.isupper() for w in rest):  # NAME stands for a name
                continue
            if path == ("import",) and absent:  # files of a tool that nothing here can write
                continue
            run(words, monkeypatch)
    if left_out:
        pytest.skip(
            f"assets {', '.join(lacking)} are not at hand: blocks of lines {left_out} of {page} were not run"
        )
