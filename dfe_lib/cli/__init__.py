"""The ``dfe`` command: thin; each command imports what it needs when it runs, so that ``--help`` is quick.

One module per group of commands; they are registered here, in the order of ``dfe --help``. A new command is a
function in its group's module, one line below and its examples in ``examples``.

Exit codes: 0 done, 1 a notebook or check failed, 2 an input, name or file cannot be used, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dfe_lib.cli import data, making, notebooks, recordings
from dfe_lib.cli.examples import EPILOGS
from dfe_lib.cli.say import complain, say
from dfe_lib.errors import DFEError

app = typer.Typer(
    name="dfe",
    help="Discrete Facial Encoding: face video to tokens to tables.",
    epilog=EPILOGS[""],
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


_PANELS = {
    "Your own video": {
        "extract": recordings.extract,
        "import": recordings.import_,
        "encode": recordings.encode,
        "export": recordings.export,
        "explore": notebooks.explore,
    },
    "The notebooks": {"reproduce": notebooks.reproduce, "diff": notebooks.diff, "scrub": notebooks.scrub},
    "Making and measuring": {"train": making.train, "build": making.build, "bench": making.bench},
    "This installation": {"doctor": making.doctor},
}
for _panel, _commands in _PANELS.items():
    for _name, _function in _commands.items():
        app.command(_name, rich_help_panel=_panel, epilog=EPILOGS[_name])(_function)
app.add_typer(data.data, name="data", rich_help_panel="This installation", epilog=EPILOGS["data"])


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
            say("dfe: interrupted; nothing half-written was left", error=True)
        raise
