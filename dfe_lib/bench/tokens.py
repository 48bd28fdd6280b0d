"""Speed of the encoding, against peers on the same inputs in the same run."""

from __future__ import annotations

import numpy as np

from dfe_lib.bench.timing import best


def tokens(n: int = 65_536) -> dict[str, float]:
    """Greedy and beam encoding against residual search that forms all distances anew at every stage."""
    from dfe_lib.data.displays import sample_displays
    from dfe_lib.tokens import Tokenizer

    tokenizer = Tokenizer.load()
    psi = sample_displays(n, np.random.default_rng(0))
    plain = best(lambda: _plain_greedy(psi, tokenizer))
    greedy = best(lambda: tokenizer.encode(psi, method="greedy"))
    beam = best(lambda: tokenizer.encode(psi, method="beam"), repeats=2)
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
