"""ChaLearn First Impressions V2 (Ponce-López et al. 2016): what strangers think of people in YouTube clips."""

from __future__ import annotations

import pandas as pd

from dfe_lib.data.adapters.pickles import number, read_pickle
from dfe_lib.data.datasets.base import TRAITS, VIDEOS, Dataset, Layout
from dfe_lib.errors import InputError

SPLITS = {"training": "train", "validation": "dev", "test": "test"}


class FirstImpressions(Dataset):
    name = "chalearn-first-impressions"
    feeds = frozenset({"video"})
    labels = {
        **{trait: "0–1: apparent, as strangers see it; higher is more of it" for trait in TRAITS},
        "interview": "0–1: would be invited to a job interview",
    }
    defects = (
        "a constant predictor already scores 0.880 in the official metric, 1 − mean |y − ŷ|: always report "
        "correlations (Pearson, Lin's CCC) beside it",
        "several clips come from one YouTube video, also across the official sets: the subject is the video's id, "
        "the part of the file name before the clip's number",
        "the annotations are pickles of Python 2 (latin1): they are read by an interpreter that can import and "
        "call nothing",
    )
    metric = "1 − mean |y − ŷ| of each trait, then the mean of five"
    source_of_layout = (
        "names and content of the annotations: this project's notes; clips are found by name in any folder"
    )
    film = 10_000 * 15 / 3600

    def scan(self, layout: Layout) -> pd.DataFrame:
        parts = []
        for word, split in SPLITS.items():
            found = next(layout.tree.match(rf"(?:.*/)?annotation_{word}\.pkl"), None)
            if found is None:
                layout.missing.append(f"annotation_{word}.pkl")
                continue
            try:
                parts.append(_annotations(layout.tree.root / found[0]).assign(split=split))
            except InputError as error:
                layout.missing.append(str(error))
        clips = layout.by(rf"(?:.*/)?(?P<clip>[^/]+\.\d+\.(?:{VIDEOS}))", "clip")
        layout.need(clips, "<id>.<nnn>.mp4 (the clips)")
        if layout.missing:
            return pd.DataFrame()
        table = pd.concat(parts)
        clip = table.index.to_series()
        return table.assign(
            recording=clip.str.rsplit(".", n=1).str[0],
            subject=clip.str.rsplit(".", n=2).str[0],
            file=clip.map(clips).fillna(""),
        )


def _annotations(path) -> pd.DataFrame:
    """Clips × traits of one annotation file, {trait: {clip: value}}."""
    content = read_pickle(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(t), dict) for t in TRAITS):
        raise InputError(f"{path} does not map {', '.join(TRAITS)} to clips and values")
    names = [*TRAITS, *(["interview"] if isinstance(content.get("interview"), dict) else [])]
    columns = {t: pd.Series({str(c): number(v, f"{t} of {c}") for c, v in content[t].items()}) for t in names}
    table = pd.DataFrame(columns).reindex(columns=[*TRAITS, "interview"])
    values = table.to_numpy()
    if (values < 0).any() or (values > 1).any():
        raise InputError(f"{path}: values must lie in 0–1, but go from {values.min():g} to {values.max():g}")
    return table
