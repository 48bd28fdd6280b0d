"""Data larger than memory: 10⁸ frames encoded and counted in shards, some of them from file to file, and trained on.

Worker processes make the frames and keep none. The first ``FILES`` shards are people simulated anew, written, read,
encoded and written again as tables; the others meet a million of these frames again, each time with other noise, and
are encoded as they come. What is done is noted, so that an interrupted run is taken up by the next.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames, shards
from dfe_lib.bench.timing import in_new_process, peak_mb
from dfe_lib.paths import data_dir

FRAMES = 10**8
PEOPLE, TAKES, SECONDS, FPS = 146, 4, 60.0, 30.0  # of a shard: 1,051,200 frames, ten hours
FILES = 2  # shards that go through files; they tell speed and bytes, and are read again
BATCH = 65_536  # frames at a time where they are made on the fly
NOISE = 0.02  # of their coefficients; no two shards hold the same frame
PARTITIONS = 8
_TOKENS = re.compile(r"token_\d+")


@dataclass(frozen=True)
class Shard:
    """What became of one shard of simulated frames; seconds are those of one core."""

    number: int
    frames: int
    encoded: int
    source_bytes: int
    made_s: float
    encoded_s: float
    counted_s: float
    words: int
    resident_mb: float


def scale(n: int = FRAMES) -> dict[str, float | str]:
    """Figures of the suite; ``n`` frames in all."""
    folder = data_dir() / "bench" / f"scale-{n}"
    done = _encoded(n, folder)
    total, filed = sum(shard.frames for shard in done), [shard for shard in done if shard.number < FILES]
    made = [shard for shard in done if shard.number >= FILES]
    total_filed = sum(shard.frames for shard in filed)
    spent = {k: sum(getattr(shard, k) for shard in filed) for k in ("made_s", "encoded_s", "counted_s")}
    rows: dict[str, float | str] = {
        "frames": float(total),
        "hours_at_30_per_s": total / 108_000,
        "frames_lost": float(sum(PEOPLE * TAKES * round(SECONDS * FPS) - shard.frames for shard in done)),
        "frames_through_files": float(total_filed),
        "simulate_and_write_frames_per_s": total_filed / spent["made_s"],
        "encode_greedy_frames_per_s": total_filed / spent["encoded_s"],
        "bags_frames_per_s": total_filed / spent["counted_s"],
        "encode_resident_mb": max(shard.resident_mb for shard in done),
        "encode_resident_mb_first_shard": min(shard.resident_mb for shard in done),
        "psi_bytes_per_frame": sum(shard.source_bytes for shard in filed) / total_filed,
    }
    if made:
        rows["encode_greedy_in_memory_frames_per_s"] = sum(s.frames for s in made) / sum(
            s.encoded_s for s in made
        )
    rows |= _reading(folder / "tokens") | _training(n) | _spooling(folder)
    shutil.rmtree(folder)
    return rows


def _encoded(n: int, folder: Path) -> list[Shard]:
    """All shards, by as many processes as the machine has cores; those of an interrupted run are not done again."""
    from dfe_lib.batch.calls import Call
    from dfe_lib.batch.workers import workers

    folder.mkdir(parents=True, exist_ok=True)
    notes, whole = folder / "done.jsonl", -(-n // (PEOPLE * TAKES * round(SECONDS * FPS)))
    done = [Shard(**json.loads(line)) for line in notes.read_text().splitlines()] if notes.is_file() else []
    left = sorted(set(range(whole)) - {shard.number for shard in done})
    if not left:
        return done
    _keep_frames(folder / "psi.f32")
    calls = [
        Call(f"shard {number}", encode_shard if number < FILES else encode_made, (number, str(folder)))
        for number in left
    ]
    with workers() as pool, notes.open("a") as file:
        for ended in pool.each(calls):
            if ended.error is not None:
                raise ended.error
            done.append(ended.value)
            file.write(json.dumps(vars(ended.value)) + "\n")
            file.flush()
    return done


def encode_shard(number: int, folder: str) -> Shard:
    """Simulate a shard as a frame table on disk, encode it and count its words; only its tokens stay."""
    from dfe_lib.bags import bag_of_table
    from dfe_lib.tokens.tables import encode_table

    place = Path(folder)
    source, coded = place / f"psi-{number}.parquet", place / f"coded-{number}.parquet"
    started = time.perf_counter()
    frames.write_parts(simulated_parts(number), source)
    made = time.perf_counter()
    told = encode_table(source, coded, method="greedy")
    encoded = time.perf_counter()
    bags = bag_of_table(str(coded), 256)
    counted = time.perf_counter()
    kept = place / "tokens" / f"dataset=sim{number % PARTITIONS}" / f"{number:05d}.parquet"
    columns = [c for c in frames.columns_of(coded) if c in frames.KEYS or _TOKENS.fullmatch(c)]
    frames.write_parts(frames.parts(coded, columns), kept)
    shard = Shard(
        number, told.frames, told.encoded, source.stat().st_size, made - started, encoded - made, counted - encoded,
        int(bags.filter(regex=r"t\d+").to_numpy().sum()), peak_mb(),
    )  # fmt: skip
    if shard.words != told.encoded * told.stages:
        raise AssertionError(f"shard {number}: {shard.words} words of {told.encoded} frames")
    source.unlink()
    coded.unlink()
    return shard


def encode_made(number: int, folder: str) -> Shard:
    """Encode and count a shard of frames that are made as they are needed."""
    from dfe_lib.tokens import Tokenizer
    from dfe_lib.tokens.data import FrameFile

    tokenizer, rng = Tokenizer.load(), np.random.default_rng([1, number])
    left, words, made_s, encoded_s, counted_s = PEOPLE * TAKES * round(SECONDS * FPS), 0, 0.0, 0.0, 0.0
    total = left
    kept = FrameFile(Path(folder) / "psi.f32", tokenizer.space.dimension)
    while left:
        started = time.perf_counter()
        at = int(rng.integers(len(kept) - BATCH))
        psi = kept[at : at + min(BATCH, left)]
        psi += NOISE * rng.standard_normal(psi.shape, np.float32)
        made = time.perf_counter()
        codes = tokenizer.encode(psi, method="greedy")
        encoded = time.perf_counter()
        words += sum(int(np.bincount(stage, minlength=tokenizer.codes_per_stage).sum()) for stage in codes.T)
        made_s, encoded_s = made_s + made - started, encoded_s + encoded - made
        counted_s += time.perf_counter() - encoded
        left -= len(psi)
    if words != total * tokenizer.stages:
        raise AssertionError(f"shard {number}: {words} words of {total} frames")
    return Shard(number, total, total, 0, made_s, encoded_s, counted_s, words, peak_mb())


def _keep_frames(path: Path) -> None:
    """A million simulated frames as plain rows, for :func:`encode_made`."""
    if path.is_file():
        return
    staged = path.with_suffix(".part")
    with staged.open("wb") as file:
        for part in simulated_parts(0):
            psi = frames.psi(part)
            file.write(psi[np.isfinite(psi).all(axis=1)].tobytes())
    staged.rename(path)


def simulated_parts(number: int, people: int = PEOPLE) -> Iterator[pd.DataFrame]:
    """Frame tables of some people whom no other number gives."""
    from dfe_lib.data.simulation import CohortConfig, simulate_cohort

    config = CohortConfig(subjects=people, recordings=TAKES, seconds=SECONDS, fps=FPS)
    for part in simulate_cohort(config, number).chunks():
        yield part.assign(recording=f"{number:05d}_" + part["recording"]).__finalize__(part)


# Tokens of all shards, or of one, or what one recording needs: bytes by the kernel's count, peak of the process.
_READ = """
import sys, time
from pathlib import Path
from dfe_lib import frames, shards
from dfe_lib.bench.timing import peak_mb
def read():
    return int(next(l for l in open("/proc/self/io") if l.startswith("rchar")).split()[1])
