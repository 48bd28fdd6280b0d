"""Codings side by side: the same frames, honest units, and verdicts that are computed."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.analysis import beyond, comparison, panel, sources, statistics, surface, units
from dfe_lib.codings import FACS, PCA
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

PSI = sample_displays(240, np.random.default_rng(0))
PEOPLE = np.repeat([f"p{i}" for i in range(12)], 20)


def source(psi=PSI, unit=PEOPLE, name="people", group=None):
    group = np.full(len(psi), "all") if group is None else group
    return sources.HeldOut(name, "simulated", "random displays", psi, unit, "subject", group)


def named(coding, name):
    coding.name = name
    return coding


@pytest.fixture(scope="module")
def board():
    train = sample_displays(400, np.random.default_rng(1))
    codings = [
        named(PCA(bits=48), "DFE"),
        named(PCA(bits=48), "PCA"),
        named(PCA(bits=16), "PCA (16)"),
        FACS(),
    ]
    return panel.reconstruct([c.fit(train) for c in codings], [source()])


def test_two_codings_with_the_same_code_give_the_same_numbers(board):
    table = (
        comparison.error_table(board).set_index("coding").drop(columns=["low", "high", "ve_low", "ve_high"])
    )
    assert table.loc["DFE"].equals(table.loc["PCA"])
    gains = comparison.against(board, comparison.error_terms(board), statistics.ratio, lower_is_better=True)
    same = gains.set_index("other").loc["PCA"]
    assert same["gain"] == same["low"] == same["high"] == 0 and same["p"] == 1
    assert same["outcome"] == "no difference shown"


def test_gains_have_the_sign_of_the_better_coding(board):
    gains = comparison.against(board, comparison.error_terms(board), statistics.ratio, True).set_index(
        "other"
    )
    worse = gains.loc["PCA (16)"]
    assert 0 < worse["low"] < worse["gain"] < worse["high"] and worse["outcome"] == "ahead"
    errors = comparison.error_table(board).set_index("coding")["rms_mm"]
    assert worse["gain"] == pytest.approx(errors["PCA (16)"] - errors["DFE"])
    covered = comparison.against(board, comparison.within_terms(board, 0.5), statistics.ratio, False)
    assert covered.set_index("other").loc["PCA (16)", "gain"] > 0
    assert (gains["p_holm"] >= gains["p"]).all()


def test_five_people_say_nothing():
    few = statistics.Difference(1.0, 0.5, 1.5, 0.06, 5)
    assert comparison.outcome(few) == "too few units to say"
    assert comparison.outcome(statistics.Difference(-1.0, -1.5, -0.5, 0.01, 6)) == "behind"


def test_sentence_says_plainly_where_it_does_not_win():
    rows = pd.DataFrame(
        [
            {"data": "a", "other": "PCA", "gain": 0.1, "low": 0.05, "high": 0.2, "outcome": "ahead"},
            {"data": "a", "other": "RQ", "gain": -0.1, "low": -0.2, "high": -0.05, "outcome": "behind"},
            {
                "data": "b",
                "other": "RQ",
                "gain": 0.1,
                "low": -0.2,
                "high": 0.5,
                "outcome": "no difference shown",
            },
        ]
    )
    text = comparison.sentence(rows, "Error")
    assert "ahead in 1 of 3" in text and "**behind** against RQ on a (-0.1 mm" in text
    assert "No difference is shown** from RQ on b" in text


def test_interval_resamples_people_and_not_frames():
    """Frames of a person are alike: the interval is as wide as with one frame each."""
    rng = np.random.default_rng(0)
    person = rng.normal(size=20)
    one = statistics.mean_interval(person, np.arange(20), np.random.default_rng(1))
    many = statistics.mean_interval(
        np.repeat(person, 50), np.repeat(np.arange(20), 50), np.random.default_rng(1)
    )
    assert (one.low, one.high) == pytest.approx((many.low, many.high))
    alone = statistics.mean_interval(person, np.zeros(20), np.random.default_rng(1))
    assert np.isnan(alone.low) and alone.value == pytest.approx(person.mean())


def test_intervals_of_many_columns_agree_with_one():
    values = np.random.default_rng(0).normal(size=(60, 3))
    unit = np.repeat(np.arange(20), 3)
    mean, low, high = statistics.mean_intervals(values, unit, np.random.default_rng(5))
    single = statistics.mean_interval(values[:, 0], unit, np.random.default_rng(5))
    assert (mean[0], low[0], high[0]) == pytest.approx((single.value, single.low, single.high))


def test_paired_interval_covers_the_true_difference():
    hits = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        level = rng.normal(0, 5, 30)
        terms = [np.stack([np.ones(30), level + shift + rng.normal(0, 1, 30)], 1) for shift in (0.5, 0.0)]
        found = statistics.paired_difference(*terms, np.arange(30), statistics.ratio, rng, replicates=400)
        hits += found.low <= 0.5 <= found.high
    assert 0.88 < hits / 200 <= 0.99


def test_budgets_and_prefixes():
    from dfe_lib.tokens import Tokenizer

    train = sample_displays(300, np.random.default_rng(2))
    tok = Tokenizer.from_parts(train[:64], np.array([1, 0.7, 0.5, 0.3]))
    fitted = [tok, PCA(bits=48).fit(train), FACS()]
    cut = panel.at_budget(fitted, train, 14)
    assert cut[0].bits_per_frame == 2 * np.log2(tok.codes_per_stage)
    assert cut[1].bits_per_frame <= 14 < fitted[1].bits_per_frame and cut[2] is fitted[2]
    np.testing.assert_array_equal(cut[0].encode(PSI[:5]), tok.encode(PSI[:5], stages=2))
    boards = [panel.reconstruct(codings, [source(PSI[:60], PEOPLE[:60])]) for codings in (fitted, cut, cut)]
    table = comparison.rate_distortion(boards)
    assert len(table) == 5, "FACS once, the others at two budgets, nothing twice"
    with pytest.raises(InputError, match="one token"):
        panel.at_budget(fitted, train, 3)


def test_what_is_learnt_is_kept_and_read_again(tmp_path):
    learnt = panel._fit_once(PCA(bits=24), PSI, tmp_path / "PCA")
    kept = panel._fit_once(PCA(bits=24), 0 * PSI, tmp_path / "PCA")  # these frames teach nothing: it is read
    np.testing.assert_array_equal(learnt.encode(PSI), kept.encode(PSI))
    assert kept.with_budget(PSI, 12).bits_per_frame <= 12


def test_names_in_a_panel_differ():
    with pytest.raises(InputError, match="must differ"):
        panel.reconstruct([FACS(), FACS()], [source()])


# beyond FACS


def test_span_and_cone_by_hand():
    e = np.eye(53) @ np.linalg.inv(ICT53.whitener)  # orthonormal in G
    psi = np.stack([3 * e[0] + 4 * e[5], -e[0] + 0 * e[5]])
    units_ = np.stack([e[0], 2 * e[0], e[1]])
    span = beyond.beyond(psi, units_, "span")
    np.testing.assert_allclose(span.outside, [16, 0], atol=1e-3)
    assert span.share == pytest.approx(16 / 26, abs=1e-4)
    cone = beyond.beyond(psi, units_, "cone")
    np.testing.assert_allclose(cone.outside, [16, 1], atol=1e-3)  # −e₀ takes a negative intensity
    half = beyond.beyond(np.stack([2 * e[5], -e[0]]), units_, "cone")
    assert beyond.reproduced(cone, half) == pytest.approx(1 - 4 / 17, abs=1e-3)
    terms = beyond.reproduced_terms(cone, half).sum(axis=0)
    assert statistics.explained(terms) == pytest.approx(beyond.reproduced(cone, half))
    assert np.isnan(beyond.reproduced(beyond.beyond(np.stack([e[0]]), units_), half))
    with pytest.raises(InputError, match="span"):
        beyond.beyond(psi, units_, "hull")


def test_facs_brings_nothing_back_from_beyond_itself(board):
    table = comparison.outside_table(board, FACS().templates, "cone").set_index("coding")
    assert abs(table.loc["FACS openface", "of_that_reproduced"]) < 1e-3
    assert table.loc["DFE", "of_that_reproduced"] > 0.5
    assert table["outside_facs"].nunique() == 1


def test_worst_shows_each_kind_once():
    directions = np.array([[1.0, 0], [1, 0.1], [0, 1], [0, 0.1]])
    assert beyond.worst_distinct(np.array([3.0, 2.9, 1.0, 0.1]), directions, 4).tolist() == [0, 2]


# regions, groups, units


def test_regions_cover_the_face_and_the_right_places():
    moved = surface.region_norms(np.stack([ICT53.vector(browInnerUp_L=1), ICT53.vector(mouthPucker=1)]))
    assert list(moved) == ["brows", "eyes", "nose", "cheeks", "mouth", "jaw"]
    assert moved["brows"][0] > 5 * moved["mouth"][0] and moved["mouth"][1] > 5 * moved["brows"][1]
    assert surface.template_regions(ICT53.vector(eyeBlink_L=1)[None]) == ["eyes"]
    regions = surface.vertex_regions()
    assert set(range(6)) <= set(np.unique(regions))


def test_area_is_smaller_for_what_is_local():
    blink, jaw = ICT53.vector(eyeBlink_L=1), ICT53.vector(jawOpen=1)
    area = surface.moved_area(np.stack([blink, 3 * blink, jaw, 0 * jaw]))
    assert area[0] == pytest.approx(area[1]) and np.isnan(area[3])
    assert 0 < area[0] < 0.7 and 0 < area[2] < 0.7


def test_region_and_group_tables(board):
    table = comparison.region_table(board)
    assert len(table) == 6 * 4 and (table["low"] <= table["rms_mm"]).all()
    halves = np.where(np.arange(len(PSI)) < 120, "a", "b")
    grouped = panel.reconstruct(board.codings[:1], [source(group=halves)])
    rows = comparison.group_table(grouped, 0.5)
    within = grouped.errors(grouped.sources[0], "DFE") <= 0.5
    assert rows["share"].tolist() == pytest.approx([within[:120].mean(), within[120:].mean()])
    assert rows["n_units"].tolist() == [6, 6]
    assert comparison.group_table(board, 0.5).empty, "one group is no comparison"


def test_asymmetry_of_one_side_and_of_both():
    both, one = ICT53.vector(mouthSmile_L=1, mouthSmile_R=1), ICT53.vector(mouthSmile_L=1)
    value = comparison.asymmetry(np.stack([both, one]))
    assert value[0] == pytest.approx(0, abs=1e-6) and value[1] > 0.5


def test_resemblance_finds_the_action_unit_and_its_opposite():
    from dfe_lib.codings.action_units import au_basis

    names, basis = au_basis("full", True)
    at = names.index("AU12_L")
    chance = units.chance_cosine(basis, np.random.default_rng(0))
    assert 0.2 < chance < 0.7
    table = units.resemblance(np.stack([basis[at], -2 * basis[at]]), names, basis, chance)
    assert table["au"].tolist() == ["AU12_L"] * 2 and table["cosine"].round(4).tolist() == [1, -1]
    assert units.resemblance(basis[:1], names, basis, 1.01)["resembles"].tolist() == ["none"]
    whole = units.unit_table(
        panel.reconstruct([FACS("full", sided=True)], [source()]), source(), basis, chance
    )
    assert whole["au_like"].item() == whole["aus_found"].item() == 1
    assert 0 < whole["active"].item() <= len(basis)


# sources


def frame_table(tmp_path, psi, name="mine", people=3, **attrs):
    table = pd.concat(
        [
            frames.frame_table(f"r{i}", np.arange(len(psi)) / 10, np.isfinite(psi).all(axis=1), attrs=attrs)
            for i in range(people)
        ],
        ignore_index=True,
    )
    table.attrs = attrs
    names = ICT53.names if not attrs else attrs["space_names"]
    return frames.write(
        frames.with_psi(table, np.tile(psi, (people, 1)), names), tmp_path / f"{name}.parquet"
    )


def test_your_own_frames(tmp_path):
    psi = PSI[:30].copy()
    psi[3:7] = np.nan
    found = sources.read_frames(frame_table(tmp_path, psi))
    assert found.psi.shape == (3 * 26, 53) and np.isfinite(found.psi).all()
    assert (found.unit_name, found.units) == ("recording", 3) and found.name == "mine"
    people = tmp_path / "people.csv"
    people.write_text("recording,subject,dataset,age\nr0,a,d,young\nr1,a,d,young\nr2,b,d,old\n")
    grouped = sources.read_frames(tmp_path, people, "age")
    assert (grouped.unit_name, grouped.units) == ("subject", 2) and set(grouped.group) == {"young", "old"}
    single = sources.read_frames(frame_table(tmp_path, PSI[:50], "one", people=1))
    assert (single.unit_name, single.units) == ("two-second block", 3)
    first = sources.held_out(2, 20, 0, tmp_path / "mine.parquet")[0]
    assert first.name == "mine" and len(first.psi) <= 20 and first.units == 3


def test_your_own_frames_are_refused_with_a_reason(tmp_path):
    with pytest.raises(InputError, match="not there"):
        sources.read_frames(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="no face in any"):
        sources.read_frames(frame_table(tmp_path, np.full((4, 53), np.nan, np.float32), "empty"))
    mine = frame_table(tmp_path, PSI[:5])
    people = tmp_path / "people.csv"
    people.write_text("recording,subject,dataset\nr0,a,d\n")
    with pytest.raises(InputError, match="does not name recording 'r1'"):
        sources.read_frames(mine, people)
    with pytest.raises(InputError, match="recordings_path"):
        sources.read_frames(mine, group="age")
    other = {"space": "flame50", "space_names": [f"e{i}" for i in range(50)], "space_unit": "coefficient"}
    other |= {"space_regions": {"all": list(range(50))}, "space_metric": 1.0}
    flame = frame_table(tmp_path, np.zeros((4, 50), np.float32), "flame", **other)
    with pytest.raises(InputError, match="space 'flame50'.*another expression space"):
        sources.read_frames(flame)
    twice = frames.read(mine)
    twice = pd.concat([twice[twice["recording"] == "r0"], twice], ignore_index=True)
    twice["time_s"] = np.arange(len(twice)) / 10
    frames.write(twice, tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="stands twice"):
        sources.read_frames(tmp_path / "twice.parquet")


def test_nobody_tested_has_been_learnt_from():
    """The simulated people are others, and the test displays are no training displays."""
    train, words = sources.training_frames(3000)
    assert len(train) <= 3000 and "simulated" in words
    cohort, displays = sources.simulated_cohort(4, 0), sources.simulated_displays(200, 0)
    assert cohort.units == 4 and displays.units == 200
    for part in (cohort, displays):
        distance = ICT53.norm(part.psi[:, None] - train[None, ::7]).min(axis=1)
        assert np.median(distance) > 0.05
