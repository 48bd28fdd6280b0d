"""Speed and memory of the extraction against a bare loop in the same run, and how far its ψ can be believed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib.bench.timing import best, in_new_process

MINUTES = (1, 5)  # of clip: memory that grows with length shows between the two
REORDER = 3  # frames: more than H.264 holds back here
_PEAK = """
import sys
from dfe_lib.bench.timing import peak_mb
from dfe_lib.face import extract_to
extract_to(sys.argv[1], sys.argv[2])
print(peak_mb())
"""


def extraction() -> dict[str, float]:
    """:func:`speed`, and :func:`quality` as far as the assets are at hand.

    Raises
    ------
    AssetError : the clip or the FaceLandmarker model is not at hand.
    """
    return speed() | quality()


def quality() -> dict[str, float]:
    """The render benchmark on the full held-out sets and the measures on real faces, as far as assets are at hand.

    Held-out frames are read from the cache folder, or rendered, which takes minutes.
    """
    from dfe_lib.data import manifest
    from dfe_lib.face.realfaces import actors, consistency
    from dfe_lib.face.render import can_render

    figures = {}
    if manifest.available("ict-facekit") and can_render():
        from dfe_lib.face.benchmark import render_benchmark
        from dfe_lib.face.renders import render_frames
        from dfe_lib.face.training import HELD_OUT, SHARED

        print("held-out renders: from the cache, or else rendered now, which takes some minutes")
        found = render_benchmark(render_frames(HELD_OUT), render_frames(SHARED))
        figures |= _flat(found.table.set_index("method"))
        figures |= {f"sd: {name}": share for name, share in found.sd.items()}
    figures |= _flat(consistency().set_index(["faces", "change"])[["error", "r"]])
    if manifest.available("pyfeat-news"):
        agreement, _ = actors()
        figures |= {f"actors: {name}: mean_r": agreement[name].mean() for name in ("ours", "MediaPipe")}
    return figures


def _flat(table: pd.DataFrame) -> dict[str, float]:
    """One figure for each cell that is filled, named after its row and column."""
    return {
        ": ".join([*([row] if isinstance(row, str) else row), column]): float(value)
        for row, values in table.to_dict("index").items()
        for column, value in values.items()
        if value == value
    }


def speed() -> dict[str, float]:
    """Speed of the regressor; whole extraction (decode, detect, regress, write) against a bare loop; peak memory.

    The bare loop is PyAV and MediaPipe's FaceLandmarker with nothing done to what they return.

    Raises
    ------
    AssetError : the clip or the model is not at hand.
    """
    from dfe_lib import frames
    from dfe_lib.data import manifest
    from dfe_lib.face import ExpressionRegressor, extract, extract_to
    from dfe_lib.face.landmarks import Landmarker

    clip = manifest.locate("intel-sample-videos", "again.mkv")  # a face in every frame
    with tempfile.TemporaryDirectory() as folder:
        with Landmarker() as landmarker:
            table = extract(clip, landmarker=landmarker)
            bare = best(_bare_loop(clip))
            target = Path(folder) / "table.parquet"
            whole = best(lambda: extract_to(clip, target, landmarker=landmarker))
        landmarks = np.tile(frames.landmarks(table), (40, 1, 1))
        regress = best(lambda: ExpressionRegressor.load().predict(landmarks))
        peaks = [peak_memory(looped(clip, 60 * m, Path(folder) / f"{m}.mkv")) for m in MINUTES]
    return {
        "bare_loop_frames_per_s": len(table) / bare,
        "extract_frames_per_s": len(table) / whole,
        "extract_relative_to_bare_loop": bare / whole,
        "regressor_frames_per_s": len(landmarks) / regress,
    } | {f"peak_mb_at_{m}_min": peak for m, peak in zip(MINUTES, peaks, strict=True)}


def _bare_loop(clip: Path) -> Callable[[], None]:
    """What anyone would write first: PyAV's pictures into a FaceLandmarker of default settings."""
    import av
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions

    from dfe_lib.data import manifest
    from dfe_lib.face.landmarks import MODEL

    model = BaseOptions(model_asset_path=str(manifest.locate(*MODEL)), delegate=BaseOptions.Delegate.CPU)
    task = FaceLandmarker.create_from_options(FaceLandmarkerOptions(base_options=model))

    def loop() -> None:
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                rgb = frame.to_ndarray(format="rgb24")
                task.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb))

    return loop


def looped(clip: Path, seconds: float, target: Path) -> Path:
    """The same pictures again and again until ``seconds`` are full; packets are copied, nothing is encoded anew."""
    import av

    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        template = source.streams.video[0]
        stream = out.add_stream_from_template(template)
        step = 1 / (template.average_rate * template.time_base)
        count = 0
        while count * step * template.time_base < seconds:
            source.seek(0)
            start = round(count * step)
            for packet in source.demux(template):
                if packet.pts is None:  # the end
                    continue
                packet.pts += start
                packet.dts = round(
                    (count - REORDER) * step
                )  # Matroska does not say it for a clip's first packets
                packet.stream = stream
                out.mux(packet)
                count += 1
                if count * step * template.time_base >= seconds:
                    break
    return target


def peak_memory(clip: Path) -> float:
    """Largest resident memory in MB of a fresh process that extracts ``clip``."""
    return in_new_process(_PEAK, clip, clip.with_suffix(".parquet"))[0]
