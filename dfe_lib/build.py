"""``dfe build``: makes again, from their sources, the artefacts that the library ships (each has a card)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfe_lib import artefacts, frames, shipped
from dfe_lib.data import manifest
from dfe_lib.errors import ConfigError, choices
from dfe_lib.paths import ASSETS
from dfe_lib.space import ICT53

if TYPE_CHECKING:
    from dfe_lib.face.landmark_sets import LandmarkSet

_RENDERED = (
    "faces rendered from ICT-FaceKit (MIT, © 2020 USC ICT), detected by MediaPipe FaceLandmarker (Apache-2.0)"
)

# Freely licensed clips whose landmark tracks (our measurements, not the clips) are shipped.
TRACKS = (
    "head-pose-face-detection-female.gif",
    "head-pose-face-detection-male.gif",
    "yes.mkv",
    "please.mkv",
    "walk.mkv",
)


def ict53(folder: Path) -> dict:
    """Names and metric of the 53 ICT-FaceKit expression coefficients."""
    from dfe_lib.face.morphable import FACE_VERTICES, load_head

    fields = load_head().expressions[:, :FACE_VERTICES].reshape(ICT53.dimension, -1).astype(np.float64)
    card = {
        "kind": "expression-space",
        "what": "Names and metric G (mm²) of the 53 ICT-FaceKit expression coefficients: mean over vertices 0–9408 "
        '(part "Face") of the inner products of displacement fields, in mm².',
        "made_from": "ICT-FaceKit (MIT, © 2020 USC Institute for Creative Technologies), expression shapes",
        "rebuild": "dfe build ict53",
        "names": list(ICT53.names),
    }
    artefacts.save(folder, {"metric": fields @ fields.T / FACE_VERTICES}, card)
    return {}


def face478(folder: Path) -> dict:
    """The morphable model on MediaPipe's 478 landmarks."""
    from dfe_lib.face.face478 import first_reference, fit_face478
    from dfe_lib.face.renders import render_frames
    from dfe_lib.face.training import TRAIN

    renders = render_frames(TRAIN)
    tensors = fit_face478(renders, first_reference())
    card = {
        "kind": "morphable-model",
        "what": "Neutral face, 20 identity modes and one displacement field per coefficient of ict53 on MediaPipe's "
        "478 landmarks, in mm, as FaceLandmarker sees them: what it does not see (cheek puff, tongue) is small here.",
        "made_from": f"{len(renders.psi)} {_RENDERED}",
        "rebuild": "dfe build face478",
    }
    half = {
        k: v if v.dtype == np.int32 else v.astype(np.float16) for k, v in tensors.items() if k != "neutral"
    }
    artefacts.save(folder, {"neutral": tensors["neutral"], **half}, card)
    return {}


def expression_regressor(folder: Path) -> dict:
    """The map from landmarks to ψ; its figures on held-out subjects go on the card."""
    from dataclasses import asdict

    from dfe_lib.face.align import reference
    from dfe_lib.face.benchmark import render_benchmark
    from dfe_lib.face.evaluation import agreement
    from dfe_lib.face.realfaces import actors
    from dfe_lib.face.renders import render_frames
    from dfe_lib.face.training import HELD_OUT, SHARED, TRAIN, RegressorConfig, ablation, train_regressor

    renders, held_out = render_frames(TRAIN), render_frames(HELD_OUT)
    config = RegressorConfig()
    regressor = train_regressor(renders, reference(), config)
    figures = render_benchmark(held_out, render_frames(SHARED), regressor).card()
    rows = []
    for what, variant in {
        "as shipped": regressor,
        **ablation(regressor, renders, reference(), config),
    }.items():
        psi = variant.predict(held_out.landmarks, held_out.subject, held_out.neutral)
        found = agreement(held_out.psi[~held_out.neutral], psi[~held_out.neutral])
        rows.append({"what": what, "mean_r": round(found["mean_r"], 3)})
        rows[-1]["actors_r"] = round(float(actors(variant)[0]["ours"].mean()), 3)
    card = {
        "kind": "expression-regressor",
        "what": "Aligned, neutral-centred landmarks (mm) to the 53 coefficients of ict53 and their standard deviation: "
        "a linear map and a mirror-symmetric network of two hidden layers.",
        "made_from": f"{len(renders.psi)} {_RENDERED}; unlabelled clips of Intel IoT DevKit sample-videos (CC BY 4.0)",
        "rebuild": "dfe build expression-regressor",
        "training": asdict(config),
        "held_out_renders": figures,
        "ablation": rows,
        "limits": "Rendered faces are not people: see notebook 01 for the agreement on real actors.",
    }
    artefacts.save(folder, regressor.tensors, card)
    return {k: figures[k] for k in ("mean_r", "variance_explained", "rms_mm")}


