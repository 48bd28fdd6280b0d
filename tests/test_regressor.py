"""The regressor: free of pose by construction, mirror-symmetric, and never silently wrong."""

import numpy as np
import pytest

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.face import ExpressionRegressor
from dfe_lib.face.align import align
from dfe_lib.face.landmark_sets import MESH478
from dfe_lib.face.layers import forward
from dfe_lib.face.morphable import load_morphable, mirror_landmarks
from dfe_lib.space import ICT53


def picture(points_mm, yaw=0.0, pitch=0.0, roll=0.0, scale=3.0, centre=(320.0, 240.0)):
    """Landmarks in pixels of faces in mm, under a similarity (picture axes: y down, z away)."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turned = points_mm @ (about_y @ about_x @ about_z).T * scale
    return (turned * [1, -1, -1] + [*centre, 0]).astype(np.float32)


@pytest.fixture(scope="module")
def clip():
    """A simulated recording: 40 neutral frames, then single expressions."""
    face = load_morphable("face478")
    psi = np.zeros((60, 53), np.float32)
    psi[40:] = np.eye(53, dtype=np.float32)[:20]
    return picture(face.vertices(psi)), psi


@pytest.fixture(scope="module")
def regressor():
    return ExpressionRegressor.load()


def test_alignment_recovers_a_known_pose():
    neutral = load_morphable("face478").neutral
    found = align(picture(neutral[None], yaw=20, pitch=-10, roll=5, scale=2.5, centre=(100, 50)))
    np.testing.assert_allclose(found.angles[0], [-10, 20, 5], atol=0.01)
    np.testing.assert_allclose(found.scale, 2.5, rtol=1e-4)
    np.testing.assert_allclose(found.translation[0], [100, 50], atol=0.05)
    np.testing.assert_allclose(found.points[0], neutral, atol=0.01)


def test_pose_scale_and_place_do_not_change_psi(regressor, clip):
    _, psi = clip
    points = load_morphable("face478").vertices(psi)
    plain = regressor.predict(picture(points))
    turned = regressor.predict(picture(points, yaw=25, pitch=-12, roll=10, scale=1.4, centre=(900, 100)))
    np.testing.assert_allclose(plain, turned, atol=2e-3)


def test_mirrored_face_gives_mirrored_psi(regressor, clip):
    landmarks, _ = clip
    pair = mirror_landmarks(load_morphable("face478").neutral)
    mirrored = (landmarks * [-1, 1, 1] + [640, 0, 0])[:, pair]
    expected = ICT53.mirror(regressor.predict(landmarks))
    assert np.abs(regressor.predict(mirrored) - expected).max() < 0.02


def test_neutral_may_be_marked_or_estimated_per_recording(regressor, clip):
    landmarks, psi = clip
    marked = regressor.predict(landmarks, neutral=(psi == 0).all(axis=1))
    np.testing.assert_allclose(marked[:40], 0, atol=0.02)
    assert ICT53.norm(marked[40:]).min() > 0.05
    wide = load_morphable("face478")
    other = picture(wide.vertices(psi, identity=np.full(5, 1.5, np.float32)))
    both = np.concatenate([landmarks, other])
    names = np.repeat(["a", "b"], 60)
    together = regressor.predict(both, recordings=names)
    np.testing.assert_allclose(together[:60], regressor.predict(landmarks), atol=1e-5)
    np.testing.assert_allclose(together[60:], regressor.predict(other), atol=1e-5)


def test_frames_without_a_face_are_nan_and_leave_the_others_alone(regressor, clip):
    landmarks = clip[0].copy()
    landmarks[::7] = np.nan
    psi = regressor.predict(landmarks)
    assert np.isnan(psi[::7]).all() and np.isfinite(np.delete(psi, np.s_[::7], axis=0)).all()
    assert np.isnan(regressor.predict(np.full((3, 478, 3), np.nan))).all()
    assert regressor.predict(np.empty((0, 478, 3))).shape == (0, 53)


def test_a_single_frame_is_measured_against_the_population(regressor):
    jaw = ICT53.names.index("jawOpen")
    open_mouth = picture(load_morphable("face478").vertices(ICT53.vector(jawOpen=1.0))[None])
    assert regressor.predict(open_mouth)[0, jaw] > 0.3


def test_a_lasting_smile_is_no_neutral(regressor):
    """In a clip that smiles three quarters of the time the median would call the smile neutral."""
    psi = np.zeros((80, 53), np.float32)
    psi[20:] = ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0)
    found = regressor.predict(picture(load_morphable("face478").vertices(psi)))
    smile = found[:, ICT53.names.index("mouthSmile_L")]
    assert smile[20:].mean() > 0.4 and abs(smile[:20].mean()) < 0.1


def test_who_smiles_all_the_time_still_smiles(regressor):
    """No frame is neutral, but no person's neutral face is a full smile either."""
    psi = np.tile(ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0), (60, 1))
    found = regressor.predict(picture(load_morphable("face478").vertices(psi)))
    assert found[:, ICT53.names.index("mouthSmile_L")].min() > 0.25  # of 0.65


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (np.ones((2, 468, 3)), "468 points"),
        (np.ones((2, 478, 2)), "478, 3"),
        (np.full((1, 478, 3), np.inf), "infinite"),
        (np.random.default_rng(0).random((2, 478, 3)), "normalised"),
    ],
)
def test_wrong_landmarks_are_refused(regressor, landmarks, message):
    with pytest.raises(InputError, match=message):
        regressor.predict(landmarks)


