"""What each data set is known to get wrong, and the reader to get right."""

import numpy as np
import pandas as pd
import pytest
import trees

from dfe_lib.data.datasets import TRAITS, open_dataset
from dfe_lib.data.datasets.columns import POINTS, POINTS_2D, points, units
from dfe_lib.errors import AssetError, InputError
from dfe_lib.face.importers import import_table
from dfe_lib.frames import psi

pytestmark = pytest.mark.usefixtures("cache")


def table_of(name, root):
    return open_dataset(name, root).recordings.set_index("recording")


# ------------------------------------------------------------------------------------------ stress


def test_stressid_tells_who_could_be_filmed(root):
    trees.stressid(root)
    dataset = open_dataset("stressid", root)
    assert len(dataset.listed) == 12 and int(dataset.listed["available"].sum()) == 8
    assert set(dataset.recordings["subject"]) == {"2ea4", "f1k9"}
    table = table_of("stressid", root)
    assert table.loc["2ea4_Math", "stressed"] == 1 and np.isnan(table.loc["f1k9_Relax", "stressed"])
    assert table.loc["2ea4_Math", "task"] == "Math" and str(dataset.video("2ea4_Math")).endswith(
        "2ea4_Math.mp4"
    )


def test_stressid_refuses_names_it_does_not_know(root):
    trees.stressid(root)
    path = root / "labels.csv"
    path.write_text(path.read_text().replace("2ea4_Math", "2ea4"))
    with pytest.raises(AssetError, match="names like 2ea4_Math"):
        open_dataset("stressid", root)


def test_stressid_index_with_slashes(root):
    trees.stressid(root)
    path = root / "labels.csv"
    path.write_text(path.read_text().replace("2ea4_", "2ea4/"))
    assert "2ea4_Math" in table_of("stressid", root).index


def test_ubfc_phys_label_is_the_task(root):
    trees.ubfc_phys(root)
    table = table_of("ubfc-phys", root)
    assert list(table.loc[["s10_T1", "s10_T2", "s10_T3"], "stressed"]) == [0, 1, 1]
    assert table.loc["s2_T1", "condition"] == "ctrl" and table.loc["s1_T1", "condition"] == "test"


def test_ubfc_phys_unread_info_is_left_empty(root):
    trees.ubfc_phys(root)
    (root / "s1" / "info_s1.txt").write_text("something else\n")
    assert table_of("ubfc-phys", root).loc["s1_T1", "condition"] == ""


# ------------------------------------------------------------------------------------------ personality


def test_clips_of_one_youtube_video_are_one_subject(root):
    trees.first_impressions(root)
    table = table_of("chalearn-first-impressions", root)
    both = table[table["subject"] == "J4GQm9j0JZ0"]
    assert set(both["split"]) == {"train", "dev"} and len(both) == 4  # the same video in two official sets
    assert "_a-Bc_dEf12" in set(table["subject"]) and "zZ9-yY8_xX7" in set(table["subject"])
    assert table[list(TRAITS)].to_numpy().min() >= 0 and table[list(TRAITS)].to_numpy().max() <= 1


def test_annotations_are_matched_by_clip_not_by_place(root):
    trees.first_impressions(root)
    values = {"a.000.mp4": 0.1, "b.000.mp4": 0.9}
    turned = dict(reversed(values.items()))
    content = {t: (turned if t == "neuroticism" else values) for t in (*TRAITS, "interview")}
    for word in ("training", "validation", "test"):
        (root / f"annotation_{word}.pkl").write_bytes(
            trees.pickle2(content if word == "training" else {t: {} for t in content})
        )
    for clip in values:
        trees.stub(root / clip)
    table = table_of("chalearn-first-impressions", root)
    assert table.loc["a.000", "neuroticism"] == 0.1 and table.loc["b.000", "neuroticism"] == 0.9


@pytest.mark.parametrize("value", [1.5, -0.2])
def test_annotations_outside_their_range(root, value):
    trees.first_impressions(root)
    (root / "annotation_test.pkl").write_bytes(trees.pickle2({t: {"a.000.mp4": value} for t in TRAITS}))
    with pytest.raises(AssetError, match="values must lie in 0–1"):
        open_dataset("chalearn-first-impressions", root)


