"""Speed and memory of encoding and of a training step, against peers on the same inputs in the same run.

The peers get the codebook that is ours: FAISS as S separate ones, multiples of it by the gains;
vector-quantize-pytorch as its shared one, without gains, which it does not know.
"""

from __future__ import annotations

import numpy as np
import torch

from dfe_lib.bench.device import gpu
from dfe_lib.bench.peers import Faiss, residual_vq
from dfe_lib.bench.steps import training_step
from dfe_lib.bench.timing import in_new_process, interleaved, threads

FRAMES, CODES, STAGES = 65_536, 256, 8
DIMENSIONS = (53, 128)
THREADS = 2
SCALES = (100_000, 1_000_000, 10_000_000)


def tokens() -> dict[str, float | str]:
    """All rows: encoding for each dimension, its parts, memory and scale, a training step, a GPU.

    Raises
    ------
    ImportError : a peer is not installed; both are development dependencies.
    """
    rows: dict[str, float | str] = {"threads": THREADS}
    with threads(THREADS):
        for d in DIMENSIONS:
            rows |= {f"d{d}_{name}": value for name, value in _encoding(d).items()}
        rows |= _shipped() | training_step(torch.device("cpu"), "training")
    return rows | _parts() | _memory() | _scale() | gpu(*_case(DIMENSIONS[0]))


