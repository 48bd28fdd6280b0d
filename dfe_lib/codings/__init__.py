"""Codings of facial expressions behind one protocol: FACS and its rivals."""

from dfe_lib.codings.base import Coding, psi_for
from dfe_lib.codings.dfecs import DFECS
from dfe_lib.codings.facial_basis import FacialBasis
from dfe_lib.codings.facs import FACS
from dfe_lib.codings.gabor import Gabor
from dfe_lib.codings.linear import PCA, Blendshapes
from dfe_lib.codings.vector import FaissRQ, KMeans

__all__ = [
    "DFECS",
    "FACS",
    "PCA",
    "Blendshapes",
    "Coding",
    "FacialBasis",
    "FaissRQ",
    "Gabor",
    "KMeans",
    "psi_for",
]