folder, what = sys.argv[1:3]
before, started, n = read(), time.perf_counter(), 0
where = {"dataset": sys.argv[3]} if what == "partition" else {}
files = shards.find(folder, **where)
if what == "shard":
    files = files[:1]
columns = ["token_0"] if what == "column" else ["recording", "time_s", "token_0", "token_1", "token_2"]
wanted = {sys.argv[3]} if what == "recording" else None
for part in frames.stream(files, columns, wanted):
    n += len(part)
print(n, len(files), read() - before, time.perf_counter() - started, peak_mb())
"""


def _reading(folder: Path) -> dict[str, float]:
    files = shards.find(folder)
    size = sum(path.stat().st_size for path in files)
    total = sum(map(frames.count, files))
    one = next(frames.stream(files[len(files) // 2 :], ["recording"]))["recording"].iloc[-1]
    rows = {"tokens_bytes_per_frame": size / total, "token_files": float(len(files))}
    for what, more in {
        "all": (),
        "shard": (),
        "column": (),
        "partition": ("sim1",),
        "recording": (one,),
    }.items():
        if what == "partition" and not (folder / "dataset=sim1").is_dir():
            continue
        n, opened, read, seconds, resident = in_new_process(_READ, folder, what, *more)
        rows |= {
            f"read_{what}_frames": n,
            f"read_{what}_files": opened,
            f"read_{what}_share_of_bytes": read / size,
            f"read_{what}_s": seconds,
            f"read_{what}_resident_mb": resident,
        }
    return rows


# As many frames as asked for, from a file of a million: it is met again and again, and no two blocks are alike.
_TRAIN = """
import sys, tempfile, time
from itertools import islice
from pathlib import Path
import numpy as np
import torch
from dfe_lib import frames
from dfe_lib.bench.scaling.scale import simulated_parts
from dfe_lib.bench.timing import peak_mb
from dfe_lib.space import ICT53
from dfe_lib.tokens.data import BLOCK, FrameFile, Shuffled
from dfe_lib.tokens.fit import Run
from dfe_lib.tokens.settings import TrainingConfig
torch.set_num_threads(1)
n = int(sys.argv[1])

