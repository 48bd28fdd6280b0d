"""Two runs with one seed on one machine, file by file: the same bytes, but for what is named here with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd

from dfe_lib import provenance

# What differs between two runs, and why; all other files are compared byte by byte.
VARIES = {
    "metrics.json": "`timings`: seconds and rates of this run",
    "run.json": "`wall_s`, and the digests of the files of this list",
    "*.ipynb": "times of papermill and of the kernel, widgets (each has an id of its own, and what hangs on it), "
    "where results go, addresses in memory, standard error",
    "index.html, notebooks/*.html": "made from the above; they show the seconds",
}
_ANEW = re.compile(r"0x[0-9a-f]{6,}|(?<=Path\(')[^']*/")  # addresses in memory, folders of results
_PAGES = {".html"}


@dataclass(frozen=True)
class Difference:
    """A file of two runs that is not the same, and in what."""

    file: str
    what: str


def differences(a: str | Path, b: str | Path) -> list[Difference]:
    """What differs between two results folders beyond ``VARIES``.

    Parameters
    ----------
    a, b : results of a profile, or of one notebook. Only folders of notebooks that both have are compared.

    Examples
    --------
    >>> differences("results/demo", "again")                           # doctest: +SKIP
    []
    """
    a, b = Path(a), Path(b)
    one, two = ({p.relative_to(f).as_posix() for p in provenance.files_below(f)} for f in (a, b))
    shared = {n.partition("/")[0] for n in one if "/" in n} & {n.partition("/")[0] for n in two if "/" in n}
    found = []
    for name in sorted(one | two):
        if Path(name).suffix in _PAGES or (shared and "/" in name and name.partition("/")[0] not in shared):
            continue
        if name not in one or name not in two:
            found.append(Difference(name, f"is in the {'first' if name in one else 'second'} run alone"))
        elif (what := _apart(a / name, b / name)) is not None:
            found.append(Difference(name, what))
    return found


def spread(a: str | Path, b: str | Path) -> pd.DataFrame:
    """How far two runs are apart that need not be the same: of another processor, say, or another number of threads.

    Returns
    -------
    One row per notebook and kind of value (``metrics``, ``tables``, ``frames``, ``arrays``, ``figures``): ``values``,
    ``other`` (share that is not the same), and ``median``, ``p95`` and ``largest`` of |b − a| / (0.01 + |a|) over the
    values that are not (of words 1; of a figure the share of its pixels that changed colour visibly).

    Examples
    --------
    >>> spread("results/demo", "elsewhere/demo")                       # doctest: +SKIP
    """
    rows = []
    for folder in sorted(Path(a).glob("[0-9][0-9]_*")):
        found: dict[str, list[np.ndarray]] = {}
        for path in provenance.files_below(folder):
            other = Path(b) / folder.name / path.relative_to(folder)
            if other.is_file():
                for kind, gaps in _gaps(path, other):
                    found.setdefault(kind, []).append(gaps)
        for kind, parts in found.items():
            gaps = np.concatenate(parts)
            apart = gaps[gaps > 0]
            row = {
                "notebook": folder.name,
                "kind": kind,
                "values": len(gaps),
                "other": len(apart) / max(len(gaps), 1),
            }
            ends = np.quantile(apart, [0.5, 0.95, 1]) if len(apart) else np.zeros(3)
            rows.append(row | dict(zip(("median", "p95", "largest"), ends, strict=True)))
    return pd.DataFrame(rows)


def _gaps(a: Path, b: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Kind and gap of every value that a file of two runs has in common."""
    if a.name == "metrics.json":
        one, two = (json.loads(p.read_text(encoding="utf-8"))["metrics"] for p in (a, b))
        yield "metrics", _relative(*([m.get(k) for k in one | two] for m in (one, two)))
    elif a.suffix == ".csv":
        one, two = (pd.read_csv(p) for p in (a, b))
        if one.shape != two.shape:
            yield "tables", np.ones(max(one.size, two.size))
        else:
            yield "tables", _relative(one.to_numpy(object).ravel(), two.to_numpy(object).ravel())
    elif a.suffix == ".parquet":
        one, two = (pd.read_parquet(p) for p in (a, b))
        yield "frames", _relative(one.to_numpy(object).ravel(), two.to_numpy(object).ravel())
    elif a.suffix == ".safetensors":
        from safetensors.numpy import load_file

        one, two = load_file(a), load_file(b)
        for name in one:
            yield "arrays", _relative(one[name].ravel(), two[name].ravel())
    elif a.suffix == ".png":
        from dfe_lib.report.pictures import apart

        yield "figures", np.array([apart(a, b)])


def _relative(a: Any, b: Any) -> np.ndarray:
    out = []
    for x, y in zip(a, b, strict=True):
        if x is y or x == y or (x != x and y != y):
            out.append(0.0)
        elif all(isinstance(v, int | float | np.number) and v == v for v in (x, y)):
            out.append(abs(float(y) - float(x)) / (0.01 + abs(float(x))))
        else:
            out.append(1.0)
    return np.array(out)


def _apart(a: Path, b: Path) -> str | None:
    if a.name in ("metrics.json", "run.json"):
        return _first(_repeats(a), _repeats(b))
    if a.suffix == ".ipynb":
        return _first(_said(a), _said(b))
    return None if a.read_bytes() == b.read_bytes() else "other bytes"


def _repeats(path: Path) -> dict[str, Any]:
    """Of a JSON file of results what the same seed repeats."""
    content = json.loads(path.read_text(encoding="utf-8"))
    files = content.get("files", {})
    steady = {n: d for n, d in files.items() if not n.endswith(".ipynb") and n not in VARIES}
    return {k: v for k, v in content.items() if k not in ("timings", "wall_s", "files")} | {"files": steady}


def _said(path: Path) -> list:
    """Code and outputs of an executed notebook, without what every run makes anew."""
    cells = []
    for cell in nbformat.read(path, as_version=4).cells:
        source = cell.source
        if "injected-parameters" in cell.metadata.get("tags", ()):
            source = re.sub(r"^results_dir = .*$", "", source, flags=re.MULTILINE)
        cells.append([source, *filter(None, map(_output, cell.get("outputs", ())))])
    return cells


def _output(output: nbformat.NotebookNode) -> list | None:
    if output.output_type == "stream":
        return None if output.name == "stderr" else [_ANEW.sub("…", output.text)]
    if output.output_type == "error":
        return [output.ename, output.evalue]
    if any(kind.startswith("application/vnd.jupyter.widget") for kind in output.data):
        return None
    return [[kind, _ANEW.sub("…", str(value))] for kind, value in sorted(output.data.items())]


def _first(a: Any, b: Any, where: str = "") -> str | None:
    """The first place where two JSON values differ, in words; None where they are the same."""
    if type(a) is type(b) and isinstance(a, dict | list):
        keys = sorted({*a, *b}) if isinstance(a, dict) else range(max(len(a), len(b)))
        for key in keys:
            if (key not in a or key not in b) if isinstance(a, dict) else key >= min(len(a), len(b)):
                return f"{where}/{key} is in one run alone"
            if (found := _first(a[key], b[key], f"{where}/{key}")) is not None:
                return found
        return None
    return None if a == b else f"{where}: {str(a)[:60]!r} and {str(b)[:60]!r}"


if __name__ == "__main__":  # python -m dfe_lib.runner.identical A B
    import sys

    print(spread(*sys.argv[1:3]).to_string(index=False, float_format="{:.2g}".format))
    for difference in differences(*sys.argv[1:3]):
        print(f"{difference.file}: {difference.what}")
