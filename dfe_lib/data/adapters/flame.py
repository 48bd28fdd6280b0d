"""FLAME (Li et al. 2017, SIGGRAPH Asia): the expression spaces of EMOCA, DECA and SMIRK, and the user's own model file.

FLAME is licensed; the file is never part of this project, and is read without running anything in it
(:mod:`dfe_lib.data.adapters.pickles`). Without the file the spaces have the identity as metric, unit ``coefficient``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfe_lib.data.adapters.arrays import read_npy, read_npz
from dfe_lib.data.adapters.pickles import array, read_pickle
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ExpressionSpace

N_EXPRESSIONS, FIRST_EXPRESSION = (
    50,
    300,
)  # the tools use the first 50 of FLAME's 100; 300 identity modes come before
JAW, N_JOINTS = 2, 5  # joints: global, neck, jaw, two eyes
REGIONS = {
    "expression": tuple(f"exp_{i}" for i in range(N_EXPRESSIONS)),
    "jaw": ("jaw_x", "jaw_y", "jaw_z"),
    "eyelids": ("eyelid_left", "eyelid_right"),
}
SPACES = {"flame50": 1, "flame53": 2, "flame55": 3}  # how many of the regions
_ARRAYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f")
_MM = 1000.0  # FLAME is in metres
_MASKS, _EYELIDS = "FLAME_masks.pkl", ("l_eyelid.npy", "r_eyelid.npy")


@dataclass(frozen=True, eq=False)
class FlameModel:
    """The generic face of FLAME and one displacement field per coefficient.

    Attributes
    ----------
    neutral : (V, 3) float32, mm; x to the subject's left, y up, z out of the face.
    expressions : (53 or 55, V, 3) float32, mm per unit: 50 expression modes; the jaw's three axis-angle coordinates
        (per radian); with SMIRK's files at hand its two eyelids.
    triangles : (F, 3) int32.
    face : (k,) int64, the vertices that the metric is taken over.
    face_is : where ``face`` comes from.
    digest : 8 hexadecimal digits of the file's content; two FLAME versions differ in it.
    """

    neutral: np.ndarray
    expressions: np.ndarray
    triangles: np.ndarray
    face: np.ndarray
    face_is: str
    digest: str

    def vertices(self, psi: np.ndarray) -> np.ndarray:
        """Vertices of the generic face.

        The jaw turns as in its first instant: a rotation by θ moves a vertex by θ times its distance from the axis,
        along the tangent. At 0.5 rad (29°) that is 1 % further than the true chord, and ends 12 % too far from the
        axis.

        Parameters
        ----------
        psi : (n, d) or (d,), d = 50, 53 or 55.

        Returns
        -------
        (n, V, 3) or (V, 3) float32, mm.

        Raises
        ------
        InputError : another number of coefficients, or values that are not finite.
        """
        psi = np.asarray(psi, dtype=np.float32)
        known = [d for d in _dimensions() if d <= len(self.expressions)]
        if psi.ndim not in (1, 2) or psi.shape[-1] not in known or not np.isfinite(psi).all():
            raise InputError(
                f"ψ must be finite, with {' or '.join(map(str, known))} columns, but is {psi.shape}"
            )
        return self.neutral + np.tensordot(psi, self.expressions[: psi.shape[-1]], axes=1)


def flame_space(name: str = "flame53", model: FlameModel | None = None) -> ExpressionSpace:
    """One of FLAME's expression spaces.

    Parameters
    ----------
    name : ``flame50`` (expression modes), ``flame53`` (and the jaw's axis-angle, rad) or ``flame55`` (and SMIRK's
        eyelids).
    model : from :func:`load_flame`. Then the metric is in mm², over the face's vertices: displacements are exact for
        the modes and linear about the closed jaw (see :meth:`FlameModel.vertices`); ``to_mesh`` works; and the name
        carries the model's digest, because another version of FLAME has other modes. Without it the metric is the
        identity, and the unit ``coefficient``: radians count like standard deviations.

    Raises
    ------
    InputError : an unknown name; a model without the eyelids for ``flame55``; fields that are not independent.

    Examples
    --------
    >>> space = flame_space("flame53")
    >>> space.dimension, space.unit
    (53, 'coefficient')
    """
    if name not in SPACES:
        raise InputError(f"no such FLAME space: {choices(name, SPACES)}")
    regions, names = {}, ()
    for region, members in list(REGIONS.items())[: SPACES[name]]:
        regions[region] = tuple(range(len(names), len(names) + len(members)))
        names += members
    if model is None:
        return ExpressionSpace(name, names, np.eye(len(names)), regions, unit="coefficient")
    if len(model.expressions) < len(names):
        raise InputError(
            f"space '{name}' in mm needs SMIRK's {' and '.join(_EYELIDS)} (in its folder assets/) beside the "
            "FLAME file or one folder above; or choose space flame53"
        )
    fields = model.expressions[: len(names), model.face].astype(np.float64).reshape(len(names), -1)
    metric = fields @ fields.T / len(model.face)
    if not np.isfinite(metric).all():
        raise InputError("the FLAME file has fields that are too large to be displacements of a face")
    if np.linalg.eigvalsh(metric).min() <= 0:
        raise InputError(
            f"the FLAME file has fields that do not move the face independently; '{name}' has no metric"
        )
    return ExpressionSpace(f"{name}-mm-{model.digest}", names, metric, regions, "mm", model)


def load_flame(path: str | Path) -> FlameModel:
    """Read the user's own FLAME file.

    The tools were trained with FLAME 2020; FLAME 2023 can be read too, but its modes are others.

    Parameters
    ----------
    path : ``generic_model.pkl`` or the like as downloaded (also Python 2 pickles with chumpy arrays), or an ``.npz``
        with the arrays ``v_template, shapedirs, posedirs, J_regressor, weights, f``. Beside it are looked for:
        ``FLAME_masks.pkl`` of the FLAME site, whose region ``face`` the metric is taken over. Without it: the vertices
        in front of the jaw joint and above the lowest one that mostly follows the jaw, less the eyeballs.

    Raises
    ------
    InputError : not such a file, arrays missing or of other shapes, or anything in it that is neither array nor plain
        data; nothing in the file is ever run.
    """
    path = Path(path)
    if path.suffix == ".npz":
        arrays = read_npz(path, _ARRAYS)
    else:
        content = read_pickle(path)
        missing = [n for n in _ARRAYS if n not in content] if isinstance(content, dict) else _ARRAYS
        if missing:
            raise InputError(f"{path} is no FLAME model: it lacks {', '.join(missing)}")
        try:
            arrays = {n: array(content[n], n) for n in _ARRAYS}
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    _check(arrays, path)
    template = arrays["v_template"].astype(np.float64) * _MM
    last = FIRST_EXPRESSION + N_EXPRESSIONS
    modes = np.moveaxis(arrays["shapedirs"][:, :, FIRST_EXPRESSION:last], 2, 0).astype(np.float64) * _MM
    joint = arrays["J_regressor"][JAW].astype(np.float64) @ template
    fields = [modes, _jaw(template, joint, arrays)]
    eyelids = _eyelids(path, template)
    if eyelids is not None:
        fields.append(eyelids)
    face, face_is = _face(path, template, joint, arrays["weights"])
    digest = hashlib.sha256()
    for name in ("v_template", "shapedirs", "posedirs", "weights"):
        digest.update(np.ascontiguousarray(arrays[name], dtype="<f4").tobytes())
    digest.update(face.astype("<i8").tobytes())
    return FlameModel(
        template.astype(np.float32),
        np.concatenate(fields).astype(np.float32),
        arrays["f"].astype(np.int32),
        face,
        face_is,
        digest.hexdigest()[:8],
    )


def _dimensions() -> list[int]:
    sizes = np.cumsum([len(members) for members in REGIONS.values()])
    return sizes.tolist()


def _check(arrays: dict[str, np.ndarray], path: Path) -> None:
    n = len(arrays["v_template"]) if arrays["v_template"].ndim else 0
    wanted = {
        "v_template": (n, 3),
        "posedirs": (n, 3, 9 * (N_JOINTS - 1)),
        "J_regressor": (N_JOINTS, n),
        "weights": (n, N_JOINTS),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise InputError(f"{path}: '{name}' has shape {arrays[name].shape}, but FLAME's is {shape}")
    shape, least = arrays["shapedirs"].shape, FIRST_EXPRESSION + N_EXPRESSIONS
    if shape[:2] != (n, 3) or len(shape) != 3 or shape[2] < least:
        raise InputError(f"{path}: 'shapedirs' has shape {shape}, but ({n}, 3, at least {least}) is needed")
    triangles = arrays["f"]
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
        raise InputError(f"{path}: 'f' must hold triangles, (faces, 3) whole numbers")
    if len(triangles) and (triangles.min() < 0 or triangles.max() >= n):
        raise InputError(f"{path}: 'f' names vertices that do not exist")
    if not all(np.isfinite(arrays[name]).all() for name in _ARRAYS):
        raise InputError(f"{path} holds values that are not finite")
    height = float(np.ptp(arrays["v_template"][:, 1])) if n else 0.0
    if not 0.1 < height < 1:
        raise InputError(f"{path}: the head is {height:g} high; FLAME is in metres, 0.1 to 1")


def _jaw(template: np.ndarray, joint: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """(3, V, 3) mm per radian: derivative of FLAME's skinning and pose correctives at the closed jaw."""
    weights = arrays["weights"][:, JAW, None].astype(np.float64)
    start = 9 * (JAW - 1)  # the correctives are linear in the rotation matrices of all joints but the first
    correctives = arrays["posedirs"][:, :, start : start + 9].astype(np.float64) * _MM
    fields = []
    for axis in np.eye(3):
        turning = np.cross(axis, np.eye(3)).T  # turning @ v = axis × v: what the rotation matrix grows by
        fields.append(weights * np.cross(axis, template - joint) + correctives @ turning.reshape(9))
    return np.stack(fields)


