"""The explorer without a browser: what it computes, and that each control changes what it should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dfe_lib.errors import InputError
from dfe_lib.explorer import Explorer, ExplorerState
from dfe_lib.figures import live
from dfe_lib.frames import frame_table, with_psi
from dfe_lib.space import ICT53

SMILE, JAW, BROW = (ICT53.names.index(n) for n in ("mouthSmile_L", "jawOpen", "browDown_R"))


class Tokens:
    """Four templates of one coefficient each; frame i of a clip has the tokens (i mod 4, (i + 1) mod 4)."""

    space = ICT53
    gains = np.array([1.0, 0.5], np.float32)
    templates = np.eye(53, dtype=np.float32)[[SMILE, JAW, BROW, 0]]

    def encode(self, psi, **_):
        first = np.rint(psi[:, 1]).astype(int)
        return np.stack([first % 4, (first + 1) % 4], axis=1).astype(np.int16)

    def decode(self, codes):
        return np.einsum("nsd,s->nd", self.templates[codes], self.gains[: codes.shape[1]])


class Model:
    """Five vertices; each coefficient lifts all of them by 1 mm."""

    neutral = np.arange(15, dtype=np.float32).reshape(5, 3)
    triangles = np.array([[0, 1, 2], [2, 3, 4]], np.int32)

    def vertices(self, psi):
        return self.neutral + np.sum(psi) * np.array([0, 1, 0], np.float32)


def clip(name: str, n: int, lost: tuple[int, ...] = ()) -> pd.DataFrame:
    psi = np.zeros((n, 53), np.float32)
    psi[:, 1] = np.arange(n)
    psi[list(lost)] = np.nan
    return with_psi(frame_table(name, np.arange(n) / 25, ~np.isnan(psi[:, 0])), psi, ICT53.names)


@pytest.fixture
def state() -> ExplorerState:
    codes = np.array([[0, 1], [1, 2], [-1, -1], [0, 3]])
    return ExplorerState(Tokens(), codes, np.arange(4) / 25)


@pytest.fixture
def explorer() -> Explorer:
    return Explorer(Tokens(), pd.concat([clip("one", 6, lost=(0, 3)), clip("two", 3)]), Model())


def test_all_tokens_give_the_decoded_face(state):
    np.testing.assert_allclose(state.psi(), Tokens().decode(state.codes[:1])[0])


def test_each_token_can_be_taken_out_and_put_back(state):
    without = state.toggled(0)
    assert without.active().tolist() == [False, True]
    assert without.psi()[SMILE] == 0 and without.psi()[JAW] == 0.5
    np.testing.assert_array_equal(without.toggled(0).psi(), state.psi())
    assert state.active().all(), "a change makes a copy"


def test_stages_run_from_coarse_to_fine(state):
    np.testing.assert_array_equal(state.upto(0).psi(), np.zeros(53))
    assert state.upto(1).psi()[SMILE] == 1 and state.upto(1).psi()[JAW] == 0
    assert state.upto(99).stages == 2


def test_amplitude_scales_face_and_template(state):
    np.testing.assert_allclose(state.scaled(1.5).psi(), 1.5 * state.psi())
    np.testing.assert_allclose(state.scaled(0.5).template_psi(), 0.5 * state.template_psi())


def test_a_frame_without_face_is_neutral(state):
    lost = state.at(2)
    assert not lost.detected and not lost.active().any()
    np.testing.assert_array_equal(lost.psi(), np.zeros(53))


def test_a_new_frame_has_all_its_tokens(state):
    assert state.toggled(0).at(1).active().all()
    assert state.at(-5).frame == 0 and state.at(99).frame == 3


def test_places_and_use_of_a_token(state):
    frames_, stages = state.choosing(1).places()
    assert frames_.tolist() == [0, 1] and stages.tolist() == [1, 0]
    assert state.use.tolist() == [2, 2, 1, 1]


@pytest.mark.parametrize("token", [-1, 4])
def test_unknown_token(state, token):
    with pytest.raises(InputError, match="codes 0 to 3"):
        state.choosing(token)


def test_state_needs_frames():
    with pytest.raises(InputError, match="a time each"):
        ExplorerState(Tokens(), np.zeros((2, 2), int), np.zeros(3))


def test_opens_at_the_first_face(explorer):
    assert explorer.state.frame == explorer.frame.value == 1
    assert [c.description for c in explorer.chips] == ["stage 1: 1", "stage 2: 2"]
    assert all(c.value for c in explorer.chips)


def test_a_chip_takes_its_token_out_of_the_face(explorer):
    before = np.array(explorer.figure.data[live.FACE].y)
    explorer.chips[0].value = False
    after = np.array(explorer.figure.data[live.FACE].y)
    np.testing.assert_allclose(before - after, 1.0)
    explorer.chips[0].value = True
    np.testing.assert_allclose(explorer.figure.data[live.FACE].y, before)


def test_stage_slider_switches_chips_off_and_back(explorer):
    explorer.stages.value = 1
    assert [c.value for c in explorer.chips] == [True, False] and explorer.chips[1].disabled
    explorer.stages.value = 2
    assert all(c.value for c in explorer.chips)


def test_lost_frame_is_said_aloud(explorer):
    explorer.frame.value = 3
    assert "no face" in explorer.status.value and 'role="status"' in explorer.status.value
    assert all(c.disabled and not c.value for c in explorer.chips)
    np.testing.assert_allclose(explorer.figure.data[live.FACE].y, Model.neutral[:, 1])


def test_choosing_a_token_shows_its_heat_and_places(explorer):
    explorer.token.value = 2
    np.testing.assert_allclose(explorer.figure.data[live.TEMPLATE].intensity, 1.0)
    at, stage = explorer.state.places()
    np.testing.assert_allclose(explorer.figure.data[live.PLACES].x, at / 25)
    np.testing.assert_allclose(explorer.figure.data[live.PLACES].y, stage + 1)
    assert "browDown R" in explorer.place.value


def test_show_button_chooses_the_token_of_its_stage(explorer):
    explorer.looks[1].click()
    assert explorer.state.token == explorer.token.value == 2


def test_another_recording_starts_afresh(explorer):
    explorer.frame.value = 5
    explorer.chips[0].value = False
    explorer.recording.value = "two"
    assert explorer.frame.max == explorer.play.max == 2
    assert explorer.state.frame == explorer.frame.value == 0
    assert all(c.value for c in explorer.chips)


def test_every_control_has_a_label(explorer):
    for control in (explorer.recording, explorer.frame, explorer.stages, explorer.amplitude, explorer.token):
        assert control.description
    assert all(b.description for b in (*explorer.chips, *explorer.looks)) and explorer.play.tooltip


def test_refuses_a_table_without_psi():
    with pytest.raises(InputError, match="psi_"):
        Explorer(Tokens(), frame_table("bare", np.arange(3.0), np.ones(3, bool)), Model())


def test_recording_without_any_face_can_be_opened():
    explorer = Explorer(Tokens(), clip("dark", 3, lost=(0, 1, 2)), Model())
    assert "no face" in explorer.status.value
