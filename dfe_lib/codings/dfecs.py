"""DFECS: action units without labels, part-face sparse dictionaries and then NMF (arXiv 2406.05434)."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Self

import numpy as np
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from dfe_lib.codings.base import LinearCoding, check_training
from dfe_lib.codings.bounded import bounded_least_squares
from dfe_lib.codings.dictionary import learn_dictionary
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace

MOST_ATOMS = 32  # of a part; one that moves no more than noise would ask for any number
FRAMES = 1500  # that are learnt from, evenly spread: more change the units little


def variance_explained_percent(x: np.ndarray, x_hat: np.ndarray) -> float:
    """The source's measure, 100 · (1 − ‖X − X̂‖²_F / ‖X‖²_F), uncentred.

    >>> variance_explained_percent(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]]))
    75.0
    """
    x, x_hat = np.asarray(x, np.float64), np.asarray(x_hat, np.float64)
    return float(100 * (1 - ((x - x_hat) ** 2).sum() / (x**2).sum()))


def face_parts(space: ExpressionSpace) -> dict[str, tuple[int, ...]]:
    """Coefficients by the source's five parts; a space without left and right has its own regions.

    >>> [len(members) for members in face_parts(ICT53).values()]
    [10, 10, 2, 5, 26]
    """
    if space.name != ICT53.name:
        return space.regions
    parts: dict[str, list[int]] = {name: [] for name in ("right eye", "left eye", "nose", "jaw", "mouth")}
    for i, name in enumerate(space.names):
        if name.startswith(("brow", "eye")):
            parts["left eye" if name.endswith("_L") else "right eye"].append(i)
        elif name.startswith("nose"):
            parts["nose"].append(i)
        else:  # cheeks go with the mouth, as the source has no points there
            parts["jaw" if name.startswith(("jaw", "mouthClose")) else "mouth"].append(i)
    return {name: tuple(members) for name, members in parts.items()}


class DFECS(LinearCoding):
    """Two levels: non-negative sparse dictionaries per face part, then NMF over their codes.

    Level 1, part f: ``X_f ≈ V_f U_f`` with V_f ≥ 0 and L1-sparse. Level 2: ``[V_1 … V_F] ≈ V A`` by NMF, V, A ≥ 0.
    Final units ``A · blockdiag(U_f)``, of unit length. Both levels are as small as reaching ``variance`` on the
    training frames allows, which is the source's rule. Within a budget of bits a larger level 2 is taken where it makes
    less error there: other codings may choose their number of units, too. New frames are coded by exact non-negative
    least squares on the final units.

    The source works on motion of 68 keypoints: ``DFECS(bits=None, space=KEYPOINTS)`` on
    :func:`dfe_lib.codings.keypoints.motion_of_landmarks` is that. In the space ψ the five parts are groups of
    coefficients, in whitened coordinates (mm); that form enters the common tables. Not known of the source, so our
    choice: sparsity, how NMF starts, that a part must explain half of what the whole may leave unexplained.

    Parameters
    ----------
    bits : budget per frame (see :class:`PCA`); None: every unit at 1,024 levels, as good as unquantised.
    units : size of level 2; by default as above.
    variance : share of the training frames' squared length to explain; 0.95 in the source.
    alpha : L1 weight, relative to the RMS length of a part's displacement.
    """

    def __init__(
        self,
        bits: float | None = 48.0,
        units: int | None = None,
        variance: float = 0.95,
        alpha: float = 0.05,
        seed: int = 0,
        space: ExpressionSpace = ICT53,
    ):
        super().__init__("DFECS" if units is None else f"DFECS, {units} units", space)
        if not 0 < variance < 1 or (units is not None and units < 1):
            raise InputError(
                f"variance must lie between 0 and 1 and units be 1 or more, got {variance} and {units}"
            )
        self.bits = self._budget(bits)
        self.units, self.variance, self.alpha, self.seed = units, variance, alpha, seed

    def fit(self, psi: np.ndarray) -> Self:
        """Learn both levels, levels of quantisation and ranges from (n, d) ψ."""
        psi = check_training(psi, self.space, at_least=10 * (self.units or 16))
        learn = psi[:: max(1, len(psi) // FRAMES)]
        codes, atoms = [], []
        for members in map(list, face_parts(self.space).values()):
            part = learn[:, members]
            if np.allclose(part, 0):
                continue
            v, u = self._part_model(part, np.linalg.cholesky(self.space.metric[np.ix_(members, members)]))
            whole = np.zeros((len(u), self.space.dimension))
            whole[:, members] = u
            codes.append(v)
            atoms.append(whole)
        self._choose(learn, np.concatenate(codes, axis=1), np.concatenate(atoms))
        self._l1 = np.zeros(len(self._templates))
        self._fit_grid(psi, self.bits)
        return self

    def _choose(self, psi: np.ndarray, codes: np.ndarray, atoms: np.ndarray) -> None:
        """Units of level 2: as many as asked for, or as the source's rule says, or up to twice as many."""

        def model(k: int) -> tuple[float, np.ndarray]:
            return self._face_model(psi, codes, atoms, k)

        most = min(codes.shape)
        if self.units:
            self._templates = model(min(self.units, most))[1]
            return
        rule = _smallest(model, most, self.variance)
        self._templates, least = rule, np.inf
        if self.bits is None:
            return
        for k in sorted({min(most, round(len(rule) * factor)) for factor in (1, 1.5, 2)}):
            units = rule if k == len(rule) else model(k)[1]
            trial = copy.copy(self)
            trial._templates, trial._l1 = units, np.zeros(len(units))
            trial._fit_grid(psi, self.bits)
            error = (self.space.norm(psi - trial.decode(trial.encode(psi))) ** 2).mean()
            if error < least:
                self._templates, least = units, error

    def variance_explained(self, psi: np.ndarray) -> float:
        """The source's measure in percent on (n, d) ψ, in whitened coordinates, with codes that are not quantised."""
        self._fitted()
        x = self.space.check(psi) @ self.space.whitener
        atoms = self._templates @ self.space.whitener
        return variance_explained_percent(x, bounded_least_squares(x, atoms) @ atoms)

    def _part_model(self, part: np.ndarray, whitener: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest dictionary that explains enough: codes (n, k), atoms (k, members) in ψ."""
        x = part @ whitener
        scale = np.sqrt((x**2).sum(axis=1).mean())
        x = x / scale
        enough = (1 + self.variance) / 2

        def learn(k: int) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
            codes, atoms = learn_dictionary(x, k, self.alpha, positive=True, seed=self.seed)
            refit = bounded_least_squares(x, atoms)  # what the atoms can explain, without the shrinkage of L1
            return 1 - ((x - refit @ atoms) ** 2).sum() / (x**2).sum(), (codes, atoms)

        codes, atoms = _smallest(learn, min(2 * x.shape[1], MOST_ATOMS, len(x)), enough)
        return codes * scale, atoms @ np.linalg.inv(whitener)

    def _face_model(
        self, psi: np.ndarray, codes: np.ndarray, atoms: np.ndarray, k: int
    ) -> tuple[float, np.ndarray]:
        """NMF of the concatenated codes: share explained by its units, and the units (k, d) of length 1."""
        model = NMF(k, init="nndsvd", random_state=self.seed, max_iter=300, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter here
            model.fit(codes)
        units = model.components_ @ atoms
        length = self.space.norm(units)
        units = units[length > 1e-9] / length[length > 1e-9, None]
        x, white = psi @ self.space.whitener, units @ self.space.whitener
        return 1 - ((x - bounded_least_squares(x, white) @ white) ** 2).sum() / (x**2).sum(), units

    def _parameters(self) -> dict[str, Any]:
        return {
            "bits": self.bits,
            "units": self.units,
            "variance": self.variance,
            "alpha": self.alpha,
            "seed": self.seed,
        }


def _smallest(learn, most: int, enough: float):
    """The model of the smallest size that explains enough, of the largest where none does.

    Sizes are doubled until one is enough and then halved in, as large models take long to learn.
    """
    below, k = 0, min(2, most)
    share, model = learn(k)
    while share < enough and k < most:
        below, k = k, min(2 * k, most)
        share, model = learn(k)
    while k - below > 1 and share >= enough:
        middle = (below + k) // 2
        share_there, there = learn(middle)
        if share_there >= enough:
            k, share, model = middle, share_there, there
        else:
            below = middle
    return model
