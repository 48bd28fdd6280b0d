"""A prediction table as people read it: one line a row, estimates with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd


def summarise(table: pd.DataFrame, data: str, notes: Mapping[str, str] | None = None) -> pd.DataFrame:
    """One line per method: every metric as ``0.71 [0.64, 0.78]``, and Holm's p against the reference.

    Parameters
    ----------
    table : of :class:`dfe_lib.analysis.prediction.protocol.Outcome`; means over targets are shown.
    data : what the table was made from, e.g. ``simulated``; it heads the first column.
    notes : method → what it is.

    Returns
    -------
    DataFrame, one column per metric in the table's order, ``p (Holm)`` of the primary one, and the notes.

    Examples
    --------
    >>> row = {"method": "constant", "target": "all", "metric": "F1", "value": 0.5, "low": 0.4, "high": 0.6}
    >>> summarise(pd.DataFrame([row | {"primary": True, "p_holm": 0.03}]), "simulated")["F1"].item()
    '0.50 [0.40, 0.60]'
    """
    own = table[table["target"] == "all"]
    text = own.apply(lambda r: f"{r['value']:.2f} [{r['low']:.2f}, {r['high']:.2f}]", axis=1)
    methods, metrics = own["method"].unique(), own["metric"].unique()
    shown = own.assign(text=text).pivot(index="method", columns="metric", values="text").loc[methods, metrics]
    p = own[own["primary"]].set_index("method")["p_holm"]
    shown["p (Holm)"] = [f"{p[m]:.3f}" if p[m] == p[m] else "–" for m in methods]
    if notes is not None:
        shown["what it is"] = [notes.get(m, "") for m in methods]
    shown.index.name, shown.columns.name = f"{data} data", None
    return shown
