"""Where codebook and gains begin: k-means on what every stage would have to quantise, brought to one scale."""

from __future__ import annotations

import torch

from dfe_lib.errors import InputError
from dfe_lib.tokens.quantizer import kmeans
from dfe_lib.tokens.search import search

# Each gain over the one before. Slowly falling gains make templates of one size useful at every stage, so
# that all stages use most codes; refining moves them, but not far.
DECAY = 0.8
ROUNDS = 3  # of taking the residuals anew with the codebook just found
STEPS = 5  # of Lloyd's algorithm a round


def start(
    x: torch.Tensor, codes: int, stages: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codebook and gains to begin with.

    There is no bias, so the mean must be made of templates too: every stage brings its share of it.

    Parameters
    ----------
    x : (n, L), n ≥ codes.

    Returns
    -------
    codebook : (K, L).
    gains : (S,), the first is 1.

    Raises
    ------
    InputError : fewer frames than codes.
    """
    _check(x, codes)
    gains = DECAY ** torch.arange(stages, dtype=x.dtype, device=x.device)
    mean = x.mean(dim=0)
    centred = x - mean
    book = kmeans(centred, codes, generator, STEPS)
    for _ in range(ROUNDS if stages > 1 else 0):
        residual, pool, gain = centred, [centred], gains[:1]
        for _ in range(stages - 1):
            residual = _left(residual, book, gain)
            gain = _scale(residual, centred)
            pool.append(residual / gain)
        pool = torch.cat(pool)
        kept = torch.randperm(len(pool), generator=generator)[: 2 * len(x)].to(x.device)
        book = kmeans(pool[kept], codes, generator, STEPS)
    if stages > 1:
        book = book / gains.square().sum().sqrt()  # the stages together vary as much as the frames do
    return book + mean / gains.sum(), gains


def start_unshared(
    x: torch.Tensor, codes: int, stages: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S·K, L) codebook and (S,) gains with K codes for each stage alone; parameters as of :func:`start`."""
    _check(x, codes)
    residual, books, gains = x, [], []
    for _ in range(stages):
        gains.append(_scale(residual, x))
        books.append(kmeans(residual / gains[-1], codes, generator, STEPS))
        residual = _left(residual, books[-1], gains[-1])
    return torch.cat(books), torch.cat(gains)


def _check(x: torch.Tensor, codes: int) -> None:
    if len(x) < codes:
        raise InputError(f"{len(x)} frames cannot start {codes} codes; give more frames or fewer codes")


def _left(residual: torch.Tensor, book: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    return residual - gain * book[search(residual, book, gain)[:, 0]]


def _scale(residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(1,) the size of what is left, over that of the frames."""
    return (residual.square().mean().sqrt() / x.square().mean().sqrt()).clamp_min(1e-4)[None]
