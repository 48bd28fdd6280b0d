"""Worker processes, here or on a cluster, behind two calls: :meth:`Workers.each` and :meth:`Workers.map`.

They are Dask's. Each does one thing at a time with one thread, so that results do not depend on how many there are,
and a worker that dies takes nothing along but what it was doing.
"""

from __future__ import annotations

import itertools
import logging
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from dfe_lib.batch.attempts import Queue, Task
from dfe_lib.batch.calls import Call, Ended, Said, perform
from dfe_lib.errors import AssetError, ConfigError, DFEError, OutputError, RunError, printable

MEMORY_EACH = 1.5e9  # bytes: extraction takes 0.7 GB, and the pictures of a large video some more
PATIENCE_S = 120.0  # without any worker on this machine
LOOK_S = 0.5  # between two looks at which workers are there
LOST_S = 5.0  # to hear from Dask what became of a call whose worker is gone
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Errors that no other recording would be spared: worth stopping for, not worth a second attempt.
STOPPING = (AssetError, ConfigError, OutputError)


class WorkerDied(RunError):
    """The process that did a call ended in the middle of it."""


class Workers:
    """Made by :func:`workers`.

    Attributes
    ----------
    dashboard : address of Dask's page on the run, or None.
    """

    def __init__(self, client):
        self._client = client
        self.dashboard: str | None = client.dashboard_link
        self._local = client.cluster  # None where a scheduler was there before us
        self._numbers = itertools.count()
        self._there: dict[str, int] = client.nthreads()
        self._looked = self._full = time.monotonic()

    @property
    def n(self) -> int:
        """How many calls run at once; on a cluster it may change from moment to moment."""
        return sum(self._there.values())

    def each(self, calls: Iterable[Call]) -> Iterator[Ended]:
        """Do all calls; each ends on its own, in no particular order.

        Calls are taken from ``calls`` only when there is a worker for them, so that there may be millions. A call
        that fails is done again, at most :data:`~dfe_lib.batch.attempts.ATTEMPTS` times in all, after the others
        that wait.

        Raises
        ------
        AssetError, ConfigError, OutputError : from any call, since all others would end the same way.
        RunError : no worker is there for ``PATIENCE_S`` on this machine.
        """
        queued = Queue(calls)
        waiting = queued.next()
        running: dict[str, tuple[Task, str, object]] = {}
        ended: queue.SimpleQueue = queue.SimpleQueue()
        told: list[Ended] = []
        over: list = []  # futures
        try:
            while waiting is not None or running:
                self._look()
                while waiting is not None and (worker := self._free(running)) is not None:
                    # To a worker that does nothing else: who shares one with a call that kills it would die as well.
                    key = f"{printable(waiting.call.key)}-{next(self._numbers)}"  # Dask takes UTF-8 alone
                    future = self._client.submit(perform, waiting.call, key=key, pure=False, workers=[worker])
                    running[future.key] = waiting, worker, future
                    future.add_done_callback(ended.put)
                    waiting = queued.next()
                # Only now: Dask's client sends at most every 10 ms, and no worker waits for what the caller does.
                while over:
                    over.pop().release()
                yield from told
                told.clear()
                try:
                    future = ended.get(timeout=LOOK_S)
                except queue.Empty:
                    future = self._lost(running)
                if future is None or future.key not in running:
                    continue
                task, worker, _ = running.pop(future.key)
                said = self._said(task.call, future)
                over.append(future)
                if isinstance(said.error, WorkerDied):
                    self._there.pop(worker, None)  # until it is seen again
                if isinstance(said.error, STOPPING):
                    raise said.error
                outcome = queued.settle(task, said)
                if waiting is None:
                    waiting = queued.next()
                if outcome is not None:
                    told.append(outcome)
            yield from told
        finally:
            self._client.cancel([future for *_, future in running.values()], force=True)

    def map(self, function: Callable, *columns: Iterable) -> list:
        """``[function(*row) for row in zip(*columns)]``, spread over the workers.

        Parameters
        ----------
        function : importable by its name.

        Raises
        ------
        What ``function`` raised, from the first row that did not work.
        """
        rows = list(zip(*columns, strict=True))
        name = function.__name__
        values: list = [None] * len(rows)
        for ended in self.each(Call(f"{name}/{i}", function, row) for i, row in enumerate(rows)):
            if ended.error is not None:
                raise ended.error
            values[int(ended.call.key.rsplit("/", 1)[1])] = ended.value
        return values

    def _free(self, running: dict[str, tuple[Task, str, object]]) -> str | None:
        """Address of a worker with nothing to do."""
        busy = Counter(worker for _, worker, _ in running.values())
        return next((worker for worker, threads in self._there.items() if busy[worker] < threads), None)

    def _lost(self, running: dict[str, tuple[Task, str, object]]):
        """A call whose worker has gone without a word, if there is one."""
        return next(
            (f for _, worker, f in running.values() if worker not in self._there and not f.done()), None
        )

    def _look(self) -> None:
        """See which workers are there; on this machine, replace those that stay away.

        Dask starts a worker anew when its process ends, but not one that ends in the moment of its start.

        Raises
        ------
        RunError : there is none, for long.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._there, self._looked = self._client.nthreads(), now
        if self._local is None:
            return
        if self._there:
            self._full = now
        elif now - self._full > PATIENCE_S:
            raise RunError(
                f"no worker process has started for {PATIENCE_S:.0f} s; is there memory for one (1.5 GB)?"
            )

    @staticmethod
    def _said(call: Call, future) -> Said:
        from distributed import CancelledError, KilledWorker

        try:
            return future.result(timeout=LOST_S)
        except (
            KilledWorker,
            CancelledError,
        ):  # also where the worker died with the result still in its hands
            hung = "" if call.silent_s is None else f", or got no further for {call.silent_s:g} s"
            what = f"the worker process died over {call.key}: it crashed, was killed, ran out of memory{hung}"
            return Said(None, WorkerDied(what), "", 0.0)
        except DFEError as error:  # of unpacking the call
            return Said(None, error, "", 0.0)
        except (
            Exception
        ) as error:  # Dask's own, e.g. a node that lacks the library: as a value, like all others
            return Said(None, RunError(f"{call.key}: {type(error).__name__}: {error}"), "", 0.0)


@contextmanager
def workers(n: int | None = None, scheduler: str | None = None) -> Iterator[Workers]:
    """Worker processes for the time of a ``with`` block.

    Parameters
    ----------
    n : how many on this machine; by default one for each core that there is memory for.
    scheduler : address of a running Dask scheduler (``tcp://…`` or ``tls://…``), whose workers are used instead.
        The keys of ``tls://`` are those of Dask's configuration. Scheduler and workers are trusted: Dask runs what
        it is sent.

    Raises
    ------
    ConfigError : both are given, ``n`` is below 1, or nothing answers at ``scheduler``.

    Examples
    --------
    >>> with workers(2) as pool:                                      # doctest: +SKIP
    ...     pool.map(abs, [-1, 2])
    [1, 2]
    """
    if n is not None and scheduler is not None:
        raise ConfigError("workers and a scheduler exclude each other: the scheduler has its own workers")
    if n is not None and n < 1:
        raise ConfigError(f"workers must be 1 or more, got {n}")
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(
        logging.CRITICAL
    )  # what matters of it becomes one of our errors
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at '{scheduler}' ({error or type(error).__name__}); give the address "
                "that `dask scheduler` printed, such as tcp://10.0.0.1:8786"
            ) from error
        with client:
            yield Workers(client)
        return
    # A call that killed its worker comes back to us at once: the attempts are ours to count.
    # And fifteen seconds after a death Dask would give up the place of a worker that has died again just then.
    ours = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.deploy.lost-worker-timeout": "100 days",
        "distributed.worker.profile.enabled": False,  # it looks at the worker a hundred times a second
        # One thread each. Dask would have them give back memory at once: every picture would be of fresh pages.
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(ONE_THREAD, "1"),
    }
    with dask.config.set(ours):
        # Encrypted and on loopback: whoever reaches a scheduler can have it run anything.
        cluster = LocalCluster(
            n_workers=n or sensible(),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=True,
            silence_logs=logging.CRITICAL,
        )
        with cluster, Client(cluster, set_as_default=False) as client:
            yield Workers(client)


def sensible() -> int:
    """One worker a core, as many as there is memory for."""
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    return max(1, min(CPU_COUNT, int(MEMORY_LIMIT // MEMORY_EACH)))
