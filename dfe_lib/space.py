"""Expression spaces: what the numbers in ψ mean, and how far apart two expressions are (in ICT53: in millimetres)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dfe_lib import artefacts
from dfe_lib.errors import InputError

MOST_NAMES = 4096  # coefficients of a space that a file describes; the metric has their square

# Facial region of a coefficient, by the start of its ARKit name; the first match counts.
REGIONS = {
    "brows": ("brow",),
    "eyes": ("eye",),
    "nose": ("nose",),
    "cheeks": ("cheek",),
    "jaw": ("jaw", "mouthClose"),
    "mouth": ("mouth",),
}


@dataclass(frozen=True, eq=False)
class ExpressionSpace:
    """A linear space of expression coefficients with a metric.

    Attributes
    ----------
    name : identifies the space in artefacts and tables, e.g. ``"ict53"``.
    names : d coefficient names, in order.
    metric : (d, d) float64, in ``unit``². ``ψ G ψᵀ`` is the mean squared vertex displacement of ψ.
    regions : region name → indices of its coefficients; a partition of ``range(d)``.
    unit : of lengths in this space: ``"mm"``, or ``"coefficient"`` where no geometry is at hand and the metric is
        the identity. Then a length is the root of a sum of squared coefficients, and says nothing about millimetres.
    model : what draws ψ, an object with ``vertices(psi)`` in mm; None: no mesh (``ict53`` finds its own).

    Examples
    --------
    >>> ICT53.dimension
    53
    >>> smile = ICT53.vector(mouthSmile_L=1.0, mouthSmile_R=1.0)
    >>> bool(ICT53.norm(smile) > 1)     # mm
    True
    """

    name: str
    names: tuple[str, ...]
    metric: np.ndarray
    regions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    unit: str = "mm"
    model: object | None = field(default=None, repr=False)

    def __post_init__(self):
        d = len(self.names)
        if self.metric.shape != (d, d):
            raise InputError(f"space '{self.name}' has {d} names but a metric of shape {self.metric.shape}")
        if not self.regions:
            object.__setattr__(self, "regions", {"all": tuple(range(d))})

    @property
    def dimension(self) -> int:
        return len(self.names)

    @cached_property
    def whitener(self) -> np.ndarray:
        """(d, d) float64 A with A Aᵀ = G: ``psi @ A`` has Euclidean length in ``unit``."""
        return np.linalg.cholesky(self.metric)

    @cached_property
    def mirror_order(self) -> np.ndarray:
        """(d,) int: position of each coefficient's left–right counterpart."""
        swap = {"_L": "_R", "_R": "_L", "Left": "Right", "Right": "Left"}
        position = {n: i for i, n in enumerate(self.names)}

        def other(n: str) -> str:
            for a, b in swap.items():
                if n.endswith(a):
                    return n[: -len(a)] + b
            return n

        return np.array([position.get(other(n), position[n]) for n in self.names])

    def check(self, psi: np.ndarray, allow_nan: bool = False) -> np.ndarray:
        """ψ as a (n, d) float32 array.

        Raises
        ------
        InputError : wrong number of columns, or values that are not finite.
        """
        psi = numbers(psi, "ψ")
        if psi.ndim == 1:
            psi = psi[None]
        if psi.ndim != 2 or psi.shape[1] != self.dimension:
            raise InputError(
                f"ψ has shape {psi.shape}, but space '{self.name}' needs (frames, {self.dimension})"
            )
        if not allow_nan and not np.isfinite(psi).all():
            rows = int((~np.isfinite(psi)).any(axis=1).sum())
            raise InputError(
                f"ψ has {rows} of {len(psi)} rows with NaN or infinite values; drop undetected frames"
            )
        return psi

    def norm(self, psi: np.ndarray) -> np.ndarray:
        """RMS vertex displacement of each row of ψ, (n,) float64 in ``unit`` (a scalar for one vector)."""
        return np.linalg.norm(np.asarray(psi, dtype=np.float64) @ self.whitener, axis=-1)

    def vector(self, **coefficients: float) -> np.ndarray:
        """(d,) float32 with the named coefficients set and the others at zero."""
        psi = np.zeros(self.dimension, dtype=np.float32)
        for name, value in coefficients.items():
            if name not in self.names:
                raise InputError(f"space '{self.name}' has no coefficient '{name}'")
            psi[self.names.index(name)] = value
        return psi

    def mirror(self, psi: np.ndarray) -> np.ndarray:
        """ψ of the left–right mirrored face.

        Raises
        ------
        InputError : the names of the coefficients tell no sides (FLAME's, OpenFace's).
        """
        if (self.mirror_order == np.arange(self.dimension)).all():
            raise InputError(f"space '{self.name}' cannot be mirrored: its coefficients have no named sides")
        return np.asarray(psi)[..., self.mirror_order]

    def to_mesh(self, psi: np.ndarray, mesh: str = "auto") -> np.ndarray:
        """Vertices of the generic face with expression ψ.

        Parameters
        ----------
        psi : (n, d) or (d,).
        mesh : ``"ict"`` (9,409 vertices, needs the ict-facekit asset), ``"face478"`` (478 vertices, shipped)
            or ``"auto"`` (the dense one where it is at hand).

        Returns
        -------
        (n, V, 3) or (V, 3) float32, mm; x to the subject's left, y up, z out of the face.
        """
        if self.model is not None:
            return self.model.vertices(psi)
        if self.name != "ict53":
            raise InputError(
                f"space '{self.name}' has no mesh at hand; ICT53 has one, and a FLAME space made with the FLAME file"
            )
        from dfe_lib.face.morphable import load_morphable  # the face package itself stands on this module

        return load_morphable(mesh).vertices(psi)

    def attrs(self) -> dict:
        """What a frame table says of its ψ, as plain JSON values; :func:`space_of` reads it."""
        if self.name == "ict53":
            return {"space": self.name}
        scale = self.metric[0, 0]
        uniform = np.array_equal(self.metric, scale * np.eye(self.dimension))
        return {
            "space": self.name,
            "space_names": list(self.names),
            "space_unit": self.unit,
            "space_regions": {region: list(members) for region, members in self.regions.items()},
            "space_metric": float(scale) if uniform else self.metric.tolist(),  # a number: times the identity
        }


