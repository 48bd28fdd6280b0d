"""What hours of video cost: a model with a dozen measured constants, and its predictions held against runs."""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from dfe_lib import frames
from dfe_lib.bench.scale import simulated_parts
from dfe_lib.bench.timing import in_new_process
from dfe_lib.errors import InputError
from dfe_lib.paths import REPOSITORY, data_dir

HOURS = (10.0, 1_000.0, 100_000.0)
THREADS = (1, 2, 16, 64, 256)  # simulated workers
SLEEP_S, EACH = 1.0, 8  # what a simulated task takes, and how many a worker does
TABLES = 16  # of the runs of real workers, half an hour each


@dataclass(frozen=True)
class Rates:
    """Constants of the model, all measured; speeds are frames per second of one core.

    Attributes
    ----------
    extract, beam, greedy, encoder, bags, spool, joint, refine : speed of each step, from file to file.
    whole_bytes, psi_bytes, token_bytes : of a frame in a table with landmarks, in one without, and of its tokens.
    journal_bytes : of a recording in the journal.
    wait_s : a worker's idle time between two tasks.
    task_s : what the scheduler and the client need for a task: one over the tasks per second that they can give out.
    """

    extract: float
    beam: float
    greedy: float
    encoder: float
    bags: float
    spool: float
    joint: float
    refine: float
    whole_bytes: float
    psi_bytes: float
    token_bytes: float
    journal_bytes: float
    wait_s: float
    task_s: float

    @classmethod
    def measured(cls, figures: Mapping[str, Mapping] | None = None) -> Rates:
        """Those of ``benchmarks/latest.json``.

        Raises
        ------
        InputError : a figure that was not measured yet, with the command.
        """
        if figures is None:
            figures = json.loads((REPOSITORY / "benchmarks" / "latest.json").read_text(encoding="utf-8"))
        found = {
            k: v for suite in ("scale", "costs") for k, v in figures.get(suite, {}).get("figures", {}).items()
        }
        named = {
            "bags": "bags_frames_per_s", "spool": "spool_frames_per_s",
            "joint": "train_joint_frames_per_s", "refine": "train_refine_frames_per_s",
        }  # fmt: skip
        wanted = {f.name: named.get(f.name, f"rate_{f.name}") for f in fields(cls)}
        absent = [name for name in wanted.values() if name not in found]
        if absent:
            raise InputError(
                f"'{absent[0]}' is not in benchmarks/latest.json; measure it with `dfe bench scale costs`"
            )
        return cls(**{field: float(found[name]) for field, name in wanted.items()})


@dataclass(frozen=True)
class Cost:
    """What :func:`cost` returns; core-hours, hours, GB (10⁹ bytes), numbers."""

    hours: float
    frames: float
    recordings: float
    extract_core_h: float
    encode_core_h: float
    bags_core_h: float
    training_core_h: float
    wall_h: float
    scheduler_share: float
    whole_gb: float
    psi_gb: float
    token_gb: float
    spool_gb: float
    journal_mb: float


def cost(
    hours: float,
    rates: Rates,
    workers: int,
    minutes: float = 10.0,
    fps: float = 30.0,
    method: str = "beam",
    trained_on: float = 1e7,
    epochs: tuple[int, int] = (5, 40),
) -> Cost:
    """Cores and disk for so many hours of video, extracted, encoded and counted by ``workers`` one-core workers.

    Parameters
    ----------
    minutes : length of a recording; each is a task to extract and one to encode.
    method : of encoding.
    trained_on : frames that a tokenizer is trained on, at most; more teach it nothing new.
    epochs : joint and refining epochs.

    Examples
    --------
    >>> rates = Rates(50, 1e4, 5e4, 1e4, 2e5, 1e5, 5e4, 1e4, 1500, 300, 20, 300, 0.01, 0.002)
    >>> round(cost(10, rates, workers=1).extract_core_h, 9)
    6.0
    """
    n, recordings = hours * 3600 * fps, hours * 60 / minutes
    speed = getattr(rates, method)
    learnt = min(n, trained_on)
    training = learnt * (1 / rates.spool + epochs[0] / rates.joint + epochs[1] / rates.refine)
    each = n / recordings
    walls = [wall(recordings, each / s, workers, rates) for s in (rates.extract, speed, rates.bags)]
    busy = 3 * recordings * rates.task_s
    return Cost(
        hours, n, recordings,
        extract_core_h=n / rates.extract / 3600,
        encode_core_h=n / speed / 3600,
        bags_core_h=n / rates.bags / 3600,
        training_core_h=training / 3600,
        wall_h=sum(walls) / 3600,
        scheduler_share=busy / sum(walls),
        whole_gb=n * rates.whole_bytes / 1e9,
        psi_gb=n * rates.psi_bytes / 1e9,
        token_gb=n * rates.token_bytes / 1e9,
        spool_gb=learnt * 4 * 53 / 1e9,
        journal_mb=2 * recordings * rates.journal_bytes / 1e6,
    )  # fmt: skip


