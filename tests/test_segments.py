"""Extraction in segments: the same table to the byte, whoever sees which segment, and where cuts are not made."""

from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from dfe_lib.data import manifest
from dfe_lib.errors import InputError
from dfe_lib.face import extract_to, video
from dfe_lib.face.landmarks import Detection, Landmarker
from dfe_lib.face.morphable import load_morphable
from dfe_lib.face.passes import first, parts, second, segments


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
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24" if codec == "png" else "yuv420p"
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


def packets(clip):
    with av.open(str(clip)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


@pytest.fixture
def short(monkeypatch):
    """Segments of one batch."""
    monkeypatch.setattr(segments, "SEGMENT", first.LOOKED_AT)
    monkeypatch.setattr(second, "PART", 48)  # fits no segment


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
    "refreshed_bit_by_bit.mkv": {"x264-params": "intra-refresh=1:keyint=30"},
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
    assert [s.rows for s in seen] == [64, 64, 22] and first.fit_together(seen)


def test_options_reach_the_joined_table(short, tmp_path, monkeypatch):
    clip = write_video(tmp_path / "clip.mkv")
    options = {"mirrored": True, "smooth": "kalman", "neutral": "0-1.5", "recording": "r", "about": {"a": 1}}
    assert in_segments(clip, tmp_path, **options) == at_once(clip, tmp_path, monkeypatch, **options)


def test_the_bytes_are_not_those_of_so_many_cores(tmp_path):
    clip = write_video(tmp_path / "clip.mkv", n=130)
    for threads in (1, 4):
        with threadpool_limits(threads):
            extract_to(clip, tmp_path / f"{threads}.parquet", landmarker=Looker())
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "4.parquet").read_bytes()


@pytest.mark.parametrize("name", ["clip.avi", "clip.ts", "clip.flv", "clip.gif"])
def test_containers_that_do_not_say_where_frames_are_are_not_cut(short, tmp_path, name):
    codecs = {"clip.avi": "mpeg4", "clip.flv": "flv"}
    clip = tmp_path / name
    if name == "clip.gif":
        pictures = [Image.fromarray(np.full((48, 64), i, np.uint8)) for i in range(100)]
        pictures[0].save(clip, save_all=True, append_images=pictures[1:], duration=40)
    else:
        write_video(clip, n=100, codec=codecs.get(name, "libx264"))
    (only,) = segments.plan(clip)
    assert (only.start, only.since, only.end, only.most) == (0, None, None, None)


@pytest.mark.parametrize(("name", "codec"), [("clip.avi", "mpeg4"), ("clip.mp4", "libx264")])
def test_a_header_that_claims_a_billion_frames_costs_nothing(short, tmp_path, monkeypatch, name, codec):
    clip = write_video(tmp_path / name, n=70, codec=codec)
    claimed = replace(video.probe(clip), n_frames=10**9)
    if name == "clip.avi":
        content = bytearray(clip.read_bytes())
        at = content.index(b"strh") + 8 + 32  # the stream's length
        content[at : at + 4] = (10**9).to_bytes(4, "little")
        clip.write_bytes(content)
        assert video.probe(clip) == claimed
    else:
        monkeypatch.setattr(segments, "probe", lambda path: claimed)
    assert extract_to(clip, tmp_path / "t.parquet", landmarker=Looker()).n_frames == 70
    assert [s.start for s in segments.plan(clip)] == ([0] if name == "clip.avi" else [0, 64])


def test_there_is_no_cut_far_from_its_keyframe(short, tmp_path, monkeypatch):
    clip = write_video(tmp_path / "clip.mkv", gop=500, **{"x264-params": "scenecut=0"})
    monkeypatch.setattr(segments, "REACH", 100)
    assert [(s.start, s.stop) for s in segments.plan(clip)] == [(0, 64), (64, 150)]


