"""The depression action-unit set of Gilanie et al. (Zenodo 15245035), of which we know no file name."""

from __future__ import annotations

import re

from dfe_lib.data.datasets.base import Layout
from dfe_lib.data.datasets.folder import LABELS, Folder, OpenFace


class Gilanie(OpenFace):
    """Gilanie et al.: action units with a depression label; OpenFace-like CSV files, and a labels.csv of your own."""

    name = "gilanie-depression-au"
    feeds = frozenset({"aus"})
    defects = (
        "how the record's files are called and what their columns are is not known to us: write a labels.csv "
        "(recording, subject, depressed) beside OpenFace-like CSV files, one per recording, as the record's own "
        "README tells who is who",
        *Folder.defects[1:],
    )
    source_of_layout = (
        "unverified layout: no public reader of the record was found; what is expected here is our own"
    )

    def scan(self, layout: Layout):
        table = super().scan(layout)
        written = next(layout.tree.match(re.escape(LABELS)), None)
        layout.need(written, f"{LABELS} (recording, subject, depressed), to be written by you")
        for column in ("subject", "depressed"):
            given = column in table.columns and written
            layout.need(given or layout.missing, f"the column {column} in {LABELS}")
        return table
