"""Hostile and broken input: tens of thousands of damaged files, given to every reader in a limited process."""

from __future__ import annotations

from dfe_lib.progress import bar

__all__ = ["hostile"]

KINDS = ("crash", "hang", "acts", "stray file", "message", "seed")


def hostile(inputs: int = 20_600) -> dict[str, float | str]:
    """Counts per reader: read, refused with an error of ours, and everything else, which should be nothing."""
    from dfe_lib.bench.hostile.harness import attack
    from dfe_lib.bench.hostile.readers import READERS

    whole = sum(reader.share for reader in READERS.values())
    found = {}
    for name, reader in bar(READERS.items(), desc="readers"):
        found[name] = attack(name, round(inputs * reader.share / whole) + 1)
    every = list(found.values())
    kinds = sum((f.kinds for f in every[1:]), every[0].kinds)
    rows: dict[str, float | str] = {
        "inputs": sum(f.ok + f.typed + len(f.wrong) for f in every),
        "readers": len(every),
        "read": sum(f.ok for f in every),
        "refused_with_our_error": sum(f.typed for f in every),
        "findings": sum(len(f.wrong) for f in every),
    }
    rows |= {f"findings_{kind.replace(' ', '_')}": kinds.pop(kind, 0) for kind in KINDS}
    rows["findings_another_error"] = sum(kinds.values())
    rows["slowest_input_s"] = max(f.slowest for f in every)
    rows["largest_memory_of_an_input_mb"] = max(f.memory for f in every) / 1e6
    for name, f in found.items():
        rows[name] = f"{f.ok} read, {f.typed} refused, {len(f.wrong)} wrong"
        rows |= {f"{name}: mutant {number}": what for number, what in f.wrong[:3]}
    return rows
