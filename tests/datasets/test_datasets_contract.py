"""What holds for every data set: the recording table, what is said when something is missing, the kept index."""

import gc
import weakref

import numpy as np
import pandas as pd
import pytest
import trees

from dfe_lib import frames
from dfe_lib.data import datasets
from dfe_lib.data.access import GATED
from dfe_lib.data.datasets import DATASETS, FEEDS, TASKS, open_dataset
from dfe_lib.data.datasets.columns import POINTS, POINTS_2D, points, units
from dfe_lib.data.registry import load_manifest
from dfe_lib.errors import AssetError, ConfigError, InputError
from dfe_lib.space import ICT53

OWN = ("folder", "openface", "pyfeat", "libreface", "emoca", "livelink")
NAMES = list(trees.MAKERS)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    place.mkdir()
    monkeypatch.setenv("DFE_DATA_DIR", str(place))
    monkeypatch.setenv("DFE_DATA_MIRROR", "")
    return place


@pytest.fixture
def made(tmp_path):
    """``made("stressid") -> (root, recordings)``: a generated tree."""

    def make(name, **options):
        root = tmp_path / name
        root.mkdir()
        return root, trees.MAKERS[name](root, **options)

    return make


def extracted(place, recordings, n=4):
    """ψ tables as ``dfe data extract`` leaves them."""
    for name in recordings:
        table = frames.frame_table(name, np.arange(n) / 10, np.ones(n, bool), attrs=ICT53.attrs())
        frames.write(frames.with_psi(table, np.zeros((n, 53)), ICT53.names), place / f"{name}.parquet")


def test_there_is_an_example_of_every_data_set():
    assert set(trees.MAKERS) == set(DATASETS)


@pytest.mark.parametrize("name", NAMES)
def test_recording_table(name, made):
    root, expected = made(name)
    dataset = open_dataset(name, root)
    table = dataset.recordings
    assert sorted(table["recording"]) == sorted(expected)
    assert list(table.columns[:4]) == ["recording", "subject", "dataset", "split"]
    assert set(dataset.labels) <= set(table.columns)
    assert not any(c.startswith("file") or c == "available" for c in table.columns)
    assert (table["dataset"] == name).all() and set(table["split"]) <= {"train", "dev", "test", "all"}
    assert table["subject"].notna().all() and table.attrs["access"] == dataset.access
    assert dataset.feeds and dataset.feeds <= set(FEEDS)
    assert len(dataset.recordings) == len(expected)  # asking twice gives the same


@pytest.mark.parametrize("name", NAMES)
def test_frame_tables_come_one_at_a_time(name, made):
    root, expected = made(name)
    dataset = open_dataset(name, root)
    if not dataset.feeds & {"aus", "landmarks68", "landmarks68_2d", "psi"}:
        with pytest.raises(AssetError, match=f"dfe data extract {name}"):
            dataset.frames(expected[0])
        return
    seen = []
    for recording, table in dataset.each():
        frames.check(table)
        assert (table["recording"] == recording).all()
        assert table.attrs["dataset"] == name and table.attrs["access"] == dataset.access
        missed = ~table["detected"].to_numpy()
        for unit in units(table):
            values = table[unit].to_numpy()
            assert np.isnan(values[missed]).all() and (values[~missed & ~np.isnan(values)] <= 5).all()
        for column in (POINTS, POINTS_2D):
            if column in table:
                assert np.isfinite(points(table, column)[~missed]).all()
                assert np.isnan(points(table, column)[missed]).all()
        seen.append(recording)
    assert sorted(seen) == sorted(expected)
    with pytest.raises(InputError, match="no such recording"):
        dataset.frames("nobody")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("stressid", ["labels.csv", "Videos/<subject>"]),
        ("ubfc-phys", ["vid_s<k>_T<j>.avi"]),
        (
            "chalearn-first-impressions",
            [f"annotation_{w}.pkl" for w in ("training", "validation", "test")] + [".mp4"],
        ),
        ("seamless-interaction", ["V<v>_S<s>_I<i>_P<p>.mp4", "participants.csv"]),
        ("daic-woz", ["train_split_D", "dev_split_D", "XXX_CLNF_AUs.txt", "XXX_CLNF_features3D.txt"]),
        ("e-daic", ["train_split.csv", "dev_split.csv", "test_split.csv", "Pose_gaze_AUs.csv"]),
        ("d-vlog", ["labels.csv", "<i>_visual.npy"]),
        ("lmvd", ["Video_feature/<n>.csv"]),
        ("gilanie-depression-au", ["any OpenFace CSV", "labels.csv"]),
        ("affectnet", ["train_set/images", "val_set/images"]),
        ("ravdess-tracking", ["<modality>-<vocal>"]),
        ("crema-d", ["summaryTable.csv", "VideoFlash/"]),
        ("disfa", ["LeftVideo<person>_comp.avi", "<person>_au<k>.txt"]),
        ("ck-plus", ["cohn-kanade-images/", "Landmarks/", "Emotion/"]),
        ("bp4d", ["AUCoding/<person>_<task>.csv"]),
    ],
)
def test_all_that_is_missing_is_said_at_once(name, named, tmp_path):
    with pytest.raises(AssetError) as said:
        open_dataset(name, tmp_path / "cache")
    text = str(said.value)
    for what in [
        *named,
        f"dfe data where {name}",
        load_manifest()[name].licence,
        load_manifest()[name].manual,
    ]:
        assert what in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_not_at_hand(name):
    with pytest.raises((AssetError, InputError)) as said:
        open_dataset(name)
    assert ("dfe data where" in str(said.value)) or ("say which" in str(said.value))
    with pytest.raises(AssetError, match="not there"):
        open_dataset(name, "nowhere/at/all")


