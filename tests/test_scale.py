"""Tables of any length: read and encoded part by part, as many files, with memory that does not grow."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pyarrow.dataset
import pytest

from dfe_lib import frames, shards
from dfe_lib.analysis import sources
from dfe_lib.bench.scaling import costs, model, scale
from dfe_lib.bench.timing import in_new_process
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.paths import REPOSITORY
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer
from dfe_lib.tokens.tables import encode_table
from dfe_lib.tokens.training import train_from_tables

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


# many tables


@pytest.fixture
def extracted(tmp_path):
    """Recordings of two data sets and of the user's own, one file each."""
    folder = tmp_path / "extracted"
    for i, (name, dataset) in enumerate([("a0", "disfa"), ("a1", "disfa"), ("b0", "bp 4/d"), ("mine", None)]):
        table = long_table(name, 300, i)
        table.attrs |= {"source": f"{name}.mp4"} | (
            {} if dataset is None else {"dataset": dataset, "access": "request"}
        )
        frames.write(table, folder / (dataset or "own").replace("/", "-") / f"{name}.parquet")
    return folder


def test_packed_tables_are_the_same_frames(extracted, tmp_path):
    files = shards.pack(shards.find(extracted), tmp_path / "shards")
    assert [p.relative_to(tmp_path / "shards").as_posix() for p in files] == [
        "dataset=bp%204%2Fd/00000.parquet", "dataset=disfa/00000.parquet", "dataset=own/00000.parquet"
    ]  # fmt: skip
    both = frames.read(files[1])
    assert both.attrs == ICT53.attrs() | {"rate": "30", "dataset": "disfa", "access": "request"}
    parts = [frames.read(extracted / "disfa" / f"{name}.parquet") for name in ("a0", "a1")]
    pd.testing.assert_frame_equal(both, pd.concat(parts, ignore_index=True))
    assert shards.find(tmp_path / "shards", dataset=["disfa", "own"]) == files[1:]
    assert shards.find(tmp_path / "shards", dataset="bp 4/d") == files[:1]
    others = pyarrow.dataset.dataset(tmp_path / "shards", partitioning="hive")
    assert set(others.to_table()["dataset"].to_pylist()) == {"disfa", "bp 4/d", "own"}
    again = shards.pack(shards.find(extracted), tmp_path / "again")
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in files]


def test_shards_hold_whole_recordings(extracted, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 400)
    files = shards.pack(
        [extracted / "disfa" / "a1.parquet", extracted / "disfa" / "a0.parquet"], tmp_path / "s"
    )
    assert [frames.read(path)["recording"].unique().tolist() for path in files] == [["a1"], ["a0"]]


def test_what_cannot_be_packed_is_refused(extracted, tmp_path):
    one = extracted / "disfa" / "a0.parquet"
    table = frames.read(one)
    again = frames.write(table, tmp_path / "a0.parquet")
    with pytest.raises(InputError, match="recording 'a0' stands in"):
        shards.pack([one, again], tmp_path / "s")
    table.attrs["access"] = "open"
    with pytest.raises(InputError, match="differ in their 'access'"):
        shards.pack([one, frames.write(table, again)], tmp_path / "s")
    with pytest.raises(InputError, match="other columns"):
        shards.pack(
            [frames.write(table[list(frames.KEYS)], again), frames.write(table, tmp_path / "b.parquet")],
            tmp_path / "s",
        )
    with pytest.raises(InputError, match="no frame table"):
        shards.pack([], tmp_path / "s")
    assert not list((tmp_path / "s").rglob("*.*"))


def test_what_cannot_be_found_is_said(extracted, tmp_path):
    shards.pack(shards.find(extracted), tmp_path / "shards")
    with pytest.raises(
        InputError, match=r"no such partition 'dataset=….*allowed: bp 4/d, disfa, own \(did you mean"
    ):
        shards.find(tmp_path / "shards", dataset="disfaa")
    with pytest.raises(InputError, match="none of that name"):
        shards.find(tmp_path / "shards", split="train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.parquet"):
        shards.find(tmp_path / "empty")


