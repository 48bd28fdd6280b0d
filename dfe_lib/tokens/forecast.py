"""Beam search that looks ahead: a partial sum is judged by what the stages still to come cannot mend.

Plain beam search keeps the partial sums with the shortest residual. But the stages that follow add templates
too, and those reach far in some directions (the jaw) and hardly at all in others. A residual that they
can still remove should count for little. If the templates to come look like a draw from the codebook, what
they add has second moment ``Σ_{t>s} g_t² · M`` with ``M = Tᵀ T / K``; a residual r that must be explained by
it and by a remainder of variance θ in every direction costs ``r (I + Σ_{t>s} g_t² M / θ)⁻¹ r``. After the last
stage nothing is to come and the cost is the plain squared error. All of it follows from templates and gains.

In the eigenbasis of M the cost is a weighted sum of squares, so a stage is one matrix product per kept sum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from dfe_lib.errors import InputError
from dfe_lib.tokens import cpu

# Frames × sums held at once by a thread. Fewer would fit the cache better, but cost more calls; 8 MB at K = 256.
BATCH = 8192
# θ in units of the mean variance that the last stage adds per direction. On held-out frames of three kinds
# 1 and 3 differ by under 0.5 % of error; 0.3 and 10 cost 1 to 5 %.
REMAINDER = 2.0
_GROUP = 16  # codes whose best is found first; any value is exact, this one is fast


def forecast(codebook: torch.Tensor, gains: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions, and how much a residual along each still counts after each stage.

    Parameters
    ----------
    codebook : (K, L) in coordinates in which length is error.
    gains : (S,) positive.

    Returns
    -------
    basis : (L, L) orthogonal, columns are directions.
    weights : (S, L) in (0, 1]; the last row is 1.

    Examples
    --------
    >>> basis, weights = forecast(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0]]), torch.tensor([1.0, 0.5]))
    >>> bool(weights[0, -1] < weights[0, 0]), weights[1].tolist()
    (True, [1.0, 1.0])
    """
    book, gains = codebook.detach().double().cpu(), gains.detach().double().cpu()
    moment, basis = torch.linalg.eigh(book.T @ book / len(book))
    moment = moment.clamp_min(0)
    power = gains.square()
    to_come = power.sum() - power.cumsum(0)  # (S,)
    to_come[-1] = 0.0  # exactly
    remainder = REMAINDER * power[-1] * moment.mean().clamp_min(1e-30)
    weights = 1 / (1 + to_come.clamp_min(0)[:, None] * moment / remainder)
    return basis.to(codebook), weights.to(codebook)


