"""The tokenizer that is shipped: what it is trained on, and the figures that go on its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dfe_lib.codings import PCA
from dfe_lib.data.adapters.arkit import read_range_of_motion
from dfe_lib.data.displays import sample_displays
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.face.morphable import load_morphable
from dfe_lib.frames import psi as psi_of
from dfe_lib.space import ICT53
from dfe_lib.tokens.quantizer import count_codes, perplexity
from dfe_lib.tokens.training import TrainingConfig, train

N_TRAIN = 30_000  # of each simulated kind; of talking heads half as many
N_HELD_OUT = 10_000  # likewise
TAKE = 310  # frames of the ARKit recording, ten seconds: every third take is held out whole
CALM = 0.5  # noise of a large frontal face, as of newsreaders, over that of the renders; our choice


def simulated_frames(n: int, seed: int) -> dict[str, np.ndarray]:
    """Frames of the three kinds that the shipped tokenizer knows, none of them from a person.

    Parameters
    ----------
    n : frames of each kind, of the last half as many.
    seed : another seed gives other displays, and other people.

    Returns
    -------
    dict : ``displays``, (n, 53) random displays, exact; ``motion``, (n, 53) frames of a simulated cohort as
        the extraction would measure them, with its gain and noise; ``talking``, (n // 2, 53) frames of people
        who all talk, with less of that noise.
    """
    rng, noise = np.random.default_rng(seed), ExtractionNoise.load()
    calm = ExtractionNoise(noise.gain, CALM * noise.residual_cholesky)
    return {
        "displays": sample_displays(n, rng),
        "motion": _cohort(n, CohortConfig(recordings=2), seed, noise, rng),
        "talking": _cohort(n // 2, CohortConfig(recordings=1, speech=0.99), seed + 10_000, calm, rng),
    }


def _cohort(
    n: int, config: CohortConfig, seed: int, noise: ExtractionNoise, rng: np.random.Generator
) -> np.ndarray:
    """(n, 53) frames of as many people as it takes, three quarters of each kept."""
    people = max(2, n // (150 * config.recordings))  # 200 frames a recording
    psi = psi_of(simulate_cohort(replace(config, subjects=people), seed, noise).frames, ICT53.names)
    psi = psi[np.isfinite(psi).all(axis=1)]
    return psi[rng.permutation(len(psi))[:n]]


def range_of_motion() -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out frames, (n, 53) and (m, 53), of the one real ARKit recording, apart in time.

    Raises
    ------
    AssetError : ``arkit-range-of-motion`` is not at hand.
    """
    psi = psi_of(read_range_of_motion(), ICT53.names)
    held = np.arange(len(psi)) // TAKE % 3 == 1
    return psi[~held], psi[held]


def training_frames(seed: int) -> np.ndarray:
    """(n, 53) what the shipped tokenizer is trained on; peers that are compared with it get the same."""
    return np.concatenate([*simulated_frames(N_TRAIN, seed).values(), range_of_motion()[0]])


def held_out_frames(seed: int) -> dict[str, np.ndarray]:
    """Frames that :func:`training_frames` of the same seed has nothing of, by kind."""
    return {**simulated_frames(N_HELD_OUT, seed + 1), "range of motion": range_of_motion()[1]}


def build_default(folder: Path, seed: int = 0) -> dict:
    """Train the shipped tokenizer, measure it on held-out frames, and save it.

    Returns
    -------
    dict : the figures on the card. Per kind of frame: RMS error (mm) and variance explained of beam, greedy
        and encoder, of PCA at the same bits per frame, and perplexity per stage and codes never used (beam).
    """
    config = TrainingConfig(seed=seed, device="cpu")
    training, held_out = training_frames(seed), held_out_frames(seed)
    trained = train(training, config, displacements=load_morphable("face478").expressions)
    tokenizer = trained.tokenizer
    pca = PCA(bits=tokenizer.bits_per_frame).fit(training)
    figures = {"bits_per_frame": tokenizer.bits_per_frame, "pca_bits_per_frame": round(pca.bits_per_frame, 2)}
    used = torch.zeros(config.stages, config.codes, dtype=torch.int64)
    for kind, psi in held_out.items():
        codes = {method: tokenizer.encode(psi, method) for method in ("beam", "greedy", "encoder")}
        figures[kind] = {method: _fidelity(psi, tokenizer.decode(c)) for method, c in codes.items()}
        figures[kind]["pca"] = _fidelity(psi, pca.decode(pca.encode(psi)))
        counts = count_codes(torch.from_numpy(codes["beam"].astype(np.int64)), config.codes)
        figures[kind]["perplexity"] = [round(p, 1) for p in perplexity(counts).tolist()]
        used += counts
    figures["perplexity"] = [round(p, 1) for p in perplexity(used).tolist()]
    figures["unused_codes"] = int((used.sum(dim=0) == 0).sum())
    tokenizer.card = {
        "what": f"Default tokenizer of space {ICT53.name}: {config.stages} tokens of {config.codes} a frame.",
        "made_from": f"Simulated: {N_TRAIN} random displays (dfe_lib/data/displays.py), {N_TRAIN} frames of a "
        "simulated cohort with the measured gain and noise of the extraction (dfe_lib/data/simulation), and "
        f"{N_TRAIN // 2} of talking people with {CALM} of that noise. Open: two thirds of the takes of "
        f"arkit-range-of-motion ({len(range_of_motion()[0])} ARKit frames of one person; github.com/alexdjulin, "
        "MIT). "
        "Sizes, weights and data are our choice, not the paper's.",
        "rebuild": "dfe build tokenizer",
        "held_out": f"{N_HELD_OUT} frames of each simulated kind ({N_HELD_OUT // 2} talking), other displays and "
        "other simulated people; "
        "every third ten seconds of the ARKit recording",
        "figures": figures,
    }
    tokenizer.save(folder)
    return figures


def _fidelity(psi: np.ndarray, psi_hat: np.ndarray) -> dict[str, float]:
    error = ICT53.norm(psi - psi_hat)
    return {
        "rms_mm": round(float(error.mean()), 4),
        "variance_explained": round(float(1 - (error**2).mean() / (ICT53.norm(psi) ** 2).mean()), 5),
    }
