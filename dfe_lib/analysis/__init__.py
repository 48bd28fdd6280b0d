"""Fidelity, coverage and prediction: what the codings are worth."""
