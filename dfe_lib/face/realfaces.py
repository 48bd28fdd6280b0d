"""What can be measured on real faces, whose true ψ nobody knows: does ψ stay itself, and does it agree with others?"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image

from dfe_lib.data import manifest
from dfe_lib.face.evaluation import au_agreement, pearson, without_median
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.texture import crop
from dfe_lib.face.video import frames as decode
from dfe_lib.space import ICT53

# One face each, in nearly every frame (of face_noface.mov: in the first half). What is measured on small faces and what
# on large ones are two different things, so they are never put together.
FACES = {
    "large": (
        "pyfeat-media",
        ("single_face.mp4", "WolfgangLanger_Pexels.mp4", "face_noface.mov", "single_face.jpg"),
    ),
    "small": (
        "intel-sample-videos",  # CC BY 4.0
        (
            "again.mkv",
            "brother.mkv",
            "help.mkv",
            "hungry.mkv",
            "milk.mkv",
            "no.mkv",
            "sister.mkv",
            "sorry.mkv",
            "yes.mkv",
            "head-pose-face-detection-female.gif",
            "head-pose-face-detection-male.gif",
        ),
    ),
}
JPEG_QUALITY = 40
_MIRRORED = "mirrored picture, ψ mirrored back"


def _mirror(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[:, ::-1])


def _half(rgb: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(rgb)
    return np.asarray(picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX))


def _compress(rgb: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(buffer).convert("RGB"))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    _MIRRORED: _mirror,
    "half resolution": _half,
    f"JPEG quality {JPEG_QUALITY}": _compress,
}


def consistency(
    pairs: int = 16, regressor: PictureRegressor | ExpressionRegressor | None = None
) -> pd.DataFrame:
    """ψ of real faces against ψ of the same faces in changed pictures, and in the next frame.

    Each version of a clip is measured as a clip of its own, with its own estimated neutral, on the frames in which a
    face is found in every version.

    Parameters
    ----------
    pairs : neighbouring frames that are looked at in each clip of ``FACES``, spread over it; they also tell the
        clip's neutral face, so with few of them it is that which is measured.
    regressor : by default the shipped one that looks at the picture.

    Returns
    -------
    DataFrame: ``faces`` (large or small), ``face_px`` (their mean height), ``change, frames, error`` (RMS over frames
    of the difference in G, over RMS of ψ itself), ``r`` (over all frames and coefficients) and ``mean_r`` (mean over
    the coefficients). Without rows where no clip is at hand.

    Raises
    ------
    AssetError : the FaceLandmarker model is not at hand.
    """
    rows = []
    regressor = regressor or PictureRegressor.load()
    with Landmarker() as landmarker:
        for faces, (entry, files) in FACES.items():
            if manifest.available(entry):
                pictures = [shown for name in files for shown in _pictures(entry, name, pairs)]
                rows += [{"faces": faces, **row} for row in _measure(pictures, landmarker, regressor)]
    return pd.DataFrame(rows, columns=["faces", "face_px", "change", "frames", "error", "r", "mean_r"])


def actors(regressor: ExpressionRegressor | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Agreement with other tools on the actors of pyfeat-news, of the shipped regressor or another one.

    Returns
    -------
    agreement : ``au, coefficient, ours, MediaPipe``: correlations of :func:`dfe_lib.face.evaluation.au_agreement`.
    together : ``of, r``: do the coefficients that move together in a range of motion recorded by ARKit move together
        in the actors? Correlation between the two matrices of correlations; MediaPipe's blendshapes beside ours. Empty
        where arkit-range-of-motion is not at hand.

    Raises
    ------
    AssetError : pyfeat-news is not at hand.
    """
    from dfe_lib import frames
    from dfe_lib.data.adapters.arkit import ENTRY, FILE, read_live_link, to_ict53
    from dfe_lib.data.adapters.pyfeat import read_news

    news = read_news()
    clip = news.frames["recording"].to_numpy()
    regressor = regressor or ExpressionRegressor.load()
    psi = {
        "ours": regressor.predict(frames.landmarks(news.frames), recordings=clip),
        "MediaPipe": to_ict53(news.blendshapes.to_numpy(), news.blendshapes.columns),
    }
    agreement = au_agreement(psi["ours"], news.aus, clip).rename(columns={"r": "ours"})
    agreement["MediaPipe"] = au_agreement(psi["MediaPipe"], news.aus, clip)["r"]
    rows = []
    if manifest.available(ENTRY):
        motion = frames.psi(read_live_link(manifest.locate(ENTRY, FILE)), ICT53.names)
        rows = [{"of": of, "r": co_movement(without_median(v, clip), motion)} for of, v in psi.items()]
    return agreement, pd.DataFrame(rows, columns=["of", "r"])


