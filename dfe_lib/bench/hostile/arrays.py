"""Odd arrays: what a caller might hand over in place of ψ, points or codes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dfe_lib.bench.hostile.craft import pick


def array(data: bytes) -> object:
    """One of them, drawn by a generator that ``data`` seeds."""
    rng = np.random.default_rng(list(data[:64]) or [0])
    n, d = int(pick(rng, (0, 1, 2, 7))), int(pick(rng, (53, 53, 53, 6, 6, 8, 1, 0, 54)))
    shape = pick(rng, ((n, d), (n, d), (n, d), (n, d), (d,), (), (n, d, 1), (n, d, 3), (n, 478, 3), (0,)))
    dtype = pick(
        rng,
        (
            "<f4",
            "<f8",
            ">f8",
            "<f2",
            "<i2",
            "<i8",
            "<u8",
            "?",
            "<c8",
            "O",
            "<U3",
            "S2",
            "<M8[s]",
            [("a", "<f4")],
        ),
    )
    kind = np.dtype(dtype).kind
    if kind == "O":
        out = np.empty(shape, object)
        out[...] = pick(rng, (None, "a", 1.0, 10**40, [1]))
    elif kind in "US":
        out = np.full(shape, "1", dtype)
    elif kind in "fc":
        out = rng.normal(0, float(pick(rng, (1, 1, 1e-30, 1e30, 1e4))), shape).astype(dtype)
        if rng.random() < 0.5 and out.size:
            out.flat[int(rng.integers(out.size))] = pick(rng, (np.nan, np.inf, -np.inf, 3e38, -1e-45, 0))
    else:
        raw = rng.integers(*pick(rng, ((0, 2), (-1, 256), (-(2**62), 2**62), (-1, 0))), shape)
        out = raw.astype(dtype) if kind not in "V" else np.zeros(shape, dtype)
    view = int(rng.integers(8))
    if view == 0:
        return np.ma.masked_all(shape)
    if view == 1:
        return out.tolist()
    if view == 2 and out.ndim:
        return out[::-1]
    if view == 3 and out.ndim == 2 and kind in "fiub":
        return pd.DataFrame(out)
    if view == 4:
        return np.asfortranarray(out)
    return pick(rng, (None, "psi", {}, 3, object())) if view == 5 and rng.random() < 0.2 else out
