"""``dfe bench``: speed and memory, as ratios against peers on the same inputs in the same run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dfe_lib.bench.codings import codings
from dfe_lib.bench.datasets import datasets
from dfe_lib.bench.explorer import explorer
from dfe_lib.bench.extraction import extraction
from dfe_lib.bench.hostile import hostile
from dfe_lib.bench.prediction import null, planted, prediction
from dfe_lib.bench.privacy import privacy
from dfe_lib.bench.quality import quality
from dfe_lib.bench.readers import readers
from dfe_lib.bench.report import markdown
from dfe_lib.bench.scaling.cluster import cluster
from dfe_lib.bench.scaling.costs import costs
from dfe_lib.bench.scaling.faults import faults
from dfe_lib.bench.scaling.model import document
from dfe_lib.bench.scaling.scale import scale
from dfe_lib.bench.simulation import simulation
from dfe_lib.bench.tokens import tokens
from dfe_lib.errors import ConfigError, choices
from dfe_lib.paths import REPOSITORY

RESULT = REPOSITORY / "benchmarks" / "latest.json"
REPORT = REPOSITORY / "BENCHMARKS.md"

SUITES: dict[str, Callable[[], dict[str, float | str]]] = {
    "extraction": extraction,
    "tokens": tokens,
    "quality": quality,
    "codings": codings,
    "simulation": simulation,
    "readers": readers,
    "explorer": explorer,
    "datasets": datasets,
    "privacy": privacy,
    "prediction": prediction,
    "prediction_null": null,
    "planted_mixed": partial(planted, "mixed"),
    "planted_facs": partial(planted, "facs"),
    "planted_beyond": partial(planted, "beyond"),
    "cluster": cluster,
    "scale": scale,
    "costs": costs,
    "hostile": hostile,
    "faults_training": partial(faults, "training"),
    "faults_reproduce": partial(faults, "reproduce"),
    "faults_extraction": partial(faults, "extraction"),
}


def run(suite: str = "all", target: Path = RESULT, report: Path = REPORT) -> dict:
    """Run one suite or all and write the figures with host and versions, and a page to read.

    Figures of a suite that is not run now stay as they were, with the host and date of their own.

    Raises
    ------
    ConfigError : unknown suite.
    """
    from dfe_lib.provenance import collect

    if suite != "all" and suite not in SUITES:
        raise ConfigError(f"no such benchmark: {choices(suite, ['all', *SUITES])}")
    for name in SUITES if suite == "all" else [suite]:
        made = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "host": _host(), **collect()}
        made["versions"] |= _peers()
        rows = SUITES[name]()
        figures = {k: v if isinstance(v, str) else float(f"{v:.4g}") for k, v in rows.items()}
        # Read only now: another suite may have ended while this one ran.
        kept = json.loads(target.read_text()) if target.is_file() else {}
        kept[name] = {"made": made, "figures": figures}
        result = {n: kept[n] for n in SUITES if "made" in kept.get(n, {})}
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(result, indent=2) + "\n")
        report.write_text(markdown(result))
        if target == RESULT:
            document(result)
    return result


def _host() -> dict[str, object]:
    """What the figures depend on; the load says whether the machine had other work."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        processor = names[0] if names else processor
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {"processor": processor, "cores": os.cpu_count(), "load_before": load}


def _peers() -> dict[str, str]:
    versions = {}
    for name in ("faiss-cpu", "vector-quantize-pytorch"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions
