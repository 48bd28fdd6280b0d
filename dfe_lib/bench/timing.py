"""How the benchmarks take time and memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dfe_lib.batch.workers import ONE_THREAD


def best(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of several runs, in seconds: what the code can do when the machine lets it."""
    return interleaved({"work": work}, repeats)["work"]


def interleaved(works: Mapping[str, Callable[[], object]], repeats: int = 3) -> dict[str, float]:
    """Shortest of several runs of each, in seconds, by turns: a slow minute of the machine meets them all."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return {name: min(taken) for name, taken in seconds.items()}


@contextmanager
def threads(n: int) -> Iterator[None]:
    """``n`` threads for torch, and for FAISS where it is installed."""
    import torch

    try:
        import faiss
    except ImportError:
        faiss = None
    before = torch.get_num_threads(), faiss and faiss.omp_get_max_threads()
    torch.set_num_threads(n)
    if faiss:
        faiss.omp_set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        if faiss:
            faiss.omp_set_num_threads(before[1])


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB.

    Not ``ru_maxrss`` where there is ``/proc``: on Linux a new process begins with its parent's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes, on a Mac


def in_new_process(code: str, *arguments: object, one_thread: bool = False) -> list[float]:
    """Numbers that a Python program prints: peak memory is known only of a whole process.

    Parameters
    ----------
    one_thread : as a worker has it; a second thread of a linear algebra library spends its time waiting in a circle.
    """
    command = [sys.executable, "-c", code, *map(str, arguments)]
    env = os.environ | dict.fromkeys(ONE_THREAD if one_thread else (), "1")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return [float(word) for word in done.stdout.split()]
