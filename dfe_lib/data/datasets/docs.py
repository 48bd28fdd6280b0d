"""A page per data set, made from its manifest entry and its reader, so that none can say what is no longer so."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from dfe_lib.data.access import GATED
from dfe_lib.data.datasets.base import FEEDS, TASKS, Dataset
from dfe_lib.data.registry import Entry, load_manifest
from dfe_lib.paths import PROFILES

RATE = 50.0  # frames/s of an extraction on two cores, rounded down from BENCHMARKS.md (extract_frames_per_s)
FRAMES_PER_SECOND = 30.0
NOTEBOOKS = {"stress": "05_stress", "personality": "06_personality", "depression": "07_depression"}
_ACCESS = {
    "open": "anybody may fetch it",
    "registration": "after signing up with its owners",
    "request": "given by its authors when asked",
    "agreement": "after signing its owners' agreement",
}


def pages(kinds: dict[str, type[Dataset]]) -> dict[str, str]:
    """File name → content of every page, and of the list of them."""
    made = {f"{name}.md": page(kind) for name, kind in kinds.items()}
    lines = [
        f"| [{n}]({n}.md) | {_first(k)} | {_access(n)} | {', '.join(sorted(k.feeds))} |"
        for n, k in kinds.items()
    ]
    head = [
        "# Data sets, one by one",
        "",
        _NOTE,
        "",
        "| name | what | access | holds |",
        "| --- | --- | --- | --- |",
    ]
    made["list.md"] = "\n".join([*head, *lines, ""])
    return made


def write(folder: str | Path, kinds: dict[str, type[Dataset]]) -> list[Path]:
    """Write every page below ``folder``; what is written by hand there (README.md) is left alone."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(kinds).items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pages(kinds)]


def page(kind: type[Dataset]) -> str:
    """The page of one data set, as Markdown."""
    entry = load_manifest().entries.get(kind.name)
    lines = [f"# {kind.name}", "", _NOTE, "", _first(kind), ""]
    if entry is not None:
        lines += _table(
            {
                "title": entry.title,
                "version": entry.version,
                "access": f"{entry.access}: {_ACCESS[entry.access]}",
                "licence": entry.licence,
                "cite": entry.citation,
                "how to get it": entry.manual,
                "where it is looked for": f"`DFE_DATA_DIR/{kind.name}`, or the folder that you name",
                "may not be passed on": terms(entry),
            }
        )
    lines += ["## Layout", "", *([f"`{entry.layout}`", ""] if entry is not None else [])]
    lines += [f"Known from: {kind.source_of_layout}.", ""]
    if entry is not None:
        lines += [
            "Tested on a generated folder of this layout; no copy of the set was at hand when this was written.",
            "",
        ]
    if kind.partial:
        lines += [f"Files may be missing: {kind.partial}.", ""]
    lines += ["## What it holds, and what can be had from it", ""]
    lines += [f"- `{feed}`: {FEEDS[feed]}" for feed in sorted(kind.feeds)] + [""]
    if kind.labels:
        lines += [
            "| label | meaning |",
            "| --- | --- |",
            *(f"| `{c}` | {m} |" for c, m in kind.labels.items()),
            "",
        ]
    if kind.metric:
        lines += [f"Metric of its benchmark: {kind.metric}.", ""]
    lines += ["## Known defects, and what is done about them", "", *(f"- {d}" for d in kind.defects), ""]
    lines += ["## How to run it", "", "```python", *_example(kind, entry), "```", "", *_runs(kind, entry)]
    return "\n".join(lines)


def summary(kind: type[Dataset]) -> str:
    """A few lines for ``dfe data where``: what may not be passed on, what the set holds, what is wrong with it."""
    entry = load_manifest().entries.get(kind.name)
    lines = [] if entry is not None else [f"{kind.name}: {_first(kind)}"]
    if entry is not None:
        lines.append(f"  not to be passed on: {terms(entry)}")
    lines += [f"  holds {feed}: {FEEDS[feed]}" for feed in sorted(kind.feeds)]
    lines += [f"  label {c}: {m}" for c, m in kind.labels.items()]
    lines += [f"  defect: {d}" for d in kind.defects]
    return "\n".join([*lines, f"  layout known from: {kind.source_of_layout}"])