def test_seamless_finds_people_by_their_id(root):
    trees.seamless(root)
    table = table_of("seamless-interaction", root)
    assert table.loc["V00_S0809_I00000582_P0947", "openness"] == 4.0
    assert table.loc["V00_S0809_I00000582_P0948", "neuroticism"] == 2.5  # the file says 0948
    assert table["session"].nunique() == 2 and set(table["split"]) == {"train", "dev"}
    assert table.loc["V01_S0100_I00000001_P0935A", list(TRAITS)].isna().all()


def test_seamless_does_not_guess_columns(root):
    trees.seamless(root)
    path = root / "participants.csv"
    path.write_text(path.read_text().replace("BFI2_extraversion", "E"))
    with pytest.raises(
        AssetError, match=r"one column for extraversion in participants.csv \(0 found; it has"
    ):
        open_dataset("seamless-interaction", root)


# ------------------------------------------------------------------------------------------ depression


def test_daic_woz_marks_sessions_that_went_wrong(root):
    trees.daic_woz(root)
    table = table_of("daic-woz", root)
    assert table.loc["373", "remark"] == "interrupted" and table.loc["303", "remark"] == ""
    assert table.loc["373", "split"] == "train" and table.loc["302", "split"] == "dev"
    assert table.loc["373", "depressed"] == 1 and np.isnan(table.loc["300", "phq"])


@pytest.mark.parametrize(
    ("name", "file"), [("daic-woz", "dev_split_Depression_AVEC2017.csv"), ("e-daic", "labels/dev_split.csv")]
)
def test_scores_and_binary_labels_that_contradict_each_other(root, name, file):
    trees.MAKERS[name](root)
    person = {"daic-woz": "302", "e-daic": "400"}[name]
    assert table_of(name, root).loc[person, "remark"] == ""
    text = (root / file).read_text()
    (root / file).write_text(text.replace("302,0,4", "302,0,10").replace("400,male,0,0", "400,male,0,10"))
    row = table_of(name, root).loc[person]
    assert "contradict" in row["remark"] and row["phq"] == 10 and row["depressed"] == 0


def test_daic_woz_test_scores_where_they_were_given(root):
    trees.daic_woz(root, full_test=True)
    assert table_of("daic-woz", root).loc["300", "phq"] == 2


def test_daic_woz_keeps_success_alone(root):
    trees.daic_woz(root)
    table = open_dataset("daic-woz", root).frames("303")
    assert table["detected"].tolist() == [True, True, True, False, True]
    assert np.isnan(points(table)[3]).all() and np.isfinite(points(table)[4]).all()  # -1.#IND where it failed
    assert "AU45" not in units(table) and "AU45_c" in table and len(units(table)) == 14


def test_daic_woz_landmarks_are_x_then_y_then_z(root):
    trees.daic_woz(root)
    path = root / "303_P" / "303_CLNF_features3D.txt"
    given = pd.read_csv(path, skipinitialspace=True)
    found = points(open_dataset("daic-woz", root).frames("303"), POINTS)
    for axis, name in enumerate("XYZ"):
        np.testing.assert_allclose(
            found[0, :, axis], given.loc[0, [f"{name}{i}" for i in range(68)]].astype(float), rtol=1e-6
        )


def test_daic_woz_files_are_matched_by_frame_number(root):
    trees.daic_woz(root)
    whole = points(open_dataset("daic-woz", root).frames("303"))
    path = root / "303_P" / "303_CLNF_features3D.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")  # the first frame is lost
    table = open_dataset("daic-woz", root).frames("303")
    assert table["detected"].tolist() == [False, True, True, False, True]
    np.testing.assert_array_equal(points(table)[1:], whole[1:])


def test_e_daic_reads_both_spellings(root):
    trees.e_daic(root)
    dataset = open_dataset("e-daic", root)
    assert len(dataset.recordings) == 4 and len(units(dataset.frames("600"))) == 17


