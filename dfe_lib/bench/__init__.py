"""``dfe bench``: speed of extraction and encoding, as ratios against a plain loop in the same run."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dfe_lib.bench.extraction import extraction
from dfe_lib.bench.tokens import tokens
from dfe_lib.errors import ConfigError, choices
from dfe_lib.paths import REPOSITORY

RESULT = REPOSITORY / "benchmarks" / "latest.json"

SUITES: dict[str, Callable[[], dict[str, float]]] = {"extraction": extraction, "tokens": tokens}


def run(suite: str = "all", target: Path = RESULT) -> dict:
    """Run one suite or all and write the figures with host and versions.

    Raises
    ------
    ConfigError : unknown suite.
    """
    from dfe_lib.provenance import collect

    if suite != "all" and suite not in SUITES:
        raise ConfigError(f"no such benchmark: {choices(suite, ['all', *SUITES])}")
    names = list(SUITES) if suite == "all" else [suite]
    result = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "provenance": collect()}
    result |= {name: {k: float(f"{v:.4g}") for k, v in SUITES[name]().items()} for name in names}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    return result
