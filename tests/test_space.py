"""The expression space: the metric is the geometry, and names, regions and mirror agree."""

import numpy as np
import pytest

from dfe_lib.errors import InputError
from dfe_lib.face.morphable import load_morphable
from dfe_lib.space import ICT53, group_by_region


def test_metric_is_symmetric_positive_and_in_mm2():
    assert ICT53.metric.shape == (53, 53)
    np.testing.assert_allclose(ICT53.metric, ICT53.metric.T)
    assert np.linalg.eigvalsh(ICT53.metric).min() > 0


def test_whitener_carries_the_norm():
    psi = np.random.default_rng(0).normal(size=(7, 53))
    np.testing.assert_allclose(np.einsum("ni,ij,nj->n", psi, ICT53.metric, psi), ICT53.norm(psi) ** 2)


def test_regions_partition_the_coefficients():
    members = sorted(i for group in ICT53.regions.values() for i in group)
    assert members == list(range(53))
    with pytest.raises(InputError, match="tail"):
        group_by_region(("jawOpen", "tailWag"))


def test_mirror_is_an_involution_and_swaps_sides():
    smile = ICT53.vector(mouthSmile_L=1.0)
    assert ICT53.mirror(smile)[ICT53.names.index("mouthSmile_R")] == 1
    np.testing.assert_array_equal(ICT53.mirror(ICT53.mirror(smile)), smile)
    assert ICT53.norm(smile) == pytest.approx(ICT53.norm(ICT53.mirror(smile)), rel=0.02)


def test_norm_is_the_rms_displacement_of_the_dense_mesh(mirror):
    mirror("ict-facekit", "vertex_indices.json")
    psi = np.random.default_rng(1).random((3, 53), dtype=np.float32)
    moved = ICT53.to_mesh(psi, mesh="ict") - ICT53.to_mesh(np.zeros(53), mesh="ict")
    assert moved.shape == (3, 9409, 3)
    np.testing.assert_allclose(np.sqrt((moved**2).sum(2).mean(1)), ICT53.norm(psi), rtol=1e-4)


def test_a_smile_on_the_subjects_left_moves_the_left_mouth_corner():
    face = load_morphable("face478")
    moved = np.linalg.norm(face.vertices(ICT53.vector(mouthSmile_L=1.0)) - face.neutral, axis=1)
    corner_left, corner_right = 291, 61  # MediaPipe's mouth corners, by the subject's own sides
    assert face.neutral[corner_left, 0] > 0 > face.neutral[corner_right, 0]
    assert moved[corner_left] > 2 * moved[corner_right]


@pytest.mark.parametrize("shape", [(4, 52), (53, 2), (2, 2, 53)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(InputError, match="53"):
        ICT53.check(np.zeros(shape))


def test_not_finite_is_refused_with_a_count():
    psi = np.zeros((4, 53))
    psi[1, 0] = np.nan
    with pytest.raises(InputError, match="1 of 4"):
        ICT53.check(psi)


def test_unknown_mesh_and_coefficient_are_named():
    with pytest.raises(InputError, match="face478"):
        ICT53.to_mesh(np.zeros(53), mesh="face479")
    with pytest.raises(InputError, match="jawShut"):
        ICT53.vector(jawShut=1)


def test_no_triangle_of_face478_joins_the_lips_or_the_lids():
    """An open mouth is a hole: a triangle with corners on both inner lips would close it."""
    triangles = load_morphable("face478").triangles
    upper, lower = {191, 80, 81, 82, 13, 312, 311, 310, 415}, {324, 318, 402, 317, 14, 87, 178, 88, 95}
    for corners in triangles.tolist():
        assert not (upper & set(corners) and lower & set(corners))
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert np.unique(edges, axis=0, return_counts=True)[1].max() == 2  # no edge belongs to three triangles
