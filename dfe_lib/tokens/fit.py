"""One training run, step by step: what a step does in each phase, and what an epoch reports.

*joint*: encoder, codebook and gains learn together by gradient. *refine*: codebook and gains learn alone,
from the codes that beam search finds, since that is how frames are encoded when it matters; each step solves
for them (see :mod:`dfe_lib.tokens.refit`). *follow*: the encoder alone adapts to the codebook, now frozen.

Nothing depends on when a run was begun or broken off: which frames come when, and what replaces a dead code,
follows from the seed and the place in the run.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from dfe_lib.errors import InputError, RunError
from dfe_lib.space import ExpressionSpace
from dfe_lib.tokens import forecast
from dfe_lib.tokens.data import Shuffled
from dfe_lib.tokens.model import RVQVAE
from dfe_lib.tokens.parallel import Team
from dfe_lib.tokens.penalty import Penalties
from dfe_lib.tokens.quantizer import count_codes, perplexity
from dfe_lib.tokens.refit import Sums
from dfe_lib.tokens.settings import TrainingConfig, resolve_device
from dfe_lib.tokens.start import start
from dfe_lib.tokens.tokenizer import Tokenizer

PHASES = ("joint", "refine", "follow")
DEAD = 0.01  # of the mean use of a code; below it a code gets a new place
SETTLE = 0.7  # of a phase; after it no code is replaced, so that the last ones can settle
NEAR = 0.25  # of the RMS error; frames nearer than that count no more
N_VALIDATION = 20_000  # frames looked at per epoch, spread over all that are held out


class Run:
    """The state of one training run.

    Parameters
    ----------
    psi : frames to learn from.
    validation : (m, d) frames that are only looked at, or None.
    displacements : (d, V, 3) mm per unit of each coefficient, or None; see :func:`~dfe_lib.tokens.training.train`.
    folder : where a batch goes whose loss is not finite; None keeps nothing.

    Attributes
    ----------
    model, optimizer, sums, counts, totals : what learns, and what is counted in the present epoch.
    """

    def __init__(
        self,
        psi: Shuffled,
        config: TrainingConfig,
        space: ExpressionSpace,
        validation: np.ndarray | None = None,
        displacements: np.ndarray | None = None,
        team: Team | None = None,
        folder: Path | None = None,
    ):
        self.psi, self.config, self.space, self.validation = psi, config, space, validation
        self.team, self.folder = team or Team(), folder
        self.device = resolve_device(config.device)
        self.epochs = {phase: getattr(config, f"{phase}_epochs") for phase in PHASES}
        with torch.random.fork_rng(devices=[]):  # layers draw their start from torch's global state
            torch.manual_seed(config.seed)
            self.model = RVQVAE(space, config)
        sample = torch.from_numpy(psi.sample(max(config.start_frames, config.codes), [config.seed, 0]))
        spread = sample.square().mean(dim=0).sqrt()
        self.model.encoder.scale.copy_(torch.where(spread > 1e-6, spread, 1.0))
        self.model.to(self.device).train()
        weights = (config.sparsity, config.orthogonality)
        self.penalties = Penalties(self._displacements(displacements), self.model.unwhitener, weights)
        quantizer = self.model.quantizer
        x = sample.to(self.device) @ self.model.encoder.whitener
        generator = torch.Generator().manual_seed(config.seed)
        quantizer.assign(*start(x, config.codes, config.stages, generator))
        self.sums = Sums(config.codes, space.dimension, config.stages, config.memory, self.device)
        self.counts = torch.zeros_like(quantizer.usage)
        self.totals: dict[str, float] = {}
        self.begin("joint")

    def _displacements(self, values: np.ndarray | None) -> torch.Tensor:
        if values is None:  # without a mesh every coefficient is a point of its own
            values = np.diag(np.sqrt(np.diag(self.space.metric)))[:, :, None]
        if np.ndim(values) != 3 or len(values) != self.space.dimension:
            raise InputError(
                f"displacements have shape {np.shape(values)}, need ({self.space.dimension}, V, 3)"
            )
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)

    # Phases and steps

    def begin(self, phase: str) -> None:
        """Make ready for the first step of a phase."""
        c, model = self.config, self.model
        self.phase = phase
        model.quantizer.freeze(phase == "follow")
        groups = [{"params": list(model.encoder.parameters()), "initial": c.learning_rate}]
        if phase == "joint":
            groups.append({"params": list(model.quantizer.parameters()), "initial": c.codebook_rate})
        self.optimizer = None if phase == "refine" else torch.optim.Adam(groups, fused=True)

    @property
    def batch(self) -> int:
        return self.config.refine_batch if self.phase == "refine" else self.config.batch

    def step(self, epoch: int, step: int, rows: np.ndarray) -> None:
        """Learn from one batch, (n, d); every process of the team is given the whole of it."""
        self.model.train()
        share = torch.from_numpy(self.team.share(rows)).to(self.device)
        learn = self._refine if self.phase == "refine" else self._descend
        parts, codes = learn(epoch, step, share, len(rows))
        if not math.isfinite(parts["loss"]):
            self._give_up(parts["loss"], rows)
        counts = count_codes(codes, self.config.codes)
        self.team.sum(counts)
        self.counts += counts
        for name, value in parts.items():
            self.totals[name] = self.totals.get(name, 0.0) + value * len(rows)

    def _descend(self, epoch: int, step: int, psi: torch.Tensor, n: int) -> tuple[dict, torch.Tensor]:
        """A gradient step of the autoencoder; cosine schedule."""
        c = self.config
        out = self.model(psi)
        parts = {
            "reconstruction": out.squared_error.sum() / n,
            "commitment": out.quantized.commitment.mean() * (len(psi) / n),
        }
        loss = parts["reconstruction"] + c.commitment * parts["commitment"]
        if self.phase == "joint":
            terms = self.penalties.values(self.model.quantizer.codebook)
            loss = loss + self.penalties.weigh(terms) / self.team.size
            parts |= {name: value / self.team.size for name, value in terms.items()}
        parts["loss"] = loss
        values = torch.stack([v.detach() for v in parts.values()])
        self.team.sum(values)
        values = values.tolist()
        if math.isfinite(values[-1]):
            self.optimizer.zero_grad()
            loss.backward()
            self._sum_gradients()
            done = (epoch * self.psi.steps(self.batch) + step) / (
                self.epochs[self.phase] * self.psi.steps(self.batch)
            )
            for group in self.optimizer.param_groups:
                group["lr"] = group["initial"] * (1 + math.cos(math.pi * done)) / 2
            self.optimizer.step()
        return dict(zip(parts, values, strict=True)), out.quantized.codes

    def _sum_gradients(self) -> None:
        if self.team.size > 1:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            flat = torch.cat([p.grad.flatten() for p in parameters])
            self.team.sum(flat)
            for p, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
                p.grad.copy_(part.view_as(p))

    @torch.no_grad()
    def _refine(self, epoch: int, step: int, psi: torch.Tensor, n: int) -> tuple[dict, torch.Tensor]:
        """Codes by beam search, then the templates and gains that suit them."""
        c, quantizer = self.config, self.model.quantizer
        codebook, gains = quantizer.codebook.detach(), quantizer.gains.detach()
        x = psi @ self.model.encoder.whitener
        use = self.sums.tensors["usage"][0]
        share = (use / use.mean().clamp_min(1e-12)).to(x)
        toll = c.even * torch.log(share + 0.05) if bool(use.any()) else None
        codes = forecast.beam(x, codebook, gains, c.refine_beam, toll)
        missed = x - quantizer.decode(codes)
        reconstruction = missed.square().sum()[None] / n
        self.team.sum(reconstruction)
        terms = self.penalties.values(codebook)
        parts = {"reconstruction": reconstruction[0], **terms}
        parts["loss"] = reconstruction[0] + self.penalties.weigh(terms)
        parts = {name: float(value) for name, value in parts.items()}
        if math.isfinite(parts["loss"]):
            # Codes change fast at first, and old ones mislead.
            self.sums.memory = c.memory * (0.2 + 0.8 * epoch / self.epochs["refine"])
            # What is reported is the mean length of the error, not of its square: weighed by one over the length,
            # as in iteratively reweighted least squares, so that few frames that are far off rule no longer.
            length, rms = missed.norm(dim=1), parts["reconstruction"] ** 0.5
            weight = rms / length.clamp_min(NEAR * rms + 1e-12)
            self.sums.add(x, codes, codebook, gains, self.team, weight)
            wanted = self.penalties if any(self.penalties.weights) else None
            quantizer.assign(*self.sums.refit(codebook, gains, wanted))
            if epoch < SETTLE * self.epochs["refine"]:
                self._split(missed, codes, [c.seed, 1, epoch, step])
        return parts, codes

    # Codes that nobody uses

    @torch.no_grad()
    def _split(self, missed: torch.Tensor, codes: torch.Tensor, seed: list[int]) -> None:
        """A dead code becomes a used one plus what a frame that used it still lacks."""
        use = self.sums.tensors["usage"].sum(dim=0)
        dead = (use < DEAD * use.mean()).nonzero(as_tuple=True)[0]
        if not len(dead):
            return
        rng, quantizer = np.random.default_rng(seed), self.model.quantizer
        places = torch.zeros_like(quantizer.codebook[dead])
        if self.team.leads:
            worst = missed.square().sum(dim=1).double().cpu().numpy() + 1e-12
            row = torch.from_numpy(rng.choice(len(worst), size=len(dead), p=worst / worst.sum()))
            stage = torch.from_numpy(rng.integers(self.config.stages, size=len(dead)))
            row, stage = row.to(self.device), stage.to(self.device)
            places = quantizer.codebook[codes[row, stage]] + missed[row] / quantizer.gains[stage][:, None]
        self.team.sum(places)
        quantizer.codebook[dead] = places
        self.sums.forget(dead)
        self.totals["dead"] = self.totals.get("dead", 0.0) + len(dead) * self.psi.n  # a sum, not a mean

    def _replace_dead(self, epoch: int) -> int:
        quantizer = self.model.quantizer
        quantizer.usage.copy_(self.counts)
        below = max(1, round(DEAD * float(self.counts.sum()) / self.config.codes))
        sample = torch.from_numpy(self.psi.sample(4096, [self.config.seed, 2, epoch])).to(self.device)
        generator = torch.Generator().manual_seed(self.config.seed + epoch)
        dead = quantizer.replace_dead(sample @ self.model.encoder.whitener, below, generator)
        state = self.optimizer.state.get(quantizer.codebook, {})
        for name in ("exp_avg", "exp_avg_sq"):  # moments of the old place mean nothing at the new one
            if name in state:
                state[name][dead] = 0
        return len(dead)

    # What an epoch reports

    def report(self, epoch: int) -> dict:
        """Means over the epoch that ends here, and what held-out frames say; begins a new count."""
        means = {name: value / self.psi.n for name, value in self.totals.items()}
        dead = int(means.pop("dead", 0))
        if self.phase == "joint" and epoch < SETTLE * self.epochs["joint"]:
            dead = self._replace_dead(epoch)
        used = {f"perplexity_{s}": float(p) for s, p in enumerate(perplexity(self.counts))}
        row = {**means, f"rms_{self.space.unit}": means["reconstruction"] ** 0.5, "dead": dead, **used}
        self.counts.zero_()
        self.totals = {}
        if self.validation is not None:
            row |= self._held_out(by_beam=self.phase == "refine" or epoch + 1 == self.epochs[self.phase])
        return row

    def _held_out(self, by_beam: bool) -> dict:
        self.model.eval()
        psi, tokenizer = self.validation, self.tokenizer()
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

    def _give_up(self, loss: float, rows: np.ndarray) -> None:
        kept = ""
        if self.folder is not None:
            path = self.folder / "batch.safetensors"
            if self.team.leads:
                save_file({"psi": torch.from_numpy(np.ascontiguousarray(rows))}, path)
            kept = f"; the batch is kept in {path}"
        raise RunError(
            f"the loss became {loss} in phase '{self.phase}'; lower learning_rate ({self.config.learning_rate}) or "
            f"codebook_rate ({self.config.codebook_rate}), or look for outliers in ψ{kept}"
        )

    def tokenizer(self) -> Tokenizer:
        return Tokenizer.from_model(self.model, self.config, self.space)
