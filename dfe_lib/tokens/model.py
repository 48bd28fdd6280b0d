"""The residual-vector-quantised autoencoder: transformer encoder, shared codebook, additive linear decoder.

Everything between encoder and decoder happens in *metric coordinates* ``x = ψ A`` with ``A Aᵀ = G``, where
Euclidean length is RMS vertex displacement in mm. So "nearest code" means nearest face, and the decoder is
one fixed linear map back, ``ψ̂ = Σ_s g_s E[c_s] A⁻¹ = Σ_s g_s T[c_s]``: every code has one template, and
templates add up.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from dfe_lib.errors import ConfigError, choices
from dfe_lib.space import ExpressionSpace
from dfe_lib.tokens.quantizer import Quantized, ResidualQuantizer

# Far beyond use: what a card claims is built before its tensors are looked at.
_MOST = {"stages": 64, "width": 1024, "heads": 64, "layers": 16}


@dataclass(frozen=True)
class ModelConfig:
    """Size of the model. The paper's own sizes are not available: every value is our choice.

    Raises
    ------
    ConfigError : a value outside its range.
    """

    stages: int = 6  # 6 × 8 bits = 48 bits a frame
    codes: int = 256  # one byte a token; more than the 2 × 53 directions there are, few enough to look at
    width: int = 32  # a 64 wide one of two layers took six times as long to train and coded no better
    heads: int = 4  # 8 numbers a head, for 7 input tokens
    layers: int = 1  # the summary asks the regions once; see width

    def __post_init__(self):
        limits = {"stages": 1, "codes": 2, "width": 1, "heads": 1, "layers": 1}
        for name, least in limits.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.codes > 32767:
            raise ConfigError(f"codes must be at most 32767 (codes are kept as int16), got {self.codes}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ConfigError(f"{name} must be at most {most}, got {getattr(self, name)}")
        if self.width % self.heads:
            raise ConfigError(
                f"width must be a multiple of heads, got width={self.width} and heads={self.heads}"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]):
        """Configuration from names and values; values may be text, as on a command line.

        Raises
        ------
        ConfigError : an unknown name (the nearest known one is named) or a value of another type.

        Examples
        --------
        >>> ModelConfig.from_mapping({"codes": "64"}).codes
        64
        """
        kinds = typing.get_type_hints(cls)
        known = [f.name for f in fields(cls)]
        out = {}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(f"unknown setting: {choices(name, known)}")
            kind = kinds[name]
            try:
                out[name] = kind(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise ConfigError(f"setting '{name}' needs {_article(kind)}, got {value!r}") from error
            if (
                isinstance(value, bool)
                and kind is not bool
                or isinstance(value, float)
                and out[name] != value
            ):
                raise ConfigError(f"setting '{name}' needs {_article(kind)}, got {value!r}")
        return cls(**out)


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text"}[kind]


@dataclass(frozen=True)
class Output:
    """What a forward pass yields.

    Attributes
    ----------
    quantized : values in metric coordinates, codes, commitment per stage.
    squared_error : (n,) ‖ψ − ψ̂‖²_G in mm², 0 in masked rows.
    """

    quantized: Quantized
    squared_error: torch.Tensor


class Encoder(nn.Module):
    """One token per facial region and a summary token through a small transformer, to a latent in mm.

    The summary token gives a correction to ψ in metric coordinates, and starts at zero: an untrained encoder
    is the identity, that is, greedy search. It learns where greedy search should be pushed.

    Parameters
    ----------
    space : gives regions, names and metric.
    config : gives the size.
    """

    def __init__(self, space: ExpressionSpace, config: ModelConfig):
        super().__init__()
        regions = [list(r) for r in space.regions.values()]
        # One matrix embeds all regions at once: what is not of a token's region stays 0. Token 0 sums up.
        within = torch.zeros(space.dimension, len(regions) + 1, config.width)
        for token, region in enumerate(regions, start=1):
            within[region, token] = 1
        self.register_buffer("within", within.flatten(1))
        fan_in = self.within.sum(dim=0).clamp_min(1)
        self.embed = nn.Parameter((2 * torch.rand_like(self.within) - 1) * self.within / fan_in.sqrt())
        self.place = nn.Parameter(0.02 * torch.randn(within[0].numel()))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width,
                config.heads,
                2 * config.width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.layers)
        )
        self.head = nn.Linear(config.width, space.dimension)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("scale", torch.ones(space.dimension))  # typical size of each coefficient
        self.register_buffer("whitener", torch.from_numpy(space.whitener).float())

    def forward(self, psi: torch.Tensor) -> torch.Tensor:
        """(n, d) expression coefficients to (n, d) latents in metric coordinates."""
        tokens = torch.addmm(self.place, psi / self.scale, self.embed * self.within)
        tokens = tokens.unflatten(1, (-1, self.head.in_features))  # (n, T, width)
        for layer in self.layers[:-1]:
            tokens = layer(tokens)
        return torch.addmm(self.head(summary(self.layers[-1], tokens)), psi, self.whitener)


def summary(layer: nn.TransformerEncoderLayer, tokens: torch.Tensor) -> torch.Tensor:
    """What a layer that normalises first makes of the first token: nobody reads what the others end as.

    Sums of products in place of torch's attention, since a handful of tokens is too little for it.

    Parameters
    ----------
    tokens : (n, T, width).

    Returns
    -------
    (n, width), ``layer(tokens)[:, 0]``.
    """
    attention, normal = layer.self_attn, layer.norm1(tokens)
    by_head = (attention.num_heads, attention.head_dim)
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    query = functional.linear(normal[:, :1], weights[0], biases[0]).unflatten(2, by_head)
    key = functional.linear(normal, weights[1], biases[1]).unflatten(2, by_head)
    value = functional.linear(normal, weights[2], biases[2]).unflatten(
        2, by_head
    )  # (n, T, heads, width / heads)
    share = ((query * key).sum(dim=3) / attention.head_dim**0.5).softmax(dim=1)
    first = tokens[:, 0] + attention.out_proj((share[..., None] * value).sum(dim=1).flatten(1))
    return first + layer.linear2(layer.activation(layer.linear1(layer.norm2(first))))


class RVQVAE(nn.Module):
    """Encoder, residual quantiser and additive decoder.

    Examples
    --------
    >>> from dfe_lib.space import ICT53
    >>> model = RVQVAE(ICT53, ModelConfig(codes=16, stages=2)).eval()
    >>> codes = model.encode(torch.rand(3, 53))
    >>> tuple(codes.shape), tuple(model.decode(codes).shape)
    ((3, 2), (3, 53))
    """

    def __init__(self, space: ExpressionSpace, config: ModelConfig):
        super().__init__()
        self.encoder = Encoder(space, config)
        self.quantizer = ResidualQuantizer(space.dimension, config.codes, config.stages)
        self.register_buffer("unwhitener", torch.from_numpy(np.linalg.inv(space.whitener)).float())

    @property
    def templates(self) -> torch.Tensor:
        """(K, d) what each code adds to ψ at gain 1."""
        return self.quantizer.codebook @ self.unwhitener

    def encode(self, psi: torch.Tensor, stages: int | None = None) -> torch.Tensor:
        """(n, stages) int64 codes of the latent, residual nearest code."""
        with torch.no_grad():
            return self.quantizer.encode(self.encoder(psi), stages)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """(n, d) ψ̂ of (n, s) codes; fewer columns decode as a prefix."""
        return self.quantizer.decode(codes) @ self.unwhitener

    def forward(self, psi: torch.Tensor, mask: torch.Tensor | None = None) -> Output:
        """Quantise (n, d) coefficients; ``mask`` (n,) bool is True where a row counts."""
        x = psi @ self.encoder.whitener
        quantized = self.quantizer(self.encoder(psi), mask)
        error = (x - quantized.values).square().sum(dim=1)
        return Output(quantized, error if mask is None else torch.where(mask, error, 0.0))


def sparsity(templates: torch.Tensor, displacements: torch.Tensor) -> torch.Tensor:
    """Mean vertex displacement of templates scaled to 1 mm RMS.

    It is 1 when all vertices move alike and small when few move. As an L1 norm over an L2 norm it asks
    templates to be local and does not ask them to be small.

    Parameters
    ----------
    templates : (K, d).
    displacements : (d, V, 3) mm per unit of each coefficient.
    """
    moved = torch.tensordot(templates, displacements, dims=1).square().sum(dim=2)  # (K, V)
    return ((moved + 1e-8).sqrt().mean(dim=1) / (moved.mean(dim=1) + 1e-8).sqrt()).mean()


def orthogonality(codebook: torch.Tensor) -> torch.Tensor:
    """Mean squared off-diagonal cosine of (K, L) templates in metric coordinates, in [0, 1].

    >>> float(orthogonality(torch.eye(3)))
    0.0
    """
    unit = codebook / (codebook.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
    cosine = unit @ unit.T
    n = len(codebook)
    return (cosine.square().sum() - cosine.diagonal().square().sum()) / (n * (n - 1))
