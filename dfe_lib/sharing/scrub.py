"""A copy of results for others: what may be seen by everybody, whole or not at all."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dfe_lib import provenance
from dfe_lib.errors import InputError
from dfe_lib.report import page
from dfe_lib.sharing import notebooks, tables
from dfe_lib.sharing.check import REPORT, check
from dfe_lib.sharing.names import FILE, RECORDING, Names
from dfe_lib.staging import staged_folder

_JOURNAL, _QUARANTINE = "journal.jsonl", "quarantine"
_SAID = (
    "frames",
    "measured",
    "seconds",
    "attempts",
)  # of a journal's line: what is neither a name nor a digest
# Names of files and folders that say nothing.
_OURS = {"demo", "ci", "paper", "bags", "tables", "tokens", "frames", "tokenizer", "notebooks", _QUARANTINE}
_PAGE = "index.html"


@dataclass(frozen=True)
class Scrubbed:
    """What became of a results folder.

    Attributes
    ----------
    folder : the copy. removed : how many of what was left out. kept : files by kind.
    key : name → pseudonym. It is in no file of the copy.
    """

    folder: Path
    removed: dict[str, int]
    kept: dict[str, int]
    key: dict[str, str]


def scrub(source: str | Path, out: str | Path) -> Scrubbed:
    """Copy results without pictures of people, landmarks, names, places and users; the source stays as it is.

    Everything is kept that is known to be a number, a mesh, a drawing of our own or our own code, and nothing else.
    Recordings and subjects get pseudonyms, the same ones throughout, unless they are of open data. ``docs/privacy.md``
    has all rules, and says what a bag of tokens still tells.

    Parameters
    ----------
    source : results of a profile, of one notebook, or tables of ``dfe extract``, ``encode`` or ``export``; also a
        folder of several of these.
    out : a folder that is not there yet.

    Raises
    ------
    AccessError : rows per person or frame of gated data.
    InputError : ``out`` exists or lies in ``source``; nothing is there that can be shared; names cannot be known; or
        the copy does not pass :func:`~dfe_lib.sharing.check`.

    Examples
    --------
    >>> done = scrub("results/demo", "for-others")                     # doctest: +SKIP
    >>> done.removed["pictures of people"]                             # doctest: +SKIP
    3
    """
    source, out = Path(source), Path(out)
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; give a results folder or a folder of tables")
    if out.exists():
        raise InputError(f"{out} is there already; name a new folder, which is then whole or not there")
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{out} lies in {source}, which stays untouched; name a folder elsewhere")
    removed: Counter[str] = Counter()
    found = list(_walk(source, removed))
    names = Names(_names(found, source))
    with staged_folder(out) as staged:
        for path in found:
            _write(path, source, staged, names, removed)
        _pages(source, staged)
        kept = Counter(p.suffix.lstrip(".") or "other" for p in provenance.files_below(staged))
        if not kept:
            raise InputError(
                f"nothing in {source} can be shared: no results, tables or tokenizers of this library"
            )
        report = {"removed": dict(sorted(removed.items())), "kept": dict(sorted(kept.items()))}
        report = {k: {n: c for n, c in v.items() if c} for k, v in report.items()}
        said = json.dumps(report | {"provenance": provenance.collect()}, indent=2) + "\n"
        (staged / REPORT).write_text(said, encoding="utf-8")
        wrong = check(staged, names)
        if wrong:
            raise InputError(
                f"{len(wrong)} findings in the copy, which is not written; the first: {wrong[0]}"
            )
    return Scrubbed(out, report["removed"], report["kept"], names.key)


def write_key(key: dict[str, str], path: Path) -> Path:
    """Write name → pseudonym to a file that only its owner reads.

    Raises
    ------
    InputError : the file is there already, or cannot be written.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(json.dumps(key, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise InputError(f"the key cannot be written to {path} ({error.strerror or error})") from error
    return path


def _walk(folder: Path, removed: Counter) -> Iterator[Path]:
    """Notebooks' folders, trained things and files, in order; links and what is hidden are left out."""
    if notebooks.is_result(folder) or (folder / "card.json").is_file():
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name.startswith("."):
            removed["hidden, unfinished or linked"] += 1
        elif path.is_dir():
            yield from _walk(path, removed)
        elif path.is_file():
            yield path


def _names(found: list[Path], source: Path) -> Iterator[tuple[str, str]]:
    """Kind and name of all that must not be named."""
    for path in found:
        above = path.relative_to(source).parts[:-1]
        yield from ((FILE, part) for part in above if part not in _OURS)
        if path.is_dir():
            if notebooks.is_result(path):
                yield from notebooks.names_in(path)
            elif path.name not in _OURS and path != source:
                yield FILE, path.name
        elif path.suffix in (".parquet", ".csv"):
            yield from (n for n in tables.names_in(path) if n != (FILE, path.stem) or path.stem not in _OURS)
        elif path.name == _JOURNAL:
            for line in _objects(path.read_text(encoding="utf-8").splitlines()):
                yield from ((RECORDING, Path(str(line[k])).stem) for k in ("source", "table") if k in line)
                yield RECORDING, str(line.get("recording", ""))
        elif path.parent.name == _QUARANTINE:
            yield RECORDING, path.stem


def _write(path: Path, source: Path, staged: Path, names: Names, removed: Counter) -> None:
    target = staged / _renamed(path.relative_to(source), names)
    if path.is_dir():
        if notebooks.is_result(path):
            notebooks.write(path, target if path != source else staged / path.name, names, removed)
        else:
            notebooks.artefact(path, target if path != source else staged / "tokenizer", names, True, removed)
    elif path.suffix in (".parquet", ".csv"):
        tables.write(path, target, names, removed)
    elif path.name == _JOURNAL:
        lines = _objects(path.read_text(encoding="utf-8").splitlines())
        _text(target, [json.dumps({"recording": names.of(x.get("recording")), **_told(x)}) for x in lines])
    elif path.parent.name == _QUARANTINE and path.suffix == ".json":
        for why in _objects([path.read_text(encoding="utf-8")]):
            # Its message may hold anything; the kind of error says enough.
            told = {"recording": names.of(path.stem), "kind": names.text(str(why.get("kind"))), **_told(why)}
            _text(target, [json.dumps(told, indent=2)])
    elif path.suffix == ".json" and any(path.with_suffix(s).is_file() for s in (".csv", ".parquet")):
        pass  # the description of a table, made anew with it
    elif path.suffix == ".html":
        removed["pages, of which the report is made anew"] += 1
    else:
        removed["files of unknown kind"] += 1


def _renamed(path: Path, names: Names) -> Path:
    """A path in the copy. What has no pseudonym is of ours, or of open data."""
    parts = [names.key.get(part, part) for part in path.parts[:-1]]
    last = path.name
    stem = path.stem if path.suffix in (".parquet", ".csv", ".json", ".jsonl") else last
    return Path(*parts, names.key.get(stem, stem) + last[len(stem) :])


def _objects(texts: list[str]) -> list[dict]:
    """The JSON objects among texts; a line that was cut short is none."""
    found = []
    for text in texts:
        try:
            value = json.loads(text)
        except ValueError:
            continue
        found += [value] if isinstance(value, dict) else []
    return found


def _told(line: dict) -> dict:
    return {k: line[k] for k in _SAID if isinstance(line.get(k), int | float)}


def _text(target: Path, lines: list[str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _pages(source: Path, staged: Path) -> None:
    """The report of every profile that had one, made from the copy."""
    for folder in {path.parent.parent for path in staged.rglob("metrics.json")}:
        if (source / folder.relative_to(staged) / _PAGE).is_file():
            page.write(folder)
