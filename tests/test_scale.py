"""Tables of any length: read and encoded part by part, as many files, with memory that does not grow."""

from __future__ import annotations

import numpy as np
import pytest

from dfe_lib import frames
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer
from dfe_lib.tokens.tables import encode_table

ROWS = frames.PART + 700  # a whole part and a piece of one


def long_table(name="clip", n=ROWS, seed=0):
    rng = np.random.default_rng(seed)
    psi = sample_displays(n, rng)
    psi[rng.random(n) < 0.1] = np.nan  # no face
    table = frames.frame_table(
        name, np.arange(n) / 30, np.isfinite(psi[:, 0]), attrs=ICT53.attrs() | {"rate": "30"}
    )
    return frames.with_psi(table, psi, ICT53.names)


def divided(table, path, rows):
    pieces = (table.iloc[start : start + rows].reset_index(drop=True) for start in range(0, len(table), rows))
    return frames.write_parts((piece.__finalize__(table) for piece in pieces), path)


@pytest.fixture(scope="module")
def table():
    return long_table()


@pytest.fixture(scope="module")
def source(table, tmp_path_factory):
    return frames.write(table, tmp_path_factory.mktemp("source") / "clip.parquet")


def test_parts_are_the_table_however_it_is_divided(table, source, tmp_path):
    for path in (source, divided(table, tmp_path / "a.parquet", 999)):
        found = list(frames.parts(path, needs=["psi_"]))
        assert [len(part) for part in found] == [frames.PART, 700]
        assert all(part.attrs == table.attrs and part.index[0] == 0 for part in found)
        for column in table:
            whole = np.concatenate([part[column].to_numpy() for part in found])
            np.testing.assert_array_equal(whole, table[column].to_numpy())


def test_parts_are_checked_across_their_borders(table, tmp_path):
    late = table.copy()
    late.loc[frames.PART :, "time_s"] -= 1.0  # every part for itself is in order
    with pytest.raises(InputError, match="time_s does not increase"):
        list(frames.parts(frames.write(late, tmp_path / "late.parquet")))
    with pytest.raises(InputError, match="lacks the columns 'token_…'"):
        next(frames.parts(frames.write(table, tmp_path / "a.parquet"), needs=["token_"]))
    empty = frames.write(table.iloc[:0], tmp_path / "empty.parquet")
    assert [len(part) for part in frames.parts(empty, needs=["psi_"])] == [0]


@pytest.mark.parametrize("method", ["greedy", "encoder", "beam"])
def test_encoding_follows_from_the_rows_alone(table, source, tmp_path, method):
    one = encode_table(source, tmp_path / "one.parquet", method=method)
    other = encode_table(
        divided(table, tmp_path / "a.parquet", 777), tmp_path / "other.parquet", method=method
    )
    assert one.table.read_bytes() == other.table.read_bytes()
    found, coding = frames.read(one.table, needs=["token_"]), Tokenizer.load()
    seen = table["detected"].to_numpy()
    assert (one.frames, one.encoded, one.stages) == (ROWS, seen.sum(), coding.stages)
    codes = frames.tokens(found)
    assert (codes[~seen] == -1).all()
    np.testing.assert_array_equal(codes[seen], coding.encode(frames.psi(table)[seen], method=method))
    assert found.attrs == table.attrs and list(found)[: table.shape[1]] == list(table)


def test_encoding_replaces_tokens_and_may_write_where_it_reads(source, tmp_path):
    once = encode_table(source, tmp_path / "t.parquet", method="greedy").table.read_bytes()
    assert (
        encode_table(tmp_path / "t.parquet", tmp_path / "t.parquet", method="greedy").table.read_bytes()
        == once
    )


def test_what_cannot_be_encoded_leaves_nothing(table, source, tmp_path):
    target = tmp_path / "tokens.parquet"
    with pytest.raises(ConfigError, match="unknown encoding method"):
        encode_table(source, target, method="fast")
    blind = frames.write(table[list(frames.KEYS)], tmp_path / "blind.parquet")
    with pytest.raises(InputError, match="dfe extract"):
        encode_table(blind, target)
    raw = bytearray(source.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 4096] = bytes(4096)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(raw)
    with pytest.raises(InputError, match=r"broken\.parquet cannot be read"):
        encode_table(broken, target, method="greedy")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["blind.parquet", "broken.parquet"]
