"""Hostile files that random damage would hardly find: bombs, false sizes, names that lead out, programs in data.

Every function takes a generator (and, where it bends a good file, its bytes) and gives the bytes of a file. A payload
that is ever run writes a file called ``CANARY``; the harness sees that, and every other write.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dfe_lib.bench.hostile.mutate import _changed

CANARY = "pwned"
_RUN = f"open('{CANARY}', 'w').close()"
_SHAPES = (
    *(
        "(1000000000,)",
        "(2, 1000000000000)",
        "(4611686018427387904, 4)",
        "(-1,)",
        "(0,)",
        "()",
        "(3.5,)",
        "('a',)",
    ),
    *("(True,)", "(" + "1, " * 5000 + ")", "(" * 3000 + ")" * 3000, "(9" + "9" * 5000 + ",)", "[1]", "None"),
)
_DTYPES = (
    "|O",
    "<f8",
    ">f4",
    "<i8",
    "|S1000000000",
    "<U268435456",
    "|V10",
    "<M8[s]",
    "<c16",
    "|b1",
    "zz",
    "<i3",
)
MEMBERS = (
    "../../up.npy",
    "/tmp/absolute.npy",
    "C:\\x.npy",
    "a\0b.npy",
    "",
    ".",
    "__proto__.npy",
    "x" * 60_000,
)


def npy(rng: np.random.Generator, _: bytes = b"") -> bytes:
    """An array file whose header lies, in type, shape, length or syntax, or holds a program."""
    dtype, shape = (repr(pick(rng, _DTYPES)), pick(rng, _SHAPES))
    if rng.random() < 0.1:
        dtype = "[('a', '<f8'), ('a', '|O')]"
    header = f"{{'descr': {dtype}, 'fortran_order': {pick(rng, ('False', 'True', '7'))}, 'shape': {shape}, }}"
    if rng.random() < 0.15:
        header = pick(
            rng, (f"__import__('os').system('touch {CANARY}')", _RUN, "{" * 2000, "{}", "1", "\0" * 50, "")
        )
    version = pick(rng, ((1, 0), (2, 0), (3, 0), (9, 9)))
    raw = header.encode() + b"\n"
    width = "<H" if version == (1, 0) else "<I"
    claimed = len(raw) if rng.random() < 0.8 else int(pick(rng, (0, 1, 60_000)))
    data = rng.bytes(int(rng.integers(0, 200)))
    return b"\x93NUMPY" + bytes(version) + struct.pack(width, min(claimed, 65535)) + raw + data


def npz(rng: np.random.Generator, data: bytes) -> bytes:
    """An archive of arrays: members that are bombs, lie about size, stand twice, lead out, or are not arrays."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(i.filename, archive.read(i)) for i in archive.infolist()]
    k = int(rng.integers(len(members)))
    name, content = members[k]
    kind = int(rng.integers(6))
    if kind == 0:
        members[k] = (name, npy(rng))
    elif kind == 1:
        members[k] = (name, bomb())
    elif kind == 2:
        members.append((name, npy(rng)))
    elif kind == 3:
        members.append((pick(rng, MEMBERS), content))
    elif kind == 4:
        del members[k]
    out = io.BytesIO()
    how = pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name[:60_000])
            info.compress_type = zipfile.ZIP_DEFLATED if len(content) > 1 << 20 else how
            if rng.random() < 0.1:
                info.external_attr = 0o120777 << 16  # a symbolic link
            archive._didRead = False
            _write_quietly(archive, info, content)
    raw = bytearray(out.getvalue())
    if kind == 5:  # sizes in the directory that the members do not have
        at = raw.rfind(b"PK\x01\x02")
        raw[at + 20 : at + 28] = struct.pack("<II", *(int(pick(rng, (0, 1, 2**31, 2**32 - 1))) for _ in "ab"))
    return bytes(raw)


