"""Decoding: real files written by a real encoder, times from the container, clear refusals."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from dfe_lib.errors import InputError
from dfe_lib.face.video import ahead, frames, probe


def write_video(path, times_ms, size=(64, 48), audio_only=False):
    """A clip whose frame i shows grey level 10·i at the given time."""
    with av.open(str(path), "w") as container:
        if audio_only:
            stream = container.add_stream("pcm_s16le", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate = 8000
            packets = [*stream.encode(sound), *stream.encode(None)]
        else:
            stream = container.add_stream("ffv1", rate=30)
            stream.width, stream.height = size
            stream.pix_fmt = "bgr0"
            stream.codec_context.time_base = Fraction(1, 1000)
            packets = []
            for i, time in enumerate(times_ms):
                frame = av.VideoFrame.from_ndarray(
                    np.full((size[1], size[0], 3), 10 * i, np.uint8), format="rgb24"
                )
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for packet in packets:
            container.mux(packet)
    return path


def test_variable_frame_rate_times_come_from_the_container(tmp_path):
    times = [0, 33, 100, 133, 400]
    clip = write_video(tmp_path / "vfr.mkv", times)
    decoded = list(frames(clip))
    assert [f.index for f in decoded] == list(range(5))
    np.testing.assert_allclose([f.time_s for f in decoded], np.array(times) / 1000, atol=1e-3)
    assert [int(f.rgb[0, 0, 0]) for f in decoded] == [0, 10, 20, 30, 40]
    assert decoded[0].rgb.shape == (48, 64, 3) and decoded[0].rgb.dtype == np.uint8
    assert (probe(clip).width, probe(clip).height) == (64, 48)


def test_photograph_is_one_frame_and_upright(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :15] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise to view
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    (frame,) = frames(tmp_path / "turned.png")
    assert frame.rgb.shape == (30, 20, 3) and frame.rgb[:15].min() == 255 and frame.rgb[15:].max() == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "is not there"),
        ("empty.mp4", b"", "0 bytes"),
        ("noise.mp4", b"this is no video at all" * 50, "not a readable video"),
        ("noise.jpg", b"this is no photograph", "not a readable photograph"),
    ],
)
def test_unusable_files_get_one_sentence(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(frames(tmp_path / name))
    with pytest.raises(InputError, match=message):
        probe(tmp_path / name)


def test_a_folder_and_a_sound_recording_are_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        list(frames(tmp_path))
    sound = write_video(tmp_path / "speech.wav", [], audio_only=True)
    with pytest.raises(InputError, match=r"no video stream \(streams: audio\)"):
        list(frames(sound))


def test_real_clips_decode_with_increasing_times(mirror):
    clips = [
        mirror("intel-sample-videos", "head-pose-face-detection-female.gif"),
        mirror("pyfeat-media", "face_noface.mov"),
        mirror("pyfeat-media", "no_face.mp4"),
    ]
    for clip in clips:
        times = np.array([f.time_s for f in frames(clip)])
        assert len(times) > 20 and (np.diff(times) > 0).all()


def test_a_looped_clip_is_as_long_as_asked_and_shows_the_same_pictures(mirror, tmp_path):
    """What the benchmark's memory figures stand on."""
    from dfe_lib.bench.extraction import looped

    clip = mirror("intel-sample-videos", "again.mkv")
    once = [f.rgb.mean() for f in frames(clip)]
    again = list(frames(looped(clip, 4.0, tmp_path / "long.mkv")))
    times = np.array([f.time_s for f in again])
    assert len(again) == 2 * len(once) and np.diff(times).min() > 0.02 and np.diff(times).max() < 0.05
    assert times[-1] - times[0] > 4.0
    np.testing.assert_array_equal([f.rgb.mean() for f in again], once * 2)


def test_decoding_ahead_changes_nothing_and_passes_errors_on(tmp_path):
    clip = write_video(tmp_path / "clip.mkv", range(0, 700, 100))
    plain, early = list(frames(clip)), list(ahead(frames(clip)))
    assert [f.index for f in early] == [f.index for f in plain] and len(early) == 7
    for a, b in zip(plain, early, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)
    with pytest.raises(InputError, match="is not there"):
        next(ahead(frames(tmp_path / "missing.mkv")))
    assert list(ahead(iter(()))) == []


def test_decoding_ahead_goes_one_frame_ahead_and_ends_with_its_reader(tmp_path):
    made = []

    def pictures():
        for i in range(100):
            made.append(i)
            yield i + 1

    reader = ahead(pictures())
    assert next(reader) == 1
    reader.close()  # waits for what is under way
    assert made in ([0], [0, 1])