def test_default_place_is_the_cache(cache):
    (cache / "daic-woz").mkdir()
    expected = trees.daic_woz(cache / "daic-woz")
    assert sorted(open_dataset("daic-woz").recordings["recording"]) == sorted(expected)


def test_unknown_name():
    with pytest.raises(ConfigError, match="did you mean 'stressid'"):
        open_dataset("stressed")


def test_words_about_each_set():
    for name, kind in DATASETS.items():
        assert kind.__doc__ or inspect_module(kind).__doc__
        assert kind.source_of_layout and all(d and d == d.strip() for d in kind.defects)
        if name in OWN:
            assert name not in load_manifest().entries
            continue
        entry = load_manifest()[name]
        assert entry.loader == "dfe_lib.data.datasets.open_dataset" and entry.layout and kind.defects
    assert {n for n in DATASETS if n not in OWN and load_manifest()[n].access in GATED} >= {
        "stressid",
        "daic-woz",
    }


def inspect_module(kind):
    import sys

    return sys.modules[kind.__module__]


# ------------------------------------------------------------------------------------------ the kept index


def test_index_is_kept_and_gives_the_same(made, monkeypatch):
    root, _ = made("daic-woz")
    first = open_dataset("daic-woz", root).listed
    monkeypatch.setattr(DATASETS["daic-woz"], "scan", None)  # would fail if it were asked
    pd.testing.assert_frame_equal(open_dataset("daic-woz", root).listed, first)


@pytest.mark.parametrize("change", ["label", "new file", "gone", "touched folder elsewhere"])
def test_index_is_made_anew_when_something_changes(change, made, cache):
    root, expected = made("daic-woz")
    open_dataset("daic-woz", root)
    if change == "label":
        path = root / "dev_split_Depression_AVEC2017.csv"
        path.write_text(path.read_text().replace("302,0,4", "302,1,24"))
        assert open_dataset("daic-woz", root).recordings.set_index("recording").loc["302", "phq"] == 24
    elif change == "new file":
        (root / "full_test_split.csv").write_text("Participant_ID,PHQ_Binary,PHQ_Score,Gender\n300,1,11,1\n")
        assert open_dataset("daic-woz", root).recordings.set_index("recording").loc["300", "phq"] == 11
    elif change == "gone":
        (root / "303_P" / "303_CLNF_AUs.txt").unlink()
        with pytest.raises(AssetError, match="303"):
            open_dataset("daic-woz", root)
    else:
        kept = next((cache / "derived" / "daic-woz").glob("index-*.parquet"))
        before = kept.stat().st_mtime_ns
        (root.parent / "unrelated").mkdir()
        open_dataset("daic-woz", root)
        assert kept.stat().st_mtime_ns == before


def test_broken_index_is_made_anew(made, cache):
    root, expected = made("e-daic")
    open_dataset("e-daic", root)
    next((cache / "derived" / "e-daic").glob("index-*.parquet")).write_bytes(b"PAR1 not really")
    assert len(open_dataset("e-daic", root).recordings) == len(expected)


