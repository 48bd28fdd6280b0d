"""The peers: FAISS's residual quantiser and the one of vector-quantize-pytorch, made ready to be compared with.

Both are development dependencies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


class Faiss:
    """FAISS's ResidualQuantizer with given codebooks, or with its own.

    Parameters
    ----------
    books : (S, K, L) a codebook for each stage; K a power of two.

    Examples
    --------
    >>> book = np.eye(4, dtype=np.float32)
    >>> Faiss(np.stack([book, book / 2])).encode(book[:1] + book[1:2] / 2).tolist()
    [[0, 1]]
    """

    def __init__(self, books: np.ndarray):
        self.books = np.ascontiguousarray(books, dtype=np.float32)

    @classmethod
    def trained(cls, x: np.ndarray, stages: int, codes: int, width: int = 5) -> Faiss:
        """Codebooks that FAISS learns from (n, L), stage after stage, each from what a beam has left."""
        quantizer = _quantizer(x.shape[1], stages, codes, width)
        quantizer.train(np.ascontiguousarray(x, dtype=np.float32))
        import faiss

        return cls(faiss.vector_to_array(quantizer.codebooks).reshape(stages, codes, x.shape[1]))

    def encoder(self, x: np.ndarray, width: int, tables: bool = False) -> Callable[[], np.ndarray]:
        """A call that gives FAISS's codes of (n, L), packed; ``tables`` is its faster search, off by default."""
        import faiss

        stages, codes, dimension = self.books.shape
        quantizer = _quantizer(dimension, stages, codes, width)
        faiss.copy_array_to_vector(self.books.ravel(), quantizer.codebooks)
        quantizer.is_trained = True
        if tables:  # inner products of codes in place of distances to residuals
            quantizer.use_beam_LUT = 1
            quantizer.compute_codebook_tables()
        frames = np.ascontiguousarray(x, dtype=np.float32)
        return lambda: quantizer.compute_codes(frames)

    def encode(self, x: np.ndarray, width: int = 5) -> np.ndarray:
        """(n, S) int64 codes of (n, L)."""
        import faiss

        stages, codes, _ = self.books.shape
        packed = self.encoder(x, width)()
        bits = np.full(stages, int(np.log2(codes)), dtype=np.int32)
        return faiss.unpack_bitstrings(packed, bits).astype(np.int64)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, L) of (n, s) codes."""
        return sum(self.books[s][codes[:, s]] for s in range(codes.shape[1]))


def _quantizer(dimension: int, stages: int, codes: int, width: int):
    import faiss

    quantizer = faiss.ResidualQuantizer(dimension, stages, int(np.log2(codes)))
    quantizer.max_beam_size = width
    return quantizer


def residual_vq(x: torch.Tensor, codebook: torch.Tensor, stages: int) -> Callable[[], object]:
    """A call of ResidualVQ on (n, L), in eval, with (K, L) as its shared codebook; it knows no gains."""
    from vector_quantize_pytorch import ResidualVQ

    settings = {"num_quantizers": stages, "codebook_size": len(codebook), "shared_codebook": True}
    quantizer = ResidualVQ(dim=x.shape[1], **settings).to(x.device).eval()
    for layer in quantizer.layers:
        layer._codebook.embed.data.copy_(codebook[None])
    return torch.no_grad()(lambda: quantizer(x))
