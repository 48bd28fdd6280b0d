"""The registry of external files, ``data_manifest.yaml``, read strictly: what is wrong in it is an error."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from dfe_lib import paths
from dfe_lib.errors import ConfigError, choices
from dfe_lib.texts import yaml_of

ACCESS = ("open", "registration", "request", "agreement")
_TEXTS = ("title", "version", "licence", "access", "citation", "used_for", "manual")
_OPTIONAL = ("notebooks", "loader", "layout", "caveats", "base_url", "package", "files")
_URL = re.compile(r"[!#-;=?-Z_a-z~%\[\]]+")  # printable ASCII without the blank and " \\ ^ ` { | } < >
_LONGEST = 200  # bytes of a name; most file systems take 255, of which `.part` and the like need some
_FILE_KEYS = ("path", "bytes", "sha256", "urls")


@dataclass(frozen=True)
class File:
    """One external file: ``path`` below the entry, and what its content must be."""

    path: str
    bytes: int
    sha256: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One source of files: a model, a repository's folder, a data set.

    Attributes
    ----------
    access : ``open``, ``registration``, ``request`` or ``agreement``; only open entries are ever downloaded.
    notebooks : numbers of the notebooks it is for (``"01"``); empty where it serves the library or its tests.
    loader : dotted name of the function that reads it; empty where there is none yet.
    package : ``<importable package>/<folder>`` when an installed wheel carries the files, else empty.
    files : empty where names and hashes are not known to us.
    """

    name: str
    title: str
    version: str
    licence: str
    access: str
    citation: str
    used_for: str
    manual: str
    notebooks: tuple[str, ...] = ()
    loader: str = ""
    layout: str = ""
    caveats: str = ""
    package: str = ""
    files: tuple[File, ...] = ()

    @property
    def bytes(self) -> int:
        """Total size of the registered files."""
        return sum(f.bytes for f in self.files)

    def file(self, path: str) -> File:
        """The registered file at ``path``.

        Raises
        ------
        ConfigError : no such file is registered.
        """
        found = next((f for f in self.files if f.path == path), None)
        if found is None and not self.files:
            raise ConfigError(
                f"no files are registered for '{self.name}' (access: {self.access}), so '{path}' cannot be "
                f"checked; use the folder of your own copy, see `dfe data where {self.name}`"
            )
        if found is None:
            near = get_close_matches(path, [f.path for f in self.files], n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise ConfigError(
                f"'{self.name}' has no file '{path}'{hint}; `dfe data where {self.name}` lists its files"
            )
        return found


@dataclass(frozen=True)
class Manifest:
    """All entries by name, and the sha256 of the file they were read from."""

    entries: dict[str, Entry]
    sha256: str

    def __getitem__(self, name: str) -> Entry:
        """The entry called ``name``; ConfigError names the nearest one when there is none."""
        if name not in self.entries:
            raise ConfigError(f"no such entry in data_manifest.yaml: {choices(name, self.entries)}")
        return self.entries[name]

    def select(self, names: Iterable[str] | None) -> list[Entry]:
        """The named entries in the given order; ``None``: every open entry whose files are registered."""
        if names is None:
            return [e for e in self.entries.values() if e.access == "open" and e.files]
        if isinstance(names, str):
            names = [names]
        return [self[n] for n in dict.fromkeys(names)]


def load_manifest(path: str | Path | None = None) -> Manifest:
    """Read and check a manifest; by default the project's own.

    Raises
    ------
    ConfigError : not there, not YAML, an unknown or missing key, an entry or file twice, a path that
        leaves its entry, a malformed hash, size or url.

    Examples
    --------
    >>> load_manifest()["ict-facekit"].access
    'open'
    """
    path = Path(path) if path is not None else paths.MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the data manifest {path} cannot be read ({error.strerror})") from error
    return _parse(content, path.name)


@cache
def _parse(content: bytes, source: str) -> Manifest:
    raw = yaml_of(content, f"{source} is not valid", ConfigError)
    raw = _mapping(raw, source, ("schema", "entries"), ())
    if raw["schema"] != 1:
        raise ConfigError(f"{source}: schema must be 1, but is {raw['schema']!r}")
    if not isinstance(raw["entries"], dict):
        raise ConfigError(f"{source}: 'entries' must map names to entries")
    entries = {name: _entry(name, value, source) for name, value in raw["entries"].items()}
    return Manifest(entries, hashlib.sha256(content).hexdigest())


def _mapping(value: object, where: str, required: Iterable[str], optional: Iterable[str]) -> dict:
    allowed = (*required, *optional)
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a mapping of {', '.join(allowed)}, but is {value!r:.60}")
    for key in value:
        if key not in allowed:
            raise ConfigError(f"{where} has an unknown key: {choices(key, allowed)}")
    for key in required:
        if key not in value:
            raise ConfigError(f"{where} lacks the key '{key}'")
    return value


def _entry(name: str, raw: object, source: str) -> Entry:
    where = f"{source}: entry '{name}'"
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ConfigError(f"{where}: a name is made of small letters, digits and single hyphens")
    raw = _mapping(raw, where, _TEXTS, _OPTIONAL)
    for key, value in raw.items():
        if key not in ("files", "notebooks") and not (isinstance(value, str) and value.strip()):
            raise ConfigError(f"{where}: '{key}' must be text, but is {value!r:.80}; put it in quotes")
    if raw["access"] not in ACCESS:
        raise ConfigError(f"{where}: unknown access: {choices(raw['access'], ACCESS)}")
    if "package" in raw:
        _relative(raw["package"], f"{where}: package")
        # A plain name: to find `a.b`, Python would import `a`.
        if not re.fullmatch(r"[A-Za-z]\w*(/.+)?", raw["package"], re.ASCII):
            raise ConfigError(f"{where}: package must be '<name>/<folder>', but is {raw['package']!r:.80}")
    notebooks = raw.get("notebooks", [])
    if not (isinstance(notebooks, list) and all(re.fullmatch(r"\d\d", str(n)) for n in notebooks)):
        raise ConfigError(f"{where}: notebooks must be a list like ['01', '04'], but is {notebooks!r}")
    files = raw.get("files", [])
    if not isinstance(files, list):
        raise ConfigError(f"{where}: 'files' must be a list, but is {files!r:.60}")
    base = _url(raw["base_url"], where) if "base_url" in raw else None
    if base is not None and not base.endswith("/"):
        raise ConfigError(f"{where}: base_url must end in '/', but is '{base}'")
    parsed = tuple(_file(f, base, where) for f in files)
    folded = [f.path.casefold() for f in parsed]
    for path in {p for p in folded if folded.count(p) > 1}:
        raise ConfigError(f"{where}: the file '{path}' stands twice (capitals do not tell files apart)")
    texts = {k: v for k, v in raw.items() if k not in ("files", "base_url", "notebooks")}
    return Entry(name, files=parsed, notebooks=tuple(notebooks), **texts)


def _file(raw: object, base: str | None, where: str) -> File:
    raw = _mapping(raw, f"{where}: a file", _FILE_KEYS[:3], _FILE_KEYS[3:])
    path, size, sha256 = raw["path"], raw["bytes"], raw["sha256"]
    _relative(path, where)
    if type(size) is not int or size <= 0:
        raise ConfigError(f"{where}: bytes of '{path}' must be a whole number above 0, but is {size!r}")
    if not (isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256)):
        raise ConfigError(f"{where}: sha256 of '{path}' must be 64 digits 0-9 a-f, but is {sha256!r}")
    urls = raw.get("urls", [] if base is None else [quote(path)])
    if not isinstance(urls, list):
        raise ConfigError(f"{where}: urls of '{path}' must be a list, but is {urls!r:.60}")
    return File(path, size, sha256, tuple(_url(str(u), where, base or "") for u in urls))