def _eyelids(path: Path, template: np.ndarray) -> np.ndarray | None:
    """(2, V, 3) mm of SMIRK's eyelid offsets, which its own model adds after skinning; None where they are not."""
    for folder in (path.parent, path.parent.parent):
        files = [folder / name for name in _EYELIDS]
        if all(file.is_file() for file in files):
            fields = [read_npy(file) for file in files]
            for file, offsets in zip(files, fields, strict=True):
                if offsets.shape != template.shape or not np.isfinite(offsets).all():
                    raise InputError(
                        f"{file} has shape {offsets.shape}, but finite {template.shape} is needed"
                    )
            return np.stack(fields).astype(np.float64) * _MM
    return None


def _face(path: Path, template: np.ndarray, joint: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, str]:
    masks = path.with_name(_MASKS)
    if masks.is_file():
        content = read_pickle(masks)
        if not isinstance(content, dict) or "face" not in content:
            raise InputError(f"{masks} has no region 'face'")
        face = array(content["face"], "face").ravel()
        if face.dtype.kind not in "iu" or not len(face) or face.min() < 0 or face.max() >= len(template):
            raise InputError(f"{masks}: the region 'face' does not name vertices of {path.name}")
        return np.unique(face.astype(np.int64)), f"region 'face' of {_MASKS}"
    follows = weights[:, JAW] > 0.5
    if not follows.any():
        raise InputError(
            f"{path}: no vertex follows the jaw, so the face cannot be told; put {_MASKS} beside it"
        )
    eyeballs = weights[:, JAW + 1 :].sum(axis=1) > 0.5
    inside = (template[:, 2] > joint[2]) & (template[:, 1] >= template[follows, 1].min()) & ~eyeballs
    return np.flatnonzero(
        inside
    ), "vertices in front of the jaw joint and above the chin's end, without eyeballs"
