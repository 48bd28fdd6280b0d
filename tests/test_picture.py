"""The picture around the landmarks: where it is read, left and right, and what stands in where it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

from dfe_lib import artefacts
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError
from dfe_lib.face.align import align, scale_of
from dfe_lib.face.layers import LOG_SD, forward
from dfe_lib.face.morphable import load_morphable, mirror_landmarks
from dfe_lib.face.picture import FEWEST_FRAMES, PictureRegressor
from dfe_lib.face.texture import CROP, TexturePoints, crop, in_crop
from dfe_lib.space import ICT53

WIDTH = 640


@pytest.fixture(scope="module")
def regressor():
    return PictureRegressor.load()


@pytest.fixture(scope="module")
def face():
    return load_morphable("face478")


@pytest.fixture
def played(face):
    """Landmarks in pixels and pictures with a pattern that moves as the face does."""
    rng = np.random.default_rng(3)
    psi = np.concatenate([np.zeros((4, 53)), sample_displays(12, rng)]).astype(np.float32)
    landmarks = (face.vertices(psi) * [2.2, -2.2, -2.2] + [310, 250, 0]).astype(np.float32)
    pictures = np.full((len(psi), 480, WIDTH, 3), 90, np.uint8)
    for picture, points in zip(pictures, landmarks, strict=True):
        for i, (x, y) in enumerate(points[:, :2].astype(int)):
            picture[y - 2 : y + 3, x - 2 : x + 3] = 40 + 37 * i % 200
    return landmarks, pictures


def crops_of(landmarks, pictures):
    return np.stack([crop(p, q) for p, q in zip(pictures, landmarks, strict=True)])


def mirrored(landmarks, pictures, face):
    pair = mirror_landmarks(face.neutral)
    flipped = landmarks[:, pair] * np.array([-1, 1, 1], np.float32) + np.array([WIDTH - 1, 0, 0], np.float32)
    return flipped.astype(np.float32), np.ascontiguousarray(pictures[:, :, ::-1])


def test_scale_alone_is_the_scale_of_the_alignment(played):
    landmarks, _ = played
    turned = landmarks @ np.array([[0.9, 0.3, 0.3], [-0.31, 0.95, 0], [-0.29, -0.09, 0.95]], np.float32)
    np.testing.assert_allclose(scale_of(turned), align(turned).scale, rtol=1e-5)


@pytest.mark.parametrize("turn", [0.0, 25.0])
@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_a_landmark_is_in_the_crop_where_it_says(face, turn, size):
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = face.neutral * [size, -size, -size]
    landmarks[:, :2] = landmarks[:, :2] @ rotation.T + [400, 380]
    landmarks = landmarks.astype(np.float32)
    for number in (1, 61, 263):
        picture = np.zeros((800, 800, 3), np.uint8)
        x, y = landmarks[number, :2]
        rows, columns = np.mgrid[:800, :800]
        picture[(columns - x) ** 2 + (rows - y) ** 2 < (4 * size) ** 2] = 255
        shown = crop(picture, landmarks).astype(float)
        rows, columns = np.mgrid[:CROP, :CROP]
        centre = (shown * columns).sum() / shown.sum(), (shown * rows).sum() / shown.sum()
        np.testing.assert_allclose(centre, in_crop(landmarks[None])[0, number], atol=0.7)


def test_a_face_at_the_edge_or_outside_of_its_picture_has_a_crop_all_the_same(played):
    landmarks, pictures = played
    for away in (np.array([-300, -200, 0]), np.array([5000, 0, 0]), np.array([-5000, -5000, 0])):
        assert crop(pictures[0], (landmarks[0] + away).astype(np.float32)).shape == (CROP, CROP)


def test_the_mirrored_picture_is_read_at_the_mirrored_points(played, regressor, face):
    landmarks, pictures = played
    plain = regressor.points.read(crops_of(landmarks, pictures), landmarks)
    flipped, shown = mirrored(landmarks, pictures, face)
    other = regressor.points.read(crops_of(flipped, shown), flipped)
    assert np.corrcoef(plain.ravel(), other[:, regressor.points.mirror_order].ravel())[0, 1] > 0.999


def test_light_and_contrast_fall_out_of_the_texture(played, regressor):
    landmarks, pictures = played
    crops = crops_of(landmarks, pictures)
    dimmed = (crops * 0.7 + 20).astype(np.uint8)
    a, b = (regressor.points.read(c, landmarks) for c in (crops, dimmed))
    assert np.abs(a - b).mean() < 0.1 * np.abs(a).mean()


def test_psi_is_zero_on_the_neutral_face_and_mirrored_in_the_mirror(played, regressor, face):
    landmarks, pictures = played
    marked = np.arange(len(landmarks)) < 4
    results = []
    for points, shown in ((landmarks, pictures), mirrored(landmarks, pictures, face)):
        looks = regressor.looks(crops_of(points, shown), points)
        own = regressor.estimate_neutral(points[:4], looks[:4], marked[:4])
        own = replace(own, points=align(points[:1], regressor.landmarks.neutral).points[0])
        results.append(regressor.express(points, looks, own)[0])
    assert np.abs(results[0][0]).max() < 1e-3
    plain, other = results[0], ICT53.mirror(results[1])
    assert ICT53.norm(plain - other).mean() < 0.1 * ICT53.norm(plain).mean()


def test_with_too_few_frames_the_landmarks_alone_tell(played, regressor):
    landmarks, pictures = played
    few = slice(4, 4 + FEWEST_FRAMES - 1)
    looks = regressor.looks(crops_of(landmarks[few], pictures[few]), landmarks[few])
    own = regressor.estimate_neutral(landmarks[few], looks)
    assert own.look is None
    psi, _ = regressor.express(landmarks[few], looks, own)
    np.testing.assert_allclose(psi, regressor.landmarks.predict(landmarks[few]), atol=1e-6)


def test_frames_without_a_face_stay_empty_and_spoil_nothing(played, regressor):
    landmarks, pictures = played
    crops = crops_of(landmarks, pictures)
    names = np.full(len(landmarks), "clip")
    whole, sd = regressor.predict(landmarks, crops, names)
    assert np.isfinite(whole).all() and (sd > 0).all()
    gap = landmarks.copy()
    gap[5] = np.nan
    psi, _ = regressor.predict(gap, crops, names)
    assert np.isnan(psi[5]).all() and np.isfinite(np.delete(psi, 5, axis=0)).all()


def test_a_file_of_another_shape_is_refused(tmp_path, regressor):
    shipped = artefacts.load("picture-regressor", kind="picture-regressor")
    bad = {
        "points at landmarks that do not exist": (
            "corners",
            shipped.tensors["corners"] + 478,
            "do not exist",
        ),
        "another number of coefficients": ("shapes", shipped.tensors["shapes"][:50], "'shapes' has shape"),
        "no texture": ("texture", None, "lacks the tensor 'texture'"),
    }
    for name, (field, value, says) in bad.items():
        tensors = {k: v for k, v in shipped.tensors.items() if k != field}
        if value is not None:
            tensors[field] = value
        folder = artefacts.save(tmp_path / name.replace(" ", "-"), tensors, shipped.card)
        with pytest.raises(InputError, match=says):
            PictureRegressor.load(folder)
    with pytest.raises(InputError, match="picture-regressor"):
        PictureRegressor.load(tmp_path / "nothing")


def test_shapes_that_do_not_belong_together_are_named(played, regressor):
    landmarks, pictures = played
    crops = crops_of(landmarks, pictures)
    with pytest.raises(InputError, match="are needed"):
        regressor.points.read(crops[:3], landmarks)
    looks = regressor.looks(crops, landmarks)
    with pytest.raises(InputError, match="one each"):
        regressor.express(landmarks[:-1], looks, regressor.estimate_neutral(landmarks, looks))


def test_points_lie_on_the_face_and_mirror_each_other(face):
    pair = mirror_landmarks(face.neutral)
    points = TexturePoints.spread(face.neutral, face.triangles, pair, 200)
    np.testing.assert_allclose(points.weights.sum(axis=1), 1, atol=1e-6)
    at = np.einsum("kcd,kc->kd", face.neutral[points.corners], points.weights)
    np.testing.assert_allclose(at[points.mirror_order] * [-1, 1, 1], at, atol=2.0)  # mm


def test_training_looks_where_expressions_show(tmp_path, monkeypatch, face):
    """A texture that moves with ψ, and landmarks that do not: what the landmarks miss, the picture tells."""
    pytest.importorskip("torch")
    from dfe_lib.face import picture_training
    from dfe_lib.face.real_clips import RealClips
    from dfe_lib.face.renders import Renders

    rng = np.random.default_rng(0)
    subjects, each = 30, 12
    n = subjects * each
    subject, neutral = np.repeat(np.arange(subjects), each), np.arange(n) % each < 2
    psi = np.tile(rng.uniform(0, 1, (n, 1)), 53).astype(np.float32) * ~neutral[:, None]
    landmarks = np.tile(face.neutral * [2.2, -2.2, -2.2] + [310, 250, 0], (n, 1, 1)).astype(np.float32)
    landmarks += rng.normal(0, 0.3, landmarks.shape).astype(np.float32)
    pattern, jaw = rng.integers(0, 90, (CROP, CROP)), ICT53.names.index("jawOpen")
    shade = psi[:, jaw, None, None] * rng.integers(0, 120, (CROP, CROP))
    crops = (60 + pattern + shade).clip(0, 255).astype(np.uint8)
    few = np.zeros(n, np.float32)
    renders = Renders(landmarks, psi, few, subject, neutral, subject, few, few, few, few, few, crops)
    clips = RealClips(landmarks[:20], crops[:20], np.zeros(20, int), psi[:20])
    monkeypatch.setattr(picture_training, "real_clips", lambda: clips)
    config = picture_training.PictureConfig(
        pairs=16,
        epochs=60,
        batch=64,
        real_batch=4,
        texture_points=200,
        texture_components=20,
        real_weight=0.0,
    )
    start = PictureRegressor.load().landmarks
    trained = picture_training.train_picture(renders, start, config, progress=False)
    again = picture_training.train_picture(renders, start, config, progress=False)
    np.testing.assert_array_equal(again.hidden_1, trained.hidden_1)
    told, sd = trained.predict(landmarks, crops, subject, neutral)
    blind = start.predict(landmarks, subject, neutral)
    followed = [np.corrcoef(psi[~neutral, jaw], p[~neutral, jaw])[0, 1] for p in (told, blind)]
    assert followed[0] > 0.8 > 0.4 > followed[1] and (sd > 0).all()


def test_half_of_the_tensors_computes_what_the_whole_network_would(regressor):
    first = np.hstack([regressor.hidden_1, regressor.signs[:, None] * regressor.hidden_1])
    same, crossed = np.split(regressor.hidden_2, 2, axis=1)
    second = np.block([[same, crossed], [crossed, same]])
    swap = np.argsort(ICT53.mirror_order)
    output, log_sd = (np.concatenate([half, half[:, swap]]) for half in (regressor.output, regressor.log_sd))
    seen = np.random.default_rng(1).standard_normal((30, len(first))).astype(np.float32)
    active = np.maximum(seen @ first + np.tile(regressor.bias_1, 2), 0)
    active = np.maximum(active @ second + np.tile(regressor.bias_2, 2), 0)
    linear = regressor.linear_share * (seen @ regressor.linear)
    psi, sd = (np.empty((30, 53), np.float32) for _ in range(2))
    forward(regressor, seen.copy(), psi, sd)
    np.testing.assert_allclose(psi, linear + active @ output - regressor.offset, atol=2e-4)
    np.testing.assert_allclose(np.log(sd), np.clip(active @ log_sd + regressor.log_sd_0, *LOG_SD), atol=2e-3)
    t = regressor.texture.shape[1]
    mirrored = regressor.texture[regressor.points.mirror_order] * regressor.signs[-t:]
    np.testing.assert_array_equal(mirrored, regressor.texture)


def test_mirrored_components_give_mirrored_psi_and_sd(regressor):
    seen = np.random.default_rng(0).standard_normal((40, len(regressor.signs))).astype(np.float32)
    out = []
    for given in (seen, seen * regressor.signs):
        psi, sd = (np.empty((40, 53), np.float32) for _ in range(2))
        forward(regressor, given.copy(), psi, sd)
        out.append((psi, sd))
    np.testing.assert_allclose(ICT53.mirror(out[1][0]), out[0][0], atol=2e-3)
    np.testing.assert_allclose(ICT53.mirror(out[1][1]), out[0][1], rtol=1e-3)