def test_a_gated_set_is_gated_where_it_is_packed(extracted, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "of_path", lambda path: ("daic-woz", "agreement"))
    (packed,) = shards.pack([extracted / "own" / "mine.parquet"], tmp_path / "shards")
    assert packed.parent.name == "dataset=daic-woz" and frames.attrs(packed)["access"] == "agreement"


def test_nothing_but_what_is_asked_for_is_read(tmp_path):
    """What is not needed is overwritten with zeros, and nobody notices."""
    pieces = [long_table(f"r{i}", 500, i) for i in range(6)]
    path = frames.write_parts(pieces, tmp_path / "dataset=x" / "00000.parquet")
    other = tmp_path / "dataset=y" / "00000.parquet"
    other.parent.mkdir()
    other.write_bytes(b"nothing")
    wanted, meta = {"r1", "r4"}, frames.files._open(path).metadata
    raw, needless = bytearray(path.read_bytes()), 0
    for group in range(6):
        for c in range(meta.num_columns):
            column = meta.row_group(group).column(c)
            if group in (1, 4) and column.path_in_schema in ("recording", "psi_jawOpen"):
                continue
            start = column.dictionary_page_offset or column.data_page_offset
            raw[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
            needless += column.total_compressed_size
    path.write_bytes(raw)
    assert needless > 0.8 * len(raw)
    found = pd.concat(frames.stream(shards.find(tmp_path, dataset="x"), ["recording", "psi_jawOpen"], wanted))
    for i in (1, 4):
        own = found.loc[found["recording"] == f"r{i}", "psi_jawOpen"]
        np.testing.assert_array_equal(own, pieces[i]["psi_jawOpen"])
    assert set(found["recording"]) == wanted


def test_training_takes_folders(tmp_path):
    small = {
        "codes": 16,
        "stages": 2,
        "width": 16,
        "heads": 2,
        "joint_epochs": 1,
        "refine_epochs": 0,
        "follow_epochs": 0,
    }
    small |= {"batch": 64, "device": "cpu", "start_frames": 256}
    files = [frames.write(long_table(f"r{i}", 200, i), tmp_path / "in" / f"{i}.parquet") for i in range(3)]
    one = train_from_tables(files, tmp_path / "one", small, progress=False)
    packed = tmp_path / "packed"
    shards.pack(files, packed)
    other = train_from_tables([packed], tmp_path / "other", small, progress=False)
    np.testing.assert_array_equal(one.tokenizer.templates, other.tokenizer.templates)


def test_frames_of_ones_own_are_thinned_on_the_way(tmp_path):
    for i in range(3):
        frames.write(long_table(f"r{i}", 333, i), tmp_path / f"{i}.parquet")
    whole = sources.read_frames(tmp_path)
    for most in (10, 100, 899, 2000):
        thin, after = sources.read_frames(tmp_path, most=most), whole.at_most(most)
        np.testing.assert_array_equal(thin.psi, after.psi)
        np.testing.assert_array_equal(thin.unit, after.unit)
        assert len(thin.psi) <= most and thin.unit_name == "recording"


# what it costs

RATES = model.Rates(50, 1e4, 5e4, 1e4, 2e5, 1e5, 5e4, 1e4, 4800, 440, 14, 375, 0.01, 0.002)


def test_costs_by_hand():
    one = model.cost(10, RATES, workers=1)
    assert one.frames == 1_080_000 and one.recordings == 60
    assert one.extract_core_h == pytest.approx(6.0) and one.encode_core_h == pytest.approx(0.03)
    assert one.whole_gb == pytest.approx(5.184) and one.spool_gb == pytest.approx(0.22896)
    assert one.wall_h == pytest.approx(6.0 + 0.03 + 0.0015 + 3 * 60 * 0.01 / 3600)
    many = model.cost(1000, RATES, workers=10)
    assert many.extract_core_h == pytest.approx(600) and many.psi_gb == pytest.approx(108e6 * 440 / 1e9)
    assert many.spool_gb == pytest.approx(1e7 * 212 / 1e9)  # more frames are not trained on
    assert many.wall_h == pytest.approx(one.wall_h * 10, rel=1e-3)
    # 10⁵ tasks of 0.01 s on 1,000 workers: the scheduler needs 200 s to give them out
    assert model.wall(1e5, 0.01, 1000, RATES) == pytest.approx(200)


def test_the_page_of_costs_is_written_from_figures(tmp_path):
    rates = {f"rate_{k}": v for k, v in vars(RATES).items()} | {"run_predicted_s": 2.0, "run_measured_s": 2.5}
    speeds = {
        "bags": RATES.bags,
        "spool": RATES.spool,
        "train_joint": RATES.joint,
        "train_refine": RATES.refine,
    }
    figures = {
        "costs": {"figures": rates},
        "scale": {"figures": {f"{k}_frames_per_s": v for k, v in speeds.items()}},
    }
    assert model.Rates.measured(figures) == RATES
    path = tmp_path / "scaling.md"
    path.write_text((REPOSITORY / "docs" / "scaling.md").read_text())
    for _ in range(2):
        model.document(figures, path)
        text = path.read_text()
        assert text.count("| extraction, core-hours | 6 | 600 | 6e+04 |") == 1
        assert text.count("| run | 2 | 2.5 | 1.25 |") == 1 and text.count("<!--") == 4
    with pytest.raises(InputError, match="dfe bench scale"):
        model.Rates.measured({"costs": {"figures": rates}})


def test_a_simulated_shard_is_encoded_and_only_its_tokens_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "simulated_parts", lambda number: iter([long_table(f"{number}", 400, number)]))
    for number in (0, 9):
        shard = scale.encode_shard(number, str(tmp_path))
        assert (shard.frames, shard.words) == (400, 6 * shard.encoded)
    kept = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.parquet"))
    assert kept == ["tokens/dataset=sim0/00000.parquet", "tokens/dataset=sim1/00009.parquet"]
    assert not any(c.startswith("psi_") for c in frames.columns_of(tmp_path / kept[0]))