def _case(d: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(FRAMES, d, generator=generator)
    codebook = torch.randn(CODES, d, generator=generator)
    return x, codebook, 0.7 ** torch.arange(STAGES)


def _encoding(d: int) -> dict[str, float]:
    """Greedy and beam beside the peers and beside the one matrix product that they cannot do without."""
    from dfe_lib.tokens import search

    x, codebook, gains = _case(d)
    product, block = torch.empty(FRAMES, CODES), torch.empty(512, CODES)
    dual = codebook.T.contiguous()
    peer, frames = Faiss((gains[:, None, None] * codebook).numpy()), x.numpy()

    def blocked() -> None:
        for part in x.split(512):
            torch.mm(part, dual, out=block)

    fast = {
        "product": lambda: torch.mm(x, dual, out=product),
        "blocked": blocked,  # the same product, never written to memory as a whole
        "greedy": lambda: search.search(x, codebook, gains),
        "refine": lambda: search.search(x, codebook, gains, sweeps=1),
        "beam": lambda: search.search(x, codebook, gains, 5),
        "faiss": peer.encoder(frames, 1),
    }
    slow = {
        "rvq": residual_vq(x, codebook, STAGES),
        "faiss_beam": peer.encoder(frames, 5),
        "faiss_beam_tables": peer.encoder(frames, 5, tables=True),
    }
    t = interleaved(fast, 7) | interleaved(slow, 1)
    return {
        "product_ms": 1e3 * t["product"],
        "product_in_blocks_ms": 1e3 * t["blocked"],
        "greedy_frames_per_s": FRAMES / t["greedy"],
        "greedy_and_refine_frames_per_s": FRAMES / t["refine"],
        "beam5_frames_per_s": FRAMES / t["beam"],
        "rvq_frames_per_s": FRAMES / t["rvq"],
        "faiss_beam1_frames_per_s": FRAMES / t["faiss"],
        "faiss_beam5_frames_per_s": FRAMES / t["faiss_beam"],
        "faiss_beam5_tables_frames_per_s": FRAMES / t["faiss_beam_tables"],
        "greedy_relative_to_rvq": t["rvq"] / t["greedy"],
        "greedy_relative_to_faiss_beam1": t["faiss"] / t["greedy"],
        "beam5_relative_to_faiss_beam5": t["faiss_beam"] / t["beam"],
        "beam5_relative_to_faiss_beam5_tables": t["faiss_beam_tables"] / t["beam"],
        "greedy_time_over_product": t["greedy"] / t["product"],
        "greedy_time_over_product_in_blocks": t["greedy"] / t["blocked"],
    }


def _shipped() -> dict[str, float]:
    """The shipped tokenizer as users call it beside FAISS with the same codebook: speed, and what is missed."""
    from dfe_lib.analysis.fidelity import rms_error
    from dfe_lib.data.displays import sample_displays
    from dfe_lib.tokens import Tokenizer, search

    tokenizer, psi = Tokenizer.load(), sample_displays(FRAMES // 4, np.random.default_rng(0))
    x = psi @ tokenizer.space.whitener
    parts = tokenizer.templates, tokenizer.gains, tokenizer.space.metric
    peer = Faiss(tokenizer.gains[:, None, None] * (tokenizer.templates @ tokenizer.space.whitener))
    works = {
        "greedy": lambda: tokenizer.encode(psi, "greedy"),
        "encoder": lambda: tokenizer.encode(psi, "encoder"),
        "plain_beam5": lambda: search.encode(psi, *parts, 5),
        "beam5": lambda: tokenizer.encode(psi, "beam", 5),
        "beam16": lambda: tokenizer.encode(psi, "beam", 16),
        "faiss_beam5": lambda: peer.encode(x, 5),
        "faiss_beam16": lambda: peer.encode(x, 16),
    }
    t = interleaved(works, 2)
    frames = {f"{name}_frames_per_s": len(psi) / seconds for name, seconds in t.items()}
    missed = {f"{name}_mm": rms_error(psi, tokenizer.decode(work())) for name, work in works.items()}
    ratios = {f"beam{b}_relative_to_faiss_beam{b}": t[f"faiss_beam{b}"] / t[f"beam{b}"] for b in (5, 16)}
    ratios["beam5_relative_to_faiss_beam16"] = t["faiss_beam16"] / t["beam5"]
    return {f"shipped_{name}": value for name, value in (frames | missed | ratios).items()}


def _parts() -> dict[str, float]:
    """What greedy encoding does with a block of 512 rows that is in the cache: its parts, on one thread."""
    x, codebook, _ = _case(DIMENSIONS[0])
    scores, chosen = torch.empty(512, CODES), torch.empty(512, CODES)
    flat, step, buffer = scores.numpy(), (codebook @ codebook.T).numpy(), chosen.numpy()
    dual, code = codebook.T.contiguous(), np.arange(512) % CODES
    parts = {
        "product": lambda: torch.mm(x[:512], dual, out=scores),
        "argmax": lambda: flat.argmax(axis=1),
        "gather": lambda: step.take(code, axis=0, out=buffer, mode="clip"),
        "subtract": lambda: np.subtract(flat, buffer, out=flat),
        "argmax_by_torch": lambda: scores.argmax(dim=1),
        "topk5_by_torch": lambda: scores.topk(5, dim=1),
    }
    with threads(1):
        t = interleaved(parts, 200)
    times = {"product": 1, "argmax": STAGES, "gather": STAGES - 1, "subtract": STAGES - 1}
    total = sum(n * t[name] for name, n in times.items())
    shares = {f"share_of_{name}": n * t[name] / total for name, n in times.items()}
    return shares | {
        "argmax_relative_to_torch": t["argmax_by_torch"] / t["argmax"],
        "topk5_by_torch_time_over_argmax": t["topk5_by_torch"] / t["argmax"],
    }


_TOKENIZER = """
import sys, time
import numpy as np
import torch
from dfe_lib.bench.timing import peak_mb
from dfe_lib.tokens import Tokenizer
rng = np.random.default_rng(0)
tokenizer = Tokenizer.from_parts(rng.normal(size=(256, 53)), 0.7 ** np.arange(8))
torch.set_num_threads(int(sys.argv[1]))

def frames(n):
    return rng.random((n, 53), dtype=np.float32)
"""

# Peak of the process beyond frames and codes, which are there and touched before.
_PEAK = (
    _TOKENIZER
    + """
n, method = int(sys.argv[2]), sys.argv[3]
psi, out = frames(n), np.ones((n, tokenizer.stages), np.int16)
tokenizer.encode(psi[:8192], method)
del out
before = peak_mb()
tokenizer.encode(psi, method)
print(peak_mb() - before)
"""
)

# Frames come in chunks, as from a Parquet file; only encoding counts, as time of the processor.
_STREAM = (
    _TOKENIZER
    + """
n, chunk, seconds = int(sys.argv[2]), 50_000, []
for _ in range(n // chunk):
    psi = frames(chunk)
    started = time.process_time()
    tokenizer.encode(psi, "greedy")
    seconds.append(time.process_time() - started)
print(1e6 * np.median(seconds) / chunk, peak_mb())
"""
)


# One epoch of the whole network over frames in a file. Time is that of the processor: minutes on a shared machine.
_EPOCH = """
import sys, tempfile, time
from pathlib import Path
import numpy as np
import torch
from dfe_lib.bench.timing import peak_mb
from dfe_lib.space import ICT53
from dfe_lib.tokens.data import FrameFile, Shuffled
from dfe_lib.tokens.fit import Run
from dfe_lib.tokens.settings import TrainingConfig
torch.set_num_threads(1)
n, rng = int(sys.argv[1]), np.random.default_rng(0)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "psi"
    with path.open("wb") as file:
        for start in range(0, n, 50_000):
            rng.random((min(50_000, n - start), 53), dtype=np.float32).tofile(file)
    run = Run(Shuffled(FrameFile(path, 53)), TrainingConfig(device="cpu"), ICT53)
    spent = [time.process_time()]
    for step, rows in enumerate(run.psi.batches(run.batch, [0], 0)):
        run.step(0, step, rows)
        if step % 64 == 63:
            spent.append(time.process_time())
print(1e6 * np.median(np.diff(spent)) / (64 * run.batch), peak_mb())
"""


def _memory() -> dict[str, float]:
    """MB that one call needs beyond its frames, for 2¹⁷ and for 2²⁰ frames."""
    return {
        f"peak_mb_{method}_{n}": in_new_process(_PEAK, THREADS, n, method)[0]
        for method, sizes in {"greedy": (2**17, 2**20), "beam": (2**15, 2**17)}.items()
        for n in sizes
    }


def _scale() -> dict[str, float]:
    """Time per frame and resident memory, of greedy encoding and of an epoch, from 10⁵ to 10⁷ frames that pass by."""
    rows: dict[str, float] = {}
    for name, code, arguments in (("stream", _STREAM, (THREADS,)), ("epoch", _EPOCH, ())):
        measured = {}
        for n in SCALES:
            # The shortest is hardest to time.
            runs = [in_new_process(code, *arguments, n) for _ in range(3 if n == SCALES[0] else 1)]
            measured[n] = min(r[0] for r in runs), min(r[1] for r in runs)
            rows[f"{name}_1e{len(str(n)) - 1}_us_per_frame"] = measured[n][0]
            rows[f"{name}_1e{len(str(n)) - 1}_resident_mb"] = measured[n][1]
        (cost, resident), (last_cost, last_resident) = measured[SCALES[0]], measured[SCALES[-1]]
        rows[f"{name}_cost_1e7_over_1e5"] = last_cost / cost
        rows[f"{name}_resident_1e7_over_1e5"] = last_resident / resident
    return rows
