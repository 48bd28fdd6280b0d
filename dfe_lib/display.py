"""How objects show themselves in a prompt and in a notebook, and what a frame table holds."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class Shown:
    """Gives a class a one-line ``repr`` and a small HTML table; it says the facts in :meth:`_facts`.

    >>> class Box(Shown):
    ...     def _facts(self):
    ...         return {"width": 2, "of": "<wood>"}
    >>> Box()
    Box(width 2, of <wood>)
    >>> "&lt;wood&gt;" in Box()._repr_html_()
    True
    """

    def _facts(self) -> dict[str, object]:
        """Name of a fact → its value, the most telling first; never raises, also before ``fit``."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name} {value}' for name, value in self._facts().items())})"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(str(name))}</th>'
            f'<td style="text-align:left">{escape(str(value))}</td></tr>'
            for name, value in self._facts().items()
        )
        caption = f'<caption style="text-align:left"><b>{escape(type(self).__name__)}</b></caption>'
        return f"<table>{caption}<tbody>{rows}</tbody></table>"


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """What a frame table holds, one row per recording; a notebook shows it as a table.

    Parameters
    ----------
    table : a frame table, see :mod:`dfe_lib.frames`.

    Returns
    -------
    DataFrame indexed by ``recording``: ``frames``, ``seconds`` (from first to last frame), ``fps`` (of the median step;
    NaN for a single frame), ``with_a_face`` (share, 0 to 1) and ``holds`` (landmarks, pose, how many coefficients and
    of which space, tokens).

    Raises
    ------
    InputError : not a frame table.

    Examples
    --------
    >>> from dfe_lib.frames import frame_table
    >>> table = frame_table("a", [0.0, 0.04, 0.08, 0.12], [True, True, False, True])
    >>> summary(table).loc["a", ["frames", "fps", "with_a_face"]].tolist()
    [4, 25.0, 0.75]
    """
    import numpy as np
    import pandas as pd

    from dfe_lib import frames

    frames.check(table)
    rows = []
    for recording, part in table.groupby("recording", sort=False):
        times = part["time_s"].to_numpy()
        step = np.median(np.diff(times)) if len(times) > 1 else np.nan
        seen = part["detected"].mean()
        rows.append(
            (recording, len(part), round(times[-1] - times[0], 2), round(1 / step, 2), round(seen, 3))
        )
    out = pd.DataFrame(rows, columns=["recording", "frames", "seconds", "fps", "with_a_face"])
    return out.assign(holds=_holds(table)).set_index("recording")


def _holds(table: pd.DataFrame) -> str:
    def count(prefix: str) -> int:
        return sum(str(c).startswith(prefix) for c in table.columns)

    space = table.attrs.get("space")
    found = [
        "landmarks" if "landmarks" in table.columns else "",
        "pose" if count("pose_") else "",
        f"ψ of {count('psi_')}" + (f" ({space})" if space else "") if count("psi_") else "",
        f"{count('token_')} tokens a frame" if count("token_") else "",
    ]
    return ", ".join(filter(None, found)) or "times alone"
