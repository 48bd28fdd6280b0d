"""Speed and memory of the extraction, against a bare loop over the same clip in the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dfe_lib.bench.timing import best

MINUTES = (1, 5)  # of clip: memory that grows with length shows between the two
REORDER = 3  # frames: more than H.264 holds back here
_PEAK = """
import resource, sys
from dfe_lib.face import extract_to
extract_to(sys.argv[1], sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def extraction() -> dict[str, float]:
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
    return target


def peak_memory(clip: Path) -> float:
    """Largest resident memory in MB of a fresh process that extracts ``clip`` (Unix; elsewhere not a number)."""
    if sys.platform == "win32":
        return float("nan")
    target = clip.with_suffix(".parquet")
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, clip, target], check=True, capture_output=True, text=True
    )
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kB here
    return int(done.stdout.split()[-1]) / unit
