"""The explorer without a browser: what it computes, and that each control changes what it should."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dfe_lib import frames
from dfe_lib.data.access import AccessError
from dfe_lib.errors import InputError
from dfe_lib.explorer import explore, opening, pictures, selection, texts
from dfe_lib.explorer.clips import Footage, clips_of
from dfe_lib.explorer.codebook import Codebook, compare_use, use_of
from dfe_lib.explorer.state import NOTHING, ExplorerState, face_of, nice_limit
from dfe_lib.explorer.widget import Explorer
from dfe_lib.frames import frame_table, with_psi, with_tokens
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
    """Five vertices; each coefficient lifts all of them by 1 mm, the identity mode moves them to the side."""

    neutral = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [10, 10, 1], [5, 20, 2]], np.float32)
    triangles = np.array([[0, 1, 2], [1, 3, 2], [2, 3, 4]], np.int32)
    identities = np.full((1, 5, 3), [1, 0, 0], np.float32)

    def vertices(self, psi, identity=None):
        lift = np.sum(psi, axis=-1)[..., None, None] * np.array([0, 1, 0], np.float32)
        return self.neutral + lift + (0 if identity is None else identity[0] * self.identities[0])


def clip(name: str, n: int, lost: tuple[int, ...] = ()) -> pd.DataFrame:
    psi = np.zeros((n, 53), np.float32)
    psi[:, 1] = np.arange(n)
    psi[list(lost)] = np.nan
    return with_psi(frame_table(name, np.arange(n) / 25, ~np.isnan(psi[:, 0])), psi, ICT53.names)


def drawn(explorer: Explorer, what: str = "vertices") -> np.ndarray:
    values = np.frombuffer(getattr(explorer.face.view, what), np.float32)
    return values.reshape(-1, 3) if what == "vertices" else values


@pytest.fixture
def state() -> ExplorerState:
    codes = np.array([[0, 1], [1, 2], [-1, -1], [0, 3]])
    return ExplorerState(Tokens(), codes, np.arange(4) / 25)


@pytest.fixture
def explorer() -> Explorer:
    return Explorer(Tokens(), pd.concat([clip("one", 6, lost=(0, 3)), clip("two", 3)]), Model())


# State


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


def test_amplitude_scales_the_recorded_face_and_intensity_the_token(state):
    np.testing.assert_allclose(state.scaled(1.5).psi(), 1.5 * state.psi())
    token = state.showing("token").choosing(1)
    assert token.strengthened(-0.5).psi()[JAW] == -0.5 and token.scaled(2.0).psi()[JAW] == 1


def test_a_composed_face_grows_stage_by_stage(state):
    composed = state.showing("composed").placing(0, 2).placing(1, 0)
    assert composed.composed == (2, 0)
    np.testing.assert_array_equal(composed.composition()[0], Tokens.templates[2])
    np.testing.assert_array_equal(composed.psi(), Tokens.templates[2] + 0.5 * Tokens.templates[0])
    assert composed.placing(0, NOTHING).psi()[BROW] == 0
    np.testing.assert_array_equal(state.composing_frame().showing("composed").psi(), state.psi())
    assert not state.at(2).composing_frame().showing("composed").psi().any()


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
    assert use_of(state.codes, 4).tolist() == [2, 2, 1, 1]


def test_next_place_is_the_beginning_of_the_next_spell(state):
    token = state.choosing(0)  # in frames 0 and 3
    assert token.next_place() == 3 and token.at(3).next_place() == 0
    codes = np.array([[1], [0], [0], [1]])
    assert ExplorerState(Tokens(), codes, np.arange(4.0), frame=1, token=2).next_place() is None
    assert ExplorerState(Tokens(), codes, np.arange(4.0), frame=1, token=0).next_place() == 1


@pytest.mark.parametrize("token", [-1, 4])
def test_unknown_token(state, token):
    with pytest.raises(InputError, match="codes 0 to 3"):
        state.choosing(token)


def test_unknown_face_and_colour(state):
    with pytest.raises(InputError, match="no such face"):
        state.showing("recordd")
    with pytest.raises(InputError, match="no such colouring"):
        face_of(state, Model(), "eror")


def test_state_needs_frames():
    with pytest.raises(InputError, match="a time each"):
        ExplorerState(Tokens(), np.zeros((2, 2), int), np.zeros(3))


def test_displacement_and_error_are_distances_in_mm(state):
    measured = np.zeros((4, 53), np.float32)
    measured[:, SMILE] = 0.25
    state = ExplorerState(Tokens(), state.codes, state.time_s, measured)  # the face moves by 1 + 0.5 mm
    np.testing.assert_allclose(face_of(state, Model()).heat, 1.5)
    error = face_of(state, Model(), "error")
    np.testing.assert_allclose(error.heat, 1.25)
    assert error.limit == 2.0 and "1.25 mm RMS" in error.what
    assert not len(face_of(state, Model(), "plain").heat)
    alone = face_of(state.showing("token"), Model(), "error")
    assert not len(alone.heat) and "No measured face" in alone.what


@pytest.mark.parametrize("identity", [None, np.array([2.0], np.float32)])
def test_a_token_alone_tells_what_the_browser_needs_for_every_intensity(state, identity):
    state = state.showing("token").choosing(1).strengthened(0.5)
    face = face_of(state, Model(), identity=identity)
    for other in (-2.0, 0.0, 1.7):
        there = face_of(state.strengthened(other), Model(), identity=identity)
        np.testing.assert_allclose(
            face.vertices + (other - face.strength) * face.step, there.vertices, atol=1e-5
        )
        np.testing.assert_allclose(abs(other) * np.linalg.norm(face.step, axis=1), there.heat, atol=1e-5)
    assert np.abs(face.step).max() > 0 and not len(face_of(state.showing("recorded"), Model()).step)


def test_identity_moves_the_face_but_is_no_displacement(state):
    face = face_of(state, Model(), identity=np.array([2.0], np.float32))
    np.testing.assert_allclose(face.vertices[:, 0], Model.neutral[:, 0] + 2)
    np.testing.assert_allclose(face.heat, 1.5)


def test_limits_of_the_scale_can_be_read():
    assert [nice_limit(x) for x in (0.0, 0.5, 0.7, 2.0, 2.1, 7.0)] == [0.5, 0.5, 1.0, 2.0, 5.0, 10.0]


# Codebook, comparison


def test_likeness_and_action_units():
    book = Codebook(Tokens())
    assert [k for k, _ in book.alike(0, 3)] == sorted(range(1, 4), key=lambda k: -book.likeness[0, k])
    assert book.likeness[1, 1] == pytest.approx(1)
    assert book.units(1)[0].code in ("AU25", "AU26", "AU27") and book.units(1)[0].cosine > 0.7


def test_orders():
    book = Codebook(Tokens())
    assert book.order("number", np.zeros(4), 0) == [0, 1, 2, 3]
    assert book.order("use", np.array([1, 5, 0, 2]), 0) == [1, 3, 0, 2]
    assert book.order("likeness", np.zeros(4), 2)[0] == 2
    with pytest.raises(InputError, match="no such order"):
        book.order("colour", np.zeros(4), 0)


def test_two_recordings_are_compared_by_hand():
    one, two = np.array([[0, 1], [0, 1]]), np.array([[0, 2], [-1, -1]])
    table, distance = compare_use(one, two, 4)
    assert table.to_dict("list") == {"token": [1, 2, 0], "one": [0.5, 0.0, 0.5], "two": [0.0, 0.5, 0.5]}
    assert distance == pytest.approx(np.sqrt(0.5))
    assert compare_use(one, one, 4)[1] == 0
    assert compare_use(one, np.full((1, 2), 3), 4)[1] == pytest.approx(1)
    assert np.isnan(compare_use(one, np.full((1, 2), -1), 4)[1])


# Clips


def test_tokens_of_the_table_count_and_need_no_psi():
    codes = np.array([[3, 3], [-1, -1]], np.int16)
    made = clips_of(with_tokens(clip("one", 2, lost=(1,)), codes), Tokens())["one"]
    np.testing.assert_array_equal(made.codes, codes)
    bare = with_tokens(frame_table("bare", np.arange(2.0), np.array([True, False])), codes)
    assert clips_of(bare, Tokens())["bare"].measured is None
    with pytest.raises(InputError, match="codebook ends at 3"):
        clips_of(with_tokens(bare, np.full((2, 2), 9)), Tokens())
    with pytest.raises(InputError, match="number of stages"):
        clips_of(with_tokens(bare, np.zeros((2, 5), np.int16)), Tokens())


def test_footage_shows_the_frame_that_was_measured(tmp_path):
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(40):
            picture = np.full((48, 64, 3), 6 * i, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    points = np.zeros((40, 478, 3), np.float32)
    points[:, :, 0] = np.arange(40)[:, None]
    table = frames.with_landmarks(clip("one", 40), points)
    table["time_s"] = np.arange(40) / 25
    footage = Footage(clips_of(table, Tokens(), {"one": path})["one"])
    for frame in (0, 1, 5, 30, 12, 39):  # on, a step, ahead, back
        jpeg, dots = footage.picture(frame)
        assert np.asarray(Image.open(io.BytesIO(jpeg))).mean() == pytest.approx(6 * frame, abs=5), frame
        assert dots.shape == (478, 2) and dots[0, 0] == pytest.approx(frame * 250 / 48)
    face = points.copy()
    face[:, :, 0] = np.linspace(30, 40, 478)  # 10 px wide and high, and half of that around it
    face[:, :, 1] = np.linspace(20, 30, 478)
    near = Footage(clips_of(frames.with_landmarks(table, face), Tokens(), {"one": path})["one"])
    jpeg, dots = near.picture(3)
    assert Image.open(io.BytesIO(jpeg)).size == (250, 250)
    np.testing.assert_allclose(dots[[0, -1]], [[62.5, 62.5], [187.5, 187.5]])


# Pictures


def test_small_faces_are_hot_where_they_move():
    from dfe_lib.face.morphable import load_morphable

    model = load_morphable("face478")
    faces = pictures.small_faces(np.stack([ICT53.vector(jawOpen=1.0), np.zeros(53, np.float32)]), model)
    assert faces.shape == (2, pictures.HEIGHT, pictures.WIDTH, 3)
    redness = faces[..., 0].astype(int) - faces[..., 2]
    assert redness[0, 55:75].max() > 120 and redness[0, :30].max() < 60
    assert redness[1].max() < 40 and (faces[1] < 200).any(), "still, but drawn"
    packed = Image.open(io.BytesIO(pictures.sheet(faces, columns=1)))
    assert packed.size == (pictures.WIDTH, 2 * pictures.HEIGHT)


def test_bars_escape_and_say_what_is_largest():
    svg = pictures.psi_bars(ICT53.vector(jawOpen=0.5, browDown_L=-0.25), ICT53)
    assert "jawOpen, +0.50" in svg and "+0.50</text>" in svg and "-0.25</text>" in svg and 'role="img"' in svg
    table, _ = compare_use(np.array([[0]]), np.array([[1]]), 4)
    assert "&lt;b&gt;" in pictures.use_bars(table, Codebook(Tokens()).words, ("<b>", "two"))


def test_most_used_codes_have_a_colour_of_their_own():
    shades, legend = pictures.code_colours(np.array([0, 9, 3, 0]))
    assert [text for text, _ in legend] == ["token 1", "token 2", "other tokens"]
    assert shades.shape == (4, 3) and len({tuple(s) for s in shades[[1, 2]]} | {tuple(shades[0])}) == 3


# Selection


def test_selection_by_hand(tmp_path):
    made = clips_of(clip("one", 6, lost=(0,)), Tokens())["one"]
    book = Codebook(Tokens())
    chosen = selection.Selection(made, 0, 3, token=2)
    table = selection.tokens_of(chosen, book)
    assert table[["frame", "stage", "token"]].to_numpy().tolist() == [[1, 2, 2], [2, 1, 2]]
    assert table["rms_mm"].tolist() == pytest.approx([0.5 * book.size[2], book.size[2]])
    assert len(selection.tokens_of(selection.Selection(made, 0, 5), book)) == 10
    state = ExplorerState(Tokens(), made.codes, made.time_s, made.measured, frame=1)
    face = face_of(state, Model())
    written = selection.save(chosen, book, face, Model(), tmp_path / "out", "a face")
    assert [p.name for p in written] == ["tokens.csv", "tokens.json", "face.png", "citation.txt"]
    assert len(pd.read_csv(written[0])) == 2 and Image.open(written[2]).size[0] > 300
    line = written[3].read_text()
    assert "token 2" in line and "frames 0–3" in line and "2510.01662" in line
    assert set(json.loads(written[1].read_text())["columns"]) == set(table.columns)
    with pytest.raises(InputError, match="not within 0 to 5"):
        selection.Selection(made, 2, 9)


def test_gated_recordings_are_not_exported(tmp_path):
    table = clip("one", 3)
    table.attrs = {"access": "agreement", "dataset": "disfa"}
    made = clips_of(table, Tokens())["one"]
    state = ExplorerState(Tokens(), made.codes, made.time_s)
    chosen = selection.Selection(made, 0, 2)
    with pytest.raises(AccessError, match="disfa"):
        selection.save(chosen, Codebook(Tokens()), face_of(state, Model()), Model(), tmp_path, "")
    assert not list(tmp_path.iterdir())


# Widget


def test_opens_at_the_first_face(explorer):
    assert explorer.state.frame == explorer.player.frame.value == 1
    assert [c.description for c in explorer.player.chips] == ["stage 1: 1", "stage 2: 2"]
    assert all(c.value for c in explorer.player.chips)
    assert len(explorer.tokens.gallery.order) == 4


def test_a_chip_takes_its_token_out_of_the_face(explorer):
    before = drawn(explorer)
    explorer.player.chips[0].value = False
    np.testing.assert_allclose(before[:, 1] - drawn(explorer)[:, 1], 1.0)
    explorer.player.chips[0].value = True
    np.testing.assert_allclose(drawn(explorer), before)


def test_stage_slider_switches_chips_off_and_back(explorer):
    explorer.player.stages.value = 1
    assert [c.value for c in explorer.player.chips] == [True, False] and explorer.player.chips[1].disabled
    explorer.player.stages.value = 2
    assert all(c.value for c in explorer.player.chips)


def test_lost_frame_is_said_aloud(explorer):
    explorer.player.frame.value = 3
    assert "no face" in explorer.status.value and 'role="status"' in explorer.status.value
    assert all(c.disabled and not c.value for c in explorer.player.chips)
    np.testing.assert_allclose(drawn(explorer), Model.neutral)


def test_tabs_say_which_face_is_shown(explorer):
    explorer.tabs.selected_index = 0
    explorer.tokens.gallery.selected = 2
    explorer.tokens.intensity.value = 2.0
    np.testing.assert_allclose(drawn(explorer)[:, 1], Model.neutral[:, 1] + 2)
    np.testing.assert_allclose(drawn(explorer, "heat"), 2.0)
    assert "Token 2" in explorer.tokens.facts.value and "AU" in explorer.tokens.facts.value
    explorer.tabs.selected_index = 1
    np.testing.assert_allclose(drawn(explorer), Model.neutral)
    explorer.composer.codes[1].value = 3
    np.testing.assert_allclose(drawn(explorer)[:, 1], Model.neutral[:, 1] + 0.5)
    explorer.composer.take.click()
    assert [c.value for c in explorer.composer.codes] == [1, 2]
    explorer.tabs.selected_index = 3
    np.testing.assert_allclose(drawn(explorer)[:, 1], Model.neutral[:, 1] + 1.5), "comparing leaves the face"


def test_put_fills_the_first_empty_stage(explorer):
    explorer.tokens.gallery.selected = 3
    for expected in ((3, NOTHING), (3, 3), (3, 3)):
        explorer.tokens.put.click()
        assert explorer.state.composed == expected


def test_show_button_chooses_the_token_of_its_stage(explorer):
    explorer.player.looks[1].click()
    assert explorer.state.token == explorer.tokens.gallery.selected == 2
    assert explorer.tabs.selected_index == 0


def test_a_cell_of_the_raster_is_a_place_and_a_token(explorer):
    explorer.raster.picked = [4, 1, 0]  # tokens 0 and 1
    assert explorer.state.frame == explorer.player.frame.value == explorer.raster.cursor == 4
    assert explorer.state.token == 1 and explorer.raster.only == -1
    explorer.filter.value = True
    assert explorer.raster.only == 1
    explorer.tokens.next.click()
    assert explorer.state.frame == 1


def test_steps_stop_at_both_ends(explorer):
    explorer.player.frame.value = 5
    explorer.player.on.click()
    assert explorer.state.frame == 5
    explorer.player.back.click()
    assert explorer.state.frame == 4


def test_another_recording_starts_afresh(explorer):
    explorer.player.frame.value = 5
    explorer.player.chips[0].value = False
    explorer.player.recording.value = "two"
    assert explorer.player.frame.max == 2 == explorer.export.span.max
    assert explorer.state.frame == explorer.player.frame.value == 0
    assert all(c.value for c in explorer.player.chips)
    assert len(np.frombuffer(explorer.raster.codes, np.int16)) == 3 * 2


def test_identity_and_colour(explorer):
    explorer.face.amount.value = 2.0
    np.testing.assert_allclose(drawn(explorer)[:, 0], Model.neutral[:, 0] + 2)
    explorer.face.generic.click()
    assert explorer.face.amount.value == 0
    np.testing.assert_allclose(drawn(explorer)[:, 0], Model.neutral[:, 0])
    explorer.face.colour.value = "plain"
    assert not len(drawn(explorer, "heat"))


def test_comparison_and_export(explorer, tmp_path):
    explorer.compare.two.value = "one"
    assert "<b>0.00</b>" in explorer.compare.says.value
    explorer.export.span.value, explorer.export.folder.value = (1, 2), str(tmp_path / "out")
    assert "frames 1–2" in explorer.export.cite.value
    explorer.export.write.click()
    assert "tokens.csv" in explorer.export.done.value and (tmp_path / "out" / "face.png").is_file()
    (tmp_path / "file").write_text("")
    explorer.export.folder.value = str(tmp_path / "file")
    explorer.export.write.click()
    assert "cannot be written" in explorer.export.done.value


def test_every_control_has_a_label(explorer):
    player = explorer.player
    controls = (player.recording, player.frame, player.stages, player.amplitude, explorer.tokens.intensity)
    for control in (
        *controls,
        explorer.face.colour,
        explorer.face.mode,
        *explorer.composer.codes,
        explorer.filter,
    ):
        assert control.description
    assert all(b.description for b in (*player.chips, *player.looks))
    assert explorer.raster.label and explorer.tokens.gallery.label and explorer.face.view.label


def test_refuses_a_table_without_psi_or_tokens():
    with pytest.raises(InputError, match="psi_"):
        Explorer(Tokens(), frame_table("bare", np.arange(3.0), np.ones(3, bool)), Model())
    with pytest.raises(InputError, match="no such recording"):
        Explorer(Tokens(), clip("one", 3), Model(), recording="two")


def test_recording_without_any_face_can_be_opened():
    explorer = Explorer(Tokens(), clip("dark", 3, lost=(0, 1, 2)), Model())
    assert "no face" in explorer.status.value
    assert "not defined" in explorer.compare.says.value


def test_state_of_a_long_recording_stays_small():
    """What a saved notebook holds: ten minutes of 18,000 frames, on the shipped tokenizer and mesh."""
    from ipywidgets import Widget

    from dfe_lib.tokens import Tokenizer

    Widget.close_all()
    tokenizer, rng = Tokenizer.load(), np.random.default_rng(0)
    bare = frame_table("long", np.arange(18_000) / 30, np.ones(18_000, bool))
    explore(tokenizer, with_tokens(bare, rng.integers(0, 256, (18_000, tokenizer.stages))))
    assert len(json.dumps(Widget.get_manager_state())) < 5e6
    Widget.close_all()


def test_texts_escape_names(state):
    assert "&lt;b&gt;" in texts.status(state, Codebook(Tokens()), "<b>")


# Opening


def test_a_table_is_the_notebook_s_parameter(tmp_path):
    path = frames.write(clip("one", 4), tmp_path / "one.parquet")
    given = opening.parameters_of(path)
    assert given == {"table": str(path), "recording": "one", "video": ""}
    copy = opening.prepare(given, tmp_path / "lab")
    assert str(path) in copy.read_text() and copy.name == "one.ipynb"
    assert f"--ServerApp.root_dir={tmp_path / 'lab'}" in opening.command(copy)


def test_files_of_the_wrong_kind(tmp_path):
    (tmp_path / "text.txt").write_text("no video")
    with pytest.raises(InputError, match="not a readable video"):
        opening.parameters_of(tmp_path / "text.txt")
    with pytest.raises(InputError, match="not there"):
        opening.parameters_of(tmp_path / "none.mp4")
    bare = frames.write(frame_table("bare", np.arange(3.0), np.ones(3, bool)), tmp_path / "bare.parquet")
    with pytest.raises(InputError, match="neither psi_ nor token_"):
        opening.parameters_of(bare)
    bags = frames.write(
        pd.DataFrame({"recording": ["a"], "n_detected": [1], "token_0": [1.0]}), tmp_path / "b.parquet"
    )
    with pytest.raises(InputError, match="bags of tokens"):
        opening.parameters_of(bags)


def test_a_clip_is_extracted_once(tmp_path, monkeypatch, mirror):
    source = mirror("pyfeat-media", "single_face.jpg")
    mirror("mediapipe-face-landmarker", "face_landmarker.task")
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    given = opening.parameters_of(source)
    assert given["video"] == str(source) and given["recording"] == "single_face"
    before = frames.read(given["table"], needs=["psi_"])
    assert before["detected"].all()
    made = os.stat(given["table"]).st_mtime_ns
    assert opening.parameters_of(source) == given and os.stat(given["table"]).st_mtime_ns == made
