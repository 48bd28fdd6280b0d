"""What is exported is read back by pandas and by the readers of the tools whose conventions it keeps."""

import json

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.bags import export_bags
from dfe_lib.bench.readers import openface_header
from dfe_lib.codings import FACS
from dfe_lib.data.access import AccessError
from dfe_lib.data.adapters.openface import read_openface, read_openface_landmarks
from dfe_lib.data.adapters.pyfeat import read_feat, read_feat_csv
from dfe_lib.data.manifest import locate
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.export import _camera_angles, export
from dfe_lib.face.landmark_sets import KEYPOINTS68, LANDMARKS68
from dfe_lib.face.morphable import load_morphable
from dfe_lib.sidecar import describe
from dfe_lib.space import ICT53


@pytest.fixture
def table(rng):
    """Six frames with everything a table can hold, the third without a face."""
    psi = np.abs(rng.normal(0, 0.2, (6, 53))).astype(np.float32)
    points = load_morphable("face478").vertices(psi) * [3, -3, -3] + [320, 240, 0]
    pose = np.array([[10, 20, 5, 3, 320, 240]] * 6, np.float32)
    codes = rng.integers(0, 4, (6, 3))
    seen = np.arange(6) != 2
    psi[~seen] = points[~seen] = pose[~seen] = np.nan
    codes[~seen] = -1
    made = frames.frame_table(
        "clip", np.arange(6) / 30, seen, n_faces=seen, landmarks=points, attrs=ICT53.attrs() | {"rate": "30"},
        **dict(zip(frames.POSE, pose.T, strict=True)),
    )  # fmt: skip
    made = frames.with_psi_sd(frames.with_psi(made, psi, ICT53.names), psi / 2, ICT53.names)
    return frames.with_tokens(made, codes)


def test_as_openface(table, tmp_path):
    done = export(table, tmp_path / "clip.csv", "openface", units=True)
    back = pd.read_csv(done.table)
    of = set(openface_header())
    assert [c for c in back if c in of] == [c for c in openface_header() if c in set(back)]
    assert all(c in of or c.startswith(("psi_", "sd_", "token_")) for c in back)
    assert back["frame"].tolist() == [1, 2, 3, 4, 5, 6] and back["success"].tolist() == [1, 1, 0, 1, 1, 1]
    np.testing.assert_allclose(back["timestamp"], table["time_s"])
    np.testing.assert_array_equal(back["psi_jawOpen"].astype(np.float32), table["psi_jawOpen"])
    assert back["token_1"].isna().tolist() == [False, False, True, False, False, False]
    aus = read_openface(done.table)
    assert aus.frames["detected"].tolist() == table["detected"].tolist()
    psi, coding = frames.psi(table, ICT53.names), FACS()
    np.testing.assert_allclose(
        aus.matrix(coding.names)[table["detected"]], coding.intensities(psi[table["detected"]]), rtol=1e-9
    )
    assert (aus.presence["AU12"].dropna() == (aus.intensity["AU12"].dropna() >= 0.5)).all()
    points = read_openface_landmarks(done.table, "xy").points
    np.testing.assert_array_equal(points, frames.landmarks(table)[:, KEYPOINTS68, :2])


def test_as_pyfeat(table, tmp_path):
    done = export(table, tmp_path / "clip.csv", "pyfeat", units=True)
    back = pd.read_csv(done.table)
    lead = ["frame", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]
    assert list(back)[:6] == lead and (back["input"] == "clip").all()
    # Its reader takes every column with AU in its name for a unit.
    assert [c for c in back if "AU" in c] == FACS(aus="pyfeat").names
    feat = read_feat_csv(done.table, fps=30)
    assert feat.frames["detected"].tolist() == table["detected"].tolist()
    np.testing.assert_allclose(feat.frames["time_s"], table["time_s"])
    np.testing.assert_allclose(frames.landmarks(feat.frames), frames.landmarks(table), atol=1e-3)
    aus = read_feat(done.table, fps=30)
    coding, psi = FACS(aus="pyfeat"), frames.psi(table, ICT53.names)
    found = table["detected"].to_numpy()
    np.testing.assert_allclose(aus.matrix(coding.names)[found], coding.intensities(psi[found]), rtol=1e-6)


