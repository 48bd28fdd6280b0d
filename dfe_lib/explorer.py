"""The token explorer: a widget that takes a recording apart into tokens and puts the face together again.

:class:`ExplorerState` knows what is shown and computes it; :class:`Explorer` shows it with ipywidgets and
plotly. Both work without a network.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.tracks import shipped_tracks
from dfe_lib.errors import InputError
from dfe_lib.figures import live
from dfe_lib.figures.naming import template_names

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable
    from dfe_lib.tokens import Tokenizer

_PLAY_MS = 100  # between two updates while playing; slower than an update takes, so that they do not pile up


@dataclass(frozen=True, eq=False)
class ExplorerState:
    """What the explorer shows; methods return values or a changed copy.

    Attributes
    ----------
    codes : (n, S) int, tokens of one recording, -1 where no face was found.
    time_s : (n,) seconds.
    frame : which row of ``codes``.
    stages : how many stages count, from the coarse end.
    muted : stages that are switched off in this frame.
    amplitude : factor on the expression; 1 is as encoded.
    token : the code whose template and places are shown.
    """

    tokenizer: Tokenizer
    codes: np.ndarray
    time_s: np.ndarray
    frame: int = 0
    stages: int | None = None
    muted: frozenset[int] = field(default_factory=frozenset)
    amplitude: float = 1.0
    token: int = 0

    def __post_init__(self):
        if self.codes.ndim != 2 or not len(self.codes) or len(self.codes) != len(self.time_s):
            raise InputError(
                f"the explorer needs tokens (frames, stages) and a time each; got {self.codes.shape} tokens, "
                f"{len(self.time_s)} times"
            )
        object.__setattr__(self, "stages", self.depth if self.stages is None else self.stages)

    @property
    def depth(self) -> int:
        """Number of stages of the coding."""
        return self.codes.shape[1]

    @property
    def detected(self) -> bool:
        """Whether the frame holds a face."""
        return bool(self.codes[self.frame, 0] >= 0)

    @property
    def tokens(self) -> list[int]:
        """Codes of the frame, coarse to fine."""
        return [int(c) for c in self.codes[self.frame]]

    def active(self) -> np.ndarray:
        """(S,) bool: stages that make the face."""
        return np.array([s < self.stages and s not in self.muted for s in range(self.depth)]) & self.detected

    def psi(self) -> np.ndarray:
        """(d,) expression made of the active tokens; neutral where no face was found."""
        on = np.flatnonzero(self.active())
        t = self.tokenizer
        return self.amplitude * (t.gains[on] @ t.templates[self.codes[self.frame, on]])

    def template_psi(self) -> np.ndarray:
        """(d,) expression that the chosen token makes in the first stage."""
        return self.amplitude * self.tokenizer.gains[0] * self.tokenizer.templates[self.token]

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames and stages where the chosen token is used, in order of time."""
        return np.nonzero(self.codes == self.token)

    @cached_property
    def use(self) -> np.ndarray:
        """(K,) how often each code occurs in the recording."""
        seen = self.codes[self.codes >= 0]
        return np.bincount(seen, minlength=len(self.tokenizer.templates))

    def at(self, frame: int) -> ExplorerState:
        """Go to a frame; all its tokens are on again."""
        return replace(self, frame=int(np.clip(frame, 0, len(self.codes) - 1)), muted=frozenset())

    def toggled(self, stage: int) -> ExplorerState:
        """Switch one stage's token off, or on again."""
        return replace(self, muted=self.muted ^ {stage})

    def upto(self, stages: int) -> ExplorerState:
        """Keep the first ``stages`` stages."""
        return replace(self, stages=int(np.clip(stages, 0, self.depth)))

    def scaled(self, amplitude: float) -> ExplorerState:
        return replace(self, amplitude=float(amplitude))

    def choosing(self, token: int) -> ExplorerState:
        """Choose a code to look at.

        Raises
        ------
        InputError : the codebook has no such code.
        """
        size = len(self.tokenizer.templates)
        if not 0 <= token < size:
            raise InputError(f"no token {token}: the codebook has the codes 0 to {size - 1}")
        return replace(self, token=int(token))


