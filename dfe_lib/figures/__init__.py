"""Figures: axes-level functions ``plot_x(data, ..., ax=None) -> ax`` in one style, fit for a paper."""
