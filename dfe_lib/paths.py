"""Where things are. No other module builds a path from scratch."""

from __future__ import annotations

import os
from pathlib import Path

import pooch

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
ASSETS = PACKAGE / "assets"
NOTEBOOKS = REPOSITORY / "notebooks"
PROFILES = NOTEBOOKS / "profiles"
MANIFEST = REPOSITORY / "data_manifest.yaml"
FIGURES = REPOSITORY / "figures"
REFERENCE = REPOSITORY / "results" / "reference"


def is_below(path: str) -> bool:
    r"""Whether a text is a plain relative path: below any folder that it is joined to, on every system.

    An empty part is an absolute path or a doubled slash; a backslash or colon could lead elsewhere; what does not print
    could dress one name up as another.

    >>> [is_below(p) for p in ("a/b.txt", "../a", "/a", "a//b", "c:a", "a\\b", "a\x1b")]
    [True, False, False, False, False, False, False]
    """
    return path.isprintable() and not any(
        p in ("", ".", "..") or set(p) & {"\\", ":"} for p in path.split("/")
    )


def data_dir() -> Path:
    """Cache for external files: ``DFE_DATA_DIR``, else the platform's cache folder."""
    given = os.environ.get("DFE_DATA_DIR")
    return Path(given).expanduser() if given else Path(pooch.os_cache("dfe"))


def mirrors() -> list[Path]:
    """Folders searched before any download: ``DFE_DATA_MIRROR`` (``:``-separated; empty means none).

    Unset, a ``shared/mirror`` folder beside the checkout is used where there is one.
    """
    given = os.environ.get("DFE_DATA_MIRROR")
    if given is None:
        beside = REPOSITORY.parent / "shared" / "mirror"
        return [beside] if beside.is_dir() else []
    return [Path(p).expanduser() for p in given.split(os.pathsep) if p]


def results_dir(profile: str) -> Path:
    """Folder of one profile's results: ``DFE_RESULTS_DIR`` or ``results/`` of the checkout, then the profile."""
    return Path(os.environ.get("DFE_RESULTS_DIR") or REPOSITORY / "results") / profile
