"""The strict runner behind ``dfe reproduce``: what has to run, in which order, and what came of it.

A notebook is skipped when nothing that could change its result has changed (see :func:`fingerprint`) and its
outputs are still the bytes that it wrote. A failed notebook stops those that read from it, not the others.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dfe_lib import provenance, results
from dfe_lib.errors import ConfigError, InputError, RunError
from dfe_lib.locks import alone
from dfe_lib.paths import FIGURES, MANIFEST, NOTEBOOKS, PROFILES, REPOSITORY, results_dir
from dfe_lib.runner.execute import execute, kernel, recover, stopped
from dfe_lib.runner.notebook import Notebook, Profile, discover, load_profile, select
from dfe_lib.texts import read_json

STAMP = "run.json"


@dataclass
class Summary:
    """Outcome of a run: names of notebooks by what happened to them, and where the results are."""

    folder: Path
    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every notebook that was asked for has a result."""
        return not self.failed and not self.blocked


def reproduce(
    profile: str = "demo",
    only: Iterable[str] = (),
    *,
    force: bool = False,
    folder: Path | None = None,
    notebooks: Path = NOTEBOOKS,
    profiles: Path = PROFILES,
    stream=None,
    given: Mapping[str, str] | None = None,
) -> Summary:
    """Bring the results of a profile up to date.

    Parameters
    ----------
    profile : name of a file in ``profiles``.
    only : notebooks (number or name); those that they read from are brought up to date first. All by default.
    force : run the notebooks that were asked for even when nothing has changed.
    folder : where results go, one folder per notebook; ``results/<profile>`` by default.
    stream : where progress is written; standard output by default.
    given : further digests of what results depend on, by name, e.g. of a data set.

    Returns
    -------
    Summary

    Raises
    ------
    ConfigError : an unknown profile, notebook or parameter, or an ill-typed value; found before anything
        runs.
    BusyError : another run writes to the folder.

    Examples
    --------
    >>> reproduce("ci", only=["03"]).ok  # doctest: +SKIP
    True
    """
    stream = stream or sys.stdout
    known = discover(notebooks)
    settings = load_profile(profile, profiles)
    values = values_of(settings, known)
    asked = [select(wanted, known) for wanted in only] or list(known)
    wanted = _with_upstream(asked, known)
    folder = folder or results_dir(profile)
    summary = Summary(folder)
    with alone(folder, f"dfe reproduce --profile {profile}"), kernel(folder / ".kernel") as kernel_name:
        common = {**_common_fingerprint(), **(given or {})}
        for name in wanted:
            notebook, target = known[name], folder / name
            lost = [above for above in notebook.needs if above in summary.failed or above in summary.blocked]
            print(f"{name:<24} ", end="", file=stream, flush=True)
            if lost:
                summary.blocked[name] = lost[0]
                print(f"not run: it reads from {lost[0]}, which failed", file=stream, flush=True)
                continue
            recover(target)
            prints = fingerprint(notebook, values[name], folder, common)
            reason = "forced" if force and name in asked else stale(notebook, target, prints)
            if reason is None:
                summary.skipped.append(name)
                print("up to date", file=stream, flush=True)
                continue
            started = time.perf_counter()
            try:
                _require_inputs(notebook, folder)
                execute(notebook, values[name], target, kernel_name)
            except RunError as error:
                summary.failed[name] = str(error)
                print(f"FAILED   {time.perf_counter() - started:6.1f} s  {error}", file=stream, flush=True)
                continue
            except KeyboardInterrupt:
                print("interrupted; the previous result is as it was", file=stream, flush=True)
                raise
            seconds = time.perf_counter() - started
            _stamp(target, prints, values[name], seconds)
            summary.ran.append(name)
            done = "stopped" if stopped(target) else "ran    "
            why = "its data are not at hand; it says how to get them" if stopped(target) else reason
            print(f"{done}  {seconds:6.1f} s  ({why})", file=stream, flush=True)
    return summary


def fingerprint(
    notebook: Notebook, values: dict[str, Any], folder: Path, common: dict[str, str]
) -> dict[str, str]:
    """Everything that a result depends on, as named digests.

    ``notebook`` its file · ``library`` all modules and shipped assets · ``packages`` the lock and what is
    installed · ``manifest`` and ``assets`` the registry and which of its entries are at hand ·
    ``parameters`` · ``inputs`` the outputs of other notebooks that it reads (of a metrics.json, what
    repeats: not its times).
    """
    return {
        **common,
        "notebook": provenance.digest([notebook.path]),
        "parameters": _sha(values),
        "inputs": _sha({name: _input_digest(folder / name) for name in notebook.inputs}),
    }


