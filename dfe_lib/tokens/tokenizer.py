"""The tokenizer: expression coefficients to a few discrete tokens, and back by adding templates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from dfe_lib.display import Shown
from dfe_lib.errors import ConfigError, InputError, choices
from dfe_lib.space import ICT53, ExpressionSpace, numbers
from dfe_lib.tokens import forecast, search, storage
from dfe_lib.tokens.model import RVQVAE, Encoder, ModelConfig
from dfe_lib.tokens.quantizer import ResidualQuantizer

METHODS = ("encoder", "greedy", "beam")
NETWORK_BATCH = 4096  # frames in the encoder network at once; bounds its memory


class Tokenizer(Shown):
    """Additive tokens: ``ψ̂ = Σ_s gains[s] · templates[codes[:, s]]``.

    ``Tokenizer.load()`` gives the shipped one. ``Tokenizer(config).fit(psi)`` trains a new one.

    Parameters
    ----------
    config : a :class:`~dfe_lib.tokens.training.TrainingConfig`; by default its default.
    space : expression space of ψ.

    Attributes
    ----------
    templates : (K, d) float32, what a code adds to ψ at gain 1.
    gains : (S,) float32, positive, the first is 1.
    space : ExpressionSpace.
    card : what it was made from and how good it is; plain JSON values.
    name : ``"DFE"``, in tables and legends.

    Examples
    --------
    >>> tok = Tokenizer.load()
    >>> smile = ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0)[None]
    >>> codes = tok.encode(smile)
    >>> codes.shape == (1, tok.stages), tok.decode(codes[:, :1]).shape
    (True, (1, 53))
    """

    name = "DFE"

    def __init__(self, config: ModelConfig | None = None, space: ExpressionSpace = ICT53):
        self.config = config
        self.space = space
        self.card: dict = {}
        self._templates: np.ndarray | None = None
        self._gains: np.ndarray | None = None
        self._encoder: Encoder | None = None
        self._quantizer: ResidualQuantizer | None = None

    @classmethod
    def from_parts(
        cls,
        templates: np.ndarray,
        gains: np.ndarray,
        space: ExpressionSpace = ICT53,
        encoder: Encoder | None = None,
        config: ModelConfig | None = None,
        card: dict | None = None,
    ) -> Tokenizer:
        """A tokenizer from its arrays; without an encoder it still searches.

        Raises
        ------
        InputError : shapes that do not fit, values that are not finite, gains that are not positive.
        """
        templates = np.ascontiguousarray(templates, dtype=np.float32)
        gains = np.ascontiguousarray(gains, dtype=np.float32)
        if templates.ndim != 2 or templates.shape[1] != space.dimension or not 2 <= len(templates) <= 32767:
            raise InputError(f"templates have shape {templates.shape}, need (2 to 32767, {space.dimension})")
        if gains.ndim != 1 or len(gains) < 1:
            raise InputError(f"gains have shape {gains.shape}, need (stages,)")
        if not np.isfinite(templates).all() or not np.isfinite(gains).all() or (gains <= 0).any():
            raise InputError("templates and gains must be finite, and gains positive")
        config = config or ModelConfig(stages=len(gains), codes=len(templates))
        if (config.stages, config.codes) != (len(gains), len(templates)):
            raise InputError(
                f"the configuration says {config.stages} stages of {config.codes} codes, "
                f"the arrays hold {len(gains)} of {len(templates)}"
            )
        tokenizer = cls(config, space)
        tokenizer._templates, tokenizer._gains = templates, gains
        tokenizer.card = dict(card or {})
        if encoder is not None:
            tokenizer._encoder = encoder.eval().requires_grad_(False)
            quantizer = ResidualQuantizer(space.dimension, len(templates), len(gains))
            codebook = torch.from_numpy((templates @ space.whitener).astype(np.float32))
            quantizer.assign(codebook, torch.from_numpy(gains))
            tokenizer._quantizer = quantizer.freeze().eval()
        return tokenizer

    @classmethod
    def from_model(cls, model: RVQVAE, config: ModelConfig, space: ExpressionSpace = ICT53) -> Tokenizer:
        """A tokenizer with a copy of a model's arrays."""
        encoder = storage.blank_encoder(space, config)
        encoder.load_state_dict({k: v.cpu() for k, v in model.encoder.state_dict().items()})
        return cls.from_parts(
            model.templates.detach().cpu().numpy(),
            model.quantizer.gains.detach().cpu().numpy(),
            space,
            encoder,
            config,
        )

    def fit(self, psi: np.ndarray, subjects: np.ndarray | None = None) -> Tokenizer:
        """Train on (n, d) frames.

        With ``subjects`` (n,), a tenth of them is held out and the error on it goes into the card.
        """
        from dfe_lib.tokens.training import TrainingConfig, split_subjects, train  # it stands on this module

        config = self.config or TrainingConfig()
        if not isinstance(config, TrainingConfig):
            config = TrainingConfig(**asdict(config))
        psi, validation = self.space.check(psi), None
        if subjects is not None:
            if len(subjects) != len(psi):
                raise InputError(
                    f"{len(subjects)} subjects were given for {len(psi)} frames; one per frame is needed"
                )
            held = split_subjects(subjects, 0.1, np.random.default_rng(config.seed))
            psi, validation = psi[~held], psi[held]
        trained = train(psi, config, validation, self.space, progress=False)
        self.__dict__.update(trained.tokenizer.__dict__)
        if validation is not None:
            unit = self.space.unit
            held_out = trained.history[f"held_out_beam_{unit}"].dropna()
            self.card[f"held_out_rms_{unit}"] = float(held_out.iloc[-1])
        return self

    @property
    def templates(self) -> np.ndarray:
        self._check_fitted()
        return self._templates

    @property
    def gains(self) -> np.ndarray:
        self._check_fitted()
        return self._gains

    @property
    def stages(self) -> int:
        return len(self.gains)

    @property
    def codes_per_stage(self) -> int:
        return len(self.templates)

    @property
    def bits_per_frame(self) -> float:
        """``stages · log2 codes``."""
        return self.stages * float(np.log2(self.codes_per_stage))

    def encode(
        self,
        psi: np.ndarray,
        method: str = "beam",
        beam: int = 16,
        stages: int | None = None,
        refine: int = 0,
    ) -> np.ndarray:
        """Codes of frames.

        Parameters
        ----------
        psi : (n, d), finite; n may be 0.
        method : ``"encoder"`` (network, then residual nearest code), ``"greedy"`` or ``"beam"`` (search on
            the templates in the metric of the space; the beam looks ahead, see
            :mod:`dfe_lib.tokens.forecast`).
        beam : partial sums kept, for ``"beam"``.
        stages : use only the first so many stages; by default all.
        refine : passes in which every stage may choose again, after ``"greedy"`` or ``"beam"``; no frame gets
            worse (:func:`dfe_lib.tokens.search.reconsider`).

        Returns
        -------
        (n, stages) int16 in [0, K).

        Raises
        ------
        InputError : NaN rows, wrong dimension, more stages than trained, no encoder, a beam below 1.
        ConfigError : unknown method.
        """
        psi = self.space.check(psi)
        stages = self._check_stages(self.stages if stages is None else stages)
        if method not in METHODS:
            raise ConfigError(f"unknown encoding method: {choices(method, METHODS)}")
        if method == "encoder":
            if refine:
                raise InputError("only codes found by search can be refined; use method='greedy' or 'beam'")
            return self._encode_by_network(psi, stages)
        gains = self.gains[:stages]
        if method == "beam" and not refine:  # the beam that looks ahead leaves nothing to reconsider
            return forecast.encode(psi, self.templates, gains, self.space.whitener, beam)
        width = beam if method == "beam" else 1
        return search.encode(psi, self.templates, gains, self.space.metric, width, sweeps=refine)

    def _encode_by_network(self, psi: np.ndarray, stages: int) -> np.ndarray:
        if self._encoder is None:
            raise InputError("this tokenizer has no encoder network; use method='greedy' or 'beam'")
        out = np.empty((len(psi), stages), dtype=np.int16)
        with torch.no_grad():
            for start in range(0, len(psi), NETWORK_BATCH):
                part = torch.from_numpy(psi[start : start + NETWORK_BATCH])
                codes = self._quantizer.encode(self._encoder(part), stages)
                out[start : start + NETWORK_BATCH] = codes.numpy()
        return out

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Expression coefficients of codes.

        Parameters
        ----------
        codes : (n, s) integers in [0, K); s < stages decodes a prefix, coarse to fine. A row of -1 (no face)
            gives NaN.

        Returns
        -------
        (n, d) float32.

        Raises
        ------
        InputError : more columns than stages, codes out of range, or a row that is -1 only in part.
        """
        codes = numbers(codes, "codes", None)
        if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
            raise InputError(
                f"codes must be integers of shape (frames, stages), got {codes.dtype} {codes.shape}"
            )
        stages = self._check_stages(codes.shape[1])
        empty = (codes == -1).all(axis=1)
        known = codes[~empty]
        if known.size and (known.min() < 0 or known.max() >= self.codes_per_stage):
            raise InputError(
                f"codes run from {known.min()} to {known.max()}, but must lie in 0 to "
                f"{self.codes_per_stage - 1} (or be -1 in all stages of a frame)"
            )
        psi = np.full((len(codes), self.space.dimension), np.nan, dtype=np.float32)
        total = np.zeros((len(known), self.space.dimension), dtype=np.float32)
        for s in range(stages):
            total += self.gains[s] * self.templates[known[:, s]]
        psi[~empty] = total
        return psi

    def save(self, path: str | Path) -> Path:
        """Write the tokenizer as an artefact folder (safetensors and a JSON card)."""
        return storage.write(
            path, self.templates, self.gains, self.space, self._encoder, self.config, self.card
        )

    @classmethod
    def load(cls, path: str | Path | None = None, space: ExpressionSpace = ICT53) -> Tokenizer:
        """Read a tokenizer; by default the shipped one.

        Raises
        ------
        InputError : missing, unreadable, of another kind, shape or expression space.
        """
        return cls.from_parts(**storage.read("tokenizer" if path is None else Path(path), space))

    def _facts(self) -> dict[str, object]:
        if self._templates is None:
            return {"state": "not trained", "space": self.space.name}
        unit = self.space.unit
        facts = {
            "stages": self.stages,
            "codes": self.codes_per_stage,
            "bits a frame": f"{self.bits_per_frame:g}",
            "space": f"{self.space.name} ({self.space.dimension} coefficients)",
            "methods": ", ".join(METHODS if self._encoder is not None else METHODS[1:]),
        }
        error = self.card.get(f"held_out_rms_{unit}")
        return facts if error is None else facts | {"held-out error": f"{error:.3g} {unit}"}

    def _check_fitted(self) -> None:
        if self._templates is None:
            raise InputError("this tokenizer has not been trained; call fit(psi), or use Tokenizer.load()")

    def _check_stages(self, stages: int) -> int:
        if not 1 <= stages <= self.stages:
            raise InputError(f"this tokenizer was trained with {self.stages} stages, got {stages}")
        return int(stages)