def landmarks68_regressor(folder: Path) -> dict:
    """The map from 68 landmarks in space to ψ."""
    from dfe_lib.face.landmark_sets import LANDMARKS68

    return _landmarks68(folder, LANDMARKS68)


def landmarks68_2d_regressor(folder: Path) -> dict:
    """The map from 68 landmarks of a picture to ψ."""
    from dfe_lib.face.landmark_sets import LANDMARKS68_2D

    return _landmarks68(folder, LANDMARKS68_2D)


def _landmarks68(folder: Path, takes: LandmarkSet) -> dict:
    from dataclasses import asdict

    from dfe_lib.face.landmarks68 import MARKED, Landmarks68Config, measure, on_real_faces
    from dfe_lib.face.landmarks68 import train_landmarks68 as train
    from dfe_lib.face.renders import render_frames
    from dfe_lib.face.training import HELD_OUT, SHARED, TRAIN

    renders, config = render_frames(TRAIN), Landmarks68Config()
    regressor = train(renders, takes, config)
    found = measure(regressor, render_frames(HELD_OUT), render_frames(SHARED)).set_index("condition")
    r = found.loc[MARKED, "r"]
    card = {
        "kind": "expression-regressor",
        "landmarks": takes.name,
        "what": "Aligned, neutral-centred landmarks (mm), the 68 of OpenFace and its time, to the 53 coefficients of "
        "ict53 and their standard deviation: a linear map and a mirror-symmetric network of two hidden layers.",
        "made_from": f"{len(renders.psi)} {_RENDERED}, 68 of its 478 points, moved at random towards their neighbours; "
        "unlabelled clips of Intel IoT DevKit sample-videos (CC BY 4.0)",
        "rebuild": f"dfe build {takes.regressor}",
        "training": asdict(config),
        "held_out_renders": found.drop(columns="r").round(4).reset_index().to_dict("records"),
        "r": r,
        "unseen": [name for name, value in zip(ICT53.names, r, strict=True) if value < 0.3],
        "real_faces": on_real_faces(regressor).round(3).to_dict("records"),
        "limits": "Trained on MediaPipe's points, for there are no frames with known expression and OpenFace's points. "
        "Where exactly OpenFace's lie, how its model of shapes smooths them, and how good its depth is, is not known "
        "here and not modelled beyond points that lie elsewhere.",
    }
    artefacts.save(folder, regressor.tensors, card)
    return {k: found.loc[MARKED, k] for k in ("mean_r", "variance_explained", "rms_mm")}


def picture_regressor(folder: Path) -> dict:
    """The map from landmarks and texture to ψ, on top of the shipped landmark regressor; its figures go on the card."""
    from dataclasses import asdict, replace

    from dfe_lib.face.benchmark import render_benchmark
    from dfe_lib.face.evaluation import agreement
    from dfe_lib.face.picture_training import TRAIN_PICTURE, PictureConfig, train_picture
    from dfe_lib.face.realfaces import consistency
    from dfe_lib.face.regressor import ExpressionRegressor
    from dfe_lib.face.renders import render_frames
    from dfe_lib.face.training import HELD_OUT, SHARED

    renders, held_out = render_frames(TRAIN_PICTURE), render_frames(HELD_OUT)
    config, start = PictureConfig(), ExpressionRegressor.load()
    regressor = train_picture(renders, start, config)
    figures = render_benchmark(held_out, render_frames(SHARED), regressor).card()
    share = config.network_share
    alone = {"output": regressor.output / share, "offset": regressor.offset / share}
    nothing = {"output": 0 * regressor.output, "offset": 0 * regressor.offset}
    variants = {
        "as shipped": regressor,
        "linear map alone": replace(regressor, linear_share=np.ones(1, np.float32), **nothing),
        "network alone": replace(regressor, linear_share=np.zeros(1, np.float32), **alone),
    }
    shown, rows = ~held_out.neutral, []
    for what, variant in variants.items():
        psi, _ = variant.predict(held_out.landmarks, held_out.crop, held_out.subject, held_out.neutral)
        rows.append({"what": what, "mean_r": agreement(held_out.psi[shown], psi[shown])["mean_r"]})
    psi = start.predict(held_out.landmarks, held_out.subject, held_out.neutral)
    rows.append({"what": "landmarks alone", "mean_r": agreement(held_out.psi[shown], psi[shown])["mean_r"]})
    for row, variant in ((rows[0], regressor), (rows[-1], start)):
        steady = consistency(regressor=variant).set_index(["faces", "change"])["error"]
        row |= {f"{faces} real faces, {change}": error for (faces, change), error in steady.items()}
    card = {
        "kind": "picture-regressor",
        "what": "Aligned landmarks (mm) and grey values at points between them, against the person's own neutral face, "
        "to the 53 coefficients of ict53 and their standard deviation: a linear map and a mirror-symmetric network.",
        "made_from": f"{len(renders.psi)} {_RENDERED}; unlabelled clips of Intel IoT DevKit sample-videos (CC BY 4.0)",
        "rebuild": "dfe build picture-regressor",
        "training": asdict(config),
        "held_out_renders": figures,
        "ablation": [{k: v if k == "what" else round(v, 3) for k, v in row.items()} for row in rows],
        "limits": "Rendered faces are not people: see notebook 01 for the agreement on real actors.",
    }
    artefacts.save(folder, regressor.tensors, card)
    return {k: figures[k] for k in ("mean_r", "variance_explained", "rms_mm")}


