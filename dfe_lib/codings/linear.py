"""Two plain linear codings to measure against: principal components, and ARKit's blendshapes as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn import decomposition

from dfe_lib.codings.base import LinearCoding, check_training
from dfe_lib.data.adapters.arkit import arkit_name, to_ict53
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace


class PCA(LinearCoding):
    """Principal components of ψ in G, each quantised uniformly on its training range.

    Parameters
    ----------
    bits : budget per frame. Number of components and levels are those with the least training error within
        it. None: every component at 1,024 levels, as good as unquantised.
    """

    signed = True
    orthogonal = True

    def __init__(self, bits: float | None = 48.0, space: ExpressionSpace = ICT53):
        super().__init__("PCA", space)
        self.bits = self._budget(bits)

    def fit(self, psi: np.ndarray) -> Self:
        """Learn mean, components, levels and ranges from (n, d) ψ."""
        psi = check_training(psi, self.space)
        model = decomposition.PCA(svd_solver="full").fit(psi @ self.space.whitener)
        back = np.linalg.inv(self.space.whitener)
        self._offset = model.mean_ @ back
        self._templates = model.components_ @ back
        self._l1 = np.zeros(len(self._templates))
        self._fit_grid(psi, self.bits)
        return self

    def _parameters(self) -> dict[str, Any]:
        return {"bits": self.bits}


class Blendshapes(LinearCoding):
    """The 51 blendshapes of ARKit that MediaPipe's own head reports, each quantised uniformly on its training range.

    Nothing about the shapes is learnt: the templates are the coefficients of ψ, with browInnerUp and cheekPuff one
    shape for both sides, as in ARKit. Only which shapes are kept and how finely they are written is chosen for the
    budget. What MediaPipe says of a picture becomes ψ with :func:`mediapipe_psi`, and the scores of another tool with
    :func:`dfe_lib.data.adapters.arkit.to_ict53`.

    Parameters
    ----------
    bits : budget per frame (see :class:`PCA`).

    Raises
    ------
    InputError : another space than ICT53, which alone has these shapes.
    """

    def __init__(self, bits: float | None = 48.0, space: ExpressionSpace = ICT53):
        super().__init__("blendshapes", space)
        if space.name != ICT53.name:
            raise InputError(f"blendshapes are coefficients of space '{ICT53.name}', not of '{space.name}'")
        self.bits = self._budget(bits)

    def fit(self, psi: np.ndarray) -> Self:
        """Choose shapes, levels and ranges from (n, 53) ψ."""
        psi = check_training(psi, self.space)
        names = [arkit_name(name) for name in self.space.names]
        self._templates = np.array(
            [[n == shape for n in names] for shape in dict.fromkeys(names)], np.float64
        )
        self._l1 = np.zeros(len(self._templates))
        self._fit_grid(psi, self.bits)
        return self

    @property
    def names(self) -> list[str]:
        """ARKit's names of the shapes that are kept, in the order of the codes."""
        return [arkit_name(self.space.names[int(np.argmax(unit))]) for unit in self.templates]

    def _parameters(self) -> dict[str, Any]:
        return {"bits": self.bits}


def mediapipe_psi(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """ψ as MediaPipe's own blendshape head reads it off pictures, (n, 53); NaN where no face is found.

    Parameters
    ----------
    pictures : (H, W, 3) uint8 RGB each.

    Raises
    ------
    AssetError : the FaceLandmarker model is not at hand.
    """
    from dfe_lib.face.landmarks import Landmarker, blendshape_names

    names = blendshape_names()
    scores = np.full((len(pictures), len(names)), np.nan, np.float32)
    with Landmarker(blendshapes=True, max_faces=1) as landmarker:
        for row, picture in zip(scores, pictures, strict=True):
            found = landmarker.detect(picture).blendshapes
            if found is not None:
                row[:] = found
    return to_ict53(scores, names)
