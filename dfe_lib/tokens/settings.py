"""How a tokenizer is trained: every setting with its reason, and the device it runs on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from dfe_lib.errors import ConfigError, choices
from dfe_lib.texts import read_yaml
from dfe_lib.tokens.model import ModelConfig

# No mixed precision and no torch.compile: on a CPU the encoder's step on 1,024 frames took 14 to 24 ms in float32, 85
# to 100 ms in bfloat16, and 11 ms compiled, after 77 s of compiling: that pays beyond some ten million frames and
# needs a C++ compiler. On a GPU neither was measured.
_LEAST = {
    "joint_epochs": 1,
    "refine_epochs": 0,
    "follow_epochs": 0,
    "batch": 1,
    "refine_batch": 1,
    "refine_beam": 1,
    "memory": 1,
    "patience": 1,
    "start_frames": 1,
    "even": 0,
    "commitment": 0,
    "sparsity": 0,
    "orthogonality": 0,
    "seed": 0,
}


@dataclass(frozen=True)
class TrainingConfig(ModelConfig):
    """How to train. Every value is our choice; figures in the reasons are for the shipped tokenizer's data.

    Raises
    ------
    ConfigError : a value outside its range.
    """

    joint_epochs: int = 1  # the encoder settles; the codebook gains far more from refining
    refine_epochs: int = 40  # five more would lower the held-out error by another per cent
    follow_epochs: int = 2  # the encoder starts close to where it ends
    batch: int = 1024  # each of 256 codes is still seen some 24 times a step
    learning_rate: float = 1e-3  # of the encoder; the usual value for Adam and a small transformer
    codebook_rate: float = 1e-2  # of codebook and gains, which are in mm and log units: a hundredth mm a step
    commitment: float = 0.5  # at 0.05 the latent ran away from the codes; at 2 it fell short of them
    # Eight refine epochs without the next two (then 0.015 and 0.07) made templates 1.4 % less local and 9 % more
    # alike, and errors 0.1 to 0.8 % smaller. 256 templates in 53 dimensions must be alike to some degree.
    sparsity: float = 0.01
    orthogonality: float = 0.04
    refine_batch: int = 4096  # 96 uses a code before templates move
    refine_beam: int = 8  # half the beam of encoding, at half its cost
    memory: int = 61_440  # frames that refining remembers at its end, 15 batches; a fifth of it at the start
    # How much refining prefers rare codes at the first stage, mm² per log of their use. 0.15 in place of 0.08 brought
    # four more codes into even use there and cost half a per cent of error.
    even: float = 0.06
    patience: int = 4  # refine epochs without a new best held-out error before the phase ends
    start_frames: int = 16384  # 64 frames a code for k-means
    device: str = "auto"  # CUDA, else MPS, else CPU
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name, least in _LEAST.items():
            if not least <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be at least {least} and finite, got {getattr(self, name)}")
        for name in ("learning_rate", "codebook_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be above 0 and finite, got {getattr(self, name)}")
        resolve_device(self.device)


def read_settings(path: str | Path) -> dict[str, object]:
    """Names and values of a YAML file; :meth:`TrainingConfig.from_mapping` checks them.

    Raises
    ------
    ConfigError : not there, not YAML, or no mapping.
    """
    given = read_yaml(path, "settings of a training", ConfigError)
    if not isinstance(given or {}, dict):
        raise ConfigError(f"the settings {path} must be a mapping of names to values")
    return given or {}


def resolve_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ConfigError : unknown, or not present on this machine.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if present[d]))
    if name not in present:
        raise ConfigError(f"unknown device: {choices(name, ['auto', *present])}")
    if not present[name]:
        raise ConfigError(f"device '{name}' is not present on this machine; use device=auto")
    return torch.device(name)