def test_d_vlog_is_told_when_a_channel_is_in_two_folds(root):
    trees.d_vlog(root)
    assert table_of("d-vlog", root)["subject"].is_unique
    (root / "channels.csv").write_text("index,channel\n0,c1\n1,c1\n2,c2\n3,c3\n")
    assert table_of("d-vlog", root).loc[["0", "1"], "subject"].tolist() == ["c1", "c1"]
    (root / "channels.csv").write_text("index,channel\n0,c1\n1,c1\n2,c1\n3,c3\n")
    with pytest.raises(AssetError, match=r"every channel in one fold \(c1 is in two"):
        open_dataset("d-vlog", root)


def test_d_vlog_points_are_interleaved_and_zeros_are_no_face(root):
    trees.d_vlog(root)
    given = np.load(root / "1" / "1_visual.npy")
    table = open_dataset("d-vlog", root).frames("1")
    found = points(table, POINTS_2D)
    np.testing.assert_allclose(found[0, 5], given[0, 10:12], rtol=1e-6)
    assert table["detected"].tolist() == [True, True, False, True] and np.isnan(found[2]).all()


def test_d_vlog_refuses_arrays_of_another_width(root):
    trees.d_vlog(root)
    np.save(root / "1" / "1_visual.npy", np.zeros((4, 25)))
    with pytest.raises(InputError, match=r"136\) is needed"):
        open_dataset("d-vlog", root).frames("1")


def test_lmvd_classes_by_number_or_as_told(root):
    trees.lmvd(root)
    table = table_of("lmvd", root)
    assert table["depressed"].to_dict() == {"1": 1, "601": 1, "602": 0, "1117": 1, "1824": 0}
    trees.write(root / "label" / "602_Depression.csv", "1\n")
    trees.write(root / "label" / "1424_Depression.csv", "0\n")
    told = table_of("lmvd", root)["depressed"]
    assert told["602"] == 1 and told["1424"] == 0


def test_lmvd_columns_stand_where_its_authors_read_them(root):
    trees.lmvd(root)
    names = next(root.rglob("602.csv")).read_text().splitlines()[0].split(",")
    assert names[4] == "success" and len(names) == 470
    kept = names[5:]  # tcnfeature.py: gaze, pose, landmarks and presences by number
    assert kept[288:294] == [f"pose_{k}{a}" for k in "TR" for a in "xyz"]
    assert (kept[294], kept[429]) == ("x_0", "y_67") and (kept[447], kept[464]) == ("AU01_c", "AU45_c")
    assert all(name.endswith("_c") for name in kept[447:465])
    deeper = root / "Video_feature" / "depressed"
    deeper.mkdir()
    (root / "Video_feature" / "1.csv").rename(deeper / "1.csv")
    table = open_dataset("lmvd", root).frames("1")
    assert (
        POINTS_2D in table and POINTS not in table and table["AU12"].notna().sum() == table["detected"].sum()
    )


def test_gilanie_needs_to_be_told_who_is_who(root):
    trees.gilanie(root)
    (root / "labels.csv").unlink()
    with pytest.raises(AssetError, match="to be written by you"):
        open_dataset("gilanie-depression-au", root)


# ------------------------------------------------------------------------------------------ faces


def test_affectnet_same_number_in_both_sets(root):
    trees.affectnet(root)
    table = table_of("affectnet", root)
    assert table.loc["train-0", "emotion"] == "neutral" and table.loc["dev-7", "emotion"] == "contempt"
    assert table.loc["train-3", "valence"] == 0.25 and np.isnan(table.loc["dev-7", "arousal"])
    assert len(open_dataset("affectnet", root).pictures("train-3")) == 1


def test_affectnet_names_pictures_without_labels(root):
    trees.affectnet(root)
    (root / "train_set" / "annotations" / "3_val.npy").unlink()
    with pytest.raises(AssetError, match="train_set/annotations/3_"):
        open_dataset("affectnet", root)


