"""FACS: the table of units, both bases, intensities as coders write them, and SciPy as oracle."""

import numpy as np
import pytest
import yaml
from scipy.optimize import lsq_linear, nnls

from dfe_lib.analysis.fidelity import rms_error
from dfe_lib.codings import FACS, bounded
from dfe_lib.codings.action_units import TABLE, action_units, au_basis
from dfe_lib.codings.bounded import bounded_least_squares
from dfe_lib.codings.published import published_basis
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

PSI = sample_displays(120, np.random.default_rng(1))
TARGETS = PSI @ ICT53.whitener


@pytest.mark.parametrize(
    ("aus", "sided"), [("openface", False), ("openface", True), ("pyfeat", False), ("full", True)]
)
def test_batched_non_negative_least_squares_equal_scipys(aus, sided):
    atoms = au_basis(aus, sided)[1] @ ICT53.whitener
    ours = bounded_least_squares(TARGETS, atoms)
    theirs = np.stack([nnls(atoms.T, t)[0] for t in TARGETS])
    assert ours.min() >= 0
    np.testing.assert_allclose(ours @ atoms, theirs @ atoms, atol=1e-6)  # mm, of some 3 mm
    if aus == "openface":  # in the other sets some units are mixtures of others, and intensities not unique
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_least_squares_between_bounds_equal_scipys():
    atoms = au_basis()[1] @ ICT53.whitener
    high = np.full(len(atoms), 0.5)
    ours = bounded_least_squares(TARGETS[:40], atoms, high)
    theirs = np.stack([lsq_linear(atoms.T, t, (0, high), method="bvls").x for t in TARGETS[:40]])
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert (ours == 0.5).any() and (ours == 0).any()


def test_least_squares_of_random_problems_of_every_size_and_rank(rng):
    for k, m, n in ((1, 3, 5), (12, 4, 50), (30, 40, 50), (70, 50, 20)):
        atoms, targets = rng.normal(size=(k, m)), rng.normal(size=(n, m))
        atoms[k // 2] = 0 if k > 1 else atoms[0]
        ours = bounded_least_squares(targets, atoms)
        theirs = np.stack([nnls(atoms.T, t)[0] for t in targets])
        np.testing.assert_allclose(ours @ atoms, theirs @ atoms, atol=1e-6)
    assert bounded_least_squares(targets[:0], atoms).shape == (0, 70)
    assert (bounded_least_squares(np.zeros((3, 50)), atoms) == 0).all()


def test_the_metric_makes_coding_in_psi_the_same_as_coding_vertices():
    """Least squares on the mesh are least squares in G: so 53 numbers a frame do the work of 28,227."""
    atoms, model = (
        au_basis()[1],
        ICT53.to_mesh(np.eye(53), "face478") - ICT53.to_mesh(np.zeros(53), "face478"),
    )
    shapes = model.reshape(53, -1).astype(np.float64)
    whitener = np.linalg.cholesky(shapes @ shapes.T)
    ours = bounded_least_squares(PSI[:20] @ whitener, atoms @ whitener)
    theirs = np.stack([nnls((atoms @ shapes).T, d)[0] for d in PSI[:20] @ shapes])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_facs_reads_back_what_a_coder_would_write():
    coding = FACS()
    _, basis = au_basis()
    written = np.zeros((3, 17), dtype=np.int16)
    written[0, coding.names.index("AU12")] = 4
    written[1, [coding.names.index("AU01"), coding.names.index("AU26")]] = 2, 5
    np.testing.assert_array_equal(coding.encode(written / 5 @ basis), written)
    assert coding.bits_per_frame == pytest.approx(17 * np.log2(6))


def test_only_sided_facs_sees_a_one_sided_smile():
    smirk = ICT53.vector(mouthSmile_L=0.8)[None]
    plain, sided = FACS(), FACS(sided=True)
    assert rms_error(smirk, sided.decode(sided.encode(smirk))) < 0.05
    assert rms_error(smirk, plain.decode(plain.encode(smirk))) > 0.5
    assert dict(zip(sided.names, sided.encode(smirk)[0], strict=True))["AU12_L"] == 4


def test_au_table_names_only_known_coefficients():
    sets = action_units().sets
    for aus, size, units in (("openface", 17, 17), ("pyfeat", 20, 20), ("full", 31, 32)):
        names, basis = au_basis(aus)
        assert len(sets[aus]) == size and len(names) == units
        assert (np.abs(basis).sum(axis=1) > 0).all()
    with pytest.raises(InputError, match="openface, pyfeat, full"):
        au_basis("openfase")


def test_intensities_and_codes_of_a_detector():
    coding = FACS()
    reported = np.zeros((3, 17))
    reported[0, coding.names.index("AU12")] = 2.6
    reported[1] = np.nan
    np.testing.assert_allclose(
        coding.deform(reported)[0], 2.6 / 5 * au_basis()[1][coding.names.index("AU12")], atol=1e-6
    )
    assert np.isnan(coding.deform(reported)[1]).all()
    codes = coding.codes_of(reported)
    assert codes[0, coding.names.index("AU12")] == 3 and (codes[1] == -1).all() and (codes[2] == 0).all()
    np.testing.assert_allclose(coding.intensities(coding.deform(reported)[::2]), reported[::2], atol=1e-4)
    with pytest.raises(InputError, match="one budget, 43.9 bits"):
        coding.with_budget(PSI, 24)
    with pytest.raises(InputError, match="17 units, but 3"):
        coding.deform(reported[:, :3])
    with pytest.raises(InputError, match="0–5"):
        coding.codes_of(reported - 1)


@pytest.mark.parametrize(
    ("aus", "sided", "units"),
    [
        ("openface", False, 17),
        ("libreface", False, 12),
        ("openface", True, 30),
        ("pyfeat", False, 20),
        ("pyfeat", True, 34),
        ("full", False, 32),
        ("full", True, 48),
    ],
)
def test_sizes_with_and_without_sides_and_their_bits(aus, sided, units):
    coding = FACS(aus, sided)
    assert len(coding.names) == len(set(coding.names)) == units
    assert coding.bits_per_frame == pytest.approx(units * np.log2(6))
    assert f"{coding.bits_per_frame:.1f}" in FACS.__doc__


def test_left_and_right_are_mirror_images():
    for aus in ("openface", "pyfeat", "full"):
        names, basis = au_basis(aus, sided=True)
        for name, row in zip(names, basis, strict=True):
            if name.endswith("_L"):
                np.testing.assert_array_equal(ICT53.mirror(row), basis[names.index(name[:-1] + "R")])
    whole, halves = au_basis("openface")[1], au_basis("openface", sided=True)
    both = {
        n: halves[1][halves[0].index(f"{n}_L")] + halves[1][halves[0].index(f"{n}_R")]
        for n in ("AU01", "AU12")
    }
    for name, row in both.items():
        np.testing.assert_array_equal(row, whole[au_basis("openface")[0].index(name)])


def test_every_unit_of_the_table_says_what_it_must():
    table = action_units()
    for unit in table.units.values():
        assert unit.name and unit.muscles and unit.sources[0] == "facs" and unit.moves
        assert ("ours" in unit.sources) != ("arkit" in unit.sources)
    assert not set(table.missing) & set(table.units)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t["units"][0]["moves"].update(browInerUp=1.0), "no such coefficient.*did you mean"),
        (lambda t: t["units"][0]["moves"].update(browInnerUp=-1.0), "above 0 and at most 1"),
        (lambda t: t["units"][0].update(laterality="both"), "no such laterality"),
        (lambda t: t["units"][0].update(region="forehead"), "no such region"),
        (lambda t: t["units"][0].update(sources=["mine"]), "no such source"),
        (lambda t: t["units"][0].update(moves={"jawOpen": 1.0}), "a left and a right"),
        (lambda t: t["units"][0].update(moves={}), "moves nothing"),
        (lambda t: t["units"][0].update(colour="red"), "needs exactly"),
        (lambda t: t["units"][0].update(number=2), "AU02 twice"),
        (lambda t: t["sets"]["openface"].append(99), "unit 99"),
        (lambda t: t.pop("sets"), "exactly the keys"),
    ],
)
def test_a_faulty_table_is_refused_with_unit_and_reason(change, says, tmp_path):
    table = yaml.safe_load(TABLE.read_text())
    change(table)
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(table))
    with pytest.raises(InputError, match=says):
        action_units(path)


