"""The heart: expression coefficients to additive discrete tokens, and back."""

from dfe_lib.tokens.tokenizer import Tokenizer

__all__ = ["Tokenizer"]
