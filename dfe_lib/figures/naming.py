"""Names for templates, from what they do: in coefficients, and in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfe_lib.space import ExpressionSpace

# What each coefficient does, forwards and taken back. Movements beyond neutral (a lid that opens further than open)
# have a name too: templates are sums and may go either way.
WORDS: dict[str, tuple[str, str]] = {
    "browDown": ("brow down", "brow up"),
    "browInnerUp": ("inner brow up", "inner brow down"),
    "browOuterUp": ("outer brow up", "outer brow down"),
    "cheekPuff": ("cheek puffed", "cheek sucked in"),
    "cheekSquint": ("cheek raised", "cheek lowered"),
    "eyeBlink": ("lid closed", "lid opened"),
    "eyeLookDown": ("gaze down", "gaze up"),
    "eyeLookIn": ("gaze inwards", "gaze outwards"),
    "eyeLookOut": ("gaze outwards", "gaze inwards"),
    "eyeLookUp": ("gaze up", "gaze down"),
    "eyeSquint": ("lids tightened", "lids loosened"),
    "eyeWide": ("upper lid raised", "upper lid lowered"),
    "jawForward": ("jaw forward", "jaw back"),
    "jawLeft": ("jaw to the left", "jaw to the right"),
    "jawRight": ("jaw to the right", "jaw to the left"),
    "jawOpen": ("jaw open", "jaw closed"),
    "mouthClose": ("lips closed", "lips parted"),
    "mouthDimple": ("lip corner tucked in", "lip corner let out"),
    "mouthFrown": ("lip corner down", "lip corner up"),
    "mouthFunnel": ("lips funnelled", "lips flattened"),
    "mouthLeft": ("mouth to the left", "mouth to the right"),
    "mouthRight": ("mouth to the right", "mouth to the left"),
    "mouthLowerDown": ("lower lip down", "lower lip up"),
    "mouthPress": ("lips pressed", "lips unpressed"),
    "mouthPucker": ("lips puckered", "lips unpuckered"),
    "mouthRollLower": ("lower lip rolled in", "lower lip rolled out"),
    "mouthRollUpper": ("upper lip rolled in", "upper lip rolled out"),
    "mouthShrugLower": ("chin raised", "chin lowered"),
    "mouthShrugUpper": ("upper lip pushed up", "upper lip let down"),
    "mouthSmile": ("lip corner up", "lip corner down"),
    "mouthStretch": ("lip corner stretched", "lip corner drawn in"),
    "mouthUpperUp": ("upper lip raised", "upper lip lowered"),
    "noseSneer": ("nose wrinkled", "nose smoothed"),
}
_PLURAL = {"brow": "brows", "corner": "corners", "cheek": "cheeks", "lid": "lids"}


def template_names(templates: np.ndarray, space: ExpressionSpace, count: int = 2) -> list[str]:
    """Name every template by the coefficients that it is most like.

    Matching pursuit in the metric G over single coefficients and left–right pairs: the first name is the
    movement that explains most of the template, the next one most of what is left. So large coefficients that
    cancel one another do not enter the name. A minus says that the movement is taken back.

    Parameters
    ----------
    templates : (K, d).
    count : at most so many names for each; those that explain less than a twentieth are left out.

    Returns
    -------
    K texts, e.g. ``"mouthSmile L+R, −jawOpen"``; ``"still"`` for a template without movement.

    Examples
    --------
    >>> template_names(ICT53.vector(mouthSmile_L=1, mouthSmile_R=0.9)[None], ICT53)    # doctest: +SKIP
    ['mouthSmile L+R']
    """
    labels = {"": "", "L": " L", "R": " R", "both": " L+R"}
    return [
        ", ".join(("−" if sign < 0 else "") + name + labels[side] for name, side, sign in parts) or rest
        for parts, rest in _pursuit(templates, space, count)
    ]


def describe(templates: np.ndarray, space: ExpressionSpace, count: int = 2) -> list[str]:
    """Say in words what every template does, left and right being the subject's own.

    The parts are those of :func:`template_names`; a coefficient without an entry in ``WORDS`` keeps its name.

    Returns
    -------
    K texts, e.g. ``"left lip corner up, left cheek raised"``, ``"both brows down"``, ``"still"``.

    Examples
    --------
    >>> from dfe_lib.space import ICT53
    >>> describe(ICT53.vector(mouthSmile_L=1.0)[None], ICT53)
    ['left lip corner up']
    """
    return [
        ", ".join(dict.fromkeys(_in_words(*part) for part in parts)) or rest
        for parts, rest in _pursuit(templates, space, count)
    ]


def _pursuit(
    templates: np.ndarray, space: ExpressionSpace, count: int
) -> Sequence[tuple[list[tuple[str, str, int]], str]]:
    """Per template the parts found, (name without side, side, sign), and what to say when there is none."""
    parts_of = [_sided(name) for name in space.names]
    atoms = list(np.eye(space.dimension))
    for i, j in enumerate(space.mirror_order):
        if i < j and parts_of[i][1] == "L":
            parts_of.append((parts_of[i][0], "both"))
            atoms.append(atoms[i] + atoms[j])
    field = np.array(atoms) @ space.whitener
    field /= np.maximum(np.linalg.norm(field, axis=1, keepdims=True), 1e-12)
    found = []
    for rest in space.check(templates).astype(float) @ space.whitener:
        energy, parts = rest @ rest, []
        for _ in range(count if energy > 1e-9 else 0):
            along = field @ rest
            best = int(np.argmax(np.abs(along)))
            if along[best] ** 2 < 0.05 * energy:
                break
            parts.append((*parts_of[best], -1 if along[best] < 0 else 1))
            rest = rest - along[best] * field[best]
        found.append((parts, "mixed" if energy > 1e-9 else "still"))
    return found


def _sided(name: str) -> tuple[str, str]:
    if name.endswith(("_L", "_R")):
        return name[:-2], name[-1]
    return name, ""


def _in_words(name: str, side: str, sign: int) -> str:
    forwards, back = WORDS.get(name, (name, f"less {name}"))
    text = forwards if sign > 0 else back
    if side == "both":
        for one, many in _PLURAL.items():
            if one in text.split():
                return "both " + " ".join(many if word == one else word for word in text.split())
        return text  # lips, lids, nose: the plain word means both sides
    return {"L": "left ", "R": "right ", "": ""}[side] + text
