"""The ``dfe`` command: thin; each command imports what it needs when it runs, so that ``--help`` is quick.

Exit codes: 0 done, 1 a notebook or check failed, 2 an input, name or file cannot be used, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dfe_lib.errors import ConfigError, DFEError, InputError

app = typer.Typer(
    name="dfe",
    help="Discrete Facial Encoding: face video to tokens to tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(
    help="External files: what is registered, what is at hand, and how to obtain it.", no_args_is_help=True
)
app.add_typer(data, name="data")

Out = Annotated[
    Path, typer.Option("--out", help="One input: a .parquet file. Several: a folder, one file per recording.")
]
_debug = False


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    global _debug  # read by main(), which sees the error after typer has gone
    _debug = debug


@app.command()
def extract(
    clips: Annotated[list[Path], typer.Argument(help="Videos or photographs.", show_default=False)],
    out: Out,
    neutral: Annotated[
        str,
        typer.Option(
            help="What zero means: 'estimated' from each recording, the seconds of a neutral face like '0-1.5', or "
            "'population' (everybody's mean face)."
        ),
    ] = "estimated",
    mirrored: Annotated[
        bool,
        typer.Option(
            "--mirrored",
            help="The clips are mirror images (selfie cameras): mirrored back, left is the subject's own left.",
        ),
    ] = False,
    smooth: Annotated[
        str | None,
        typer.Option(help="kalman or one-euro: smooth the coefficients; as measured by default."),
    ] = None,
) -> None:
    """Video to frame tables: landmarks, head pose and expression coefficients of every frame."""
    targets = _targets(clips, out)
    from dfe_lib.face.extract import extract_many, extract_to

    options = {"neutral": neutral, "mirrored": mirrored, "smooth": smooth, "progress": sys.stderr.isatty()}
    if len(clips) == 1:
        _say_extracted(extract_to(clips[0], targets[0], **options))
        return
    failures = []
    for outcome in extract_many(clips, out, **options):
        if outcome.error is not None:
            failures.append(outcome.error)
            _complain(outcome.error)
            continue
        _say_extracted(outcome)
    _finish_batch(failures, len(clips))


@app.command("import")
def import_(
    inputs: Annotated[
        list[Path], typer.Argument(help="Result folders or files of the tool.", show_default=False)
    ],
    tool: Annotated[
        str,
        typer.Option("--from", help="emoca, deca, smirk, openface, pyfeat or arkit.", show_default=False),
    ],
    out: Out,
    space: Annotated[
        str | None,
        typer.Option(
            help="Which ψ. emoca, deca: flame53 (default), flame50. smirk: flame55, flame53, flame50. "
            "openface: openface34 (p_0 to p_33), openface204 (3-D landmarks)."
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frames per second, for emoca, deca, smirk and pyfeat; without it time_s counts frames."
        ),
    ] = None,
    flame: Annotated[
        Path | None,
        typer.Option(
            help="Your own FLAME 2020 file (generic_model.pkl or .npz); it makes lengths mm. Nothing in it is run."
        ),
    ] = None,
) -> None:
    """What another 3DMM tool has written to frame tables; each input is one recording."""
    targets = _targets(inputs, out)
    from dfe_lib import frames
    from dfe_lib.data.adapters.flame import load_flame
    from dfe_lib.face.importers import import_table

    model = None if flame is None else load_flame(flame)
    failures = []
    for path, target in zip(inputs, targets, strict=True):
        try:
            table = import_table(path, tool, space, fps, model)
            written = frames.write(table, target)
        except InputError as error:
            if len(inputs) == 1:
                raise
            failures.append(error)
            _complain(error)
            continue
        counted = ", time_s counts frames" if table.attrs.get("fps", 0) is None else ""
        print(
            f"{written}: {len(table)} frames, {int(table['detected'].sum())} with a face, "
            f"space {table.attrs['space']}{counted}"
        )
    _finish_batch(failures, len(inputs))


@app.command()
def encode(
    tables: Annotated[
        list[Path], typer.Argument(metavar="FRAMES...", help="Frame tables with psi_ columns.")
    ],
    out: Out,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Folder of a tokenizer; the shipped one by default.")
    ] = None,
    method: Annotated[str, typer.Option(help="encoder, greedy or beam.")] = "beam",
) -> None:
    """Frame tables to tokens: adds one token column per stage; -1 where no face was found."""
    targets = _targets(tables, out)
    import numpy as np

    from dfe_lib import frames
    from dfe_lib.space import space_of
    from dfe_lib.tokens import Tokenizer

    coding, failures = None, []
    for path, target in zip(tables, targets, strict=True):
        try:
            table = frames.read(path, needs=["psi_"])
            space = space_of(table.attrs, str(path))
            if coding is None or coding.space.name != space.name:
                coding = Tokenizer.load(tokenizer, space)
            psi = frames.psi(table, coding.space.names)
            seen = np.isfinite(psi).all(axis=1)
            codes = np.full((len(table), len(coding.gains)), -1, np.int16)
            if seen.any():
                codes[seen] = coding.encode(psi[seen], method=method)
            written = frames.write(frames.with_tokens(table, codes), target)
        except DFEError as error:
            if len(tables) == 1:
                raise
            failures.append(error)
            _complain(error)
            continue
        print(f"{written}: {int(seen.sum())} of {len(table)} frames encoded, {codes.shape[1]} tokens a frame")
    _finish_batch(failures, len(tables))


@app.command()
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
    import yaml

    from dfe_lib.face.morphable import load_morphable
    from dfe_lib.tokens.training import train_from_tables

    given = {}
    if config is not None:
        try:
            given = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(
                f"the settings {config} cannot be read ({' '.join(str(error).split())})"
            ) from error
        if not isinstance(given, dict):
            raise ConfigError(f"the settings {config} must be a mapping of names to values")
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
    print(f"tokenizer: {out}")


@app.command()
def reproduce(
    profile: Annotated[str, typer.Option(help="ci, demo or paper.")] = "demo",
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
    from dfe_lib.runner import run

    run.prepare(profile, only or ())
    if check:
        from dfe_lib.runner import compare

        if not compare.recompute(profile, only or (), REFERENCE / profile):
            raise typer.Exit(1)
        return
    summary = run.reproduce(profile, only or (), force=force)
    run.publish(profile, summary)
    if save_reference and summary.ok:
        from dfe_lib.runner import compare

        print(f"reference: {len(compare.save(summary.folder, REFERENCE / profile))} notebooks")
    counts = f"{len(summary.ran)} ran, {len(summary.skipped)} up to date"
    if not summary.ok:
        counts += f", {len(summary.failed)} failed, {len(summary.blocked)} not run"
    print(counts)
    print(
        f"results: {_short(summary.folder)} (report: {_short(summary.folder / 'report' / 'index.html')})",
        flush=True,
    )
    if not summary.ok:
        raise typer.Exit(1)


@app.command()
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


@app.command()
def bench(
    what: Annotated[str, typer.Argument(help="extraction, tokens, quality, codings or all.")] = "all",
) -> None:
    """Measure speed on this machine against peers in the same run; figures to benchmarks/ and BENCHMARKS.md."""
    from dfe_lib import bench as benchmarks

    result = benchmarks.run(what)
    for suite in benchmarks.SUITES:
        for name, value in result.get(suite, {}).get("figures", {}).items():
            print(f"{suite:<12} {name:<42} {value if isinstance(value, str) else f'{value:,.4g}':>14}")
    print(f"written: {_short(benchmarks.RESULT)}, {_short(benchmarks.REPORT)}")


@app.command()
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
        print(f"{name}: " + (", ".join(f"{k} {v}" for k, v in figures.items()) or "built"), flush=True)


@app.command()
def doctor() -> None:
    """Say what this installation can do: Python, packages, model, assets, GPU, browser, OpenGL."""
    from dfe_lib import doctor as examination

    findings = examination.examine()
    for finding in findings:
        print(f"{finding.mark} {finding.topic:<14} {finding.text}")
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)


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


def main() -> None:
    """Entry point: a clear sentence instead of a traceback, and an exit code."""
    try:
        app(prog_name="dfe")
    except DFEError as error:
        if _debug:
            raise
        _complain(error)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == 130:
            print("dfe: interrupted; nothing half-written was left", file=sys.stderr)
        raise


def _targets(inputs: list[Path], out: Path) -> list[Path]:
    """Where each table goes; a destination that cannot work is refused before any hours are spent."""
    if len(inputs) == 1:
        if out.suffix != ".parquet":
            raise InputError(f"with one input --out is a .parquet file, but got {out}")
        if out.is_dir():
            raise InputError(f"{out} is a folder; with one input --out is a .parquet file")
        return [out]
    from dfe_lib.frames import one_table_each

    return one_table_each(inputs, out)


def _say_extracted(done) -> None:
    print(
        f"{done.table}: {done.n_frames} frames, {done.n_detected} with a face, {done.frames_per_second:.1f} frames/s"
    )


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


def _finish_batch(failures: list[DFEError], total: int) -> None:
    if failures:
        print(f"dfe: {len(failures)} of {total} recordings failed; the others were written", file=sys.stderr)
        raise typer.Exit(2)


def _complain(error: BaseException) -> None:
    print(f"dfe: {' '.join(str(error).split())}", file=sys.stderr, flush=True)


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    main()
