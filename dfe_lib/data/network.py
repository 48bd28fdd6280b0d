"""Downloads: who may be asked, how long anybody is waited for, and how much is taken in.

Whoever answers is not believed. A url is https and names no account; a redirect stays among the hosts that the entry
itself names; a body is never longer than what is registered, never unpacked on its way, and never slower than
``SLOWEST``. What came is still worth nothing before its sha256 was compared, which is :mod:`dfe_lib.data.fetch`'s part.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from tqdm import tqdm

from dfe_lib.data.registry import File, https_host

CONNECT_S = 3.0  # a host that takes longer to pick up is, for us, not there
READ_S = 30.0  # silence within a transfer
KNOCK_S = 6.0  # first contact with a host, name resolution included (which has no time limit of its own)
SLOWEST = 10_000  # bytes per second; a transfer that is slower on the whole is given up
ATTEMPTS = 3  # per url; a broken transfer goes on where it broke
HOPS = 3  # redirects in a row
_CHUNK = 1 << 16
T = TypeVar("T")
_BROKE_OFF = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Refused(requests.RequestException):
    """An answer that is not taken in; the message says why."""


class TooSlow(requests.Timeout):
    """Bytes came, but too few of them."""


class _Session(requests.Session):
    """One that tells no secret and follows nothing by itself."""

    def __init__(self):
        super().__init__()
        self.auth = lambda request: (
            request
        )  # else an account of the user's ~/.netrc would be told to the host

    def get_redirect_target(self, resp):
        return None  # else `requests` would look ahead, and read the body of a redirect for it, however long


class Network:
    """Downloads, and what this call has learnt about who can be reached."""

    def __init__(self, offline: bool):
        self.offline = "the offline switch is on (OFFLINE=1)" if offline else ""
        self._closed: dict[str, str | None] = {}  # host → why it is not asked again; None: it answers
        self._session = _Session()

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
        """The reason for a failed transfer; the host is asked again only after what concerned one file."""
        host = urlsplit(url).netloc
        if isinstance(error, Refused):
            return f"refused: {host} {error}"
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
        before, start = bar.n, size_so_far(part)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._transfer(url, part, file, bar)
            except _BROKE_OFF:
                bar.n, reached = before, size_so_far(part)
                if attempt == ATTEMPTS or reached <= start:  # nothing gained: no use in asking again
                    raise
                start = reached

    def _transfer(self, url: str, part: Path, file: File, bar: tqdm) -> None:
        start = size_so_far(part)
        if start == file.bytes and _sha256(part) == file.sha256:
            return
        if start >= file.bytes:  # something else
            start = 0
        headers = {"Accept-Encoding": "identity"}  # byte positions must be those of the file
        if start:
            headers["Range"] = f"bytes={start}-"
        with self._open(url, headers, file) as response:
            if response.status_code == 416 and start:
                part.unlink()
                return self._transfer(url, part, file, bar)
            response.raise_for_status()
            going_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            if not (response.status_code == 206 and going_on):  # the server began at the beginning
                start = 0
            _believable(response, file.bytes - start)
            bar.update(start)
            seconds = READ_S + (file.bytes - start) / SLOWEST
            with _open_part(part, start > 0) as out, _at_most(response, seconds) as late:
                try:
                    for chunk in response.iter_content(_CHUNK):
                        if late.is_set():
                            break
                        out.write(chunk[: file.bytes + 1 - start])  # one byte more tells a longer file
                        bar.update(len(chunk))
                        start += len(chunk)
                        if start > file.bytes:  # not our file; the hash of what came will say so
                            return
                except (requests.RequestException, ValueError):  # ValueError: its socket was taken away
                    if not late.is_set():
                        raise
                if late.is_set():
                    raise TooSlow(f"slower than {SLOWEST} bytes/s")

    def _open(self, url: str, headers: dict[str, str], file: File) -> requests.Response:
        """The answer to a GET, its headers read; redirects are followed where they may lead."""
        hosts = {https_host(own) for own in file.urls}
        for _ in range(HOPS + 1):
            response = _within(
                CONNECT_S + READ_S,
                lambda url=url: self._session.get(
                    url, headers=headers, stream=True, timeout=(CONNECT_S, READ_S), allow_redirects=False
                ),
            )
            if not response.is_redirect:
                return response
            response.close()
            try:
                url = urljoin(url, response.headers["Location"])
                host = https_host(url)
            except ValueError as error:  # ConfigError is one; urljoin raises its own
                raise Refused(f"redirects to what is no url of a publisher: {error}") from error
            if host not in hosts:
                raise Refused(
                    f"redirects to {host}, which data_manifest.yaml does not name for '{file.path}'"
                )
        raise Refused(f"redirects more than {HOPS} times")


def size_so_far(part: Path) -> int:
    """Bytes of an unfinished download; whatever else bears its name (a link, say) is taken away, never followed."""
    try:
        found = part.lstat()
    except FileNotFoundError:
        return 0
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return found.st_size
    part.unlink()  # the link, not what it leads to
    return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open_part(part: Path, go_on: bool) -> BinaryIO:
    """``part`` to write to: its end, or a new file that was not there before; never through a link."""
    if go_on:
        flags = os.O_WRONLY | os.O_APPEND
    else:
        part.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # either is missing on some systems
    return os.fdopen(os.open(part, flags, 0o644), "wb")


def _believable(response: requests.Response, wanted: int) -> None:
    """Refuse an answer that says of itself that it is not the file. One that is shorter is read: it tells why."""
    if response.status_code not in (200, 206):
        raise Refused(f"answers {response.status_code}, which is not a file")
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in ("", "identity"):
        raise Refused(f"sends the file packed as {packing!r:.40}, which was not asked for")
    length = response.headers.get("Content-Length")
    if length is not None and not re.fullmatch("[0-9]{1,18}", length):
        raise Refused(f"announces {length!r:.40} as the length of the file")
    if length is not None and int(length) > wanted:
        raise Refused(f"announces {length} bytes where {wanted} are missing; the registered file is shorter")


@contextmanager
def _at_most(response: requests.Response, seconds: float) -> Iterator[threading.Event]:
    """Hang up after ``seconds``, whatever the other side is doing; the event says that it happened."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError, RuntimeError, ValueError):  # it ended by itself in the same moment
            response.raw.shutdown()

    clock = threading.Timer(seconds, hang_up)
    clock.daemon = True
    clock.start()
    try:
        yield late
    finally:
        clock.cancel()


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What ``ask`` returns or raises, or TooSlow: a silence limit alone lets one byte come at a time for ever."""
    heard: list[T] = []
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            heard.append(ask())
        except BaseException as error:  # a thread hands over whatever happened; it is raised below
            wrong.append(error)

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    asking.join(seconds)
    if wrong:
        raise wrong[0]
    if not heard:
        raise TooSlow(f"no answer within {seconds:.0f} s")
    return heard[0]


def _knock(url: str) -> requests.RequestException | None:
    """Ask a host for anything at all; any answer counts. Returns what went wrong, or ``None``."""
    door = f"https://{urlsplit(url).netloc}/"
    try:
        _within(
            KNOCK_S,
            lambda: _Session().head(door, timeout=(CONNECT_S, CONNECT_S), allow_redirects=False).close(),
        )
    except requests.ReadTimeout:
        return None  # it picked up
    except requests.RequestException as error:
        return error
    return None
