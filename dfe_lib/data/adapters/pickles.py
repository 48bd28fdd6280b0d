"""Pickle files of others, read without running anything in them.

A pickle is a program: ``pickle.load`` imports what it names and calls it. This is an interpreter of its own over the
opcodes (:mod:`pickletools` splits them) in which nothing can be imported or called. Plain values become plain values;
whatever the file wants to import and call becomes an :class:`Inert` record of the name and the arguments. NumPy
arrays, chumpy arrays (their values) and SciPy sparse matrices are then rebuilt from such records by :func:`array`.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dfe_lib.errors import InputError

MAX_BYTES = 512 * 2**20  # FLAME 2020 has 51 MiB
MAX_OPERATIONS = 1_000_000  # FLAME needs a few hundred; far more means a file that is made to exhaust memory
MAX_ELEMENTS = 2**27  # of a sparse matrix written out
# Names that files of arrays hold. All become inert records, so the list guards no door: a file that names anything
# else is not what it should be, and the user should hear so.
_PACKAGES = ("numpy", "scipy", "chumpy", "collections")
_NAMES = {"copy_reg._reconstructor", "copyreg._reconstructor", "_codecs.encode"} | {
    f"{module}.{name}"
    for module in ("__builtin__", "builtins")
    for name in ("object", "set", "frozenset", "list", "dict", "tuple", "bytes", "bytearray", "complex")
}
_SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_MARK = object()
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(eq=False)
class Inert:
    """What a pickle wanted to import (``arguments`` is None) or to build by a call, and did not.

    Attributes
    ----------
    name : dotted name, e.g. ``"numpy.ndarray"``.
    arguments : of the call.
    state : what would have been restored afterwards.
    """

    name: str
    arguments: tuple | None = None
    state: object = field(default=None, repr=False)


def read_pickle(path: str | Path) -> object:
    """The content of a pickle (protocol 0 to 5, Python 2 ones as latin1) as plain values and :class:`Inert` records.

    Sets become lists. Keys of dictionaries are texts or numbers.

    Raises
    ------
    InputError : not a file, too large, not a complete pickle, or one that names anything but arrays and plain data.

    Examples
    --------
    >>> content = read_pickle("generic_model.pkl")                      # doctest: +SKIP
    >>> array(content["v_template"], "v_template").shape                # doctest: +SKIP
    (5023, 3)
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}; expected a pickle"
        )
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path} has {path.stat().st_size / 2**20:.0f} MiB; pickles above {MAX_BYTES // 2**20} are not read"
        )
    try:
        return _Machine().run(path.read_bytes())
    except InputError as error:
        raise InputError(f"{path} is refused, and nothing in it was run: {error}") from error
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path} is not a readable pickle ({' '.join(str(error).split())[:120]})") from error


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self):
        self.stack: list = []
        self.memo: dict[int, object] = {}

    def run(self, data: bytes) -> object:
        for count, (code, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
            if count > MAX_OPERATIONS:
                raise InputError(f"it has more than {MAX_OPERATIONS:,} operations")
            if code.name == "STOP":
                return self.pop()
            self.step(code.name, argument)
        raise ValueError("it has no end")  # genops says so itself; this is for the reader

    def pop(self) -> object:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def top(self) -> object:
        value = self.pop()
        self.stack.append(value)
        return value

    def since_mark(self) -> list:
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def step(self, name: str, argument: object) -> None:
        push = self.stack.append
        if name in _VALUES:
            push(argument)
        elif name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in _EMPTY:
            push(_EMPTY[name]())
        elif name in _TUPLES:
            push(tuple([self.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "MARK":
            push(_MARK)
        elif name == "POP":
            self.stack.pop()
        elif name == "POP_MARK":
            self.since_mark()
        elif name == "DUP":
            push(self.top())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = self.top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            push(self.memo[int(argument)])
        elif name == "TUPLE":
            push(tuple(self.since_mark()))
        elif name in ("LIST", "FROZENSET"):
            push(self.since_mark())
        elif name == "DICT":
            values = self.since_mark()
            push({})
            self.set_items(values)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            values = [self.pop()] if name == "APPEND" else self.since_mark()
            self.target(list).extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            self.set_items([self.pop(), self.pop()][::-1] if name == "SETITEM" else self.since_mark())
        else:
            self.object_step(name, argument)

    def object_step(self, name: str, argument: object) -> None:
        """The opcodes that would import and call."""
        push = self.stack.append
        if name == "GLOBAL":
            push(_named(*str(argument).split(" ", 1)))
        elif name == "STACK_GLOBAL":
            what, module = self.pop(), self.pop()
            push(_named(module, what))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = self.pop()
            push(_recorded(self.pop(), arguments))
        elif name == "NEWOBJ_EX":
            keywords, arguments = self.pop(), self.pop()
            push(_recorded(self.pop(), (arguments, keywords)))
        elif name == "INST":
            arguments = tuple(self.since_mark())
            push(_recorded(_named(*str(argument).split(" ", 1)), arguments))
        elif name == "OBJ":
            what, *arguments = self.since_mark()
            push(_recorded(what, tuple(arguments)))
        elif name == "BUILD":
            state = self.pop()
            self.target(Inert).state = state
        else:  # PERSID, BINPERSID, EXT1, EXT2, EXT4, NEXT_BUFFER, READONLY_BUFFER: they point outside the file
            raise InputError(f"it uses the operation {name}, which files of arrays do not need")

    def target(self, kind: type):
        value = self.top()
        if not isinstance(value, kind):
            raise ValueError(f"a {type(value).__name__} where a {kind.__name__} should be")
        return value

    def set_items(self, values: list) -> None:
        mapping = self.target(dict)
        if len(values) % 2:
            raise ValueError("a key without a value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(
                key, str | bytes | int | float | None
            ):  # hashing nested tuples can take for ever
                raise InputError(f"it has a key that is a {type(key).__name__}")
            mapping[key] = value


def _named(module: object, name: object) -> Inert:
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError("a name that is no text")
    full = f"{module}.{name}"
    if full not in _NAMES and module.split(".")[0] not in _PACKAGES:
        raise InputError(f"it asks for '{full}', which is neither an array nor plain data")
    return Inert(full)


def _recorded(what: object, arguments: object) -> Inert:
    if not isinstance(what, Inert) or what.arguments is not None or not isinstance(arguments, tuple):
        raise ValueError("a call of something that is no name")
    return Inert(what.name, arguments)


# ---------------------------------------------------------------- from records to arrays


def array(value: object, name: str) -> np.ndarray:
    """A NumPy array, from the record of a NumPy, chumpy or SciPy sparse one.

    Parameters
    ----------
    value : from :func:`read_pickle`.
    name : what it is, for the message.

    Returns
    -------
    Array of numbers or bools; a sparse matrix is written out.

    Raises
    ------
    InputError : not such an array, not numeric, or data that do not fit its shape.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        return _array(value)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, UnicodeError) as error:
        raise InputError(
            f"'{name}' is not a readable array ({' '.join(str(error).split())[:120]})"
        ) from error


def number(value: object, name: str) -> float:
    """A number, from itself or from the record of a NumPy scalar.

    Raises
    ------
    InputError : neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        if isinstance(value, Inert) and value.name in _SCALARS:
            dtype, data = value.arguments
            return float(np.frombuffer(_bytes(data), _dtype(dtype))[0])
    except (ValueError, TypeError, IndexError, AttributeError, UnicodeError) as error:
        raise InputError(
            f"'{name}' is not a readable number ({' '.join(str(error).split())[:120]})"
        ) from error
    raise InputError(f"'{name}' is no number, but a {getattr(value, 'name', type(value).__name__)}")


def _array(value: object) -> np.ndarray:
    if isinstance(value, list):  # of numbers
        if not all(isinstance(v, int | float) for v in value):
            raise ValueError("a list of other things than numbers")
        out = np.asarray(value)
        if out.dtype.kind not in "fiub":
            raise ValueError("numbers too large for an array")
        return out
    if not isinstance(value, Inert):
        raise ValueError(f"a {type(value).__name__}")
    package, _, kind = value.name.rpartition(".")
    if kind in ("_reconstruct", "_frombuffer") and package.startswith("numpy"):
        return _numpy(value, kind)
    if value.name == "chumpy.ch.Ch":  # its state keeps the values as 'x'
        inner = value.state["x"]
        if not isinstance(inner, Inert) or not inner.name.startswith("numpy"):
            raise ValueError("a chumpy array that is computed from others")
        return _array(inner)
    sparse = re.fullmatch(r"(csc|csr|coo)_(?:matrix|array)", kind)
    if value.name.startswith("copy") and value.arguments:  # copy_reg._reconstructor(class, object, None)
        return _array(Inert(value.arguments[0].name, (), value.state))
    if sparse and package.startswith("scipy.sparse"):
        return _sparse(value.state, sparse[1])
    raise ValueError(f"a {value.name}; export the file as .npz with dense arrays")


def _numpy(value: Inert, kind: str) -> np.ndarray:
    if kind == "_frombuffer":  # protocol 5: (buffer, dtype, shape, order)
        data, dtype, shape, order = value.arguments
        columns_first = order == "F"
    else:
        _, shape, dtype, columns_first, data = value.state
    dtype, data = _dtype(dtype), _bytes(data)
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and 0 <= n < 2**63 for n in shape):
        raise ValueError("a shape that is none")  # not shown: a few bytes can be endless when written out
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for a shape of {shape} {dtype}")
    values = np.frombuffer(data, dtype).reshape(shape, order="F" if columns_first else "C")
    return np.array(values, dtype=dtype.newbyteorder("="), order="C")


def _dtype(value: Inert) -> np.dtype:
    if value.name not in ("numpy.dtype", "numpy._core.multiarray.dtype") and not value.name.startswith(
        "numpy.dtypes."
    ):
        raise ValueError(f"a {value.name} as type of numbers")
    text = value.arguments[0]
    if not re.fullmatch(r"[<>=|]?(f[248]|[iu][1248]|b1)", text):
        raise ValueError(f"numbers of type '{text}'")
    order = value.state[1] if value.state is not None else "="
    if order not in ("<", ">", "=", "|"):
        raise ValueError("an unknown byte order")
    return np.dtype(text).newbyteorder(order)


def _bytes(value: object) -> bytes:
    if isinstance(value, Inert):
        if (
            value.name == "_codecs.encode" and value.arguments[1] == "latin1"
        ):  # how Python 3 writes bytes for Python 2
            return value.arguments[0].encode("latin1")
        if value.name.endswith(".bytes") and not value.arguments:  # and the empty ones
            return b""
        raise ValueError(f"a {value.name} as data")
    return value.encode("latin1") if isinstance(value, str) else bytes(memoryview(value))


def _sparse(state: dict, kind: str) -> np.ndarray:
    rows, columns = (int(n) for n in state.get("_shape", state.get("shape")))
    if not 0 <= rows * columns <= MAX_ELEMENTS or rows < 0:
        raise ValueError(f"a sparse matrix of {rows} × {columns}")
    data = _array(state["data"])
    if kind == "coo":
        at = (_array(state["row"]), _array(state["col"])) if "row" in state else map(_array, state["coords"])
        i, j = at
    else:
        pointers, inner = _array(state["indptr"]).astype(np.int64), _array(state["indices"])
        lengths = np.diff(pointers)
        if len(pointers) != (columns if kind == "csc" else rows) + 1 or (lengths < 0).any():
            raise ValueError("a sparse matrix whose pointers do not fit its shape")
        if lengths.sum() != len(data):
            raise ValueError("a sparse matrix whose pointers do not fit its data")
        outer = np.repeat(np.arange(len(lengths)), lengths)
        i, j = (inner, outer) if kind == "csc" else (outer, inner)
    if len(i) != len(data) or len(j) != len(data) or (len(data) and min(i.min(), j.min()) < 0):
        raise ValueError("a sparse matrix whose indices do not fit its data")
    out = np.zeros((rows, columns), dtype=data.dtype)
    np.add.at(out, (i, j), data)
    return out
