"""Reference metrics of a profile: saved beside the code, compared side by side after a recomputation."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dfe_lib import results
from dfe_lib.errors import InputError
from dfe_lib.runner.notebook import load_profile
from dfe_lib.texts import read_json

# Training is repeatable on one machine; another processor or thread count changes the last digits of every
# sum and, through early choices of codes, the second or third digit of a trained model's error.
RELATIVE, ABSOLUTE = 0.05, 0.01
COLUMNS = ["notebook", "metric", "here", "reference", "verdict"]


def save(folder: Path, reference: Path) -> list[Path]:
    """Write what repeats of every metrics.json below ``folder`` to ``<reference>/<notebook>.json``."""
    reference.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted(folder.glob("[0-9][0-9]_*/metrics.json")):
        content = results.read(path)
        kept = {key: content[key] for key in ("notebook", "profile", "seed", "data", "metrics")}
        target = reference / f"{content['notebook']}.json"
        results.write_atomically(target, (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode())
        written.append(target)
    return written


def compare(
    folder: Path, reference: Path, relative: float = RELATIVE, absolute: float = ABSOLUTE
) -> pd.DataFrame:
    """Metrics here and in the reference, side by side.

    Parameters
    ----------
    folder : results of a profile, one folder per notebook; only these notebooks are compared.
    reference : written by :func:`save`.
    relative, absolute : numbers agree when ``|here − reference| ≤ absolute + relative · |reference|``.

    Returns
    -------
    Table with ``notebook, metric, here, reference, verdict``; the verdict is ``equal``, ``within``,
    ``differs``, ``new``, ``gone`` or, where the two stand on different data, ``other data`` (not comparable).

    Raises
    ------
    InputError : there is no reference, or it cannot be read.
    """
    rows = []
    for path in sorted(folder.glob("[0-9][0-9]_*/metrics.json")):
        here = results.read(path)
        there = _read(reference / f"{here['notebook']}.json")
        rows += side_by_side(here["notebook"], here, there, relative, absolute)
    if not rows:
        raise InputError(f"no results in {folder} to compare")
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def side_by_side(name: str, here: dict, there: dict, relative: float, absolute: float) -> list[tuple]:
    """Rows of :func:`compare` for one notebook, from two contents with ``data`` and ``metrics``."""
    rows = []
    same_data = here["data"] == there["data"]
    for metric in sorted({*here["metrics"], *there["metrics"]}):
        if metric not in there["metrics"]:
            verdict = "new"
        elif metric not in here["metrics"]:
            verdict = "gone"
        else:
            verdict = _verdict(here["metrics"][metric], there["metrics"][metric], relative, absolute)
        if not same_data and verdict != "equal":
            verdict = "other data"
        rows.append((name, metric, here["metrics"].get(metric), there["metrics"].get(metric), verdict))
    return rows


def tolerance_of(profile: str) -> dict[str, float]:
    """``relative`` and ``absolute`` tolerance of a profile; without any of its own, the defaults.

    Raises
    ------
    ConfigError : there is no such profile.
    """
    return {"relative": RELATIVE, "absolute": ABSOLUTE, **load_profile(profile).tolerance}


def recompute(profile: str, only: Iterable[str], reference: Path) -> bool:
    """Run a profile afresh in a temporary folder and print its metrics beside the reference.

    The tolerances are the profile's; without any, ``RELATIVE`` and ``ABSOLUTE``.

    Returns
    -------
    Whether every notebook ran and every metric agrees.

    Raises
    ------
    InputError : there is no reference.
    """
    from dfe_lib.runner.run import reproduce

    if not reference.is_dir():
        raise InputError(
            f"there is no reference for profile '{profile}' ({reference}); "
            f"write one with `dfe reproduce --profile {profile} --save-reference`"
        )
    tolerance = tolerance_of(profile)
    with tempfile.TemporaryDirectory(prefix="dfe-check-") as folder:
        summary = reproduce(profile, only, folder=Path(folder) / profile)
        if not summary.ok:
            return False
        table = compare(summary.folder, reference, **tolerance)
    wrong = disagreements(table)
    print(table.to_string(index=False, na_rep="undefined", max_colwidth=44))
    print(
        f"{len(table)} metrics, {len(wrong)} disagree "
        f"(tolerance {tolerance['absolute']:g} + {tolerance['relative']:g} · |reference|)"
    )
    print(f"reference: {reference}", flush=True)
    return wrong.empty


def disagreements(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`compare` that fail a check."""
    return table[table["verdict"].isin(["differs", "new", "gone"])]


def within(here: float, there: float, relative: float, absolute: float) -> bool:
    """Whether two numbers agree: ``|here − there| ≤ absolute + relative · |there|``."""
    try:
        return math.isclose(here, there, rel_tol=0, abs_tol=absolute + relative * abs(there))
    except OverflowError:  # a whole number that no float can hold
        return here == there


def _verdict(here: Any, there: Any, relative: float, absolute: float) -> str:
    if here == there and type(here) is type(there):
        return "equal"
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (here, there))
    if numbers and within(here, there, relative, absolute):
        return "within"
    return "differs"


def _read(path: Path) -> dict:
    if not path.exists():
        raise InputError(
            f"there is no reference {path.parent.name}/{path.name}; "
            "write one with `dfe reproduce --save-reference`"
        )
    content = read_json(path, "a reference")
    parts = [content.get(key) if isinstance(content, dict) else None for key in ("data", "metrics")]
    if not isinstance(parts[0], list) or not isinstance(parts[1], dict):
        raise InputError(f"the reference {path} cannot be read: it needs a list 'data' and a table 'metrics'")
    return {"data": parts[0], "metrics": parts[1]}
