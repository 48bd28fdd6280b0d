"""What is done with a file from outside: read it whole, and use what was read as its users would.

Nothing here knows what a mutant holds: a call must end in success or in an error of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from dfe_lib import frames
from dfe_lib.bench.hostile import arrays, seeds
from dfe_lib.codings import FACS, PCA, KMeans
from dfe_lib.data.adapters.flame import flame_space, load_flame
from dfe_lib.data.adapters.pickles import array, number, read_pickle
from dfe_lib.data.datasets import open_dataset
from dfe_lib.face import ExpressionRegressor, morphable, video
from dfe_lib.report import changes, collect, executed, notebook_changes
from dfe_lib.runner import run
from dfe_lib.runner.notebook import load_profile
from dfe_lib.runner.notebook import read as read_notebook
from dfe_lib.sidecar import describe
from dfe_lib.space import ICT53, space_of
from dfe_lib.tokens import Tokenizer, checkpoint
from dfe_lib.tokens.data import Shuffled
from dfe_lib.tokens.fit import Run
from dfe_lib.tokens.settings import TrainingConfig


def frame_table(path: Path) -> None:
    names = frames.columns_of(path)
    space_of(frames.attrs(path))
    for _ in frames.stream([path], names[:3], rows=1000):
        pass
    table = frames.read(path, needs=["psi_"])
    space = space_of(table.attrs, str(path))
    psi = frames.psi(table, space.names)
    space.check(psi[np.isfinite(psi).all(axis=1)])
    frames.psi_sd(table)
    describe(table)
    if "landmarks" in table.columns:
        frames.landmarks(table)
        frames.tokens(table)


def encode(path: Path) -> None:
    _tokenizer().encode(
        arrays.array(path.read_bytes()), method=("beam", "greedy", "encoder")[path.stat().st_size % 3]
    )


def decode(path: Path) -> None:
    raw = path.read_bytes()
    (_tokenizer(), *_codings())[sum(raw[:2]) % 4].decode(arrays.array(raw))


def code(path: Path) -> None:
    raw = path.read_bytes()
    _codings()[sum(raw[:2]) % 3].encode(arrays.array(raw))


def predict(path: Path) -> None:
    ExpressionRegressor.load().predict(arrays.array(path.read_bytes()))


@cache
def _tokenizer() -> Tokenizer:
    return Tokenizer.load()


@cache
def _codings() -> list:
    psi = np.random.default_rng(0).uniform(0, 0.5, (200, ICT53.dimension)).astype(np.float32)
    return [FACS().fit(psi), PCA().fit(psi), KMeans(codes=8).fit(psi)]


def a_coding(number: int) -> dict[str, bytes]:
    return {n: raw for n, raw in seeds.files_of(lambda place: _codings()[number].save(place / "c")).items()}


def flame(path: Path) -> None:
    flame_space("flame53", load_flame(path))


def pickle(path: Path) -> None:
    content = read_pickle(path)
    for name, value in content.items() if isinstance(content, dict) else [("it", content)]:
        array(value, str(name))
        number(value, str(name))


def obj(path: Path) -> None:
    morphable.read_obj(path.read_bytes(), path.name)


@cache
def a_training() -> Run:
    psi = np.random.default_rng(0).normal(0, 0.3, (64, ICT53.dimension)).astype(np.float32)
    return Run(
        Shuffled(psi), TrainingConfig(codes=8, stages=2, width=4, heads=1, start_frames=64, batch=32), ICT53
    )


def a_checkpoint() -> dict[str, bytes]:
    place = checkpoint.Place()
    return seeds.files_of(
        lambda folder: checkpoint.save(folder / "c" / "checkpoint", a_training(), place, "data")
    )


def settings(path: Path) -> None:
    from dfe_lib.tokens.settings import read_settings

    TrainingConfig.from_mapping(read_settings(path))


def afresh(read: Callable, path: Path) -> None:
    """A reader that keeps in mind what it read from a path."""
    read.cache_clear()
    read(path)


def profile(path: Path) -> None:
    load_profile(path.stem, path.parent)


def notebook(path: Path) -> None:
    read_notebook(path)


def executed_notebook(path: Path) -> None:
    executed.words(path, path.stem)
    other = path.with_name("other.ipynb")
    other.write_bytes(seeds.notebook())
    notebook_changes.changes(path, other, 0.05, 0.01)


def report(path: Path) -> None:
    folder = path.parent.parent
    shown = collect.sections(folder)
    for section in shown:
        _ = section.metrics, section.seconds
    collect.sources(shown), collect.licences(shown), collect.claims(folder)


def diff(path: Path) -> None:
    good = path.parent.parent.parent / "good"
    changes.summary(changes.between(good, path.parent.parent))


def two_runs() -> dict[str, bytes]:
    made = seeds.results_folder()
    return {f"{side}/{name}": raw for side in ("good", "bad") for name, raw in made.items()}


def stale(path: Path) -> None:
    notebook = read_notebook(path.with_name("03_codebook_coverage.ipynb"))
    run.stale(notebook, path.parent, {"notebook": "ab" * 32})
    run.stopped(path.parent)


def dataset(name: str, path: Path) -> None:
    root = next(p for p in path.parents if p.name == "set")
    data = open_dataset(name, root)
    assert data.says
    for _ in data.each():
        pass


def film(path: Path) -> None:
    video.probe(path)
    for frame in islice(video.frames(path), 30):
        frame.rgb.sum()
