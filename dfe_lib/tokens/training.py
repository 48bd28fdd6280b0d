"""Training of the tokenizer on expression coefficients.

Three phases. *joint*: encoder, codebook and gains learn together. *refine*: codebook and gains learn alone,
from codes that beam search finds, since that is how frames are encoded when it matters. *follow*: the encoder
alone adapts to the codebook, which is now frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from dfe_lib import frames
from dfe_lib.errors import ConfigError, InputError, RunError, choices
from dfe_lib.space import ICT53, ExpressionSpace, space_of
from dfe_lib.tokens.model import RVQVAE, ModelConfig, coefficient_sparsity, orthogonality, sparsity
from dfe_lib.tokens.quantizer import count_codes, perplexity
from dfe_lib.tokens.tokenizer import Tokenizer

PHASES = ("joint", "refine", "follow")


@dataclass(frozen=True)
class TrainingConfig(ModelConfig):
    """How to train. Every value is our choice; figures in the reasons are for simulated displays.

    Raises
    ------
    ConfigError : a value outside its range.
    """

    joint_epochs: int = 3  # the encoder settles; the codebook gains more from refining at half the cost
    refine_epochs: int = 10  # the held-out error falls by under 2 % an epoch at the end
    follow_epochs: int = 1  # the encoder starts close to where it ends
    batch: int = 1024  # each of 256 codes is still seen some 24 times a step
    learning_rate: float = 1e-3  # of the encoder; the usual value for Adam and a small transformer
    codebook_rate: float = 1e-2  # of codebook and gains, which are in mm and log units: a hundredth mm a step
    commitment: float = 0.5  # at 0.05 the latent ran away from the codes; at 2 it fell short of them
    sparsity: float = 0.2  # a tenth more local for about one per cent of error
    orthogonality: float = 1.0  # a tenth less alike for half a per cent; 256 in 53 dimensions must overlap
    refine_beam: int = 4  # half the beam of encoding, at half its cost; not tuned
    start_frames: int = 16384  # 64 frames a code for k-means
    dead_below: int = 8  # uses in an epoch and over all stages, below which a code gets a new place
    device: str = "auto"  # CUDA, else MPS, else CPU
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        limits = {
            **{"joint_epochs": 1, "refine_epochs": 0, "follow_epochs": 0, "batch": 1, "refine_beam": 1},
            **{
                "start_frames": 1,
                "dead_below": 0,
                "commitment": 0,
                "sparsity": 0,
                "orthogonality": 0,
                "seed": 0,
            },
        }
        for name, least in limits.items():
            if not getattr(self, name) >= least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("learning_rate", "codebook_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        resolve_device(self.device)


@dataclass(frozen=True)
class Trained:
    """A tokenizer and how it came about.

    Attributes
    ----------
    tokenizer : ready for use.
    history : one row per epoch: ``phase``, ``epoch``, ``loss`` and its parts (``reconstruction`` and
        ``commitment`` in mm²), ``rms_mm`` on the training frames as they passed, ``dead`` codes replaced,
        ``perplexity_<stage>`` over the whole epoch. With held-out frames, over the whole of them:
        ``held_out_rms_mm`` and ``held_out_perplexity_<stage>`` (encoder), and ``held_out_beam_mm`` (beam, in
        refine epochs and at the end of each phase). In a space whose unit is not mm the columns say that unit.
    """

    tokenizer: Tokenizer
    history: pd.DataFrame


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order, so that a seed gives the same tokenizer on any number of cores.

    Steps this small gain little from a second core, and lose much when another process wants it too.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def train(
    psi: np.ndarray,
    config: TrainingConfig | None = None,
    validation: np.ndarray | None = None,
    space: ExpressionSpace = ICT53,
    *,
    displacements: np.ndarray | None = None,
    progress: bool = True,
    on_epoch: Callable[[dict], None] | None = None,
) -> Trained:
    """Train a tokenizer.

    Parameters
    ----------
    psi : (n, d) float32, finite; at least as many frames as codes.
    config : by default ``TrainingConfig()``.
    validation : (m, d) frames of subjects that are not in ``psi``; only looked at.
    displacements : (d, V, 3) mm per unit of each coefficient, for the sparsity term; without it the term is
        taken on the coefficients.
    progress : a progress bar, on a terminal.
    on_epoch : called with each row of the history.

    Raises
    ------
    InputError : NaN, wrong dimension, fewer frames than codes, or frames that are all alike.
    RunError : the loss is no longer finite.

    Examples
    --------
    >>> from dfe_lib.data.displays import sample_displays
    >>> psi = sample_displays(512, np.random.default_rng(0))
    >>> small = TrainingConfig(codes=16, stages=2, joint_epochs=1, refine_epochs=0, follow_epochs=0)
    >>> train(psi, small, progress=False).tokenizer.templates.shape
    (16, 53)
    """
    config = TrainingConfig() if config is None else config
    psi = _check_frames(psi, config, space)
    held_out = None if validation is None else space.check(validation)
    run = _Run(psi, config, space, displacements)
    epochs = [
        ("joint", config.joint_epochs),
        ("refine", config.refine_epochs),
        ("follow", config.follow_epochs),
    ]
    history = []
    with tqdm(
        total=sum(n for _, n in epochs), desc="tokenizer", unit="epoch", disable=None if progress else True
    ) as bar:
        for phase, n in epochs:
            run.begin(phase, n)
            for epoch in range(n):
                row = {"phase": phase, "epoch": len(history) + 1, **run.epoch(may_replace=epoch < 0.7 * n)}
                if held_out is not None:
                    row |= run.held_out(held_out, by_beam=phase == "refine" or epoch == n - 1)
                history.append(row)
                bar.update()
                bar.set_postfix(rms=f"{row[f'rms_{space.unit}']:.3f} {space.unit}")
                if on_epoch is not None:
                    on_epoch(row)
    return Trained(run.tokenizer(), pd.DataFrame(history))


def _check_frames(psi: np.ndarray, config: TrainingConfig, space: ExpressionSpace) -> np.ndarray:
    psi = space.check(psi)
    if len(psi) < config.codes:
        raise InputError(
            f"{len(psi)} frames are too few to learn {config.codes} codes; give more frames or fewer codes"
        )
    if not np.ptp(psi, axis=0).any():
        raise InputError(f"all {len(psi)} frames are alike; a codebook needs frames that differ")
    return psi


class _Run:
    """The state of one training run."""

    def __init__(self, psi, config, space, displacements):
        self.config, self.space = config, space
        self.device = resolve_device(config.device)
        self.generator = torch.Generator().manual_seed(config.seed)
        with torch.random.fork_rng(devices=[]):  # layers draw their start from torch's global state
            torch.manual_seed(config.seed)
            self.model = RVQVAE(space, config)
        self.psi = torch.from_numpy(psi)
        spread = self.psi.square().mean(dim=0).sqrt()
        self.model.encoder.scale.copy_(torch.where(spread > 1e-6, spread, 1.0))
        self.model.to(self.device).train()
        self.model.quantizer.start(self._sample(config.start_frames), self.generator)
        self.metric = torch.from_numpy(space.metric).float().to(self.device)
        if displacements is None:
            self.displacements = None
        else:
            if np.ndim(displacements) != 3 or len(displacements) != space.dimension:
                raise InputError(
                    f"displacements have shape {np.shape(displacements)}, need ({space.dimension}, V, 3)"
                )
            self.displacements = torch.as_tensor(displacements, dtype=torch.float32, device=self.device)

    def _sample(self, n: int) -> torch.Tensor:
        """(n, d) random training frames in metric coordinates."""
        rows = torch.randperm(len(self.psi), generator=self.generator)[: max(n, self.config.codes)]
        return self.psi[rows].to(self.device) @ self.model.encoder.whitener

    def begin(self, phase: str, epochs: int) -> None:
        c, model = self.config, self.model
        self.phase = phase
        model.quantizer.freeze(phase == "follow")
        groups = []
        if phase != "follow":
            rate = c.codebook_rate
            groups.append({"params": list(model.quantizer.parameters()), "lr": rate})
        if phase != "refine":
            groups.append({"params": list(model.encoder.parameters()), "lr": c.learning_rate})
        self.optimizer = torch.optim.Adam(groups)
        steps = max(1, epochs * -(-len(self.psi) // c.batch))
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def epoch(self, may_replace: bool) -> dict:
        """One pass over the training frames."""
        c, model = self.config, self.model
        model.train()
        model.quantizer.reset_usage()
        sums: dict[str, float] = {}
        counts = torch.zeros_like(model.quantizer.usage)
        for rows in torch.randperm(len(self.psi), generator=self.generator).split(c.batch):
            parts, codes = self._step(self.psi[rows].to(self.device))
            counts += count_codes(codes, c.codes)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows)
        dead = self._replace_dead() if may_replace else 0
        means = {name: value / len(self.psi) for name, value in sums.items()}
        used = {f"perplexity_{s}": float(p) for s, p in enumerate(perplexity(counts))}
        return {**means, f"rms_{self.space.unit}": means["reconstruction"] ** 0.5, "dead": dead, **used}

    def _step(self, psi: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
        c, model = self.config, self.model
        refining = self.phase == "refine"
        out = model(psi, searched=refining, width=c.refine_beam if refining else 1)
        codebook = model.quantizer.codebook
        parts = {"reconstruction": out.squared_error.mean(), "commitment": out.quantized.commitment.mean()}
        loss = parts["reconstruction"] + c.commitment * parts["commitment"]
        if self.phase != "follow":
            parts["sparsity"] = (
                coefficient_sparsity(model.templates, self.metric)
                if self.displacements is None
                else sparsity(model.templates, self.displacements)
            )
            parts["orthogonality"] = orthogonality(codebook)
            loss = loss + c.sparsity * parts["sparsity"] + c.orthogonality * parts["orthogonality"]
        if not torch.isfinite(loss):
            raise RunError(
                f"the loss became {loss.item()} in phase '{self.phase}'; lower learning_rate "
                f"({c.learning_rate}) or codebook_rate ({c.codebook_rate}), or look for outliers in ψ"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        parts["loss"] = loss
        return {name: float(value.detach()) for name, value in parts.items()}, out.quantized.codes

    def _replace_dead(self) -> int:
        quantizer = self.model.quantizer
        dead = quantizer.replace_dead(self._sample(4096), self.config.dead_below, self.generator)
        state = self.optimizer.state.get(quantizer.codebook, {})
        for name in ("exp_avg", "exp_avg_sq"):  # moments of the old place mean nothing at the new one
            if name in state:
                state[name][dead] = 0
        return len(dead)

    def held_out(self, psi: np.ndarray, by_beam: bool) -> dict:
        """Error in mm and perplexity over all held-out frames, by encoder; the error by beam where asked."""
        self.model.eval()
        tokenizer = self.tokenizer()
        codes = tokenizer.encode(psi, "encoder")
        row = {f"held_out_rms_{self.space.unit}": self._rms(psi, tokenizer.decode(codes))}
        used = perplexity(count_codes(torch.from_numpy(codes.astype(np.int64)), self.config.codes))
        row |= {f"held_out_perplexity_{s}": float(p) for s, p in enumerate(used)}
        if by_beam:
            codes = tokenizer.encode(psi, "beam", self.config.refine_beam)
            row[f"held_out_beam_{self.space.unit}"] = self._rms(psi, tokenizer.decode(codes))
        return row

    def _rms(self, psi: np.ndarray, psi_hat: np.ndarray) -> float:
        return float(self.space.norm(psi - psi_hat).mean())

    def tokenizer(self) -> Tokenizer:
        return Tokenizer.from_model(self.model, self.config, self.space)


def split_subjects(subjects: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool, True for held-out rows: about ``share`` of the subjects, at least one, never a part of one.

    Raises
    ------
    InputError : fewer than two subjects.
    """
    names = np.unique(np.asarray(subjects, dtype=str))
    if len(names) < 2:
        raise InputError(f"a split by subject needs at least 2 subjects, got {len(names)}")
    n = min(len(names) - 1, max(1, round(share * len(names))))
    return np.isin(np.asarray(subjects, dtype=str), rng.choice(names, size=n, replace=False))


