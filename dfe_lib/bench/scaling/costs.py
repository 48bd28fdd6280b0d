"""The constants of the model of cost, measured, and its predictions held against runs."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from dfe_lib import frames
from dfe_lib.bench.scaling.model import Rates, wall
from dfe_lib.bench.scaling.scale import simulated_parts
from dfe_lib.bench.timing import in_new_process
from dfe_lib.errors import InputError
from dfe_lib.paths import data_dir

THREADS = (1, 2, 16, 64, 256)  # simulated workers
SLEEP_S, EACH = 1.0, 8  # what a simulated task takes, and how many a worker does
TABLES = 16  # of the runs of real workers, half an hour each


def costs() -> dict[str, float | str]:
    """The constants that other suites do not measure, and predictions beside runs.

    Raises
    ------
    AssetError : the clip or the FaceLandmarker model is not at hand.
    """
    folder = data_dir() / "bench" / "costs"
    folder.mkdir(parents=True, exist_ok=True)
    rows = _extracting(folder) | _sizes(folder) | _encoding(folder)
    rows |= _scheduling(rows)
    rows |= _real_workers(folder, rows)
    shutil.rmtree(folder)
    return rows


# Processor time, so that what runs beside it does not count.
_EXTRACT = """
import sys, time
from dfe_lib.face import extract_to
extract_to(sys.argv[1], sys.argv[2], max_frames=30)
started = time.process_time()
done = extract_to(sys.argv[1], sys.argv[2], overlap=False)
print(done.n_frames, done.n_frames / (time.process_time() - started))
"""

_ENCODE = """
import sys, time
from dfe_lib.tokens.tables import encode_table
encode_table(sys.argv[2], sys.argv[3], method=sys.argv[4])
started = time.process_time()
done = encode_table(sys.argv[1], sys.argv[3], method=sys.argv[4])
print(done.frames / (time.process_time() - started))
"""


def _extracting(folder: Path) -> dict[str, float]:
    from dfe_lib.data import manifest
    from dfe_lib.face.video import probe

    clip = manifest.locate("pyfeat-media", "WolfgangLanger_Pexels.mp4")  # a face in every frame
    n, speed = in_new_process(_EXTRACT, clip, folder / "clip.parquet", one_thread=True)
    about = probe(clip)
    return {
        "rate_extract": speed,
        "extracted_frames": n,
        "extracted_width": about.width,
        "extracted_height": about.height,
    }


def _sizes(folder: Path) -> dict[str, float]:
    """Bytes of a frame in the tables of that clip, which are one row group each as extraction writes them.

    Of tokens, of which a row group holds 8,192 frames, it is what the second half adds to the first.
    """
    from dataclasses import asdict

    from dfe_lib.batch.journal import Entry
    from dfe_lib.tokens.tables import encode_table

    coded = encode_table(folder / "clip.parquet", folder / "coded.parquet").table
    names, sizes = frames.columns_of(coded), {}
    whole = frames.read(coded)
    for name, columns in {
        "whole": [c for c in names if not c.startswith("token_")],
        "psi": [c for c in names if not c.startswith(("token_", "landmarks"))],
        "token": [c for c in names if c in frames.KEYS or c.startswith("token_")],
    }.items():
        for part in (whole, whole.iloc[: len(whole) // 2]):
            path = frames.write(part[columns], folder / "kind.parquet")
            sizes[name, len(part)] = path.stat().st_size
    n, half = len(whole), len(whole) // 2
    rows = {
        "rate_whole_bytes": sizes["whole", n] / n,
        "rate_psi_bytes": sizes["psi", n] / n,
        "rate_token_bytes": (sizes["token", n] - sizes["token", half]) / (n - half),
        "sizes_measured_on_frames": float(n),
    }
    name = "subject-0123/session-04"
    entry = Entry(
        name, f"{name}.mp4", f"{name}.parquet", "0" * 64, 27_000_000, "0" * 64, 18_000, 17_900, 360.1, 1
    )
    return rows | {
        "rate_journal_bytes": len(json.dumps(asdict(entry))) + 1,
    }


def _encoding(folder: Path) -> dict[str, float]:
    """Speed of :func:`dfe_lib.tokens.tables.encode_table` on one core, by method; the first call is not counted."""
    some = frames.write_parts(simulated_parts(0, 2), folder / "some.parquet")
    more = frames.write_parts(simulated_parts(1, 14), folder / "more.parquet")
    return {
        f"rate_{method}": in_new_process(
            _ENCODE, more, some, folder / "out.parquet", method, one_thread=True
        )[0]
        for method in ("greedy", "encoder", "beam")
    }


def _scheduling(rows: Mapping[str, float]) -> dict[str, float | str]:
    """Overhead of a task, then simulated workers: threads of one process that sleep, behind the real scheduler."""
    empty = {n: _sleeping(n, 200 * min(n, 16), 0.0) for n in (1, 16)}
    out: dict[str, float | str] = {"rate_wait_s": empty[1] / 200, "rate_task_s": empty[16] / 3200}
    rates = _with(rows | out)
    for n in THREADS:
        tasks = EACH * n
        out[f"simulated_{n}_predicted_s"] = wall(tasks, SLEEP_S, n, rates)
        out[f"simulated_{n}_measured_s"] = _sleeping(n, tasks, SLEEP_S)
    # What a scheduler that is fully busy does: more workers than it can feed.
    n, tasks, short = THREADS[-1], 4096, 0.1
    out["starved_predicted_s"] = wall(tasks, short, n, rates)
    out["starved_measured_s"] = _sleeping(n, tasks, short)
    return out


def _with(rows: Mapping[str, float]) -> Rates:
    """Rates of this suite; those of others, which are not asked for here, are one."""
    return Rates(**{f.name: float(rows.get(f"rate_{f.name}", 1.0)) for f in fields(Rates)})


def _sleeping(threads: int, tasks: int, seconds: float) -> float:
    """Seconds for tasks that only sleep, on workers that are threads of this process."""
    from distributed import Client, LocalCluster

    from dfe_lib.batch.calls import Call
    from dfe_lib.batch.workers import Workers

    cluster = LocalCluster(
        1,
        threads_per_worker=threads,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=None,
    )
    with cluster, Client(cluster.scheduler_address, set_as_default=False) as client:
        pool = Workers(client)
        pool.map(time.sleep, [0.0] * threads)
        started = time.perf_counter()
        done = sum(
            ended.error is None
            for ended in pool.each(Call(f"{i}", time.sleep, (seconds,)) for i in range(tasks))
        )
        taken = time.perf_counter() - started
    if done != tasks:
        raise InputError(f"{tasks - done} of {tasks} sleeping tasks were lost")
    return taken


def _real_workers(folder: Path, rows: Mapping[str, float]) -> dict[str, float]:
    """Encoding of half-hour tables by one and two processes, predicted from the speed of one core."""
    from dfe_lib.batch.workers import workers
    from dfe_lib.tokens.tables import encode_table

    source = frames.write_parts(simulated_parts(2, 8), folder / "half.parquet")
    n, rates, out = frames.count(source), _with(rows), {}
    for processes in (1, 2):
        targets = [folder / f"{processes}-{i}.parquet" for i in range(TABLES)]
        columns = [source] * TABLES, targets, [None] * TABLES, ["greedy"] * TABLES
        with workers(processes) as pool:
            pool.map(encode_table, *(c[:processes] for c in columns))  # they import what they need
            started = time.perf_counter()
            pool.map(encode_table, *columns)
            out[f"encoding_{processes}_measured_s"] = time.perf_counter() - started
        out[f"encoding_{processes}_predicted_s"] = wall(TABLES, n / rates.greedy, processes, rates)
    out["encoding_two_over_one"] = out["encoding_1_measured_s"] / out["encoding_2_measured_s"]
    return out
