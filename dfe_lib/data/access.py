"""Who may see what: the access word that travels with every table, and the refusal to pass on what is gated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dfe_lib import paths
from dfe_lib.data.registry import load_manifest
from dfe_lib.errors import InputError

OPEN, OWN = "open", "own"  # published for everyone; the user's own recordings
GATED = ("registration", "request", "agreement")
DERIVED = "derived"  # below the cache: what was made from a data set, one folder each


class AccessError(InputError):
    """Per-person data of a gated set would leave the user's own results."""


def is_gated(attrs: Mapping[str, object]) -> bool:
    """Whether a table with these ``attrs`` stands on data that were granted and may not be passed on."""
    return attrs.get("access", OPEN) in GATED


def refuse_gated(attrs: Mapping[str, object], what: str, source: str | Path | None = None) -> None:
    """Raise unless per-person rows with these ``attrs`` may be passed on.

    Parameters
    ----------
    attrs : of the table; ``access`` and ``dataset`` are looked at.
    what : what would be done, for the message: ``"an export"``.
    source : the file that the table comes from. A file in the folder of a gated set, or in what was derived from
        one, is refused as well, whatever its ``attrs`` say.

    Raises
    ------
    AccessError : the data are gated.

    Examples
    --------
    >>> refuse_gated({"access": "open"}, "an export")
    """
    found, dataset = attrs.get("access", OPEN), attrs.get("dataset", "a gated data set")
    if found not in GATED and source is not None:
        placed = of_path(source)
        if placed is not None:
            dataset, found = placed
    if found in GATED:
        raise AccessError(
            f"{what} of {dataset} is refused: its access is by {found}, and no table with a row per person or frame "
            "may be passed on; summaries over people in your own results folder are yours to publish within the "
            "terms that you signed"
        )


def of_path(path: str | Path) -> tuple[str, str] | None:
    """Entry and access of the gated set in whose folder (or derived folder) a file lies; None elsewhere."""
    place = Path(path).resolve()
    roots = [paths.data_dir(), paths.data_dir() / DERIVED, *paths.mirrors()]
    for entry in load_manifest().entries.values():
        if entry.access in GATED and any(place.is_relative_to((r / entry.name).resolve()) for r in roots):
            return entry.name, entry.access
    return None