def train_from_tables(
    paths: Iterable[str | Path],
    out: str | Path,
    config: Mapping[str, object] | TrainingConfig | None = None,
    *,
    recordings: pd.DataFrame | None = None,
    displacements: np.ndarray | None = None,
    progress: bool = True,
) -> Trained:
    """Train on the ψ columns of frame tables (Parquet) and save the tokenizer.

    The tables say which expression space they are in; a table that says nothing is in ICT53. A tenth of the subjects
    is held out. Who is who: ``recordings`` (columns ``recording``, ``subject``, …),
    else each recording counts as a subject. Of a single subject all is trained on and nothing held out.

    Parameters
    ----------
    out : folder of the tokenizer; ``history.csv`` is written beside its tensors.
    config : a configuration, or names and values such as ``{"codes": "64"}``.

    Raises
    ------
    InputError : no psi columns, tables of different spaces, no usable frame, a recording without a subject, or
        what :func:`train` refuses.
    ConfigError : an unknown setting.
    """
    if not isinstance(config, TrainingConfig):
        config = TrainingConfig.from_mapping(config or {})
    paths = [Path(p) for p in paths]
    space = _common_space(paths)
    columns = ["recording", *(f"psi_{n}" for n in space.names)]
    parts, names = [], []
    for batch in frames.stream(paths, columns):
        psi = batch[columns[1:]].to_numpy(dtype=np.float32)
        kept = np.isfinite(psi).all(axis=1)
        parts.append(psi[kept])
        names.append(batch["recording"].to_numpy(dtype=str)[kept])
    psi = np.concatenate(parts) if parts else np.empty((0, space.dimension), np.float32)
    if len(psi) == 0:
        raise InputError(
            f"no frame with finite ψ in {', '.join(map(str, paths)) or 'an empty list of tables'}"
        )
    subjects = np.concatenate(names)
    if recordings is not None:
        subject_of = frames.check_recordings(recordings).set_index("recording")["subject"]
        unknown = sorted(set(subjects) - set(subject_of.index))
        if unknown:
            raise InputError(
                f"recording '{unknown[0]}' is not in the recording table; every recording needs a subject"
            )
        subjects = subject_of.loc[subjects].to_numpy(dtype=str)
    held = np.zeros(len(psi), dtype=bool)
    if len(np.unique(subjects)) > 1:
        held = split_subjects(subjects, 0.1, np.random.default_rng(config.seed))
    trained = train(
        psi[~held],
        config,
        psi[held] if held.any() else None,
        space,
        displacements=displacements,
        progress=progress,
    )
    trained.tokenizer.card = {
        "what": f"Tokenizer of expression coefficients, space {space.name}",
        "made_from": f"{len(psi)} frames of {', '.join(p.name for p in paths)}",
        "rebuild": "dfe train FRAMES... --out DIR --config FILE.yaml, where FILE.yaml holds the config of this card",
        "held_out_subjects": sorted(set(subjects[held])),
    }
    folder = trained.tokenizer.save(out)
    trained.history.to_csv(folder / "history.csv", index=False)
    return trained


def _common_space(paths: Iterable[Path]) -> ExpressionSpace:
    """The expression space that all tables are in."""
    space, first = ICT53, None
    for path in paths:
        own = space_of(frames.attrs(path), str(path))
        if first is None:
            space, first = own, path
        elif (own.name, own.names) != (space.name, space.names) or not np.array_equal(
            own.metric, space.metric
        ):
            raise InputError(
                f"{path} holds ψ of space '{own.name}', but {first} of space '{space.name}'"
                + (" with another metric" if own.name == space.name else "")
                + "; a tokenizer is trained in one"
            )
    return space