class Explorer(widgets.VBox):
    """The widget; see :func:`explore`. ``state`` tells what is shown."""

    def __init__(self, tokenizer: Tokenizer, table: pd.DataFrame, model: Morphable):
        frames.check(table, ["psi_"])
        if not len(table):
            raise InputError("the explorer needs at least one frame; the frame table is empty")
        self._tokenizer, self._table, self._model = tokenizer, table, model
        self._names = template_names(tokenizer.templates, tokenizer.space)
        self._quiet = False  # set while the program itself moves a control
        self._build(list(dict.fromkeys(table["recording"])))
        super().__init__([self.status, self._top, self._chip_row, self.figure, self._bottom])
        self._open(self.recording.value)

    def _build(self, recordings: list[str]) -> None:
        wide, named = widgets.Layout(width="460px"), {"description_width": "110px"}
        depth, size = len(self._tokenizer.gains), len(self._tokenizer.templates)
        common = {"layout": wide, "style": named}
        self.recording = widgets.Dropdown(options=recordings, description="Recording", **common)
        self.frame = widgets.IntSlider(description="Frame", min=0, max=0, **common)
        self.play = widgets.Play(interval=_PLAY_MS, min=0, max=0, tooltip="Play the recording")
        self.stages = widgets.IntSlider(description="Stages used", value=depth, min=0, max=depth, **common)
        self.amplitude = widgets.FloatSlider(
            description="Amplitude", value=1, min=0, max=2, step=0.1, **common
        )
        self.token = widgets.Dropdown(description="Token", options=range(size), **common)
        self.status = widgets.HTML()
        self.place = widgets.HTML()
        self.chips = [widgets.ToggleButton(value=True, layout={"width": "auto"}) for _ in range(depth)]
        self.looks = [
            widgets.Button(
                description="show", layout={"width": "auto"}, tooltip=f"Show the template of stage {s + 1}"
            )
            for s in range(depth)
        ]
        self.figure = live.live_figure(self._model, depth)
        widgets.jslink((self.play, "value"), (self.frame, "value"))
        for control, change in (
            (self.frame, ExplorerState.at),
            (self.stages, ExplorerState.upto),
            (self.amplitude, ExplorerState.scaled),
            (self.token, ExplorerState.choosing),
        ):
            control.observe(lambda event, change=change: self._apply(change, event["new"]), "value")
        self.recording.observe(lambda event: self._open(event["new"]), "value")
        for s in range(depth):
            self.chips[s].observe(lambda _, s=s: self._apply(ExplorerState.toggled, s), "value")
            self.looks[s].on_click(lambda _, s=s: self._look(s))
        self.figure.data[live.PLACES].on_click(self._jump)
        self._top = widgets.VBox(
            [self.recording, widgets.HBox([self.frame, self.play]), self.stages, self.amplitude]
        )
        pairs = [widgets.VBox(pair) for pair in zip(self.chips, self.looks, strict=True)]
        self._chip_row = widgets.HBox(pairs, layout={"flex_flow": "row wrap"})
        self._bottom = widgets.VBox([self.token, self.place])

    def _open(self, recording: str) -> None:
        rows = self._table[self._table["recording"] == recording]
        psi = frames.psi(rows, self._tokenizer.space.names)
        seen = np.isfinite(psi).all(axis=1)
        codes = np.full((len(psi), len(self._tokenizer.gains)), -1, np.int16)
        if seen.any():
            codes[seen] = self._tokenizer.encode(psi[seen])
        state = ExplorerState(self._tokenizer, codes, rows["time_s"].to_numpy())
        state = state.at(int(np.argmax(seen))).upto(self.stages.value).scaled(self.amplitude.value)
        order = np.argsort(-state.use, kind="stable")
        self._quiet = True
        for control in (self.frame, self.play):
            control.max = len(codes) - 1
        self.frame.value = self.play.value = state.frame
        step_s = float(np.median(np.diff(state.time_s))) if len(codes) > 1 else 1.0
        self.play.step = max(1, round(_PLAY_MS / 1000 / step_s))
        self.token.options = [(f"{k}: {self._names[k]} ({state.use[k]} times)", int(k)) for k in order]
        self.token.value = int(order[0])
        self._quiet = False
        self.state = state.choosing(int(order[0]))
        self._show(None)

    def _apply(self, change: Callable[[ExplorerState, float], ExplorerState], value: float) -> None:
        if not self._quiet:
            before, self.state = self.state, change(self.state, value)
            self._show(before)

    def _look(self, stage: int) -> None:
        if self.state.detected:
            self.token.value = self.state.tokens[stage]

    def _jump(self, _trace, points, _device) -> None:
        if points.point_inds:
            self.frame.value = int(self.state.places()[0][points.point_inds[0]])

    def _show(self, before: ExplorerState | None) -> None:
        """Draw what differs from ``before``; None draws everything."""
        now = self.state
        scaled = before is None or before.amplitude != now.amplitude
        self._show_chips()
        live.move_face(self.figure, live.FACE, self._model.vertices(now.psi()))
        if scaled or before.token != now.token:
            vertices = self._model.vertices(now.template_psi())
            live.move_face(
                self.figure, live.TEMPLATE, vertices, np.linalg.norm(vertices - self._model.neutral, axis=1)
            )
        if before is None or before.token != now.token:
            at, stage = now.places()
            live.move_marks(self.figure, now.time_s[at], stage + 1, now.time_s)
            name, times = html.escape(self._names[now.token]), len(at)
            self.place.value = f"Token <b>{now.token}</b>: {name}. Used {times} times in this recording."
        if before is None or before.frame != now.frame:
            live.move_present(self.figure, float(now.time_s[now.frame]))
        moved = float(self._tokenizer.space.norm(now.psi()))
        what = f"face moved by {moved:.2f} mm RMS" if now.detected else "<b>no face in this frame</b>"
        where = (
            f"{html.escape(str(self.recording.value))} · frame {now.frame} · {now.time_s[now.frame]:.2f} s"
        )
        on = f"{int(now.active().sum())} of {now.depth} tokens on"
        self.status.value = f'<span role="status">{where} · {on} · {what}</span>'

    def _show_chips(self) -> None:
        now, self._quiet = self.state, True
        for s, (chip, look) in enumerate(zip(self.chips, self.looks, strict=True)):
            code, counts = now.tokens[s], s < now.stages and now.detected
            chip.description = f"stage {s + 1}: {code if now.detected else 'none'}"
            chip.tooltip = f"{self._names[code]}; click to switch off or on" if now.detected else "no face"
            chip.value = counts and s not in now.muted
            chip.disabled = not counts
            look.description = f"show {code}" if now.detected else "show"
            look.disabled = not now.detected
        self._quiet = False


