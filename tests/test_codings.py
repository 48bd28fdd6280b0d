"""Codings: their shared contract, oracles from SciPy and scikit-learn, and what bad input gets."""

import numpy as np
import pytest
from sklearn import decomposition

from dfe_lib import frames
from dfe_lib.analysis.fidelity import rms_error, variance_explained
from dfe_lib.codings import DFECS, FACS, PCA, Blendshapes, Coding, FacialBasis, FaissRQ, KMeans
from dfe_lib.codings.action_units import au_basis
from dfe_lib.codings.base import psi_for
from dfe_lib.codings.dictionary import coordinate_descent, learn_dictionary
from dfe_lib.codings.grid import Grid
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import AssetError, InputError
from dfe_lib.space import ICT53, ExpressionSpace

TRAIN = sample_displays(800, np.random.default_rng(0))
TEST = sample_displays(200, np.random.default_rng(1))


@pytest.fixture(scope="module")
def fitted():
    made = [FACS(), FACS("full", sided=True), PCA(), KMeans(64), DFECS(units=8, variance=0.8), FacialBasis()]
    made += [Blendshapes(), FaissRQ(bits=24, codes=64)]
    return {coding.name: coding.fit(TRAIN) for coding in made}


NAMES = [
    "FACS openface",
    "FACS full sided",
    "PCA",
    "k-means",
    "DFECS, 8 units",
    "Facial Basis",
    "blendshapes",
    "FAISS RQ",
]


@pytest.mark.parametrize("name", NAMES)
def test_contract(fitted, name, tmp_path):
    coding = fitted[name]
    assert isinstance(coding, Coding)
    codes = coding.encode(TEST)
    psi_hat = coding.decode(codes)
    assert codes.dtype == np.int16 and codes.min() >= 0
    assert psi_hat.dtype == np.float32 and psi_hat.shape == TEST.shape
    assert coding.templates.dtype == np.float32 and coding.templates.shape[1] == ICT53.dimension
    assert variance_explained(TEST, psi_hat) > 0.5
    loaded = type(coding).load(coding.save(tmp_path / "coding"))
    assert loaded.bits_per_frame == coding.bits_per_frame
    np.testing.assert_array_equal(loaded.encode(TEST), codes)
    np.testing.assert_array_equal(loaded.decode(codes), psi_hat)


@pytest.mark.parametrize("name", NAMES)
def test_undetected_frames_decode_to_nan_and_leave_their_neighbours_alone(fitted, name):
    codes = fitted[name].encode(TEST[:3])
    alone = fitted[name].decode(codes)
    codes[1] = -1
    psi_hat = fitted[name].decode(codes)
    assert np.isnan(psi_hat[1]).all()
    np.testing.assert_array_equal(psi_hat[[0, 2]], alone[[0, 2]])


@pytest.mark.parametrize("name", NAMES)
def test_bad_frames_and_codes_are_refused(fitted, name):
    coding = fitted[name]
    broken = TEST[:2].copy()
    broken[0, 0] = np.nan
    with pytest.raises(InputError, match="1 of 2 rows"):
        coding.encode(broken)
    with pytest.raises(InputError, match="53"):
        coding.encode(TEST[:, :50])
    assert len(coding.encode(TEST[:0])) == 0
    codes = coding.encode(TEST[:1]).astype(int)
    with pytest.raises(InputError):
        coding.decode(codes + 5000)
    with pytest.raises(InputError):
        coding.decode(np.concatenate([codes, codes], axis=1))


@pytest.mark.parametrize(
    "make", [PCA, lambda: KMeans(2), DFECS, FacialBasis, Blendshapes, lambda: FaissRQ(2, codes=2)]
)
def test_nothing_is_learnt_from_bad_training_frames(make):
    with pytest.raises(InputError, match="same expression"):
        make().fit(np.tile(TRAIN[:1], (300, 1)))
    with pytest.raises(InputError, match="at least"):
        make().fit(TRAIN[:1])
    with pytest.raises(InputError, match="NaN"):
        make().fit(np.full_like(TRAIN, np.nan))
    with pytest.raises(InputError, match="not fitted"):
        make().encode(TEST)


