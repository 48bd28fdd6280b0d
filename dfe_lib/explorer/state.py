"""What the explorer shows, and the face that follows from it: plain values, no widget."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dfe_lib.errors import InputError, choices

if TYPE_CHECKING:
    from dfe_lib.face.morphable import Morphable
    from dfe_lib.tokens import Tokenizer

TOKEN, COMPOSED, RECORDED = "token", "composed", "recorded"
MODES = (TOKEN, COMPOSED, RECORDED)  # which face is shown
PLAIN, DISPLACEMENT, ERROR = "plain", "displacement", "error"
COLOURS = (PLAIN, DISPLACEMENT, ERROR)
NOTHING = -1  # a stage without a token


@dataclass(frozen=True, eq=False)
class ExplorerState:
    """What the explorer shows; methods return values or a changed copy.

    Attributes
    ----------
    codes : (n, S) int, tokens of one recording, -1 where no face was found.
    time_s : (n,) seconds.
    measured : (n, d) ψ as extracted, NaN where no face was found; None where the table has tokens alone.
    mode : which face is shown: the chosen token's, the composed one, or the recording's at ``frame``.
    frame : which row of ``codes``.
    stages : how many stages count, from the coarse end.
    muted : stages that are switched off in this frame.
    amplitude : factor on the expression of the recording; 1 is as encoded.
    token, intensity : the chosen code, and the factor on its template; 1 is as the first stage adds it.
    composed : (S) codes of the composed face, ``NOTHING`` where a stage adds nothing.
    """

    tokenizer: Tokenizer
    codes: np.ndarray
    time_s: np.ndarray
    measured: np.ndarray | None = None
    mode: str = RECORDED
    frame: int = 0
    stages: int | None = None
    muted: frozenset[int] = field(default_factory=frozenset)
    amplitude: float = 1.0
    token: int = 0
    intensity: float = 1.0
    composed: tuple[int, ...] = ()

    def __post_init__(self):
        if self.codes.ndim != 2 or not len(self.codes) or len(self.codes) != len(self.time_s):
            raise InputError(
                f"the explorer needs tokens (frames, stages) and a time each; got {self.codes.shape} tokens, "
                f"{len(self.time_s)} times"
            )
        object.__setattr__(self, "stages", self.depth if self.stages is None else self.stages)
        object.__setattr__(self, "composed", self.composed or (NOTHING,) * self.depth)

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
        """(S,) bool: stages that make the recording's face."""
        return np.array([s < self.stages and s not in self.muted for s in range(self.depth)]) & self.detected

    def psi(self) -> np.ndarray:
        """(d,) float32 expression that is shown; zero where there is none, as without a face in the frame."""
        t = self.tokenizer
        if self.mode == TOKEN:
            return self.intensity * t.gains[0] * t.templates[self.token]
        if self.mode == COMPOSED:
            return self.composition()[-1]
        on = np.flatnonzero(self.active())
        return self.amplitude * (t.gains[on] @ t.templates[self.codes[self.frame, on]])

    def composition(self) -> np.ndarray:
        """(S, d) float32 the composed face after each stage; the last row is all of it."""
        t, codes = self.tokenizer, np.array(self.composed)
        added = t.gains[: self.depth, None] * t.templates[codes] * (codes != NOTHING)[:, None]
        return np.cumsum(added, axis=0).astype(np.float32)

    def truth(self) -> np.ndarray | None:
        """(d,) ψ that the shown face can be compared with: the measured one of the frame; None for a token alone."""
        if self.mode == TOKEN or self.measured is None or not np.isfinite(self.measured[self.frame]).all():
            return None
        return self.measured[self.frame]

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames and stages where the chosen token is used, in order of time."""
        return np.nonzero(self.codes == self.token)

    def next_place(self) -> int | None:
        """The frame of the chosen token's next spell after this one, from the start again at the end; None: unused."""
        used = (self.codes == self.token).any(axis=1)
        begins = np.flatnonzero(used & ~np.r_[False, used[:-1]])
        if not len(begins):
            return None
        later = begins[begins > self.frame]
        return int(later[0] if len(later) else begins[0])

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

    def strengthened(self, intensity: float) -> ExplorerState:
        return replace(self, intensity=float(intensity))

    def choosing(self, token: int) -> ExplorerState:
        """Choose a code to look at.

        Raises
        ------
        InputError : the codebook has no such code.
        """
        return replace(self, token=self._code(token))

    def placing(self, stage: int, code: int) -> ExplorerState:
        """Put a code into one stage of the composed face; ``NOTHING`` takes it out."""
        code = code if code == NOTHING else self._code(code)
        return replace(self, composed=(*self.composed[:stage], code, *self.composed[stage + 1 :]))

    def composing_frame(self) -> ExplorerState:
        """Take the frame's tokens as the composed face."""
        return replace(self, composed=tuple(self.tokens))

    def showing(self, mode: str) -> ExplorerState:
        if mode not in MODES:
            raise InputError(f"no such face: {choices(mode, MODES)}")
        return replace(self, mode=mode)

    def _code(self, token: int) -> int:
        size = len(self.tokenizer.templates)
        if not 0 <= token < size:
            raise InputError(f"no token {token}: the codebook has the codes 0 to {size - 1}")
        return int(token)


