"""Pictures as the models see them: normalised colours, patches, and which of them are hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

# The colours that both models' weights expect: mean and deviation of ImageNet.
_MEAN, _SD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def n_patches(config: Any) -> int:
    """Patches of one picture."""
    return (config.image_size // config.patch_size) ** 2


def normalised(pictures: np.ndarray) -> Any:
    """float tensor with channels before rows, in the colours that the models expect."""
    import torch

    x = torch.from_numpy(np.ascontiguousarray(pictures)).float() / 255
    x = (x - torch.from_numpy(_MEAN).float()) / torch.from_numpy(_SD).float()
    return x.movedim(-1, -3).contiguous()


def pixels(x: Any) -> Any:
    """The inverse of :func:`normalised`, still a tensor, 0–1."""
    import torch

    mean, sd = (torch.from_numpy(v).float().to(x.device)[:, None, None] for v in (_MEAN, _SD))
    return x * sd + mean


def as_bytes(x: Any) -> np.ndarray:
    """(…, rows, columns, 3) uint8 of (…, 3, rows, columns) in 0–1."""
    return (x.movedim(-3, -1).clamp(0, 1) * 255).round().byte().cpu().numpy()


def as_patches(clip: Any, patch: int, tubelet: int) -> Any:
    """(n, frames, 3, s, s) → (n, patches, tubelet · patch² · 3), in the order of both models."""
    n, t, c, s, _ = clip.shape
    k = s // patch
    x = clip.cpu().reshape(n, t // tubelet, tubelet, c, k, patch, k, patch)
    return x.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(n, t // tubelet * k * k, -1)


def whole(patches: Any, frames: int, size: int, patch: int, tubelet: int) -> Any:
    """The inverse of :func:`as_patches`."""
    k = size // patch
    x = patches.reshape(len(patches), frames // tubelet, k, k, tubelet, patch, patch, 3)
    return x.permute(0, 1, 4, 7, 2, 5, 3, 6).reshape(len(patches), frames, 3, size, size)


def hide(noise: Any, share: float) -> Any:
    """(n, patches) bool, True where a patch is hidden: equally many in every row, at least one left to see."""
    import torch

    keep = max(1, round(noise.shape[1] * (1 - share)))
    hidden = torch.ones(noise.shape, dtype=torch.bool)
    return hidden.scatter_(1, noise.argsort(dim=1)[:, :keep], False)
