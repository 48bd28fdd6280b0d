"""Smoothing: the filters are what their papers say, gaps and recordings stay apart, and motion survives."""

import numpy as np
import pytest

from dfe_lib import frames
from dfe_lib.data.adapters.arkit import ENTRY, read_range_of_motion
from dfe_lib.data.manifest import available
from dfe_lib.data.simulation import ExtractionNoise
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.face.dynamics import compare, dynamics
from dfe_lib.face.temporal import METHODS, Kalman, OneEuro, smooth, smooth_psi
from dfe_lib.space import ICT53


def uneven(rng, n):
    """n increasing times with steps from 10 to 60 ms."""
    return np.cumsum(rng.uniform(0.01, 0.06, n))


def one_euro_of_the_paper(time_s, values, min_cutoff, beta, derivative_cutoff):
    """Algorithm 1 of Casiez et al., one number at a time."""

    def alpha(step, cutoff):
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau / step)

    out, speed = [values[0]], 0.0
    for i in range(1, len(values)):
        step = time_s[i] - time_s[i - 1]
        a = alpha(step, derivative_cutoff)
        speed = a * (values[i] - out[-1]) / step + (1 - a) * speed
        a = alpha(step, min_cutoff + beta * abs(speed))
        out.append(a * values[i] + (1 - a) * out[-1])
    return np.array(out)


def most_probable_path(time_s, values, sd, acceleration):
    """All places and speeds at once by weighted least squares: what Kalman and Rauch, Tung and Striebel must find."""
    n = len(values)
    rows, targets = [], []
    for i in range(n):
        row = np.zeros(2 * n)
        row[2 * i] = 1 / sd[i]
        rows.append(row)
        targets.append(values[i] / sd[i])
    first_speed = np.zeros(2 * n)
    first_speed[1] = 1.0
    rows.append(first_speed)
    targets.append(0.0)
    for i in range(n - 1):
        h = time_s[i + 1] - time_s[i]
        q = acceleration**2 * np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]])
        weight = np.linalg.cholesky(np.linalg.inv(q)).T
        block = np.zeros((2, 2 * n))
        block[:, 2 * i : 2 * i + 2] = -weight @ np.array([[1, h], [0, 1]])
        block[:, 2 * i + 2 : 2 * i + 4] = weight
        rows.extend(block)
        targets.extend([0.0, 0.0])
    return np.linalg.lstsq(np.array(rows), np.array(targets))[0][::2]


def test_one_euro_is_the_one_of_the_paper(rng):
    time_s, psi = uneven(rng, 50), rng.normal(size=(50, 3)).cumsum(axis=0)
    found = OneEuro(min_cutoff=1.5, beta=0.7, derivative_cutoff=2.0).run(time_s, psi, None)
    for k in range(3):
        np.testing.assert_allclose(found[:, k], one_euro_of_the_paper(time_s, psi[:, k], 1.5, 0.7, 2.0))


def test_kalman_both_ways_is_the_most_probable_path(rng):
    time_s, psi = uneven(rng, 14), rng.normal(size=(14, 2)).cumsum(axis=0)
    sd = rng.uniform(0.1, 1, (14, 2))
    found = Kalman(acceleration=5, jitter=0.4).run(time_s, psi, sd)
    for k in range(2):
        expected = most_probable_path(time_s, psi[:, k], 0.4 * sd[:, k], 5)
        np.testing.assert_allclose(found[:, k], expected, atol=1e-4)


def test_kalman_forwards_knows_the_past_only(rng):
    time_s, psi = uneven(rng, 12), rng.normal(size=(12, 2)).cumsum(axis=0)
    found = Kalman(causal=True).run(time_s, psi, None)
    for i in (2, 6, 11):
        upto = most_probable_path(time_s[: i + 1], psi[: i + 1, 0], np.full(i + 1, 0.3 * Kalman.sd), 7)
        np.testing.assert_allclose(found[i, 0], upto[-1], atol=1e-4)


@pytest.mark.parametrize("settings", [OneEuro(), Kalman(), Kalman(causal=True)])
def test_what_stands_still_is_not_moved(settings):
    psi = np.tile(np.linspace(-1, 1, 5, dtype=np.float32), (30, 1))
    np.testing.assert_allclose(smooth_psi(np.arange(30) / 30, psi, settings), psi, atol=1e-6)


@pytest.mark.parametrize("settings", [OneEuro(), Kalman(), Kalman(causal=True)])
def test_a_long_gap_starts_anew_a_short_one_does_not_and_neither_is_filled(rng, settings):
    time_s, psi = np.arange(40) / 30, rng.normal(size=(40, 4)).astype(np.float32)
    psi[20:23] = np.nan  # 0.13 s between faces
    short = smooth_psi(time_s, psi, settings)
    assert np.isnan(short[20:23]).all() and np.isfinite(np.delete(short, np.s_[20:23], axis=0)).all()
    assert np.abs(short[23:] - smooth_psi(time_s[23:], psi[23:], settings)).max() > 1e-3
    psi[20:30] = np.nan  # 0.37 s
    long = smooth_psi(time_s, psi, settings)
    np.testing.assert_array_equal(long[30:], smooth_psi(time_s[30:], psi[30:], settings))
    np.testing.assert_array_equal(long[:20], smooth_psi(time_s[:20], psi[:20], settings))