def extraction_noise(folder: Path) -> dict:
    """How ψ as extracted from pictures differs from ψ as rendered, on held-out subjects."""
    from dfe_lib.face.picture import PictureRegressor
    from dfe_lib.face.renders import render_frames
    from dfe_lib.face.training import HELD_OUT, noise_model

    renders = render_frames(HELD_OUT)
    seen = (renders.landmarks, renders.crop, renders.subject, renders.neutral)
    measured, _ = PictureRegressor.load().predict(*seen)
    tensors = noise_model(renders.psi.astype(np.float64), measured.astype(np.float64))
    card = {
        "kind": "noise-model",
        "what": "measured ψ = gain ∘ ψ + L ε, ε ~ N(0, I); L = residual_cholesky. Per frame; the noise of a video is "
        "correlated in time, which this does not say.",
        "made_from": f"{len(measured)} {_RENDERED}, subjects held out from training",
        "rebuild": "dfe build extraction-noise",
    }
    artefacts.save(folder, tensors, card)
    return {"median_gain": float(np.median(tensors["gain"]))}


def tracks(folder: Path) -> dict:
    """Landmark tracks of a few CC BY clips, so that the demo has real motion without any download."""
    from dfe_lib.face import extract
    from dfe_lib.face.landmarks import Landmarker

    kept = {}
    with Landmarker() as landmarker:
        for name in TRACKS:
            table = extract(manifest.locate("intel-sample-videos", name), landmarker=landmarker)
            points = frames.landmarks(table)
            table = frames.with_landmarks(table, np.round(points * 16) / 16)  # 1/16 px: a third of the bytes
            table.attrs.pop("dfe_version")
            table.attrs["attribution"] = (
                "Landmarks measured on a clip of Intel IoT DevKit sample-videos (CC BY 4.0)"
            )
            frames.write(table, folder / f"{Path(name).stem}.parquet")
            kept[name] = len(table)
    return kept


def tokenizer(folder: Path) -> dict:
    """The default tokenizer."""
    from dfe_lib.tokens.build import build_default

    return build_default(folder)


TARGETS: dict[str, Callable[[Path], dict]] = {
    "ict53": ict53,
    "face478": face478,
    "expression-regressor": expression_regressor,
    "picture-regressor": picture_regressor,
    "landmarks68-regressor": landmarks68_regressor,
    "landmarks68-2d-regressor": landmarks68_2d_regressor,
    "extraction-noise": extraction_noise,
    "tracks": tracks,
    "tokenizer": tokenizer,
}


def build(name: str, folder: Path | None = None) -> dict:
    """Build one artefact into ``folder`` (by default in place), and return its figures.

    Raises
    ------
    ConfigError : unknown name.
    AssetError : a source is not at hand.
    """
    if name not in TARGETS:
        raise ConfigError(f"nothing to build by that name: {choices(name, TARGETS)}")
    made = TARGETS[name](Path(folder) if folder else ASSETS / name)
    if folder is None:
        shipped.record(ASSETS / name)
    return made
