"""Gabor wavelets at the landmarks of a registered face (Lyons, Akamatsu, Kamachi & Gyoba, FG 1998).

A coding of pictures, not of ψ: it cannot be decoded into a face, so it stands in retrieval tables only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfe_lib.codings.keypoints import INNER, KEYPOINTS68
from dfe_lib.errors import InputError
from dfe_lib.face.align import RIGID, reference
from dfe_lib.frames import N_LANDMARKS

SIZE = 128  # pixels of a crop
_PIXELS_PER_MM = SIZE / 190.0  # a face with forehead and chin, and a margin for the largest wavelet
_CENTRE = np.array([0.5, 0.45]) * SIZE  # where the middle between the eyes and the mouth comes to lie
POINTS = tuple(KEYPOINTS68[i] for i in INNER)  # brows, eyes, nose and mouth, as in the source


class Gabor:
    """Amplitudes of Gabor wavelets at 51 landmarks: a jet of ``frequencies × orientations`` numbers at each.

    Wavelets are exp(ik·x) under a Gaussian of width σ/|k|, σ = π, less their mean, so that even light does not show.
    The source lays a grid by hand on faces that look straight ahead, and compares jets by their normalised dot product,
    averaged over the grid. Here the grid is the tracked landmarks, and crops are registered by landmarks that
    expressions hardly move. Frequencies and orientations are our choice: octaves, and steps of 30°.

    Bits are not stated: the jets are not quantised (918 numbers), so retrieval by them is not at equal budget.

    Parameters
    ----------
    frequencies : |k| in radians per pixel of a crop of 128 pixels.
    orientations : how many, evenly over 180°.

    Examples
    --------
    >>> Gabor().encode([np.zeros((200, 200, 3), np.uint8)], np.zeros((1, 478, 3)) * np.nan).shape
    (1, 51, 18)
    """

    name = "Gabor"

    def __init__(
        self, frequencies: Sequence[float] = (np.pi / 2, np.pi / 4, np.pi / 8), orientations: int = 6
    ):
        if not len(frequencies) or not all(0 < k < np.pi for k in frequencies) or orientations < 1:
            raise InputError("frequencies must lie between 0 and π, and orientations be 1 or more")
        self._filters = [_wavelets(k, orientations) for k in frequencies]

    def encode(self, pictures: Sequence[np.ndarray], landmarks: np.ndarray) -> np.ndarray:
        """Jets, (n, 51, frequencies · orientations) float32; NaN where there are no landmarks.

        Parameters
        ----------
        pictures : n pictures, (H, W, 3) uint8 RGB or (H, W) grey.
        landmarks : (n, 478, 3) pixels in them.
        """
        landmarks = np.asarray(landmarks)
        if landmarks.shape != (len(pictures), N_LANDMARKS, 3):
            raise InputError(
                f"{len(pictures)} pictures need landmarks ({len(pictures)}, {N_LANDMARKS}, 3), got {landmarks.shape}"
            )
        count = sum(len(f) for f in self._filters)
        out = np.full((len(pictures), len(POINTS), count), np.nan, np.float32)
        for jets, picture, points in zip(out, pictures, landmarks, strict=True):
            if np.isfinite(points).all():
                jets[:] = self._jets(*register(picture, points))
        return out

    def distance(self, jets: np.ndarray, subject: np.ndarray | None = None) -> np.ndarray:
        """1 − mean normalised dot product of jets at corresponding points, (n, n) float64.

        Parameters
        ----------
        jets : (n, 51, k) of :meth:`encode`, finite.
        subject : (n,) who is shown. With it each person's mean jets are taken off first, which leaves what changes
            in a face; without it, as in the source, jets tell who it is as much as what the face does.

        Raises
        ------
        InputError : NaN, or a person with one frame only.
        """
        jets = np.asarray(jets, np.float64)
        if jets.ndim != 3 or not np.isfinite(jets).all():
            raise InputError("jets must be finite (n, points, k); leave out frames without a face")
        if subject is not None:
            subject = np.asarray(subject)
            jets = jets.copy()
            for who in np.unique(subject):
                rows = subject == who
                if rows.sum() < 2:
                    raise InputError(f"subject '{who}' has one frame: nothing is left of it without its mean")
                jets[rows] -= jets[rows].mean(axis=0)
        unit = jets / np.maximum(np.linalg.norm(jets, axis=2, keepdims=True), 1e-12)
        flat = unit.reshape(len(unit), -1)
        return 1 - flat @ flat.T / jets.shape[1]

    def _jets(self, crop: np.ndarray, points: np.ndarray) -> np.ndarray:
        out = []
        for wavelets in self._filters:
            radius = wavelets.shape[1] // 2
            padded = np.pad(crop, radius, mode="edge")
            windows = np.lib.stride_tricks.sliding_window_view(padded, wavelets.shape[1:])
            at = np.clip(np.rint(points).astype(int), 0, SIZE - 1)
            patches = windows[at[:, 1], at[:, 0]].reshape(len(points), -1)
            out.append(np.abs(patches @ wavelets.reshape(len(wavelets), -1).T))
        return np.concatenate(out, axis=1)


def register(picture: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One face turned upright, to one size and place, in grey.

    A similarity of the picture's plane, by the rigid landmarks of the reference face: a head turned to the side
    stays so.

    Returns
    -------
    crop : (128, 128) float64, 0–1. points : (51, 2) the landmarks of :data:`POINTS` in it, x right and y down.
    """
    from skimage.color import rgb2gray
    from skimage.transform import SimilarityTransform, warp

    grey = rgb2gray(picture) if picture.ndim == 3 else picture / 255.0
    frontal = reference()[:, :2].astype(np.float64) * [1.0, -1.0]
    goal = (frontal - frontal[list(POINTS)].mean(axis=0)) * _PIXELS_PER_MM + _CENTRE
    transform = SimilarityTransform.from_estimate(landmarks[RIGID, :2].astype(np.float64), goal[RIGID])
    crop = warp(grey, transform.inverse, output_shape=(SIZE, SIZE), order=1, mode="edge")
    return crop, transform(landmarks[list(POINTS), :2])


def _wavelets(k: float, orientations: int) -> np.ndarray:
    """(orientations, w, w) complex128, of sum zero and of length 1."""
    sigma = np.pi
    radius = int(np.ceil(3 * sigma / k))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    envelope = np.exp(-(k**2) * (x**2 + y**2) / (2 * sigma**2))
    out = []
    for angle in np.pi * np.arange(orientations) / orientations:
        wave = envelope * np.exp(1j * k * (np.cos(angle) * x + np.sin(angle) * y))
        wave -= envelope * wave.sum() / envelope.sum()
        out.append(wave / np.linalg.norm(wave))
    return np.array(out)
