"""Speed of FACS encoding beside a loop over frames with SciPy's nnls, on one core, at equal results."""

from __future__ import annotations

import numpy as np

from dfe_lib.bench.timing import interleaved, threads
from dfe_lib.codings import FACS
from dfe_lib.codings.action_units import au_basis
from dfe_lib.codings.bounded import bounded_least_squares
from dfe_lib.data.displays import sample_displays
from dfe_lib.space import ICT53

FRAMES = 16_384
SLOW_FRAMES = {
    "whitened": 1024,
    "mesh478": 128,
    "mesh9409": 24,
}  # for loops that take microseconds to milliseconds each
SIZES = (("openface", False), ("pyfeat", False), ("full", False), ("full", True))
NOT_MEASURED = "not measured"


def codings() -> dict[str, float | str]:
    """Frames per second of least squares and of whole encoding by size, and ratios to the loops.

    Three loops: on the 53 whitened numbers of a frame, which only somebody who knows G would write; on displacements of
    the 478 landmarks; and on those of the 9,409 vertices over which G is taken, which is the problem as it is put.
    """
    from threadpoolctl import threadpool_limits

    psi = sample_displays(FRAMES, np.random.default_rng(0))
    rows: dict[str, float | str] = {"threads": 1}
    with threads(1), threadpool_limits(1):
        for aus, sided in SIZES:
            size = f"{aus}_sided" if sided else aus
            rows |= {f"{size}_{name}": value for name, value in _size(psi, aus, sided).items()}
        return rows | _meshes(psi)


def _size(psi: np.ndarray, aus: str, sided: bool) -> dict[str, float]:
    from scipy.optimize import nnls

    coding, few = FACS(aus, sided), psi[: SLOW_FRAMES["whitened"]]
    atoms = au_basis(aus, sided)[1] @ ICT53.whitener
    targets = psi.astype(np.float64) @ ICT53.whitener
    fast = {
        "solve": lambda: bounded_least_squares(targets, atoms),
        "encode": lambda: coding.encode(psi),
        "scipy": lambda: [nnls(atoms.T, target)[0] for target in targets[: len(few)]],
    }
    t = interleaved(fast, 3)
    ours = bounded_least_squares(targets[: len(few)], atoms) @ atoms
    theirs = np.stack(fast["scipy"]()) @ atoms
    return {
        "units": float(len(atoms)),
        "nnls_frames_per_s": FRAMES / t["solve"],
        "encode_frames_per_s": FRAMES / t["encode"],
        "nnls_relative_to_scipy_in_psi": t["scipy"] / len(few) * FRAMES / t["solve"],
        "largest_difference_mm": float(np.linalg.norm(ours - theirs, axis=1).max()),
    }


def _meshes(psi: np.ndarray) -> dict[str, float | str]:
    """OpenFace's 17 units, the loop on displacements of vertices, with the same least squares of ours beside it."""

    from dfe_lib.data import manifest
    from dfe_lib.face.morphable import load_morphable

    rows: dict[str, float | str] = {}
    for label, mesh in (("mesh478", "face478"), ("mesh9409", "ict")):
        if mesh == "ict" and not manifest.available("ict-facekit"):
            rows[f"openface_nnls_relative_to_scipy_on_{label}"] = NOT_MEASURED
            continue
        shapes = load_morphable(mesh).expressions.reshape(ICT53.dimension, -1).astype(np.float64)
        rows |= {
            f"openface_{name}_{label}": value
            for name, value in _mesh(psi, shapes, SLOW_FRAMES[label]).items()
        }
    return rows


def _mesh(psi: np.ndarray, shapes: np.ndarray, few: int) -> dict[str, float]:
    from scipy.optimize import nnls

    whitener = np.linalg.cholesky(shapes @ shapes.T)  # the metric of this mesh: the two problems are the same
    units, frames = au_basis()[1], psi.astype(np.float64)
    atoms, displacements = (units @ shapes).T, frames[:few] @ shapes
    works = {
        "loop": lambda: np.stack([nnls(atoms, d)[0] for d in displacements]),
        "ours": lambda: bounded_least_squares(frames @ whitener, units @ whitener),
    }
    t = interleaved(works, 3)
    return {
        "scipy_frames_per_s_on": few / t["loop"],
        "nnls_relative_to_scipy_on": t["loop"] / few * len(psi) / t["ours"],
        "largest_difference_on": float(np.abs(works["ours"]()[:few] - works["loop"]()).max()),
    }
