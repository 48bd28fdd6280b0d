"""Making and measuring: ``dfe train``, ``dfe bench``, ``dfe build``, ``dfe doctor``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from dfe_lib.cli.say import say, short
from dfe_lib.errors import ConfigError


def train(
    tables: Annotated[
        list[Path], typer.Argument(metavar="FRAMES...", help="Frame tables with psi_ columns.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the tokenizer that is written.")],
    config: Annotated[Path | None, typer.Option(help="YAML file with training settings.")] = None,
    recordings: Annotated[
        Path | None,
        typer.Option(
            help="CSV with recording, subject and dataset; without it every recording is a subject. "
            "A tenth of the subjects is held out."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Overrides the seed of the settings.")] = None,
) -> None:
    """Train a tokenizer of your own on frame tables; the same command takes up an unfinished training.

    torchrun shares the work among processes: torchrun --nproc-per-node 2 -m dfe_lib.cli train FRAMES... --out DIR
    """
    from dfe_lib.face.morphable import load_morphable
    from dfe_lib.tokens.settings import read_settings
    from dfe_lib.tokens.training import train_from_tables

    given = {} if config is None else read_settings(config)
    if seed is not None:
        given["seed"] = seed
    whose = None
    if recordings is not None:
        from dfe_lib.data.cohort import read_recordings

        whose = read_recordings(recordings)
    displacements = load_morphable("face478").expressions
    train_from_tables(
        tables, out, given, recordings=whose, displacements=displacements, progress=sys.stderr.isatty()
    )
    say(f"tokenizer: {out}")


def bench(
    what: Annotated[
        str, typer.Argument(help="one suite of BENCHMARKS.md, such as tokens; or all of them.")
    ] = "all",
) -> None:
    """Measure speed on this machine against peers in the same run; figures to benchmarks/ and BENCHMARKS.md."""
    from dfe_lib import bench as benchmarks

    result = benchmarks.run(what)
    for suite in benchmarks.SUITES:
        for name, value in result.get(suite, {}).get("figures", {}).items():
            say(f"{suite:<12} {name:<42} {value if isinstance(value, str) else f'{value:,.4g}':>14}")
    say(f"written: {short(benchmarks.RESULT)}, {short(benchmarks.REPORT)}")


def build(
    names: Annotated[
        list[str] | None, typer.Argument(help="Artefacts, in the given order; all by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder, instead of the shipped one's place.")
    ] = None,
) -> None:
    """Make the shipped artefacts again from their sources."""
    from dfe_lib import build as builds
    from dfe_lib.errors import choices

    for name in names or ():
        if name not in builds.TARGETS:
            raise ConfigError(f"nothing to build by that name: {choices(name, builds.TARGETS)}")
    for name in names or builds.TARGETS:
        figures = builds.build(name, out / name if out else None)
        say(f"{name}: " + (", ".join(f"{k} {v}" for k, v in figures.items()) or "built"))


def doctor() -> None:
    """Say what this installation can do: versions, model, assets and where they lie, GPU, browser, OpenGL, disk."""
    from dfe_lib import doctor as examination

    findings = examination.examine()
    say(examination.page(findings, shutil.get_terminal_size().columns))
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)
