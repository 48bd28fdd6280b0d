"""The best templates and gains for given codes, from sums that do not grow with the number of frames.

With codes fixed, ``x̂ = Σ_s g_s E[c_s]`` is linear in the codebook E and in the gains g (Babenko & Lempitsky
2014; Martinez et al. 2016 for the alternation with search). So the squared error over any number of frames
needs only ``A = BᵀB`` (K×K) and ``C = BᵀX`` (K×L), where row n of B holds ``g_s`` at the codes of frame n;
and likewise S×S and S sums for the gains. Frames can be streamed and forgotten, and the sums of several
processes simply add up. Old batches fade, since the codes found with an older codebook are out of date.
"""

from __future__ import annotations

import torch

from dfe_lib.tokens.parallel import Team
from dfe_lib.tokens.penalty import Penalties

# Of the mean use of a code: a code used that much less than the mean moves at half speed. It keeps the solve
# stable where a code was hardly seen.
DAMPING = 0.01
SOLVE_STEPS = 20  # of conjugate gradients; each lowers the objective, the next round goes on
GAIN_STEP = 0.3  # of the way (in log) to the best gains; they and the templates are moved at the same time


class Sums:
    """Fading sums over batches of frames and their codes.

    Parameters
    ----------
    codes, dimension, stages : K, L and S.
    memory : frames after which a batch has faded to 1/e.

    Attributes
    ----------
    tensors : name → float64 tensor; all there is to save.
    """

    def __init__(self, codes: int, dimension: int, stages: int, memory: int, device: torch.device):
        shapes = {
            "gram": (codes, codes),
            "cross": (codes, dimension),
            "gain_gram": (stages, stages),
            "gain_cross": (stages,),
            "usage": (stages, codes),
            "frames": (),
        }
        # MPS has no float64; float32 sums there.
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.tensors = {n: torch.zeros(s, dtype=kind, device=device) for n, s in shapes.items()}
        self.memory = memory

    def add(
        self,
        x: torch.Tensor,
        codes: torch.Tensor,
        codebook: torch.Tensor,
        gains: torch.Tensor,
        team: Team,
        weight: torch.Tensor | None = None,
    ) -> None:
        """Let the sums fade by one batch and add it.

        Parameters
        ----------
        x, codes : (n, L) vectors and their (n, S) codes.
        weight : (n,) how much the squared error of each counts; by default all alike.
        """
        n_codes, stages = len(codebook), len(gains)
        root = x.new_ones(len(x), 1) if weight is None else weight.sqrt()[:, None]
        x = root * x
        made_of = x.new_zeros(len(x), n_codes).scatter_add_(1, codes, root * gains)
        terms = root[:, :, None] * codebook[codes]  # (n, S, L)
        place = codes + n_codes * torch.arange(stages, device=codes.device)
        new = {
            "gram": made_of.T @ made_of,
            "cross": made_of.T @ x,
            "gain_gram": torch.einsum("nsl,ntl->st", terms, terms),
            "gain_cross": torch.einsum("nsl,nl->s", terms, x),
            "usage": torch.bincount(place.flatten(), minlength=stages * n_codes).view(stages, n_codes),
            "frames": x.new_tensor(float(len(x))),
        }
        new = {name: value.to(self.tensors[name].dtype) for name, value in new.items()}
        team.sum(*new.values())
        fade = torch.exp(-new["frames"] / self.memory)
        for name, value in new.items():
            self.tensors[name].mul_(fade).add_(value)

    def refit(
        self, codebook: torch.Tensor, gains: torch.Tensor, penalties: Penalties | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The templates with the least mean squared error plus penalties (their bound), and better gains.

        Parameters
        ----------
        codebook, gains : (K, L) and (S,), the present ones; the first gain is 1.

        Returns
        -------
        codebook, gains : the first gain is 1 again; the sums follow that change of scale.
        """
        t = self.tensors
        book = codebook.detach().to(t["gram"].dtype)
        curvature = t["gram"] / t["frames"]
        damping = DAMPING * curvature.diagonal().mean().clamp_min(1e-12)
        curvature = curvature + damping * torch.eye(len(book), dtype=book.dtype, device=book.device)
        target = t["cross"] / t["frames"] + damping * book
        if penalties is None:
            book = torch.linalg.solve(curvature, target)
        else:
            blocks, pull = (v.to(book.dtype) for v in penalties.bound(codebook.detach()))
            book = _solve(curvature, blocks, target + pull, book)

        ridge = 1e-6 * t["gain_gram"].diagonal().mean().clamp_min(1e-12)
        eye = torch.eye(len(gains), dtype=book.dtype, device=book.device)
        best = torch.linalg.solve(t["gain_gram"] + ridge * eye, t["gain_cross"] + ridge * gains)
        best = best.clamp_min(1e-4)
        moved = gains.to(book.dtype) * (best / gains).pow(GAIN_STEP)
        scale = moved[0].clone()
        self._rescale(scale)
        return (book * scale).to(codebook.dtype), (moved / scale).to(gains.dtype)

    def forget(self, codes: torch.Tensor) -> None:
        """Drop what is known of codes that were given a new place."""
        for name in ("gram", "cross"):
            self.tensors[name][codes] = 0
        self.tensors["gram"][:, codes] = 0
        # As if they had been in average use: they get time to show themselves.
        usage = self.tensors["usage"]
        usage[:, codes] = usage.mean(dim=1, keepdim=True)

    def _rescale(self, scale: torch.Tensor) -> None:
        """Gains are divided and templates multiplied by ``scale``: bring the sums to the new units."""
        t = self.tensors
        t["gram"] /= scale**2
        t["cross"] /= scale
        t["gain_gram"] *= scale**2
        t["gain_cross"] *= scale


def _solve(
    curvature: torch.Tensor, blocks: torch.Tensor, target: torch.Tensor, start: torch.Tensor
) -> torch.Tensor:
    """E with ``curvature @ E + E_k blocks_k = target``, by conjugate gradients.

    The first term ties all templates together in each direction, the second all directions in each template;
    the whole would be a matrix of K·L rows. The first term alone is the preconditioner.
    """
    factor = torch.linalg.cholesky(curvature)

    def apply(e: torch.Tensor) -> torch.Tensor:
        return curvature @ e + torch.einsum("ki,kij->kj", e, blocks)

    solution, residual = start.clone(), target - apply(start)
    ahead = torch.cholesky_solve(residual, factor)
    direction, power = ahead.clone(), (residual * ahead).sum()
    for _ in range(SOLVE_STEPS):
        if power <= 1e-20:
            break
        image = apply(direction)
        step = power / (direction * image).sum()
        solution, residual = solution + step * direction, residual - step * image
        ahead = torch.cholesky_solve(residual, factor)
        before, power = power, (residual * ahead).sum()
        direction = ahead + (power / before) * direction
    return solution
