"""One vector per recording: counts worked out by hand, and nothing learnt where it must not be."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.analysis.representations import DFE_BAG, LENGTH, Representation, Table, describe
from dfe_lib.analysis.representations.dynamics import Words, events, run_lengths, transitions
from dfe_lib.analysis.representations.learnt import (
    ComponentStatistics,
    FrameSample,
    KMeansBag,
    Moments,
    UnitWords,
)
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.codings.keypoints import KEYPOINTS68
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.simulation import CohortConfig, ExtractionNoise, simulate_cohort
from dfe_lib.errors import InputError
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer

LEARNT = ("DFE bigrams", "FACS words", "k-means bag", "PCA mean+sd")


@cache
def cohort() -> Cohort:
    config = CohortConfig(subjects=4, recordings=2, seconds=8, dropped=0.05)
    return simulate_cohort(config, 1, ExtractionNoise.load())


@cache
def rows() -> dict:
    return describe(cohort(), Tokenizer.load())


def in_chunks(of: Cohort, size: int = 1, shuffled: bool = False) -> Cohort:
    """The same recordings, walked through ``size`` at a time."""
    names = of.recordings["recording"].tolist()
    if shuffled:
        names = np.random.default_rng(0).permutation(names).tolist()
    parts = [names[i : i + size] for i in range(0, len(names), size)]
    recordings = of.recordings.set_index("recording").loc[names].reset_index()
    return Cohort(
        lambda: (of.frames[of.frames["recording"].isin(part)] for part in parts),
        recordings,
        of.people,
    )


def seen_of(recordings: str, time=None, detected=None, psi=None) -> Seen:
    """Frames of recordings with one-letter names, ten a second."""
    n = len(recordings)
    table = pd.DataFrame({"recording": list(recordings)})
    if time is None:
        time = table.groupby("recording").cumcount() / 10
    found = np.ones(n, bool) if detected is None else np.array(detected, bool)
    table = table.assign(frame=np.arange(n), time_s=np.asarray(time, float), detected=found, n_faces=1)
    return Seen.of(
        frames.with_psi(table, np.zeros((n, 53)) if psi is None else psi, ICT53.names), ICT53.names
    )


# the frames of a chunk


def test_frames_are_sorted_by_recording_and_those_without_a_face_left_out():
    psi = np.arange(6)[:, None] * np.ones(53)
    seen = seen_of("bbaaab", time=[0, 0.1, 0, 0.1, 0.2, 0.2], detected=[1, 1, 1, 0, 1, 1], psi=psi)
    assert seen.names.tolist() == ["a", "b"] and seen.values[:, 0].tolist() == [2, 4, 0, 1, 5]
    assert seen.starts.tolist() == [0, 2] and seen.group.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(seen.whole, [[3, 0.3, 2 / 3], [3, 0.3, 1]])
    np.testing.assert_allclose(seen.mean_sd(seen.values)[:, [0, 53]], [[3, 1], [2, np.std([0, 1, 5])]])


def test_a_long_gap_breaks_a_sequence_and_a_short_one_does_not():
    seen = seen_of("a" * 5 + "b", time=[0, 0.1, 0.5, 1.2, 1.3, 1.4])
    assert seen.follows.tolist() == [False, True, True, False, True, False]
    slow = seen_of("aaa", time=[0, 2, 4])  # at half a frame a second two seconds are no gap
    assert slow.follows.tolist() == [False, True, True]


def test_spread_keeps_all_of_a_short_recording_and_thins_a_long_one_evenly():
    seen = seen_of("aaa" + "b" * 9)
    assert seen.spread(3).tolist() == [0, 1, 2, 4, 7, 10]
    assert seen.spread(20).tolist() == list(range(12))


def test_a_recording_without_a_face_or_without_psi_is_named():
    with pytest.raises(InputError, match="no face was found in recording 'b'"):
        seen_of("ab", detected=[1, 0])
    with pytest.raises(InputError, match="'b' has frames with a face but without browDown_L …"):
        seen_of("ab", psi=np.array([[0.0] * 53, [np.nan] * 53]))


# words over time, by hand


def test_run_lengths_by_hand():
    seen = seen_of("aaaaabb")
    table = run_lengths(seen, np.array([2, 2, 2, 0, 2, 2, 2]), 3)
    assert table.shape == (2, 15)
    assert table.loc["a"][lambda x: x > 0].to_dict() == {"t2_0.4s": 1, "t0_0.15s": 1, "t2_0.15s": 1}
    assert table.loc["b"][lambda x: x > 0].to_dict() == {"t2_0.4s": 1}
    long = run_lengths(seen_of("a" * 40), np.zeros(40, int), 2)
    assert long.loc["a", "t0_longer"] == 1 and long.to_numpy().sum() == 1


def test_transitions_collapse_repeats_and_do_not_cross_recordings_or_gaps():
    seen = seen_of("aaaaabb", time=[0, 0.1, 0.2, 0.3, 2.0, 0, 0.1])
    table = transitions(seen, np.array([1, 1, 0, 2, 1, 0, 2]), 3).toarray()
    assert table.sum(axis=1).tolist() == [2, 1]
    assert table[0, 1 * 3 + 0] == 1 and table[0, 0 * 3 + 2] == 1 and table[1, 0 * 3 + 2] == 1


def test_words_are_those_of_most_training_recordings():
    from scipy import sparse

    table = sparse.csr_array(np.array([[5, 0, 1, 0], [0, 0, 2, 1], [0, 9, 0, 1]]))
    words = Words("w", pd.Index(list("abc")), table, 2, "")
    assert words.vocabulary(np.array([0, 1])).tolist() == [2, 0]  # of words in one recording each the first
    assert words.vectors(np.array([0, 1])).tolist() == [[1, 5], [2, 0], [0, 0]]
    assert words.vocabulary(np.array([1, 2])).tolist() == [3, 1]


def test_events_by_hand():
    # Rises through 1 once, wavers above 0.5, ends; then a second one that the end of the recording cuts off.
    x = np.array([0, 0.9, 1.0, 0.7, 1.2, 0.4, 0, 3, 2, 2.0])[:, None]
    row = events(seen_of("a" * 10), x, ["AU12"]).loc["a"]
    assert row["AU12_per_minute"] == pytest.approx(2 * 60)  # two in one second
    assert row["AU12_seconds"] == pytest.approx((3 + 3) * 0.1 / 2)
    assert row["AU12_peak"] == pytest.approx((1.2 + 3) / 2)
    assert row["AU12_share"] == pytest.approx(0.6)
    still = events(seen_of("aabb"), np.array([0, 0.9, 2, 2.0])[:, None], ["AU12"])
    assert still.loc["a"].tolist() == [0, 0, 0, 0] and still.loc["b", "AU12_share"] == pytest.approx(1)


# what is learnt


def test_unit_words_are_logarithms_of_shares_per_window():
    sample = FrameSample(100, window=0.4)
    values = np.array([0, 0, 0, 5, 5, 5, 5, 5.0])[:, None]
    sample.add(seen_of("a" * 8), values)
    words = UnitWords(pd.Index(["a"]), sample, words=2).vectors(np.array([0]))
    both = (
        np.log10([1 + 75, 1 + 25]),
        np.log10([1, 1 + 100]),
    )  # windows of 0.4 s: three and one, none and four
    np.testing.assert_allclose(np.sort(words[0]), np.sort(np.mean(both, axis=0)), rtol=1e-6)


def test_k_means_counts_every_frame_once_and_knows_few_frames():
    rng = np.random.default_rng(0)
    sample = FrameSample(50)
    sample.add(seen_of("a" * 30 + "b" * 20), rng.normal(size=(50, 53)))
    bag = KMeansBag(pd.Index(["b", "a"]), sample, ICT53, words=40)
    assert bag.vectors(np.array([0, 1])).sum(axis=1).tolist() == [20, 30]
    assert (bag.vectors(np.array([0])) > 0).any(
        axis=0
    ).sum() <= 20  # twenty training frames make twenty words


def test_components_equal_those_of_the_frames():
    from sklearn.decomposition import PCA

    psi = np.random.default_rng(0).normal(size=(60, 53))
    psi[:, 5] *= 4
    seen = seen_of("a" * 20 + "b" * 40, psi=psi)
    moments = Moments()
    moments.add(seen)
    ours = ComponentStatistics(pd.Index(["a", "b"]), moments, ICT53, explained=0.9).vectors(np.array([0, 1]))
    white = seen.values.astype(np.float64) @ ICT53.whitener
    model = PCA(0.9, svd_solver="full").fit(white)
    z = model.transform(white)
    k = z.shape[1]
    np.testing.assert_allclose(np.abs(ours[:, :k]), np.abs(seen.means(z)), atol=1e-6)
    np.testing.assert_allclose(ours[:, 53 : 53 + k], seen.mean_sd(z)[:, k:], atol=1e-6)
    assert (ours[:, k:53] == 0).all() and (ours[:, 53 + k :] == 0).all()


@pytest.mark.parametrize("name", LEARNT)
def test_what_is_learnt_does_not_know_the_test_recordings(name):
    train = np.array([0, 1, 2, 3, 6])
    other = cohort().frames.copy()
    moved = other["recording"].isin(cohort().recordings["recording"][[4, 5, 7]])
    columns = [c for c in other.columns if c.startswith("psi_")]
    other.loc[moved, columns] = np.clip(other.loc[moved, columns] * 2 + 0.3, 0, 2)
    changed = describe(Cohort(other, cohort().recordings), Tokenizer.load(), codings={})[name]
    before, after = rows()[name].vectors(train), changed.vectors(train)
    np.testing.assert_array_equal(before[train], after[train])
    assert (before[[4, 5, 7]] != after[[4, 5, 7]]).any()
    assert (rows()[name].vectors(np.array([4, 5, 7]))[train] != before[train]).any()


# all rows


def test_every_row_is_a_representation_of_all_recordings():
    made = rows()
    assert next(iter(made)) == DFE_BAG
    assert set(made) == {
        *(DFE_BAG, "DFE bag by stage", "DFE run lengths", "DFE bigrams"),
        *("FACS mean+sd", "FACS bag", "FACS events", "FACS words", "FACS ideal mean+sd", "FACS ideal bag"),
        *("DFECS bag", "Facial Basis bag", "PCA bag", "PCA mean+sd", "k-means bag", "ψ mean+sd", LENGTH),
        *({"landmarks mean+sd"} if cohort().people is not None else ()),
        *({"head pose mean+sd"} if "pose_yaw" in cohort().frames else ()),
    }
    for name, row in made.items():
        assert isinstance(row, Representation) and row.name == name and row.note
        assert row.recordings.tolist() == cohort().recordings["recording"].tolist()
        values = row.vectors(np.arange(6))
        assert values.shape == (8, len(row.columns)) and values.dtype == np.float64
        assert np.isfinite(values).all()
        assert row.counts == bool((values == np.rint(values)).all() and (values >= 0).all())


@pytest.mark.parametrize("shuffled", [False, True])
def test_chunks_and_their_order_change_nothing(shuffled):
    other = describe(in_chunks(cohort(), 3, shuffled), Tokenizer.load())
    names = cohort().recordings["recording"]
    assert list(other) == list(rows())
    for name, row in rows().items():
        train = row.recordings.get_indexer(names[:6])
        again = other[name].vectors(other[name].recordings.get_indexer(names[:6]))
        again = again[other[name].recordings.get_indexer(names)]
        whole = row.vectors(train)
        if (
            name == "Facial Basis bag"
        ):  # its penalised fit stops at a tolerance, and a level may lie on the edge
            assert np.abs(again - whole).max() <= 1 and (again != whole).mean() < 0.02
        else:
            np.testing.assert_allclose(again, whole, atol=1e-6, err_msg=name)


def test_bags_count_every_seen_frame():
    n = cohort().frames.query("detected").groupby("recording").size()
    tok = Tokenizer.load()
    for name, times in ((DFE_BAG, tok.stages), ("DFE bag by stage", tok.stages), ("k-means bag", 1)):
        row = rows()[name]
        total = pd.Series(row.vectors(np.arange(8)).sum(axis=1), row.recordings)
        assert (total == times * n.loc[row.recordings].to_numpy()).all(), name


def test_landmarks_of_simulated_people_equal_those_of_their_frames():
    table, recordings = cohort().frames, cohort().recordings
    rng = np.random.default_rng(0)
    people = pd.DataFrame(rng.normal(size=(4, 3)), columns=[f"identity_{i}" for i in range(3)])
    people["subject"] = recordings["subject"].unique()
    made = describe(Cohort(table, recordings, people), Tokenizer.load(), codings={})["landmarks mean+sd"]
    name, subject = recordings.loc[5, ["recording", "subject"]]
    psi = frames.psi(table[(table["recording"] == name) & table["detected"]])
    identity = people.set_index("subject").loc[subject].to_numpy(dtype=float)
    points = load_morphable("face478").vertices(psi, np.tile(identity, (len(psi), 1)))[:, KEYPOINTS68, :2]
    flat = points.reshape(len(psi), -1).astype(np.float64)
    np.testing.assert_allclose(
        made.table.loc[name], np.concatenate([flat.mean(axis=0), flat.std(axis=0)]), atol=1e-3
    )


def test_measured_landmarks_are_used_where_the_frames_have_them():
    table = cohort().frames.query("recording == 'sim0_r0'").reset_index(drop=True)
    points = load_morphable("face478").vertices(frames.psi(table).astype(np.float32)[:1]) * [1, -1, -1] + 300
    table = frames.with_landmarks(table, np.repeat(points, len(table), axis=0))
    only = cohort().recordings.query("recording == 'sim0_r0'")
    row = describe(Cohort(table, only), Tokenizer.load(), codings={})["landmarks mean+sd"]
    values = row.vectors(np.array([0]))
    assert "measured" in row.note and values.shape == (1, 4 * 68)
    np.testing.assert_allclose(values[0, 136:], 0, atol=1e-3)  # one and the same face all the time


def test_length_says_frames_seconds_and_share():
    values = pd.DataFrame(
        rows()[LENGTH].vectors(np.arange(8)), rows()[LENGTH].recordings, rows()[LENGTH].columns
    )
    assert (values["frames"] == 80).all() and np.allclose(values["seconds"], 8)
    share = cohort().frames.groupby("recording")["detected"].mean()
    np.testing.assert_allclose(values["share_detected"], share.loc[values.index])


def test_recordings_without_frames_or_without_a_face_are_named_and_others_passed_over():
    tok = Tokenizer.load()
    some = cohort().frames[cohort().frames["recording"] != "sim2_r1"]
    with pytest.raises(InputError, match="'sim2_r1' has no frames"):
        describe(Cohort(some, cohort().recordings), tok, codings={})
    blind = cohort().frames.copy()
    blind.loc[blind["recording"] == "sim2_r1", "detected"] = False
    with pytest.raises(InputError, match="no face was found in recording 'sim2_r1'"):
        describe(Cohort(blind, cohort().recordings), tok, codings={})
    kept = cohort().recordings.query("recording != 'sim2_r1'")
    assert len(describe(Cohort(blind, kept), tok, codings={})[DFE_BAG].recordings) == 7
    twice = Cohort(lambda: [cohort().frames, some], cohort().recordings)
    with pytest.raises(InputError, match="comes in two chunks"):
        describe(twice, tok, codings={})


def test_a_table_refuses_a_recording_twice_and_training_rows_must_exist():
    with pytest.raises(InputError, match="'a' twice"):
        Table("t", pd.DataFrame({"x": [1, 2]}, index=["a", "a"]))
    for wrong in (np.array([8]), np.array([], dtype=int), np.array([0.5]), np.zeros(8, bool)):
        with pytest.raises(InputError, match="training"):
            rows()["k-means bag"].vectors(wrong)


def test_codings_learnt_apart_are_kept(tmp_path, monkeypatch):
    from dfe_lib.analysis.representations import apart

    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path))
    rng = np.random.default_rng(0)
    monkeypatch.setattr(apart, "apart_frames", lambda seed: apart.sample_displays(300, rng))
    apart.codings_apart.cache_clear()
    first = apart.codings_apart(40.0)
    for cls in (apart.DFECS, apart.FacialBasis, apart.PCA):  # the same frames again: nothing is learnt
        monkeypatch.setattr(cls, "fit", None)
    rng = np.random.default_rng(0)
    apart.codings_apart.cache_clear()
    psi = frames.psi(cohort().frames[cohort().frames["detected"]])[::20]
    again = apart.codings_apart(40.0)
    apart.codings_apart.cache_clear()
    assert list(again) == ["DFECS", "Facial Basis", "PCA"]
    for name, coding in again.items():
        np.testing.assert_array_equal(coding.encode(psi), first[name].encode(psi))
        assert coding.bits_per_frame <= 40
