"""Sharpness at equal bits on held-out frames: the shipped tokenizer, FAISS with codebooks of its own, PCA.

All three learn from the same frames. FAISS keeps a codebook for each stage, six times as many vectors as we do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dfe_lib.analysis.fidelity import rms_error
from dfe_lib.bench.device import NOT_MEASURED
from dfe_lib.bench.peers import Faiss
from dfe_lib.bench.timing import threads
from dfe_lib.codings import PCA
from dfe_lib.data import manifest
from dfe_lib.data.simulation import ExtractionNoise
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer
from dfe_lib.tokens.build import held_out_frames, training_frames

THREADS = 2
SEED = 0  # the one that the shipped tokenizer was trained with
STAGES = (1, 2, 3, 4, 6, 8, 10, 12)  # of the rate–distortion curve: 8 … 96 bits
SHORT_TRAINING = {"stages": STAGES[-1], "refine_epochs": 3, "follow_epochs": 0, "device": "cpu"}


def quality() -> dict[str, float | str]:
    """RMS error in mm by kind of frame and by coder at 48 bits, then mean error over the kinds from 8 to 96 bits.

    Raises
    ------
    ImportError : FAISS is not installed; it is a development dependency.
    AssetError : the ARKit recording, a third of which is held out, is not at hand.
    """
    with threads(THREADS):
        training, kinds = training_frames(SEED), _kinds()
        tokenizer = Tokenizer.load()
        peer = Faiss.trained(training @ ICT53.whitener, STAGES[-1], tokenizer.codes_per_stage)
        rows: dict[str, float | str] = {}
        pca = PCA(bits=tokenizer.bits_per_frame).fit(training)
        for kind, psi in kinds.items():
            rows |= {
                f"{kind}_{name}": value for name, value in _equal_bits(psi, tokenizer, peer, pca).items()
            }
        if "news" not in kinds:
            rows["news"] = NOT_MEASURED
        noise = ExtractionNoise.load().residual_cholesky.T @ ICT53.whitener
        rows["motion_ideal_for_its_noise_mm"] = ideal(noise.T @ noise, tokenizer.bits_per_frame)
        centred = (kinds["motion"] - kinds["motion"].mean(axis=0)) @ ICT53.whitener
        covariance = centred.T @ centred / len(centred)
        rows["motion_ideal_if_gaussian_mm"] = ideal(covariance, tokenizer.bits_per_frame)
        return rows | _rates(training, kinds, tokenizer, peer)


def _kinds() -> dict[str, np.ndarray]:
    kinds = {name.replace(" ", "_"): psi for name, psi in held_out_frames(SEED).items()}
    if manifest.available("pyfeat-news"):
        kinds["news"] = news()
    return kinds


def news() -> np.ndarray:
    """(n, 53) ψ that the regressor reads off the actors of pyfeat-news; no tokenizer has learned from them.

    Raises
    ------
    AssetError : pyfeat-news is not at hand.
    """
    from dfe_lib import frames
    from dfe_lib.data.adapters.pyfeat import read_news
    from dfe_lib.face.regressor import ExpressionRegressor

    table = read_news().frames
    clips = table["recording"].to_numpy()
    psi = ExpressionRegressor.load().predict(frames.landmarks(table), recordings=clips)
    return psi[np.isfinite(psi).all(axis=1)]


def ideal(covariance: np.ndarray, bits: float) -> float:
    """Root mean squared error that no code of so many bits goes below, for Gaussian vectors.

    Reverse water-filling (Cover & Thomas 2006, theorem 10.3.3); it is approached by coding ever more vectors at once.

    >>> round(ideal(np.eye(2), 2), 6)  # a bit each: a quarter of the variance is left
    0.707107
    """
    power = np.linalg.eigvalsh(covariance).clip(0)
    low, high = 0.0, float(power.max())
    for _ in range(60):
        level = (low + high) / 2
        spent = 0.5 * np.log2(np.maximum(power / level, 1)).sum()
        low, high = (level, high) if spent > bits else (low, level)
    return float(np.sqrt(np.minimum(power, high).sum()))


def _equal_bits(psi: np.ndarray, tokenizer: Tokenizer, peer: Faiss, pca: PCA) -> dict[str, float]:
    def ours(method: str, beam: int = 16) -> float:
        return rms_error(psi, tokenizer.decode(tokenizer.encode(psi, method, beam)))

    first = Faiss(peer.books[: tokenizer.stages])
    mm = {
        "beam5": ours("beam", 5),
        "beam16": ours("beam"),
        "greedy": ours("greedy"),
        "encoder": ours("encoder"),
        "faiss_beam5": _faiss_error(psi, first, 5),
        "faiss_beam16": _faiss_error(psi, first, 16),
        "pca": rms_error(psi, pca.decode(pca.encode(psi))),
    }
    return {f"{name}_mm": value for name, value in mm.items()} | {
        "beam5_error_relative_to_faiss_beam5": mm["beam5"] / mm["faiss_beam5"],
        "beam16_error_relative_to_faiss_beam5": mm["beam16"] / mm["faiss_beam5"],
        "beam16_error_relative_to_faiss_beam16": mm["beam16"] / mm["faiss_beam16"],
        "beam16_error_relative_to_pca": mm["beam16"] / mm["pca"],
    }


def _faiss_error(psi: np.ndarray, peer: Faiss, width: int) -> float:
    x = psi @ ICT53.whitener
    return float(np.linalg.norm(x - peer.decode(peer.encode(x, width)), axis=1).mean())


def _rates(
    training: np.ndarray, kinds: dict[str, np.ndarray], tokenizer: Tokenizer, peer: Faiss
) -> dict[str, float]:
    """Rate–distortion: mean of the kinds' errors. Longer codes than shipped come from a short training."""
    from dfe_lib.tokens.training import train

    long = train(training, replace(tokenizer.config, **SHORT_TRAINING), progress=False).tokenizer

    def mean(error) -> float:
        return float(np.mean([error(psi) for psi in kinds.values()]))

    def ours(coder: Tokenizer, stages: int) -> float:
        return mean(lambda p: rms_error(p, coder.decode(coder.encode(p, "beam", 5, stages))))

    rows = {}
    for s in STAGES:
        name, coder = ("shipped", tokenizer) if s <= tokenizer.stages else ("short_training", long)
        rows[f"bits{8 * s}_{name}_mm"] = ours(coder, s)
        books = Faiss(peer.books[:s])
        rows[f"bits{8 * s}_faiss_beam5_mm"] = mean(lambda p, books=books: _faiss_error(p, books, 5))
        pca = PCA(bits=8 * s).fit(training)
        rows[f"bits{8 * s}_pca_mm"] = mean(lambda p, pca=pca: rms_error(p, pca.decode(pca.encode(p))))
    return rows
