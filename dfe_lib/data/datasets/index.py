"""What lies below a folder, told apart cheaply, and the index of a data set kept until something there changes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from dfe_lib import frames, paths
from dfe_lib.data.access import DERIVED
from dfe_lib.errors import AssetError, InputError

# Single pictures come by the hundred thousand: their names count, and the time of their folder, which
# changes when one comes or goes; asking each for its size would take most of the time of opening.
_MANY = (".jpg", ".jpeg", ".png", ".mat", ".wav")


@dataclass(frozen=True)
class Tree:
    """Every file below ``root``: relative paths with ``/``, sorted, and a digest of names, sizes and times."""

    root: Path
    files: tuple[str, ...]
    fingerprint: str

    @classmethod
    def read(cls, root: Path) -> Tree:
        """List ``root``; hidden files and folders (``.DS_Store``, ``._300_P``) are left out.

        Raises
        ------
        AssetError : a folder cannot be read.
        """
        files, digest = [], hashlib.blake2b(digest_size=16)
        todo, seen = [(str(root), "")], set()
        while todo:
            folder, prefix = todo.pop()
            try:
                if (real := os.path.realpath(folder)) in seen:  # a link that leads back up
                    continue
                seen.add(real)
                digest.update(f"{prefix}\0{os.stat(folder).st_mtime_ns}\n".encode())
                with os.scandir(folder) as listed:
                    found = sorted((e for e in listed if not e.name.startswith(".")), key=lambda e: e.name)
                inside = []
                for entry in found:
                    if entry.is_dir():
                        inside.append((entry.path, f"{prefix}{entry.name}/"))
                    elif entry.name.lower().endswith(_MANY):
                        files.append(prefix + entry.name)
                        digest.update(f"{entry.name}\n".encode())
                    elif entry.is_file():
                        stat = entry.stat()
                        files.append(prefix + entry.name)
                        digest.update(f"{entry.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
                todo += reversed(inside)
            except OSError as error:
                raise AssetError(f"{folder} cannot be read ({error.strerror})") from error
        return cls(root, tuple(files), digest.hexdigest())

    def match(self, pattern: str) -> Iterator[re.Match]:
        """Matches of a regular expression with whole relative paths, in order; capitals do not matter."""
        compiled = re.compile(pattern, re.IGNORECASE)
        return (m for m in map(compiled.fullmatch, self.files) if m)


def derived(name: str) -> Path:
    """Folder of what was made from the data set ``name``: below the cache, for this user alone."""
    return paths.data_dir() / DERIVED / name


def indexed(name: str, tree: Tree, code: str, build: Callable[[Tree], pd.DataFrame]) -> pd.DataFrame:
    """The index of a data set: from the cache where nothing has changed, else built and kept.

    Parameters
    ----------
    code : digest of the code that builds; another one makes the kept index void.
    build : from the tree to a table of one row per recording.
    """
    place = derived(name) / f"index-{hashlib.sha256(str(tree.root).encode()).hexdigest()[:12]}.parquet"
    key = {"fingerprint": tree.fingerprint, "code": code}
    try:
        if frames.attrs(place) == key:
            return pd.read_parquet(place)
    except (InputError, OSError, pa.ArrowException, ValueError):
        pass  # none yet, or not readable: it is built from the files themselves
    table = build(tree)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.parent.chmod(0o700)  # labels of people
    table.attrs = key
    frames.write(table, place)
    return pd.read_parquet(place)
