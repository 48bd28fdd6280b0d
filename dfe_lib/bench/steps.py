"""A step of training beside the same step with ResidualVQ in place of our quantiser."""

from __future__ import annotations

import numpy as np
import torch

from dfe_lib.bench.timing import interleaved

BATCH = 1024  # frames; the default of training


def training_step(device: torch.device, prefix: str) -> dict[str, float]:
    """Forward, backward and Adam step of the model, and of the same network with a peer's quantiser.

    Parameters
    ----------
    device : where.
    prefix : of the names of the figures.
    """
    from vector_quantize_pytorch import ResidualVQ

    from dfe_lib.data.displays import sample_displays
    from dfe_lib.space import ICT53
    from dfe_lib.tokens.model import RVQVAE, ModelConfig
    from dfe_lib.tokens.start import start

    config = ModelConfig()
    psi = torch.from_numpy(sample_displays(BATCH, np.random.default_rng(0))).to(device)
    torch.manual_seed(0)
    ours, theirs = RVQVAE(ICT53, config).to(device).train(), RVQVAE(ICT53, config).to(device).train()
    x = psi @ ours.encoder.whitener
    ours.quantizer.assign(*start(x, config.codes, config.stages, torch.Generator().manual_seed(0)))
    settings = {"num_quantizers": config.stages, "codebook_size": config.codes, "shared_codebook": True}
    peer = ResidualVQ(dim=ICT53.dimension, **settings).to(device).train()
    optimizers = [torch.optim.Adam(part.parameters(), fused=True) for part in (ours, theirs.encoder)]

    def our_step() -> None:
        out = ours(psi)
        _descend(out.squared_error.mean() + 0.5 * out.quantized.commitment.sum(), optimizers[0])

    def their_step() -> None:
        values, _, commitment = peer(theirs.encoder(psi)[None])
        _descend((x - values[0]).square().sum(dim=1).mean() + commitment.sum(), optimizers[1])

    def encoder_alone() -> None:
        _descend((x - theirs.encoder(psi)).square().sum(dim=1).mean(), optimizers[1])

    latent = x.clone().requires_grad_()

    def our_quantiser() -> None:
        out = ours.quantizer(latent)
        (out.values.square().mean() + out.commitment.sum()).backward()

    def their_quantiser() -> None:
        values, _, commitment = peer(latent[None])
        (values.square().mean() + commitment.sum()).backward()

    works = {
        "ours": our_step,
        "theirs": their_step,
        "encoder": encoder_alone,
        "quantiser": our_quantiser,
        "rvq": their_quantiser,
    }
    t = interleaved(works, 20)
    return {
        f"{prefix}_frames_per_s": BATCH / t["ours"],
        f"{prefix}_rvq_frames_per_s": BATCH / t["theirs"],
        f"{prefix}_relative_to_rvq": t["theirs"] / t["ours"],
        f"{prefix}_quantiser_alone_relative_to_rvq": t["rvq"] / t["quantiser"],
        f"{prefix}_share_of_encoder": t["encoder"] / t["ours"],
    }


def _descend(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if loss.device.type == "cuda":
        torch.cuda.synchronize()
