"""Examples at the end of each command's help. Every line is a command that the parser accepts: a test parses them."""

from __future__ import annotations

EXAMPLES = {
    "": [
        "dfe doctor",
        "dfe extract clip.mp4 --out clip.parquet",
        "dfe encode clip.parquet --out tokens.parquet",
        "dfe reproduce --only 03",
    ],
    "extract": [
        "dfe extract clip.mp4 --out clip.parquet",
        "dfe extract a.mp4 b.mp4 --out tables",
        "dfe extract selfie.mov --out selfie.parquet --mirrored --neutral 0-1.5",
    ],
    "import": [
        "dfe import results/EMOCA --from emoca --fps 25 --out clip.parquet",
        "dfe import a.csv b.csv --from openface --out tables",
    ],
    "encode": [
        "dfe encode clip.parquet --out tokens.parquet",
        "dfe encode a.parquet b.parquet --out tokens --tokenizer my-tokenizer",
    ],
    "export": [
        "dfe export tokens.parquet --format csv --out clip.csv",
        "dfe export tokens.parquet --format openface --units --out clip.csv",
        "dfe export a.parquet b.parquet --format csv --bags --out bags.csv",
    ],
    "explore": ["dfe explore", "dfe explore clip.mp4", "dfe explore tokens.parquet"],
    "reproduce": [
        "dfe reproduce",
        "dfe reproduce --profile ci --only 03",
        "dfe reproduce --check",
    ],
    "diff": [
        "dfe diff results/before results/demo",
        "dfe diff results/demo results/ci --out diff.html",
    ],
    "scrub": ["dfe scrub results/demo --out for-others", "dfe scrub tables --out for-others --key key.json"],
    "train": [
        "dfe train tables/a.parquet tables/b.parquet --out my-tokenizer",
        "dfe train tables/a.parquet --out my-tokenizer --recordings people.csv --seed 1",
    ],
    "build": ["dfe build face478 --out built", "dfe build"],
    "bench": ["dfe bench tokens", "dfe bench"],
    "doctor": ["dfe doctor"],
    "data": ["dfe data list", "dfe data fetch ict-facekit", "dfe data where stressid"],
}
EPILOGS = {
    name: "\n  ".join(["Examples:" if len(lines) > 1 else "Example:", *lines])
    for name, lines in EXAMPLES.items()
}
