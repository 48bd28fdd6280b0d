"""The notebooks: ``dfe reproduce`` runs them, ``dfe diff`` compares two runs, ``dfe explore`` opens one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dfe_lib.cli.say import say, short
from dfe_lib.errors import ConfigError


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

        say(f"reference: {len(compare.save(summary.folder, REFERENCE / profile))} notebooks")
    counts = f"{len(summary.ran)} ran, {len(summary.skipped)} up to date"
    if not summary.ok:
        counts += f", {len(summary.failed)} failed, {len(summary.blocked)} not run"
    say(counts)
    say(f"results: {short(summary.folder)} (report: {short(summary.folder / 'index.html')})")
    if not summary.ok:
        raise typer.Exit(1)


def diff(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="A results folder, e.g. results/demo.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another, e.g. a copy from before.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The page; RUN_B/diff.html by default.", show_default=False)
    ] = None,
) -> None:
    """What differs between two runs: parameters, data, metrics beyond tolerance, figures, notebooks.

    Exit code 0: nothing. 1: something. 2: they cannot be compared.
    """
    if out is not None and out.suffix != ".html":
        raise ConfigError(f"--out is an .html file, but got {out}")
    from dfe_lib.report import changes, difference

    found = changes.between(run_a, run_b)
    say(changes.summary(found))
    say(f"side by side: {short(difference.write(found, out or run_b / 'diff.html'))}")
    if not found.same:
        raise typer.Exit(1)


def explore(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A clip, or a frame table from `dfe extract` or `dfe encode`; the shipped recordings by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Open JupyterLab on the token explorer, with a clip or frame table of your own."""
    from dfe_lib.explorer.opening import open_lab

    open_lab(file, progress=sys.stderr.isatty())


def scrub(
    results: Annotated[
        Path, typer.Argument(help="A results folder, or a folder of tables.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="The copy; a folder that is not there yet.")],
    key: Annotated[
        Path | None,
        typer.Option("--key", help="A file for the pseudonyms, to be kept; by default nobody keeps them."),
    ] = None,
) -> None:
    """Copy results for others: no pictures of people, no landmarks, names, places or users.

    What was left out is counted. docs/privacy.md says what the copy still tells of people.
    """
    from dfe_lib.sharing import scrub as copy
    from dfe_lib.sharing import write_key

    if key is not None and key.resolve().is_relative_to(out.resolve()):
        raise ConfigError(f"the key {key} would lie in the copy that it opens; keep it elsewhere")
    done = copy(results, out)
    if key is not None:
        write_key(done.key, key)
    say("left out: " + (", ".join(f"{n} {what}" for what, n in done.removed.items()) or "nothing"))
    say("kept: " + ", ".join(f"{n} .{kind}" for kind, n in done.kept.items()))
    say(
        f"{len(done.key)} names have pseudonyms"
        + (f", the key is {short(key)}" if key else ", no key is kept")
    )
    say(f"for others: {short(done.folder)}")
