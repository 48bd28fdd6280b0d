"""The check of a copy for others: what it must not hold, looked for in its bytes and not in how it was made."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from dfe_lib.errors import InputError
from dfe_lib.figures.files import DRAWING, SHOWS, WORDS
from dfe_lib.report.pictures import embed
from dfe_lib.sharing.names import Names, places
from dfe_lib.sharing.tables import NAMED, SHAPE, gated_words, is_shape

REPORT = "scrubbed.json"
_TEXTS = {".json", ".jsonl", ".csv", ".md", ".ipynb", ".html"}
_HELD = {*_TEXTS, ".png", ".pdf", ".parquet", ".safetensors"}
_PICTURE = re.compile(
    r"data:(?:image|video|audio)/[\w.+-]+;base64,[A-Za-z0-9+/=]+|data:(?:image|video|audio)/"
)
_STYLE = re.compile(r"<style.*?</style>", re.DOTALL)  # icons of nbconvert
_HOMES = re.compile(r"(?:/home/|/root/|/Users/|[A-Za-z]:\\\\?Users\\)[\w.-]+")
# The start of a PNG, JPEG, GIF, WebP or MP4, as base64 has it.
_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|AAAA[A-Za-z0-9+/]{2}Z0eX)[A-Za-z0-9+/=\\n]{40,}")


def check(folder: str | Path, names: Names | None = None) -> list[str]:
    """What a folder holds that should not be shared, one sentence each; empty where nothing was found.

    Looked at are: kinds of files; columns and nested columns of every table, and what its ``attrs`` say; marks of
    every picture; pictures inside notebooks and pages, which must be those of kept figures; absolute paths, addresses
    of mail, names of this account and host, and ``names``, in every text and file name.

    Parameters
    ----------
    folder : a copy made by :func:`~dfe_lib.sharing.scrub`.
    names : what must not be named anywhere but in parts on open data, as :func:`scrub` knows it.
    """
    folder, found = Path(folder), []
    files = [p for p in sorted(folder.rglob("*")) if not p.is_dir()]
    drawn = cache(partial(_drawn, folder))
    for path in files:
        where = path.relative_to(folder).as_posix()
        if path.is_symlink() or path.name.startswith(".") or path.suffix not in _HELD:
            found.append(f"{where} is of a kind that is not shared")
            continue
        look = {".parquet": _parquet, ".csv": _csv, ".png": _png, ".pdf": _pdf}.get(path.suffix)
        found += [f"{where} {what}" for what in look(path)] if look else []
        if path.suffix in _TEXTS:
            found += [f"{where} {what}" for what in _text(path, drawn)]
    if names is not None:
        found += _named(folder, files, names)
    return found


def _parquet(path: Path) -> list[str]:
    schema = pq.read_schema(path)
    wrong = [
        f
        for f in schema
        if SHAPE.fullmatch(f.name) or pa.types.is_nested(f.type) or pa.types.is_binary(f.type)
    ]
    said = " ".join(v.decode(errors="replace") for v in (pq.read_metadata(path).metadata or {}).values())
    return [f"has the column '{f.name}' ({f.type})" for f in wrong] + [f"names {p}" for p in places(said)]


def _csv(path: Path) -> list[str]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [f"has the column '{c}'" for c in table.columns if is_shape(c, table[c])]


def _png(path: Path) -> list[str]:
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            shows, words = picture.info.get(SHOWS), picture.info.get(WORDS, "")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ["is no readable picture"]
    wrong = [] if shows == DRAWING else [f"shows {shows or 'nobody knows what'}"]
    return wrong + [f"names {p}" for p in places(words)]


def _pdf(path: Path) -> list[str]:
    return [] if path.with_suffix(".png").is_file() else ["is no figure of a notebook"]


def _text(path: Path, drawn: Callable[[], set[str]]) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        # Made from notebooks and results, whose words are looked through themselves.
        text = _STYLE.sub("", text)
        wrong = _foreign(_PICTURE.findall(text), drawn())
        return wrong + [f"names {p}" for p in _HOMES.findall(_PICTURE.sub("", text))]
    beside = {_code(p) for p in path.parent.glob("*.png")} if path.suffix == ".ipynb" else set()
    wrong = _foreign(
        [*_PICTURE.findall(text), *(p.replace("\\n", "") for p in _BASE64.findall(text))], beside
    )
    return wrong + [f"names {p}" for p in places(_plain(path, text))]


def _drawn(folder: Path) -> set[str]:
    """The folder's pictures, as its pages hold them; of one that cannot be read :func:`_png` tells."""
    found = set()
    for png in folder.rglob("*.png"):
        with suppress(InputError):
            found |= {embed(png).uri, f"data:image/png;base64,{_code(png)}"}
    return found


def _foreign(pictures: list[str], drawn: set[str]) -> list[str]:
    return [f"holds a picture that is no kept figure ({p[:40]}…)" for p in pictures if p not in drawn]


def _code(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _plain(path: Path, text: str) -> str:
    """A notebook without the bytes of its pictures, in which anything may happen to look like a path."""
    if path.suffix != ".ipynb":
        return text
    content = json.loads(text)
    for cell in content["cells"]:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/png", None)
    return json.dumps(content, ensure_ascii=False)


def _named(folder: Path, files: list[Path], names: Names) -> list[str]:
    """Private names in names of files, in tables, and in what a notebook on private data says."""
    found = []
    for path in files:
        where, beside = path.relative_to(folder), path.parent / "metrics.json"
        private = (
            not beside.is_file() or gated_words(json.loads(beside.read_text(encoding="utf-8"))["data"])[0]
        )
        if any(part in names.key or Path(part).stem in names.key for part in where.parts if private):
            found.append(f"a file is named after what has a pseudonym ({names.text(str(where))})")
        if path.suffix == ".parquet" and private:
            table = pq.read_table(path)
            said = {
                str(v) for c in NAMED.keys() & set(table.column_names) for v in table[c].unique().to_pylist()
            }
            if said & names.key.keys():
                found.append(f"{where} names recordings or subjects")
        elif beside.is_file() and private and path.suffix in (".png", ".md"):
            with_words = Image.open(path).info.get(WORDS, "") if path.suffix == ".png" else path.read_text()
            if names.among(with_words):
                found.append(f"{where} names recordings or subjects")
    return found
