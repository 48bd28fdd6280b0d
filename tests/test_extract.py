"""Extraction on real clips: real decoder, real FaceLandmarker, real Parquet."""

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dfe_lib import frames
from dfe_lib.data import manifest
from dfe_lib.errors import AssetError, ConfigError, InputError
from dfe_lib.face import ExpressionRegressor, extract, extract_many, extract_to, video
from dfe_lib.face.landmarks import Detection, Landmarker
from dfe_lib.face.morphable import load_morphable
from dfe_lib.face.passes import second
from dfe_lib.face.temporal import smooth
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
    assert "least expressive" in table.attrs["neutral"]
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


# From here on: what does not need pictures of faces. The clip is real; what is "seen" in it is played back.


class Playback:
    """Stands where the Landmarker stands and sees, frame after frame, what it was given (None: no face)."""

    def __init__(self, seen):
        self._seen = iter(seen)

    def detect(self, rgb):
        face = next(self._seen)
        if isinstance(face, BaseException):
            raise face
        return Detection(face, int(face is not None))


def write_clip(path, pictures, rate=10):
    """A lossless clip of (H, W, 3) uint8 pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def faces(psi, rng):
    """What would be seen of a face that shows ψ: (n, 478, 3) pixels, the head moving a little, some noise."""
    points = load_morphable("face478").vertices(np.asarray(psi, np.float32)) * 2 * [1, -1, -1]
    points = (
        points + [320, 240, 0] + rng.normal(0, 5, (len(psi), 1, 3)) + rng.normal(0, 0.1, (len(psi), 478, 3))
    )
    return list(points.astype(np.float32))


def smile(n, at=1.0):
    return np.tile(ICT53.vector(mouthSmile_L=at, mouthSmile_R=at), (n, 1))


@pytest.fixture
def played(tmp_path, rng):
    """``played(seen)``: a clip of as many frames (10 a second), and the player of what is seen in it."""

    def make(seen):
        pictures = [np.full((48, 64, 3), i % 250, np.uint8) for i in range(len(seen))]
        return write_clip(tmp_path / "clip.mkv", pictures), Playback(seen)

    return make


def test_the_written_table_is_the_one_in_memory_byte_for_byte(played, rng, tmp_path, monkeypatch):
    monkeypatch.setattr(second, "PART", 16)
    seen = faces(np.concatenate([np.zeros((20, 53)), smile(20)]), rng)
    seen[7] = seen[30] = None
    clip, player = played(seen)
    table = extract(clip, landmarker=player)
    done = extract_to(clip, tmp_path / "out" / "t.parquet", landmarker=Playback(seen))
    back = frames.read(done.table)
    assert pq.ParquetFile(done.table).num_row_groups == 3
    assert (done.n_frames, done.n_detected) == (40, 38) and done.frames_per_second > 0
    assert list(back.columns) == list(table.columns)
    for column in table.columns:
        assert back[column].dtype == table[column].dtype, column
    assert frames.psi(back).tobytes() == frames.psi(table).tobytes()
    assert frames.landmarks(back).tobytes() == frames.landmarks(table).tobytes()
    assert frames.landmarks(back)[8].tobytes() == seen[8].tobytes()
    assert back["frame"].tolist() == list(range(40)) and back["detected"].tolist() == [
        s is not None for s in seen
    ]
    assert table.attrs == back.attrs
    assert [p.name for p in done.table.parent.iterdir()] == ["t.parquet"]


def test_parts_do_not_change_the_answer(played, rng, monkeypatch):
    seen = faces(np.concatenate([np.zeros((10, 53)), smile(15)]), rng)
    clip, player = played(seen)
    whole = frames.psi(extract(clip, landmarker=player))
    monkeypatch.setattr(second, "PART", 4)
    np.testing.assert_allclose(frames.psi(extract(clip, landmarker=Playback(seen))), whole, atol=1e-4)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), InputError("the decoder gave up"), MemoryError()])
def test_what_is_interrupted_leaves_nothing_new_and_the_old_table_whole(played, rng, tmp_path, stop):
    seen = faces(np.zeros((6, 53)), rng)
    clip, player = played([*seen[:4], stop, seen[5]])
    target = tmp_path / "out" / "t.parquet"
    with pytest.raises(type(stop)):
        extract_to(clip, target, landmarker=player)
    assert list(target.parent.iterdir()) == []
    extract_to(clip, target, landmarker=Playback(seen))
    before = target.read_bytes()
    with pytest.raises(type(stop)):
        extract_to(clip, target, landmarker=Playback([*seen[:4], stop, seen[5]]))
    assert target.read_bytes() == before and [p.name for p in target.parent.iterdir()] == ["t.parquet"]


def test_the_neutral_of_a_long_recording_is_told_by_a_bounded_even_sample(played, rng, monkeypatch):
    monkeypatch.setattr(second, "NEUTRAL_SAMPLE", 8)
    seen = faces(smile(45), rng)
    seen[3] = None
    clip, player = played(seen)
    asked = []
    real = ExpressionRegressor.estimate_neutral

    def listen(regressor, landmarks, marked=None):
        asked.append(landmarks)
        return real(regressor, landmarks, marked)

    monkeypatch.setattr(ExpressionRegressor, "estimate_neutral", listen)
    extract(clip, landmarker=player)
    detected = [s for s in seen if s is not None]
    (sample,) = asked
    np.testing.assert_array_equal(
        sample, detected[::8]
    )  # 44 detected: every eighth is 6, every fourth would be 11


def test_a_single_frame_is_measured_against_everybody(tmp_path, rng):
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "one.png")
    seen = faces(smile(1), rng)
    alone = extract(tmp_path / "one.png", landmarker=Playback(seen))
    population = extract(tmp_path / "one.png", landmarker=Playback(seen), neutral="population")
    np.testing.assert_allclose(frames.psi(alone), frames.psi(population), atol=1e-6)
    assert alone["psi_mouthSmile_L"].iloc[0] > 0.4


def test_a_recording_without_a_neutral_frame_keeps_its_expression(played, rng):
    clip, player = played(faces(smile(40), rng))
    lasting = extract(clip, landmarker=player)["psi_mouthSmile_L"]
    assert lasting.median() > 0.25  # not called neutral, though nothing else was ever seen


def test_seconds_called_neutral_are_zero_and_stated(played, rng):
    grimace = np.tile(ICT53.vector(browDown_L=0.7, browDown_R=0.7, jawOpen=0.3), (10, 1))
    seen = faces(np.concatenate([smile(10), grimace, smile(10) + grimace]), rng)
    clip, player = played(seen)
    table = extract(clip, landmarker=player, neutral="1-1.9")
    psi = frames.psi(table, ICT53.names)
    assert np.abs(np.median(psi[10:20], axis=0)).max() < 0.1
    assert np.median(table["psi_mouthSmile_L"][20:]) > 0.5 and np.median(table["psi_jawOpen"][:10]) < -0.02
    assert table.attrs["neutral"] == "1-1.9"


def test_everybodys_neutral_is_one_of_the_choices(played, rng):
    seen = faces(np.concatenate([np.zeros((30, 53)), smile(2)]), rng)
    clip, player = played(seen)
    population = extract(clip, landmarker=player, neutral="population")
    assert population.attrs["neutral"] == "population"
    alone = [extract(clip, landmarker=Playback([s]), max_frames=1) for s in (seen[0], seen[31])]
    expected = np.concatenate([frames.psi(t) for t in alone])
    np.testing.assert_allclose(frames.psi(population)[[0, 31]], expected, atol=1e-4)


def test_seconds_without_a_face_are_refused(played, rng, tmp_path):
    clip, player = played([None] * 5 + faces(smile(5), rng))
    with pytest.raises(InputError, match=r"no face in the seconds 0-0\.4 .* lasts 0\.9 s"):
        extract_to(clip, tmp_path / "out" / "t.parquet", landmarker=player, neutral="0-0.4")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("neutral", ["", "first", "0:30", "2-1", "1", "-1-2"])
def test_other_neutrals_are_refused_before_any_work(tmp_path, neutral):
    with pytest.raises(ConfigError, match="'0-1.5'"):
        extract_many([tmp_path / "a.mp4"], tmp_path / "out", neutral=neutral)
    assert not (tmp_path / "out").exists()


def test_a_mirror_image_mirrored_back_is_the_same_face(mirror, landmarker, tmp_path):
    clip = mirror("intel-sample-videos", "head-pose-face-detection-female.gif")
    pictures = [f.rgb for f in video.frames(clip)][:8]
    plain = write_clip(tmp_path / "clip.mkv", pictures)
    selfie = write_clip(tmp_path / "selfie.mkv", [np.ascontiguousarray(p[:, ::-1]) for p in pictures])
    expected = extract(plain, landmarker=landmarker, neutral="population")
    back = extract(selfie, landmarker=landmarker, neutral="population", mirrored=True)
    np.testing.assert_array_equal(frames.psi(back), frames.psi(expected))
    assert back.attrs["mirrored"] and not expected.attrs["mirrored"]
    unsaid = extract(selfie, landmarker=landmarker, neutral="population")
    np.testing.assert_allclose(unsaid["pose_yaw"], -expected["pose_yaw"], rtol=0.3)
    order = ICT53.mirror(frames.psi(unsaid)) - frames.psi(expected)
    assert ICT53.norm(order).mean() < ICT53.norm(frames.psi(unsaid) - frames.psi(expected)).mean()


@pytest.mark.parametrize("method", ["kalman", "one-euro"])
def test_smoothing_while_extracting_is_smoothing_the_table(played, rng, monkeypatch, method):
    monkeypatch.setattr(second, "PART", 7)
    seen = faces(np.concatenate([np.zeros((9, 53)), smile(9)]), rng)
    seen[4] = None
    clip, player = played(seen)
    plain = extract(clip, landmarker=player)
    smoothed = extract(clip, landmarker=Playback(seen), smooth=method)
    np.testing.assert_array_equal(frames.psi(smoothed), frames.psi(smooth(plain, method)))
    assert smoothed.attrs["smoothing"] == smooth(plain, method).attrs["smoothing"]
    assert "smoothing" not in plain.attrs and list(smoothed.columns) == list(plain.columns)


def test_an_unknown_smoothing_is_refused_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'kalman'"):
        extract_many([tmp_path / "a.mp4"], tmp_path / "out", smooth="kalmann")
    assert not (tmp_path / "out").exists()


def test_no_frames_at_all_is_no_table(played, rng):
    clip, player = played(faces(np.zeros((2, 53)), rng))
    with pytest.raises(InputError, match="1 or more"):
        extract(clip, landmarker=player, max_frames=0)


@pytest.mark.parametrize("shape", [(2, 40_000, 3), (40_000, 2, 3), (8_000, 8_001, 3)])
def test_pictures_that_would_end_the_process_are_refused(landmarker, shape):
    with pytest.raises(InputError, match="at most 64 million, and 32,000 along a side"):
        landmarker.detect(np.zeros(shape, np.uint8))
