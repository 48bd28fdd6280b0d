"""Recordings to tables and out again: ``dfe extract``, ``dfe import``, ``dfe encode``, ``dfe export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfe_lib.cli.batch import SchedulerOption, WorkersOption, many
from dfe_lib.cli.say import Out, complain, finish_batch, say, targets_of
from dfe_lib.errors import ConfigError, DFEError, InputError, choices

MANY = 1000  # token tables from which workers count sooner than they take to start


def extract(
    clips: Annotated[
        list[Path],
        typer.Argument(
            help="Videos or photographs, or one .csv or .txt that lists them.", show_default=False
        ),
    ],
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
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Video to frame tables: landmarks, head pose and expression coefficients of every frame.

    What is done stays: the same command goes on where an earlier one was broken off. What cannot be used is tried
    three times and then set aside in OUT/quarantine.
    """
    from dfe_lib import __version__
    from dfe_lib.batch.recordings import extraction
    from dfe_lib.face.passes.second import Telling
    from dfe_lib.paths import ASSETS
    from dfe_lib.provenance import digest

    options = {"neutral": neutral, "mirrored": mirrored, "smooth": smooth}
    Telling(**options)  # refuses what is unknown before any worker starts
    weights = digest([ASSETS / "expression-regressor", ASSETS / "picture-regressor"])
    depends = {**options, "version": __version__, "weights": weights}
    many(
        clips, out, workers, scheduler, lambda job, place: extraction(job, place, options), depends,
        "dfe extract", "{frames} frames, {measured} with a face",
    )  # fmt: skip


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
            "openface: openface34 (p_0 to p_33), openface204 (3-D landmarks), ict53 (from its 68 landmarks)."
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
    targets = targets_of(inputs, out)
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
            complain(error)
            continue
        counted = ", time_s counts frames" if table.attrs.get("fps", 0) is None else ""
        say(
            f"{written}: {len(table)} frames, {int(table['detected'].sum())} with a face, "
            f"space {table.attrs['space']}{counted}"
        )
    finish_batch(failures, len(inputs))


def encode(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="FRAMES...", help="Frame tables with psi_ columns, or one .csv or .txt that lists them."
        ),
    ],
    out: Out,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Folder of a tokenizer; the shipped one by default.")
    ] = None,
    method: Annotated[str, typer.Option(help="encoder, greedy or beam.")] = "beam",
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Frame tables to tokens: adds one token column per stage; -1 where no face was found.

    What is done stays: the same command goes on where an earlier one was broken off.
    """
    from dfe_lib import __version__, artefacts
    from dfe_lib.batch.inputs import LISTS
    from dfe_lib.batch.recordings import encoding
    from dfe_lib.paths import ASSETS
    from dfe_lib.provenance import digest
    from dfe_lib.tokens import storage
    from dfe_lib.tokens.tables import encode_table

    if len(tables) == 1 and tables[0].suffix not in LISTS and workers is None and scheduler is None:
        (target,) = targets_of(tables, out)
        done = encode_table(tables[0], target, tokenizer, method)
        say(f"{done.table}: {done.encoded} of {done.frames} frames encoded, {done.stages} tokens a frame")
        return
    artefacts.load(tokenizer or "tokenizer", storage.KIND)  # not the fault of any recording
    weights = digest([tokenizer or ASSETS / "tokenizer"])
    depends = {"method": method, "version": __version__, "weights": weights}
    many(
        tables, out, workers, scheduler, lambda job, place: encoding(job, place, tokenizer, method), depends,
        "dfe encode", "{measured} of {frames} frames encoded",
    )  # fmt: skip


def export(
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="FRAMES...", help="Frame tables; with --bags also folders of them."),
    ],
    format: Annotated[str, typer.Option(help="openface, pyfeat, csv or parquet.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="One input, or --bags: a .csv or .parquet file. Several: a folder, one file each."
        ),
    ],
    units: Annotated[
        bool, typer.Option("--units", help="Add action units read from ψ (openface, pyfeat).")
    ] = False,
    bags: Annotated[
        bool,
        typer.Option("--bags", help="One row per recording: how often each token occurs (csv, parquet)."),
    ] = False,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Whose tokens are counted; the shipped one's by default.")
    ] = None,
) -> None:
    """Frame tables for other people's scripts, each with a .json that explains its columns; gated data are refused."""
    from dfe_lib import export as exports
    from dfe_lib import frames

    if format not in exports.FORMATS:
        raise ConfigError(f"no such format: {choices(format, exports.FORMATS)}")
    if bags:
        if units:
            raise ConfigError("--bags counts tokens and has no place for --units")
        from dfe_lib.bags import export_bags
        from dfe_lib.shards import find
        from dfe_lib.space import space_of
        from dfe_lib.tokens import Tokenizer

        tables = find(tables)
        coding = Tokenizer.load(tokenizer, space_of(frames.attrs(tables[0]), str(tables[0])))
        if len(tables) < MANY:
            done = export_bags(tables, out, len(coding.templates), format)
        else:
            from dfe_lib.batch.workers import workers

            with workers() as pool:
                done = export_bags(tables, out, len(coding.templates), format, pool)
        say(f"{done.table}: {done.rows} recordings; columns in {done.sidecar.name}")
        return
    targets, failures = targets_of(tables, out, exports.FORMATS[format]), []
    for path, target in zip(tables, targets, strict=True):
        try:
            done = exports.export(frames.read(path), target, format, units, path)
        except DFEError as error:
            if len(tables) == 1:
                raise
            failures.append(error)
            complain(error)
            continue
        say(f"{done.table}: {done.rows} frames; columns in {done.sidecar.name}")
    finish_batch(failures, len(tables))
