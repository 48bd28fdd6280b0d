"""Trees as users have them: upper case, spaces, byte-order marks, lost zeros, words for numbers, damage."""

import os

import pandas as pd
import pytest
import trees

from dfe_lib.data.adapters.tables import read_csv, read_wide
from dfe_lib.data.datasets import open_dataset
from dfe_lib.errors import AssetError, InputError

pytestmark = pytest.mark.usefixtures("cache")


def mark(path):
    """As spreadsheets write UTF-8: with a byte-order mark."""
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return path


def test_videos_in_a_mess(root):
    for name in ("001.MP4", "002.Avi", "my clip 3.mp4", "sub dir/004.MOV"):
        trees.stub(root / name)
    trees.write(root / "notes.txt", "x")
    trees.stub(root / "Thumbs.db")
    labels = trees.write(
        root / "Labels.CSV", "recording,subject,depressed\n001,007,1\n002,007,0\nmy clip 3,08,1\n"
    )
    mark(labels)
    table = open_dataset("folder", root).recordings.set_index("recording")
    assert table["subject"].to_dict() == {"001": "007", "002": "007", "my clip 3": "08", "004": "004"}
    assert table["depressed"].isna().to_dict()["004"] and table.loc["my clip 3", "depressed"] == 1
    labels.write_text("recording,subject,depressed\n1,7,1\n2,7,0\n")
    with pytest.raises(AssetError, match=r"leading zeros in labels.csv \(1 is called 001; 2 such\)"):
        open_dataset("folder", root)
    labels.write_text("recording,subject,depressed\n001,7,yes\n002,7,no\n")
    with pytest.raises(
        AssetError, match=r"a number as depressed of every recording \(001 has 'yes', and 1 more\)"
    ):
        open_dataset("folder", root)


def test_fifty_files_with_some_that_are_damaged(root):
    for i in range(50):
        trees.openface(root / f"{i:03d}.csv", n=3, points=False)
    (root / "013.csv").write_bytes(os.urandom(64) + b"\xff\n" + os.urandom(64))
    mark(root / "014.csv")
    (root / "015.csv").rename(root / "015.CSV")
    (root / "020.csv").write_text("")
    whole = (root / "021.csv").read_text()
    (root / "021.csv").write_text(whole[: len(whole) - 200])
    trees.write(root / "._016.csv", "what another system leaves behind")
    dataset = open_dataset("openface", root)
    assert len(dataset.recordings) == 50
    with pytest.raises(InputError, match=r"openface: 013: .*013.csv .*--keep-going"):
        list(dataset.each())
    going = open_dataset("openface", root, keep_going=True)
    read = {name: table for name, table in going.each()}
    assert set(going.skipped) == {"013", "020", "021"} and len(read) == 47 and {"014", "015"} <= set(read)
    assert all(name in why for name, why in going.skipped.items())
    assert "cut off or damaged: a row has" in going.skipped["021"]
    assert len(going.recordings) == 47 and "3 left out" in going.says


def test_sessions_with_words_for_numbers(root):
    trees.e_daic(root)
    mark(root / "labels" / "train_split.csv")
    next(root.rglob("303_Open*.csv")).rename(
        root / "303_P" / "features" / "303_OpenFace2.1.0_Pose_gaze_AUs.CSV"
    )
    assert len(open_dataset("e-daic", root).recordings) == 4
    test = root / "labels" / "test_split.csv"
    head = "Participant_ID,Gender,PHQ_Binary,PHQ_Score\n"
    test.write_text(head + ",,,\n600,female,1,18\n")  # a row that a spreadsheet has left behind
    assert len(open_dataset("e-daic", root).recordings) == 4
    test.write_text(head + "600,female,yes,high\n")
    with pytest.raises(AssetError, match=r"PHQ_Score in the labels of test .*'high'.*PHQ_Binary .*'yes'"):
        open_dataset("e-daic", root)
    test.write_text(head + "P600,female,1,18\n")
    with pytest.raises(AssetError, match="a number as Participant_ID in the labels of test"):
        open_dataset("e-daic", root)
    test.write_text(head + "600,female,1,18\n")
    next(root.rglob("400_Open*")).unlink()
    with pytest.raises(AssetError, match="lacks the files of 1 of 4 recordings: 400 "):
        open_dataset("e-daic", root)
    assert open_dataset("e-daic", root, keep_going=True).skipped == {"400": "its file is not there"}


def test_labels_of_a_vlog_set_with_marks_and_strangers(root):
    trees.lmvd(root)
    mark(trees.write(root / "label" / "602_Depression.csv", "1\n"))
    trees.write(root / "Video_feature" / "readme.csv", "x")
    assert open_dataset("lmvd", root).recordings.set_index("recording").loc["602", "depressed"] == 1


def test_stress_in_words_is_refused_by_name(root):
    trees.stressid(root)
    labels = mark(root / "labels.csv")
    assert len(open_dataset("stressid", root).recordings) == 8
    labels.write_text(labels.read_text(encoding="utf-8-sig").replace(",1.0,", ",stressed,"))
    with pytest.raises(AssetError, match="a number as stressed of every recording .2ea4_Math has 'stressed'"):
        open_dataset("stressid", root)


def test_an_empty_label_file_is_named_without_a_warning(root, recwarn):
    trees.ck_plus(root)
    next(root.rglob("*_emotion.txt")).write_text("")
    with pytest.raises(AssetError, match="a number 0–7 in Emotion"):
        open_dataset("ck-plus", root)
    assert not [w for w in recwarn if "loadtxt" in str(w.message)]


def test_wide_tables_agree_with_narrow_ones(root):
    """By Arrow, and by pandas where Arrow balks (a quoted number): the same table, NaN where a cell is empty."""
    text = " a, x_0, x_1, b\n1, 2.5, , 7\n2, 0.1, -3e2, 8\n"
    plain = trees.write(root / "plain.csv", text)
    quoted = trees.write(root / "quoted.csv", text.replace("2.5", '"2.5"'))
    for path in (plain, quoted, mark(trees.write(root / "marked.csv", text))):
        lead, values = read_wide(path, ["a"], ["x_1", "x_0"], "a table", ["b", "c"])
        assert lead.to_dict("list") == {"a": [1, 2], "b": [7, 8]} and str(values.dtype) == "float32"
        expected = read_csv(path, ["a"], "a table", text=())[["x_1", "x_0"]]
        pd.testing.assert_frame_equal(
            pd.DataFrame(values, columns=["x_1", "x_0"]), expected.astype("float32")
        )
    with pytest.raises(InputError, match="lacks the column 'x_2'"):
        read_wide(plain, ["a"], ["x_2"], "a table")
    with pytest.raises(InputError, match="no rows"):
        read_wide(trees.write(root / "empty.csv", "a,x\n"), ["a"], ["x"], "a table")
    with pytest.raises(InputError, match="column 'x' must hold numbers"):
        read_wide(trees.write(root / "text.csv", "a,x\n1,two\n"), ["a"], ["x"], "a table")
