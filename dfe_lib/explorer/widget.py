"""The widget: puts the state on the screen, and every control's change into the state."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np
import pandas as pd

from dfe_lib.errors import DFEError, InputError, choices
from dfe_lib.explorer import codebook as books
from dfe_lib.explorer import panels, pictures, selection, texts
from dfe_lib.explorer.clips import Footage, clips_of
from dfe_lib.explorer.state import COMPOSED, NOTHING, RECORDED, TOKEN, ExplorerState, Face, face_of
from dfe_lib.explorer.views import Raster

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable
    from dfe_lib.tokens import Tokenizer

_TABS = ("Tokens", "Compose", "Recording", "Compare", "Export")
_SHOWN = {0: TOKEN, 1: COMPOSED, 2: RECORDED}  # tab → face; the other tabs leave the face as it is


class Explorer(widgets.VBox):
    """The widget; see :func:`dfe_lib.explorer.explore`. ``state`` tells what is shown, ``clips`` are the recordings."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        table: pd.DataFrame,
        model: Morphable,
        videos: Mapping[str, str | Path] | None = None,
        small: Morphable | None = None,
        recording: str | None = None,
    ):
        self._model, self._book = model, books.Codebook(tokenizer)
        self.clips = clips_of(table, tokenizer, videos)
        if recording is not None and recording not in self.clips:
            raise InputError(f"the table has no such recording: {choices(recording, self.clips)}")
        self._faces = pictures.small_faces(tokenizer.templates, small or model)
        self._identity = np.zeros(len(getattr(model, "identities", ())), np.float32)
        self._quiet = False  # set while the program itself moves a control
        names, depth = list(self.clips), len(tokenizer.gains)
        self.face = panels.FacePanel(model)
        self.tokens = panels.TokenPanel()
        self.composer = panels.ComposePanel(depth, len(tokenizer.templates))
        self.player = panels.RecordingPanel(names, depth)
        self.compare = panels.ComparePanel(names)
        self.export = panels.ExportPanel()
        self.raster = Raster(
            names=self._book.words, label="Tokens over time; left and right change the frame"
        )
        self.filter = widgets.Checkbox(description="show only the chosen token", indent=False)
        self.status = widgets.HTML()
        every = (self.tokens, self.composer, self.player, self.compare, self.export)
        for panel in every:
            panel.box.layout.flex = "0 0 auto"  # what does not fit is scrolled, not squeezed
        self.tabs = widgets.Tab(
            [widgets.VBox([panel.box], layout=panels.TAB) for panel in every], titles=_TABS, selected_index=2
        )
        self.tabs.layout = {"flex": "1 1 0", "min_width": "0"}
        # The figure of all tokens is one picture; the tokens most like one, or apart, are small ones of their own.
        self.tokens.gallery.sheet = pictures.sheet(self._faces)
        self._wire()
        top = widgets.HBox([self.face.box, self.tabs])
        super().__init__([self.status, top, self.filter, self.raster])
        self._open(names[0] if recording is None else recording)
        self._compared()

    def _wire(self) -> None:
        player, tokens, face = self.player, self.tokens, self.face
        for control, change in (
            (player.frame, ExplorerState.at),
            (player.stages, ExplorerState.upto),
            (player.amplitude, ExplorerState.scaled),
            (tokens.intensity, ExplorerState.strengthened),
        ):
            control.observe(lambda event, change=change: self._apply(change, event["new"]), "value")
        for gallery in (tokens.gallery, tokens.alike, self.compare.faces):
            gallery.observe(lambda event: self._choose(event["new"]), "selected")
        player.recording.observe(lambda event: self._quiet or self._open(event["new"]), "value")
        player.back.on_click(lambda _: self._go(self.state.frame - 1))
        player.on.on_click(lambda _: self._go(self.state.frame + 1))
        player.dots.observe(lambda event: setattr(player.picture, "dots", event["new"]), "value")
        for s, (chip, look) in enumerate(zip(player.chips, player.looks, strict=True)):
            chip.observe(lambda _, s=s: self._apply(ExplorerState.toggled, s), "value")
            look.on_click(lambda _, s=s: self._look(s))
        for s, code in enumerate(self.composer.codes):
            code.observe(
                lambda event, s=s: self._apply(lambda state, k: state.placing(s, k), event["new"]), "value"
            )
        self.composer.take.on_click(lambda _: self._compose(ExplorerState.composing_frame))
        self.composer.clear.on_click(lambda _: self._compose(lambda state: replace(state, composed=())))
        tokens.order.observe(lambda _: self._arrange(), "value")
        tokens.next.on_click(lambda _: self._go(self.state.next_place()))
        tokens.put.on_click(lambda _: self._compose(_put))
        # The face follows in the browser at once; what the kernel sends after it is the same face.
        widgets.jsdlink((tokens.intensity, "value"), (face.view, "asked"))
        face.colour.observe(lambda _: self._draw(), "value")
        face.wire.observe(lambda event: setattr(face.view, "wire", event["new"]), "value")
        face.mode.observe(lambda event: self._mode(event["new"]), "value")
        face.amount.observe(lambda event: self._quiet or self._shape(event["new"]), "value")
        face.generic.on_click(lambda _: self._generic())
        self.tabs.observe(lambda event: self._turn(event["new"]), "selected_index")
        self.raster.observe(lambda event: self._go(event["new"]), "cursor")
        self.raster.observe(lambda event: self._pick(event["new"]), "picked")
        self.filter.observe(lambda _: self._filter(), "value")
        for control in (self.compare.one, self.compare.two):
            control.observe(lambda _: self._compared(), "value")
        for control in (self.export.span, self.export.only):
            control.observe(lambda _: self._quiet or self._cite(), "value")
        self.export.write.on_click(lambda _: self._write())

    # What the reader does

    def _open(self, recording: str) -> None:
        clip = self._clip = self.clips[recording]
        before = getattr(self, "state", None)
        state = ExplorerState(self._book.tokenizer, clip.codes, clip.time_s, clip.measured)
        if before is not None:
            kept = ("mode", "stages", "amplitude", "token", "intensity", "composed")
            state = replace(state, **{name: getattr(before, name) for name in kept})
        state = state.at(int(np.argmax(clip.codes[:, 0] >= 0)))
        self._use = books.use_of(clip.codes, len(self._book))
        if before is None:
            state = state.choosing(int(np.argmax(self._use)))
        self._footage = Footage(clip) if clip.video is not None else None
        self._quiet = True
        last, player = len(clip.codes) - 1, self.player
        player.frame.max = last
        player.recording.value = recording
        player.frame.value = state.frame
        self.export.span.max, self.export.span.value = last, (0, last)
        colours, legend = pictures.code_colours(self._use)
        self.raster.show(
            clip.codes, clip.time_s, colours, legend, state.frame, f"Tokens of {recording} over time"
        )
        self._quiet = False
        self.state = state
        self._arrange()
        self._show(None)

    def _apply(self, change: Callable[[ExplorerState, float], ExplorerState], value: float) -> None:
        if not self._quiet:
            before, self.state = self.state, change(self.state, value)
            self._show(before)

    def _go(self, frame: int | None) -> None:
        if frame is not None and not self._quiet:
            self.player.frame.value = int(np.clip(frame, 0, len(self._clip.codes) - 1))

    def _choose(self, token: int) -> None:
        if token >= 0 and token != self.state.token:
            self._apply(ExplorerState.choosing, token)

    def _pick(self, cell: list) -> None:
        frame, stage = cell[:2]
        self._go(frame)
        self._choose(int(self._clip.codes[frame, stage]))

    def _look(self, stage: int) -> None:
        if self.state.detected:
            self._choose(self.state.tokens[stage])
            self.tabs.selected_index = 0

    def _turn(self, tab: int) -> None:
        if tab in _SHOWN:
            self._apply(ExplorerState.showing, _SHOWN[tab])

    def _compose(self, change: Callable[[ExplorerState], ExplorerState]) -> None:
        self._apply(lambda state, _: change(state), 0)

    def _mode(self, mode: int) -> None:
        self._quiet = True
        self.face.amount.value = float(self._identity[mode])
        self._quiet = False

    def _shape(self, amount: float) -> None:
        self._identity[self.face.mode.value] = amount
        self._draw()

    def _generic(self) -> None:
        self._identity[:] = 0
        self._mode(self.face.mode.value)
        self._draw()

    def _write(self) -> None:
        try:
            made = selection.save(
                self._selection(),
                self._book,
                self._drawn,
                self._model,
                self.export.folder.value,
                self._title,
            )
        except DFEError as error:
            self.export.done.value = f'<span role="alert">{html.escape(str(error))}</span>'
            return
        names = ", ".join(html.escape(str(path)) for path in made)
        self.export.done.value = f'<span role="alert">Written: {names}</span>'

    # What is shown

    def _show(self, before: ExplorerState | None) -> None:
        """Draw what differs from ``before``; None draws everything."""
        now = self.state
        self._draw()
        self._show_chips()
        if before is None or before.frame != now.frame:
            self._show_frame()
        if before is None or before.token != now.token:
            self._show_token()
        if before is None or before.composed != now.composed or before.frame != now.frame:
            self._show_composed()

    def _draw(self) -> None:
        identity = self._identity if self._identity.any() else None
        self._drawn: Face = face_of(self.state, self._model, self.face.colour.value, identity)
        self._title = texts.title(self.state, self._book, self._clip.recording)
        self.face.view.show(self._drawn, f"{self._title}. {self._drawn.what}")
        self.status.value = texts.status(self.state, self._book, self._clip.recording)

    def _show_frame(self) -> None:
        now, picture = self.state, self.player.picture
        self._quiet = True
        self.player.frame.value = self.raster.cursor = now.frame
        self._quiet = False
        label = f"{self._clip.recording}, frame {now.frame}"
        if self._footage is None:
            note = "The video file is not at hand; tokens, face and raster need the frame table only."
            picture.show(b"", np.empty((0, 2)), note, label)
            return
        try:
            jpeg, points = self._footage.picture(now.frame)
        except InputError as error:
            picture.show(b"", np.empty((0, 2)), str(error), label)
            return
        note = "" if len(points) else "No face found in this frame."
        picture.show(jpeg, points, note, f"Video of {label}, {len(points)} landmarks")

    def _show_token(self) -> None:
        token, book, tokens = self.state.token, self._book, self.tokens
        tokens.gallery.selected = token
        alike = book.alike(token)
        tokens.alike.show_few(
            self._faces, [k for k, _ in alike], book.words, [f"{k}: {c:.2f}" for k, c in alike]
        )
        tokens.alike.selected = self.compare.faces.selected = -1
        tokens.facts.value = texts.facts(self.state, book, self.clips, self._clip.recording)
        self._filter()
        if tokens.order.value == "likeness":
            self._arrange()
        self._cite()

    def _show_composed(self) -> None:
        now, self._quiet = self.state, True
        for s, (code, text) in enumerate(zip(self.composer.codes, self.composer.says, strict=True)):
            code.value = now.composed[s]
            text.value = texts.stage_line(now, self._book, s)
        self._quiet = False
        self.composer.bars.value = pictures.psi_bars(now.composition()[-1], self._book.space)

    def _show_chips(self) -> None:
        now, self._quiet = self.state, True
        for s, (chip, look) in enumerate(zip(self.player.chips, self.player.looks, strict=True)):
            code, counts = now.tokens[s], s < now.stages and now.detected
            chip.description = f"stage {s + 1}: {code if now.detected else 'none'}"
            chip.tooltip = (
                f"{self._book.words[code]}; click to switch off or on" if now.detected else "no face"
            )
            chip.value = counts and s not in now.muted
            chip.disabled = not counts
            look.description = f"show {code}" if now.detected else "show"
            look.disabled = not now.detected
        self._quiet = False

    def _arrange(self) -> None:
        by = self.tokens.order.value
        codes = self._book.order(by, self._use, self.state.token)
        self.tokens.gallery.show(codes, self._book.words)

    def _filter(self) -> None:
        self.raster.only = self.state.token if self.filter.value else -1

    def _compared(self) -> None:
        one, two = (self.clips[c.value] for c in (self.compare.one, self.compare.two))
        table, distance = books.compare_use(one.codes, two.codes, len(self._book))
        self.compare.says.value = texts.compared(table, distance)
        first = [int(k) for k in table["token"].head(6)]
        self.compare.faces.show_few(self._faces, first, self._book.words)
        self.compare.bars.value = pictures.use_bars(table, self._book.words, (one.recording, two.recording))

    def _selection(self) -> selection.Selection:
        token = self.state.token if self.export.only.value else None
        return selection.Selection(self._clip, *self.export.span.value, token)

    def _cite(self) -> None:
        line = html.escape(selection.citation(self._selection(), self._book))
        self.export.cite.value = texts.paragraph(f"<b>To cite:</b> {line}")


def _put(state: ExplorerState) -> ExplorerState:
    """The chosen token in the first empty stage; a face that is full loses its last one."""
    empty = [s for s, code in enumerate(state.composed) if code == NOTHING]
    return state.placing(empty[0] if empty else state.depth - 1, state.token)
