"""Search for the codes of a frame on the templates themselves: greedy and beam, in any inner product.

With products ``D = x Tᵀ`` (n, K) and the Gram matrix ``M = T Tᵀ`` (K, K) of the chosen inner product,
taking code k at stage s with gain g lowers the squared error by ``2 g D[k] − g² M[k, k]`` and leaves the
residual with products ``D − g M[k]``. So frames meet templates in one matrix product, however many stages
follow: n·d·K + S·n·K operations in place of S·n·d·K. This works because all stages share one codebook.
"""

from __future__ import annotations

import numpy as np
import torch

from dfe_lib.errors import InputError

# Rows of products held at once: about 4 MB at K = 256, which stays in a CPU's cache. The beam divides it.
BATCH = 4096


def greedy(products: torch.Tensor, gram: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    """Codes chosen stage by stage, each the best for the residual that the stages before it left.

    Parameters
    ----------
    products : (n, K) inner products of frames and templates; left unchanged.
    gram : (K, K) inner products of templates.
    gains : (S,) positive.

    Returns
    -------
    (n, S) int64.

    Examples
    --------
    >>> T = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> greedy(torch.tensor([[1.0, 0.4]]) @ T.T, T @ T.T, torch.tensor([1.0, 0.5])).tolist()
    [[0, 1]]
    """
    stages = len(gains)
    half = gram.diagonal() / 2
    # The score of code k at stage s is D[k] − g_s M[k, k] / 2. Folding the change of the second term from
    # one stage to the next into the update leaves one argmax and one subtraction per stage.
    scores = products - gains[0] * half
    codes = torch.empty(len(products), stages, dtype=torch.long, device=products.device)
    for s in range(stages):
        codes[:, s] = scores.argmax(dim=1)
        if s + 1 < stages:
            step = gains[s] * gram + (gains[s + 1] - gains[s]) * half  # (K, K)
            scores -= step[codes[:, s]]
    return codes


def beam(products: torch.Tensor, gram: torch.Tensor, gains: torch.Tensor, width: int) -> torch.Tensor:
    """Codes found by keeping the ``width`` best partial sums at every stage; ``width=1`` is :func:`greedy`.

    Parameters
    ----------
    products, gram, gains : as for :func:`greedy`.
    width : partial sums kept per frame, at least 1.

    Returns
    -------
    (n, S) int64; the codes with the least error among the sums kept at the end.
    """
    if width < 1:
        raise InputError(f"the beam keeps at least 1 partial sum, got beam={width}")
    if width == 1:
        return greedy(products, gram, gains)
    n, n_codes = products.shape
    half = gram.diagonal() / 2
    rows = torch.arange(n, device=products.device)[:, None]
    residual = products[:, None]  # (n, b, K) products of the residual of every kept sum; b = 1 at the start
    gained = products.new_zeros(n, 1)  # (n, b) half the squared error removed so far
    paths = torch.empty(n, 1, 0, dtype=torch.long, device=products.device)
    for s in range(len(gains)):
        scores = gained[:, :, None] + gains[s] * (residual - gains[s] * half)  # (n, b, K)
        # The best `width` overall are among the best `width` of each sum: two small, exact selections.
        best, code = scores.topk(min(width, n_codes), dim=2)
        gained, place = best.flatten(1).topk(min(width, best[0].numel()), dim=1)  # (n, b')
        parent = place // best.shape[2]
        code = code.flatten(1).gather(1, place)
        paths = torch.cat([paths[rows, parent], code[:, :, None]], dim=2)
        if s + 1 < len(gains):
            residual = residual[rows, parent] - gains[s] * gram[code]
    return paths[:, 0]  # topk sorts, so the first sum is the best


def search(
    x: torch.Tensor, codebook: torch.Tensor, gains: torch.Tensor, width: int = 1, batch: int = BATCH
) -> torch.Tensor:
    """Codes of frames in Euclidean coordinates, in batches of bounded memory.

    Parameters
    ----------
    x : (n, L); coordinates in which length is error, e.g. whitened ψ.
    codebook : (K, L) in the same coordinates.
    gains : (S,) positive.
    width : 1 for greedy, more for a beam.
    batch : rows of products at once; a beam uses ``batch // width``.

    Returns
    -------
    (n, S) int64.
    """
    gram = codebook @ codebook.T
    rows = max(1, batch // max(1, width))
    parts = [beam(part @ codebook.T, gram, gains, width) for part in x.split(rows)]
    return torch.cat(parts) if parts else torch.empty(0, len(gains), dtype=torch.long, device=x.device)


def encode(
    psi: np.ndarray,
    templates: np.ndarray,
    gains: np.ndarray,
    metric: np.ndarray,
    width: int = 1,
    batch: int = BATCH,
) -> np.ndarray:
    """Codes of expression coefficients in the metric G: ``D = ψ G Tᵀ``, ``M = T G Tᵀ``.

    Parameters
    ----------
    psi : (n, d) float32, finite.
    templates : (K, d).
    gains : (S,) positive.
    metric : (d, d), mm².
    width : 1 for greedy, more for a beam.

    Returns
    -------
    (n, S) int16.
    """
    dual = metric @ templates.T.astype(np.float64)  # (d, K), in float64 once, so that D and M agree
    gram = torch.from_numpy((templates @ dual).astype(np.float32))
    dual = torch.from_numpy(dual.astype(np.float32))
    gains = torch.from_numpy(np.asarray(gains, dtype=np.float32))
    out = np.empty((len(psi), len(gains)), dtype=np.int16)
    rows = max(1, batch // max(1, width))
    for start in range(0, len(psi), rows):
        part = torch.from_numpy(np.ascontiguousarray(psi[start : start + rows], dtype=np.float32))
        out[start : start + rows] = beam(part @ dual, gram, gains, width).numpy()
    return out
