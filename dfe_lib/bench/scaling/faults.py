"""Extraction, training and the notebooks, killed at random moments: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfe_lib.bench.scaling.kills import Job, survive

SEED = 0
CLIPS = 8
KILLS = {"training": 20, "reproduce": 16, "extraction": 20}
TRAINING = {
    "codes": 16, "stages": 2, "batch": 64, "refine_batch": 64, "memory": 256, "joint_epochs": 3,
    "refine_epochs": 3, "follow_epochs": 2,
}  # fmt: skip
NOTEBOOKS = {
    "00_number": (
        [],
        ["table.csv"],
        'record.metric("number", seed + 1)\nimport pandas\n'
        'record.table("table", pandas.DataFrame({"x": range(seed + 1000)}))',
    ),
    "01_reads": (
        ["00_number/table.csv"],
        ["bytes.bin"],
        'content = record.input("00_number/table.csv").read_bytes()\n'
        'with open(record.path("bytes.bin"), "wb") as file:\n'
        "    for start in range(0, len(content), 64):\n"
        "        file.write(content[start : start + 64])",
    ),
}


def training(folder: Path) -> Job:
    """``dfe train`` on two tables of 400 frames, with a checkpoint every few hundredths of a second."""
    from dfe_lib import frames
    from dfe_lib.data.displays import sample_displays
    from dfe_lib.space import ICT53

    for i, name in enumerate(("anna", "bert")):
        psi = sample_displays(400, np.random.default_rng(i))
        table = frames.frame_table(
            name, np.arange(len(psi)) / 30, np.ones(len(psi), bool), attrs=ICT53.attrs()
        )
        frames.write(frames.with_psi(table, psi, ICT53.names), folder / f"{name}.parquet")
    settings = folder / "settings.yaml"
    settings.write_text(json.dumps(TRAINING))  # JSON is YAML

    def command(home: Path) -> Sequence[str]:
        tables = [str(folder / "anna.parquet"), str(folder / "bert.parquet")]
        given = ["train", *tables, "--out", str(home / "tokenizer"), "--config", str(settings)]
        return [sys.executable, "-m", "dfe_lib.cli", *given]

    return Job("training", command, "tokenizer.unfinished")


def reproduce(folder: Path) -> Job:
    """``dfe reproduce`` and its report, on two notebooks that are done in a moment; their kernels are killed too."""
    notebooks = folder / "notebooks"
    (notebooks / "profiles").mkdir(parents=True)
    (notebooks / "profiles" / "ci.yaml").write_text("defaults: {seed: 3}\n")
    for name, (inputs, outputs, body) in NOTEBOOKS.items():
        _write_notebook(notebooks / f"{name}.ipynb", inputs, outputs, body)
    program = folder / "reproduce.py"
    program.write_text(_REPRODUCE)

    def command(home: Path) -> Sequence[str]:
        return [sys.executable, str(program), str(notebooks), str(home / "results" / "ci")]

    return Job("reproduce", command, "results/ci", ("ipykernel",))


# What `dfe reproduce` does, on notebooks of our own; the digest of the library is left out, as somebody may be at
# work on it while this runs.
_REPRODUCE = """
import sys
from pathlib import Path
from dfe_lib.runner import run
run.provenance.code_digest = lambda: "library"
notebooks, folder = map(Path, sys.argv[1:])
summary = run.reproduce("ci", folder=folder, notebooks=notebooks, profiles=notebooks / "profiles")
run.publish("ci", summary)
sys.exit(not summary.ok)
"""

_PARAMETERS = """
profile: str = "ci"  # which profile
results_dir: str = "x"  # where results go
seed: int = 0  # of everything random
"""
_OPENING = """
from dfe_lib.results import Record
record = Record.open("{name}", results_dir, profile, seed)
record.data("simulated", "a number")
"""


def _write_notebook(path: Path, inputs: list[str], outputs: list[str], body: str) -> None:
    import nbformat

    cell = nbformat.v4.new_code_cell
    opening = _OPENING.format(name=path.stem)
    cells = [
        nbformat.v4.new_markdown_cell(f"# {path.stem}"), cell(_PARAMETERS, metadata={"tags": ["parameters"]}),
        cell(opening), cell(body), cell("record.close()"),
    ]  # fmt: skip
    declared = {"inputs": inputs, "outputs": ["metrics.json", *outputs]}
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for i, one in enumerate(cells):
        one["id"] = f"cell-{i}"
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"dfe": declared, "kernelspec": spec}), path
    )


def extraction(folder: Path) -> Job:
    """``dfe extract`` of eight clips by two workers, which are killed too; Dask runs in the command itself."""
    from dfe_lib.data import manifest

    clips = []
    for i in range(CLIPS):
        clips.append(folder / f"clip-{i}.mp4")
        _beginning(manifest.locate("pyfeat-media", "single_face.mp4"), 16 + 2 * i, clips[-1])

    def command(home: Path) -> Sequence[str]:
        given = ["extract", *map(str, clips), "--out", str(home / "tables"), "--workers", "2"]
        return [sys.executable, "-m", "dfe_lib.cli", *given]

    return Job("extraction", command, "tables", ("spawn_main",))


def _beginning(clip: Path, packets: int, target: Path) -> None:
    """The first frames of a clip; packets are copied, nothing is encoded anew."""
    import av

    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet, _ in zip(source.demux(source.streams.video[0]), range(packets), strict=False):
            packet.stream = stream
            out.mux(packet)


JOBS = {"training": training, "reproduce": reproduce, "extraction": extraction}


def faults(name: str) -> dict[str, float | str]:
    """Kills that a job of ``JOBS`` survived, and what was not as it should be afterwards."""
    with tempfile.TemporaryDirectory(prefix="dfe-faults-") as place:
        given = Path(place) / "given"
        given.mkdir()
        done = survive(JOBS[name](given), Path(place) / "runs", KILLS[name], np.random.default_rng(SEED))
    figures: dict[str, float | str] = {f"kills_of_{victim}": n for victim, n in sorted(done.kills.items())}
    figures |= {
        "kills_survived": done.total if not done.different else 0,
        "runs_to_the_end": done.rounds,
        "lost_doubled_changed_or_left_over": len(done.different),
        "longest_life_of_an_orphan_s": done.orphans_s,
    }
    if done.different:
        figures["first_difference"] = done.different[0]
    return figures
