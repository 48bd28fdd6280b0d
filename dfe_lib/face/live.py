"""ψ while the camera runs: one frame at a time, against a neutral face estimated from the frames before it."""

from __future__ import annotations

import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.face.passes.sampling import EvenSample
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.frames import N_LANDMARKS
from dfe_lib.space import ICT53

SAMPLE = (
    512  # past frames, evenly spread, that say what neutral is: milliseconds to estimate, once in a while
)
GROWTH = 1.1  # the neutral is estimated anew when a tenth more has been seen


class LiveExpression:
    """Expression of one person, frame by frame; no frame knows anything of those after it.

    The first frame is measured against everybody's neutral face, later ones against the person's own, as the regressor
    finds it in an even sample of all frames so far. In the end that is the neutral of the whole recording. For another
    person start another one.

    Parameters
    ----------
    regressor : by default the shipped one.

    Examples
    --------
    >>> live = LiveExpression()
    >>> psi, sd = live.update(None)     # no face in this frame
    >>> bool(np.isnan(psi).all())
    True
    """

    def __init__(self, regressor: ExpressionRegressor | None = None):
        self._regressor = regressor or ExpressionRegressor.load()
        self._past = EvenSample(SAMPLE)
        self._due = 1
        self._neutral = self._regressor.estimate_neutral(self._past.rows())

    def update(self, landmarks: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """ψ of the next frame and its standard deviation, (53,) float32 each; NaN where no face was found.

        Parameters
        ----------
        landmarks : (478, 3) float32 pixels of one frame; None or NaN where no face was found.

        Raises
        ------
        InputError : another shape.
        """
        landmarks = np.full((N_LANDMARKS, 3), np.nan) if landmarks is None else landmarks
        landmarks = np.array(
            landmarks, np.float32
        )  # a copy: the sample must not change with the caller's buffer
        if landmarks.shape != (N_LANDMARKS, 3):
            raise InputError(
                f"landmarks of one frame have shape ({N_LANDMARKS}, 3), got {landmarks.shape}; give one frame at a time"
            )
        if np.isnan(landmarks).any():
            return tuple(np.full((2, ICT53.dimension), np.nan, np.float32))
        psi, sd = self._regressor.express(landmarks[None], self._neutral)
        self._past.add(landmarks)
        if self._past.passed >= self._due:
            self._neutral = self._regressor.estimate_neutral(self._past.rows())
            self._due = GROWTH * self._past.passed
        return psi[0], sd[0]
