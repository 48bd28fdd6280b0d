"""Extraction in segments: the same table to the byte, whoever sees which segment, and where cuts are not made."""

from fractions import Fraction

import av
import numpy as np
import pytest

from dfe_lib.data import manifest
from dfe_lib.face import extract_to, first_pass, parts, second_pass, segments
from dfe_lib.face.landmarks import Detection, Landmarker
from dfe_lib.face.morphable import load_morphable


class Looker:
    """Sees in each picture a face that follows its grey levels: whoever decodes wrongly sees another one."""

    def __init__(self):
        self._face = load_morphable("face478").vertices(np.zeros((1, 53), np.float32))[0] * 0.4 * [1, -1, -1]

    def detect(self, rgb):
        left, right = rgb[:, :32].mean(), rgb[:, 32:].mean()
        if left > 250:
            return Detection(None, 0)
        wave = np.sin(np.arange(478 * 3).reshape(478, 3) * (1 + left / 50)) * right / 100
        return Detection((self._face + [32, 24, 0] + wave).astype(np.float32), 1)


def write_video(path, n=150, codec="libx264", step_ms=None, gop=12, **options):
    """A moving clip of ``n`` frames of 64 × 48; ``step_ms(i)`` tells how long frame i lasts (else 40 ms each)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.gop_size = gop
        stream.codec_context.time_base = Fraction(1, 1000)
        time = 0
        for i in range(n):
            picture = np.full((48, 64, 3), (i * 7) % 200, np.uint8)
            picture[:, 32:] = (i * 13) % 220
            if i % 31 == 30:
                picture[:, :32] = 255  # no face
            picture[i % 40 : i % 40 + 8, i % 60 : i % 60 + 4] = 128
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            time += step_ms(i) if step_ms else 40
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


@pytest.fixture
def short(monkeypatch):
    """Segments of one batch."""
    monkeypatch.setattr(segments, "SEGMENT", first_pass.LOOKED_AT)
    monkeypatch.setattr(second_pass, "PART", 48)  # fits no segment


def in_segments(clip, folder, order=None, **options):
    """The table's bytes, each segment seen on its own, in any order."""
    cut = segments.plan(clip)
    files = [folder / f"{clip.name}-{s.start}.rows" for s in cut]
    seeing = {k: options[k] for k in ("mirrored",) if k in options}
    for i in order or range(len(cut)):
        segments.detect_to(clip, cut[i], files[i], landmarker=Looker(), overlap=False, **seeing)
    target = folder / "joined.parquet"
    done = segments.join(clip, files, target, **options)
    assert done.error is None and done.frames_per_second > 0
    return target.read_bytes()


def at_once(clip, folder, monkeypatch, **options):
    """The table's bytes, uncut."""
    with monkeypatch.context() as patch:
        patch.setattr(segments, "SEGMENT", 1 << 30)
        assert len(segments.plan(clip)) == 1
        extract_to(clip, folder / "uncut.parquet", landmarker=Looker(), **options)
    return (folder / "uncut.parquet").read_bytes()


KINDS = {
    "b_frames.mp4": {"bf": "3"},
    "b_frames.mkv": {"bf": "3"},
    "open_gop.mkv": {"bf": "3", "x264-params": "open-gop=1:scenecut=0"},
    "variable.mkv": {"step_ms": lambda i: 20 + 37 * (i % 5)},
    "variable.mp4": {"step_ms": lambda i: 20 + 37 * (i % 5)},
    "vp9.webm": {"codec": "libvpx-vp9", "deadline": "realtime", "cpu-used": "8"},
    "every_one_a_keyframe.mov": {"gop": 1},
}


@pytest.mark.parametrize("name", KINDS)
def test_segments_in_any_order_make_the_uncut_table_byte_for_byte(short, tmp_path, monkeypatch, name):
    clip = write_video(tmp_path / name, **KINDS[name])
    cut = segments.plan(clip)
    assert [(s.start, s.stop) for s in cut] == [(0, 64), (64, 128), (128, 150)]
    uncut = at_once(clip, tmp_path, monkeypatch)
    assert in_segments(clip, tmp_path, order=[2, 0, 1]) == uncut
    extract_to(clip, tmp_path / "cut.parquet", landmarker=Looker())
    assert (tmp_path / "cut.parquet").read_bytes() == uncut
    seen = [parts.read_part(tmp_path / f"{name}-{s.start}.rows").seen for s in cut]
    assert [s.rows for s in seen] == [64, 64, 22] and first_pass.fit_together(seen)


def test_options_reach_the_joined_table(short, tmp_path, monkeypatch):
    clip = write_video(tmp_path / "clip.mkv")
    options = {"mirrored": True, "smooth": "kalman", "neutral": "0-1.5", "recording": "r", "about": {"a": 1}}
    assert in_segments(clip, tmp_path, **options) == at_once(clip, tmp_path, monkeypatch, **options)


@pytest.mark.skipif(
    not manifest.available("mediapipe-face-landmarker"), reason="asset 'mediapipe-face-landmarker'"
)
def test_a_real_clip_in_segments(short, mirror, tmp_path, monkeypatch):
    clip = mirror("intel-sample-videos", "again.mkv")
    with Landmarker() as landmarker, monkeypatch.context() as patch:
        cut = segments.plan(clip)
        assert [s.stop for s in cut] == [64, 77]
        files = [
            segments.detect_to(clip, s, tmp_path / f"{s.start}.rows", landmarker, overlap=False) for s in cut
        ]
        segments.join(clip, files, tmp_path / "joined.parquet")
        patch.setattr(segments, "SEGMENT", 1 << 30)
        extract_to(clip, tmp_path / "uncut.parquet", landmarker=landmarker)
    assert (tmp_path / "joined.parquet").read_bytes() == (tmp_path / "uncut.parquet").read_bytes()
