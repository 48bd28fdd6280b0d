"""OpenFace's CSV files are read fast, and as pandas reads them."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib.bench.readers import openface_header, write_openface
from dfe_lib.data.adapters.openface import read_openface, read_openface_landmarks, read_openface_shape
from dfe_lib.data.adapters.tables import read_csv
from dfe_lib.data.manifest import locate
from dfe_lib.errors import InputError


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_openface(tmp_path_factory.mktemp("of") / "clip.csv", 300)


def exactly(path):
    """As pandas reads it with its defaults but for the spaces in the header."""
    return pd.read_csv(path, skipinitialspace=True)


def test_the_header_is_that_of_openface():
    names = openface_header()
    assert len(names) == len(set(names)) == 714
    assert names[:5] == ["frame", "face_id", "timestamp", "confidence", "success"] and names[-1] == "AU45_c"
    real = pd.read_csv(locate("tool-output-samples", "OpenFace_Test.csv"), nrows=0, skipinitialspace=True)
    assert list(real) == [n for n in names if n in set(real)]  # an older version, with fewer outputs


def test_every_value_is_pandas_own(written):
    ours, theirs = read_csv(written, ["frame"], "a CSV", text=()), exactly(written)
    assert list(ours) == list(theirs) and ours.shape == (300, 714)
    np.testing.assert_array_equal(ours.to_numpy(), theirs.to_numpy(float))


def test_readers_return_those_values(written):
    table = exactly(written)
    aus = read_openface(written)
    np.testing.assert_array_equal(aus.intensity["AU12"], table["AU12_r"])
    np.testing.assert_array_equal(aus.presence["AU28"], table["AU28_c"])
    for axes in ("XYZ", "xy"):
        found = read_openface_landmarks(written, axes)
        assert found.points.shape == (300, 68, len(axes)) and found.frames["detected"].all()
        for k, axis in enumerate(axes):
            np.testing.assert_array_equal(found.points[:, 5, k], table[f"{axis}_5"].astype(np.float32))
    np.testing.assert_array_equal(found.frames["time_s"], table["timestamp"])
    psi = read_openface_shape(written)["psi_p_3"]
    np.testing.assert_allclose(psi, table["p_3"] - table["p_3"].median(), atol=1e-6)


def test_a_real_file_is_read_like_pandas():
    path = locate("tool-output-samples", "OpenFace_Test.csv")
    ours, theirs = read_csv(path, [], "a CSV", text=()), exactly(path)
    np.testing.assert_array_equal(ours.to_numpy(), theirs.to_numpy(float))
    points = read_openface_landmarks(path).points
    assert np.ptp(points[:, :, 0], axis=1).mean() == pytest.approx(150, abs=25)  # mm from ear to ear


HEAD = "frame, timestamp, confidence, success, AU12_r, AU28_c\n"


@pytest.mark.parametrize(
    "rows",
    [
        "1, 0.0, 0.9, 1, 0.5, 0\n2, 0.1, 0.9, 1, 1.5, 1\n",  # spaces before numbers too
        "1,0.0,0.9,1,0.5,0\n\n2,0.1,0.9,1,1.5,1\n",  # an empty line
        "1,0.0,0.9,1,0.5,0\r\n2,0.1,0.9,1,1.5,1\r\n",
        "1,0,0.9,1,0,0\n" * 1 + "2,1e-1,9e-1,1,1.5,1",  # no last newline; integers first
        '1,"0.0",0.9,1,0.5,0\n2,0.1,0.9,1,"1.5",1\n',
        "1,0.0,0.9,1,nan,0\n2,0.1,0.9,1,,1\n3,0.2,0.9,1,-nan,1\n",
    ],
)
def test_whatever_pandas_makes_of_it(tmp_path, rows):
    path = tmp_path / "clip.csv"
    path.write_text(HEAD + rows, newline="")
    ours = read_csv(path, ["frame"], "a CSV", text=())
    pd.testing.assert_frame_equal(ours, exactly(path), check_dtype=False)


def test_a_run_that_broke_off_in_a_row_is_named(tmp_path):
    """pandas would fill the row up with empty cells, and nobody would know that half a recording is missing."""
    path = tmp_path / "clip.csv"
    path.write_text(HEAD + "1,0.0,0.9,1,0.5,0\n2,0.1,0.9,1,1.5,1\n3,0.2\n")
    with pytest.raises(
        InputError, match=r"cut off or damaged: a row has 2 cells, the header 6 \(it begins '3,0.2'\)"
    ):
        read_csv(path, ["frame"], "a CSV", text=())


def test_units_that_begin_with_whole_numbers_are_no_integers(tmp_path):
    """Types are not guessed from a file's first rows, where nothing may move yet."""
    path = tmp_path / "clip.csv"
    lines = [f"{i},{i / 30:.3f},0.9,1,{0 if i < 60_000 else 0.25},0" for i in range(60_001)]
    path.write_text(HEAD + "\n".join(lines))
    assert read_openface(path).intensity["AU12"].iloc[-1] == 0.25


def test_frames_without_success_have_no_landmarks(tmp_path, written):
    table = exactly(written).head(4)
    table.loc[1, "success"] = 0
    table.loc[2, "X_7"] = np.nan
    path = tmp_path / "clip.csv"
    table.to_csv(path, index=False)
    found = read_openface_landmarks(path)
    assert found.frames["detected"].tolist() == [True, False, False, True]
    assert np.isnan(found.points[1:3]).all() and np.isfinite(found.points[[0, 3]]).all()


def test_what_is_wrong_is_said(tmp_path, written):
    table = exactly(written).head(4)
    path = tmp_path / "clip.csv"
    table.drop(columns="Z_67").to_csv(path, index=False)
    with pytest.raises(InputError, match="lacks the column 'Z_67'.*-3Dfp"):
        read_openface_landmarks(path)
    with pytest.raises(InputError, match="'xyz'; allowed: XYZ, xy"):
        read_openface_landmarks(path, "xyz")
    table.assign(X_3=["1", "2", "three", "4"]).to_csv(path, index=False)
    with pytest.raises(InputError, match="'X_3' must hold numbers"):
        read_openface_landmarks(path)
    table.assign(frame=1).to_csv(path, index=False)
    with pytest.raises(InputError, match="several faces"):
        read_openface_landmarks(path)
