"""The notebooks: ``dfe reproduce`` runs them, ``dfe explore`` opens one."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from dfe_lib.cli.say import short
from dfe_lib.errors import ConfigError, InputError


def reproduce(
    profile: Annotated[
        str, typer.Option(help="ci, demo, paper (every data set that is at hand), or one of paper's members.")
    ] = "demo",
    only: Annotated[
        list[str] | None, typer.Option(help="A notebook, by number or name; may be repeated.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Recompute elsewhere and compare with the reference.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run even what has not changed.")] = False,
    save_reference: Annotated[
        bool, typer.Option("--save-reference", help="Make the results the reference of --check.")
    ] = False,
) -> None:
    """Run the notebooks of a profile, skip what has not changed, and write report and figures."""
    if check and save_reference:
        raise ConfigError(
            "--check compares with the reference and --save-reference replaces it; give one of them"
        )
    from dfe_lib.paths import REFERENCE
    from dfe_lib.runner import members, run
    from dfe_lib.runner.notebook import load_profile
    from dfe_lib.runner.notebook import members as members_of

    run.prepare(profile, only or ())
    if members_of(profile):
        if check or save_reference:
            raise ConfigError(f"'{profile}' has members; name one, e.g. {members_of(profile)[0]}")
        if not members.reproduce(profile, only or (), force=force).ok:
            raise typer.Exit(1)
        return
    given = None
    if "/" in profile:
        member = load_profile(profile)
        given, only = members.at_hand(member), only or list(member.notebooks)
    if check:
        from dfe_lib.runner import compare

        if not compare.recompute(profile, only or (), REFERENCE / profile):
            raise typer.Exit(1)
        return
    summary = run.reproduce(profile, only or (), force=force, given=given)
    run.publish(profile, summary)
    if save_reference and summary.ok:
        from dfe_lib.runner import compare

        print(f"reference: {len(compare.save(summary.folder, REFERENCE / profile))} notebooks")
    counts = f"{len(summary.ran)} ran, {len(summary.skipped)} up to date"
    if not summary.ok:
        counts += f", {len(summary.failed)} failed, {len(summary.blocked)} not run"
    print(counts)
    print(
        f"results: {short(summary.folder)} (report: {short(summary.folder / 'index.html')})",
        flush=True,
    )
    if not summary.ok:
        raise typer.Exit(1)


def explore() -> None:
    """Open JupyterLab on the token explorer."""
    from dfe_lib.paths import NOTEBOOKS

    notebook = NOTEBOOKS / "08_token_explorer.ipynb"
    if not notebook.is_file():
        raise InputError(f"{notebook} is not there; run from a checkout of the project")
    os.chdir(NOTEBOOKS)
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # as in a container; JupyterLab wants to be told
    command = [sys.executable, "-m", "jupyterlab", notebook.name, *(["--allow-root"] if root else [])]
    os.execv(sys.executable, command)