def co_movement(psi: np.ndarray, other: np.ndarray) -> float:
    """Do the same coefficients move together in two recordings?

    Parameters
    ----------
    psi, other : (n, 53) and (m, 53); rows with NaN are left out.

    Returns
    -------
    Correlation between the correlation coefficients of all pairs of coefficients that move in both. The two sides of
    one movement (a left and a right smile) are left out: they go together in every face.
    """
    a, b = (v[np.isfinite(v).all(axis=1)] for v in (np.asarray(psi, float), np.asarray(other, float)))
    moving = np.flatnonzero((a.std(axis=0) > 1e-6) & (b.std(axis=0) > 1e-6))
    first, later = np.triu_indices(len(moving), 1)
    apart = ICT53.mirror_order[moving[first]] != moving[later]
    first, later = first[apart], later[apart]
    together = [np.corrcoef(v[:, moving], rowvar=False)[first, later] for v in (a, b)]
    return pearson(*together)


def _pictures(entry: str, name: str, pairs: int) -> list[tuple[str, int, np.ndarray]]:
    """Recording, number of the frame, (H, W, 3) uint8 RGB, of neighbouring frames spread over it."""
    pictures = [frame.rgb for frame in decode(manifest.locate(entry, name))]
    if len(pictures) == 1:
        return [(name, 0, pictures[0])]
    starts = np.linspace(0, len(pictures) - 2, pairs).astype(int)
    return [(name, int(i), pictures[i]) for start in starts for i in (start, start + 1)]


def _measure(
    pictures: list[tuple[str, int, np.ndarray]],
    landmarker: Landmarker,
    regressor: PictureRegressor | ExpressionRegressor,
) -> list[dict[str, float | str]]:
    clip, number = [], []
    found = {name: ([], []) for name in ("plain", *CHANGES)}  # landmarks and crops
    for name, index, rgb in pictures:
        pictured = [rgb, *(change(rgb) for change in CHANGES.values())]
        seen = [landmarker.detect(version).landmarks for version in pictured]
        if any(landmarks is None for landmarks in seen):
            continue
        clip.append(name)
        number.append(index)
        for (points, crops), version, landmarks in zip(found.values(), pictured, seen, strict=True):
            points.append(landmarks)
            crops.append(crop(version, landmarks))
    clip, number = np.array(clip), np.array(number)
    psi = {}
    for change, (points, crops) in found.items():
        if isinstance(regressor, PictureRegressor):
            psi[change], _ = regressor.predict(np.stack(points), np.stack(crops), clip)
        else:
            psi[change] = regressor.predict(np.stack(points), clip)
    psi[_MIRRORED] = ICT53.mirror(psi[_MIRRORED])
    plain, face_px = psi.pop("plain"), np.ptp(np.stack(found["plain"][0])[..., 1], axis=1).mean()
    rows = [{"change": change, **_difference(plain, other)} for change, other in psi.items()]
    before = np.flatnonzero((clip[1:] == clip[:-1]) & (np.diff(number) == 1))
    if len(before):
        rows.append({"change": "next frame", **_difference(plain[before], plain[before + 1])})
    return [{"face_px": float(face_px), **row} for row in rows]


def _difference(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    return {
        "frames": len(a),
        "error": float(np.sqrt((ICT53.norm(b - a) ** 2).mean() / (ICT53.norm(a) ** 2).mean())),
        "r": pearson(a.ravel(), b.ravel()),
        "mean_r": float(np.mean([pearson(x, y) for x, y in zip(a.T, b.T, strict=True)])),
    }