def terms(entry: Entry) -> str:
    """What may not be passed on, in a sentence."""
    if entry.access in GATED:
        return (
            "the files, and every table made from them with a row per person, recording or frame (`dfe export` refuses "
            "them; per-person rows stay in your own results folder)"
        )
    return (
        f"nothing beyond what its licence says ({entry.licence}); ask yourself whether those shown would mind"
    )


_NOTE = "*Made by `dfe data docs` from the manifest and the reader; do not edit.*"


def _first(kind: type[Dataset]) -> str:
    text = kind.__doc__ if kind.__dict__.get("__doc__") else sys.modules[kind.__module__].__doc__
    return inspect.cleandoc(text or "").splitlines()[0]


def _access(name: str) -> str:
    entry = load_manifest().entries.get(name)
    return "your own" if entry is None else entry.access


def _table(rows: dict[str, str]) -> list[str]:
    return ["| | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in rows.items()), ""]


def _example(kind: type[Dataset], entry: Entry | None) -> list[str]:
    root = "" if entry is not None else ', "path/to/folder"'
    return [
        "from dfe_lib.data.datasets import open_dataset",
        "",
        f'dataset = open_dataset("{kind.name}"{root})',
        "dataset.recordings  # one row per recording, with labels",
        "dataset.frames(dataset.recordings.recording[0])",
    ]


def _runs(kind: type[Dataset], entry: Entry | None) -> list[str]:
    lines = []
    root = "" if entry is not None else " --root path/to/folder"
    if kind.feeds & {"video", "pictures", "landmarks68", "landmarks68_2d"}:
        lines.append(
            f"- `dfe data extract {kind.name}{root}` makes ψ of every recording; it can be interrupted."
        )
    if kind.feeds & {"video", "pictures"}:
        lines.append(f"- Time to expect on two cores, {RATE:.0f} frames/s: {_hours(kind)}")
    elif kind.feeds & {"landmarks68", "landmarks68_2d"}:
        lines.append("- Time to expect: that of reading the text files; there are no pictures to look at.")
    for task, columns in TASKS.items():
        profile = PROFILES / "paper" / f"{task}-{kind.name}.yaml"
        if profile.is_file():
            lines.append(
                f"- Task {task}: notebook {NOTEBOOKS[task]} with `dataset: {kind.name}`; "
                f"`dfe reproduce --profile paper/{task}-{kind.name}`, or `--profile paper` for all that is at hand."
            )
        elif set(columns) & set(kind.labels):
            lines.append(f"- Task {task}: notebook {NOTEBOOKS[task]} with `dataset: {kind.name}`.")
    if kind.feeds == {"aus"}:
        lines.append(
            "- It holds action units alone: tables have the rows of FACS and the controls, and drivers are units."
        )
    for profile in sorted((PROFILES / "paper").glob(f"coverage-{kind.name}.yaml")):
        lines.append(
            f"- Coverage and comparison of codings on its faces: notebooks 03 and 04, "
            f"`dfe reproduce --profile paper/{profile.stem}`."
        )
    if kind.name == "affectnet":
        lines.append(
            "- A tokenizer of its faces: `dfe train DFE_DATA_DIR/derived/affectnet/frames/*.parquet --out DIR`."
        )
    if entry is not None and not any(set(c) & set(kind.labels) for c in TASKS.values()):
        lines.append(f"- No task of the notebooks 05 to 07; it serves {entry.used_for}.")
    return [*lines, ""] if lines else []


def _hours(kind: type[Dataset]) -> str:
    ratio = FRAMES_PER_SECOND / RATE
    if kind.film is None:
        return f"{ratio:.1f} hours for an hour of film at {FRAMES_PER_SECOND:.0f} frames/s."
    hours = kind.film * ratio
    return f"about {hours:,.0f} hours for {kind.film:,.0f} hours of film at {FRAMES_PER_SECOND:.0f} frames/s."
