"""Training of the tokenizer on expression coefficients, in memory or from tables of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dfe_lib import frames
from dfe_lib.errors import InputError
from dfe_lib.locks import alone, clear
from dfe_lib.progress import bar as progress_bar
from dfe_lib.shards import find
from dfe_lib.space import ICT53, ExpressionSpace, space_of
from dfe_lib.staging import recover, staged_file
from dfe_lib.tokens import checkpoint
from dfe_lib.tokens.data import Shuffled, split_subjects, spool
from dfe_lib.tokens.fit import N_VALIDATION, PHASES, Run
from dfe_lib.tokens.parallel import Team, team
from dfe_lib.tokens.settings import TrainingConfig, resolve_device
from dfe_lib.tokens.tokenizer import Tokenizer

__all__ = ["Trained", "TrainingConfig", "resolve_device", "split_subjects", "train", "train_from_tables"]


@dataclass(frozen=True)
class Trained:
    """A tokenizer and how it came about.

    Attributes
    ----------
    tokenizer : ready for use.
    history : one row per epoch: ``phase``, ``epoch``, ``loss`` and its parts (``reconstruction`` and
        ``commitment`` in mm²), ``rms_mm`` on the training frames as they passed, ``dead`` codes replaced,
        ``perplexity_<stage>`` over the whole epoch. With held-out frames:
        ``held_out_rms_mm`` and ``held_out_perplexity_<stage>`` (encoder), and ``held_out_beam_mm`` (beam, in
        refine epochs and at the end of each phase). In a space whose unit is not mm the columns say that unit.
    """

    tokenizer: Tokenizer
    history: pd.DataFrame


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order, so that a seed gives the same tokenizer on any number of cores.

    Steps this small gain little from a second core, and lose much when another process wants it too.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def train(
    psi: np.ndarray,
    config: TrainingConfig | None = None,
    validation: np.ndarray | None = None,
    space: ExpressionSpace = ICT53,
    *,
    displacements: np.ndarray | None = None,
    progress: bool = True,
    on_epoch: Callable[[dict], None] | None = None,
) -> Trained:
    """Train a tokenizer.

    Parameters
    ----------
    psi : (n, d) float32, finite; at least as many frames as codes.
    config : by default ``TrainingConfig()``.
    validation : (m, d) frames of subjects that are not in ``psi``. They are never learnt from, but the refine
        phase ends early when they get no better.
    displacements : (d, V, 3) mm per unit of each coefficient, for the sparsity term; without it the term is
        taken on the coefficients.
    progress : a progress bar, on a terminal or in a live notebook.
    on_epoch : called with each row of the history.

    Raises
    ------
    InputError : NaN, wrong dimension, fewer frames than codes, or frames that are all alike.
    RunError : the loss is no longer finite.

    Examples
    --------
    >>> from dfe_lib.data.displays import sample_displays
    >>> psi = sample_displays(512, np.random.default_rng(0))
    >>> small = TrainingConfig(codes=16, stages=2, joint_epochs=1, refine_epochs=0, follow_epochs=0)
    >>> train(psi, small, progress=False).tokenizer.templates.shape
    (16, 53)
    """
    config = TrainingConfig() if config is None else config
    source = Shuffled(space.check(psi))
    _check_enough(source, config)
    held_out = None if validation is None else space.check(validation)[:N_VALIDATION]
    run = Run(source, config, space, held_out, displacements)
    history = _complete(run, checkpoint.Place(), progress, on_epoch)
    return Trained(run.tokenizer(), pd.DataFrame(history))


def _check_enough(source: Shuffled, config: TrainingConfig) -> None:
    if source.n < config.codes:
        raise InputError(
            f"{source.n} frames are too few to learn {config.codes} codes; give more frames or fewer codes"
        )
    sample = source.sample(65_536, config.seed)
    if not np.ptp(sample, axis=0).any():
        raise InputError(f"all {source.n} frames are alike; a codebook needs frames that differ")


def _complete(
    run: Run,
    place: checkpoint.Place,
    progress: bool,
    on_epoch: Callable[[dict], None] | None = None,
    keep: Callable[[checkpoint.Place], None] | None = None,
) -> list[dict]:
    """Take a run from its place to the end; ``keep`` is called now and then, to save it."""
    seed, steps_done = run.config.seed, 0
    bar = progress_bar(
        total=sum(run.epochs.values()),
        initial=len(place.history),
        desc="tokenizer",
        unit="epoch",
        show=progress and run.team.leads,
    )
    with bar:
        while place.phase < len(PHASES):
            phase = PHASES[place.phase]
            if run.phase != phase:
                run.begin(phase)
            while place.epoch < run.epochs[phase] and not _stale(place.history, phase, run):
                batches = run.psi.batches(run.batch, [seed, 3 + place.phase, place.epoch], place.step)
                for rows in batches:
                    run.step(place.epoch, place.step, rows)
                    place.step, steps_done = place.step + 1, steps_done + 1
                    if keep is not None and steps_done % checkpoint.EVERY == 0:
                        keep(place)
                row = {"phase": phase, "epoch": len(place.history) + 1, **run.report(place.epoch)}
                place.history.append(row)
                place.epoch, place.step = place.epoch + 1, 0
                if keep is not None:
                    keep(place)
                bar.update()
                unit = run.space.unit
                bar.set_postfix(
                    {f"rms_{unit}": f"{row[f'rms_{unit}']:.3f}"}, perplexity=f"{row['perplexity_0']:.0f}"
                )
                if on_epoch is not None and run.team.leads:
                    on_epoch(row)
            place.phase, place.epoch = place.phase + 1, 0
    return place.history


def _stale(history: list[dict], phase: str, run: Run) -> bool:
    """Refining has not improved the held-out error for ``patience`` epochs."""
    name, patience = f"held_out_beam_{run.space.unit}", run.config.patience
    errors = [row[name] for row in history if row["phase"] == phase and name in row]
    return phase == "refine" and len(errors) > patience and min(errors[-patience:]) >= min(errors[:-patience])


@_one_thread()
def train_from_tables(
    paths: Iterable[str | Path],
    out: str | Path,
    config: Mapping[str, object] | TrainingConfig | None = None,
    *,
    recordings: pd.DataFrame | None = None,
    displacements: np.ndarray | None = None,
    progress: bool = True,
) -> Trained:
    """Train on the ψ columns of frame tables (Parquet) of any size and save the tokenizer.

    The tables say which expression space they are in; a table that says nothing is in ICT53. A tenth of the subjects
    is held out. Who is who: ``recordings`` (columns ``recording``, ``subject``, …),
    else each recording counts as a subject. The unfinished run lives in ``<out>.unfinished``; the same call
    takes it up again and ends with the same bits (on a CPU) as if it had never been broken off. Under torchrun
    the processes share the work.

    Parameters
    ----------
    paths : .parquet files, and folders of them (:func:`dfe_lib.shards.find`).
    out : folder of the tokenizer; ``history.csv`` is written beside its tensors.
    config : a configuration, or names and values such as ``{"codes": "64"}``.
    displacements : (53, V, 3) mm, of ICT53, in which sparsity is measured; not used for tables in another space.

    Raises
    ------
    InputError : no psi columns, tables of different spaces, no usable frame, a recording without a subject, a
        single subject, an unfinished run with other settings, or what :func:`train` refuses.
    BusyError : another training for the same ``out`` is under way.
    ConfigError : an unknown setting.
    RunError : the loss is no longer finite; the batch is kept in ``<out>.unfinished``.
    """
    if not isinstance(config, TrainingConfig):
        config = TrainingConfig.from_mapping(config or {})
    paths, out = find(paths), Path(out)
    work = out.with_name(out.name + ".unfinished")
    with team() as members, alone(work, f"dfe train --out {out}") if members.leads else nullcontext():
        trained = _train_in(work, paths, config, recordings, displacements, progress, members)
        members.wait()  # the others may still look into the files that are removed now
        if members.leads:
            folder = trained.tokenizer.save(out)
            with staged_file(folder / "history.csv") as place:
                trained.history.to_csv(place, index=False)
            clear(work)
        members.wait()
    return trained


def _train_in(
    work: Path,
    paths: list[Path],
    config: TrainingConfig,
    recordings: pd.DataFrame | None,
    displacements: np.ndarray | None,
    progress: bool,
    members: Team,
) -> Trained:
    saved = work / "checkpoint"
    if members.leads:
        recover(saved)
    try:
        space = _common_space(paths)
        if members.leads:
            spool(paths, work, space, config.seed, recordings)
        members.wait()
        data = spool(paths, work, space, config.seed, recordings, write=False)
        source = Shuffled(data.training)
        _check_enough(source, config)
    except InputError:
        if members.leads and not saved.exists():
            clear(work)  # nothing in it was worth anything
        raise
    held_out = Shuffled(data.validation).sample(N_VALIDATION, config.seed)
    shown = displacements if space.name == ICT53.name else None
    run = Run(source, config, space, held_out, shown, members, work)
    place = checkpoint.restore(saved, run, data.fingerprint) if saved.exists() else checkpoint.Place()

    def keep(place: checkpoint.Place) -> None:
        if members.leads:
            checkpoint.save(saved, run, place, data.fingerprint)

    history = _complete(run, place, progress, keep=keep)
    tokenizer = run.tokenizer()
    more = f" and {len(paths) - 8} more files" if len(paths) > 8 else ""
    tokenizer.card = {
        "what": f"Tokenizer of expression coefficients, space {space.name}",
        "made_from": f"{len(data.training) + len(data.validation)} frames of "
        + ", ".join(p.name for p in paths[:8])
        + more,
        "rebuild": "dfe train FRAMES... --out DIR --config FILE.yaml, where FILE.yaml holds the config of this card",
        "held_out_subjects": list(data.held_out),
        "data": data.fingerprint,
    }
    return Trained(tokenizer, pd.DataFrame(history))


def _common_space(paths: Iterable[Path]) -> ExpressionSpace:
    """The expression space that all tables are in."""
    space, first = ICT53, None
    for path in paths:
        own = space_of(frames.attrs(path), str(path))
        if first is None:
            space, first = own, path
        elif (own.name, own.names) != (space.name, space.names) or not np.array_equal(
            own.metric, space.metric
        ):
            raise InputError(
                f"{path} holds ψ of space '{own.name}', but {first} of space '{space.name}'"
                + (" with another metric" if own.name == space.name else "")
                + "; a tokenizer is trained in one"
            )
    return space
