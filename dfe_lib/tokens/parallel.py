"""Training by several processes that hold the same model and share the frames of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed


class Team:
    """The processes of this training run; a team of one unless torchrun started more.

    Every process sums what its share of a batch says with the others', and then does the same arithmetic on
    the same numbers. So all hold the identical model, and it is what one process would hold but for the order
    of sums.

    Attributes
    ----------
    rank, size : which process this is, of how many.
    """

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """The one process that writes files and shows progress."""
        return self.rank == 0

    def share(self, rows: torch.Tensor) -> torch.Tensor:
        """This process's rows of a batch."""
        return rows[self.rank :: self.size]

    def sum(self, *tensors: torch.Tensor) -> None:
        """Replace tensors by their sums over the team, in place."""
        if self.size > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)

    def wait(self) -> None:
        """Until all have come here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def team() -> Iterator[Team]:
    """The team that torchrun's environment describes: nccl where CUDA is present, else gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Team()
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
