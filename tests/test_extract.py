"""Extraction on real clips: real decoder, real FaceLandmarker, real Parquet."""

import numpy as np
import pytest

from dfe_lib import frames
from dfe_lib.data import manifest
from dfe_lib.errors import AssetError, InputError
from dfe_lib.face import extract, extract_many
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.space import ICT53


@pytest.fixture(scope="module")
def landmarker():
    if not manifest.available("mediapipe-face-landmarker"):
        pytest.skip("asset 'mediapipe-face-landmarker' is not at hand")
    with Landmarker() as landmarker:
        yield landmarker


def test_a_clip_becomes_a_complete_frame_table(mirror, landmarker, tmp_path):
    clip = mirror("intel-sample-videos", "head-pose-face-detection-female.gif")
    table = extract(clip, landmarker=landmarker)
    assert len(table) == 23 and table["detected"].all() and (table["n_faces"] == 1).all()
    assert frames.landmarks(table).shape == (23, 478, 3)
    psi = frames.psi(table, ICT53.names)
    assert psi.shape == (23, 53) and np.isfinite(psi).all() and ICT53.norm(psi).max() < 20
    assert set(frames.POSE) <= set(table.columns) and np.ptp(table["pose_yaw"]) > 5
    assert table.attrs["frames_per_second"] > 0 and "percentile" in table.attrs["neutral"]
    back = frames.read(frames.write(table, tmp_path / "t.parquet"))
    np.testing.assert_array_equal(frames.psi(back), psi)


def test_extraction_repeats_bit_for_bit(mirror, landmarker):
    clip = mirror("intel-sample-videos", "yes.mkv")
    first, second = (extract(clip, landmarker=landmarker, max_frames=10) for _ in range(2))
    np.testing.assert_array_equal(frames.psi(first), frames.psi(second))


def test_no_face_gives_rows_without_values(mirror, landmarker):
    table = extract(mirror("pyfeat-media", "no_face.mp4"), landmarker=landmarker, max_frames=12)
    assert len(table) == 12 and not table["detected"].any() and (table["n_faces"] == 0).all()
    assert np.isnan(frames.psi(table)).all() and np.isnan(frames.landmarks(table)).all()


def test_a_face_that_leaves_is_marked_frame_by_frame(mirror, landmarker):
    table = extract(mirror("pyfeat-media", "face_noface.mov"), landmarker=landmarker)
    assert 0 < table["detected"].sum() < len(table)
    np.testing.assert_array_equal(np.isfinite(table["psi_jawOpen"]), table["detected"])


def test_several_faces_are_counted_and_the_largest_taken(mirror, landmarker):
    table = extract(mirror("pyfeat-media", "multi_face.jpg"), landmarker=landmarker)
    assert len(table) == 1 and table["n_faces"].iloc[0] > 1 and table["detected"].all()


def test_one_bad_recording_leaves_the_others_whole(mirror, tmp_path):
    good = mirror("pyfeat-media", "single_face.jpg")
    bad = tmp_path / "broken.mp4"
    bad.write_bytes(b"nothing to see")
    done = list(extract_many([bad, good], tmp_path / "out"))
    assert isinstance(done[0].error, InputError) and done[0].table is None
    assert done[1].error is None and len(frames.read(done[1].table, needs=["psi_"])) == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["single_face.parquet"]


def test_two_inputs_of_one_name_are_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="called 'clip'"):
        extract_many([tmp_path / "a" / "clip.mp4", tmp_path / "b" / "clip.mp4"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_the_model_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DFE_DATA_MIRROR", "")
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path))
    with pytest.raises(AssetError, match="dfe data fetch"):
        Landmarker()


def test_pictures_of_another_kind_are_refused(landmarker):
    with pytest.raises(InputError, match="uint8"):
        landmarker.detect(np.zeros((10, 10, 3), np.float32))
