"""The kernels of :mod:`dfe_lib.tokens.search` for a CPU, in NumPy on blocks of rows that stay in its cache.

NumPy and not torch, because its argmax is ten times as fast, its small calls cost half as much, and it never
starts threads that wait for one another. Each thread owns a kernel with its buffers: fresh memory for every
block would cost as much as the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch


def over_threads(work: Callable[[Iterator[slice]], None], blocks: list[slice]) -> None:
    """Let torch's number of threads call ``work``, each with an iterator that gives it its share of blocks.

    Inside a block everything is too small to be worth sharing: threads that meet after every operation
    spend their time waiting, above all where another process wants the same cores.
    """
    before = torch.get_num_threads()
    threads, left = min(before, len(blocks)), iter(blocks)  # one iterator: who is free takes the next
    if threads <= 1:
        work(left)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for done in [pool.submit(work, left) for _ in range(threads)]:
                done.result()
    finally:
        torch.set_num_threads(before)  # threads to come take the number that was set last, in any thread


def argmax(scores: torch.Tensor) -> torch.Tensor:
    """(n,) int64 position of the largest of each row."""
    return torch.from_numpy(scores.numpy().argmax(axis=1))


class Greedy:
    """The best code at every stage.

    Parameters
    ----------
    rows : frames at a time, at most.
    steps : S − 1 tensors (K, K); row k is what taking code k subtracts from the scores.
    gains : (S,).
    windows : S slices of the codes that each stage may take.
    width : 1.
    """

    def __init__(self, rows: int, steps: list, gains: torch.Tensor, windows: list[slice], width: int = 1):
        self.steps, self.gains = [step.numpy() for step in steps], gains.numpy()
        self.windows, self.width = windows, width
        total = self.steps[0].shape[1] if steps else 0
        self.buffer = np.empty((rows, total), dtype=self.gains.dtype)
        self.codes = np.empty((len(windows), rows), dtype=np.intp)

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        """(n, S) int64 codes, good until the next call, from (n, K) scores of the first stage, which are used up."""
        flat = scores.numpy()
        codes = self.codes[:, : len(flat)]
        for s, (code, window) in enumerate(zip(codes, self.windows, strict=True)):
            flat[:, window].argmax(axis=1, out=code)
            if s < len(self.steps):
                flat -= self._step(s, code + window.start if window.start else code)
        return torch.from_numpy(codes.T)

    def _step(self, s: int, code: np.ndarray) -> np.ndarray:
        # mode: NumPy would make a copy for the sake of the bounds check, which argmax has no need of
        return self.steps[s].take(code, axis=0, out=self.buffer[: len(code)], mode="clip")


class Beam(Greedy):
    """The ``width`` best partial sums at every stage; parameters as for :class:`Greedy`.

    A library's top-k of a row costs fifty times as much as its maximum. So the best sums are taken one by
    one, and after each only the sum that it came from is looked at again.
    """

    def __init__(self, rows: int, steps: list, gains: torch.Tensor, windows: list[slice], width: int):
        super().__init__(rows, steps, gains, windows, width)
        # Scores of the sums now and next: sum by sum, and frame by frame within.
        self.now, self.next = np.empty((2, width * rows, self.buffer.shape[1]), dtype=self.gains.dtype)

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        flat, stages = scores.numpy(), len(self.windows)
        n, total = flat.shape
        gained = np.zeros(n, dtype=flat.dtype)  # half the squared error that each sum has removed so far
        paths = np.empty((stages, self.width * n), dtype=np.int64)
        for s, window in enumerate(self.windows):
            last = s == stages - 1
            keep = 1 if last else min(self.width, len(flat) // n * (window.stop - window.start))
            parent, cell, gained = _children(flat, gained, self.gains[s], window, keep, self.buffer[:n])
            code = cell - parent * total
            paths[:s, : keep * n] = paths[:s].take(parent, axis=1)
            paths[s, : keep * n] = code - window.start
            if not last:
                self.now, self.next = self.next, self.now
                for j in range(0, keep * n, n):
                    child = self.now[j : j + n]
                    flat.take(parent[j : j + n], axis=0, out=child, mode="clip")
                    child -= self._step(s, code[j : j + n])
                flat = self.now[: keep * n]
        return torch.from_numpy(paths[:, :n].T)


class Ahead:
    """The sums of which least is forecast to remain, see :mod:`dfe_lib.tokens.forecast`.

    Parameters
    ----------
    rows : frames at a time, at most.
    duals : (S, L + 1, K) tensor; a residual followed by a 1, times this, is the score of each code.
    weights : (S, L + 1), how much the square of each coordinate of a residual counts; the last not at all.
    steps : (S, K, L + 1), what taking a code subtracts from a residual; 0 in the last place.
    width : sums kept.
    """

    def __init__(
        self, rows: int, duals: torch.Tensor, weights: torch.Tensor, steps: torch.Tensor, width: int
    ):
        self.duals, self.weights, self.steps, self.width = duals, -weights.numpy() / 2, steps.numpy(), width
        places, total = duals.shape[1:]
        self.scores = duals.new_empty(width * rows, total)
        self.buffer = np.empty((rows, total), dtype=self.steps.dtype)
        # Sum by sum, and frame by frame within.
        self.left, self.next, self.change = np.empty((3, width * rows, places), dtype=self.steps.dtype)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(n, S) int64 codes of (n, L) frames."""
        n, stages, total = len(x), len(self.duals), self.scores.shape[1]
        left = self.left[:n]
        left[:, :-1], left[:, -1] = x.numpy(), 1
        paths = np.empty((stages, self.width * n), dtype=np.int64)
        for s in range(stages):
            sums, last = len(left), s == stages - 1
            torch.mm(torch.from_numpy(left), self.duals[s], out=self.scores[:sums])
            square = np.multiply(left, left, out=self.change[:sums])
            keep = 1 if last else min(self.width, sums // n * total)
            flat, gained = self.scores[:sums].numpy(), square @ self.weights[s]
            parent, cell, _ = _children(flat, gained, 1, slice(0, total), keep, self.buffer[:n])
            code = cell - parent * total
            paths[:s, : keep * n] = paths[:s].take(parent, axis=1)
            paths[s, : keep * n] = code
            if not last:
                change = self.steps[s].take(code, axis=0, out=self.change[: keep * n], mode="clip")
                left = left.take(parent, axis=0, out=self.next[: keep * n], mode="clip")
                left -= change
                self.left, self.next = self.next, self.left
        return torch.from_numpy(paths[:, :n].T)


def _children(flat, gained, gain, window, keep, buffer):
    """The ``keep`` best of ``gained[i] + gain · flat[i, k]`` over the sums i of each frame and k in a window.

    Parameters
    ----------
    flat : (sums, K), sum by sum and frame by frame within; changed and put back.
    gained : (sums,).
    buffer : (n, K) for n frames, to write on.

    Returns
    -------
    parent : (keep · n,) row of ``flat``, the best of all frames first.
    cell : (keep · n,) position in the flattened ``flat``.
    gained : (keep · n,) the value.
    """
    (sums, total), n = flat.shape, len(buffer)
    cells, frames = flat.reshape(-1), np.arange(n)
    at = flat[:, window].argmax(axis=1)  # the best cell of every sum
    at += np.arange(window.start, sums * total, total)
    key = gained + gain * cells.take(at)
    parent, cell = np.empty((2, keep, n), dtype=np.intp)
    value = np.empty((keep, n), dtype=flat.dtype)
    for j in range(keep):
        best = parent[j]
        np.multiply(key.reshape(-1, n).argmax(axis=0), n, out=best)
        best += frames
        taken = at.take(best, out=cell[j], mode="clip")
        cells.take(taken, out=value[j], mode="clip")
        if j + 1 < keep:
            cells[taken] = -np.inf
            line = flat.take(best, axis=0, out=buffer, mode="clip")
            following = line[:, window].argmax(axis=1)
            following += best * total
            following += window.start
            at[best] = following
            key[best] = gained.take(best) + gain * cells.take(following)
    cells[cell[:-1]] = value[:-1]
    parent = parent.reshape(-1)
    return parent, cell.reshape(-1), gained.take(parent) + gain * value.reshape(-1)
