"""``dfe data``: external files: what is registered, what is at hand, and how to obtain it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

data = typer.Typer(
    help="External files: what is registered, what is at hand, and how to obtain it.", no_args_is_help=True
)


@data.command("list")
def data_list() -> None:
    """Every registered data set: access, licence, size, and whether it is at hand."""
    from dfe_lib.data import manifest

    print(manifest.list_rows().to_string(index=False, max_colwidth=60))


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
    """Where one data set is looked for, its licence, and how to get it by hand."""
    from dfe_lib.data import manifest

    print(manifest.where(name))


def _say_outcomes(outcomes) -> None:
    for outcome in outcomes:
        size = f"  {outcome.bytes / 1e6:.1f} MB" if outcome.bytes else ""
        print(f"{outcome.entry:<28} {outcome.state}{size}")
    _finish_outcomes(outcomes)


def _finish_outcomes(outcomes) -> None:
    failures = [outcome for outcome in outcomes if not outcome.ok]
    for outcome in failures:
        print(f"dfe: {outcome.reason}", file=sys.stderr)
    if failures:
        raise typer.Exit(2)
