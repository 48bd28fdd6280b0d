"""The alignment: the fast one answers like the textbook one, also where the geometry is odd."""

import warnings

import numpy as np
import pytest

from dfe_lib.face.align import BLOCK, RIGID, align, reference


def textbook(landmarks, target):
    """One frame after the other by singular value decomposition, in float64 (Umeyama 1991)."""
    points, angles, scales, places = [], [], [], []
    axes = np.array([1.0, -1.0, -1.0])
    goal = target[RIGID].astype(float)
    for frame in np.asarray(landmarks, float) * axes:
        source = frame[RIGID]
        a, b = source - source.mean(axis=0), goal - goal.mean(axis=0)
        u, s, vt = np.linalg.svd(a.T @ b)
        sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
        r = u * sign @ vt
        scale = (a**2).sum() / (s * sign).sum()
        origin = source.mean(axis=0) - scale * r @ goal.mean(axis=0)
        points.append((frame - origin) @ r / scale)
        angles.append(
            np.degrees([np.arcsin(-r[1, 2]), np.arctan2(r[0, 2], r[2, 2]), np.arctan2(r[1, 0], r[1, 1])])
        )
        scales.append(scale)
        places.append(origin[:2] * [1, -1])
    return np.array(points), np.array(angles), np.array(scales), np.array(places)


def rotations(rng, n):
    """(n, 3, 3): uniform over all rotations."""
    q, r = np.linalg.qr(rng.normal(size=(n, 3, 3)))
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    q[:, :, 0] *= np.linalg.det(q)[:, None]
    return q


def pictures(rng, n, noise=1.5):
    """(n, 478, 3) noisy landmarks of the reference face, in any attitude, size and place."""
    scale = rng.uniform(0.3, 12, (n, 1, 1))
    points = np.einsum("kj,nij->nki", reference(), rotations(rng, n)) * scale
    points += rng.uniform(-3000, 3000, (n, 1, 3)) + rng.normal(0, noise, (n, 478, 3))
    return (points * [1, -1, -1]).astype(np.float32)


def assert_same(landmarks, target=None):
    found = align(landmarks, target)
    expected = textbook(landmarks, reference() if target is None else target)
    # A pixel coordinate near 3,000 is known to 1e-4 px; at 0.3 px per mm that is 4e-4 mm.
    for name, values, tolerance in zip(
        ("points", "angles", "scale", "translation"), expected, (1e-3, 1e-3, 1e-4, 2e-3), strict=True
    ):
        np.testing.assert_allclose(getattr(found, name), values, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("n", [1, 2, BLOCK, BLOCK + 3])
def test_like_the_textbook_in_any_attitude(rng, n):
    assert_same(pictures(rng, n))


def test_another_target_is_met(rng):
    target = reference() * 1.3 + [5, -2, 40] + rng.normal(0, 1, (478, 3))
    assert_same(pictures(rng, 8), target.astype(np.float32))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reflected_points_get_a_rotation_not_a_reflection(rng, axis):
    landmarks = pictures(rng, 6)
    landmarks[::2, :, axis] *= -1
    assert_same(landmarks)


def test_landmarks_without_depth(rng):
    landmarks = pictures(rng, 4)
    landmarks[:, :, 2] = 0
    assert_same(landmarks)


def test_frames_without_a_face_are_nan_and_leave_the_others_alone(rng):
    landmarks = pictures(rng, 9)
    clean = align(landmarks)
    landmarks[2] = np.nan
    landmarks[5, 100, 1] = np.nan  # one value is enough
    landmarks[7] = 12.0  # no extent, so no attitude either
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = align(landmarks)
    kept = [0, 1, 3, 4, 6, 8]
    for name in ("points", "angles", "scale", "translation"):
        values = getattr(found, name)
        np.testing.assert_array_equal(values[kept], getattr(clean, name)[kept], err_msg=name)
        assert np.isnan(values[[2, 5]]).all(), name
    assert np.isnan(found.points[7]).all() and np.isnan(found.scale[7])
    assert np.isnan(align(np.full((2, 478, 3), np.nan)).points).all()


def test_nothing_gives_nothing():
    found = align(np.empty((0, 478, 3), np.float32))
    assert found.points.shape == (0, 478, 3) and found.points.dtype == np.float32
    assert found.angles.shape == (0, 3) and found.translation.shape == (0, 2)


def test_a_frame_does_not_depend_on_its_batch(rng):
    landmarks = pictures(rng, BLOCK + 40)
    together = align(landmarks).points
    for i in (0, 100, BLOCK, BLOCK + 39):
        np.testing.assert_allclose(align(landmarks[i : i + 1]).points[0], together[i], atol=1e-4)
