"""Decoding: real files written by a real encoder, times from the container, clear refusals."""

import os
import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from dfe_lib.errors import InputError
from dfe_lib.face import files
from dfe_lib.face.video import ahead, frames, probe


def write_video(path, times_ms, size=(64, 48), audio_only=False, title=None):
    """A clip whose frame i shows grey level 10·i at the given time."""
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
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
    from dfe_lib.bench.extraction import REORDER, looped

    clip = mirror("intel-sample-videos", "again.mkv")
    once = [f.rgb.mean() for f in frames(clip)]
    again = list(frames(looped(clip, 4.0, tmp_path / "long.mkv")))
    times = np.array([f.time_s for f in again])
    assert len(again) == 120 > len(once) and abs(times[-1] - 4.0) < 0.1
    whole = slice(0, 120 - REORDER)  # cut in the order of decoding, the last pictures are not next to each other
    gaps = np.diff(times[whole])
    assert gaps.min() > 0.02 and gaps.max() < 0.05
    np.testing.assert_array_equal([f.rgb.mean() for f in again[whole]], (once * 2)[whole])


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


# Files that nobody vouches for.


def test_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", "/dev/zero"):
        with pytest.raises(InputError, match="pipe or device"):
            probe(path)


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.mkv\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile clip.mkv\n",
    "list.mp4": "ffconcat version 1.0\nfile clip.mkv\n",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_files_that_name_other_files_or_hosts_are_not_followed(tmp_path, name):
    write_video(tmp_path / "clip.mkv", [0, 100, 200])
    (tmp_path / name).write_text(PLAYLISTS[name])
    with pytest.raises(InputError, match="not a readable video"):
        list(frames(tmp_path / name))


def test_a_name_is_never_an_address(tmp_path, monkeypatch):
    write_video(tmp_path / "clip.mkv", [0, 100, 200])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        probe("http://127.0.0.1:9/clip.mkv")
    # The file of that name holds no video; what it would name as an address does.
    (tmp_path / "concat:clip.mkv").write_bytes(b"no video" * 99)
    with pytest.raises(InputError, match="not a readable video"):
        list(frames("concat:clip.mkv"))


def test_photographs_of_another_format_do_not_reach_its_interpreter(tmp_path):
    """Pillow would hand PostScript to Ghostscript."""
    script = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "picture.png").write_text(script)
    with pytest.raises(InputError, match="not a readable photograph"):
        list(frames(tmp_path / "picture.png"))


def png(width, height):
    """The head of a PNG that claims a size, and hardly any data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def gif(width, height):
    """Two frames of 8 × 8 on a canvas that claims a size."""
    frame = b"\x21\xf9\x04\0\x05\0\0\0\x2c" + struct.pack("<HHHH", 0, 0, 8, 8) + b"\0\x02\x03\x84\x8f\x05\0"
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\0\0\0\xff\xff\xff" + 2 * frame + b"\x3b"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bomb.png", png(9_000, 9_000)),
        ("warned.png", png(10_000, 10_000)),
        ("boom.png", png(100_000, 100_000)),
        ("thin.png", png(40_000, 2)),
        ("bomb.gif", gif(16_000, 16_000)),
        ("thin.gif", gif(4, 60_000)),
    ],
)
@pytest.mark.filterwarnings("ignore:Image size")
def test_pictures_too_large_are_refused_by_what_they_claim(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    for read in (probe, lambda path: list(frames(path))):
        with pytest.raises(InputError, match=r"at most 64 million|more than 64 million"):
            read(tmp_path / name)


def test_a_video_that_grows_inside_is_refused_by_its_decoder(tmp_path, monkeypatch):
    clip = write_video(tmp_path / "clip.mkv", [0, 100, 200])
    monkeypatch.setattr(files, "check_size", lambda *_: None)  # as where the header says another size
    monkeypatch.setattr(files, "MOST_PIXELS", 100)
    with pytest.raises(InputError, match="damaged at its first frame"):
        list(frames(clip))


def test_tags_in_another_encoding_are_no_reason_to_refuse(tmp_path):
    clip = write_video(tmp_path / "clip.mkv", [0, 100, 200], title="Gruesse")
    clip.write_bytes(clip.read_bytes().replace(b"Gruesse", b"Gr\xfc\xdfe "))
    assert len(list(frames(clip))) == 3


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_damaged_files_end_in_pictures_or_in_one_sentence(tmp_path, rng):
    """A small sample of what the hostile benchmark does at length."""
    write_video(tmp_path / "whole.mkv", range(0, 500, 100))
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "whole.tif")
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "whole.png")
    refused = 0
    for name in ("whole.mkv", "whole.tif", "whole.png"):
        whole = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for _ in range(40):
            changed = whole.copy()
            changed[rng.integers(len(changed), size=8)] = rng.integers(256, size=8)
            (tmp_path / f"x{name}").write_bytes(changed.tobytes())
            try:
                list(frames(tmp_path / f"x{name}"))
            except InputError as error:
                refused += 1
                assert f"x{name}" in str(error) and "\n" not in str(error)
    assert refused > 10
