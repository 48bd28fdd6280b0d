"""Damage to files, in the manner of radamsa: deterministic, by a generator; bytes in, bytes out.

Three kinds: any bytes (flips, cuts, splices, odd integers), text (numbers, quotes, separators, depth), and JSON as a
tree. What needs to know a binary format lies in :mod:`dfe_lib.bench.hostile.craft`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import numpy as np

Mutator = Callable[[np.random.Generator, bytes], bytes]

LONGEST = 1 << 21  # bytes of a mutant; what a small file claims matters more than what a large one holds
_INTEGERS = tuple({n + d for n in (0, 2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**63) for d in (-1, 0, 1)})
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
NUMBERS = (
    *(
        b"",
        b"-",
        b"nan",
        b"NaN",
        b"inf",
        b"-inf",
        b"Infinity",
        b"1e999",
        b"-1e999",
        b"1e308",
        b"1e-320",
        b"-0",
    ),
    *(
        b"0",
        b"-1",
        b"2147483648",
        b"-2147483649",
        b"9223372036854775807",
        b"9223372036854775808",
        b"0x10",
        b"1_0",
    ),
    *(b"9" * 400, b"9" * 5000, b"0." + b"0" * 400 + b"1", b"1,5", b"--1", b"true", b"null", "٣".encode()),
)
_WORDS = (
    *(
        b"\0",
        b'"',
        b"'",
        b'"""',
        b"\r",
        b"\n\n",
        b"\r\n",
        b"\t",
        b",",
        b",,,,",
        b";",
        b":",
        b": ",
        b"- ",
        b"#",
        b"{",
    ),
    *(
        b"[",
        b"]",
        b"}",
        b"&a ",
        b"*a ",
        b"!!python/object/apply:os.system ",
        b"!!binary ",
        b"<<: ",
        b"\xff\xfe",
    ),
    *(b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", "\u202e".encode(), "\U0001f600".encode()),
    *(b"../secret.txt", b"/etc/passwd"),
    *(
        b"%s%n",
        b"$(touch pwned)",
        b"<script>alert(1)</script>",
        b"\\u0000",
        b"\\ud800",
        b"__class__",
        b"con",
        b"~",
    ),
    *(
        b"2020-13-45",
        b"1:2:3",
        b"0b2",
        b"0o9",
        b".inf",
        b".nan",
        b"yes",
        b"null",
        b"=",
        b"?",
        b"|",
        b">",
        b"@",
        b"%",
    ),
)


def flip(rng: np.random.Generator, data: bytes) -> bytes:
    """A few bits, or a few bytes, become others."""
    out = bytearray(data)
    for at in rng.integers(0, max(len(out), 1), int(rng.integers(1, 9))):
        if out:
            out[at] = out[at] ^ (1 << int(rng.integers(8))) if rng.random() < 0.5 else int(rng.integers(256))
    return bytes(out)


def cut(rng: np.random.Generator, data: bytes) -> bytes:
    """The end, or a piece, is missing."""
    a, b = _span(rng, data)
    return data[:a] if rng.random() < 0.5 else data[:a] + data[b:]


