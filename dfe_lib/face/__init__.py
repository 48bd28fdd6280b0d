"""Faces: video → landmarks → expression coefficients, and the morphable models that ψ lives on."""

from dfe_lib.face.extract import extract, extract_many, extract_to
from dfe_lib.face.regressor import ExpressionRegressor

__all__ = ["ExpressionRegressor", "extract", "extract_many", "extract_to"]
