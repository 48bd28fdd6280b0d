"""Frame tables: the contract holds through write and read, and broken tables are refused by name."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    landmarks = rng.random((5, 478, 3), dtype=np.float32) * 100
    landmarks[2] = np.nan
    table = frames.frame_table(
        "clip",
        np.arange(5) / 30,
        [1, 1, 0, 1, 1],
        [1, 1, 0, 1, 2],
        landmarks,
        {"neutral": "estimated", "rate": 30.0},
    )
    psi = rng.random((5, 53), dtype=np.float32)
    psi[2] = np.nan
    codes = np.array([[1, 2], [3, 4], [-1, -1], [5, 6], [7, 8]])
    return frames.with_tokens(frames.with_psi(table, psi, ICT53.names), codes)


def test_round_trip_keeps_values_types_and_attrs(table, tmp_path):
    back = frames.read(frames.write(table, tmp_path / "t.parquet"))
    pd.testing.assert_frame_equal(back, table)
    assert back.attrs == table.attrs
    for name, dtype in frames.KEYS.items():
        assert str(back[name].dtype) == dtype
    np.testing.assert_array_equal(frames.landmarks(back), frames.landmarks(table))
    assert frames.tokens(back).dtype == np.int16 and frames.tokens(back)[2].tolist() == [-1, -1]


def test_plain_pandas_reads_our_parquet(table, tmp_path):
    plain = pd.read_parquet(frames.write(table, tmp_path / "t.parquet"))
    assert len(plain) == 5 and len(plain["landmarks"].iloc[0]) == 1434


def test_landmarks_survive_filtering_and_concatenation(table):
    both = pd.concat([table[table["detected"]], table.assign(recording="other")])
    assert frames.landmarks(both).shape == (9, 478, 3)
    np.testing.assert_array_equal(frames.landmarks(both)[4:], frames.landmarks(table))


def test_psi_by_name_keeps_the_order_asked_for(table):
    names = ["mouthSmile_R", "jawOpen"]
    np.testing.assert_array_equal(frames.psi(table, names)[:, 1], table["psi_jawOpen"])


def test_stream_is_bounded_and_complete(table, tmp_path):
    path = frames.write(table, tmp_path / "t.parquet")
    batches = list(frames.stream([path, path], ["recording", "psi_jawOpen"], rows=2))
    assert max(map(len, batches)) <= 2 and sum(map(len, batches)) == 10


@pytest.mark.parametrize(
    ("column", "need", "message"),
    [
        ("time_s", (), "time_s"),
        ("psi_jawOpen", ("psi_jawOpen",), "psi_jawOpen"),
        ("landmarks", ("landmarks",), "dfe extract"),
    ],
)
def test_missing_column_is_named(table, tmp_path, column, need, message):
    path = tmp_path / "t.parquet"
    frames.write(table.drop(columns=column), path)
    with pytest.raises(InputError, match=message):
        frames.read(path, needs=need)


def test_times_must_increase_within_a_recording(table):
    table.loc[3, "time_s"] = table.loc[2, "time_s"]
    with pytest.raises(InputError, match="row 3"):
        frames.check(table)


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"version https://git-lfs"])
def test_not_parquet_is_refused(tmp_path, content):
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable Parquet"):
        frames.read(path)


def test_a_failed_write_leaves_the_old_table(table, tmp_path, monkeypatch):
    path = frames.write(table, tmp_path / "t.parquet")
    before = path.read_bytes()
    table["bad"] = [object()] * 5
    with pytest.raises(Exception, match="object"):
        frames.write(table, path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_recording_table_needs_unique_recordings():
    good = pd.DataFrame({"recording": ["a", "b"], "subject": ["s", "s"], "dataset": "d"})
    assert frames.check_recordings(good) is good
    with pytest.raises(InputError, match="twice"):
        frames.check_recordings(good.assign(recording="a"))
    with pytest.raises(InputError, match="subject"):
        frames.check_recordings(good.drop(columns="subject"))


def test_a_place_that_cannot_be_written_is_said_so(table, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        frames.write(table, tmp_path / "file" / "t.parquet")


def test_several_inputs_have_one_table_each(tmp_path):
    assert frames.one_table_each(["x/a.mp4", "b.mov"], tmp_path) == [
        tmp_path / "a.parquet",
        tmp_path / "b.parquet",
    ]
    with pytest.raises(InputError, match="called 'a'"):
        frames.one_table_each(["x/a.mp4", "y/a.mp4"], tmp_path)
    with pytest.raises(InputError, match="is a folder"):
        frames.one_table_each(["a.mp4", "b.mp4"], tmp_path / "out.parquet")


def test_uncertainty_stands_beside_psi_and_is_never_taken_for_it(table, tmp_path):
    assert frames.psi_sd(table) is None
    sd = np.full((5, 53), 0.1, np.float32)
    sd[:, 3] = 0.4
    sd[2] = np.nan
    with_sd = frames.with_psi_sd(table, sd, ICT53.names)
    np.testing.assert_array_equal(frames.psi(with_sd), frames.psi(table))
    back = frames.read(frames.write(with_sd, tmp_path / "t.parquet"))
    np.testing.assert_array_equal(frames.psi_sd(back), sd)
    assert frames.psi_sd(back, [ICT53.names[3]]).shape == (5, 1) and frames.psi_sd(back).dtype == np.float32
    with pytest.raises(InputError, match="sd_tongue"):
        frames.psi_sd(back, ["tongue"])


def test_a_table_in_parts_is_the_table(table, tmp_path):
    parts = [table.iloc[:2], table.iloc[2:3], table.iloc[3:]]
    for part in parts:
        part.attrs = {"so": "far"}
    parts[-1].attrs = table.attrs
    back = frames.read(frames.write_parts(iter(parts), tmp_path / "t.parquet"))
    pd.testing.assert_frame_equal(back, table)
    assert back.attrs == table.attrs
    with pytest.raises(InputError, match="nothing to write"):
        frames.write_parts([], tmp_path / "empty.parquet")
    with pytest.raises(ZeroDivisionError):
        frames.write_parts((p if len(p) > 1 else 1 / 0 for p in parts), tmp_path / "half.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
