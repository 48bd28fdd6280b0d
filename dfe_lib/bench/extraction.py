"""Speed of the extraction, against a bare loop over the same clip in the same run."""

from __future__ import annotations

import numpy as np

from dfe_lib.bench.timing import best


def extraction() -> dict[str, float]:
    """Whole extraction (decode, detect, align, regress) against a bare PyAV + FaceLandmarker loop on one clip.

    Raises
    ------
    AssetError : the clip or the model is not at hand.
    """
    from dfe_lib import frames
    from dfe_lib.data import manifest
    from dfe_lib.face import ExpressionRegressor, extract
    from dfe_lib.face.landmarks import Landmarker
    from dfe_lib.face.video import frames as decode

    clip = manifest.locate("intel-sample-videos", "please.mkv")
    with Landmarker() as landmarker:
        table = extract(clip, landmarker=landmarker)
        bare = best(lambda: [landmarker.detect(f.rgb) for f in decode(clip)])
        whole = best(lambda: extract(clip, landmarker=landmarker))
    landmarks = np.tile(frames.landmarks(table), (40, 1, 1))
    regress = best(lambda: ExpressionRegressor.load().predict(landmarks))
    return {
        "bare_loop_frames_per_s": len(table) / bare,
        "extract_frames_per_s": len(table) / whole,
        "extract_relative_to_bare_loop": bare / whole,
        "regressor_frames_per_s": len(landmarks) / regress,
    }
