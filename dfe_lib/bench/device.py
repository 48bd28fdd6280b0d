"""Encoding and a training step on a GPU beside both peers, and how near they come to what the device can do."""

from __future__ import annotations

from collections.abc import Callable

import torch

from dfe_lib.bench.peers import Faiss, residual_vq
from dfe_lib.bench.steps import training_step
from dfe_lib.bench.timing import best

NOT_MEASURED = "not measured"
ROWS = (
    "greedy_frames_per_s",
    "beam5_frames_per_s",
    "rvq_frames_per_s",
    "faiss_beam1_on_cpu_frames_per_s",
    "greedy_relative_to_rvq",
    "greedy_time_over_product",
    "product_tflops",
    "greedy_share_of_copy_bandwidth",
)


def gpu(x: torch.Tensor, codebook: torch.Tensor, gains: torch.Tensor) -> dict[str, float | str]:
    """:func:`measure` on the GPU, with its name; without one every row says that it was not measured."""
    if not torch.cuda.is_available():
        return {"gpu": NOT_MEASURED} | {
            f"gpu_{name}": NOT_MEASURED for name in (*ROWS, "training_frames_per_s")
        }
    device = torch.device("cuda")
    rows = measure(x, codebook, gains, device)
    return {
        "gpu": torch.cuda.get_device_name(),
        **{f"gpu_{name}": value for name, value in rows.items()},
        **training_step(device, "gpu_training"),
    }


def measure(
    x: torch.Tensor, codebook: torch.Tensor, gains: torch.Tensor, device: torch.device
) -> dict[str, float]:
    """The figures ``ROWS`` for (n, L) frames, a (K, L) codebook and (S,) gains, all given on the CPU.

    FAISS has no residual quantiser for a GPU: it runs on the CPU, with the threads it was given.
    """
    from dfe_lib.tokens import search

    n, stages, codes = len(x), len(gains), len(codebook)
    faiss = best(Faiss((gains[:, None, None] * codebook).numpy()).encoder(x.numpy(), 1))
    x, codebook, gains = x.to(device), codebook.to(device), gains.to(device)

    def timed(work: Callable[[], object]) -> float:
        def whole() -> None:
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()

        whole()
        return best(whole, 10)

    product, greedy = timed(lambda: x @ codebook.T), timed(lambda: search.search(x, codebook, gains))
    beam, rvq = timed(lambda: search.search(x, codebook, gains, 5)), timed(residual_vq(x, codebook, stages))
    scores = torch.empty(n, codes, device=device)
    other = torch.empty_like(scores)
    copy = timed(lambda: other.copy_(scores))  # reads and writes all scores once
    # Scores are written once; a stage reads them for its argmax, gathers rows of the Gram matrix into a buffer (read,
    # write) and subtracts (read, read, write); the last one only reads. Two passes are a copy.
    copies = 3 * stages - 2
    rows = (
        n / greedy,
        n / beam,
        n / rvq,
        n / faiss,
        rvq / greedy,
        greedy / product,
        2 * n * x.shape[1] * codes / product / 1e12,
        copies * copy / greedy,
    )
    return dict(zip(ROWS, rows, strict=True))
