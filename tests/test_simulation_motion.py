"""The streams themselves: rendering against a plain loop, timing, speech, head motion, lost faces, persons."""

from dataclasses import replace

import numpy as np
import pytest

from dfe_lib import frames
from dfe_lib.data.simulation import CohortConfig, lexicon, simulate_cohort
from dfe_lib.data.simulation.people import draw_people
from dfe_lib.data.simulation.simulate import Simulation
from dfe_lib.space import ICT53

CONFIG = CohortConfig(subjects=3, recordings=2, seconds=6, fps=12, dropped=0)


def test_psi_is_the_sum_of_the_events_that_are_reported():
    cohort = simulate_cohort(replace(CONFIG, neutral=0), seed=4)
    known, times = lexicon(), np.arange(CONFIG.frames) / CONFIG.fps
    simulation = Simulation(CONFIG, 4, draw_people(CONFIG, 4))
    _, _, habits, _ = next(simulation.blocks())
    for i, (name, table) in enumerate(cohort.frames.groupby("recording", sort=False)):
        expected = np.zeros((CONFIG.frames, 53))
        for e in cohort.events[cohort.events["recording"] == name].itertuples():
            if e.display in known.names:
                left, right = known[e.display].left, known[e.display].right
            else:
                left, right = habits.own[i // 2, int(e.display[-1]) - 1]
            fall = _fall(cohort, e)
            level = np.clip(
                np.minimum((times - e.onset_s) / (e.apex_s - e.onset_s), (e.offset_s - times) / fall), 0, 1
            )
            level = level * level * (3 - 2 * level) * e.amplitude
            expected += level[:, None] * ((1 + e.lean) * left + (1 - e.lean) * right)
        np.testing.assert_allclose(frames.psi(table), np.clip(expected, 0, 1.2), atol=2e-3)


def _fall(cohort, e):
    """The offset's length, which the table of events does not tell."""
    simulation = Simulation(CONFIG, 4, draw_people(CONFIG, 4))
    _, _, _, events = next(simulation.blocks())
    at = np.flatnonzero((np.abs(events.start - e.onset_s) < 1e-6) & (np.abs(events.end - e.offset_s) < 1e-6))
    return float(events.fall[at[0]])


def test_events_are_ordered_and_touch_their_recording():
    events = simulate_cohort(CONFIG, seed=0).events
    assert (events["onset_s"] < events["apex_s"]).all() and (events["apex_s"] < events["offset_s"]).all()
    assert (events["offset_s"] > 0).all() and (events["onset_s"] < CONFIG.seconds).all()
    assert events["amplitude"].between(0, 1).all() and events["lean"].between(-1, 1).all()
    assert (events.groupby("recording")["onset_s"].diff().dropna() >= 0).all()


def test_a_one_sided_display_is_as_strong_in_sum():
    for display in lexicon().displays:
        whole, lean = display.left + display.right, 1.9 * display.left + 0.1 * display.right
        if not display.directed:
            np.testing.assert_allclose(lean + ICT53.mirror(lean), whole + ICT53.mirror(whole), atol=1e-6)
    events = simulate_cohort(replace(CONFIG, subjects=40), 0).events.query("display == 'smile'")
    assert (events["amplitude"] * (1 + events["lean"].abs())).max() <= 1.2 + 1e-5
    assert 0.1 < (events["lean"].abs() > 0.5).mean() < 0.4


def test_rates_are_those_of_the_lexicon():
    config = CohortConfig(subjects=200, recordings=1, seconds=30, style=0, session=0, effect=0)
    events = simulate_cohort(config, 0).events
    inside = events[events["onset_s"].between(0, 30)]
    minutes = 200 * 0.5
    for display in lexicon().displays:
        expected = display.per_minute * (
            0.375 if display.kind == "speech" else 1
        )  # half talk, three quarters of it
        seen = (inside["display"] == display.name).sum() / minutes
        assert seen == pytest.approx(expected, rel=0.15 + 3 / np.sqrt(expected * minutes)), display.name


def test_faces_are_lost_in_bursts_and_as_often_as_asked():
    cohort = simulate_cohort(CohortConfig(subjects=60, recordings=4, seconds=20, dropped=0.1), 0)
    detected = cohort.frames["detected"].to_numpy().reshape(-1, 200)
    assert 1 - detected.mean() == pytest.approx(0.1, abs=0.015)
    assert detected[:, 0].all()
    lost = ~detected[:, 1:]
    again = lost[:, 1:][lost[:, :-1]].mean()
    assert 0.7 < again < 0.95  # half a second is five frames
    assert simulate_cohort(CONFIG, 0).frames["detected"].all()


def test_heads_move_smoothly_about_a_posture_of_their_own():
    table = simulate_cohort(replace(CONFIG, subjects=30, seconds=20), 0).frames
    yaw = table["pose_yaw"].to_numpy().reshape(60, -1)
    step = np.diff(yaw, axis=1).std()
    assert 1 < yaw.std(axis=1).mean() < 8 and step < 0.35 * yaw.std(axis=1).mean()
    between = yaw.mean(axis=1).reshape(30, 2)
    assert np.corrcoef(between.T)[0, 1] > 0.6
    assert table["pose_scale"].between(0.3, 3).all()


def test_persons_can_be_recognised():
    """Nearest recording of all others: without own displays and habits one in 79 is of the same person."""
    cohort = simulate_cohort(CohortConfig(subjects=40, recordings=2, seconds=30, effect=0), 0)
    psi = frames.psi(cohort.frames, ICT53.names)
    parts = np.where(np.isfinite(psi), psi, 0).reshape(80, -1, 53)
    features = np.concatenate([parts.mean(axis=1), parts.std(axis=1)], axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    distance = np.linalg.norm(features[:, None] - features[None], axis=2) + 1e9 * np.eye(80)
    assert (distance.argmin(axis=1) // 2 == np.arange(80) // 2).mean() > 0.5