@torch.no_grad()
def beam(
    x: torch.Tensor,
    codebook: torch.Tensor,
    gains: torch.Tensor,
    width: int,
    toll: torch.Tensor | None = None,
    batch: int = BATCH,
) -> torch.Tensor:
    """Codes by a beam of ``width`` partial sums, kept by what is forecast to remain of them.

    Parameters
    ----------
    x : (n, L), coordinates in which length is error, e.g. whitened ψ.
    codebook : (K, L) in the same coordinates.
    gains : (S,) positive.
    width : partial sums kept, at least 1.
    toll : (K,) squared error that entering the beam with a code costs, for training. It decides which sums
        are kept after the first stage and is then forgotten: the end is judged by error alone.
    batch : rows of scores at once; ``batch // width`` frames.

    Returns
    -------
    (n, S) int64; the codes with the least squared error among the sums kept at the end.

    Raises
    ------
    InputError : width < 1.
    """
    if width < 1:
        raise InputError(f"the beam keeps at least 1 partial sum, got beam={width}")
    basis, weights, steps, duals, halves = _parts(codebook, gains, toll)
    out = torch.empty(len(x), len(gains), dtype=torch.long, device=x.device)
    rows = min(max(1, batch // width), max(1, len(x)))
    blocks = [slice(start, start + rows) for start in range(0, len(x), rows)]
    if x.device.type != "cpu":
        for part in blocks:
            out[part] = _search(x[part] @ basis, weights, steps, duals, halves, width)
        return out
    # A 1 at the end of each residual brings the halves into the product.
    duals = torch.cat([duals, -halves[:, None]], dim=1).contiguous()
    weights, steps = functional.pad(weights, (0, 1)), functional.pad(steps, (0, 1))

    def work(share: Iterator[slice]) -> None:
        choose = cpu.Ahead(rows, duals, weights, steps, width)
        for part in share:
            out[part] = choose(x[part] @ basis)

    cpu.over_threads(work, blocks)
    return out


def _parts(codebook: torch.Tensor, gains: torch.Tensor, toll: torch.Tensor | None) -> tuple:
    """Basis, weights (S, L), what codes subtract (S, K, L), and what scores are made of: (S, L, K) and (S, K)."""
    basis, weights = forecast(codebook, gains)
    steps = gains[:, None, None] * (codebook @ basis)
    halves = (weights[:, None] * steps.square()).sum(dim=2) / 2
    if toll is not None:
        halves[0] += toll / 2
    return basis, weights, steps, (weights[:, None] * steps).transpose(1, 2), halves


def _search(x, weights, steps, duals, halves, width: int) -> torch.Tensor:
    """(n, S) codes of a block in the eigenbasis, on any device, best one that sorts fast."""
    stages, n_codes, _ = steps.shape
    extra = -n_codes % _GROUP
    duals, halves = functional.pad(duals, (0, extra)), functional.pad(halves, (0, extra), value=torch.inf)
    padded = n_codes + extra
    residual, n = x[:, None], len(x)  # (n, b, L); b = 1 at the start
    at = torch.arange(n, device=x.device)[:, None]
    paths = torch.empty(n, 1, 0, dtype=torch.long, device=x.device)
    for s in range(stages):
        b = residual.shape[1]
        scores = torch.addmm(-halves[s], residual.reshape(n * b, -1), duals[s])
        if b > 1:  # sums of one frame differ in what is left of them
            scores -= (residual.square() @ weights[s]).view(-1, 1) / 2
        kept = min(width, b * n_codes) if s + 1 < stages else 1
        place = _best(scores.view(n, b, padded), kept)
        parent, code = place // padded, place % padded
        paths = torch.cat([paths[at, parent], code[:, :, None]], dim=2)
        if s + 1 < stages:
            residual = residual[at, parent] - steps[s][code]
    return paths[:, 0]


def encode(
    psi: np.ndarray, templates: np.ndarray, gains: np.ndarray, whitener: np.ndarray, width: int
) -> np.ndarray:
    """Codes of expression coefficients, (n, S) int16.

    Parameters
    ----------
    psi : (n, d) float32, finite.
    templates : (K, d).
    gains : (S,) positive.
    whitener : (d, d); ``psi @ whitener`` has its length in mm.
    width : partial sums kept.
    """
    codebook = torch.from_numpy((templates.astype(np.float64) @ whitener).astype(np.float32))
    gains, whitener = torch.from_numpy(np.asarray(gains, np.float32)), torch.from_numpy(whitener).float()
    out = np.empty((len(psi), len(gains)), dtype=np.int16)
    for start in range(0, len(psi), 16 * BATCH):
        part = torch.from_numpy(np.ascontiguousarray(psi[start : start + 16 * BATCH], dtype=np.float32))
        out[start : start + 16 * BATCH] = beam(part @ whitener, codebook, gains, width).numpy()
    return out


def _best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """(n, count) int64 places of the largest of (n, b, K) scores, flattened per row.

    The best ``count`` scores lie in the ``count`` groups with the best maxima, so only those are sorted.
    """
    n, b, padded = scores.shape
    groups = padded // _GROUP
    maxima = scores.view(n, b, _GROUP, groups).amax(dim=2).flatten(1)  # (n, b · groups), strided: fast
    group = maxima.topk(min(count, maxima.shape[1]), dim=1, sorted=False).indices
    first = (group // groups) * padded + group % groups
    members = torch.arange(_GROUP, device=scores.device) * groups
    places = (first[:, :, None] + members).flatten(1)
    best = scores.flatten(1).gather(1, places).topk(count, dim=1).indices
    return places.gather(1, best)
