"""One look for all figures: sizes of a printed column, a colour-blind-safe palette, one colour per coding."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dfe_lib.errors import InputError, choices

COLUMN = 3.4  # inches, one column of a two-column page
PAGE = 7.0  # inches, its full width

# Okabe & Ito (2008), one of Tol's muted scheme (2021), and three chosen to stay apart from these for red-blind and
# green-blind readers too (tests/figures/test_figures_style.py). Controls are grey, so that a method never is.
CODING_COLOURS = {
    "DFE": "#D55E00",
    "FACS": "#0072B2",
    "DFECS": "#009E73",
    "Facial Basis": "#CC79A7",
    "PCA": "#E69F00",
    "k-means": "#56B4E9",
    "FAISS RQ": "#332288",
    "blendshapes": "#660000",
    "Gabor": "#00664D",
    "MAE": "#993300",
    "constant": "#999999",
    "shuffled": "#4D4D4D",
}
# Each coding also has its own marker: figures stay readable in a black-and-white print.
CODING_MARKERS = dict(zip(CODING_COLOURS, "osD^vP<>hpX*", strict=True))
QUALITATIVE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")

SKIN = "#C9C3BE"  # a grey that is slightly warm: no person's skin in particular
# Skin grey to dark red by way of orange; lightness falls all the way, so order survives without colour.
DISPLACEMENT = LinearSegmentedColormap.from_list("displacement", [SKIN, "#EBA15C", "#D55E00", "#7A1E00"])

_ALIASES = {
    "tokenizer": "DFE",
    "rvqvae": "DFE",
    "facialbasis": "Facial Basis",
    "kmeans": "k-means",
    "faissresidualquantizer": "FAISS RQ",
    "faissrq": "FAISS RQ",
    "mediapipeblendshapes": "blendshapes",
    "shuffledlabels": "shuffled",
}


def _canonical(coding: str) -> str:
    plain = "".join(c for c in coding.lower() if c.isalnum())
    known = {"".join(c for c in k.lower() if c.isalnum()): k for k in CODING_COLOURS}
    known.update(_ALIASES)
    if plain in known:
        return known[plain]
    # A variant is written after the coding's name: "DFE, one stage", "PCA (12)", "FACS mean+sd".
    for name in CODING_COLOURS:
        if coding.lower().startswith((f"{name} ".lower(), f"{name},".lower())):
            return name
    raise InputError(f"no colour for this coding: {choices(coding, CODING_COLOURS)}")


def colour(coding: str) -> str:
    """Colour of a coding, the same in every figure, as ``"#rrggbb"``.

    A variant starts with the name of its coding (``"DFE, one stage"``) and shares its colour.

    Raises
    ------
    InputError : for a name that starts with no known coding.

    Examples
    --------
    >>> colour("FACS") == colour("facs")
    True
    """
    return CODING_COLOURS[_canonical(coding)]


def marker(coding: str) -> str:
    """Matplotlib marker of a coding; see :func:`colour`."""
    return CODING_MARKERS[_canonical(coding)]


def dashes(coding: str) -> str:
    """Matplotlib line style: solid, but for the variants of FACS, which share a colour.

    >>> dashes("FACS openface"), dashes("FACS full"), dashes("FACS full sided")
    ('-', '--', ':')
    """
    words = coding.lower().split()
    if "sided" in words or "mesh" in words:
        return ":"
    return {"full": "--", "pyfeat": "-."}.get(words[-1], "-")


def use_style() -> None:
    """Set matplotlib's defaults: 8 pt type, thin spines, no top or right frame, text kept as text in PDF."""
    plt.rcParams.update(
        {
            "figure.figsize": (COLUMN, 2.4),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 300,
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.6,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "lines.linewidth": 1.2,
            "lines.markersize": 4,
            "pdf.fonttype": 42,
            "svg.fonttype": "none",
            "axes.prop_cycle": plt.cycler(color=QUALITATIVE),
        }
    )


def axes(ax: Axes | None) -> Axes:
    """The axes to draw on: those given, else the current ones."""
    return plt.gca() if ax is None else ax


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2, 3 and 5 of every decade with plain numbers (0.5, not 5 × 10⁻¹)."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