def test_ravdess_without_success_goes_by_confidence(root):
    trees.ravdess(root)
    dataset = open_dataset("ravdess-tracking", root)
    row = dataset.recordings.set_index("recording").loc["02-02-05-01-02-02-24"]
    assert (row["emotion"], row["channel"], row["modality"]) == ("angry", "song", "video")
    assert row["subject"] == "actor24"
    assert dataset.frames("02-02-05-01-02-02-24")["detected"].tolist() == [True] * 5 + [False]


def test_crema_d_refuses_git_lfs_pointers(root):
    trees.crema_d(root)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (root / "VideoFlash" / "1001_DFA_ANG_XX.flv").write_text(pointer)
    with pytest.raises(AssetError, match="git lfs pull"):
        open_dataset("crema-d", root)


def test_crema_d_acted_and_seen_differ(root):
    trees.crema_d(root)
    row = table_of("crema-d", root).loc["1001_IEO_HAP_LO"]
    assert (row["emotion"], row["level"], row["seen"]) == ("happy", "low", "H:N")


def test_disfa_ratings_and_landmarks(root):
    trees.disfa(root)
    dataset = open_dataset("disfa", root)
    assert dataset.video("SN001").name.startswith("Left") and dataset.video("SN002").name.startswith("Right")
    table = dataset.frames("SN001")
    assert table["AU12"].tolist() == [0, 1, 2, 3] and len(units(table)) == 12
    assert points(table, "landmarks66_2d").shape == (4, 66, 2)


def test_disfa_names_landmarks_in_two_ways(root):
    """SN001_0000_lm.mat is the first frame of one person, l00001_lm.mat that of another."""
    trees.disfa(root)
    dataset = open_dataset("disfa", root)
    both = [points(dataset.frames(person), "landmarks66_2d") for person in ("SN001", "SN002")]
    np.testing.assert_array_equal(*both)
    assert np.allclose(np.diff(both[0], axis=0), 1, atol=1e-3)  # frame by frame, as they were made
    (next(root.rglob("l00002_lm.mat"))).unlink()
    assert np.isnan(points(dataset.frames("SN002"), "landmarks66_2d")[1]).all()
    odd = next(root.rglob("l00001_lm.mat"))
    odd.rename(odd.with_name("first_lm.mat"))
    with pytest.raises(InputError, match="first_lm.mat is called neither"):
        dataset.frames("SN002")


def test_disfa_names_the_unit_that_is_missing(root):
    trees.disfa(root)
    (root / "ActionUnit_Labels" / "SN002" / "SN002_au26.txt").unlink()
    with pytest.raises(AssetError, match="SN002_au26.txt"):
        open_dataset("disfa", root)


def test_ck_plus_without_emotion(root):
    trees.ck_plus(root)
    table = table_of("ck-plus", root)
    assert table.loc["S005_001", "emotion"] == "disgust" and table.loc["S010_002", "emotion"] == ""
    assert table.loc["S005_001", "units"] == "1:2+25"  # intensity 0 is 'not rated'
    assert [p.suffix for p in open_dataset("ck-plus", root).pictures("S005_001")] == [".png"] * 3


def test_bp4d_nine_is_not_coded(root):
    trees.bp4d(root)
    dataset = open_dataset("bp4d", root)
    table = dataset.frames("F001_T1")
    assert "AU05_c" not in table and table["AU12_c"].tolist() == [0, 1, 0, 1]
    assert table["source_frame"].tolist() == [2440, 2441, 2442, 2443] and table["time_s"].tolist() == [
        0,
        1,
        2,
        3,
    ]
    assert table["AU06"].iloc[0] == 3 and np.isnan(table["AU06"].iloc[2])
    assert len(dataset.pictures("F001_T1")) == 4
    with pytest.raises(InputError, match="no file pictures"):
        dataset.pictures("M002_T8")


# ------------------------------------------------------------------------------------------ folders and tools


def test_folder_without_labels(root):
    trees.video(root / "x" / "one.mp4")
    trees.video(root / "y" / "one.mp4")
    dataset = open_dataset("folder", root)
    assert sorted(dataset.recordings["recording"]) == ["x__one", "y__one"]
    assert dataset.labels == {} and (dataset.recordings["subject"] == dataset.recordings["recording"]).all()
    assert dataset.source == "gated" and not dataset.gated and dataset.access == "own"


