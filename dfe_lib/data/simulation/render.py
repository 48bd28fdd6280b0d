"""From displays in time to streams of numbers: ψ, head pose, and frames in which no face is found."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from dfe_lib.data.simulation.config import CohortConfig
from dfe_lib.data.simulation.events import MOST, Events
from dfe_lib.data.simulation.lexicon import lexicon
from dfe_lib.data.simulation.people import OWN, Habits
from dfe_lib.frames import POSE

# Head posture and its deviations between people, and while one sits: degrees ×3, px per mm, px ×2 of a 640 × 480
# picture. Assumed.
POSTURE = np.array([0.0, 0.0, 0.0, 1.2, 320.0, 240.0])
POSTURE_SD = np.array([5.0, 6.0, 3.0, 0.12, 25.0, 15.0])
MOTION_SD = np.array([3.0, 4.0, 2.0, 0.012, 6.0, 4.0])
HERTZ = np.geomspace(0.04, 1.6, 12)  # of head motion; the slow ones are the large ones
LOST_S = 0.5  # seconds without a face, on average, once it is lost


def render_psi(config: CohortConfig, events: Events, habits: Habits, first: int, last: int) -> np.ndarray:
    """ψ of all frames of the recordings ``first … last − 1`` of a block.

    Every event is a row of coefficients and a column of strengths over time, which is zero but for its own frames:
    the sum over events is one product of a sparse and a dense matrix.

    Returns
    -------
    ((last − first) · frames, 53) float32; each display within 0 … 1.2, the neutral error added.
    """
    low, high = np.searchsorted(events.recording, [first, last])
    part, per, fps = events.select(slice(low, high)), config.frames, np.float32(config.fps)
    end = part.end
    begins = np.clip(np.ceil(part.start * fps), 0, per).astype(np.int32)
    ends = np.clip(np.floor(end * fps) + 1, 0, per).astype(np.int32)
    spans = np.maximum(ends - begins, 0)
    pointer = np.concatenate([[0], np.cumsum(spans)]).astype(np.int32)
    event = np.repeat(np.arange(len(spans), dtype=np.int32), spans)
    offset = np.arange(len(event), dtype=np.int32) - pointer[event]
    # Times within the event, in units of its onset and of its offset, are linear in the frame's number.
    rise, fall = 1 / np.maximum(part.rise, 1e-4), 1 / np.maximum(part.fall, 1e-4)
    up = offset * (rise / fps)[event] + ((begins / fps - part.start) * rise)[event]
    down = ((end - begins / fps) * fall)[event] - offset * (fall / fps)[event]
    level = np.minimum(np.minimum(up, down), np.float32(1))
    np.maximum(level, 0, out=level)
    level *= level * (3 - 2 * level)  # starts and ends smoothly
    row = offset + (begins + (part.recording - first).astype(np.int32) * per)[event]
    strengths = sparse.csc_array((level, row, pointer), shape=((last - first) * per, len(spans)))
    psi = strengths @ _coefficients(part, habits)
    np.clip(psi, 0, MOST, out=psi)
    psi.reshape(last - first, per, -1)[:] += habits.neutral[habits.person[first:last], None]
    return psi


def _coefficients(events: Events, habits: Habits) -> np.ndarray:
    """(E, 53) float32 ψ of each event at its apex."""
    known, person = len(lexicon().displays), habits.person[events.recording]
    left, right = lexicon().sides
    toward, away = events.amplitude * (1 + events.lean), events.amplitude * (1 - events.lean)
    display = np.minimum(events.display, known - 1)
    out = toward[:, None] * left[display]
    out += away[:, None] * right[display]
    for j in range(len(OWN)):
        rows = np.flatnonzero(events.display == known + j)
        sides = habits.own[person[rows], j]
        out[rows] = toward[rows, None] * sides[:, 0] + away[rows, None] * sides[:, 1]
    return out


def draw_pose(config: CohortConfig, habits: Habits, rng: np.random.Generator) -> np.ndarray:
    """(R, 2 · 12 + 1, 6) float32: of each recording the waves of its head motion, and its posture.

    A sum of slow waves of random phase and size is a smooth random motion that can be drawn at any frame rate.
    """
    people = habits.person[-1] + 1
    posture = POSTURE + POSTURE_SD * rng.standard_normal((people, len(POSE)))
    recordings = len(habits.person)
    size = HERTZ**-0.75 / np.linalg.norm(HERTZ**-0.75)
    waves = rng.standard_normal((recordings, 2, len(HERTZ), len(POSE))) * size[:, None]
    moving = waves.reshape(recordings, -1, len(POSE)) * (MOTION_SD * np.exp(habits.head)[:, None, None])
    still = posture[habits.person][:, None] + 0.3 * POSTURE_SD * rng.standard_normal(
        (recordings, 1, len(POSE))
    )
    return np.concatenate([moving, still], axis=1).astype(np.float32)


def wave_basis(config: CohortConfig) -> np.ndarray:
    """(frames, 2 · 12 + 1) float32 by which the coefficients of :func:`draw_pose` become a motion."""
    angle = 2 * np.pi * HERTZ * (np.arange(config.frames) / config.fps)[:, None]
    return np.hstack([np.cos(angle), np.sin(angle), np.ones((len(angle), 1))]).astype(np.float32)


def draw_detected(config: CohortConfig, recordings: int, rng: np.random.Generator) -> np.ndarray:
    """(R, frames) bool: bursts of lost frames begin at random and overlap; the first frame always has a face."""
    span = config.frames + 6 * LOST_S * config.fps  # bursts that began before count as well
    often = -np.log1p(-config.dropped) / (LOST_S * config.fps)
    counts = rng.poisson(often * span, recordings)
    recording = np.repeat(np.arange(recordings), counts)
    start = rng.random(len(recording)) * span - 6 * LOST_S * config.fps
    stop = start + rng.exponential(LOST_S * config.fps, len(recording))
    edges = np.zeros((recordings, config.frames + 1), np.int32)
    for at, step in ((start, 1), (stop, -1)):
        np.add.at(edges, (recording, np.clip(np.ceil(at), 0, config.frames).astype(int)), step)
    detected = np.cumsum(edges, axis=1)[:, :-1] == 0
    detected[:, 0] = True
    return detected
