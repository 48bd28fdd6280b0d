"""Whether the artefacts inside the package are the ones that were committed: ``assets/SHA256SUMS``.

The list has the form of ``sha256sum``, so that it can also be checked without any of our code
(``cd dfe_lib/assets && sha256sum --check SHA256SUMS``). ``dfe build`` writes it anew for what it builds in place.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from dfe_lib.errors import InputError
from dfe_lib.paths import ASSETS

SUMS = "SHA256SUMS"


def expected(assets: Path = ASSETS) -> dict[str, str]:
    """Sha256 of every shipped file by its path below ``assets``.

    Raises
    ------
    InputError : the list is not there, or is none.
    """
    try:
        lines = (assets / SUMS).read_text(encoding="ascii").splitlines()
        pairs = [line.split("  ", 1) for line in lines]
        return {path: digest for digest, path in pairs}
    except (OSError, ValueError) as error:
        raise InputError(f"{assets / SUMS} cannot be read ({error}); install the package again") from error


def check(folder: Path, assets: Path = ASSETS) -> None:
    """Compare every file of a shipped folder with the list; nothing may be changed, missing or added.

    Raises
    ------
    InputError : naming the first file that is not as it was committed.
    """
    listed = {p: d for p, d in expected(assets).items() if p.startswith(f"{folder.name}/")}
    there = _digests(folder, assets)
    for path in sorted(listed.keys() | there.keys()):
        if listed.get(path) != there.get(path):
            how = (
                "is missing" if path not in there else "was changed" if path in listed else "does not belong"
            )
            raise InputError(
                f"the shipped {assets / path} {how} (sha256 {there.get(path)}, committed {listed.get(path)}); "
                f"install the package again, or run `dfe build {folder.name}` to make and list your own"
            )


def record(folder: Path, assets: Path = ASSETS) -> None:
    """Write the list anew for one folder that was just built in place."""
    others = expected(assets) if (assets / SUMS).is_file() else {}
    others = {p: d for p, d in others.items() if not p.startswith(f"{folder.name}/")}
    lines = [f"{digest}  {path}\n" for path, digest in sorted((others | _digests(folder, assets)).items())]
    staged = assets / f".{SUMS}"
    staged.write_text("".join(lines), encoding="ascii")
    os.replace(staged, assets / SUMS)


def _digests(folder: Path, assets: Path) -> dict[str, str]:
    files = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]
    found = {}
    for path in files:
        with path.open("rb") as stream:
            found[path.relative_to(assets).as_posix()] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found
