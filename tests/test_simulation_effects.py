"""Labels act as the tables say, by as much as they say, and on nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from dfe_lib import frames
from dfe_lib.codings import FACS
from dfe_lib.data.simulation import (
    EFFECTS,
    TRAITS,
    CohortConfig,
    ExtractionNoise,
    effect_table,
    effects,
    lexicon,
    simulate_cohort,
)
from dfe_lib.data.simulation.lexicon import TABLE as LEXICON
from dfe_lib.data.simulation.people import BLOCK, CORRELATIONS, SCALES, draw_habits, draw_people
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

MANY = CohortConfig(subjects=2000, recordings=2, seconds=1)


def _table(tmp_path, *lines):
    path = tmp_path / "effects.yaml"
    path.write_text(yaml.safe_dump({"sources": {}, "effects": [dict(line) for line in lines]}))
    return path


def _line(label, display, acts, world, weight=1.0):
    return {
        "label": label, "display": display, "acts": acts, "weight": weight, "world": world, "source": "assumed"
    }  # fmt: skip


@pytest.mark.parametrize("label", ["stress", "depression", "extraversion"])
@pytest.mark.parametrize(
    ("display", "acts", "world"),
    [("smile", "rate", "facs"), ("smile", "amplitude", "facs"), ("smile", "left", "beyond")],
)
def test_effect_is_cohens_d_of_the_property_between_the_two_groups(tmp_path, label, display, acts, world):
    path = _table(tmp_path, _line(label, display, acts, world, weight=-0.5))
    people = draw_people(MANY, 0)
    contrasts, values = people.contrasts(), []
    for effect in (0.0, 0.8):
        config = replace(MANY, effect=effect, effects=path)
        blocks = [
            draw_habits(config, 0, b, {k: v[b * BLOCK : (b + 1) * BLOCK] for k, v in contrasts.items()})
            for b in range(MANY.subjects // BLOCK)
        ]
        values.append(np.concatenate([getattr(h, acts)[:, lexicon().names.index(display)] for h in blocks]))
    labels = people.labels()
    column = {"stress": labels["stressed"] == 1, "depression": labels["depressed"] == 1}
    group = np.asarray(column.get(label, labels["extraversion"] > 0.5))
    spread = SCALES[acts] * np.hypot(MANY.style, MANY.session)
    assert values[0].std() == pytest.approx(spread, rel=0.05)
    shift = values[1] - values[0]
    assert (shift[group].mean() - shift[~group].mean()) / spread == pytest.approx(-0.4, abs=0.03)


def test_labels_are_correlated_as_stated():
    scores = draw_people(replace(MANY, subjects=20_000), 0).scores
    np.testing.assert_allclose(np.corrcoef(scores.T), CORRELATIONS, atol=0.03)


def _changed(tmp_path, *lines, **change):
    """Events with and without the effect, matched by recording and onset; and the two cohorts."""
    config = CohortConfig(subjects=12, recordings=2, seconds=15, effect=3.0, effects=_table(tmp_path, *lines))
    with_effect, without = (simulate_cohort(replace(config, effect=e, **change), 0) for e in (3.0, 0.0))
    keys = ["recording", "display", "onset_s"]
    return (
        with_effect,
        without,
        with_effect.events.merge(without.events, on=keys, how="outer", indicator=True),
    )


def test_an_effect_on_a_rate_adds_and_removes_displays_and_changes_no_other(tmp_path):
    a, b, merged = _changed(tmp_path, _line("stress", "brow_lower", "rate", "facs"))
    moved = merged[merged["_merge"] != "both"]
    assert len(moved) > 5
    # gaze and lips that come together with a brow may go with another one
    assert set(moved["display"]) <= {"brow_lower", "lip_press"}
    both = merged[merged["_merge"] == "both"]
    for column in ("apex_s", "offset_s", "amplitude", "lean"):
        np.testing.assert_array_equal(both[f"{column}_x"], both[f"{column}_y"])
    np.testing.assert_array_equal(a.frames[[*frames.POSE]], b.frames[[*frames.POSE]])
    more = a.events.merge(a.recordings).query("display == 'brow_lower'").groupby("stressed").size()
    assert more[1] > 1.5 * more[0]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (_line("stress", "smile", "amplitude", "facs"), "amplitude"),
        (_line("stress", "smile", "speed", "facs", -1.0), "apex_s"),
        (_line("stress", "smile", "one_sided", "beyond"), "lean"),
        (_line("stress", "smile", "left", "beyond"), "lean"),
    ],
)
def test_an_effect_changes_what_it_acts_on_and_nothing_else(tmp_path, line, column):
    _, _, merged = _changed(tmp_path, line)
    assert (merged["_merge"] == "both").all()
    for name in ("apex_s", "offset_s", "amplitude", "lean"):
        other = np.abs(merged[f"{name}_x"] - merged[f"{name}_y"]).to_numpy() > 1e-5
        # a stronger smile has less room to lean before its one side saturates
        assert other.any() == (name == column) or (name, column) == ("lean", "amplitude"), name
        assert set(merged["display"][other]) <= {"smile"}


def test_slower_onsets_last_as_long(tmp_path):
    a, b, _ = _changed(tmp_path, _line("stress", "smile", "speed", "facs", -1.0))
    smiles = [c.events.merge(c.recordings).query("display == 'smile' and stressed == 1") for c in (a, b)]
    onset = [(s["apex_s"] - s["onset_s"]).mean() for s in smiles]
    assert onset[0] > 1.2 * onset[1]
    np.testing.assert_allclose(smiles[0]["offset_s"], smiles[1]["offset_s"], atol=1e-5)


def test_displays_come_together_more_often_and_as_often_as_before(tmp_path):
    a, b, _ = _changed(tmp_path, _line("stress", "lip_press+brow_lower", "pairing", "beyond"), subjects=80)

    def together(cohort):
        events = cohort.events.merge(cohort.recordings).query("stressed == 1")
        presses = events[events["display"] == "lip_press"]
        brows = events[events["display"] == "brow_lower"].groupby("recording")["onset_s"].apply(np.array)
        near = [
            name in brows and np.abs(brows[name] - onset).min() < 0.3
            for name, onset in zip(presses["recording"], presses["onset_s"], strict=True)
        ]
        return np.mean(near)

    assert together(a) > together(b) + 0.15
    everything = [c.events.groupby("display").size() for c in (a, b)]
    assert everything[0].drop("lip_press").equals(everything[1].drop("lip_press"))


def test_speech_and_head_can_be_tied_to_a_label(tmp_path):
    a, b, _ = _changed(
        tmp_path,
        _line("stress", "speech", "rate", "facs", 2.0),
        _line("stress", "head_motion", "amplitude", "facs"),
    )
    for cohort, least in ((a, 1.3), (b, 0)):
        table = cohort.frames.merge(cohort.recordings[["recording", "stressed"]], on="recording")
        spread = table.groupby(["stressed", "recording"])["pose_yaw"].std().groupby("stressed").mean()
        assert spread[1] > least * spread[0]
    said = [c.events[c.events["display"].str.startswith("say_")].merge(c.recordings) for c in (a, b)]
    talked = [s[s["stressed"] == 1]["recording"].nunique() for s in said]
    assert talked[0] > talked[1]
    silent = simulate_cohort(CohortConfig(subjects=4, recordings=2, seconds=5, speech=0), 0)
    assert not silent.events["display"].str.startswith("say_").any()


def test_no_label_acts_on_speech_in_the_shipped_table():
    assert not (effect_table()["display"] == "speech").any()


def _units_apart(world, label, effect=4.0):
    """Largest difference of the two groups of a label in the mean of an action unit, in deviations of recordings."""
    facs, means = FACS(), {}
    for size in (effect, 0.0):
        cohort = simulate_cohort(
            CohortConfig(48, 2, 20, fps=5, effect=size, world=world, neutral=0, dropped=0), 1
        )
        units = facs.intensities(frames.psi(cohort.frames, ICT53.names))
        means[size] = units.reshape(len(cohort.recordings), -1, units.shape[1]).mean(axis=1)
    group = cohort.recordings[label].to_numpy() == 1
    change = means[effect] - means[0.0]  # the same people with and without the effect
    return (
        np.abs(change[group].mean(axis=0) - change[~group].mean(axis=0)).max() / means[0.0].std(axis=0).mean()
    )


@pytest.mark.parametrize("label", ["stressed", "depressed"])
def test_action_units_without_sides_hardly_see_the_beyond_world(label):
    assert _units_apart("facs", label) > 1.5
    assert _units_apart("beyond", label) < 0.3


def test_in_the_facs_world_nothing_beyond_depends_on_a_label():
    known = lexicon()
    for e in effects():
        kind = known[e.display].kind if e.display in known.names else None
        if e.world == "facs":
            assert kind in ("facs", "eyes", None) and e.acts in ("rate", "amplitude", "speed")
        assert e.source
    strong, none = (simulate_cohort(CohortConfig(8, 2, 5, effect=e, world="facs"), 0) for e in (3.0, 0.0))
    beyond = [d.name for d in known.displays if d.kind == "beyond" and d.name != "cheek_puff"]
    seen = [c.events[c.events["display"].isin(beyond)].reset_index(drop=True) for c in (strong, none)]
    assert seen[0].equals(seen[1])
    assert {e.label for e in effects()} == {"stress", "depression", *TRAITS}


def test_noise_leaves_the_true_stream_as_it_is():
    config = CohortConfig(subjects=6, recordings=2, seconds=3)
    exact, scaled = (
        simulate_cohort(config, 0, noise)
        for noise in (None, ExtractionNoise(np.full(53, 0.5), np.zeros((53, 53))))
    )
    np.testing.assert_allclose(frames.psi(scaled.frames), 0.5 * frames.psi(exact.frames), atol=1e-6)
    assert scaled.events.equals(exact.events)
    lower = np.tril(np.random.default_rng(0).normal(size=(53, 53))) * 0.1
    sample = ExtractionNoise(np.ones(53), lower).apply(
        np.zeros((40_000, 53), dtype=np.float32), np.random.default_rng(1)
    )
    np.testing.assert_allclose(np.cov(sample.T), lower @ lower.T, atol=0.03)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"label": "anger"}, "unknown label"),
        ({"display": "smirk"}, "unknown display"),
        ({"acts": "colour"}, "unknown property"),
        ({"weight": "much"}, "weight must be a number"),
        ({"source": "a book"}, "unknown source"),
        ({"world": "beyond"}, "belongs to the world 'facs'"),
        ({"acts": "pairing"}, "pairing acts on a pair"),
        ({"acts": "left", "world": "beyond", "display": "laugh"}, "goes to no side"),
        ({"acts": "one_sided", "world": "beyond", "display": "laugh"}, "never one-sided"),
        ({"display": "say_open"}, "visemes come with speech"),
        ({"display": "head_motion"}, "acts only amplitude"),
    ],
)
def test_effects_that_cannot_be_are_refused(tmp_path, change, word):
    path = _table(
        tmp_path, _line("stress", "smile", "rate", "facs"), _line("stress", "smile", "rate", "facs") | change
    )
    with pytest.raises(InputError, match=f"effect 2.*{word}"):
        simulate_cohort(CohortConfig(2, 1, 1, effects=path), 0)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("kind", "odd", "unknown kind"),
        ("moves", {"mouthSmirk": 1}, "unknown coefficient"),
        ("seconds", [1, 2], "three times"),
        ("per_minute", -1, "above 0"),
        ("one_sided", 2, "share"),
        ("colour", 1, "unknown key"),
    ],
)
def test_lexicons_that_cannot_be_are_refused(tmp_path, key, value, word):
    content = yaml.safe_load(LEXICON.read_text())
    content["displays"]["smile"][key] = value
    path = tmp_path / "lexicon.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=f"'smile'.*{word}"):
        lexicon(path)


def test_the_shipped_tables_are_tables(tmp_path):
    assert len(effect_table(EFFECTS)) == len(effects()) > 30
    (tmp_path / "none.yaml").write_text("- 1")
    for read in (lexicon, effects):
        with pytest.raises(InputError, match="none.yaml"):
            read(tmp_path / "none.yaml")
        with pytest.raises(InputError, match="absent.yaml cannot be read"):
            read(tmp_path / "absent.yaml")