def wall(tasks: float, seconds: float, workers: int, rates: Rates) -> float:
    """Seconds until so many equal tasks are done: workers in rounds, or the scheduler where it is the slower."""
    return max(math.ceil(tasks / workers) * (seconds + rates.wait_s), tasks * rates.task_s)


def page(rates: Rates) -> pd.DataFrame:
    """The table of docs/scaling.md: a column for each of ``HOURS``, and as many workers as one would have for it."""
    columns = {}
    for hours, workers in zip(HOURS, (2, 64, 1024), strict=True):
        found = cost(hours, rates, workers)
        columns[f"{hours:,.0f} h"] = {
            "workers": f"{workers:,}",
            "frames": f"{found.frames:.3g}",
            "recordings of 10 min": f"{found.recordings:,.0f}",
            "extraction, core-hours": f"{found.extract_core_h:,.3g}",
            "encoding by beam, core-hours": f"{found.encode_core_h:,.3g}",
            "bags, core-hours": f"{found.bags_core_h:,.3g}",
            "training on up to 10⁷ frames, core-hours": f"{found.training_core_h:,.3g}",
            "extraction, encoding and bags, hours": f"{found.wall_h:,.3g}",
            "of that what the scheduler is busy": f"{100 * found.scheduler_share:.2g} %",
            "tables with landmarks, GB": f"{found.whole_gb:,.3g}",
            "tables without landmarks, GB": f"{found.psi_gb:,.3g}",
            "tokens alone, GB": f"{found.token_gb:,.3g}",
            "raw copy for training, GB": f"{found.spool_gb:,.3g}",
            "journals, MB": f"{found.journal_mb:,.3g}",
        }
    return pd.DataFrame(columns)


def document(figures: Mapping[str, Mapping], path: Path = REPOSITORY / "docs" / "scaling.md") -> None:
    """Put the tables of costs and of predictions into the page, once all is measured that they are made of."""
    if not {"scale", "costs"} <= set(figures) or not path.is_file():
        return
    shown, text = figures["costs"]["figures"], path.read_text(encoding="utf-8")
    for name, table in (("costs", page(Rates.measured(figures))), ("predictions", predictions(shown))):
        begin, end = f"<!-- {name}: written by `dfe bench` -->", f"<!-- end of {name} -->"
        block = f"{begin}\n\n{_markdown(table)}\n\n{end}"
        text = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, block=block: block, text, flags=re.DOTALL
        )
    path.write_text(text, encoding="utf-8")


def predictions(figures: Mapping[str, float]) -> pd.DataFrame:
    """What the model said of each run, what the run took, and their ratio."""
    rows = {}
    for name in figures:
        if name.endswith("_predicted_s"):
            run = name.removesuffix("_predicted_s")
            said, took = figures[name], figures[f"{run}_measured_s"]
            rows[run.replace("_", " ")] = [f"{said:.3g}", f"{took:.3g}", f"{took / said:.2f}"]
    columns = ["predicted, s", "measured, s", "measured / predicted"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _markdown(table: pd.DataFrame) -> str:
    lines = [f"| | {' | '.join(table.columns)} |", "| --- |" + " ---: |" * table.shape[1]]
    return "\n".join(
        [
            *lines,
            *(
                f"| {name} | {' | '.join(row)} |"
                for name, row in zip(table.index, table.to_numpy(), strict=True)
            ),
        ]
    )


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