def stale(notebook: Notebook, folder: Path, prints: dict[str, str]) -> str | None:
    """Why the result in ``folder`` cannot stand, in a few words; ``None`` when it can."""
    try:
        if not (folder / STAMP).exists():
            return "no result yet"
        stamp = read_json(folder / STAMP, "the stamp of a run")
        before, written = dict(stamp["fingerprint"]), dict(stamp["files"])
        if any(PurePosixPath(n).is_absolute() or ".." in PurePosixPath(n).parts for n in written):
            raise ValueError("a file outside")
    except (InputError, KeyError, TypeError, ValueError):
        return "its stamp cannot be read"
    changed = [name for name, value in prints.items() if before.get(name) != value]
    if changed:
        return f"changed: {', '.join(changed)}"
    if stopped(folder):
        return "its data were not at hand"
    if any(not (folder / name).exists() for name in notebook.outputs):
        return "an output is missing"
    for name, digest in written.items():
        path = folder / name
        if not path.is_file() or provenance.digest([path]) != digest:
            return f"output {name} was changed or removed"
    return None


def prepare(profile: str, only: Iterable[str] = ()) -> None:
    """Check what is asked for, then obtain the open assets that the profile names.

    What cannot be had is said, and the run goes on: notebooks fall back to what the package ships, aloud.

    Raises
    ------
    ConfigError : an unknown profile, notebook, parameter or asset; before anything is downloaded.
    """
    known, settings = discover(), load_profile(profile)
    values_of(settings, known)
    for wanted in only:
        select(wanted, known)
    if not settings.fetch:
        return
    from dfe_lib.data import manifest
    from dfe_lib.data.fetch import fetch

    missing = [
        e.name for e in manifest.load_manifest().select(settings.fetch) if not manifest.available(e.name)
    ]
    if not missing:
        return
    absent = [outcome.entry for outcome in fetch(missing) if not outcome.ok]  # it says why as it goes
    if absent:
        print(
            f"going on without {', '.join(absent)}: what the package ships stands in; each notebook says so"
        )
        sys.stdout.flush()


def publish(profile: str, summary: Summary) -> None:
    """Write the HTML report and, for a complete demo in its usual place, the figures of the checkout."""
    from dfe_lib.report import page
    from dfe_lib.runner.published import publish_figures

    folder = summary.folder
    usual = folder.resolve().is_relative_to(REPOSITORY / "results")
    with alone(folder, "the report of dfe reproduce"):
        if page.is_of(
            folder
        ):  # by an earlier run; one that was killed before this has left an older page, or none
            return
        if profile == "demo" and usual and summary.ok:
            publish_figures(folder, FIGURES, "make reproduce")
        page.write(folder)


def values_of(settings: Profile, known: dict[str, Notebook]) -> dict[str, dict[str, Any]]:
    """Checked parameters of every notebook under a profile, defaults filled in.

    Raises
    ------
    ConfigError : an unknown notebook or parameter, or a value of another type.
    """
    for name in settings.notebooks:
        select(name, known)
    for name in settings.defaults:
        if not any(name in notebook.parameters for notebook in known.values()):
            raise ConfigError(
                f"profile {settings.name}: no notebook has the parameter '{name}' of its defaults"
            )
    values = {}
    for name, notebook in known.items():
        # Defaults are filled in, so that a result names every value that it was made with.
        declared = {p.name: p.default for p in notebook.parameters.values() if p.name != "results_dir"}
        values[name] = {**declared, **settings.values(notebook), "profile": settings.name}
    return values


def _with_upstream(asked: list[str], known: dict[str, Notebook]) -> list[str]:
    wanted, todo = set(), list(asked)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo.extend(known[name].needs)
    return sorted(wanted)


def _common_fingerprint() -> dict[str, str]:
    lock = REPOSITORY / "requirements.lock"
    return {
        "library": provenance.code_digest(),
        "packages": _sha([provenance.digest([lock]), provenance.versions(), platform.python_version()]),
        "manifest": provenance.digest([MANIFEST]),
        "assets": _sha(assets_at_hand()),
    }


def assets_at_hand() -> list[str]:
    """Names of the manifest entries whose files are all at hand (by size; contents are hashed on use)."""
    if not MANIFEST.is_file():
        return []
    from dfe_lib.data import manifest

    registry = manifest.load_manifest()
    return sorted(name for name in registry.entries if manifest.available(name, manifest=registry))


def _require_inputs(notebook: Notebook, folder: Path) -> None:
    for name in notebook.inputs:
        if not (folder / name).exists() and not stopped(folder / Path(name).parts[0]):
            raise RunError(f"{notebook.name} declares the input {name}, but its notebook did not write that")


def _input_digest(path: Path) -> str:
    if path.name == "metrics.json" and path.is_file():
        content = results.read(path)
        return _sha({k: v for k, v in content.items() if k not in ("timings", "provenance")})
    return provenance.digest([path])


def _stamp(folder: Path, prints: dict[str, str], values: dict[str, Any], seconds: float) -> None:
    files = {
        path.relative_to(folder).as_posix(): provenance.digest([path])
        for path in provenance.files_below(folder)
        if path.name != STAMP
    }
    content = {
        "fingerprint": prints, "parameters": values, "files": files,
        "wall_s": round(seconds, 3), "provenance": provenance.collect(),
    }  # fmt: skip
    results.write_atomically(folder / STAMP, (json.dumps(content, indent=2) + "\n").encode())


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
