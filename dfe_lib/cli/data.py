"""``dfe data``: external files: what is registered, what is at hand, and how to obtain it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dfe_lib.cli.say import say

data = typer.Typer(
    help="External files: what is registered, what is at hand, and how to obtain it.", no_args_is_help=True
)


@data.command("list")
def data_list() -> None:
    """Every registered data set: access, licence, size, and whether it is at hand."""
    from dfe_lib.data import manifest

    say(manifest.list_rows().to_string(index=False, max_colwidth=60))


@data.command("fetch")
def data_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Entries; all open ones by default.")] = None,
) -> None:
    """Obtain open data sets: from the cache, a mirror, or their publisher; hashes are checked."""
    from dfe_lib.data.fetch import fetch

    _finish_outcomes(fetch(names or None))  # it says each entry as it goes


@data.command("verify")
def data_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Entries; all open ones by default.")] = None,
) -> None:
    """Compare the sha256 of every file at hand with the manifest."""
    from dfe_lib.data import manifest

    _say_outcomes(manifest.verify(names or None))


@data.command("where")
def data_where(name: Annotated[str, typer.Argument(help="An entry.")]) -> None:
    """Where one data set is looked for, its licence, what may not be passed on, what it holds, and how to get it."""
    from dfe_lib.data import manifest
    from dfe_lib.data.datasets import DATASETS, docs

    registered = name in manifest.load_manifest().entries
    if registered or name not in DATASETS:
        say(manifest.where(name))
    if name in DATASETS:
        say(docs.summary(DATASETS[name]))


@data.command("extract")
def data_extract(
    name: Annotated[str, typer.Argument(help="A data set; `dfe data where NAME` says what it holds.")],
    root: Annotated[
        Path | None, typer.Option(help="Its folder; DFE_DATA_DIR/NAME by default.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the tables; DFE_DATA_DIR/derived/NAME/frames by default.", show_default=False
        ),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out recordings that cannot be used, and name them.")
    ] = False,
) -> None:
    """Every recording of a data set to a frame table with ψ; the same command takes up an unfinished run."""
    from dfe_lib.data.datasets import open_dataset
    from dfe_lib.face.datasets import extract_dataset

    dataset = open_dataset(name, root, out, keep_going)
    made = sum(outcome.error is None for outcome in extract_dataset(dataset, progress=sys.stderr.isatty()))
    for recording, why in dataset.skipped.items():
        say(f"dfe: left out {recording}: {' '.join(why.split())}", error=True)
    kept = len(dataset.recordings)
    say(
        f"{dataset.frames_path}: {made} tables written, {kept - made} were there, {len(dataset.skipped)} left out"
    )


@data.command("docs")
def data_docs(
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("docs/datasets"),
) -> None:
    """Write a page per data set, from the manifest and the readers."""
    from dfe_lib.data.datasets import DATASETS, docs

    say(f"{out}: {len(docs.write(out, DATASETS))} pages")


def _say_outcomes(outcomes) -> None:
    for outcome in outcomes:
        size = f"  {outcome.bytes / 1e6:.1f} MB" if outcome.bytes else ""
        say(f"{outcome.entry:<28} {outcome.state}{size}")
    _finish_outcomes(outcomes)


def _finish_outcomes(outcomes) -> None:
    failures = [outcome for outcome in outcomes if not outcome.ok]
    for outcome in failures:
        say(f"dfe: {outcome.reason}", error=True)
    if failures:
        raise typer.Exit(2)