@dataclass(frozen=True)
class Face:
    """A face as it is drawn.

    Attributes
    ----------
    vertices : (V, 3) float32, mm.
    heat : (V,) float32, mm; empty for a plain face.
    limit : mm at the dark end of the heat.
    what : the heat in words.
    strength, step : of a token alone, its intensity and what one more of it adds to the vertices, (V, 3) float32 mm:
        enough to follow a slider without the kernel. Otherwise the step is empty.
    """

    vertices: np.ndarray
    heat: np.ndarray
    limit: float
    what: str
    strength: float = 1.0
    step: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))


def face_of(
    state: ExplorerState, model: Morphable, colour: str = DISPLACEMENT, identity: np.ndarray | None = None
) -> Face:
    """The face that a state shows.

    Parameters
    ----------
    colour : ``"plain"``, ``"displacement"`` (distance of every vertex from the neutral face of this identity) or
        ``"error"`` (from the face with the measured ψ; a face that cannot be compared stays plain and says so).
    identity : (m,) standard deviations of the first identity modes; None is the generic face.

    Raises
    ------
    InputError : another colour.
    """
    if colour not in COLOURS:
        raise InputError(f"no such colouring: {choices(colour, COLOURS)}")
    face = _coloured(state, model, colour, identity)
    if state.mode != TOKEN:
        return face
    one = replace(state, intensity=1.0).psi()
    step = model.vertices(one, identity) - model.vertices(np.zeros_like(one), identity)
    return replace(face, strength=state.intensity, step=step.astype(np.float32))


def _coloured(state: ExplorerState, model: Morphable, colour: str, identity: np.ndarray | None) -> Face:
    psi = state.psi()
    vertices = model.vertices(psi, identity).astype(np.float32)
    if colour == PLAIN:
        return Face(vertices, np.empty(0, np.float32), 1.0, "")
    other = np.zeros_like(psi) if colour == DISPLACEMENT else state.truth()
    if other is None:
        return Face(
            vertices, np.empty(0, np.float32), 1.0, "No measured face to compare with: no error shown."
        )
    heat = np.linalg.norm(vertices - model.vertices(other, identity), axis=1).astype(np.float32)
    to = "displacement from the neutral face" if colour == DISPLACEMENT else "error against the measured face"
    what = f"{to}, on this mesh: {np.sqrt(np.mean(heat**2)):.2f} mm RMS, {heat.max():.1f} mm at most"
    return Face(vertices, heat, nice_limit(float(heat.max())), what)


def nice_limit(largest: float) -> float:
    """The next of 0.5, 1, 2, 5, 10, … mm: a scale that can be read and does not change with every frame.

    >>> nice_limit(0.0), nice_limit(1.2), nice_limit(5.0)
    (0.5, 2.0, 5.0)
    """
    for power in (0.1, 1.0, 10.0, 100.0):
        for first in (1.0, 2.0, 5.0):
            if first * power >= max(largest - 1e-6, 0.5):
                return first * power
    return float(largest)
