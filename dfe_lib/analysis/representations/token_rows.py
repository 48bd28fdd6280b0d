"""Rows of tokens: which occur how often, how long they stay, and what follows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from dfe_lib.analysis.representations.base import Representation
from dfe_lib.analysis.representations.counts import bag_of_tokens
from dfe_lib.analysis.representations.dynamics import Words, run_lengths, transitions
from dfe_lib.analysis.representations.gathering import Tables
from dfe_lib.analysis.representations.sequence import Seen

DFE_BAG = "DFE bag of tokens"
BIGRAMS = 512  # words of the vocabulary of bigrams: as wide as two stages of the bag


class TokenRows:
    """The bag of tokens, the bag by stage, run lengths and bigrams; tokens of ψ, by ``method``."""

    def __init__(self, recordings: pd.Index, tokenizer: Any, method: str):
        self.tokenizer, self.method = tokenizer, method
        self._tables = Tables(recordings)
        self._bigrams: list[tuple[np.ndarray, Any]] = []

    def take(self, seen: Seen) -> None:
        codes = self.tokenizer.encode(seen.values, method=self.method)
        who, k, add = seen.names[seen.group], len(self.tokenizer.templates), self._tables.add
        note = "counts of tokens, one vocabulary for all stages; tokenizer learnt apart"
        add(DFE_BAG, bag_of_tokens(codes, who, k), note)
        note = "counts of tokens, each stage with words of its own; tokenizer learnt apart"
        add("DFE bag by stage", bag_of_tokens(codes, who, k, by_stage=True), note)
        note = "counts of first-stage tokens by how long each was held; tokenizer learnt apart"
        add("DFE run lengths", run_lengths(seen, codes[:, 0], k), note)
        self._bigrams.append((seen.names, transitions(seen, codes[:, 0], k)))

    def made(self) -> list[Representation]:
        recordings = self._tables.recordings
        names = np.concatenate([names for names, _ in self._bigrams])
        table = sparse.vstack([counts for _, counts in self._bigrams]).tocsr()
        table = table[pd.Index(names).get_indexer(recordings)]
        note = (
            f"counts of one first-stage token after another, repeats collapsed; the {BIGRAMS} bigrams in most "
            "recordings of the training fold"
        )
        return [*self._tables.made(), Words("DFE bigrams", recordings, table, BIGRAMS, note)]
