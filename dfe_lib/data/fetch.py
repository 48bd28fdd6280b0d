"""Obtain registered files: from the cache, a mirror, or their publisher; resumable, and verified before use.

A download goes to ``<name>.part``, is hashed there, and gets its name only when it is what was registered.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from dfe_lib import paths
from dfe_lib.data.integrity import cannot_write, check, content, refusal, store, unavailable
from dfe_lib.data.manifest import Outcome, Plan, cached, candidates, folder, plan
from dfe_lib.data.registry import Entry, File, Manifest, load_manifest
from dfe_lib.errors import AssetError
from dfe_lib.progress import bar as progress_bar

CONNECT_S = 3.0  # a host that takes longer to pick up is, for us, not there
READ_S = 30.0  # silence within a transfer
KNOCK_S = 6.0  # first contact with a host, name resolution included (which has no time limit of its own)
ATTEMPTS = 3  # per url; a broken transfer goes on where it broke
_CHUNK = 1 << 16
_BROKE_OFF = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


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
    network = _Network(is_offline() if offline is None else offline)
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


def _fetch_entry(entry: Entry, network: _Network, mirror: bool, manifest: Manifest) -> Outcome:
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


def _obtain(entry: Entry, file: File, network: _Network, mirror: bool, bar: tqdm) -> str:
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


def _download(entry: Entry, file: File, network: _Network, bar: tqdm) -> None:
    if entry.access != "open" or not file.urls:
        raise AssetError(unavailable(entry, f"'{file.path}' is not at hand and has no url"))
    reasons = []
    for url in file.urls:
        reason = network.closed(url)
        if reason is None:
            target = cached(entry, file)
            part = target.with_name(target.name + ".part")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                resumed = _size(part) > 0
                network.save(url, part, file, bar)
                reason = _accept(entry, file, url, part, target)
                if (
                    reason is not None and resumed
                ):  # what lay there may be to blame: once more, from the start
                    network.save(url, part, file, bar)
                    reason = _accept(entry, file, url, part, target)
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


class _Network:
    """Downloads, and what this call has learnt about who can be reached."""

    def __init__(self, offline: bool):
        self.offline = "the offline switch is on (OFFLINE=1)" if offline else ""
        self._closed: dict[str, str | None] = {}  # host → why it is not asked again; None: it answers
        self._session = requests.Session()

    def closed(self, url: str) -> str | None:
        """Why ``url`` is not worth a try, or ``None``. The first question about a host knocks at its door."""
        if self.offline:
            return self.offline
        host = urlsplit(url).netloc
        if host not in self._closed:
            error = _knock(url)
            if error is not None:
                reason = f"no connection to {host} ({type(error).__name__})"
                if not any(why is None for why in self._closed.values()):
                    self.offline = f"{reason}, so this machine counts as offline"
                    return self.offline
                self._closed[host] = reason
            else:
                self._closed[host] = None
        return self._closed[host]

    def failed(self, url: str, error: requests.RequestException) -> str:
        """The reason for a failed transfer; only for a missing file is the host asked again."""
        host = urlsplit(url).netloc
        status = error.response.status_code if error.response is not None else None
        if status is None:
            reason = f"the transfer from {host} broke off ({type(error).__name__}); run it again to go on"
        else:
            reason = f"{host} answers {status} for {urlsplit(url).path}"
        if status not in (404, 410):
            self._closed[host] = reason
        return reason

    def save(self, url: str, part: Path, file: File, bar: tqdm) -> None:
        """Bring ``part`` to the content of ``url``, going on from what it holds already."""
        before, start = bar.n, _size(part)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._transfer(url, part, file, bar)
            except _BROKE_OFF:
                bar.n, reached = before, _size(part)
                if attempt == ATTEMPTS or reached <= start:  # nothing gained: no use in asking again
                    raise
                start = reached

    def _transfer(self, url: str, part: Path, file: File, bar: tqdm) -> None:
        start = _size(part)
        if start >= file.bytes:  # complete already (then the hash decides), or longer than it can be
            if start == file.bytes and _sha256(part) == file.sha256:
                return
            start = 0
        headers = {"Accept-Encoding": "identity"}  # byte positions must be those of the file
        if start:
            headers["Range"] = f"bytes={start}-"
        with self._session.get(url, headers=headers, stream=True, timeout=(CONNECT_S, READ_S)) as response:
            if response.status_code == 416 and start:
                part.unlink()
                return self._transfer(url, part, file, bar)
            response.raise_for_status()
            going_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            if not (response.status_code == 206 and going_on):  # the server began at the beginning
                start = 0
            bar.update(start)
            with part.open("ab" if start else "wb") as out:
                for chunk in response.iter_content(_CHUNK):
                    out.write(chunk)
                    bar.update(len(chunk))
                    start += len(chunk)
                    if start > file.bytes:  # not our file; the hash of what came will say so
                        return


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _knock(url: str) -> Exception | None:
    """Ask a host for anything at all; any answer counts. Returns what went wrong, or ``None``."""
    parts = urlsplit(url)
    heard: list[Exception | None] = []

    def ask() -> None:
        try:
            requests.head(
                f"{parts.scheme}://{parts.netloc}/", timeout=(CONNECT_S, CONNECT_S), allow_redirects=False
            )
            heard.append(None)
        except requests.ReadTimeout:
            heard.append(None)  # it picked up
        except Exception as error:  # a thread must hand over whatever happened; `ask`'s caller looks at it
            heard.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(KNOCK_S)
    error = heard[0] if heard else TimeoutError(f"no answer within {KNOCK_S:.0f} s")
    if error is not None and not isinstance(error, (requests.RequestException, TimeoutError)):
        raise error
    return error