def test_two_copies_have_an_index_each(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        trees.d_vlog(tmp_path / place)
    labels = tmp_path / "b" / "labels.csv"
    labels.write_text(labels.read_text().replace("0,depression", "0,normal"))
    values = [open_dataset("d-vlog", tmp_path / p).recordings["depressed"].iloc[0] for p in ("a", "b", "a")]
    assert values == [1.0, 0.0, 1.0]


def test_the_index_is_for_this_user_alone(made, cache):
    root, _ = made("daic-woz")
    open_dataset("daic-woz", root)
    assert (cache / "derived" / "daic-woz").stat().st_mode & 0o077 == 0


def test_folders_that_lead_back_up_are_seen_once(made):
    root, expected = made("folder")
    (root / "a" / "again").symlink_to(root, target_is_directory=True)
    assert sorted(open_dataset("folder", root).recordings["recording"]) == sorted(expected)


# ------------------------------------------------------------------------------------------ one bad file in many


def test_absent_files_are_named_and_left_out_only_when_asked(made):
    root, expected = made("daic-woz")
    (root / "373_P" / "373_CLNF_features3D.txt").unlink()
    with pytest.raises(AssetError, match=r"1 of 4 recordings: 373 \(--keep-going"):
        open_dataset("daic-woz", root)
    dataset = open_dataset("daic-woz", root, keep_going=True)
    assert list(dataset.skipped) == ["373"] and "373" not in set(dataset.recordings["recording"])
    assert "1 left out" in dataset.says


def test_broken_file_is_named_and_left_out_only_when_asked(made):
    root, expected = made("e-daic")
    path = next(root.rglob("303_OpenFace*.csv"))
    path.write_bytes(b"\x00\xff broken")
    with pytest.raises(InputError, match="303.*keep-going"):
        list(open_dataset("e-daic", root).each())
    dataset = open_dataset("e-daic", root, keep_going=True)
    assert sorted(r for r, _ in dataset.each()) == ["302", "400", "600"]
    assert list(dataset.skipped) == ["303"] and str(path) in dataset.skipped["303"]
    assert "303" not in set(dataset.recordings["recording"])


def test_extracted_tables_stand_in_for_videos(made, tmp_path):
    root, expected = made("ubfc-phys")
    extracted(tmp_path / "psi", expected)
    next(root.rglob("vid_s1_T2.avi")).unlink()
    dataset = open_dataset("ubfc-phys", root, frames_path=tmp_path / "psi")
    table = dataset.frames("s1_T2")
    assert table.attrs["access"] == "registration" and frames.psi(table, ICT53.names).shape == (4, 53)
    assert f"--out {tmp_path / 'psi'}" in dataset.command()
    with pytest.raises(InputError, match="has no file"):
        dataset.video("s1_T2")


@pytest.mark.parametrize("name", ["openface", "daic-woz"])
def test_no_more_than_one_recording_is_held(name, made):
    dataset = open_dataset(name, made(name)[0])
    walk, held = dataset.each(), []
    for _, table in walk:
        held.append(weakref.ref(table))
        del table
        gc.collect()
        assert sum(ref() is not None for ref in held) == 0


# ------------------------------------------------------------------------------------------ cohorts


def test_cohort_of_video_needs_extracted_frames(made, cache):
    root, expected = made("stressid")
    with pytest.raises(AssetError, match=f"dfe data extract stressid --root {root}"):
        datasets.cohort_of("stressid", "stress", root)
    extracted(cache / "derived" / "stressid" / "frames", expected)
    cohort = datasets.cohort_of("stressid", "stress", root)
    assert cohort.holds == "psi" and cohort.labels == ("stressed",) and cohort.source == "gated"
    assert "f1k9_Relax" not in set(cohort.recordings["recording"])  # no self-rating
    assert set(cohort.frames["recording"]) == set(cohort.recordings["recording"])
    assert cohort.frames.attrs["access"] == "agreement"
    assert cohort.people is None and cohort.events is None


def test_cohort_of_units_alone(made):
    root, _ = made("e-daic")
    cohort = datasets.cohort_of("e-daic", "depression", root)
    assert cohort.holds == "aus" and cohort.labels == ("phq", "depressed")
    assert cohort.says.endswith("FACS rows only: this set holds action units, no video or landmarks")
    assert "AU12" in cohort.frames and not any(c.startswith("psi_") for c in cohort.frames)
    assert [r for r, _ in cohort.each()] == list(cohort.recordings["recording"])


def test_cohort_of_landmarks_asks_for_their_expression_first(made, cache):
    """Action units alone would make half a table of a set that can have a whole one."""
    root, expected = made("daic-woz")
    with pytest.raises(AssetError, match="dfe data extract daic-woz"):
        datasets.cohort_of("daic-woz", "depression", root)
    extracted(cache / "derived" / "daic-woz" / "frames", expected)
    cohort = datasets.cohort_of("daic-woz", "depression", root)
    assert cohort.holds == "psi"
    assert "300" not in set(cohort.recordings["recording"])  # the test set has no scores


def test_cohort_with_one_of_two_labels(made, cache):
    root, expected = made("d-vlog")
    extracted(cache / "derived" / "d-vlog" / "frames", expected)
    assert datasets.cohort_of("d-vlog", "depression", root).labels == ("depressed",)


def test_cohort_of_another_task(made):
    root, _ = made("daic-woz")
    with pytest.raises(InputError, match="daic-woz has no label for stress"):
        datasets.cohort_of("daic-woz", "stress", root)
    with pytest.raises(ConfigError, match="no such task"):
        datasets.cohort_of("daic-woz", "happiness", root)


@pytest.mark.parametrize("name", NAMES)
def test_tasks_are_those_with_labels(name, made):
    dataset = open_dataset(name, made(name)[0])
    for task, columns in TASKS.items():
        assert (task in dataset.tasks) == bool(set(columns) & set(dataset.recordings.columns))