@pytest.mark.parametrize("make", [PCA, FacialBasis])
def test_budgets_are_kept_and_more_bits_do_not_hurt(make):
    small, large = make(bits=16).fit(TRAIN[:400]), make(bits=60).fit(TRAIN[:400])
    assert small.bits_per_frame <= 16 and large.bits_per_frame <= 60
    assert rms_error(TEST, large.decode(large.encode(TEST))) < rms_error(
        TEST, small.decode(small.encode(TEST))
    )


@pytest.mark.parametrize("make", [PCA, DFECS, FacialBasis, Blendshapes])
def test_a_budget_below_one_unit_is_refused(make):
    with pytest.raises(InputError, match="too few"):
        make(bits=0.5)


def test_another_space_or_coding_is_refused_by_name(fitted, tmp_path):
    path = fitted["PCA"].save(tmp_path / "pca")
    other = ExpressionSpace("flame50", tuple(f"e{i}" for i in range(53)), np.eye(53))
    with pytest.raises(InputError, match="'ict53'.*'flame50'"):
        PCA.load(path, space=other)
    with pytest.raises(InputError, match="PCA coding, but KMeans"):
        KMeans.load(path)
    for make in (FACS, Blendshapes):
        with pytest.raises(InputError, match="flame50"):
            make(space=other)


def test_coordinate_descent_on_a_grid_stays_there_and_cannot_be_improved_by_one_step():
    atoms = au_basis()[1] @ ICT53.whitener
    targets = TEST[:20] @ ICT53.whitener
    step = np.full(len(atoms), 0.2)
    x = coordinate_descent(targets, atoms, 0.0, 1.0, step=step)
    np.testing.assert_allclose(x / 0.2, np.rint(x / 0.2), atol=1e-9)
    error = ((targets - x @ atoms) ** 2).sum(axis=1)
    for j in range(len(atoms)):
        for move in (-0.2, 0.2):
            moved = x.copy()
            moved[:, j] = np.clip(moved[:, j] + move, 0, 1)
            assert (((targets - moved @ atoms) ** 2).sum(axis=1) >= error - 1e-9).all()


def test_dictionary_finds_planted_atoms():
    rng = np.random.default_rng(0)
    planted = rng.normal(size=(6, 12))
    planted /= np.linalg.norm(planted, axis=1, keepdims=True)
    codes = rng.exponential(1, (1500, 6)) * (rng.random((1500, 6)) < 0.25)
    _, found = learn_dictionary(codes @ planted, 6, alpha=0.02, positive=True, seed=0, rounds=100)
    assert (found @ planted.T).max(axis=0).min() > 0.95


def test_pca_equals_scikit_learn(fitted):
    model = decomposition.PCA(svd_solver="full").fit(TRAIN.astype(np.float64) @ ICT53.whitener)
    pca = fitted["PCA"]
    k = len(pca.templates)
    inside = pca.coefficients(TEST)
    expected = np.clip(model.transform(TEST @ ICT53.whitener)[:, :k], pca.grid.low, pca.grid.high)
    np.testing.assert_allclose(inside, expected, atol=1e-4)


def test_facial_basis_units_stay_in_their_part(fitted):
    for template in fitted["Facial Basis"].templates:
        moved = {n for n, v in zip(ICT53.names, template, strict=True) if abs(v) > 1e-6}
        parts = {"brow" if n.startswith("brow") else "eye" if n.startswith("eye") else "rest" for n in moved}
        assert len(parts) == 1


def test_grid_ends_and_nearest_level():
    grid = Grid(np.array([-1.0]), np.array([1.0]), np.array([5]))
    np.testing.assert_array_equal(
        grid.quantise(np.array([[-9.0], [0.2], [0.3], [9.0]])).ravel(), [0, 2, 3, 4]
    )
    assert grid.bits == pytest.approx(np.log2(5))


def test_blendshapes_are_arkits():
    coding = Blendshapes(bits=None).fit(TRAIN)
    assert len(coding.names) == len(set(coding.names)) == 51
    both = coding.templates[coding.names.index("cheekPuff")]
    np.testing.assert_array_equal(both, ICT53.vector(cheekPuff_L=1.0, cheekPuff_R=1.0))
    even = ICT53.vector(jawOpen=0.5, browInnerUp_L=0.3, browInnerUp_R=0.3)[None]
    np.testing.assert_allclose(coding.decode(coding.encode(even)), even, atol=5e-3)
    assert set(Blendshapes(bits=16).fit(TRAIN).names) < set(coding.names)