class Repeated(FrameFile):
    def __len__(self):
        return n

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(n)
        there = super().__len__()
        at = start // BLOCK % (there // BLOCK) * BLOCK
        values = np.fromfile(self.path, np.float32, (stop - start) * self.dimension, offset=at * self._row)
        noise = np.random.default_rng(start).standard_normal(len(values), np.float32)
        return (values + 0.02 * noise).reshape(-1, self.dimension)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "psi.f32"
    with path.open("wb") as file:
        for part in simulated_parts(0):
            psi = frames.psi(part)
            file.write(psi[np.isfinite(psi).all(axis=1)].tobytes())
    run, spent = Run(Shuffled(Repeated(path, 53)), TrainingConfig(device="cpu"), ICT53), []
    for phase, steps in (("joint", 300), ("refine", 30), ("follow", 100)):
        run.begin(phase)
        started = time.process_time()
        for step, rows in enumerate(islice(run.psi.batches(run.batch, [0], 0), steps)):
            run.step(0, step, rows)
        spent.append(steps * run.batch / (time.process_time() - started))
    print(*spent, peak_mb())
"""


def _training(n: int) -> dict[str, float]:
    """Some hundred steps of each phase, on a hundredth of the frames and on all."""
    rows: dict[str, float] = {}
    for name, size in (("hundredth", n // 100), ("all", n)):
        *speeds, resident = in_new_process(_TRAIN, size)
        rows[f"train_{name}_resident_mb"] = resident
    rows |= {f"train_{p}_frames_per_s": s for p, s in zip(("joint", "refine", "follow"), speeds, strict=True)}
    return rows


# Tables to the raw files that training reads; the same table under many names.
_SPOOL = """
import sys, tempfile, time
from pathlib import Path
from dfe_lib.bench.timing import peak_mb
from dfe_lib.space import ICT53
from dfe_lib.tokens.data import spool
path, times = sys.argv[1], int(sys.argv[2])
with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
    started = time.perf_counter()
    done = spool([path] * times, Path(folder), ICT53, 0)
    n = len(done.training) + len(done.validation)
    print(n / (time.perf_counter() - started), peak_mb())
"""


def _spooling(folder: Path) -> dict[str, float]:
    path = frames.write_parts(simulated_parts(0), folder / "psi.parquet")
    rows = {}
    for times in (1, 10):
        rows["spool_frames_per_s"], rows[f"spool_{times}_tables_resident_mb"] = in_new_process(
            _SPOOL, path, times
        )
    return rows | {"spool_bytes_per_frame": 4.0 * 53}
