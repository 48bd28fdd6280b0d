"""Facial Basis: six regions, fifty signed units, and planted units found again."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from dfe_lib.codings import FacialBasis
from dfe_lib.codings.facial_basis import PARTS
from dfe_lib.codings.keypoints import KEYPOINTS, LANDMARKS51, arrows, displacements_of_psi, motion_of_psi
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

PSI = sample_displays(400, np.random.default_rng(0))


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_planted_units_are_found_again(seed):
    rng = np.random.default_rng(seed)
    planted = np.zeros((50, LANDMARKS51.dimension))
    parts = [part for part, units in PARTS.items() for _ in range(units)]
    for unit, part in zip(planted, parts, strict=True):
        members = list(LANDMARKS51.regions[part])
        unit[members] = rng.normal(size=len(members))
    codes = rng.laplace(0, 1, (1500, 50)) * (rng.random((1500, 50)) < 0.15)  # signed and sparse
    x = codes @ planted
    x += 0.02 * x.std() * rng.normal(size=x.shape)
    coding = FacialBasis(bits=None, space=LANDMARKS51).fit(x)
    found = coding.templates.astype(np.float64)
    assert len(found) == 50 == sum(PARTS.values())
    np.testing.assert_allclose(LANDMARKS51.norm(found), 1, atol=1e-6)
    a, b = (u / np.linalg.norm(u, axis=1, keepdims=True) for u in (planted, found))
    match = np.abs(a @ b.T)  # a signed unit and its opposite are the same
    assert match[linear_sum_assignment(-match)].min() >= 0.95


def test_units_stay_in_their_region_and_codes_have_signs():
    x = displacements_of_psi(PSI)
    assert x.shape == (400, 153)
    coding = FacialBasis(bits=None, space=LANDMARKS51).fit(x)
    sizes = [
        sum(set(np.flatnonzero(unit)) <= set(members) for unit in coding.templates)
        for members in LANDMARKS51.regions.values()
    ]
    assert dict(zip(LANDMARKS51.regions, sizes, strict=True)) == PARTS
    assert (coding.coefficients(x) < 0).any() and (coding.coefficients(x) > 0).any()
    x_hat = coding.decode(coding.encode(x))
    assert 1 - ((x - x_hat) ** 2).sum() / (x**2).sum() > 0.95


def test_displacements_and_keypoint_motion_are_of_one_face():
    jaw = ICT53.vector(jawOpen=1.0)
    away = displacements_of_psi(jaw).reshape(51, 3)
    assert away[57 - 17, 1] < -3 and abs(away[27 - 17]).max() < 1  # the lower lip goes down, the bridge stays
    start, end = arrows(displacements_of_psi(jaw)[0], LANDMARKS51)
    other = motion_of_psi(jaw)[0].reshape(2, 68).T
    lower_lip = slice(55, 60)
    np.testing.assert_allclose((end - start)[lower_lip], other[lower_lip], rtol=0.25, atol=15)
    assert (end - start)[:17].any() == 0  # the jaw is not among the 51


def test_a_space_without_the_six_regions_is_refused():
    with pytest.raises(InputError, match="keypoints136"):
        FacialBasis(space=KEYPOINTS).fit(motion_of_psi(PSI))
