"""Seamless Interaction (Agrawal et al. 2025): pairs of people in conversation, with personality questionnaires."""

from __future__ import annotations

import re

import pandas as pd

from dfe_lib.data.datasets.base import TRAITS, Dataset, Layout

SPLITS = {"train": "train", "dev": "dev", "test": "test"}
# The BFI-2 calls openness open-mindedness and neuroticism negative emotionality.
_TRAITS = {
    "openness": r"open",
    "conscientiousness": r"conscientious",
    "extraversion": r"extr[ao]version",
    "agreeableness": r"agreeable",
    "neuroticism": r"neurotic|negative.?emotion",
}


class Seamless(Dataset):
    name = "seamless-interaction"
    feeds = frozenset({"video"})
    labels = {t: "BFI-2 domain as in participants.csv (self-report; scale as in that file)" for t in TRAITS}
    defects = (
        "the maintainers say that participant ids are wrong in rare cases: one id for two people, two ids for one",
        "the maintainers say that time stamps and prompts of about a tenth of the interactions are off",
        "two people of one conversation influence each other: the column 'session' tells who sat together; a split "
        "by subject may part a pair",
        "the set's own facial action units (movement:FAUValue, 24 numbers a frame) are not read: which unit is "
        "which is documented nowhere that we know of; third parties report dead ones and stretches of invalid "
        "frames",
        "how the personality columns of participants.csv are called is not known to us: exactly one column per "
        "trait must be found by its word, otherwise opening says what it has",
        "very large (4,000 hours by the maintainers' README): take some archives",
    )
    source_of_layout = (
        "the repository's README (<label>/<split>/<batch>/<archive>/V…_S…_I…_P….mp4, also <label>/<split>/video/…, "
        "and participants.csv); columns of participants.csv are an unverified layout: the repository's code does not "
        "read it, and no public reader that does was found"
    )
    film = 4000.0

    def scan(self, layout: Layout) -> pd.DataFrame:
        rows = [
            {
                "recording": m["name"],
                "subject": m["p"],
                "split": SPLITS[m["split"].lower()],
                "setting": m["label"].lower(),
                "session": f"{m['v']}_{m['s']}",
                "interaction": m["i"],
                "file": m[0],
            }
            for m in layout.tree.match(
                r"(?:.*/)?(?P<label>improvised|naturalistic)/(?P<split>train|dev|test)/(?:.*/)?"
                r"(?P<name>(?P<v>V\d+)_(?P<s>S\d+)_(?P<i>I\d+)_(?P<p>P\w+))\.mp4"
            )
        ]
        layout.need(rows, "<improvised|naturalistic>/<train|dev|test>/…/V<v>_S<s>_I<i>_P<p>.mp4")
        people = layout.table(r"(?:.*/)?participants\.csv", (), ("participant_id",))
        traits = _traits(layout, people)
        if layout.missing:
            return pd.DataFrame()
        table = pd.DataFrame(rows)
        return table.assign(**{t: table["subject"].map(values) for t, values in traits.items()})


def _traits(layout: Layout, people: pd.DataFrame) -> dict[str, pd.Series]:
    """Trait → value by participant (``P0947``); what cannot be told for sure goes on the list."""
    key = [c for c in people.columns if re.fullmatch(r"participant_?(id)?|id", c, re.IGNORECASE)]
    has = ", ".join(people.columns[:12])
    layout.need(len(key) == 1, f"one column participant_id in participants.csv (it has {has})")
    out = {}
    for trait, word in _TRAITS.items():
        found = [c for c in people.columns if re.search(word, c, re.IGNORECASE)]
        layout.need(
            len(found) == 1, f"one column for {trait} in participants.csv ({len(found)} found; it has {has})"
        )
        if len(key) == 1 and len(found) == 1:
            names = people[key[0]].astype(str).str.strip().map(lambda p: p if p.startswith("P") else f"P{p}")
            values = pd.to_numeric(people[found[0]], errors="coerce")
            out[trait] = pd.Series(values.to_numpy(), names).groupby(level=0).first()
    return out
