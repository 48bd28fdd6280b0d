"""Live use: only the past counts, and in the end it is the whole recording's neutral."""

import numpy as np
import pytest

from dfe_lib.errors import InputError
from dfe_lib.face import ExpressionRegressor
from dfe_lib.face.live import SAMPLE, LiveExpression
from dfe_lib.face.morphable import load_morphable
from dfe_lib.face.passes.sampling import EvenSample
from dfe_lib.space import ICT53


@pytest.fixture(scope="module")
def regressor():
    return ExpressionRegressor.load()


@pytest.fixture(scope="module")
def seen():
    """A person of unusual face: every third frame smiles, the head wanders."""
    rng = np.random.default_rng(0)
    psi = np.zeros((120, 53), np.float32)
    psi[::3] = ICT53.vector(mouthSmile_L=0.8, mouthSmile_R=0.8)
    points = load_morphable("face478").vertices(psi, identity=np.full(5, 1.0, np.float32)) * [1, -1, -1] * 2
    return (points + rng.normal(0, 4, (120, 1, 3)) + 300 + rng.normal(0, 0.1, points.shape)).astype(
        np.float32
    )


def test_the_first_frame_is_measured_against_everybody(regressor, seen):
    psi, sd = LiveExpression(regressor).update(seen[0])
    nobody = regressor.estimate_neutral(np.empty((0, 478, 3), np.float32))
    expected, _ = regressor.express(seen[:1], nobody)
    np.testing.assert_array_equal(psi, expected[0])
    assert psi.shape == sd.shape == (53,) and np.isfinite(psi).all()


def test_in_the_end_it_is_the_recordings_own_neutral(regressor, seen):
    live = LiveExpression(regressor)
    psi = np.array([live.update(frame)[0] for frame in seen])
    whole, _ = regressor.express(seen, regressor.estimate_neutral(seen))
    apart = ICT53.norm(psi - whole)
    assert apart[-10:].mean() < 0.1 * ICT53.norm(whole[0] - whole[1])  # little beside a smile
    assert apart[-10:].mean() < 0.2 * apart[0]
    truth = np.tile([True, False, False], 40)
    assert psi[90:, 0].shape == (30,)
    smile = psi[:, ICT53.names.index("mouthSmile_L")]
    assert smile[30:][truth[30:]].min() > smile[30:][~truth[30:]].max() + 0.2


def test_no_frame_knows_the_future(regressor, seen):
    short, long = LiveExpression(regressor), LiveExpression(regressor)
    first = np.array([short.update(frame)[0] for frame in seen[:20]])
    again = np.array([long.update(frame)[0] for frame in seen])
    np.testing.assert_array_equal(again[:20], first)


def test_frames_without_a_face_are_nan_and_change_nothing(regressor, seen):
    plain, gaps = LiveExpression(regressor), LiveExpression(regressor)
    for frame in seen[:7]:
        expected = plain.update(frame)[0]
        assert np.isnan(gaps.update(None)[0]).all() and np.isnan(gaps.update(frame * np.nan)[1]).all()
        np.testing.assert_array_equal(gaps.update(frame)[0], expected)


def test_a_buffer_that_is_used_again_is_no_matter(regressor, seen):
    fresh, reused = LiveExpression(regressor), LiveExpression(regressor)
    buffer = np.empty((478, 3), np.float32)
    for frame in seen[:8]:
        buffer[:] = frame
        np.testing.assert_array_equal(reused.update(buffer)[0], fresh.update(frame)[0])


def test_several_frames_at_once_are_refused(regressor, seen):
    with pytest.raises(InputError, match="one frame at a time"):
        LiveExpression(regressor).update(seen[:2])


def test_an_even_sample_is_bounded_and_even():
    sample = EvenSample(SAMPLE)
    for i in range(5000):
        sample.add(np.full((478, 3), i, np.float32))
        assert min(SAMPLE, i + 1) // 2 <= len(sample._kept) <= SAMPLE
    kept = sample.rows()[:, 0, 0]
    assert kept[0] == 0 and set(np.diff(kept)) == {16.0} and kept[-1] >= 5000 - 16
    assert EvenSample(3).rows().shape == (0, 478, 3)


def test_a_sample_keeps_its_rows_and_not_what_they_were_cut_from():
    sample, block = EvenSample(4, shape=(2,)), np.zeros((64, 2), np.float32)
    sample.add(block[0])
    block[:] = 7
    assert (sample.rows() == 0).all() and all(row.base is None for row in sample._kept)