def test_frames_without_times_of_their_own_are_not_cut(short, tmp_path):
    """A raw stream in Matroska would have no times; two packets of one time are as bad."""
    whole, repeated = write_video(tmp_path / "whole.mkv", gop=1, bf="0"), tmp_path / "repeated.mkv"
    with av.open(str(whole)) as source, av.open(str(repeated), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for i, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.pts = packet.dts = packet.pts - 40 * (i >= 70)
                packet.stream = stream
                out.mux(packet)
    assert len(segments.plan(whole)) == 3 and len(segments.plan(repeated)) == 1
    done = extract_to(repeated, tmp_path / "t.parquet", landmarker=Looker())
    assert done.n_frames == 150


def test_only_so_many_frames(short, tmp_path):
    clip = write_video(tmp_path / "clip.mp4")
    assert [(s.start, s.stop, s.most) for s in segments.plan(clip, 100)] == [(0, 64, None), (64, 100, 36)]
    assert [(s.start, s.stop, s.most) for s in segments.plan(clip, 64)] == [(0, 64, 64)]
    assert [s.most for s in segments.plan(clip, 1000)] == [None, None, 22]
    done = extract_to(clip, tmp_path / "t.parquet", landmarker=Looker(), max_frames=100)
    assert done.n_frames == 100
    with pytest.raises(InputError, match="1 or more"):
        segments.plan(clip, 0)


def test_damage_inside_of_one_segment_fails_it_alone_and_the_whole(short, tmp_path):
    clip = write_video(tmp_path / "clip.mov", codec="png")
    damaged = bytearray(clip.read_bytes())
    at = damaged.index(b"\x89PNG", packets(clip)[100].pos)
    damaged[at : at + 8] = bytes(8)
    clip.write_bytes(damaged)
    first, second, third = segments.plan(clip)
    for fine in (first, third):
        segments.detect_to(clip, fine, tmp_path / f"{fine.start}.rows", landmarker=Looker())
    with pytest.raises(InputError, match="damaged after frame 99 "):
        segments.detect_to(clip, second, tmp_path / "64.rows", landmarker=Looker())
    with pytest.raises(InputError, match="damaged after frame 99 "):
        extract_to(clip, tmp_path / "t.parquet", landmarker=Looker())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.rows", "128.rows", "clip.mov"]


def test_a_restart_keeps_the_parts_that_are_there_and_only_those_of_this_file(short, tmp_path, monkeypatch):
    clip = write_video(tmp_path / "clip.mp4")
    uncut, cut = at_once(clip, tmp_path, monkeypatch), segments.plan(clip)
    files = [tmp_path / f"{s.start}.rows" for s in cut]
    segments.detect_to(clip, cut[0], files[0], landmarker=Looker())
    segments.detect_to(clip, cut[1], files[1], landmarker=Looker())
    kept = files[0].stat().st_mtime_ns
    files[1].write_bytes(files[1].read_bytes()[:-100])  # cut off
    files[2].write_bytes(b"{}" * 50)  # something else
    for segment, file in zip(cut, files, strict=True):
        segments.detect_to(clip, segment, file, landmarker=Looker())
    assert files[0].stat().st_mtime_ns == kept
    segments.join(clip, files, tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").read_bytes() == uncut
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    clip.write_bytes(clip.read_bytes() + b"\0\0\0\x08free")  # another file now, though it decodes to the same
    with pytest.raises(InputError, match="not a complete part of this recording as it is now"):
        segments.join(clip, files, tmp_path / "t.parquet")
    segments.detect_to(clip, cut[0], files[0], landmarker=Looker())
    assert files[0].stat().st_mtime_ns > kept


def test_parts_that_are_missing_or_in_another_order_or_seen_otherwise_are_refused(short, tmp_path):
    clip = write_video(tmp_path / "clip.mp4")
    files = [
        segments.detect_to(clip, s, tmp_path / f"{s.start}.rows", landmarker=Looker())
        for s in segments.plan(clip)
    ]
    a, b, c = files
    for given, message in [
        ([], "last part"),
        ([a, b], "last part"),
        ([a, c], "does not begin where"),
        ([b, a, c], "does not begin where"),
        ([b, c], "does not begin where"),
        ([a, b, tmp_path / "nowhere"], "not a complete part"),
    ]:
        with pytest.raises(InputError, match=message):
            segments.join(clip, given, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="not a complete part"):
        segments.join(clip, files, tmp_path / "t.parquet", mirrored=True)
    assert not (tmp_path / "t.parquet").exists()


def test_where_a_cut_does_not_fit_the_recording_is_decoded_anew(short, tmp_path, monkeypatch):
    clip = write_video(tmp_path / "clip.mp4")
    uncut, cut = at_once(clip, tmp_path, monkeypatch), segments.plan(clip)
    late = replace(cut[1], since=replace(cut[1].since, keyframe=10**9))  # a keyframe after its beginning
    monkeypatch.setattr(segments, "Landmarker", lambda: nullcontext(Looker()))
    files = [
        segments.detect_to(clip, s, tmp_path / f"{s.start}.rows", landmarker=Looker())
        for s in (cut[0], late, cut[2])
    ]
    assert not first.fit_together([parts.read_part(file).seen for file in files])
    done = segments.join(clip, files, tmp_path / "joined.parquet")
    assert done.n_frames == 150 and (tmp_path / "joined.parquet").read_bytes() == uncut
    monkeypatch.setitem(extract_to.__wrapped__.__globals__, "plan", lambda *_: [cut[0], late, cut[2]])
    extract_to(clip, tmp_path / "cut.parquet", landmarker=Looker())
    assert (tmp_path / "cut.parquet").read_bytes() == uncut


def test_what_a_part_says_of_itself_is_believed_only_if_it_fits(tmp_path):
    clip = write_video(tmp_path / "clip.mp4", n=3)
    (segment,) = segments.plan(clip)
    file = segments.detect_to(clip, segment, tmp_path / "part.rows", landmarker=Looker())
    assert parts.read_part(file).seen.rows == 3
    whole = file.read_bytes()
    for length in (0, 1, 7, 8, 9, 200, len(whole) - 1):
        file.write_bytes(whole[len(whole) - length :])
        assert parts.read_part(file) is None, length
    for tail in (b"[1, 2]", b"null", b"{", b"[" * 3000, b'{"segment": 3, "seen": [], "of": 1, "seconds": 0}'):
        file.write_bytes(whole + tail + len(tail).to_bytes(8, "little"))
        assert parts.read_part(file) is None, tail


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