def _write_quietly(archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name that stands twice is the point
        archive.writestr(info, content)


@lru_cache(1)
def bomb() -> bytes:
    """64 MB that deflate to 64 kB: an array that is as large as its header says."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 24,)})
    return file.getvalue() + bytes(1 << 26)


def gzip_bomb() -> bytes:
    """64 MB of zeros as gzip."""
    return zlib.compress(bytes(1 << 26), 9, wbits=31)


def safetensors(rng: np.random.Generator, data: bytes) -> bytes:
    """Tensors whose header claims other types, shapes and places, is too long, or is no JSON."""
    length = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    kind = rng.random()
    if kind < 0.5:
        header = _changed(rng, _changed(rng, header))
    elif kind < 0.8:
        name = pick(rng, list(header))
        what = pick(rng, ("shape", "data_offsets", "dtype"))
        odd = {
            "shape": ([2**62, 4], [-1], [2**31] * 3, [0], [1] * 5000, [2**64]),
            "data_offsets": ([0, 2**63], [2**40, 0], [0, 0], [-1, 4], [0, 4, 8]),
            "dtype": ("F64", "BF16", "F8_E4M3", "O", "BOOL", "I64", "U8", "C64"),
        }
        if isinstance(header[name], dict):
            header[name][what] = pick(rng, odd[what])
    raw = json.dumps(header).encode()
    claimed = len(raw) if kind < 0.9 else int(pick(rng, (0, 2**63, 2**32, len(data), 1)))
    return claimed.to_bytes(8, "little") + raw + rest


def parquet(rng: np.random.Generator, data: bytes) -> bytes:
    """A table whose columns are nested, of odd types, twice there, huge when unpacked, or whose attrs are none."""
    table = pq.read_table(io.BytesIO(data))
    for _ in range(int(rng.integers(1, 3))):
        table = _bent(rng, table)
    attrs = pick(
        rng,
        (
            *(b"", b"{", b"[1]", b"1", b'"a"', b"null", b"\xff\xfe", b"NaN", b"[" * 100_000, b'{"space": 1}'),
            *(b'{"space": "x"}', b'{"space": "x", "space_names": "ab", "space_unit": 1, "space_regions": 3}'),
            *(b'{"space": ["ict53"]}', b'{"fps": "a"}', b"9" * 5000),
            json.dumps(_changed(rng, {"space": "ict53"})).encode(),
        ),
    )
    if rng.random() < 0.5:
        table = table.replace_schema_metadata({b"dfe_attrs": attrs})
    out = io.BytesIO()
    pq.write_table(table, out, compression=pick(rng, ("zstd", "snappy", "gzip", "brotli", "none")))
    return out.getvalue()


def _bent(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    n = table.num_rows
    i = int(rng.integers(table.num_columns))
    kind = int(rng.integers(6))
    if kind == 0:
        return table.drop([table.column_names[i]])
    if kind == 1:
        return table.append_column(table.column_names[i], table.column(i))
    if kind == 2:
        names = table.column_names
        return table.rename_columns([*names[:i], pick(rng, _COLUMN_NAMES), *names[i + 1 :]])
    if kind == 3 and 0 < n < 100:  # few bytes, many rows: equal values are written once
        return pa.concat_tables([table.slice(0, 1)] * int(pick(rng, (2, 300)))).combine_chunks()
    if kind == 4 and 0 < n < 100:
        many = pa.array(np.zeros(int(pick(rng, (10_000, 1_000_000)))), pa.float64())
        return (
            pa.table({c: many for c in table.column_names[:2]})
            if len(many) > 10_000
            else _columns(table, len(many))
        )
    table = table.slice(0, 10_000)  # a million lists of 1434 numbers would fill the memory of who makes them
    return table.set_column(i, table.column_names[i], _odd_column(rng, table.num_rows))


def _columns(table: pa.Table, n: int) -> pa.Table:
    return table.take(pa.array(np.zeros(n, np.int64)))


_COLUMN_NAMES = (
    "",
    "psi_",
    "token_",
    "token_0",
    "\0",
    "recording",
    "a.b.list.element",
    "landmarks",
    "Ω" * 300,
)


def _odd_column(rng: np.random.Generator, n: int) -> pa.Array:
    makers = (
        lambda: pa.nulls(n),
        lambda: pa.array([None] * n, pa.string()),
        lambda: pa.array(["a"] * n),
        lambda: pa.array([b"\xff"] * n),
        lambda: pa.array([[1.0, None]] * n),
        lambda: pa.array([[[["deep"]]]] * n),
        lambda: pa.array([{"a": 1, "b": [1]}] * n),
        lambda: pa.array([2**63 - 1] * n),
        lambda: pa.array([2**64 - 1] * n, pa.uint64()),
        lambda: pa.array([float("nan")] * n),
        lambda: pa.array([float("inf")] * n),
        lambda: pa.array([1] * n, pa.timestamp("ns")),
        lambda: pa.array([2**40] * n, pa.timestamp("s")),
        lambda: pa.array([2**40] * n, pa.duration("s")),
        lambda: pa.array([True] * n),
        lambda: pa.array([1] * n, pa.decimal128(38, 3)),
        lambda: pa.array([[0.0] * 1434] * n, pa.list_(pa.float64(), 1434)),
        lambda: pa.array([[0.0] * 3] * n, pa.list_(pa.float32(), 3)),
        lambda: pa.array([[0.0] * 1434] * (n - 1) + [None] * min(n, 1), pa.list_(pa.float32(), 1434)),
        lambda: pa.array([[("k", 1)]] * n, pa.map_(pa.string(), pa.int64())),
        lambda: pa.array(["x"] * n).dictionary_encode(),
        lambda: pa.array(["\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")] * n),
    )
    return pick(rng, makers)()


def pickle(rng: np.random.Generator, data: bytes) -> bytes:
    """A pickle that imports and calls, claims huge lengths, refers to itself, or is all operations."""
    programs = (
        f"cos\nsystem\n(S'touch {CANARY}'\ntR.".encode(),
        f"cbuiltins\nexec\n(S\"{_RUN}\"\ntR.".encode(),
        f"c__builtin__\neval\n(S\"{_RUN}\"\ntR.".encode(),
        f"(S'touch {CANARY}'\nios\nsystem\n.".encode(),
        f"(cos\nsystem\nS'touch {CANARY}'\no.".encode(),
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0b" + f"touch {CANARY}".encode() + b"\x85R.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tS'b'\ntR(K\x01(J\xff\xff\xff\x7ftcnumpy\ndtype\nS'f8'\n\x85RI00\nS''\ntb.",
        b"cnumpy\nload\n(S'x'\ntR.", b"cnumpy.testing\nrundocs\n(S'x.py'\ntR.", b"cnumpy.f2py\ncompile\n(S'x'\ntR.",
        b"Pname\n.", b"\x82\x01.", b"\x8e" + b"\xff" * 8 + b"a.", b"\x8b\xff\xff\xff\x7f1.", b"X\xff\xff\xff\x7fabc.",
        b"\x96" + (2**62).to_bytes(8, "little") + b".", b"\x95" + b"\xff" * 8 + b"N.", b"r\xff\xff\xff\xff.",
        b"]" * 100_000 + b".", b"(" * 100_000 + b"t.", b"]\x94h\x00a.", b"}\x94h\x00h\x00s.",
        b"N" + b"2" * 500_000 + b".",
        b"(lp0\n" + b"(lp1\n" * 2000 + b"a" * 2000 + b".", b"L" + b"9" * 100_000 + b"L\n.", b"I" + b"9" * 5000 + b"\n.",
        b"]\x94" * 41 + b"".join(b"h%ch%cah%ch%ca" % (k, k + 1, k, k + 1) for k in range(40)) + b".",
        b"F1e999\n.", b"Gabc.", b"S'unended\n.", b"V\\ud800\n.", b"c\n\n.", b"cnumpy\n\xff\n.", b"0.", b"1.", b"(1(1.",
    )  # fmt: skip
    program = pick(rng, programs)
    kind = rng.random()
    if kind < 0.4:
        return program
    at = int(rng.integers(0, len(data) + 1)) if kind < 0.7 else 2
    return data[:at] + program[: -1 if kind < 0.9 else None] + data[at:]


YAMLS = (
    "b0: &b0 [x, x]\n" + "".join(f"b{i}: &b{i} [" + f"*b{i - 1}, " * 12 + "]\n" for i in range(1, 12)),
    f"!!python/object/apply:os.system ['touch {CANARY}']\n",
    f"a: !!python/object/new:os.system ['touch {CANARY}']\n",
    f"a: !!python/name:builtins.exec\nb: !!python/object/apply:builtins.exec [\"{_RUN}\"]\n",
    "&a [*a]\n", "&a {a: *a}\n", "a: &a {b: *a}\n", "? [a, b]\n: 1\n", "? {a: 1}\n: 1\n", "<<: 1\n", "<<: [1]\n",
    "a: 2020-13-45\n", "a: 2020-02-30T99:99:99Z\n", "a: 0b2\n", "a: 0o9\n", "a: 1__0\n", "a: 190:20:30\n", "a: -.inf\n",
    "a: !!int x\n", "a: !!float x\n", "a: !!binary '@@'\n", "a: !!timestamp x\n", "a: !!set {x}\n", "a: !!omap [1]\n",
    "a: !!bool maybe\n", "a: !!pairs [1]\n", "%YAML 9.9\n---\na: 1\n", "%TAG ! x\n---\na\n", "---\na\n---\nb\n",
    "[" * 5000, "{" * 5000, "- " * 5000, "a:\n" + "".join(" " * i + "b:\n" for i in range(1, 1200)), "a: " + "9" * 6000,
    "\t", "\0", "\ufeff", "a: |\n  x", "a: 'x", "a: *b\n", "1: 2\n", "null: 1\n", "? \n", "", "a", "[]", "{}", "~",
)  # fmt: skip


def yaml(rng: np.random.Generator, data: bytes) -> bytes:
    """Settings with bombs of aliases, programs, recursion, odd keys, and scalars that look like dates and numbers."""
    text = pick(rng, YAMLS).encode()
    kind = rng.random()
    if kind < 0.25:
        return text
    if kind < 0.5:
        return text + b"\n" + data if rng.random() < 0.5 else data + b"\n" + text
    lines = data.split(b"\n")
    i = int(rng.integers(len(lines)))
    values = (
        "[]",
        "{}",
        "~",
        "-1",
        ".nan",
        ".inf",
        "'a'",
        "[a]",
        "{a: 1}",
        "1e999",
        "9" * 400,
        "2020-13-45",
        "true",
    )
    value = pick(rng, values)
    head, colon, _ = lines[i].partition(b":")
    lines[i] = head + colon + b" " + value.encode() if colon else lines[i] + value.encode()
    return b"\n".join(lines)


def mat(rng: np.random.Generator, _: bytes) -> bytes:
    """A MATLAB file that holds something else than an array of numbers under the name ``pts``."""
    from scipy.io import savemat

    held = (
        *({"pts": np.zeros((66, 2))}, {"pts": np.array(["a"])}, {"pts": {"a": 1}}),
        {"pts": np.array([[1, "a"]], dtype=object)},
        *({"other": 1.0}, {"pts": 1 + 2j}, {"pts": np.zeros(0)}, {"pts": np.zeros((1, 4096), np.int8)}),
    )
    out = io.BytesIO()
    savemat(out, pick(rng, held), do_compression=bool(rng.random() < 0.5))
    return out.getvalue()


def png(rng: np.random.Generator, _: bytes) -> bytes:
    """A picture of a few bytes that claims any size, or unpacks to far more than it shows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    sides = (1, 0, 65_500, 30_000, 2**31 - 1, 13_000)
    width, height = (int(pick(rng, sides)) for _ in "ab")
    depth, colour = int(pick(rng, (8, 16, 1, 3))), int(pick(rng, (0, 2, 3, 6, 7)))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(rng.integers(2)))
    body = zlib.compress(bytes(int(pick(rng, (10, 100_000, 1 << 26)))))
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 25))) if rng.random() < 0.2 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + text + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def pick(rng: np.random.Generator, among):
    return among[int(rng.integers(len(among)))]
