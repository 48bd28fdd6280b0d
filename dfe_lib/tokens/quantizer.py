"""Residual vector quantisation with one codebook for all stages and a positive gain per stage.

A vector is written as ``Σ_s g_s E[c_s]``. Stage s quantises what the stages before it left; the gains
carry the falling scale, so one code can be a large movement at stage 0 and a small correction at stage 3.

The codebook and the gains learn by gradient from whatever loss is taken on ``values``; the vector that was
quantised receives exactly that gradient too (straight through), however many stages there are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from dfe_lib.errors import ConfigError, InputError
from dfe_lib.tokens.search import search


class Quantized(NamedTuple):
    """What a forward pass yields.

    Attributes
    ----------
    values : (n, L) ``Σ_s g_s E[c_s]``, 0 in masked rows; differentiable in the input, the codebook and the
        gains.
    codes : (n, S) int64, -1 in masked rows.
    commitment : (S,) mean squared distance from the input to its sum after each stage; differentiable in the
        input only.
    """

    values: torch.Tensor
    codes: torch.Tensor
    commitment: torch.Tensor


class ResidualQuantizer(nn.Module):
    """Shared-codebook residual quantiser.

    Parameters
    ----------
    dimension : L, of the vectors.
    codes : K ≥ 2.
    stages : S ≥ 1.
    shared : False gives every stage K codes of its own, to see what sharing costs; the model always shares.

    Attributes
    ----------
    codebook : (K, L) parameter; the one and only, used by every stage. Without sharing (S·K, L), stage by
        stage.
    usage : (S, K) int64 buffer; how often each code was chosen in training since :meth:`reset_usage`.

    Raises
    ------
    ConfigError : K < 2, K > 32767 (codes are kept as int16), or S < 1.

    Examples
    --------
    >>> quantizer = ResidualQuantizer(dimension=3, codes=8, stages=2).eval()
    >>> out = quantizer(torch.randn(5, 3))
    >>> torch.equal(quantizer.decode(out.codes), out.values)
    True
    """

    def __init__(self, dimension: int, codes: int = 256, stages: int = 6, shared: bool = True):
        super().__init__()
        if not 2 <= codes <= 32767:
            raise ConfigError(f"a codebook holds 2 to 32767 codes, got codes={codes}")
        if stages < 1:
            raise ConfigError(f"at least one stage is needed, got stages={stages}")
        self.codes, self.shared = codes, shared
        rows = codes if shared else stages * codes
        self.codebook = nn.Parameter(torch.randn(rows, dimension, generator=torch.Generator().manual_seed(0)))
        self.log_gains = nn.Parameter(-0.7 * torch.arange(stages, dtype=torch.float32))  # halves, roughly
        self.register_buffer("usage", torch.zeros(stages, codes, dtype=torch.int64))
        self.frozen = False

    @property
    def stages(self) -> int:
        return len(self.log_gains)

    @property
    def gains(self) -> torch.Tensor:
        """(S,) positive; the first is 1, which fixes the scale that codebook and gains could else trade."""
        return torch.exp(self.log_gains - self.log_gains[0])

    def freeze(self, frozen: bool = True) -> ResidualQuantizer:
        """Stop (or resume) learning: no gradient to codebook and gains, and no counting of usage."""
        self.frozen = frozen
        self.codebook.requires_grad_(not frozen)
        self.log_gains.requires_grad_(not frozen)
        return self

    @torch.no_grad()
    def assign(self, codebook: torch.Tensor, gains: torch.Tensor) -> ResidualQuantizer:
        """Take over values, e.g. of :func:`dfe_lib.tokens.start.start`; all gains are relative to the first."""
        self.codebook.copy_(codebook)
        self.log_gains.copy_(gains.log())
        return self

    def encode(self, z: torch.Tensor, stages: int | None = None) -> torch.Tensor:
        """(n, stages) int64 codes of (n, L) vectors, each the best for what is left; no gradient."""
        stages = self._check_stages(self.stages if stages is None else stages)
        with torch.no_grad():
            codebook = self.codebook if self.shared else self.codebook[: stages * self.codes]
            return search(z, codebook, self.gains[:stages], shared=self.shared)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """(n, L) values of (n, s) codes; fewer columns than stages decode as a prefix."""
        return _sums(self.codebook, self.gains, self._rows(codes))[-1]

    def forward(self, z: torch.Tensor, mask: torch.Tensor | None = None) -> Quantized:
        """Quantise (n, L) vectors.

        Parameters
        ----------
        mask : (n,) bool, True where a row counts. Other rows get code -1 and value 0 and touch nothing.
        """
        if mask is not None and not bool(mask.all()):
            return self._masked(z, mask)
        codes = self.encode(z)
        values, commitment = _Quantise.apply(z, self.codebook, self.gains, self._rows(codes))
        if self.training and not self.frozen:
            self.usage += count_codes(codes, self.codes)
        return Quantized(values, codes, commitment)

    def _masked(self, z: torch.Tensor, mask: torch.Tensor) -> Quantized:
        if mask.shape != z.shape[:1]:
            raise InputError(f"the mask has shape {tuple(mask.shape)}, but {tuple(z.shape[:1])} is needed")
        if not bool(mask.any()):
            raise InputError("the mask leaves no frame to quantise")
        kept = self(z[mask])
        values = torch.zeros_like(z).index_put((mask.nonzero(as_tuple=True)[0],), kept.values)
        codes = torch.full((len(z), self.stages), -1, dtype=torch.long, device=z.device)
        codes[mask] = kept.codes
        return Quantized(values, codes, kept.commitment)

    def _rows(self, codes: torch.Tensor) -> torch.Tensor:
        """(n, s) rows of the codebook."""
        stages = self._check_stages(codes.shape[1])
        return codes if self.shared else codes + self.codes * torch.arange(stages, device=codes.device)

    def _check_stages(self, stages: int) -> int:
        if not 1 <= stages <= self.stages:
            raise InputError(
                f"this quantiser has {self.stages} stages, got {stages}; allowed: 1 to {self.stages}"
            )
        return stages

    @torch.no_grad()
    def replace_dead(self, x: torch.Tensor, below: int, generator: torch.Generator) -> torch.Tensor:
        """Give codes chosen fewer than ``below`` times since :meth:`reset_usage` a new place.

        A dead code becomes what a random frame of ``x`` (n, L) still lacks after a random stage.

        Returns
        -------
        (m,) int64, the rows of the codebook replaced, so that an optimiser can forget their moments.
        """
        usage = self.usage.sum(dim=0) if self.shared else self.usage.flatten()
        dead = (usage < below).nonzero(as_tuple=True)[0]
        if len(dead) == 0 or self.frozen or not self.training:
            return dead[:0]
        row = torch.randint(len(x), (len(dead),), generator=generator).to(x.device)
        if self.shared:
            stage = torch.randint(self.stages, (len(dead),), generator=generator).to(x.device)
        else:
            stage = dead // self.codes
        sums = _sums(self.codebook, self.gains, self._rows(self.encode(x[row])))
        before = torch.stack([torch.zeros_like(sums[0]), *sums])[
            stage, torch.arange(len(dead), device=x.device)
        ]
        lacking = x[row] - before
        self.codebook[dead] = lacking / self.gains[stage][:, None]
        return dead

    def reset_usage(self) -> None:
        """Begin a new count."""
        self.usage.zero_()


def _sums(codebook: torch.Tensor, gains: torch.Tensor, rows: torch.Tensor) -> list[torch.Tensor]:
    """The S sums (n, L) after each stage, of (n, S) rows of the codebook."""
    sums: list[torch.Tensor] = []
    for gain, chosen in zip(gains, rows.T, strict=False):  # a prefix has fewer rows than there are gains
        term = functional.embedding(chosen, gain * codebook)
        sums.append(sums[-1] + term if sums else term)
    return sums


class _Quantise(torch.autograd.Function):
    """Values and commitment of chosen codes, with the gradients written out: a third faster than recorded ones."""

    @staticmethod
    def forward(ctx, z, codebook, gains, rows):
        sums, left = _sums(codebook, gains, rows), torch.empty_like(z)
        parts = [torch.sub(z, after, out=left).square().sum() for after in sums]
        ctx.save_for_backward(z, codebook, gains, rows, *sums)
        ctx.set_materialize_grads(False)
        return sums[-1], torch.stack(parts) / len(z)

    @staticmethod
    def backward(ctx, to_values, to_commitment):
        z, codebook, gains, rows, *sums = ctx.saved_tensors
        to_z, to_codebook, to_gains = to_values, None, None
        if to_commitment is not None:  # every stage pulls the input to what it chose; none is cut off
            weights = 2 / len(z) * to_commitment
            pull = weights.sum() * z
            for weight, after in zip(weights, sums, strict=True):
                pull.addcmul_(weight, after, value=-1)
            to_z = pull if to_z is None else pull.add_(to_z)
        if to_values is not None and ctx.needs_input_grad[1]:
            made_of = to_values.new_zeros(len(rows), len(codebook))
            made_of.scatter_add_(1, rows, gains.expand(rows.shape).contiguous())
            to_codebook = made_of.T @ to_values
        if to_values is not None and ctx.needs_input_grad[2]:
            to_gains = (to_values @ codebook.T).gather(1, rows).sum(dim=0)
        return to_z, to_codebook, to_gains, None


def count_codes(codes: torch.Tensor, n_codes: int) -> torch.Tensor:
    """(S, K) int64: how often each stage chose each code; codes below 0 are left out.

    >>> count_codes(torch.tensor([[0, 1], [0, 2], [-1, -1]]), 3).tolist()
    [[2, 0, 0], [0, 1, 1]]
    """
    stages = codes.shape[1]
    offset = torch.arange(stages, device=codes.device) * n_codes
    flat = (codes + offset)[codes >= 0]
    return torch.bincount(flat, minlength=stages * n_codes).reshape(stages, n_codes)


def perplexity(counts: torch.Tensor) -> torch.Tensor:
    """(S,) float64 exp of the entropy of each row of counts: codes in even use; 0 where there was none.

    >>> [round(p, 6) for p in perplexity(torch.tensor([[5, 5, 0], [9, 0, 0]])).tolist()]
    [2.0, 1.0]
    """
    total = counts.sum(dim=-1, keepdim=True).double()
    share = counts.double() / total.clamp_min(1)
    entropy = -(share * share.clamp_min(1e-300).log()).sum(dim=-1)
    return torch.where(total[..., 0] > 0, entropy.exp(), 0.0)


def kmeans(x: torch.Tensor, k: int, generator: torch.Generator, steps: int = 8) -> torch.Tensor:
    """(k, L) centres by Lloyd's algorithm from random rows; an empty one takes the row served worst."""
    centres = x[torch.randperm(len(x), generator=generator)[:k].to(x.device)].clone()
    for _ in range(steps):
        nearest = search(x, centres, torch.ones(1, device=x.device))[:, 0]
        count = torch.bincount(nearest, minlength=k)
        total = torch.zeros_like(centres).index_add_(0, nearest, x)
        centres = total / count.clamp_min(1)[:, None]
        empty = (count == 0).nonzero(as_tuple=True)[0]
        if len(empty):
            error = (x - centres[nearest]).square().sum(dim=1)
            centres[empty] = x[error.topk(len(empty)).indices]
    return centres