def _relative(path: object, where: str) -> None:
    if not (isinstance(path, str) and paths.is_below(path)):
        raise ConfigError(f"{where}: {path!r:.80} must be a plain relative path such as 'a/b.txt'")
    if any(len(os.fsencode(part)) > _LONGEST for part in path.split("/")) or len(path) > 500:
        raise ConfigError(f"{where}: {path!r:.80}… is longer than file systems take")
    if path.endswith(".part"):  # as an unfinished download is called
        raise ConfigError(f"{where}: {path!r:.80} ends like an unfinished download; name it otherwise")


def https_host(url: str) -> str:
    """Host (and port) of a url from which a file may come: https, and nobody's account in it.

    Raises
    ------
    ConfigError : another scheme (http, ftp, file …), no host, an account, or characters that urls do not have.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # as of an unfinished [IPv6] address
        parts = port = None
    if parts is None or not parts.hostname or port == 0 or not _URL.fullmatch(url):
        raise ConfigError(f"{url!r:.200} is not an https url")
    if parts.scheme != "https":
        raise ConfigError(f"{url!r:.200} is not an https url; files come over https alone")
    if "@" in parts.netloc:
        raise ConfigError(f"{parts.hostname!r:.200}: a url must not carry an account or a password")
    return parts.netloc.lower()


def _url(url: str, where: str, base: str = "") -> str:
    try:
        whole = urljoin(base, url)
        https_host(whole)
    except ValueError as error:  # ConfigError is one; urljoin raises its own
        raise ConfigError(f"{where}: {error}") from error
    return whole
