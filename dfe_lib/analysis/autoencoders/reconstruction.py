"""What an autoencoder makes of hidden patches, for a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfe_lib.analysis.autoencoders.models import Autoencoder
from dfe_lib.analysis.autoencoders.patches import (
    as_bytes,
    as_patches,
    hide,
    n_patches,
    normalised,
    pixels,
    whole,
)


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Pictures (n, frames, size, size, 3) uint8: as they are, with the hidden patches grey, and with them filled in."""

    original: np.ndarray
    masked: np.ndarray
    filled: np.ndarray


def reconstruct(autoencoder: Autoencoder, pictures: np.ndarray, mask: float | None = None, seed: int = 0):
    """What an autoencoder makes of hidden patches, for a figure.

    Parameters
    ----------
    pictures : as in :meth:`Autoencoder.encode`.
    mask : share of patches hidden; by default 0.75 of a picture and 0.9 of a clip.

    Returns
    -------
    Reconstruction. A model that was trained on normalised patches fills in contrast only; it gets the mean and
    deviation of the true patch, as its authors show it.
    """
    import torch

    config, x = autoencoder.model.config, normalised(pictures)
    x = x.to(next(autoencoder.model.parameters()).device)
    generator = torch.Generator().manual_seed(seed)
    clip = x if autoencoder.kind == "video" else x[:, None]
    tubelet = getattr(config, "tubelet_size", 1)
    mask = mask if mask is not None else (0.9 if autoencoder.kind == "video" else 0.75)
    noise = torch.rand((len(x), n_patches(config)), generator=generator)
    hidden = hide(noise, mask)
    with torch.inference_mode():
        if autoencoder.kind == "image":
            before, config.mask_ratio = config.mask_ratio, mask
            try:
                out = autoencoder.model(x, noise=noise.to(x.device))
            finally:
                config.mask_ratio = before
            logits = out.logits
            hidden = out.mask.bool().cpu()
        else:
            hidden = hidden.repeat(1, clip.shape[1] // tubelet)
            logits = torch.zeros((*hidden.shape, tubelet * config.patch_size**2 * 3), device=x.device)
            logits[hidden.to(x.device)] = autoencoder.model(
                x, bool_masked_pos=hidden.to(x.device)
            ).logits.flatten(0, 1)
    true = as_patches(pixels(clip) if autoencoder.kind == "video" else clip, config.patch_size, tubelet)
    filled = logits.cpu()
    if config.norm_pix_loss:
        by_colour = (*true.shape[:-1], -1, 3) if autoencoder.kind == "video" else (*true.shape, 1)
        flat = true.reshape(by_colour)
        filled = filled.reshape(by_colour) * flat.std(-2, keepdim=True) + flat.mean(-2, keepdim=True)
        filled = filled.reshape(true.shape)
    filled = torch.where(hidden[..., None], filled, true)
    shape = (clip.shape[1], config.image_size, config.patch_size, tubelet)
    back = whole(filled, *shape)
    back = back if autoencoder.kind == "video" else pixels(back)
    gap = whole(hidden[..., None].expand(true.shape).float(), *shape) > 0.5
    original = pixels(clip.cpu())
    grey = torch.where(gap, torch.tensor(0.5), original)
    return Reconstruction(*(as_bytes(v) for v in (original, grey, back)))
