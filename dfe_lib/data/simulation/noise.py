"""What extraction makes of ψ: the noise model that is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dfe_lib import artefacts
from dfe_lib.space import ICT53

ROWS = 64  # multiplied at once: too few to be split between threads, so that their number changes not a bit


@dataclass(frozen=True, eq=False)
class ExtractionNoise:
    """What extraction does to ψ: ``measured = gain · ψ + L ε``, ε standard normal, new in every frame.

    The noise of a real video is correlated in time; the model says nothing of that, so neither does a simulated
    recording: averages over many frames are more precise here than in a video.

    Attributes
    ----------
    gain : (d,) float.
    residual_cholesky : (d, d) float, L.
    """

    gain: np.ndarray
    residual_cholesky: np.ndarray

    @classmethod
    def load(cls, path: str = "extraction-noise") -> Self:
        """The noise model shipped with the package, measured on held-out renders."""
        artefact = artefacts.load(path, kind="noise-model")
        d = ICT53.dimension
        artefacts.expect(artefact, path, gain=(d,), residual_cholesky=(d, d))
        return cls(artefact.tensors["gain"], artefact.tensors["residual_cholesky"])

    def apply(self, psi: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n, d) float32 measured ψ."""
        mixing = np.asarray(self.residual_cholesky, np.float32).T
        noise = rng.standard_normal(psi.shape, dtype=np.float32)
        whole = len(noise) // ROWS * ROWS
        noise[:whole] = (noise[:whole].reshape(-1, ROWS, psi.shape[1]) @ mixing).reshape(whole, len(mixing))
        noise[whole:] = noise[whole:] @ mixing
        noise += np.asarray(psi, np.float32) * np.asarray(self.gain, np.float32)
        return noise
