"""``dfe bench``: speed of extraction and encoding, as ratios against a plain loop in the same run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dfe_lib.errors import ConfigError, choices
from dfe_lib.paths import REPOSITORY

RESULT = REPOSITORY / "benchmarks" / "latest.json"


def extraction() -> dict[str, float]:
    """Whole extraction (decode, detect, align, regress) against a bare PyAV + FaceLandmarker loop on one clip.

    Raises
    ------
    AssetError : the clip or the model is not at hand.
    """
    from dfe_lib import frames
    from dfe_lib.data import manifest
    from dfe_lib.face import ExpressionRegressor, extract
    from dfe_lib.face.landmarks import Landmarker
    from dfe_lib.face.video import frames as decode

    clip = manifest.locate("intel-sample-videos", "please.mkv")
    with Landmarker() as landmarker:
        table = extract(clip, landmarker=landmarker)
        bare = _best(lambda: [landmarker.detect(f.rgb) for f in decode(clip)])
        whole = _best(lambda: extract(clip, landmarker=landmarker))
    landmarks = np.tile(frames.landmarks(table), (40, 1, 1))
    regress = _best(lambda: ExpressionRegressor.load().predict(landmarks))
    return {
        "bare_loop_frames_per_s": len(table) / bare,
        "extract_frames_per_s": len(table) / whole,
        "extract_relative_to_bare_loop": bare / whole,
        "regressor_frames_per_s": len(landmarks) / regress,
    }


def tokens(n: int = 65_536) -> dict[str, float]:
    """Greedy and beam encoding against residual search that forms all distances anew at every stage."""
    from dfe_lib.data.displays import sample_displays
    from dfe_lib.tokens import Tokenizer

    tokenizer = Tokenizer.load()
    psi = sample_displays(n, np.random.default_rng(0))
    plain = _best(lambda: _plain_greedy(psi, tokenizer))
    greedy = _best(lambda: tokenizer.encode(psi, method="greedy"))
    beam = _best(lambda: tokenizer.encode(psi, method="beam"), repeats=2)
    return {
        "plain_loop_frames_per_s": n / plain,
        "greedy_frames_per_s": n / greedy,
        "beam_frames_per_s": n / beam,
        "greedy_relative_to_plain_loop": plain / greedy,
    }


def _plain_greedy(psi: np.ndarray, tokenizer) -> np.ndarray:
    whitener = tokenizer.space.whitener.astype(np.float32)
    residual, templates = psi @ whitener, tokenizer.templates @ whitener
    codes = np.empty((len(psi), len(tokenizer.gains)), np.int16)
    for stage, gain in enumerate(tokenizer.gains):
        book = gain * templates
        codes[:, stage] = np.argmin((book**2).sum(axis=1) - 2 * residual @ book.T, axis=1)
        residual = residual - book[codes[:, stage]]
    return codes


def _best(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of several runs, in seconds: what the code can do when the machine lets it."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


SUITES: dict[str, Callable[[], dict[str, float]]] = {"extraction": extraction, "tokens": tokens}


def run(suite: str = "all", target: Path = RESULT) -> dict:
    """Run one suite or all and write the figures with host and versions.

    Raises
    ------
    ConfigError : unknown suite.
    """
    from dfe_lib.provenance import collect

    if suite != "all" and suite not in SUITES:
        raise ConfigError(f"no such benchmark: {choices(suite, ['all', *SUITES])}")
    names = list(SUITES) if suite == "all" else [suite]
    result = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "provenance": collect()}
    result |= {name: {k: float(f"{v:.4g}") for k, v in SUITES[name]().items()} for name in names}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    return result
