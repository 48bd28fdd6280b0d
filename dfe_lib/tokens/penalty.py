"""The wishes that templates be local and different, as values and as quadratic bounds that touch them.

Refining solves for the templates. Neither wish is quadratic, so each round puts in its place a function that
is: equal at the present templates, and for locality nowhere below (majorisation, as in iteratively reweighted
least squares). Where the sum goes down, the true objective goes down at least as far.
"""

from __future__ import annotations

import torch

from dfe_lib.tokens.model import orthogonality, sparsity

STILL = 1e-3  # mm; movement of a vertex below which it counts as standing still, so that weights stay finite


class Penalties:
    """Weighed sparsity and orthogonality of a codebook in metric coordinates.

    Parameters
    ----------
    displacements : (d, V, 3) mm per unit of each coefficient; any third dimension.
    unwhitener : (d, d), metric coordinates to coefficients.
    weights : of sparsity and of orthogonality in the loss.
    """

    def __init__(self, displacements: torch.Tensor, unwhitener: torch.Tensor, weights: tuple[float, float]):
        self.moves = torch.tensordot(unwhitener, displacements, dims=1)  # (L, V, 3)
        self.weights = weights

    def values(self, codebook: torch.Tensor) -> dict[str, torch.Tensor]:
        """``sparsity`` and ``orthogonality``, not weighed."""
        return {"sparsity": sparsity(codebook, self.moves), "orthogonality": orthogonality(codebook)}

    def weigh(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        """Their part of the loss."""
        return self.weights[0] * values["sparsity"] + self.weights[1] * values["orthogonality"]

    def bound(self, codebook: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Blocks B (K, L, L) and pulls p (K, L): half the gradient of the bound at E is ``E_k B_k − p_k``.

        Sparsity is a ratio m / r of mean and RMS movement. The mean is bounded by weighed squares; the RMS in
        the denominator is taken along its tangent (Dinkelbach). Orthogonality is smooth and weak, so its
        tangent will do.
        """
        n_codes, n_vertices = len(codebook), self.moves.shape[1]
        moved = torch.tensordot(codebook, self.moves, dims=1).square().sum(dim=2)  # (K, V)
        size = (moved + STILL**2).sqrt()
        mean, rms = size.mean(dim=1), (moved.mean(dim=1) + STILL**2).sqrt()
        share = self.weights[0] / (2 * n_codes)
        weight = share / (n_vertices * rms[:, None] * size)  # (K, V)
        products = torch.einsum("ivc,jvc->vij", self.moves, self.moves)  # (V, L, L)
        blocks = torch.einsum("kv,vij->kij", weight, products)
        along = codebook @ products.mean(dim=0)  # (K, L)
        pull = share * (mean / rms**3)[:, None] * along
        if self.weights[1]:
            start = codebook.detach().clone().requires_grad_(True)
            with torch.enable_grad():
                (slope,) = torch.autograd.grad(orthogonality(start), start)
            pull = pull - self.weights[1] * slope / 2
        return blocks, pull
