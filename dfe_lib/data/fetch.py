"""Obtain registered files: from the cache, a mirror, or their publisher; resumable, and verified before use.

A download goes to ``<name>.part``, is hashed there, and gets its name only when it is what was registered.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import requests
from tqdm import tqdm

from dfe_lib import paths
from dfe_lib.data.integrity import cannot_write, check, content, make_room, refusal, store, unavailable
from dfe_lib.data.manifest import Outcome, Plan, cached, candidates, folder, plan
from dfe_lib.data.network import Network, size_so_far
from dfe_lib.data.registry import Entry, File, Manifest, load_manifest
from dfe_lib.errors import AssetError, OutputError
from dfe_lib.locks import BusyError, alone
from dfe_lib.progress import bar as progress_bar


def is_offline() -> bool:
    """``OFFLINE=1`` or ``DFE_OFFLINE=1`` is set: nothing may touch the network."""
    return any(
        os.environ.get(k, "").lower() not in ("", "0", "no", "false") for k in ("OFFLINE", "DFE_OFFLINE")
    )


def fetch(
    names: Iterable[str] | None = None,
    *,
    offline: bool | None = None,
    mirror: bool = True,
    manifest: Manifest | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Outcome]:
    """Have the named entries at hand, verified; what cannot be had is reported, not raised.

    A damaged copy in the cache is replaced; one in a mirror is left alone and a good copy goes to the cache.
    The first connection that fails settles that the machine is offline: no further one is tried in this call.

    Parameters
    ----------
    names : entries; ``None`` means every open entry whose files are registered.
    offline : ``None`` reads ``OFFLINE`` and ``DFE_OFFLINE``.
    mirror : whether a mirror's copy is good enough; otherwise it is downloaded to the cache.
    say : gets each line for the reader; by default they go to stderr.

    Returns
    -------
    list of Outcome, one per entry: ``have``, ``mirror``, ``downloaded`` or ``unavailable`` with the reason.

    Raises
    ------
    ConfigError : an unknown name.

    Examples
    --------
    >>> [o.state for o in fetch(["photograph-matplotlib"], offline=True, say=lambda line: None)]
    ['have']
    """
    manifest = manifest or load_manifest()
    say = say or (lambda line: print(line, file=sys.stderr))
    entries = manifest.select(names)
    network = Network(is_offline() if offline is None else offline)
    wanted = {e.name: [p.file for p in plan(e.name, manifest=manifest) if _needs(p, mirror)] for e in entries}
    files = [f for per_entry in wanted.values() for f in per_entry]
    if files and not network.offline:
        size = sum(f.bytes for f in files)
        say(f"to download: {len(files)} files, {size / 1e6:.1f} MB, into {paths.data_dir()}")
    outcomes = []
    for entry in entries:
        outcome = _fetch_entry(entry, network, mirror, manifest)
        outcomes.append(outcome)
        detail = outcome.reason or f"{outcome.files} files, {outcome.bytes / 1e6:.1f} MB"
        say(f"{outcome.entry}: {outcome.state}; {detail}")
    if any(not o.ok for o in outcomes):
        say("what is not at hand, and how to get it by hand: `dfe data where ENTRY`")
    return outcomes


def _needs(p: Plan, mirror: bool) -> bool:
    return p.action == "download" or (p.action == "mirror" and not mirror)


def _fetch_entry(entry: Entry, network: Network, mirror: bool, manifest: Manifest) -> Outcome:
    if not entry.files:
        try:
            return Outcome(
                entry.name, "have", f"your own copy at {folder(entry.name, manifest=manifest)}, not checked"
            )
        except AssetError as error:
            return Outcome(entry.name, "unavailable", str(error))
    size = (len(entry.files), entry.bytes)
    states, reasons = set(), []
    with progress_bar(total=entry.bytes, desc=entry.name, unit="B", unit_scale=True, leave=False) as bar:
        for file in entry.files:
            try:
                states.add(_obtain(entry, file, network, mirror, bar))
            except AssetError as error:
                reasons.append(str(error))
    if reasons:
        more = f" (and {len(reasons) - 1} more of its files)" if len(reasons) > 1 else ""
        return Outcome(entry.name, "unavailable", reasons[0] + more, *size)
    state = next(s for s in ("downloaded", "mirror", "have") if s in states)
    return Outcome(entry.name, state, "", *size)


def _obtain(entry: Entry, file: File, network: Network, mirror: bool, bar: tqdm) -> str:
    """Have one file at hand and return how; the first good copy counts."""
    refused: AssetError | None = None
    for action, place in candidates(entry, file):
        if action == "mirror" and not mirror:
            continue
        try:
            check(entry, file, place)
        except AssetError as error:
            refused = refused or error
            continue
        if refused is not None:  # a bad copy stands before this one; the cache comes before both
            store(entry, content(entry, file, place), cached(entry, file))
        bar.update(file.bytes)
        return action
    try:
        _download(entry, file, network, bar)
    except AssetError as error:
        if refused is None:
            raise
        raise AssetError(f"{refused}; it could not be replaced: {error}") from error
    return "downloaded"


def _download(entry: Entry, file: File, network: Network, bar: tqdm) -> None:
    if entry.access != "open" or not file.urls:
        raise AssetError(unavailable(entry, f"'{file.path}' is not at hand and has no url"))
    reasons = []
    for url in file.urls:
        reason = network.closed(url)
        if reason is None:
            target = cached(entry, file)
            part = target.with_name(target.name + ".part")
            try:
                make_room(entry, target)
                with alone(paths.data_dir() / entry.name, f"dfe data fetch {entry.name}"):
                    resumed = size_so_far(part) > 0
                    network.save(url, part, file, bar)
                    reason = _accept(entry, file, url, part, target)
                    if (
                        reason is not None and resumed
                    ):  # what lay there may be to blame: once more, from the start
                        network.save(url, part, file, bar)
                        reason = _accept(entry, file, url, part, target)
            except BusyError as error:
                raise AssetError(str(error)) from error
            except OutputError as error:
                raise AssetError(cannot_write(entry, target, file.bytes, error.__cause__)) from error
            except requests.RequestException as error:
                reason = network.failed(url, error)
            except OSError as error:
                raise AssetError(cannot_write(entry, target, file.bytes, error)) from error
        if reason is None:
            return
        reasons.append(reason)
    raise AssetError(f"'{file.path}' of '{entry.name}' cannot be had: {'; '.join(reasons)}")


def _accept(entry: Entry, file: File, url: str, part: Path, target: Path) -> str | None:
    """Give a finished download its name, or remove it and say why."""
    with part.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        head = stream.read(64)
    if digest == file.sha256:
        os.replace(part, target)
        return None
    reason = refusal(entry, file, url, part.stat().st_size, digest, head)
    part.unlink()
    return reason
