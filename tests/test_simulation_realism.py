"""Statistics that simulated and measured motion are compared by."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.data.simulation import CohortConfig, simulate_cohort
from dfe_lib.data.simulation.realism import LAGS_S, agreement, compare_motion
from dfe_lib.data.tracks import shipped_tracks
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

NAMES = ("a", "b", "c")


def _value(table, statistic, **where):
    rows = table[table["statistic"] == statistic]
    for key, value in where.items():
        rows = rows[rows[key] == value]
    assert len(rows) == 1
    return rows["value"].iloc[0]


def _waves(seconds=8.0, fps=20.0):
    """b moves as a does, c stands still; one period a second."""
    t = np.arange(int(seconds * fps)) / fps
    a = 0.5 + 0.5 * np.sin(2 * np.pi * t)
    return np.stack([a, 2 * a, np.full_like(a, 0.05)], axis=1), np.repeat("r", len(t)), t


def test_statistics_of_a_wave_are_those_of_a_wave():
    table = compare_motion({"wave": _waves()}, NAMES, lags_s=(0.25, 0.5, 1.0), window_s=8.0)
    assert _value(table, "active", coefficient="c") == 0
    assert _value(table, "active", coefficient="a") == pytest.approx(1 - np.arccos(0.8) / np.pi, abs=0.06)
    assert _value(table, "quantile", coefficient="a", at=0.5) == pytest.approx(0.5, abs=1e-6)
    assert _value(table, "speed", coefficient="b") == pytest.approx(2 * np.pi / np.sqrt(2), rel=0.02)
    assert _value(table, "co-activation", coefficient="a", other="b") == pytest.approx(1)
    for lag, r in ((0.25, 0.0), (0.5, -1.0), (1.0, 1.0)):
        assert _value(table, "autocorrelation", coefficient="b", at=lag) == pytest.approx(r, abs=0.03)
    assert "c" not in set(table.query("statistic in ('co-activation', 'autocorrelation')")["coefficient"])


def test_neither_frame_rate_nor_length_nor_lost_faces_make_a_difference():
    psi, recording, t = _waves(16, 40)
    psi[100:110] = np.nan
    few = _waves(8, 20)
    split = (few[0], np.repeat(["p", "q"], 80), np.tile(few[2][:80], 2))
    table = compare_motion(
        {"many": (psi, recording, t), "few": split}, NAMES, lags_s=(0.2, 0.4), window_s=2.0
    )
    wide = table.pivot_table(
        index=["statistic", "coefficient", "other", "at"], columns="source", values="value", dropna=False
    ).dropna()
    np.testing.assert_allclose(wide["many"], wide["few"], atol=0.05)
    assert {0.2, 0.4} <= set(table["at"])


def test_windows_take_away_what_a_recording_is_on_average():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, 3)) * 0.01
    neutral = np.repeat(rng.normal(size=(20, 1)), 200, axis=0)
    table = compare_motion(
        {"x": (noise + neutral, np.repeat(np.arange(20), 200), np.tile(np.arange(200) / 10, 20))}, NAMES
    )
    assert table.query("statistic == 'co-activation'")["value"].abs().max() < 0.1
    assert set(table.query("statistic == 'autocorrelation'")["at"]) == set(LAGS_S)


def test_lags_between_frames_are_left_out():
    table = compare_motion({"slow": _waves(8, 5)}, NAMES, lags_s=(0.05, 0.2))
    assert set(table.query("statistic == 'autocorrelation'")["at"]) == {0.2}


def test_simulated_motion_lasts_as_long_as_measured_motion():
    """Not the same, but of the same order; and agreement with oneself is perfect."""
    cohort = simulate_cohort(CohortConfig(subjects=8, recordings=2, seconds=10, fps=25, effect=0), 0)
    tracks = shipped_tracks()
    sources = {
        name: (frames.psi(t, ICT53.names), t["recording"].to_numpy(), t["time_s"].to_numpy())
        for name, t in (("simulated", cohort.frames), ("tracks", tracks))
    }
    table = compare_motion(sources | {"again": sources["simulated"]})
    alike = agreement(table, "simulated").set_index(["source", "statistic", "at"]).sort_index()
    assert alike.loc["again", "r"].min() == pytest.approx(1)
    short = alike.loc[("tracks", "autocorrelation", 0.2)]
    assert 0.3 < short["mean"] / short["reference_mean"] < 3


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ((np.zeros((3, 2)), ["r"] * 3, [0, 1, 2]), r"shape \(3, 2\)"),
        ((np.zeros((3, 3)), ["r"] * 2, [0, 1, 2]), "2 recordings"),
        ((np.full((3, 3), np.nan), ["r"] * 3, [0, 1, 2]), "no frame with a face"),
        ((np.zeros((3, 3)), ["r"] * 3, [0, 1, 1]), "times do not increase"),
    ],
)
def test_motion_that_is_none_is_refused(source, word):
    with pytest.raises(InputError, match=f"'mine'.*{word}"):
        compare_motion({"mine": source}, NAMES)


def test_there_must_be_something_to_compare():
    with pytest.raises(InputError, match="at least one source"):
        compare_motion({})
    with pytest.raises(InputError, match="window_s"):
        compare_motion({"x": _waves()}, NAMES, window_s=0)
    with pytest.raises(InputError, match="no source 'y'"):
        agreement(compare_motion({"x": _waves()}, NAMES), "y")
    single = compare_motion({"x": (np.eye(3), ["a", "b", "c"], np.zeros(3))}, NAMES)
    assert set(single["statistic"]) == {"active", "quantile"}
    assert isinstance(single, pd.DataFrame)
