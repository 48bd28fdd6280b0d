"""The simulated cohort: contract, determinism, and that labels act as the effect table says."""

from dataclasses import replace

import numpy as np
import pytest

from dfe_lib import frames
from dfe_lib.analysis.representations import functionals
from dfe_lib.analysis.representations.rows import coding_features
from dfe_lib.codings import PCA
from dfe_lib.codings.facs import au_basis
from dfe_lib.data.cohort import read_cohort
from dfe_lib.data.displays import SYNERGIES, sample_displays
from dfe_lib.data.simulation import (
    EFFECTS,
    PAIRS,
    RATES,
    TRAITS,
    CohortConfig,
    ExtractionNoise,
    simulate_cohort,
)
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer

SMALL = CohortConfig(subjects=6, recordings=2, seconds=3)


def _means(cohort):
    psi = frames.psi(cohort.frames, ICT53.names)
    means = functionals(psi, cohort.frames["recording"].to_numpy(), ICT53.names)
    return means.loc[cohort.recordings["recording"]].reset_index(drop=True)


def test_tables_keep_the_contract():
    cohort = simulate_cohort(SMALL, seed=0)
    table, recordings = (
        frames.check(cohort.frames, ["psi_"]),
        frames.check_recordings(cohort.recordings, ["stressed"]),
    )
    assert len(recordings) == 12 and (recordings["n_frames"] == 30).all() and len(table) == 360
    assert recordings["subject"].nunique() == 6 and (recordings["dataset"] == "simulated").all()
    assert set(table["recording"]) == set(recordings["recording"]) and table.attrs["source"] == "simulated"
    psi = frames.psi(table, ICT53.names)
    assert (np.isnan(psi).all(axis=1) == ~table["detected"]).all() and psi.dtype == np.float32
    assert np.nanmax(psi) < 1.4 and np.nanmin(psi) > -0.2
    assert recordings.groupby("subject")["phq"].nunique().max() == 1
    assert (recordings.groupby("subject")["stressed"].sum() == 1).all()
    assert ((recordings["phq"] >= 10) == recordings["depressed"]).all()
    assert recordings[list(TRAITS)].to_numpy().min() >= 0 and recordings[list(TRAITS)].to_numpy().max() <= 1


def test_same_seed_same_cohort_and_another_seed_another():
    a, b, c = (simulate_cohort(SMALL, seed=s) for s in (0, 0, 1))
    assert a.frames.equals(b.frames) and a.recordings.equals(b.recordings)
    assert not a.frames.equals(c.frames)


def test_written_and_read_again(tmp_path):
    cohort = simulate_cohort(SMALL, seed=0)
    again = frames.read(frames.write(cohort.frames, tmp_path / "cohort.parquet"), needs=["psi_"])
    np.testing.assert_array_equal(frames.psi(again), frames.psi(cohort.frames))
    assert again.attrs["source"] == "simulated"


def test_the_effect_table_speaks_of_what_exists():
    for e in EFFECTS:
        assert e.label in (*TRAITS, "stress", "depression") and e.world in ("facs", "beyond")
        if e.on == "pairing":
            assert tuple(e.display.split("+")) in PAIRS
        else:
            assert e.on in ("rate", "amplitude", "speed") and e.display in RATES
        assert e.source
    assert set(RATES) <= set(SYNERGIES)


def _slope(world, effect, label, coefficient):
    config = CohortConfig(
        subjects=150, recordings=2, seconds=20, fps=5, effect=effect, world=world, dropped=0
    )
    cohort = simulate_cohort(config, seed=3)
    return np.corrcoef(_means(cohort)[f"{coefficient}_mean"], cohort.recordings[label])[0, 1]


def test_labels_act_in_their_world_only():
    assert _slope("facs", 2.0, "stressed", "browDown_L") > 0.2
    assert _slope("facs", 2.0, "phq", "mouthSmile_L") < -0.3
    assert abs(_slope("beyond", 2.0, "phq", "mouthSmile_L")) < 0.15
    assert _slope("beyond", 2.0, "stressed", "mouthLeft") > 0.2
    assert abs(_slope("mixed", 0.0, "stressed", "browDown_L")) < 0.15
    assert abs(_slope("mixed", 0.0, "phq", "mouthSmile_L")) < 0.15


def test_beyond_world_displays_are_not_in_the_openface_basis():
    _, basis = au_basis("openface")
    for name in ("mouthLeft", "mouthRight", "cheekPuff_L", "eyeLookDown_L"):
        assert (basis[:, ICT53.names.index(name)] == 0).all()


def test_measured_psi_follows_the_noise_model():
    exact = simulate_cohort(SMALL, seed=0)
    scaled = ExtractionNoise(np.full(53, 0.5), np.zeros((53, 53)))
    half = simulate_cohort(SMALL, seed=0, noise=scaled)
    seen = exact.frames["detected"].to_numpy() & half.frames["detected"].to_numpy()
    np.testing.assert_allclose(frames.psi(half.frames)[seen], 0.5 * frames.psi(exact.frames)[seen], atol=1e-6)
    lower = np.tril(np.random.default_rng(0).normal(size=(53, 53))) * 0.1
    noise = ExtractionNoise(np.ones(53), lower)
    sample = noise.apply(np.zeros((40_000, 53), dtype=np.float32), np.random.default_rng(1))
    np.testing.assert_allclose(np.cov(sample.T), lower @ lower.T, atol=0.03)


@pytest.mark.parametrize(
    "change",
    [{"world": "facts"}, {"subjects": 1}, {"seconds": 0}, {"fps": 0.1}, {"speech": 1.5}, {"style": -1}],
)
def test_impossible_cohorts_are_refused(change):
    with pytest.raises(InputError):
        replace(SMALL, **change)


def test_a_cohort_on_disk_is_the_same_cohort(tmp_path):
    cohort = simulate_cohort(SMALL, seed=0)
    for name, part in cohort.frames.groupby("recording"):
        frames.write(part, tmp_path / "tables" / f"{name}.parquet")
    cohort.recordings.to_csv(tmp_path / "labels.csv", index=False)
    again = read_cohort(tmp_path / "tables", tmp_path / "labels.csv", ["stressed"])
    np.testing.assert_array_equal(frames.psi(again.frames), frames.psi(cohort.frames))
    with pytest.raises(InputError, match="lacks 'angry'"):
        read_cohort(tmp_path / "tables", tmp_path / "labels.csv", ["angry"])
    (tmp_path / "tables" / "sim2_r1.parquet").unlink()
    with pytest.raises(InputError, match="'sim2_r1'"):
        read_cohort(tmp_path / "tables", tmp_path / "labels.csv", ["stressed"])
    with pytest.raises(InputError, match="no .parquet"):
        read_cohort(tmp_path, tmp_path / "labels.csv", ["stressed"])


def test_features_of_all_codings_cover_every_recording():
    cohort = simulate_cohort(SMALL, seed=0)
    psi = sample_displays(300, np.random.default_rng(0))
    tokenizer = Tokenizer.load()
    features = coding_features(cohort.frames, tokenizer, PCA().fit(psi))
    for name, table in features.items():
        assert set(table.index) == set(cohort.recordings["recording"]), name
    blind = cohort.frames.assign(
        detected=cohort.frames["detected"] & (cohort.frames["recording"] != "sim0_r1")
    )
    with pytest.raises(InputError, match="'sim0_r1'"):
        coding_features(blind, tokenizer, PCA().fit(psi))
