"""Random facial displays: where expression coefficients come from when nobody has measured them."""

from __future__ import annotations

import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.space import ICT53

# Coefficients that move together in people; a leading weight scales the share of the group. Our choice.
SYNERGIES: dict[str, dict[str, float]] = {
    "smile": {"mouthSmile": 1.0, "cheekSquint": 0.5, "eyeSquint": 0.3, "mouthDimple": 0.2},
    "laugh": {"mouthSmile": 1.0, "jawOpen": 0.5, "cheekSquint": 0.7, "mouthUpperUp": 0.3, "eyeSquint": 0.4},
    "frown": {"browDown": 1.0, "eyeSquint": 0.4, "mouthPress": 0.3},
    "worry": {"browInnerUp": 1.0, "mouthFrown": 0.5, "mouthStretch": 0.3},
    "surprise": {"browInnerUp": 0.8, "browOuterUp": 1.0, "eyeWide": 0.8, "jawOpen": 0.5},
    "disgust": {"noseSneer": 1.0, "mouthUpperUp": 0.6, "browDown": 0.4, "mouthShrugUpper": 0.2},
    "sad": {"mouthFrown": 1.0, "mouthShrugLower": 0.6, "browInnerUp": 0.5},
    "tight": {"mouthPress": 1.0, "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
    "open": {"jawOpen": 1.0, "mouthLowerDown": 0.3},
    "round": {"mouthFunnel": 0.7, "mouthPucker": 0.8, "jawOpen": 0.2},
    "bite": {"mouthRollLower": 1.0, "jawForward": 0.2, "mouthShrugUpper": 0.3},
    "wide": {"mouthStretch": 1.0, "jawOpen": 0.2, "mouthLowerDown": 0.5},
    "blink": {"eyeBlink": 1.0},
    "puff": {"cheekPuff": 1.0, "mouthPress": 0.3},
    "sideways": {"mouthLeft": 1.0, "jawLeft": 0.3},
    "sidewise": {"mouthRight": 1.0, "jawRight": 0.3},
    "gaze_up": {"eyeLookUp": 1.0, "browOuterUp": 0.2},
    "gaze_down": {"eyeLookDown": 1.0, "eyeBlink": 0.25},
    "gaze_left": {"eyeLookOut_L": 1.0, "eyeLookIn_R": 1.0},
    "gaze_right": {"eyeLookIn_L": 1.0, "eyeLookOut_R": 1.0},
}
# Shapes that are defined on top of another one and look wrong without it.
_CLOSES_WITH_JAW = "mouthClose"


def synergy_basis() -> np.ndarray:
    """(20, 53) float32, one row per entry of ``SYNERGIES``, both sides of the face alike."""
    basis = np.zeros((len(SYNERGIES), ICT53.dimension), dtype=np.float32)
    for row, members in zip(basis, SYNERGIES.values(), strict=True):
        for name, weight in members.items():
            sided = [n for n in (name, f"{name}_L", f"{name}_R") if n in ICT53.names]
            for n in sided:
                row[ICT53.names.index(n)] = weight
    return basis


def sample_displays(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw facial displays: sparse, correlated, sometimes asymmetric, a few of them extreme.

    Each display adds one to three synergies of random strength and a few single coefficients, with a random
    left–right balance; one in twenty is neutral and one in twenty is exaggerated. Simulated, our choice.

    Parameters
    ----------
    n : how many, at least 1.
    rng : source of randomness.

    Returns
    -------
    (n, 53) float32 in [0, 1.2].

    Examples
    --------
    >>> sample_displays(4, np.random.default_rng(0)).shape
    (4, 53)
    """
    if n < 1:
        raise InputError(f"at least one display is needed, got n={n}")
    d = ICT53.dimension
    basis = synergy_basis()
    strength = rng.beta(1.6, 1.8, size=(n, len(basis)))
    active = np.argsort(rng.random((n, len(basis))), axis=1) < rng.integers(1, 4, size=(n, 1))
    psi = (strength * active) @ basis
    single = rng.random((n, d)) < rng.choice([0.0, 0.03, 0.08], size=(n, 1))
    psi += single * rng.beta(1.3, 2.2, size=(n, d))

    balance = np.clip(rng.normal(0, 0.25, size=n), -1, 1) * (rng.random(n) < 0.6)
    one_sided = rng.random(n) < 0.08
    balance[one_sided] = rng.choice([-1.0, 1.0], size=one_sided.sum())
    left = np.array([name.endswith("_L") for name in ICT53.names])
    right = np.array([name.endswith("_R") for name in ICT53.names])
    gaze = np.array([name.startswith("eyeLook") for name in ICT53.names])
    psi[:, left & ~gaze] *= np.clip(1 + balance, 0, 1)[:, None]
    psi[:, right & ~gaze] *= np.clip(1 - balance, 0, 1)[:, None]

    kind = rng.random(n)
    psi[kind < 0.05] *= rng.uniform(0, 0.05, size=((kind < 0.05).sum(), 1))
    psi[kind > 0.95] *= 1.3
    psi = np.clip(psi, 0, 1.2)
    jaw, close = ICT53.names.index("jawOpen"), ICT53.names.index(_CLOSES_WITH_JAW)
    psi[:, close] = np.minimum(psi[:, close], psi[:, jaw])  # mouthClose closes the lips of an open jaw
    return psi.astype(np.float32)
