"""What a result was made with: interpreter, packages, device, revision of the code and of the manifest."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from dfe_lib import locks
from dfe_lib.paths import MANIFEST, PACKAGE, REPOSITORY

_SKIPPED = {"__pycache__", ".ipynb_checkpoints", locks.NAME}


def collect() -> dict:
    """Provenance of the running process; no host name, user name or absolute path.

    Returns
    -------
    dict with ``python``, ``platform``, ``device`` (``cpu``, ``cuda`` or ``mps``), ``versions`` (package →
    version), ``git_sha`` (``+`` appended when the checkout has local changes; ``None`` outside a checkout)
    and ``manifest_sha256`` (``None`` without a manifest).
    """
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device(),
        "versions": versions(),
        "git_sha": git_sha(),
        "manifest_sha256": digest([MANIFEST]) if MANIFEST.is_file() else None,
    }


def device() -> str:
    """The device that torch would choose; ``cpu`` where torch was not used at all."""
    torch = sys.modules.get("torch")  # a notebook without torch should not pay seconds for this line
    if torch is None:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def versions() -> dict[str, str]:
    """Installed version of every direct dependency, ``"missing"`` where one is not installed."""
    found = {}
    for line in importlib.metadata.requires("dfe_lib") or []:
        if "extra ==" in line:
            continue
        name = re.match(r"[A-Za-z0-9._-]+", line).group()
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return dict(sorted(found.items()))


def git_sha() -> str | None:
    """Revision of the checkout, ``+`` appended when tracked files changed; ``None`` outside a checkout."""
    try:
        sha = _git("rev-parse", "HEAD")
        return sha + "+" if _git("status", "--porcelain", "--untracked-files=no") else sha
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()


def code_digest(extra: Iterable[Path] = ()) -> str:
    """SHA-256 over the library (modules and shipped assets) and ``extra`` files."""
    return digest([PACKAGE, *extra])


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files and, recursively, folders; what is missing counts as such."""
    total = hashlib.sha256()
    for top in paths:
        total.update(f"\0{top.name}\0".encode())
        for path in files_below(top):
            total.update(f"{path.relative_to(top).as_posix()}\0".encode())
            with path.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def files_below(top: Path) -> list[Path]:
    """The file itself, or every file of a folder in a fixed order, leaving out caches and locks."""
    if top.is_file():
        return [top]
    return sorted(p for p in top.rglob("*") if p.is_file() and not _SKIPPED & set(p.relative_to(top).parts))
