"""Frames to train on: in memory or in a file on disk, shuffled without being held, and split by subject."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.errors import InputError
from dfe_lib.space import ExpressionSpace

BLOCK = 256  # rows read at once; neighbours in time, so blocks are mixed and not single rows
BUFFER = 256  # blocks mixed at once: 65,536 frames of 53 coefficients are 14 MB


class FrameFile:
    """(n, d) float32 rows in a raw file, read when asked for; nothing stays in memory.

    Plain reads and no memory map, since pages of a map count as memory of the process until the system
    wants them back.
    """

    def __init__(self, path: str | Path, dimension: int):
        self.path, self.dimension = Path(path), dimension
        self._row = 4 * dimension

    def __len__(self) -> int:
        return self.path.stat().st_size // self._row

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        count = max(0, stop - start) * self.dimension
        values = np.fromfile(self.path, dtype=np.float32, count=count, offset=start * self._row)
        return values.reshape(-1, self.dimension)


class Shuffled:
    """Random batches of frames; the order follows from a seed alone, so it can be taken up anywhere.

    Blocks of neighbouring rows are drawn in random order, ``BUFFER`` of them at a time, and their rows mixed.

    Parameters
    ----------
    rows : (n, d) array or :class:`FrameFile`.

    Examples
    --------
    >>> batches = Shuffled(np.arange(10.0)[:, None]).batches(size=4, seed=0)
    >>> sorted(np.concatenate(list(batches)).ravel()) == list(range(10))
    True
    """

    def __init__(self, rows: np.ndarray | FrameFile):
        self.rows = rows
        self.n = len(rows)

    def sample(self, n: int, seed: object) -> np.ndarray:
        """(min(n, all), d) random rows, an eighth of a block from each of many places."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(-(-self.n // BLOCK))
        some = max(1, min(len(order), -(-8 * n // BLOCK)))
        pool = self._blocks(order[:some])
        return pool[rng.permutation(len(pool))[:n]]

    def steps(self, size: int) -> int:
        """Batches in an epoch."""
        full, rest = divmod(self.n, BLOCK * BUFFER)
        return full * -(-BLOCK * BUFFER // size) + -(-rest // size)

    def batches(self, size: int, seed: object, start: int = 0) -> Iterator[np.ndarray]:
        """All rows once, in batches of at most ``size``, from batch ``start`` on."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(-(-self.n // BLOCK))
        seeds = rng.integers(2**63, size=-(-len(order) // BUFFER))
        done = 0
        for i, own in enumerate(seeds):
            chosen = order[i * BUFFER : (i + 1) * BUFFER]
            count = sum(min(BLOCK, self.n - b * BLOCK) for b in chosen.tolist())
            steps = -(-count // size)
            if done + steps > start:
                mixed = self._blocks(chosen)[np.random.default_rng(own).permutation(count)]
                for step in range(max(0, start - done), steps):
                    yield mixed[step * size : (step + 1) * size]
            done += steps

    def _blocks(self, blocks: np.ndarray) -> np.ndarray:
        return np.concatenate([np.asarray(self.rows[b * BLOCK : (b + 1) * BLOCK]) for b in np.sort(blocks)])


def split_subjects(subjects: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool, True for held-out rows: about ``share`` of the subjects, at least one, never a part of one.

    Raises
    ------
    InputError : fewer than two subjects.
    """
    subjects = np.asarray(subjects, dtype=str)
    names = np.unique(subjects)
    if len(names) < 2:
        raise InputError(f"a split by subject needs at least 2 subjects, got {len(names)}")
    n = min(len(names) - 1, max(1, round(share * len(names))))
    return np.isin(subjects, rng.choice(names, size=n, replace=False))


@dataclass(frozen=True)
class Spooled:
    """Frames of tables, copied into raw files that can be read anywhere.

    Attributes
    ----------
    training, validation : disjoint in subjects; together every frame with a finite ψ.
    held_out : names of the subjects in ``validation``.
    fingerprint : of all frames and who is held out; the same data give the same.
    """

    training: FrameFile
    validation: FrameFile
    held_out: tuple[str, ...]
    fingerprint: str


def spool(
    paths: Iterable[str | Path],
    folder: Path,
    space: ExpressionSpace,
    seed: int,
    recordings: pd.DataFrame | None = None,
    write: bool = True,
) -> Spooled:
    """Copy the finite ψ of frame tables into ``folder``, a tenth of the subjects apart; streams.

    Parameters
    ----------
    recordings : says whose each recording is; without it every recording is a subject of its own.
    write : False where another process has written the files already.

    Raises
    ------
    InputError : no ψ columns, no usable frame, a recording without a subject, or one subject only.
    """
    paths = [Path(p) for p in paths]
    columns = ["recording", *(f"psi_{n}" for n in space.names)]
    names = sorted(
        {str(name) for batch in frames.stream(paths, columns[:1]) for name in batch["recording"].unique()}
    )
    subject_of = dict(zip(names, names, strict=True))
    if recordings is not None:
        table = frames.check_recordings(recordings)
        known = dict(zip(table["recording"].astype(str), table["subject"].astype(str), strict=True))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(
                f"recording '{unknown[0]}' is not in the recording table; every recording needs a subject"
            )
        subject_of = {name: known[name] for name in names}
    subjects = np.unique(list(subject_of.values()))
    if len(subjects) < 2:
        whose = "recording" if recordings is None else "subject"
        raise InputError(
            f"{len(subjects)} {whose} in {', '.join(p.name for p in paths) or 'an empty list of tables'}; at "
            "least 2 are needed, since a tenth is held out to validate on"
        )
    held = tuple(subjects[split_subjects(subjects, 0.1, np.random.default_rng(seed))].tolist())
    files = (
        FrameFile(folder / "training.f32", space.dimension),
        FrameFile(folder / "validation.f32", space.dimension),
    )
    if write:
        _copy(paths, columns, subject_of, held, files)
    total = sum(len(f) for f in files)
    if total == 0:
        raise InputError(f"no frame with finite ψ in {', '.join(map(str, paths))}")
    if not len(files[1]):
        raise InputError(
            f"the subjects held out to validate on ({', '.join(held)}) have no frame with finite ψ"
        )
    return Spooled(*files, held, _fingerprint(files))


def _copy(paths, columns, subject_of, held, files) -> None:
    with open(files[0].path, "wb") as training, open(files[1].path, "wb") as validation:
        for batch in frames.stream(paths, columns):
            psi = batch[columns[1:]].to_numpy(dtype=np.float32)
            kept = np.isfinite(psi).all(axis=1)
            row, names = pd.factorize(batch["recording"])
            apart = np.isin([subject_of[str(name)] for name in names], held)[row]
            training.write(np.ascontiguousarray(psi[kept & ~apart]).tobytes())
            validation.write(np.ascontiguousarray(psi[kept & apart]).tobytes())


def _fingerprint(files: tuple[FrameFile, FrameFile]) -> str:
    parts = []
    for file in files:
        value = 0
        for start in range(0, len(file), BLOCK * BUFFER):
            value = zlib.crc32(file[start : start + BLOCK * BUFFER].tobytes(), value)
        parts.append(f"{len(file)}:{value:08x}")
    return " ".join(parts)