def explore(tokenizer: Tokenizer, table: pd.DataFrame | None = None, mesh: str = "face478") -> Explorer:
    """Explore the tokens of recordings, and the codebook, in a notebook.

    Choose a recording and a frame, or play it; switch tokens of the frame off and on; use fewer stages to see
    the face from coarse to fine; pick a code to see what it moves, in mm, and where the recording uses it. A
    click on one of these places goes there.

    Parameters
    ----------
    tokenizer : e.g. ``Tokenizer.load()``.
    table : frame table with ``psi_`` columns, one or more recordings; by default the shipped tracks.
    mesh : ``"face478"``, ``"ict"`` or ``"auto"``, see :func:`dfe_lib.face.morphable.load_morphable`.

    Returns
    -------
    An :class:`Explorer`; as the last expression of a cell it shows itself.

    Raises
    ------
    InputError : a table without ψ or without frames.

    Examples
    --------
    >>> from dfe_lib.tokens import Tokenizer                    # doctest: +SKIP
    >>> explore(Tokenizer.load(), frames.read("clip.parquet"))  # doctest: +SKIP
    """
    from dfe_lib.face.morphable import (
        load_morphable,
    )  # brings the asset manifest, which state and view do not need

    return Explorer(tokenizer, shipped_tracks() if table is None else table, load_morphable(mesh))
