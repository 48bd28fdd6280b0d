"""Real faces that go along in training without labels: a few clips, and what may be asked of a regressor on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load_file, save_file

from dfe_lib.data import manifest
from dfe_lib.data.adapters.arkit import to_ict53
from dfe_lib.face.landmarks import Landmarker, blendshape_names
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.texture import crop
from dfe_lib.face.video import frames as decode
from dfe_lib.paths import data_dir
from dfe_lib.space import ICT53

# Clips of real faces that go along without labels (CC BY 4.0). The clips that figures of agreement with other tools
# are measured on (pyfeat-news) are not among them.
REAL_ENTRY = "intel-sample-videos"
_WITHOUT_ONE_FACE = ("walk.mkv", "thanks.mkv", "head-pose-face-detection-female-and-male.gif")
# Channels that MediaPipe's blendshapes teach on real faces.
TAUGHT = ("browInnerUp", "browOuterUp", "browDown", "eyeWide", "eyeBlink", "eyeLook", "mouthPress")


@dataclass(frozen=True)
class RealClips:
    """Unlabelled frames of real faces. landmarks (n, 478, 3) px, crop (n, 96, 96) uint8, clip (n,) numbers.

    blendshapes : (n, 53) MediaPipe's own, as ψ, the low of each clip taken off.
    """

    landmarks: np.ndarray
    crop: np.ndarray
    clip: np.ndarray
    blendshapes: np.ndarray


def real_clips() -> RealClips:
    """The real clips; detections are kept in the cache folder.

    Raises
    ------
    AssetError : the clips or the FaceLandmarker model are not at hand.
    """
    cached = data_dir() / "derived" / "real-clips-2.safetensors"
    if not cached.is_file():
        files = [f.path for f in manifest.load_manifest()[REAL_ENTRY].files]
        clips = [p for p in files if p.endswith((".mkv", ".gif")) and p not in _WITHOUT_ONE_FACE]
        landmarks, crops, shapes, clip = [], [], [], []
        with Landmarker(blendshapes=True) as landmarker:
            for number, name in enumerate(clips):
                for frame in decode(manifest.locate(REAL_ENTRY, name)):
                    found = landmarker.detect(frame.rgb)
                    if found.landmarks is not None:
                        landmarks.append(found.landmarks)
                        crops.append(crop(frame.rgb, found.landmarks))
                        shapes.append(found.blendshapes)
                        clip.append(number)
        cached.parent.mkdir(parents=True, exist_ok=True)
        arrays = {"landmarks": np.stack(landmarks), "crop": np.stack(crops), "clip": np.array(clip)}
        arrays["blendshapes"] = np.stack(shapes)
        staged = cached.with_suffix(".part")
        save_file(arrays, staged)
        staged.replace(cached)
    kept = load_file(cached)
    psi = to_ict53(kept["blendshapes"], blendshape_names())
    for number in np.unique(kept["clip"]):
        rows = kept["clip"] == number
        psi[rows] -= np.quantile(psi[rows], 0.1, axis=0).astype(np.float32)
    return RealClips(kept["landmarks"], kept["crop"], kept["clip"], psi)


def real_examples(clips: RealClips, start: ExpressionRegressor) -> tuple[np.ndarray, np.ndarray]:
    """What real clips teach: components (n, k) against each clip's estimated neutral, and ψ (n, 53).

    ψ is MediaPipe's own for the channels of ``TAUGHT``, and the linear map's for the others.
    """
    points = start.landmark_set.of_mesh(clips.landmarks)
    x = start.landmark_set.align(points, start.neutral).points.reshape(len(clips.clip), -1)
    for number in np.unique(clips.clip):
        rows = clips.clip == number
        x[rows] -= start.estimate_neutral(points[rows]).reshape(-1)
    shown = (x @ start.basis).astype(np.float32)
    psi = shown @ start.linear
    taught = [i for i, n in enumerate(ICT53.names) if n.startswith(TAUGHT)]
    psi[:, taught] = clips.blendshapes[:, taught]
    return shown, psi
