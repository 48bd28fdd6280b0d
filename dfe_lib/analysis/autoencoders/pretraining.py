"""Pretraining of the small autoencoders on drawn faces of simulated people."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from dfe_lib.analysis.autoencoders.models import Pretraining, blank_model
from dfe_lib.analysis.autoencoders.patches import hide, normalised
from dfe_lib.analysis.autoencoders.pictures import Rendered, clip_rows, picture_frames
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.data.simulation import CohortConfig, simulate_cohort
from dfe_lib.progress import bar as progress_bar
from dfe_lib.space import ICT53

SECONDS = 16.0  # of each person: room for clips that do not overlap


def drawn_faces(settings: Pretraining, progress: bool = True) -> np.ndarray:
    """(n, size, size, 3) uint8 pictures, or (n, 16, size, size, 3) clips, of simulated people; without any effect."""
    config = CohortConfig(subjects=settings.people, recordings=1, seconds=SECONDS, effect=0.0)
    cohort = simulate_cohort(config, settings.seed)
    draw, parts = Rendered(cohort), []
    count = None
    with progress_bar(total=settings.people, desc="drawing faces", unit="person", show=progress) as bar:
        for chunk in cohort.chunks():
            seen = Seen.of(chunk, ICT53.names)
            if settings.kind == "image":
                rows, count = seen.spread(settings.each), None
            else:
                rows, count = clip_rows(seen, settings.each, 16), 16
            owner = seen.group[rows]
            for person in range(len(seen.names)):
                own = picture_frames(draw, seen.table.iloc[rows[owner == person]], settings.size)
                parts.append(own if count is None else own.reshape(-1, count, *own.shape[1:]))
                bar.update()
    return np.concatenate(parts)


def pretrain(settings: Pretraining, progress: bool = True) -> tuple[Any, dict]:
    """Train a model to fill in hidden patches.

    Returns
    -------
    model, and a card: settings, loss per step, and the loss of filling in the mean colour of all pictures.
    """
    pictures = drawn_faces(settings, progress)
    rng = np.random.default_rng(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = blank_model(settings).train()
        generator = torch.Generator().manual_seed(settings.seed)
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=settings.rate, betas=(0.9, 0.95), weight_decay=0.05
        )  # the sources' own
        warm = max(1, settings.steps // 10)
        plan = torch.optim.lr_scheduler.LambdaLR(
            optimiser,
            lambda step: min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * step / settings.steps))),
        )
        order, losses = np.empty(0, np.int64), []
        for _ in progress_bar(
            range(settings.steps),
            desc=f"pretraining the {settings.kind} autoencoder",
            unit="step",
            show=progress,
        ):
            if len(order) < settings.batch:
                order = np.concatenate([order, rng.permutation(len(pictures))])
            rows, order = order[: settings.batch], order[settings.batch :]
            x = normalised(pictures[rows])
            noise = torch.rand((len(x), (settings.size // settings.patch) ** 2), generator=generator)
            if settings.kind == "image":
                loss = model(x, noise=noise).loss
            else:  # the same places in all frames, or a hidden patch could be seen a moment later
                hidden = hide(noise, settings.mask).repeat(1, 8)
                loss = model(x, bool_masked_pos=hidden).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            plan.step()
            losses.append(round(float(loss.detach()), 5))
    sample = normalised(pictures[:: max(1, len(pictures) // 200)])
    if settings.kind == "video":  # VideoMAE takes its loss in pixels from 0 to 1
        sample = sample * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    flat = float((sample - sample.mean(dim=0)).square().mean())
    return model, {"settings": asdict(settings), "losses": losses, "loss_of_the_mean_picture": round(flat, 5)}
