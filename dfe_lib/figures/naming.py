"""Names for templates, from what they do."""

from __future__ import annotations

import numpy as np

from dfe_lib.space import ExpressionSpace


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
    labels = [n.replace("_", " ") for n in space.names]
    atoms = list(np.eye(space.dimension))
    for i, j in enumerate(space.mirror_order):
        if i < j and space.names[i].endswith("_L"):
            labels.append(space.names[i].removesuffix("_L") + " L+R")
            atoms.append(atoms[i] + atoms[j])
    field = np.array(atoms) @ space.whitener
    field /= np.maximum(np.linalg.norm(field, axis=1, keepdims=True), 1e-12)
    names = []
    for rest in space.check(templates).astype(float) @ space.whitener:
        energy, parts = rest @ rest, []
        for _ in range(count if energy > 1e-9 else 0):
            along = field @ rest
            best = int(np.argmax(np.abs(along)))
            if along[best] ** 2 < 0.05 * energy:
                break
            parts.append(("−" if along[best] < 0 else "") + labels[best])
            rest = rest - along[best] * field[best]
        names.append(", ".join(parts) or ("mixed" if energy > 1e-9 else "still"))
    return names
