"""Simulated cohorts as tables: the contract, the same seed, a few recordings at a time, bad configurations."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.data.cohort import Cohort, read_cohort
from dfe_lib.data.simulation import CHUNK, TRAITS, CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.errors import InputError
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53

SMALL = CohortConfig(subjects=6, recordings=2, seconds=3)


def test_tables_keep_the_contract():
    cohort = simulate_cohort(SMALL, seed=0)
    table = frames.check(cohort.frames, ["psi_", *frames.POSE])
    recordings = frames.check_recordings(cohort.recordings, ["stressed"])
    assert len(recordings) == 12 and (recordings["n_frames"] == 30).all() and len(table) == 360
    assert recordings["subject"].nunique() == 6 and (recordings["dataset"] == "simulated").all()
    assert list(dict.fromkeys(table["recording"])) == list(recordings["recording"])
    assert table.attrs["source"] == "simulated"
    assert {c: str(table[c].dtype) for c in frames.KEYS} == frames.KEYS
    psi = frames.psi(table, ICT53.names)
    assert (np.isnan(psi).all(axis=1) == ~table["detected"]).all() and psi.dtype == np.float32
    assert (table[list(frames.POSE)].isna().all(axis=1) == ~table["detected"]).all()
    assert np.nanmax(psi) < 1.4 and np.nanmin(psi) > -0.2


def test_labels_keep_the_contract():
    recordings = simulate_cohort(replace(SMALL, subjects=40), seed=0).recordings
    assert recordings.groupby("subject")["phq"].nunique().max() == 1
    assert (recordings.groupby("subject")["stressed"].sum() == 1).all()
    assert recordings["phq"].between(0, 24).all() and recordings["phq"].dtype.kind == "i"
    assert ((recordings["phq"] >= 10) == recordings["depressed"]).all()
    assert recordings[list(TRAITS)].stack().between(0, 1).all()


@pytest.mark.parametrize(("recordings", "share"), [(1, 0.5), (3, 0.5), (4, 0.5)])
def test_half_the_recordings_are_stressed(recordings, share):
    table = simulate_cohort(CohortConfig(subjects=10, recordings=recordings, seconds=1), 0).recordings
    assert table["stressed"].mean() == share
    assert table.groupby("subject")["stressed"].sum().between(recordings // 2, -(-recordings // 2)).all()


def test_people_have_a_face_each():
    people = simulate_cohort(replace(SMALL, subjects=300), seed=0).people
    modes = people[[c for c in people if c.startswith("identity_")]].to_numpy()
    assert modes.shape == (300, len(load_morphable("face478").identities))
    assert abs(modes.mean()) < 0.05 and abs(modes.std() - 1) < 0.05
    assert people["skin"].between(0, 1).all() and people["skin"].std() > 0.2 and people["subject"].is_unique


def test_same_seed_same_cohort_and_another_seed_another():
    a, b, c = (simulate_cohort(SMALL, seed=s) for s in (0, 0, 1))
    assert a.frames.equals(b.frames) and a.recordings.equals(b.recordings) and a.events.equals(b.events)
    assert not a.frames.equals(c.frames)


def test_chunks_are_the_whole_in_parts_of_whole_recordings():
    config = CohortConfig(subjects=20, recordings=3, seconds=70, fps=10)
    cohort = simulate_cohort(config, 2, ExtractionNoise.load())
    parts = list(cohort.chunks())
    assert len(parts) > 3 and max(map(len, parts)) <= CHUNK
    names = [name for part in parts for name in dict.fromkeys(part["recording"])]
    assert names == list(cohort.recordings["recording"])  # none in two parts
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), cohort.frames)
    pd.testing.assert_frame_equal(next(cohort.chunks()), parts[0])  # a second walk begins anew


def test_a_smaller_cohort_is_the_first_people_of_a_larger_one():
    few, many = (simulate_cohort(replace(SMALL, subjects=n), 0) for n in (11, 19))
    n = len(few.frames)
    np.testing.assert_array_equal(frames.psi(few.frames), frames.psi(many.frames)[:n])
    noisy = [simulate_cohort(replace(SMALL, subjects=n), 0, ExtractionNoise.load()).frames for n in (11, 19)]
    np.testing.assert_allclose(
        frames.psi(noisy[0]), frames.psi(noisy[1])[:n], atol=1e-6
    )  # a product's rounding
    np.testing.assert_array_equal(few.frames[[*frames.POSE]], many.frames[[*frames.POSE]][:n])
    labels = [c for c in few.recordings if c not in ("recording", "subject")]
    pd.testing.assert_frame_equal(few.recordings[labels], many.recordings[labels][: len(few.recordings)])


def test_a_given_table_is_its_own_only_chunk():
    table = frames.frame_table("a", [0.0, 0.1], [True, True])
    cohort = Cohort(table, pd.DataFrame({"recording": ["a"], "subject": ["s"], "dataset": ["own"]}))
    assert cohort.frames is table and [part is table for part in cohort.chunks()] == [True]
    assert cohort.events is None and cohort.people is None


def test_written_and_read_again(tmp_path):
    cohort = simulate_cohort(SMALL, seed=0)
    again = frames.read(frames.write_parts(cohort.chunks(), tmp_path / "cohort.parquet"), needs=["psi_"])
    np.testing.assert_array_equal(frames.psi(again), frames.psi(cohort.frames))
    assert again.attrs["source"] == "simulated"


def test_a_cohort_on_disk_is_the_same_cohort(tmp_path):
    cohort = simulate_cohort(SMALL, seed=0)
    for name, part in cohort.frames.groupby("recording"):
        frames.write(part, tmp_path / "tables" / f"{name}.parquet")
    cohort.recordings.to_csv(tmp_path / "labels.csv", index=False)
    again = read_cohort(tmp_path / "tables", tmp_path / "labels.csv", ["stressed"])
    np.testing.assert_array_equal(frames.psi(again.frames), frames.psi(cohort.frames))
    assert [part["recording"].nunique() for part in again.chunks()] == [1] * 12
    with pytest.raises(InputError, match="lacks 'angry'"):
        read_cohort(tmp_path / "tables", tmp_path / "labels.csv", ["angry"])
    (tmp_path / "tables" / "sim2_r1.parquet").rename(tmp_path / "tables" / "twice.parquet")
    frames.write(frames.read(tmp_path / "tables" / "twice.parquet"), tmp_path / "tables" / "sim2_r1.parquet")
    with pytest.raises(InputError, match=r"'sim2_r1' stands in sim2_r1.parquet and twice.parquet"):
        read_cohort(tmp_path / "tables", tmp_path / "labels.csv", ["stressed"])
    for name in ("twice", "sim2_r1"):
        (tmp_path / "tables" / f"{name}.parquet").unlink()
    with pytest.raises(InputError, match="'sim2_r1'"):
        read_cohort(tmp_path / "tables", tmp_path / "labels.csv", ["stressed"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no .parquet"):
        read_cohort(tmp_path / "empty", tmp_path / "labels.csv", ["stressed"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"world": "facts"}, "'facs'"),
        ({"subjects": 1}, "subjects must be .* at least 2, got 1"),
        ({"subjects": 2.5}, "subjects"),
        ({"recordings": 0}, "recordings"),
        ({"seconds": 0}, "seconds must be above 0"),
        ({"seconds": float("nan")}, "seconds must be a finite number"),
        ({"fps": "10"}, "fps must be a finite number, got '10'"),
        ({"fps": 0.1}, "less than two frames"),
        ({"speech": 1.5}, "speech is a share"),
        ({"dropped": 1.0}, "dropped is a share"),
        ({"style": -1}, "style is a standard deviation"),
        ({"effect": float("inf")}, "effect must be a finite number"),
    ],
)
def test_impossible_cohorts_are_refused(change, word):
    with pytest.raises(InputError, match=word):
        replace(SMALL, **change)


@pytest.mark.parametrize("seed", [-1, 1.5, True, None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InputError, match="seed must be a whole number"):
        simulate_cohort(SMALL, seed)
