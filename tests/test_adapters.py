"""What other tools write, read into our tables: real files where at hand, hand-made ones for the rest."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.data.adapters import arkit, pyfeat
from dfe_lib.data.manifest import available, locate
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53


def needs(entry):
    if not available(entry):
        pytest.skip(f"the asset '{entry}' is not at hand (`dfe data fetch {entry}`)")


# ---------------------------------------------------------------- Py-Feat


def feat_rows(n=3, box=200.0):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(0, 1, (n, 1434)), columns=pyfeat._MESH)
    table["frame"], table["FaceRectWidth"], table["AU01"], table["AU12"] = range(n), box, 0.5, 0.25
    return table


def saved(tmp_path, table):
    path = tmp_path / "clip.csv"
    table.to_csv(path, index=False)
    return path


def test_mesh_x_and_y_stay_pixels_and_z_is_scaled_by_the_frames_own_box(tmp_path):
    table = feat_rows()
    table["FaceRectWidth"] = [100.0, 200.0, 300.0]
    table["mesh_x_7"], table["mesh_y_7"], table["mesh_z_7"] = 11.0, 22.0, -0.5
    feat = pyfeat.read_feat_csv(saved(tmp_path, table), fps=10)
    points = frames.landmarks(feat.frames)
    assert points[:, 7].tolist() == [[11, 22, -50], [11, 22, -100], [11, 22, -150]]
    assert feat.frames["time_s"].tolist() == [0.0, 0.1, 0.2]
    assert list(feat.aus.columns) == ["AU01", "AU12"] and feat.blendshapes.shape == (3, 0)


def test_lost_and_several_faces(tmp_path):
    table = feat_rows(4)
    table["frame"] = [0, 2, 2, 4]
    table["FaceRectWidth"] = [100.0, 90.0, 120.0, np.nan]
    table["AU12"] = [0.1, 0.2, 0.3, 0.4]
    feat = pyfeat.read_feat_csv(saved(tmp_path, table))
    assert feat.frames["detected"].tolist() == [True, True, False]
    assert feat.frames["n_faces"].tolist() == [1, 2, 0]
    assert feat.aus["AU12"].tolist() == [0.1, 0.3, 0.4]  # the wider box is kept
    assert feat.frames["source_frame"].tolist() == [0, 2, 4]
    assert np.isnan(frames.landmarks(feat.frames)[2]).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="mesh_y_477"), "lacks the column 'mesh_y_477'"),
        (lambda t: t.drop(columns="FaceRectWidth"), "lacks the column 'FaceRectWidth'"),
        (lambda t: t.iloc[:0], "no rows"),
        (lambda t: t.assign(mesh_x_0="left"), "must hold numbers"),
        (lambda t: t.assign(frame=0.5), "whole numbers"),
        (lambda t: t.assign(input=["a.mp4", "b.mp4", "b.mp4"]), "2 inputs"),
    ],
)
def test_what_is_not_a_pyfeat_file_is_said(tmp_path, change, says):
    with pytest.raises(InputError, match=says):
        pyfeat.read_feat_csv(saved(tmp_path, change(feat_rows())))


def test_files_that_are_no_tables(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    for name, says in [
        ("none.csv", "not there"),
        ("", "a folder"),
        ("empty.csv", "readable"),
        ("binary.csv", "."),
    ]:
        with pytest.raises(InputError, match=says):
            pyfeat.read_feat_csv(tmp_path / name)
    with pytest.raises(InputError, match="fps"):
        pyfeat.read_feat_csv(saved(tmp_path, feat_rows()), fps=0)


@pytest.fixture(scope="module")
def news():
    needs("pyfeat-news")
    return pyfeat.read_news()


def test_the_news_are_aligned_tables_of_the_clips_that_exist(news):
    n = len(news.frames)
    assert n == 477 == len(news.aus) == len(news.blendshapes) == news.recordings["n_frames"].sum()
    assert news.aus.shape[1] == 20 and news.blendshapes.shape[1] == 51
    assert news.frames["recording"].unique().tolist() == news.recordings["recording"].tolist()
    assert news.recordings["label"].value_counts().to_dict() == {"good news": 10, "bad news": 10}
    assert news.recordings["subject"].is_unique  # who speaks is unknown: every clip stands for itself
    assert not [
        c for t in (news.frames, news.aus, news.blendshapes) for c in t.columns if "Identity" in str(c)
    ]


def test_a_news_face_is_as_deep_as_a_face(news):
    points = frames.landmarks(news.frames)
    size = np.ptp(points, axis=1)  # (n, 3): width, height, depth in pixels
    ratio = size[:, 2] / size[:, 0]
    assert ((ratio > 0.5) & (ratio < 1.1)).all()  # MediaPipe's canonical face: 0.83
    nose, ear = points[:, 1, 2], points[:, 234, 2]
    assert (nose < ear).all()  # z grows away from the camera


def test_older_pyfeat_files_have_no_mesh():
    needs("tool-output-samples")
    path = locate("tool-output-samples", "001.csv")
    with pytest.raises(InputError, match="mesh_x_0"):
        pyfeat.read_feat_csv(path)
    feat = pyfeat.read_feat_csv(path, mesh=False)
    assert feat.frames.shape[0] == 40 and "landmarks" not in feat.frames and feat.aus.shape == (40, 20)


# ---------------------------------------------------------------- ARKit


def test_every_coefficient_of_ict53_has_an_arkit_name():
    names = [arkit.arkit_name(n) for n in ICT53.names]
    assert len(set(names)) == 51 and "tongueOut" not in names
    assert names.count("browInnerUp") == names.count("cheekPuff") == 2


def test_sides_stay_sides_and_the_sideless_go_to_both():
    names = list(dict.fromkeys(arkit.arkit_name(n) for n in ICT53.names))
    capital = [n[0].upper() + n[1:] for n in names] + ["TongueOut"]
    values = np.zeros((1, 52))
    for name, value in [("MouthSmileLeft", 0.7), ("BrowInnerUp", 0.4), ("JawLeft", 0.2), ("TongueOut", 1.0)]:
        values[0, capital.index(name)] = value
    psi = arkit.to_ict53(values, capital)
    expected = ICT53.vector(mouthSmile_L=0.7, browInnerUp_L=0.4, browInnerUp_R=0.4, jawLeft=0.2)
    np.testing.assert_array_equal(psi[0], expected)
    with pytest.raises(InputError, match="jawOpen"):
        arkit.to_ict53(values[:, :2], ["mouthClose", "jawLeft"])


def live_link(tmp_path, codes):
    names = [n[0].upper() + n[1:] for n in dict.fromkeys(map(arkit.arkit_name, ICT53.names))]
    table = pd.DataFrame(0.5, index=range(len(codes)), columns=names)
    table.insert(0, "Timecode", codes)
    return saved(tmp_path, table)


def test_timecodes_count_sixtieths(tmp_path):
    path = live_link(tmp_path, ["00:59:59:58.000", "01:00:00:00.000", "01:00:01:30.000"])
    table = arkit.read_live_link(path)
    np.testing.assert_allclose(table["time_s"], [0, 2 / 60, 1 + 32 / 60], atol=1e-9)
    assert frames.psi(table, ICT53.names).shape == (3, 53)


@pytest.mark.parametrize("codes", [["soon", "later"], ["00:00:00:10.0", "00:00:00:10.0"], ["1:2", "1:3"]])
def test_timecodes_that_cannot_be(tmp_path, codes):
    with pytest.raises(InputError, match="time"):
        arkit.read_live_link(live_link(tmp_path, codes))


def test_the_range_of_motion_moves_everything_that_arkit_sees():
    needs("arkit-range-of-motion")
    table = arkit.read_range_of_motion()
    psi = ICT53.check(frames.psi(table, ICT53.names))
    assert len(table) == 4030 and table["detected"].all()
    np.testing.assert_allclose(np.median(np.diff(table["time_s"])), 1 / 30, atol=1e-4)
    assert psi.min() >= 0 and psi.max() < 1.01
    assert (psi.max(axis=0) > 0.2).mean() > 0.9
    blink = [ICT53.names.index(f"eyeBlink_{side}") for side in "LR"]
    assert np.corrcoef(psi[:, blink].T)[0, 1] > 0.8  # both eyes mostly blink together
