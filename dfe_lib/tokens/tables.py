"""Frame tables to token tables, of any length: read, encoded and written part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.errors import InputError
from dfe_lib.space import space_of
from dfe_lib.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Encoded:
    """Where the tokens of a frame table lie.

    Attributes
    ----------
    table : the file that was written.
    frames : rows of the table.
    encoded : rows with a face, and so with tokens.
    stages : tokens of a frame.
    """

    table: Path
    frames: int
    encoded: int
    stages: int


def encode_table(
    source: str | Path,
    target: str | Path,
    tokenizer: str | Path | Tokenizer | None = None,
    method: str = "beam",
) -> Encoded:
    """Write a frame table with its tokens: column ``token_<stage>`` each, −1 where no face was found.

    Memory is bounded by a part of :data:`dfe_lib.frames.PART` frames, and each is a row group of what is written. So
    the file follows from the rows alone, however ``source`` is divided into row groups.

    Parameters
    ----------
    source : .parquet file with ``psi_`` columns. Tokens that it has already are replaced.
    target : .parquet file, complete under its name or not there at all; may be ``source``.
    tokenizer : its folder, or the object; the shipped one by default.
    method : as of :meth:`Tokenizer.encode`.

    Raises
    ------
    InputError : no frame table, no ψ, ψ of another space than the tokenizer's, or ``target`` cannot be written.
    ConfigError : unknown method.

    Examples
    --------
    >>> encode_table("clip.parquet", "tokens.parquet").encoded                # doctest: +SKIP
    """
    source = Path(source)
    space = space_of(frames.attrs(source), str(source))
    coding = tokenizer if isinstance(tokenizer, Tokenizer) else Tokenizer.load(tokenizer, space)
    if coding.space.name != space.name:
        raise InputError(
            f"{source} holds ψ of space '{space.name}', but the tokenizer is of '{coding.space.name}'"
        )
    counts = {"frames": 0, "encoded": 0}

    def encoded() -> Iterator[pd.DataFrame]:
        for part in frames.parts(source, needs=["psi_"]):
            psi = frames.psi(part, coding.space.names)
            seen = np.isfinite(psi).all(axis=1)
            codes = np.full((len(part), coding.stages), -1, np.int16)
            codes[seen] = coding.encode(psi[seen], method=method)
            counts["frames"] += len(part)
            counts["encoded"] += int(seen.sum())
            yield frames.with_tokens(part, codes)

    table = frames.write_parts(encoded(), target)
    return Encoded(table, **counts, stages=coding.stages)