def numbers(values: object, name: str, dtype: type | None = np.float32) -> np.ndarray:
    """Whatever a caller hands over, as an array of numbers; ``dtype=None`` leaves its type as it is.

    Raises
    ------
    InputError : text, dates, complex numbers, ragged lists, objects.
    """
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "fiub" and not (given.dtype.kind == "O" and given.size):
            raise ValueError(f"it holds {given.dtype}")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            return given.astype(dtype or (given.dtype if given.dtype.kind != "O" else np.float64), copy=False)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{name} must be an array of numbers ({str(error)[:100]})") from error


def space_of(attrs: dict, source: str = "the frame table") -> ExpressionSpace:
    """The expression space that a frame table is in, from its ``attrs``; without a word on it, ICT53.

    Raises
    ------
    InputError : the description is incomplete, or its metric is none.
    """
    name = attrs.get("space", ICT53.name)
    if name == ICT53.name:
        return ICT53
    try:
        names, unit = tuple(map(str, attrs["space_names"])), str(attrs["space_unit"])
        regions = {str(k): tuple(map(int, v)) for k, v in attrs["space_regions"].items()}
        metric = np.asarray(attrs["space_metric"], dtype=np.float64)
        if not isinstance(name, str) or not 0 < len(names) <= MOST_NAMES:
            raise ValueError(f"it has no name, or not 1 to {MOST_NAMES} coefficients")
        space = ExpressionSpace(
            name, names, metric * np.eye(len(names)) if metric.ndim == 0 else metric, regions, unit
        )
        if not np.isfinite(space.metric).all():
            raise ValueError("its metric is not finite")
        if sorted(i for members in regions.values() for i in members) != list(range(len(names))):
            raise ValueError("its regions are no partition of the coefficients")
        _ = space.whitener  # only a positive definite metric has one
    except (KeyError, AttributeError, TypeError, ValueError, OverflowError, np.linalg.LinAlgError) as error:
        raise InputError(
            f"{source} holds ψ of space '{name}' without a usable description of it ({error}); import it again"
        ) from error
    return space


def group_by_region(names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Indices of coefficients by facial region, from ARKit-like names.

    Raises
    ------
    InputError : when a name fits no region.
    """
    groups: dict[str, list[int]] = {region: [] for region in REGIONS}
    for i, name in enumerate(names):
        for region, starts in REGIONS.items():
            if name.startswith(starts):
                groups[region].append(i)
                break
        else:
            raise InputError(f"coefficient '{name}' belongs to no facial region ({', '.join(REGIONS)})")
    return {region: tuple(members) for region, members in groups.items() if members}


def _load_ict53() -> ExpressionSpace:
    artefact = artefacts.load("ict53", kind="expression-space")
    artefacts.expect(artefact, "assets/ict53", metric=(53, 53))
    names = tuple(artefact.card["names"])
    return ExpressionSpace("ict53", names, artefact.tensors["metric"], group_by_region(names))


ICT53 = _load_ict53()
