"""What is done next: attempts at calls, and at the parts of calls that turned out too long for one worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dfe_lib.batch.calls import Call, Ended, Said, Split

ATTEMPTS = 3
LAST = 0.1  # share of a split call's work that is left for the end, roughly


@dataclass
class Task:
    """One attempt at a call, or at a part of one that was split."""

    call: Call
    root: Call
    attempt: int = 1
    share: float = 1.0
    split: Splitting | None = None


@dataclass
class Splitting:
    last: Call
    left: int
    failed: bool = False
    attempts: int = 1


class Queue:
    """What is to be done next: parts and repeats before new calls, so that little is open at a time."""

    def __init__(self, calls: Iterable[Call]):
        self._coming, self._first, self._again = iter(calls), deque(), deque()

    def next(self) -> Task | None:
        while self._first:
            task = self._first.popleft()
            if task.split is None or not task.split.failed:
                return task
        if (call := next(self._coming, None)) is not None:
            return Task(call, call)
        while self._again:
            task = self._again.popleft()
            if task.split is None or not task.split.failed:
                return task
        return None

    def settle(self, task: Task, said: Said) -> Ended | None:
        """What has ended by this; None where the call will be done again, or has failed already."""
        split = task.split
        if split is not None and split.failed:
            return None
        if said.error is not None and task.attempt < ATTEMPTS:
            self._again.append(replace(task, attempt=task.attempt + 1))
            return None
        attempts = task.attempt if split is None else max(task.attempt, split.attempts)
        if isinstance(said.value, Split):
            parts = said.value.parts
            opened = Splitting(said.value.last, len(parts), attempts=attempts)
            share = (1 - LAST) / len(parts)
            self._first.extend(Task(part, task.root, share=share, split=opened) for part in parts)
            return None
        whole = split is None or said.error is not None
        if split is not None:
            split.failed, split.left, split.attempts = said.error is not None, split.left - 1, attempts
            if not split.left and not split.failed:
                # It carries no `split`, since nothing comes after it.
                self._first.append(Task(split.last, task.root, share=LAST))
        return Ended(
            task.root, task.share, whole, said.value, said.error, said.traceback, attempts, said.seconds
        )