def test_folder_labels_without_a_file(root):
    trees.folder(root)
    with (root / "labels.csv").open("a") as file:
        file.write("three,p3,train,1\n")
    with pytest.raises(AssetError, match="1 of 3 recordings: three"):
        open_dataset("folder", root)


def test_folder_labels_twice(root):
    trees.folder(root)
    with (root / "labels.csv").open("a") as file:
        file.write("one,p9,train,1\n")
    with pytest.raises(AssetError, match="one stands twice"):
        open_dataset("folder", root)


def test_names_that_look_like_numbers_stay_names(root):
    trees.openface_folder(root)
    (root / "labels.csv").write_text("recording,subject,depressed\n001,007,1\n002,008,0\n")
    table = table_of("openface", root)
    assert table.loc["001", "subject"] == "007" and table.loc["002", "depressed"] == 0


def test_real_openface_and_pyfeat_files(root, mirror, monkeypatch):
    monkeypatch.delenv("DFE_DATA_MIRROR")
    given = mirror("tool-output-samples", "OpenFace_Test.csv")
    (root / "of").mkdir()
    (root / "pf").mkdir()
    (root / "of" / "clip.csv").symlink_to(given)
    table = open_dataset("openface", root / "of").frames("clip")
    assert len(units(table)) == 17 and points(table).shape == (len(table), 68, 3)
    expected = pd.read_csv(given, skipinitialspace=True)
    assert table["detected"].sum() == (expected["success"] == 1).sum()
    (root / "pf" / "clip.csv").symlink_to(mirror("tool-output-samples", "001.csv"))
    dataset = open_dataset("pyfeat", root / "pf")
    table = dataset.frames("clip")
    assert dataset.feeds == {"aus", "landmarks68_2d"} and len(units(table)) == 20
    made = trees.pyfeat_before_the_mesh(root / "made.csv")
    assert list(pd.read_csv(made).columns) == list(pd.read_csv(root / "pf" / "clip.csv").columns)
    expected = pd.read_csv(root / "pf" / "clip.csv")
    np.testing.assert_allclose(points(table, POINTS_2D)[:, 30, 1], expected["y_30"], rtol=1e-6)


def test_what_a_folder_feeds_is_told_by_its_files(root):
    """Landmarks in the first file's header, or action units alone: then FACS rows can be had, and nothing else."""
    for name, make in (("openface", trees.openface), ("pyfeat", trees.pyfeat_before_the_mesh)):
        make(root / name / "a.csv")
        assert "landmarks68_2d" in open_dataset(name, root / name).feeds
        table = pd.read_csv(root / name / "a.csv", skipinitialspace=True)
        table.loc[:, [c for c in table if c.strip()[0] not in "xyXYZ"]].to_csv(
            root / name / "a.csv", index=False
        )
        dataset = open_dataset(name, root / name)
        assert dataset.feeds == {"aus"} and POINTS_2D not in dataset.frames("a")


def test_older_pyfeat_files_become_expressions(root):
    """By the 68-point route in a picture, with the head's angles; turning the picture changes the roll alone."""
    straight = import_table(trees.pyfeat_before_the_mesh(root / "a.csv", n=8), "pyfeat", fps=25)
    assert straight.attrs["expression"] == "landmarks68-2d" and straight.attrs["tool"] == "Py-Feat"
    assert straight["detected"].tolist() == [True] * 7 + [False] and straight["time_s"].iloc[1] == 1 / 25
    opened = psi(straight, ["jawOpen"])[:7, 0]
    assert (np.diff(opened) > 0).all()  # the mouth opens more from frame to frame
    turned = import_table(trees.pyfeat_before_the_mesh(root / "b.csv", n=8, turned=np.radians(20)), "pyfeat")
    np.testing.assert_allclose(psi(turned)[:7], psi(straight)[:7], atol=0.02)
    rolled = np.abs(turned["pose_roll"] - straight["pose_roll"])[:7]
    np.testing.assert_allclose(rolled, 20, atol=1)
