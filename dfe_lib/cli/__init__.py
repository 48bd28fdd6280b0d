"""The ``dfe`` command: thin; each command imports what it needs when it runs, so that ``--help`` is quick.

One module per group of commands; they are registered here, in the order of ``dfe --help``. A new command is a
function in its group's module and one line below.

Exit codes: 0 done, 1 a notebook or check failed, 2 an input, name or file cannot be used, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dfe_lib.cli import data, making, notebooks, recordings
from dfe_lib.cli.say import complain
from dfe_lib.errors import DFEError

app = typer.Typer(
    name="dfe",
    help="Discrete Facial Encoding: face video to tokens to tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_debug = False


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    global _debug  # read by main(), which sees the error after typer has gone
    _debug = debug


app.command()(recordings.extract)
app.command("import")(recordings.import_)
app.command()(recordings.encode)
app.command()(recordings.export)
app.command()(making.train)
app.command()(notebooks.reproduce)
app.command()(notebooks.diff)
app.command()(notebooks.explore)
app.command()(making.bench)
app.command()(making.build)
app.command()(making.doctor)
app.add_typer(data.data, name="data")


def main() -> None:
    """Entry point: a clear sentence instead of a traceback, and an exit code."""
    try:
        app(prog_name="dfe")
    except DFEError as error:
        if _debug:
            raise
        complain(error)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == 130:
            print("dfe: interrupted; nothing half-written was left", file=sys.stderr)
        raise
