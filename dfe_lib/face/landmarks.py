"""MediaPipe FaceLandmarker: 478 landmarks in pixels from one RGB picture at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfe_lib.data import manifest
from dfe_lib.errors import AssetError, InputError
from dfe_lib.face.files import check_size
from dfe_lib.frames import N_LANDMARKS

MODEL = ("mediapipe-face-landmarker", "face_landmarker.task")
MAX_FACES = 6  # enough to say "several"; each further face costs a landmark pass


@dataclass(frozen=True)
class Detection:
    """What was found in one picture.

    Attributes
    ----------
    landmarks : (478, 3) float32 of the largest face, pixels (x·W, y·H, z·W); None where no face was found.
    n_faces : number of faces found, at most ``MAX_FACES``.
    blendshapes : (52,) float32 of MediaPipe's own head, or None.
    """

    landmarks: np.ndarray | None
    n_faces: int
    blendshapes: np.ndarray | None = None


class Landmarker:
    """FaceLandmarker in IMAGE mode on the CPU: each picture stands alone, so results do not depend on order.

    Parameters
    ----------
    model : the ``.task`` file; by default the manifest's ``mediapipe-face-landmarker``.
    blendshapes : also run MediaPipe's own 52 blendshapes (slower; for comparison only).

    Raises
    ------
    AssetError : the model is not at hand.

    Examples
    --------
    >>> with Landmarker() as landmarker:                              # doctest: +SKIP
    ...     found = landmarker.detect(rgb)
    """

    def __init__(
        self, model: str | Path | None = None, blendshapes: bool = False, max_faces: int = MAX_FACES
    ):
        model = Path(model) if model is not None else manifest.locate(*MODEL)
        try:
            import mediapipe as mp
            from mediapipe.tasks.python import BaseOptions
            from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions, RunningMode
        except (ImportError, OSError) as error:
            raise AssetError(
                f"MediaPipe does not start on this machine ({error}); it needs the system's OpenGL ES libraries "
                "(Debian and Ubuntu: libegl1 and libgles2)"
            ) from error

        self._picture = lambda rgb: mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
        options = FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model), delegate=BaseOptions.Delegate.CPU),
            running_mode=RunningMode.IMAGE,
            num_faces=max_faces,
            output_face_blendshapes=blendshapes,
        )
        with _native_notices_kept():
            self._task = FaceLandmarker.create_from_options(options)
            self._task.detect(self._picture(np.zeros((64, 64, 3), np.uint8)))  # starts its threads

    def __enter__(self) -> Landmarker:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._task.close()

    def detect(self, rgb: np.ndarray) -> Detection:
        """Landmarks of the largest face in a (H, W, 3) uint8 RGB picture.

        Raises
        ------
        InputError : another shape or dtype, or too large.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise InputError(f"a picture must be (height, width, 3) uint8 RGB, got {rgb.shape} {rgb.dtype}")
        height, width = rgb.shape[:2]
        check_size("this picture", width, height)
        result = self._task.detect(self._picture(np.ascontiguousarray(rgb)))
        if not result.face_landmarks:
            return Detection(None, 0)
        faces = np.array([[(p.x, p.y, p.z) for p in face] for face in result.face_landmarks], np.float32)
        faces *= np.array([width, height, width], np.float32)
        largest = int(np.argmax(np.ptp(faces[..., 0], axis=1) * np.ptp(faces[..., 1], axis=1)))
        if faces.shape[1] != N_LANDMARKS:
            raise InputError(
                f"the model gives {faces.shape[1]} landmarks, but {N_LANDMARKS} are needed (with irises)"
            )
        shapes = None
        if result.face_blendshapes:
            shapes = np.array([c.score for c in result.face_blendshapes[largest]], np.float32)
        return Detection(faces[largest], len(faces), shapes)


@contextmanager
def _native_notices_kept() -> Iterator[None]:
    """Keep what native code writes to file descriptor 2 while it starts; show it only when starting fails."""
    with tempfile.TemporaryFile() as kept:
        original = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            kept.seek(0)
            os.write(2, kept.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


def blendshape_names() -> tuple[str, ...]:
    """Names of MediaPipe's 52 blendshapes in the order of ``Detection.blendshapes``, as ARKit writes them."""
    from mediapipe.tasks.python.vision.face_landmarker import Blendshapes

    words = [shape.name.lower().split("_") for shape in Blendshapes]
    return tuple(first + "".join(word.capitalize() for word in rest) for first, *rest in words)