def test_a_real_file_of_pyfeat_has_the_columns_that_are_written(table, tmp_path):
    real = set(pd.read_csv(locate("tool-output-samples", "Feat_Test.csv"), nrows=0))
    written = pd.read_csv(export(table, tmp_path / "c.csv", "pyfeat", units=True).table, nrows=0)
    ours = {c for c in written if not c.startswith(("psi_", "sd_", "token_", "mesh_", "time_s"))}
    assert ours <= real


def test_plain_tables(table, tmp_path):
    back = pd.read_csv(export(table, tmp_path / "clip.csv", "csv").table)
    assert list(back) == [c for c in table if c != "landmarks"]
    again = frames.read(export(table, tmp_path / "clip.parquet", "parquet").table)
    np.testing.assert_array_equal(frames.landmarks(again), frames.landmarks(table))
    assert again.attrs == table.attrs and frames.tokens(again)[2].tolist() == [-1, -1, -1]


def test_every_column_is_explained(table, tmp_path):
    for format, suffix in (("openface", "csv"), ("pyfeat", "csv"), ("parquet", "parquet")):
        done = export(table, tmp_path / f"{format}.{suffix}", format, units=suffix == "csv")
        told = json.loads(done.sidecar.read_text())
        columns = frames.read(done.table) if suffix == "parquet" else pd.read_csv(done.table)
        for column in columns:
            assert set(told[column]) == {"LongName", "Description", "Units"}
            assert told[column]["Description"] != "A column of the user's own."
        assert told["MadeFrom"]["rate"] == "30" and told["GeneratedBy"][0]["Name"] == "dfe_lib"
    told = describe(table.assign(mine=1))
    assert told["pose_yaw"]["Units"] == "degree" and told["time_s"]["Units"] == "s"
    assert told["mine"]["Description"] == "A column of the user's own."
    assert describe(table)["psi_jawOpen"]["LongName"] == "expression coefficient jawOpen"


def test_head_angles_are_openfaces(rng):
    """Rotations put together by OpenFace's rule from the angles are those of the table's rule, in the camera's axes."""
    degrees = rng.uniform(-30, 30, (20, 3))
    p, y, r = np.radians(degrees).T

    def about(axis, angle):
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        out = np.tile(np.eye(3), (len(angle), 1, 1))
        out[:, i, i] = out[:, j, j] = np.cos(angle)
        out[:, i, j], out[:, j, i] = -np.sin(angle), np.sin(angle)
        return out

    flip = np.diag([1.0, -1.0, -1.0])
    ours = flip @ about("y", y) @ about("x", p) @ about("z", r) @ flip
    rx, ry, rz = _camera_angles(degrees).T
    np.testing.assert_allclose(about("x", rx) @ about("y", ry) @ about("z", rz), ours, atol=1e-12)


def test_head_angles_of_a_real_file():
    """OpenFace's own pose of its own landmarks, against that of our alignment."""
    path = locate("tool-output-samples", "OpenFace_Test.csv")
    neutral = load_morphable("face478").neutral[list(KEYPOINTS68)]
    found = _camera_angles(LANDMARKS68.align(read_openface_landmarks(path).points, neutral).angles)
    theirs = pd.read_csv(path, skipinitialspace=True)[["pose_Rx", "pose_Ry", "pose_Rz"]].to_numpy()
    for ours, own in zip(found.T, theirs.T, strict=True):
        assert np.corrcoef(ours, own)[0, 1] > 0.8 and abs(ours.mean() - own.mean()) < 0.12


