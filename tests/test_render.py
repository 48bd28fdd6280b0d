"""Renders: left is left, the same seed gives the same picture, and the truth goes through FaceLandmarker."""

import numpy as np
import pytest

from dfe_lib.data import manifest
from dfe_lib.face.align import align, reference
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.morphable import load_head
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.render import Renderer, View, sample_appearance, sample_view
from dfe_lib.space import ICT53


@pytest.fixture(scope="module")
def renderer():
    if not manifest.available("ict-facekit"):
        pytest.skip("asset 'ict-facekit' is not at hand")
    with Renderer(load_head(), 256) as renderer:
        yield renderer


FRONTAL = View(0, 0, 0, 900, 0.6, (0, 0), ((0.2, 0.3, 0.93, 0.9),), np.full((2, 3), 0.5), 0, 0, 95)


def test_one_seed_one_picture(renderer):
    def draw(seed):
        rng = np.random.default_rng(seed)
        return renderer.render(ICT53.vector(jawOpen=0.5), sample_appearance(rng), sample_view(rng), rng)

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