def test_simulated_workers_do_what_is_predicted_of_them():
    """Sixteen threads and tasks of a tenth of a second; the bound is wide, since machines are busy."""
    taken = costs._sleeping(16, 64, 0.1)
    assert 0.4 <= taken < 10


def test_memory_does_not_grow_with_the_number_of_shards(tmp_path):
    """Reading, in processes of their own: thirty files take no more than one."""
    path = frames.write_parts([long_table(f"r{i}", 5000, i) for i in range(2)], tmp_path / "0.parquet")
    for i in range(1, 30):
        os.link(path, tmp_path / f"{i}.parquet")
    code = (
        "import sys\nfrom dfe_lib import frames, shards\nfrom dfe_lib.bench.timing import peak_mb\n"
        "files = shards.find(sys.argv[1])[:int(sys.argv[2])]\n"
        "columns = frames.columns_of(files[0])\n"
        "print(sum(len(part) for part in frames.stream(files, columns)), peak_mb())"
    )
    (one, small), (thirty, large) = (in_new_process(code, tmp_path, n) for n in (1, 30))
    assert (one, thirty) == (10_000, 300_000)  # 64 MB of ψ
    assert large < small + 30


def test_one_recording_of_a_cohort_is_found_without_the_others():
    walked = []

    def walk():
        for i in range(3):
            walked.append(i)
            yield long_table(f"r{i}", 50, i)

    cohort = Cohort(walk, pd.DataFrame({"recording": ["r0", "r1", "r2"]}))
    pd.testing.assert_frame_equal(cohort.one("r1"), long_table("r1", 50, 1))
    assert walked == [0, 1]
    with pytest.raises(InputError, match="no recording 'r9'"):
        cohort.one("r9")
