"""Is a file what was registered? Hash before use, whole writes, and the sentences that refuse a file."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from dfe_lib import paths
from dfe_lib.data.registry import Entry, File
from dfe_lib.errors import AssetError, OutputError
from dfe_lib.locks import BusyError
from dfe_lib.staging import staged_file

_LFS = b"version https://git-lfs"
_SPARE = (
    16 << 20
)  # bytes that a file may have more than registered and still be read to its end, for the hash
_PATIENCE_S = 60.0  # for others that write the same file
_HEAD = 64  # bytes looked at to recognise what a refused file is
_Seen = tuple[str, int, int, int]  # path, time of content, time of change of anything, size
_hashed: dict[_Seen, str] = {}  # sha256 of files that are as they were, for this process


def is_packed(file: File, place: Path) -> bool:
    """``place`` holds the file's content as gzip (a mirror's ``<path>.gz``)."""
    return place.name != Path(file.path).name


def size_fits(file: File, place: Path) -> bool:
    """The content of ``place`` has the registered size, as far as can be told without reading it."""
    size = place.stat().st_size
    if not is_packed(file, place):
        return size == file.bytes
    with place.open("rb") as stream:  # a gzip file ends with the size of its content, modulo 2³²
        stream.seek(max(0, size - 4))
        return int.from_bytes(stream.read(4), "little") == file.bytes % 2**32


def check(entry: Entry, file: File, place: Path) -> None:
    """Hash the content of ``place``; a plain file that has not changed is hashed once per process.

    Raises
    ------
    AssetError : it is not what was registered.
    """
    if is_packed(file, place):
        content(entry, file, place)
        return
    found = place.stat()
    key = (str(place), found.st_mtime_ns, found.st_ctime_ns, found.st_size)
    if key not in _hashed:
        _refuse_longer(entry, file, place)
        with place.open("rb") as stream:
            _hashed[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    if _hashed[key] != file.sha256:
        raise AssetError(refusal(entry, file, place, found.st_size, _hashed[key], _head(place)))


def content(entry: Entry, file: File, place: Path) -> bytes:
    """Verified content of ``place``, unpacked in memory where it is a ``.gz``; never more than was registered.

    Raises
    ------
    AssetError : it is not what was registered, or cannot be unpacked.
    """
    _refuse_longer(entry, file, place)
    if is_packed(file, place) and not _head(place).startswith(_LFS) and place.stat().st_size:
        try:
            with gzip.open(place) as stream:
                found = stream.read(
                    file.bytes + 1
                )  # one byte more tells a longer file, and bounds the memory
        except (OSError, EOFError, zlib.error) as error:
            raise AssetError(
                f"refused: {place} of '{entry.name}' cannot be unpacked ({error}); as packed it has sha256 "
                f"{hashlib.sha256(place.read_bytes()).hexdigest()}, unpacked it should have {file.sha256}; "
                f"{_remedy(entry, place)}"
            ) from error
    else:
        found = place.read_bytes()
    digest = hashlib.sha256(found).hexdigest()
    if digest != file.sha256:
        raise AssetError(refusal(entry, file, place, len(found), digest, found[:_HEAD]))
    return found


def _refuse_longer(entry: Entry, file: File, place: Path) -> None:
    """Tell by the size alone: a file that goes on for terabytes (or has holes of that size) is not even hashed."""
    size = place.stat().st_size
    if size > file.bytes + _SPARE:
        raise AssetError(refusal(entry, file, place, size, None, _head(place)))


def _head(place: Path) -> bytes:
    with place.open("rb") as stream:
        return stream.read(_HEAD)


def make_room(entry: Entry, target: Path) -> None:
    """The folder for ``target`` in the cache. Where it could lead out of the cache, nothing is made or written.

    The cache itself may be a link to a larger disk, and so may the folder of a data set of your own, into which
    nothing is ever written. In a cache that several people share, a link below it could be anybody's.

    Raises
    ------
    AssetError : a folder on the way is a symbolic link.
    OSError : the folder cannot be made.
    """
    root = paths.data_dir()
    for place in [target.parent, *target.parent.parents]:
        if place == root:
            break
        if place.is_symlink():
            raise AssetError(
                f"refused to write '{entry.name}' through the symbolic link {place}; remove the link, or point "
                f"DFE_DATA_DIR to where it leads"
            )
    target.parent.mkdir(parents=True, exist_ok=True)


def store(entry: Entry, data: bytes, target: Path) -> None:
    """Write verified bytes under a name in the cache, whole or not at all.

    Raises
    ------
    AssetError : the folder cannot be written, or is full.
    """
    try:
        make_room(entry, target)
        # Workers that start together may all find that the cache lacks it; each writes the same.
        with staged_file(target, patience_s=_PATIENCE_S) as place:
            place.write_bytes(data)
    except OSError as error:
        raise AssetError(cannot_write(entry, target, len(data), error)) from error
    except BusyError as error:
        raise AssetError(str(error)) from error
    except OutputError as error:
        raise AssetError(cannot_write(entry, target, len(data), error.__cause__)) from error


def cannot_write(entry: Entry, target: Path, size: int, error: OSError) -> str:
    """The sentence for a cache that is full or read-only."""
    return (
        f"cannot write {size / 1e6:.1f} MB of '{entry.name}' to {target.parent} ({error.strerror}); "
        f"make room there, or point DFE_DATA_DIR to a folder that can be written"
    )


def refusal(entry: Entry, file: File, place: Path | str, size: int, digest: str | None, head: bytes) -> str:
    """The sentence for a file that is there but is not what was registered: why, both hashes, what to do.

    Parameters
    ----------
    place : the file, or the url it came from.
    size, digest, head : of the content found: bytes, sha256 (None where its size told enough), first bytes.
    """
    if size == 0:
        what = "is empty (0 bytes)"
    elif head.startswith(_LFS):
        what = "is a Git LFS pointer, not the file itself (`git lfs pull` in its repository gets that)"
    elif size < file.bytes:
        what = f"is truncated ({size} of {file.bytes} bytes)"
    else:
        what = f"has other content than was registered ({size} bytes, {file.bytes} registered)"
    known = "it was not read" if digest is None else f"its sha256 is {digest}"
    return (
        f"refused: {place} of '{entry.name}' {what}; {known}, but {file.sha256} is needed; "
        f"{_remedy(entry, place)}"
    )


def unavailable(entry: Entry, why: str) -> str:
    """The sentence for an entry that is not at hand: entry, licence, reason, command, manual route."""
    route = f"by hand: {entry.manual}, then put it into {paths.data_dir() / entry.name}"
    if entry.access == "open" and entry.files:
        route = f"run `dfe data fetch {entry.name}` ({entry.bytes / 1e6:.1f} MB), or {route}"
    return (
        f"'{entry.name}' ({entry.title}; licence: {entry.licence}; access: {entry.access}) is not at hand: "
        f"{why}; {route} (`dfe data where {entry.name}` tells the layout)"
    )


def _remedy(entry: Entry, place: Path | str) -> str:
    fetch = f"`dfe data fetch {entry.name}`"
    if isinstance(place, str):
        return "nothing was kept; try again later, and if it stays so the publisher has changed the file"
    if place.is_relative_to(paths.data_dir()):
        return f"{fetch} replaces it"
    if any(place.is_relative_to(m) for m in paths.mirrors()):
        return f"mend the mirror, or {fetch} puts a good copy into the cache"
    return (
        f"reinstall the package '{entry.package.split('/')[0]}', or {fetch} puts a good copy into the cache"
    )
