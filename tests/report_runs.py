"""Two small runs with everything hostile in them, for the tests of the report and of the comparison."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image, ImageDraw

from dfe_lib import results

EVIL = "<script>window.bitten = 1</script>"
ATTRIBUTE = '" onmouseover="window.bitten = 1'


def run(folder: Path, rms: float = 0.25, tau: float = 0.5, spot: int = 0, source: str = "x = 1") -> Path:
    """A run of two notebooks: one with a long table, a figure and hostile names, one with verdicts."""
    record = results.Record.open("03_codebook_coverage", folder / "03_codebook_coverage", "demo", 0)
    record.data("open", f"clips of pyfeat-news {EVIL}")
    record.data("simulated", f"people {ATTRIBUTE}")
    record.metric("rms_mm", rms)
    record.metric(f"label {EVIL}", f"value {EVIL}")
    rows = 300
    order = np.random.default_rng(0).permutation(rows)
    table = pd.DataFrame({"number": order, "word": [f"w{i}" for i in order], EVIL: [ATTRIBUTE] * rows})
    table.loc[0, "word"] = 'a "quoted", broken\nline'
    record.table("long", table)
    record.table("short", pd.DataFrame({"a": [3.14159265, 20, 1], "b": ["x", "z", "y"]}))
    picture = record.folder / "face.png"
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).ellipse((20, 20, 20 + 100 + spot, 120 + spot), fill="orange")
    image.save(picture)
    (record.folder / "face.md").write_text(f"**Faces** {EVIL}, in mm; n = `5`.\n")
    record._content["figures"].append("face.png")
    record.timing("fit_s", 1.5)
    record.close()
    cells = [
        new_markdown_cell(f"# Title {EVIL}\n\nWhat it *shows* {EVIL}."),
        new_code_cell(
            source, execution_count=int(tau * 10), outputs=[new_output("stream", text=f"rms {rms}\n")]
        ),
    ]
    cells[1].metadata["papermill"] = {"duration": rms}
    nbformat.write(new_notebook(cells=cells), record.folder / "03_codebook_coverage.ipynb")
    stamp = {
        "parameters": {"tau": tau, "results_dir": str(folder)},
        "fingerprint": {"notebook": "ab" * 32},
        "wall_s": 75.0,
    }
    (record.folder / "run.json").write_text(json.dumps(stamp))

    record = results.Record.open("09_claims", folder / "09_claims", "demo", 0)
    record.data("open", "as measured before")
    record.metric("supported", 1)
    claim = {"claim": "1 · more precise", "against": "FACS", "measure": f"RMS {EVIL}"}
    said = {"people": 1, "supported": 1, "simulated": "", "verdict": "supported"}
    record.table(
        "verdicts",
        pd.DataFrame([claim | said, claim | said | {"verdict": "not testable here", "measure": "F1"}]),
    )
    measured = {
        "data": "actors",
        "source": "open",
        "rival": "FACS full",
        "gain": 0.2086,
        "low": 0.2,
        "high": 0.3,
    }
    record.table("evidence", pd.DataFrame([claim | measured | {"verdict": "supported"}]))
    record.close()
    return folder
