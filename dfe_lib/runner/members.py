"""A profile with members, one per task and data set: what is at hand is run, what is not is left out, with why."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dfe_lib.errors import ConfigError, DFEError
from dfe_lib.paths import NOTEBOOKS, PROFILES
from dfe_lib.runner import run
from dfe_lib.runner.notebook import Profile, discover, load_profile, members, select


@dataclass
class Outcomes:
    """What became of each member: a summary of its run, or why it was left out."""

    ran: dict[str, run.Summary] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything that was at hand has a result."""
        return all(summary.ok for summary in self.ran.values())


def reproduce(
    profile: str,
    only: Iterable[str] = (),
    *,
    force: bool = False,
    notebooks: Path = NOTEBOOKS,
    profiles: Path = PROFILES,
    stream=None,
) -> Outcomes:
    """Run every member of a profile whose data set is at hand, and say what became of all.

    Parameters
    ----------
    profile : one that has members.
    only : notebooks; members that run none of them are not asked for.
    force, notebooks, profiles, stream : as in :func:`dfe_lib.runner.run.reproduce`.

    Raises
    ------
    ConfigError : a member names an unknown notebook, parameter, data set or task; before anything runs.
    """
    stream = stream or sys.stdout
    known = discover(notebooks)
    asked = {select(wanted, known) for wanted in only}
    settings = {name: load_profile(name, profiles) for name in members(profile, profiles)}
    chosen = {}
    for name, member in settings.items():
        _check(member, known)
        wanted = [n for n in member.notebooks if not asked or n in asked]
        if wanted:
            chosen[name] = wanted
    out = Outcomes()
    for name, wanted in chosen.items():
        try:
            given = at_hand(settings[name])
        except DFEError as error:
            out.left_out[name] = str(error)
            print(f"{name}: left out, see below", file=stream, flush=True)
            continue
        print(name, file=stream, flush=True)
        out.ran[name] = run.reproduce(
            name, wanted, force=force, notebooks=notebooks, profiles=profiles, stream=stream, given=given
        )
        run.publish(name, out.ran[name])
    print(report(out), file=stream, flush=True)
    return out


def at_hand(member: Profile) -> dict[str, str]:
    """Digest of the data that a member stands on.

    Raises
    ------
    AssetError : the data set is not at hand, or its frame tables have not been made.
    InputError : it cannot be used.
    """
    from dfe_lib.data.datasets import TASKS, cohort_of, open_dataset
    from dfe_lib.data.datasets.index import Tree

    dataset = open_dataset(member.dataset)
    if member.task in TASKS:
        cohort_of(dataset, member.task)  # says what is missing, and the command
    else:
        for recording in dataset.recordings["recording"]:
            if not dataset.has_psi(recording):
                dataset.psi(recording)  # says what is missing, and the command
    told = [Tree.read(dataset.root).fingerprint]
    if dataset.frames_path.is_dir():
        told.append(Tree.read(dataset.frames_path).fingerprint)
    return {"dataset": hashlib.sha256(" ".join(told).encode()).hexdigest()}


def report(out: Outcomes) -> str:
    """A line for each member, and how many ran and how many did not."""
    lines = [f"{len(out.ran)} of {len(out.ran) + len(out.left_out)} members had their data at hand"]
    for name, summary in out.ran.items():
        counts = f"{len(summary.ran)} ran, {len(summary.skipped)} up to date"
        failed = [*summary.failed, *summary.blocked]
        lines.append(f"  {name:<44} {counts}" + (f", failed: {', '.join(failed)}" if failed else ""))
    for name, why in out.left_out.items():
        lines.append(f"  {name:<44} left out: {' '.join(why.split())}")
    return "\n".join(lines)


def _check(member: Profile, known: dict) -> None:
    from dfe_lib.data.datasets import DATASETS
    from dfe_lib.errors import choices

    if member.dataset not in DATASETS:
        raise ConfigError(f"profile {member.name}: no such data set: {choices(member.dataset, DATASETS)}")
    if not member.notebooks:
        raise ConfigError(f"profile {member.name} names no notebook")
    run.values_of(member, known)
