"""One progress bar for a terminal and a live notebook; silent where nobody watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from dfe_lib.errors import printable

BATCH = (
    "DFE_BATCH"  # set in the kernels of `dfe reproduce`: a bar would stand in the executed notebook for good
)


def watched() -> bool:
    """Whether somebody sees a bar: on a terminal, or in a notebook that is not run in a batch."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    in_notebook = hasattr(shell, "kernel")
    return BATCH not in os.environ if in_notebook else sys.stderr.isatty()


def bar(iterable: Iterable | None = None, *, show: bool = True, **options):
    """A tqdm bar: a widget in a live notebook, text on a terminal, nothing elsewhere.

    Parameters
    ----------
    show : False never shows it.
    options : as of :class:`tqdm.tqdm`: ``desc``, ``total``, ``unit``, ``leave``.

    Examples
    --------
    >>> [x for x in bar(range(3), desc="counting")]
    [0, 1, 2]
    """
    from tqdm.auto import tqdm

    if "desc" in options:  # often the name of a file
        options["desc"] = printable(options["desc"])
    return tqdm(iterable, disable=not (show and watched()), **options)
