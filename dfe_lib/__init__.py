"""Discrete Facial Encoding, as a reproducible companion: face video to tokens to tables."""

from importlib.metadata import version

__version__ = version("dfe_lib")