def test_one_frame_no_frame_and_no_face(rng):
    one = rng.normal(size=(1, 3)).astype(np.float32)
    for settings in (OneEuro(), Kalman()):
        np.testing.assert_array_equal(smooth_psi(np.zeros(1), one, settings), one)
        assert smooth_psi(np.empty(0), np.empty((0, 3)), settings).shape == (0, 3)
        assert np.isnan(smooth_psi(np.arange(3.0), np.full((3, 3), np.nan), settings)).all()


def test_what_is_less_certain_is_smoothed_more(rng):
    time_s, psi = np.arange(60) / 30, rng.normal(size=(60, 2)).astype(np.float32)
    sd = np.tile([0.01, 1.0], (60, 1))
    left = np.std(smooth_psi(time_s, psi, Kalman(), sd), axis=0)
    assert left[0] > 0.8 and left[1] < 0.7 * left[0]


@pytest.fixture
def table(rng):
    import pandas as pd

    parts = []
    for name in ("a", "b"):
        t = frames.frame_table(name, np.arange(20) / 30, np.ones(20), attrs={"space": ICT53.name})
        parts.append(frames.with_psi(t, rng.normal(size=(20, 53)), ICT53.names))
    both = pd.concat(parts, ignore_index=True)
    both["n_faces"] = both["n_faces"].astype(np.int8)
    both.attrs = {"space": ICT53.name}
    return frames.with_psi_sd(both, rng.uniform(0.01, 0.1, (40, 53)), ICT53.names)


@pytest.mark.parametrize("method", METHODS)
def test_a_table_is_smoothed_by_recording_and_says_so(table, method, tmp_path):
    before = frames.psi(table).copy()
    calm = smooth(table, method, max_gap=0.5)
    np.testing.assert_array_equal(frames.psi(table), before)
    assert "smoothing" not in table.attrs
    assert list(calm.columns) == list(table.columns)
    np.testing.assert_array_equal(frames.psi_sd(calm), frames.psi_sd(table))
    alone = smooth(table[table["recording"] == "b"], method)
    np.testing.assert_array_equal(frames.psi(calm)[20:], frames.psi(alone))
    back = frames.read(frames.write(calm, tmp_path / "t.parquet"))
    assert back.attrs["smoothing"]["method"] == method and back.attrs["smoothing"]["max_gap"] == 0.5
    assert back.attrs["space"] == "ict53"
    with pytest.raises(InputError, match="smoothed already"):
        smooth(back, method)


def test_unknown_methods_and_settings_are_named(table):
    with pytest.raises(ConfigError, match="did you mean 'kalman'"):
        smooth(table, "kalmann")
    with pytest.raises(ConfigError, match="acceleration"):
        smooth(table, "kalman", accelleration=3)


# The measures of motion.


@pytest.fixture(scope="module")
def motion():
    if not available(ENTRY):
        pytest.skip(f"asset '{ENTRY}' is not at hand")
    return frames.psi(read_range_of_motion(), ICT53.names)[300:1500]


def test_the_truth_itself_is_perfect(motion):
    found = dynamics(motion, motion, 30)
    assert found["rms_mm"] == 0 and abs(found["lag_frames"]) < 0.05 and found["jitter_mm"] < 1e-9
    assert found["peak_ratio"] == pytest.approx(1) and found["velocity_r"] == pytest.approx(1)


def test_each_measure_sees_its_own_fault(motion, rng):
    assert dynamics(motion[2:], motion[:-2], 30)["lag_frames"] == pytest.approx(2, abs=0.1)
    assert dynamics(motion, 0.5 * motion, 30)["peak_ratio"] == pytest.approx(0.5)
    noise = rng.standard_normal(motion.shape).astype(np.float32) @ np.linalg.inv(ICT53.whitener).astype(
        np.float32
    )
    # White noise of 1 mm in each of 53 directions; 9 of 15 Hz lie above the limit.
    found = dynamics(motion, motion + noise, 30)
    assert found["jitter_mm"] == pytest.approx(np.sqrt(53 * 9 / 15), rel=0.03)
    assert found["rms_mm"] == pytest.approx(np.sqrt(53), rel=0.03)
    gaps = motion.copy()
    gaps[100:110] = np.nan
    assert dynamics(motion, gaps, 30)["rms_mm"] == 0
    with pytest.raises(InputError, match="two seconds"):
        dynamics(motion[:30], motion[:30], 30)


def test_simulated_jitter_goes_and_real_motion_stays(motion, rng):
    noise = ExtractionNoise.load()
    sd = np.sqrt((noise.residual_cholesky**2).sum(axis=1))
    jitter = rng.standard_normal(motion.shape) @ noise.residual_cholesky.T * Kalman.jitter
    table = compare(motion, motion + jitter.astype(np.float32), 30, np.tile(sd, (len(motion), 1)))
    table = table.set_index("smoothing")
    raw = table.loc["none"]
    for name, kept, late in (("kalman", 0.95, 0.1), ("kalman, causal", 0.95, 0.3), ("one-euro", 0.95, 0.5)):
        row = table.loc[name]
        assert row["rms_mm"] < raw["rms_mm"] and row["jitter_mm"] < 0.85 * raw["jitter_mm"], name
        assert row["velocity_r"] > raw["velocity_r"] + 0.05, name
        assert row["peak_ratio"] > kept and abs(row["lag_frames"]) < late, name
    assert table.loc["kalman", "jitter_mm"] < 0.45 * raw["jitter_mm"]