def test_bags(table, tmp_path):
    tables = (
        frames.write(table, tmp_path / "clip.parquet"),
        frames.write(table.assign(recording="other"), tmp_path / "other.parquet"),
    )
    done = export_bags(tables, tmp_path / "bags.csv", 4)
    back = pd.read_csv(done.table)
    assert list(back) == ["recording", "n_frames", "n_detected", "t0", "t1", "t2", "t3"]
    assert back["recording"].tolist() == ["clip", "other"] and (back["n_detected"] == 5).all()
    assert (back[["t0", "t1", "t2", "t3"]].sum(axis=1) == 15).all()
    assert back["t1"][0] == (frames.tokens(table) == 1).sum()
    assert json.loads(done.sidecar.read_text())["t2"]["LongName"] == "occurrences of token 2"
    whole = export_bags(tmp_path, tmp_path / "folder.csv", 4)  # a folder of them
    assert whole.table.read_bytes() == done.table.read_bytes()
    with pytest.raises(InputError, match="'clip' is given twice"):
        export_bags([tables[0], tables[0]], tmp_path / "b.csv", 4)
    with pytest.raises(ConfigError, match="not as openface"):
        export_bags(tables[:1], tmp_path / "b.csv", 4, "openface")
    with pytest.raises(InputError, match="no token table"):
        export_bags([], tmp_path / "b.csv", 4)


def test_bags_are_counted_part_by_part_and_by_workers(table, tmp_path, monkeypatch):
    both = pd.concat([table, table.assign(recording="other")], ignore_index=True)
    path = frames.write(both, tmp_path / "both.parquet")
    one = export_bags([path], tmp_path / "one.csv", 4).table.read_bytes()
    (path.parent / "a.parquet").write_bytes(path.read_bytes())
    parts = frames.parts
    monkeypatch.setattr(frames, "parts", lambda *args, **more: parts(*args, **{**more, "rows": 4}))
    assert export_bags([path], tmp_path / "two.csv", 4).table.read_bytes() == one

    class Here:
        def map(self, function, *columns):
            assert all(isinstance(value, str | int) for row in zip(*columns, strict=True) for value in row)
            return list(map(function, *columns))

    assert export_bags([path], tmp_path / "three.csv", 4, workers=Here()).table.read_bytes() == one


@pytest.mark.parametrize("access", ["agreement", "registration", "request"])
def test_gated_data_are_refused(table, tmp_path, access):
    table.attrs |= {"access": access, "dataset": "daic-woz"}
    path = frames.write(table, tmp_path / "clip.parquet")
    for work in (
        lambda: export(table, tmp_path / "x.csv", "openface"),
        lambda: export_bags([path], tmp_path / "x.csv", 4),
    ):
        with pytest.raises(AccessError, match="daic-woz is refused.*" + access):
            work()
    assert list(tmp_path.iterdir()) == [path]
    table.attrs["access"] = "open"
    assert export(table, tmp_path / "x.csv", "csv").rows == 6


def test_what_cannot_be_written_is_said(table, tmp_path):
    two = pd.concat([table, table.assign(recording="b")])
    two.attrs = table.attrs
    with pytest.raises(InputError, match="one file per recording.*holds 2"):
        export(two, tmp_path / "x.csv", "openface")
    assert export(two, tmp_path / "x.csv", "csv").rows == 12
    with pytest.raises(ConfigError, match="did you mean 'openface'"):
        export(table, tmp_path / "x.csv", "openfac")
    with pytest.raises(InputError, match="written as .parquet"):
        export(table, tmp_path / "x.csv", "parquet")
    with pytest.raises(ConfigError, match="not as csv"):
        export(table, tmp_path / "x.csv", "csv", units=True)
    flame = table.copy()
    flame.attrs |= {
        "space": "flame1", "space_names": ["a"], "space_unit": "-", "space_regions": {"all": [0]},
        "space_metric": 1.0,
    }  # fmt: skip
    with pytest.raises(InputError, match="ψ of ict53"):
        export(flame, tmp_path / "x.csv", "openface", units=True)
