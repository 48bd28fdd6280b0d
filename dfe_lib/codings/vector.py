"""Vector quantisers to measure against: plain k-means, and FAISS's residual quantiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn import cluster

from dfe_lib import artefacts
from dfe_lib.codings.base import UNDETECTED, check_training
from dfe_lib.codings.store import load_coding, made, rows_of, save_coding
from dfe_lib.display import Shown
from dfe_lib.errors import AssetError, InputError
from dfe_lib.space import ICT53, ExpressionSpace


class KMeans(Shown):
    """A vector quantiser: one of K whole-face expressions per frame, log2 K bits.

    It cannot spend the budget of the other codings (48 bits would need 2⁴⁸ codewords); it stands in tables
    at its own, smaller one.

    Parameters
    ----------
    codes : K.
    seed : of the k-means++ start.
    """

    def __init__(self, codes: int = 256, seed: int = 0, space: ExpressionSpace = ICT53):
        if not 2 <= codes <= 32767:
            raise InputError(f"the number of codes must lie in 2 … 32767, got {codes}")
        self.name = "k-means"
        self.space = space
        self.codes, self.seed = int(codes), int(seed)
        self._templates: np.ndarray | None = None

    @property
    def templates(self) -> np.ndarray:
        """(K, d) float32 codewords."""
        if self._templates is None:
            raise InputError("the k-means coding is not fitted yet; call fit(psi) or load(path) first")
        return self._templates.astype(np.float32)

    @property
    def bits_per_frame(self) -> float:
        return float(np.log2(self.codes))

    def _facts(self) -> dict[str, object]:
        state = {} if self._templates is not None else {"state": "not fitted"}
        return {
            **state,
            "codes": self.codes,
            "bits a frame": f"{self.bits_per_frame:g}",
            "space": self.space.name,
        }

    def fit(self, psi: np.ndarray) -> Self:
        """Learn the codewords from (n, d) ψ, n ≥ K."""
        psi = check_training(psi, self.space, at_least=self.codes)
        # Mini-batches: the same error within a few percent of full k-means, in a tenth of the time.
        model = cluster.MiniBatchKMeans(
            self.codes, random_state=self.seed, n_init=1, batch_size=4096, max_iter=50
        )
        model.fit(psi @ self.space.whitener)
        self._templates = model.cluster_centers_ @ np.linalg.inv(self.space.whitener)
        return self

    def encode(self, psi: np.ndarray) -> np.ndarray:
        """Nearest codeword in G, (n, 1) int16."""
        words = self.templates.astype(np.float64) @ self.space.whitener
        targets = self.space.check(psi).astype(np.float64) @ self.space.whitener
        half = (words**2).sum(axis=1) / 2
        chunks = [targets[i : i + 8192] for i in range(0, len(targets), 8192)]
        codes = [np.argmax(c @ words.T - half, axis=1) for c in chunks] or [np.zeros(0)]
        return np.concatenate(codes)[:, None].astype(np.int16)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """ψ̂, (n, d) float32; −1 decodes to NaN."""
        codes = rows_of(codes)
        if codes.shape[1] != 1 or (codes < UNDETECTED).any() or (codes >= self.codes).any():
            raise InputError(
                f"k-means codes have one column of values −1 … {self.codes - 1}, got shape {codes.shape}"
            )
        psi = self.templates[codes[:, 0]]
        psi[codes[:, 0] == UNDETECTED] = np.nan
        return psi

    def save(self, path: str | Path) -> Path:
        """Write the coding as an artefact folder."""
        parameters = {"codes": self.codes, "seed": self.seed}
        return save_coding(
            self, path, {"templates": np.asarray(self.templates, dtype=np.float64)}, parameters
        )

    @classmethod
    def load(cls, path: str | Path, space: ExpressionSpace = ICT53) -> Self:
        """Read a coding that :meth:`save` wrote."""
        artefact = load_coding(cls.__name__, path, space)
        coding = made(cls, artefact, path, space)
        artefacts.expect(artefact, str(path), templates=(coding.codes, space.dimension))
        coding._templates = artefact.tensors["templates"]
        return coding


class FaissRQ(Shown):
    """FAISS's ResidualQuantizer: S stages, each with a codebook of its own, and a beam search.

    The usual residual vector quantiser, trained stage after stage. Unlike DFE's its stages share nothing: it keeps
    S · K vectors where DFE keeps K. FAISS is a development dependency of this library (``pip install faiss-cpu``);
    without it, reading and decoding still work.

    Parameters
    ----------
    bits : budget per frame, a multiple of ``log2 codes``.
    codes : vectors per stage, a power of two from 2 to 4096.
    beam : partial sums that FAISS keeps, in training and encoding; 5 is its own default.
    seed : of FAISS's k-means.

    Raises
    ------
    InputError : a budget that is no whole number of stages.
    """

    def __init__(
        self,
        bits: float = 48.0,
        codes: int = 256,
        beam: int = 5,
        seed: int = 0,
        space: ExpressionSpace = ICT53,
    ):
        if codes not in {2**i for i in range(1, 13)}:
            raise InputError(f"the number of codes must be a power of two from 2 to 4096, got {codes}")
        stages = bits / np.log2(codes)
        if stages < 1 or stages != int(stages):
            raise InputError(f"{bits} bits are no whole number of stages of {np.log2(codes):.0f} bits")
        self.name = "FAISS RQ"
        self.space = space
        self.bits, self.codes, self.beam, self.seed = float(bits), int(codes), int(beam), int(seed)
        self.stages = int(stages)
        self._books: np.ndarray | None = None

    @property
    def codebooks(self) -> np.ndarray:
        """(S, K, d) float32."""
        if self._books is None:
            raise InputError("the FAISS RQ coding is not fitted yet; call fit(psi) or load(path) first")
        return self._books

    @property
    def templates(self) -> np.ndarray:
        """(S · K, d) float32, the codebooks one after the other."""
        return self.codebooks.reshape(-1, self.space.dimension)

    @property
    def bits_per_frame(self) -> float:
        return self.stages * float(np.log2(self.codes))

    def _facts(self) -> dict[str, object]:
        state = {} if self._books is not None else {"state": "not fitted"}
        sizes = {"stages": self.stages, "codes": self.codes, "bits a frame": f"{self.bits_per_frame:g}"}
        return {**state, **sizes, "space": self.space.name}

    def fit(self, psi: np.ndarray) -> Self:
        """Learn the codebooks from (n, d) ψ, n ≥ K.

        Raises
        ------
        AssetError : FAISS is not installed.
        """
        psi = check_training(psi, self.space, at_least=self.codes)
        faiss, quantizer = self._quantizer()
        quantizer.cp.seed = self.seed + 1234  # FAISS's own default is 1234
        quantizer.cp.min_points_per_centroid = 1  # says nothing where there are few frames
        quantizer.train(self._white(psi))
        books = faiss.vector_to_array(quantizer.codebooks).reshape(self.stages, self.codes, -1)
        self._books = (books @ np.linalg.inv(self.space.whitener)).astype(np.float32)
        return self

    def with_budget(self, psi: np.ndarray, bits: float) -> Self:
        """The first stages that ``bits`` pay for, as a coding of its own: stages are trained one after the other.

        Parameters
        ----------
        psi : not used; every coding's ``with_budget`` has it.
        bits : budget per frame, at most that of the fit; what does not pay for a whole stage is left.
        """
        stages = int(bits / np.log2(self.codes) + 1e-9)
        if not 1 <= stages <= self.stages:
            raise InputError(
                f"{bits} bits pay for {stages} stages of {np.log2(self.codes):.0f} bits, 1 … {self.stages} can be had"
            )
        first = type(self)(stages * float(np.log2(self.codes)), self.codes, self.beam, self.seed, self.space)
        first._books = self.codebooks[:stages]
        return first

    def encode(self, psi: np.ndarray) -> np.ndarray:
        """(n, S) int16, by FAISS's beam search.

        Raises
        ------
        AssetError : FAISS is not installed.
        InputError : NaN rows or another dimension, or not fitted.
        """
        books = self.codebooks.astype(np.float64) @ self.space.whitener
        psi = self.space.check(psi)
        if not len(psi):
            return np.zeros((0, self.stages), np.int16)
        faiss, quantizer = self._quantizer()
        faiss.copy_array_to_vector(books.astype(np.float32).ravel(), quantizer.codebooks)
        quantizer.is_trained = True
        packed = quantizer.compute_codes(self._white(psi))
        widths = np.full(self.stages, int(np.log2(self.codes)), dtype=np.int32)
        return faiss.unpack_bitstrings(packed, widths).astype(np.int16)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """ψ̂, (n, d) float32; a row with −1 (no face) decodes to NaN."""
        codes = rows_of(codes)
        if codes.shape[1] != self.stages or (codes < UNDETECTED).any() or (codes >= self.codes).any():
            raise InputError(
                f"FAISS RQ codes have {self.stages} columns of values −1 … {self.codes - 1}, got {codes.shape}"
            )
        psi = self.codebooks[np.arange(self.stages), codes].sum(axis=1, dtype=np.float64)
        psi[(codes == UNDETECTED).any(axis=1)] = np.nan
        return psi.astype(np.float32)

    def save(self, path: str | Path) -> Path:
        """Write the coding as an artefact folder."""
        parameters = {"bits": self.bits, "codes": self.codes, "beam": self.beam, "seed": self.seed}
        return save_coding(self, path, {"codebooks": self.codebooks}, parameters)

    @classmethod
    def load(cls, path: str | Path, space: ExpressionSpace = ICT53) -> Self:
        """Read a coding that :meth:`save` wrote."""
        artefact = load_coding(cls.__name__, path, space)
        coding = made(cls, artefact, path, space)
        artefacts.expect(artefact, str(path), codebooks=(coding.stages, coding.codes, space.dimension))
        coding._books = artefact.tensors["codebooks"]
        return coding

    def _white(self, psi: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(psi @ self.space.whitener, dtype=np.float32)

    def _quantizer(self) -> tuple[Any, Any]:
        try:
            import faiss
        except ImportError as error:
            raise AssetError(
                "the FAISS RQ coding needs FAISS, a development dependency: install faiss-cpu, or leave it out"
            ) from error
        quantizer = faiss.ResidualQuantizer(self.space.dimension, self.stages, int(np.log2(self.codes)))
        quantizer.max_beam_size = self.beam
        return faiss, quantizer
