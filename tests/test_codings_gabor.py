"""Gabor coding of pictures: wavelets, registration, and what it tells apart."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from dfe_lib.codings import Gabor
from dfe_lib.codings.gabor import POINTS, SIZE, _wavelets, register
from dfe_lib.errors import InputError
from dfe_lib.face.align import reference
from dfe_lib.space import ICT53


def face(psi=None, scale=1.5, turn=0.0, shift=(0.0, 0.0), size=300):
    """A picture with a dark disc at each landmark, as if a face had only these; and the landmarks in it."""
    points = reference() if psi is None else ICT53.to_mesh(psi, "face478")
    flat = points[:, :2].astype(np.float64) * [1.0, -1.0]
    c, s = np.cos(turn), np.sin(turn)
    flat = (flat - flat.mean(axis=0)) @ np.array([[c, s], [-s, c]]) * scale + size / 2 + np.array(shift)
    y, x = np.mgrid[:size, :size]
    picture = np.full((size, size), 220.0)
    for px, py in flat[list(POINTS)]:
        picture -= 90 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (1.2 * scale) ** 2))
    landmarks = np.c_[flat, np.zeros(len(flat))]
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2), landmarks


def test_wavelets_see_no_even_light_and_answer_to_their_own_direction():
    bank = _wavelets(np.pi / 4, 6)
    assert np.abs(bank.sum(axis=(1, 2))).max() < 1e-9
    np.testing.assert_allclose(np.linalg.norm(bank.reshape(6, -1), axis=1), 1)
    y, x = np.mgrid[: bank.shape[1], : bank.shape[1]]
    for i, angle in enumerate(np.pi * np.arange(6) / 6):
        grating = np.cos(np.pi / 4 * (np.cos(angle) * x + np.sin(angle) * y))
        answers = np.abs(bank.reshape(6, -1) @ grating.ravel())
        assert answers.argmax() == i


def test_jets_are_the_filtered_picture_at_the_landmarks():
    picture, landmarks = face()
    jets = Gabor(frequencies=(np.pi / 4,)).encode([picture], landmarks[None])[0]
    crop, points = register(picture, landmarks)
    bank = _wavelets(np.pi / 4, 6)
    radius = bank.shape[1] // 2
    padded = np.pad(crop, radius, mode="edge")
    for o in (0, 4):
        filtered = np.abs(fftconvolve(padded, bank[o][::-1, ::-1], mode="valid"))
        at = np.rint(points).astype(int)
        np.testing.assert_allclose(jets[:, o], filtered[at[:, 1], at[:, 0]], atol=1e-6)


def test_registered_faces_have_one_size_and_place_wherever_they_were():
    crop, points = register(*face())
    assert crop.shape == (SIZE, SIZE) and points.shape == (51, 2)
    assert points.min() > 15 and points.max() < SIZE - 15
    other_crop, other = register(*face(scale=2.0, turn=0.3, shift=(10, -15), size=420))
    np.testing.assert_allclose(other, points, atol=0.5)
    assert np.corrcoef(crop.ravel(), other_crop.ravel())[0, 1] > 0.98


def test_a_display_is_nearer_to_itself_in_another_place_than_to_another_display():
    smile, open_ = ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0), ICT53.vector(jawOpen=1.0)
    shown = [face(smile), face(open_), face(smile, 1.8, 0.2), face(open_, 1.8, 0.2)]
    pictures, landmarks = [p for p, _ in shown], np.stack([points for _, points in shown])
    coding = Gabor()
    jets = coding.encode(pictures, landmarks)
    assert jets.shape == (4, 51, 18) and jets.dtype == np.float32
    for subject in (None, np.array([0, 0, 1, 1])):
        distance = coding.distance(jets, subject)
        np.testing.assert_allclose(np.diag(distance), 0, atol=1e-9)
        np.testing.assert_allclose(distance, distance.T)
        assert distance[0, 2] < distance[0, 3] and distance[1, 3] < distance[1, 2]


def test_faces_that_are_missing_and_wrong_input():
    picture, landmarks = face()
    coding = Gabor()
    jets = coding.encode([picture, picture], np.stack([landmarks, landmarks * np.nan]))
    assert np.isfinite(jets[0]).all() and np.isnan(jets[1]).all()
    with pytest.raises(InputError, match="without a face"):
        coding.distance(jets)
    with pytest.raises(InputError, match="one frame"):
        coding.distance(jets[:1], ["a"])
    with pytest.raises(InputError, match="2 pictures"):
        coding.encode([picture, picture], landmarks[None])
    with pytest.raises(InputError, match="between 0 and"):
        Gabor(frequencies=(4.0,))