def test_labels_must_fit_the_frames(regressor, clip):
    with pytest.raises(InputError, match="one value per frame"):
        regressor.predict(clip[0], recordings=["a"])
    with pytest.raises(InputError, match="marked neutral"):
        regressor.predict(clip[0], neutral=np.zeros(60, bool))


def test_weights_of_another_shape_are_refused(tmp_path):
    card = {"kind": "expression-regressor", "what": "-", "made_from": "-", "rebuild": "-"}
    shipped = ExpressionRegressor.load()
    tensors = shipped.tensors
    tensors["basis"] = tensors["basis"][:1404]
    with pytest.raises(InputError, match=r"'basis' has shape \(1404, 128\), but \(1434, 128\)"):
        ExpressionRegressor.load(artefacts.save(tmp_path / "r", tensors, card))


def test_the_mirrored_face_has_the_mirrored_psi_whatever_the_landmarks(regressor, rng):
    """By construction, not by training: it holds for noise too."""
    face = load_morphable("face478").neutral
    points = face + rng.normal(0, 2, (20, 478, 3)).astype(np.float32)
    pair = mirror_landmarks(regressor.neutral)
    seen, image = picture(points), picture(points[:, pair] * np.float32([-1, 1, 1]))
    own = regressor.neutral
    psi, sd = regressor.express(seen, own)
    psi_image, sd_image = regressor.express(image, own)
    np.testing.assert_allclose(psi_image, ICT53.mirror(psi), atol=2e-3)
    assert np.abs(psi).max() > 0.1 and sd.min() > 0 and sd.shape == sd_image.shape == psi.shape


def test_the_neutral_face_is_exactly_zero(regressor):
    own = regressor.estimate_neutral(np.empty((0, 478, 3), np.float32))
    np.testing.assert_array_equal(own, regressor.neutral)
    psi, _ = regressor.express(picture(own[None]), own)
    np.testing.assert_allclose(psi, 0, atol=1e-3)


def test_the_two_steps_are_what_predict_does(regressor, clip):
    landmarks, _ = clip
    psi, _ = regressor.express(landmarks, regressor.estimate_neutral(landmarks))
    np.testing.assert_allclose(psi, regressor.predict(landmarks), atol=1e-5)
    with pytest.raises(InputError, match="marked neutral"):
        regressor.estimate_neutral(landmarks, np.zeros(60, bool))


def test_marked_frames_count_more_the_more_there_are(regressor, clip):
    """A person who smiles in all but the marked frames: three of those say less than thirty."""
    psi = np.zeros((90, 53), np.float32)
    psi[30:] = ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0)
    landmarks = picture(load_morphable("face478").vertices(psi))
    marked = np.arange(90) < 30
    many = regressor.estimate_neutral(landmarks, marked)
    true = regressor.estimate_neutral(landmarks[:30], marked[:30])
    assert np.abs(many - true).max() < 0.5  # mm


def test_training_makes_what_its_settings_ask_for(rng):
    """Faces of the linear model itself: a short training recovers what was shown, and keeps the mirror."""
    pytest.importorskip("torch")
    from dfe_lib.face.symmetry import Mirror, SymmetricNetwork, discriminant

    face = load_morphable("face478")
    mirror = Mirror(face.neutral)
    psi = np.abs(rng.normal(0, 0.4, (300, 53))).astype(np.float32)
    shown = (face.vertices(psi) - face.neutral).reshape(300, -1)
    neutral = rng.normal(0, 0.3, (200, 1434)).astype(np.float32)
    basis, signs = discriminant(neutral, shown, mirror, 0.5**2, 40)
    assert basis.shape == (1434, 40) and set(signs) == {-1.0, 1.0}
    np.testing.assert_array_equal(mirror.signs(basis), signs)
    np.testing.assert_allclose(mirror(shown) @ basis, (shown @ basis) * signs, atol=2e-3)
    import torch

    torch.manual_seed(0)
    network = SymmetricNetwork(signs, pairs=8, dropout=0.0)
    x = torch.tensor(shown @ basis)
    with torch.no_grad():
        there, image = network(x).numpy(), network(x * torch.tensor(signs)).numpy()
    np.testing.assert_allclose(image, ICT53.mirror(there), atol=1e-4)


def test_the_478_points_take_the_same_steps_as_before_there_were_other_sets(regressor, clip):
    """Bit for bit: aligned landmarks minus the own neutral face, on the basis, through the layers."""
    landmarks, _ = clip
    own = regressor.estimate_neutral(landmarks)
    assert regressor.landmark_set is MESH478 and regressor.population.shape == own.shape == (478, 3)
    points = align(landmarks, regressor.neutral).points.reshape(len(landmarks), -1)
    seen = points @ regressor.basis
    seen -= own.reshape(-1) @ regressor.basis
    psi, sd = np.empty((2, len(landmarks), 53), np.float32)
    forward(regressor, seen, psi, sd)
    found = regressor.express(landmarks, own)
    np.testing.assert_array_equal(found[0], psi)
    np.testing.assert_array_equal(found[1], sd)
    # Without sd the last product is a narrower one, which may be summed in another order.
    np.testing.assert_allclose(regressor.predict(landmarks), psi, atol=1e-6)