def repeat(rng: np.random.Generator, data: bytes) -> bytes:
    """A piece stands there again, once or very often."""
    a, b = _span(rng, data)
    piece = data[a : min(b, a + 4096)]
    times = int(rng.choice([1, 2, 10, 1000, 20_000]))
    return data[:b] + piece * min(times, LONGEST // max(len(piece), 1)) + data[b:]


def move(rng: np.random.Generator, data: bytes) -> bytes:
    """A piece stands elsewhere."""
    a, b = _span(rng, data)
    rest = data[:a] + data[b:]
    at = int(rng.integers(0, len(rest) + 1))
    return rest[:at] + data[a:b] + rest[at:]


def blank(rng: np.random.Generator, data: bytes) -> bytes:
    """A piece becomes zeros, ones or noise."""
    a, b = _span(rng, data)
    n = min(b, a + 512) - a
    filled = (b"\0" * n, b"\xff" * n, rng.bytes(n))[int(rng.integers(3))]
    return data[:a] + filled + data[a + n :]


def integer(rng: np.random.Generator, data: bytes) -> bytes:
    """Interesting integers of 1 to 8 bytes, of either byte order."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        width = int(rng.choice([1, 2, 4, 8]))
        value = int(rng.choice(len(_INTEGERS)))
        raw = (_INTEGERS[value] % 2 ** (8 * width)).to_bytes(width, ("little", "big")[int(rng.integers(2))])
        at = int(rng.integers(0, max(len(out) - width, 0) + 1))
        out[at : at + width] = raw
    return bytes(out)


def number(rng: np.random.Generator, data: bytes) -> bytes:
    """Numbers in text become huge, NaN, negative, empty or none at all."""
    found = list(_NUMBER.finditer(data[:200_000]))
    if not found:
        return word(rng, data)
    for k in sorted(rng.choice(len(found), min(len(found), int(rng.integers(1, 4))), replace=False))[::-1]:
        data = data[: found[k].start()] + _one(rng, NUMBERS) + data[found[k].end() :]
    return data


def word(rng: np.random.Generator, data: bytes) -> bytes:
    """Quotes, NULs, broken UTF-8, marks of YAML and JSON, paths and code, somewhere."""
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(data) + 1))
        data = data[:at] + _one(rng, _WORDS) + data[at + int(rng.integers(0, 3)) :]
    return data


def line(rng: np.random.Generator, data: bytes) -> bytes:
    """Lines are dropped, doubled, swapped, or become very long."""
    lines = data.split(b"\n")
    i, j = (int(k) for k in rng.integers(0, len(lines), 2))
    kind = int(rng.integers(5))
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 3:
        lines[i] = lines[i] * min(int(rng.choice([2, 100, 5000])), LONGEST // max(len(lines[i]), 1))
    else:
        lines = lines[: i + 1]
    return b"\n".join(lines)


def cell(rng: np.random.Generator, data: bytes) -> bytes:
    """Cells of a CSV, its header's among them, become odd, more, fewer, or change places."""
    lines = data.split(b"\n")
    for _ in range(int(rng.integers(1, 4))):
        i = 0 if rng.random() < 0.4 else int(rng.integers(0, len(lines)))
        cells = lines[i].split(b",")
        k, m = (int(n) for n in rng.integers(0, len(cells), 2))
        kind = int(rng.integers(5))
        if kind <= 1:
            cells[k] = _one(rng, NUMBERS if kind else _WORDS)
        elif kind == 2:
            cells[k] = cells[m]
        elif kind == 3:
            del cells[k]
        else:
            cells[k], cells[m] = cells[m], cells[k]
        lines[i] = b",".join(cells)
    return b"\n".join(lines)


def deep(rng: np.random.Generator, data: bytes) -> bytes:
    """Brackets nested so deeply that a recursive reader runs out of stack."""
    opening, closing = ((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b""), (b"{a: ", b"}"))[int(rng.integers(4))]
    depth = int(rng.choice([50, 500, 5000, 50_000]))
    nested = opening * depth + (closing * depth if rng.random() < 0.7 else b"")
    at = int(rng.choice([0, len(data), int(rng.integers(0, len(data) + 1))]))
    return data[:at] + nested + data[at:]


def tree(rng: np.random.Generator, data: bytes) -> bytes:
    """JSON whose values become other ones, of other types, missing, or many."""
    content = json.loads(data)
    for _ in range(int(rng.integers(1, 4))):
        content = _changed(rng, content)
    return json.dumps(content).encode()


def splice(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """The beginning of one file with the end of another."""
    return data[: int(rng.integers(0, len(data) + 1))] + other[int(rng.integers(0, len(other) + 1)) :]


ODD = (
    *(None, True, -1, 0, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf"), -1e-320, "", "a", "NaN"),
    *("\0", "\ud800"),
    *("../secret.txt", "../../secret.txt", "/etc/passwd", "<script>", "!!python/object", "a" * 5000),
    *([], {}, [[]], [None], [1, "a"]),
    *({"a": 1}, [{}], [2**40] * 3, ["a"] * 300),
)  # fmt: skip


def _changed(rng: np.random.Generator, content: object) -> object:
    """A copy in which one value, found by a random walk down, is another."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.12:
        return ODD[int(rng.integers(len(ODD)))]
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = keys[int(rng.integers(len(keys)))]
    out = dict(content) if isinstance(content, dict) else list(content)
    kind = rng.random()
    if kind < 0.1:
        del out[key]
    elif kind < 0.15 and isinstance(out, list):
        out += [out[key]] * int(rng.choice([1, 5, 1000]))
    elif kind < 0.2 and isinstance(out, dict):
        out[("", "a", "kind", "__proto__", "../x")[int(rng.integers(5))]] = out[key]
    else:
        out[key] = _changed(rng, out[key])
    return out


def _span(rng: np.random.Generator, data: bytes) -> tuple[int, int]:
    a, b = sorted(int(k) for k in rng.integers(0, len(data) + 1, 2))
    return a, b


def _one(rng: np.random.Generator, among: Sequence[bytes]) -> bytes:
    return among[int(rng.integers(len(among)))]


BYTES: tuple[Mutator, ...] = (flip, flip, cut, repeat, move, blank, integer, integer)
TEXT: tuple[Mutator, ...] = (flip, cut, repeat, number, number, word, word, line, deep)
CSV: tuple[Mutator, ...] = (*TEXT, cell, cell, cell, cell)
JSON: tuple[Mutator, ...] = (*TEXT, tree, tree, tree, tree, tree, tree, tree)


def mutate(rng: np.random.Generator, data: bytes, among: Sequence[Mutator], twice: float = 0.3) -> bytes:
    """A mutant of ``data``; now and then of a mutant, where the second damage need not know the format."""
    out = among[int(rng.integers(len(among)))](rng, data)
    if rng.random() < twice:
        out = BYTES[int(rng.integers(len(BYTES)))](rng, out)
    return out[: 2 * LONGEST]
