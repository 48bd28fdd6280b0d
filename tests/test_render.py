"""Renders: left is left, the same seed gives the same picture, and the truth goes through FaceLandmarker."""

from dataclasses import replace

import numpy as np
import pytest

from dfe_lib.data import manifest
from dfe_lib.face.align import align, reference
from dfe_lib.face.appearance import gaze, sample_appearance, sample_view
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.morphable import load_head
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.render import Renderer
from dfe_lib.face.renders import RenderConfig, broad_displays, render_frames
from dfe_lib.paths import data_dir
from dfe_lib.space import ICT53


@pytest.fixture(scope="module")
def renderer():
    if not manifest.available("ict-facekit"):
        pytest.skip("asset 'ict-facekit' is not at hand")
    with Renderer(load_head(), 256) as renderer:
        yield renderer


FRONTAL = replace(
    sample_view(np.random.default_rng(0)),
    **{
        "yaw": 0.0,
        "pitch": 0.0,
        "roll": 0.0,
        "distance": 900.0,
        "fill": 0.6,
        "offset": (0.0, 0.0),
        "blur": 0.0,
    },
    **{"noise": 0.0, "jpeg": 95, "shrink": 1.0, "tint": (1.0, 1.0, 1.0)},
    lights=((0.2, 0.3, 0.93, 0.9),),
    background=np.full((2, 3), 0.5),
)


def test_one_seed_one_picture(renderer):
    def draw(seed):
        rng = np.random.default_rng(seed)
        look, view = sample_appearance(rng), replace(sample_view(rng), shrink=1.0)
        return renderer.render(ICT53.vector(jawOpen=0.5), look, view, rng)

    first = draw(3)
    assert first.shape == (256, 256, 3) and first.dtype == np.uint8 and first.std() > 10
    np.testing.assert_array_equal(first, draw(3))
    assert (first != draw(4)).any()


def test_a_wink_of_the_subjects_left_eye_is_found_on_the_left(renderer, mirror):
    mirror("mediapipe-face-landmarker", "face_landmarker.task")
    rng = np.random.default_rng(1)
    look = sample_appearance(rng)
    with Landmarker(max_faces=1) as landmarker:
        found = [
            landmarker.detect(renderer.render(psi, look, FRONTAL, rng)).landmarks
            for psi in (ICT53.vector(), ICT53.vector(eyeBlink_L=1.0))
        ]
    psi = ExpressionRegressor.load().predict(np.stack(found), neutral=np.array([True, False]))[1]
    left, right = (psi[ICT53.names.index(f"eyeBlink_{s}")] for s in "LR")
    assert left > 0.4 and left > right + 0.3
    assert (
        np.abs(align(np.stack(found)).points[0] - reference()).mean() < 6
    )  # mm: the face is where it should be


def test_the_eyes_turn_where_the_coefficients_say(renderer, mirror):
    """Irises of landmarks: both eyes look to the subject's left, which is the picture's right; and up."""
    mirror("mediapipe-face-landmarker", "face_landmarker.task")
    rng = np.random.default_rng(2)
    look = replace(sample_appearance(rng), gaze_gain=1.0)
    left = ICT53.vector(eyeLookOut_L=0.8, eyeLookIn_R=0.8)
    assert gaze(left, "L")[0] > 20 and gaze(left, "R")[0] > 20 and gaze(left, "L")[1] == 0
    up = ICT53.vector(eyeLookUp_L=0.8, eyeLookUp_R=0.8)
    with Landmarker(max_faces=1) as landmarker:
        still, turned, raised = (
            landmarker.detect(renderer.render(psi, look, FRONTAL, rng)).landmarks[[468, 473]]
            for psi in (ICT53.vector(), left, up)
        )
    assert ((turned - still)[:, 0] > 1).all()  # px to the right
    assert ((raised - still)[:, 1] < -0.5).all()  # px up


def test_a_shrunk_view_gives_a_smaller_picture(renderer):
    rng = np.random.default_rng(5)
    look = sample_appearance(rng)
    assert renderer.render(ICT53.vector(), look, replace(FRONTAL, shrink=0.5), rng).shape == (128, 128, 3)


@pytest.mark.parametrize("seed", range(3))
def test_broad_displays_are_possible_faces(seed):
    psi = broad_displays(200, np.random.default_rng(seed))
    at = ICT53.names.index
    assert psi.shape == (200, 53) and psi.min() >= 0 and psi.max() <= 1.2
    assert (psi[:, at("mouthClose")] <= psi[:, at("jawOpen")] + 1e-6).all()
    odd = psi[(psi[:, at("eyeLookUp_L")] > 0.3) & (psi[:, at("eyeLookDown_L")] > 0.3)]
    assert len(odd) < 4  # of displays that add two gazes; single coefficients exclude each other
    assert (psi.std(axis=0) > 0.02).all()  # every coefficient is shown


def test_renders_do_not_depend_on_who_makes_them(mirror, tmp_path, monkeypatch):
    mirror("ict-facekit", "vertex_indices.json"), mirror("mediapipe-face-landmarker", "face_landmarker.task")
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path))
    config = RenderConfig(subjects=2, neutral_frames=1, expressive_frames=2, size=160, seed=9)
    first = render_frames(config, progress=False, workers=1)
    folder = next(data_dir().glob("derived/renders-*"))
    made = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    again = render_frames(config, progress=False, workers=1)
    np.testing.assert_array_equal(first.landmarks, again.landmarks)
    assert made == {p: p.stat().st_mtime_ns for p in folder.iterdir()}  # read, not made again
    for path in made:
        path.unlink()
    np.testing.assert_array_equal(first.landmarks, render_frames(config, progress=False, workers=1).landmarks)
    assert set(first.subject) == {0, 1} and first.neutral.sum() == 2