def test_a_table_cannot_run_code(tmp_path):
    path = tmp_path / "table.yaml"
    path.write_text("units: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match="cannot be read"):
        action_units(path)


def test_the_published_basis_moves_what_its_units_are_called_after(mirror):
    mirror("pyfeat-au-mesh", "au_to_mesh_pls_v4.npz")
    published = published_basis()
    assert list(published.basis) == au_basis("pyfeat")[0]
    for name, expected in (
        ("AU01", "browInnerUp_L"),
        ("AU04", "browDown_R"),
        ("AU12", "mouthSmile_L"),
        ("AU43", "eyeBlink_R"),
    ):
        psi = published.basis[name]
        assert psi[ICT53.names.index(expected)] > 0.35 and psi.min() >= 0
        np.testing.assert_allclose(psi, ICT53.mirror(psi), atol=1e-6)
    assert 0.4 < min(published.explained.values()) and max(published.explained.values()) < 1
    coding = FACS("pyfeat", table="pyfeat-au-mesh")
    psi_hat = coding.decode(coding.encode(PSI))
    assert rms_error(PSI, psi_hat) < rms_error(PSI, np.zeros_like(PSI))
    with pytest.raises(InputError, match="lacks AU45"):
        FACS("openface", table="pyfeat-au-mesh")
    with pytest.raises(InputError, match="no sides"):
        FACS("pyfeat", sided=True, table="pyfeat-au-mesh")
    with pytest.raises(InputError, match="own, pyfeat-au-mesh"):
        FACS(table="mine")


def test_a_frame_whose_exchanges_do_not_end_is_solved_the_slow_way(monkeypatch):
    atoms, few = au_basis()[1] @ ICT53.whitener, TARGETS[:3]
    expected = bounded_least_squares(few, atoms, 1.0)
    monkeypatch.setattr(bounded, "_pivot", lambda p, gram, high: (np.zeros_like(p), np.arange(len(p))))
    np.testing.assert_allclose(bounded_least_squares(few, atoms, 1.0), expected, atol=1e-6)