def test_mediapipes_blendshapes_become_psi(mirror):
    from dfe_lib.codings.linear import mediapipe_psi
    from dfe_lib.face import video

    mirror("mediapipe-face-landmarker", "face_landmarker.task")
    picture = next(iter(video.frames(mirror("pyfeat-media", "single_face.jpg")))).rgb
    psi = mediapipe_psi([picture, np.zeros_like(picture)])
    assert psi.shape == (2, 53) and np.isnan(psi[1]).all()
    assert 0 <= psi[0].min() and 0.1 < psi[0].max() <= 1


def test_faiss_reproduces_what_its_own_quantiser_does():
    faiss = pytest.importorskip("faiss")
    coding = FaissRQ(bits=24, codes=64).fit(TRAIN)
    white = (TEST @ ICT53.whitener).astype(np.float32)
    index = faiss.ResidualQuantizer(53, 4, 6)
    index.train((TRAIN.astype(np.float64) @ ICT53.whitener).astype(np.float32))
    theirs = index.decode(index.compute_codes(white)) - white
    ours = rms_error(TEST, coding.decode(coding.encode(TEST)))
    assert ours == pytest.approx(np.linalg.norm(theirs, axis=1).mean(), rel=1e-4)
    assert coding.templates.shape == (256, 53) and coding.bits_per_frame == 24
    with pytest.raises(InputError, match="whole number of stages"):
        FaissRQ(bits=30, codes=256)
    with pytest.raises(InputError, match="power of two"):
        FaissRQ(codes=100)


def test_without_faiss_one_error_says_what_to_do(monkeypatch, fitted):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(AssetError, match="install faiss-cpu"):
        FaissRQ().fit(TRAIN)
    coding = fitted["FAISS RQ"]
    with pytest.raises(AssetError, match="install faiss-cpu"):
        coding.encode(TEST)
    assert coding.decode(np.zeros((1, 4), np.int16)).shape == (1, 53)  # needs no FAISS


def test_two_codings_with_the_same_code_give_the_same_numbers(fitted, tmp_path):
    for name, coding in fitted.items():
        twin = type(coding).load(coding.save(tmp_path / name))
        assert rms_error(TEST, twin.decode(coding.encode(TEST))) == rms_error(
            TEST, coding.decode(twin.encode(TEST))
        )


@pytest.mark.parametrize("name", NAMES)
def test_bits_per_frame_are_what_the_codes_can_take(fitted, name):
    """No code of the test frames needs more values than its share of the stated bits allows."""
    coding = fitted[name]
    codes = coding.encode(TEST).astype(int)
    if hasattr(coding, "grid"):
        levels = coding.grid.levels
    else:
        levels = np.full(codes.shape[1], coding.codes)
    assert (codes < levels).all()
    assert coding.bits_per_frame == pytest.approx(np.log2(levels.astype(float)).sum())


def test_frames_of_another_space_are_refused_by_name(fitted):
    table = frames.with_psi(frames.frame_table("a", np.arange(3) / 10, [True] * 3), TEST[:3], ICT53.names)
    np.testing.assert_array_equal(psi_for(fitted["PCA"], table), TEST[:3])
    other = ExpressionSpace("flame53", ICT53.names, np.eye(53))
    table.attrs = other.attrs()
    for coding in fitted.values():
        with pytest.raises(InputError, match=f"'flame53'.*{coding.name}.*'ict53'"):
            psi_for(coding, table)


@pytest.mark.parametrize("name", ["PCA", "DFECS, 8 units", "Facial Basis", "blendshapes", "FAISS RQ"])
def test_a_smaller_budget_takes_the_same_units_and_leaves_the_first_coding_alone(fitted, name):
    coding = fitted[name]
    before = coding.encode(TEST)
    smaller = coding.with_budget(TRAIN, 12)
    assert smaller.bits_per_frame <= 12 and smaller.name == name
    units = {unit.tobytes() for unit in coding.templates}
    assert {unit.tobytes() for unit in smaller.templates} <= units
    np.testing.assert_array_equal(coding.encode(TEST), before)
    with pytest.raises(InputError, match="bits"):
        coding.with_budget(TRAIN, 0.5)
