"""Search for the codes of a frame on the templates themselves: greedy and beam, in any inner product.

With products ``D = x Tᵀ`` (n, K) and the Gram matrix ``M = T Tᵀ`` (K, K) of the chosen inner product,
taking code k at stage s with gain g lowers the squared error by ``2 g D[k] − g² M[k, k]`` and leaves the
residual with products ``D − g M[k]``. So frames meet templates in one matrix product, however many stages
follow: n·d·K + S·n·K operations in place of S·n·d·K. This works because all stages share one codebook.

What is left is memory traffic, so rows go through all stages in blocks that stay in a CPU's cache, one
block per thread at a time. An unshared set of S codebooks is searched as one of S·K codes of which stage s
may take only its own K: S times the products, for comparison only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from dfe_lib.errors import InputError
from dfe_lib.tokens import cpu

# Scores a thread holds at once, as float32 half a megabyte: 512 rows of 256 codes. A beam takes four times that,
# since it calls more and smaller functions for each row.
BLOCK = 2**17
# On a GPU a block should fill the device instead.
GPU_BLOCK = 2**26


def greedy(products: torch.Tensor, gram: torch.Tensor, gains: torch.Tensor, shared: bool = True):
    """Codes chosen stage by stage, each the best for the residual that the stages before it left.

    Parameters
    ----------
    products : (n, K) inner products of frames and templates, (n, S·K) if not shared; left unchanged.
    gram : (K, K) inner products of templates, or (S·K, S·K).
    gains : (S,) positive.
    shared : whether all stages choose from the same K templates.

    Returns
    -------
    (n, S) int64.

    Examples
    --------
    >>> T = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> greedy(torch.tensor([[1.0, 0.4]]) @ T.T, T @ T.T, torch.tensor([1.0, 0.5])).tolist()
    [[0, 1]]
    """
    return beam(products, gram, gains, 1, shared)


def beam(
    products: torch.Tensor, gram: torch.Tensor, gains: torch.Tensor, width: int, shared: bool = True
) -> torch.Tensor:
    """Codes found by keeping the ``width`` best partial sums at every stage; ``width=1`` is :func:`greedy`.

    Parameters
    ----------
    products, gram, gains, shared : as for :func:`greedy`.
    width : partial sums kept per frame, at least 1.

    Returns
    -------
    (n, S) int64; the codes with the least error among the sums kept at the end.
    """
    identity = torch.eye(products.shape[1], dtype=products.dtype, device=products.device)
    return _search(products, identity, gram, gains, width, 0, shared)


def search(
    x: torch.Tensor,
    codebook: torch.Tensor,
    gains: torch.Tensor,
    width: int = 1,
    *,
    sweeps: int = 0,
    shared: bool = True,
    block: int | None = None,
) -> torch.Tensor:
    """Codes of frames in Euclidean coordinates, in blocks of bounded memory.

    Parameters
    ----------
    x : (n, L); coordinates in which length is error, e.g. whitened ψ.
    codebook : (K, L) in the same coordinates, (S·K, L) if not shared.
    gains : (S,) positive.
    width : 1 for greedy, more for a beam.
    sweeps : how often every stage may choose again, see :func:`reconsider`.
    shared : whether all stages choose from the same K templates.
    block : scores held at once by each thread.

    Returns
    -------
    (n, S) int64.

    Raises
    ------
    InputError : a beam of less than 1, or fewer than 0 sweeps.
    """
    return _search(x, codebook.T, codebook @ codebook.T, gains, width, sweeps, shared, block)


def encode(
    psi: np.ndarray,
    templates: np.ndarray,
    gains: np.ndarray,
    metric: np.ndarray,
    width: int = 1,
    *,
    sweeps: int = 0,
    block: int | None = None,
) -> np.ndarray:
    """Codes of expression coefficients in the metric G: ``D = ψ G Tᵀ``, ``M = T G Tᵀ``.

    Parameters
    ----------
    psi : (n, d) float32, finite.
    templates : (K, d).
    gains : (S,) positive.
    metric : (d, d), mm².
    width, sweeps, block : as for :func:`search`.

    Returns
    -------
    (n, S) int16.
    """
    dual = metric @ templates.T.astype(np.float64)  # (d, K), in float64 once, so that D and M agree
    gram = torch.from_numpy((templates @ dual).astype(np.float32))
    dual = torch.from_numpy(dual.astype(np.float32))
    gains = torch.from_numpy(np.asarray(gains, dtype=np.float32))
    x = torch.from_numpy(np.ascontiguousarray(psi, dtype=np.float32))
    return _search(x, dual, gram, gains, width, sweeps, True, block, torch.int16).numpy()


@torch.no_grad()
def _search(x, dual, gram, gains, width, sweeps, shared, block=None, dtype=torch.long) -> torch.Tensor:
    if width < 1:
        raise InputError(f"the beam keeps at least 1 partial sum, got beam={width}")
    if sweeps < 0:
        raise InputError(f"stages are chosen again 0 times or more, got {sweeps}")
    x, gains, on_cpu = x.detach(), gains.detach(), x.device.type == "cpu"
    total, half = len(gram), gram.diagonal() / 2
    # The score of code k at stage s is D[k] − g_s M[k, k] / 2. Folding the change of the second term from
    # one stage to the next into the update leaves one argmax and one subtraction per stage.
    steps = [g * gram + (later - g) * half for g, later in zip(gains[:-1], gains[1:], strict=True)]
    offset, dual = -gains[0] * half, dual.contiguous()
    windows = _windows(total, len(gains), shared)
    block = block or (GPU_BLOCK if not on_cpu else BLOCK if width == 1 else 4 * BLOCK)
    rows = min(max(1, block // (total * width)), max(1, len(x)))
    out = torch.empty(len(x), len(gains), dtype=dtype, device=x.device)

    def work(blocks: Iterator[slice]) -> None:
        scores = x.new_empty(rows, total)
        if on_cpu:
            kernel = cpu.Greedy if width == 1 else cpu.Beam
            choose = kernel(rows, steps, gains, windows, width)
        else:
            choose = partial(_greedy if width == 1 else _beam, steps, gains, windows, width)
        for part in blocks:
            now = torch.addmm(offset, x[part], dual, out=scores[: len(x[part])])
            products = now - offset if sweeps else None
            codes = choose(now)
            if sweeps:
                codes = reconsider(products, gram, gains, codes, sweeps, shared)
            out[part] = codes.to(dtype)

    blocks = [slice(start, start + rows) for start in range(0, len(x), rows)]
    if on_cpu:
        cpu.over_threads(work, blocks)
    else:
        work(iter(blocks))
    return out


def _windows(n_templates: int, stages: int, shared: bool) -> list[slice]:
    """Which templates each stage may take."""
    k = n_templates if shared else n_templates // stages
    return [slice(0, k) if shared else slice(s * k, (s + 1) * k) for s in range(stages)]


def _greedy(steps, gains, windows, width, scores) -> torch.Tensor:
    """(n, S) codes on any device; ``scores`` (n, K) are those of the first stage, and are used up."""
    codes = torch.empty(len(scores), len(windows), dtype=torch.long, device=scores.device)
    for s, window in enumerate(windows):
        codes[:, s] = scores[:, window].argmax(dim=1)
        if s < len(steps):
            scores -= steps[s][codes[:, s] + window.start]
    return codes


def _beam(steps, gains, windows, width, scores) -> torch.Tensor:
    """(n, S) codes on any device, best one that sorts fast; ``scores`` as for :func:`_greedy`."""
    rows = torch.arange(len(scores), device=scores.device)[:, None]
    scores = scores[:, None]  # (n, b, K) of every kept sum; b = 1 at the start
    gained = scores.new_zeros(len(scores), 1)
    paths = torch.empty(len(scores), 1, 0, dtype=torch.long, device=scores.device)
    for s, window in enumerate(windows):
        value = gained[:, :, None] + gains[s] * scores[:, :, window]
        # The best `width` overall are among the best `width` of each sum: two small, exact selections.
        best, code = value.topk(min(width, value.shape[2]), dim=2)
        gained, place = best.flatten(1).topk(min(width, best[0].numel()), dim=1)  # (n, b')
        parent, code = place // best.shape[2], code.flatten(1).gather(1, place)
        paths = torch.cat([paths[rows, parent], code[:, :, None]], dim=2)
        if s < len(steps):
            scores = scores[rows, parent] - steps[s][code + window.start]
    return paths[:, 0]  # topk sorts, so the first sum is the best


def reconsider(
    products: torch.Tensor,
    gram: torch.Tensor,
    gains: torch.Tensor,
    codes: torch.Tensor,
    sweeps: int,
    shared: bool = True,
) -> torch.Tensor:
    """Let every stage choose again, given what all others chose; the error of no frame rises.

    Coordinate descent on the codes, known as iterated conditional modes (Besag 1986).

    Parameters
    ----------
    products, gram, gains, shared : as for :func:`greedy`.
    codes : (n, S), to start from; left unchanged.
    sweeps : passes over all stages; it ends sooner where nothing changes.

    Returns
    -------
    (n, S) int64.
    """
    codes, half = codes.clone().long(), gram.diagonal() / 2
    argmax = cpu.argmax if products.device.type == "cpu" else partial(torch.argmax, dim=1)
    windows = _windows(len(gram), len(gains), shared)
    steps = [g * gram for g in gains]
    residual = products.clone()
    for s, window in enumerate(windows):
        residual -= steps[s][codes[:, s] + window.start]
    for _ in range(sweeps):
        before = codes.clone()
        for s, window in enumerate(windows):
            residual += steps[s][codes[:, s] + window.start]
            codes[:, s] = argmax((residual - gains[s] * half)[:, window])
            residual -= steps[s][codes[:, s] + window.start]
        if torch.equal(codes, before):
            break
    return codes
