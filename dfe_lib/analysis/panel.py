"""The codings that are compared, and what each makes of each source.

Everything downstream (tables, intervals, pictures) reads one :class:`Panel`: the same frames, the same
reconstructions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from dfe_lib.analysis.fidelity import frame_errors
from dfe_lib.analysis.sources import HeldOut
from dfe_lib.codings import DFECS, FACS, PCA, Blendshapes, FacialBasis, FaissRQ, KMeans
from dfe_lib.errors import InputError, choices
from dfe_lib.paths import ASSETS, data_dir
from dfe_lib.provenance import digest

CODINGS = ASSETS.parent / "codings"  # their code: what is kept was learnt by this version of it


@dataclass(frozen=True, eq=False)
class Prefix:
    """The first stages of a tokenizer as a coding of its own: a token code can be cut anywhere."""

    tokenizer: Any
    stages: int

    @property
    def name(self) -> str:
        return self.tokenizer.name

    @property
    def space(self):
        return self.tokenizer.space

    @property
    def templates(self) -> np.ndarray:
        return self.tokenizer.templates

    @property
    def bits_per_frame(self) -> float:
        return self.stages * float(np.log2(self.tokenizer.codes_per_stage))

    def fit(self, psi: np.ndarray) -> Prefix:
        return self

    def encode(self, psi: np.ndarray) -> np.ndarray:
        return self.tokenizer.encode(psi, stages=self.stages)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        return self.tokenizer.decode(codes)


def fit_codings(tokenizer: Any, train: np.ndarray, bits: float, seed: int) -> list[Any]:
    """DFE and its rivals, fitted; all but FACS and k-means have at most ``bits`` a frame.

    DFE comes with as many stages as ``bits`` pays for. FACS has its own budgets, k-means can spend no more than the
    logarithm of its words, and FAISS's quantiser is left out where FAISS is not installed. What is learnt is kept in
    the cache folder, so that a second notebook need not learn it again; other frames, another budget, seed or version
    of the codings are learnt anew.
    """
    stages = _paid_stages(tokenizer, bits)
    first = tokenizer if stages == tokenizer.stages else Prefix(tokenizer, stages)
    key = hashlib.sha256(np.ascontiguousarray(train).tobytes())
    key.update(f"{bits} {seed} {digest([CODINGS])}".encode())
    folder = data_dir() / "derived" / f"codings-{key.hexdigest()[:12]}"
    learners = [PCA(bits=bits), DFECS(bits=bits, seed=seed), FacialBasis(bits=bits, seed=seed)]
    learners += [Blendshapes(bits=bits), KMeans(seed=seed)]
    if find_spec("faiss"):
        import_module("faiss")  # before the limit below, which only reaches what is loaded
        learners.append(FaissRQ(bits=8 * int(bits // 8), seed=seed))  # whole stages of 8 bits
    # One thread of BLAS for each: on small matrices more of them wait for each other, for three times the work.
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(_fit_once, coding, train, folder / type(coding).__name__) for coding in learners[::-1]
        ]
        learnt = [job.result() for job in waiting[::-1]]
    return [first, *learnt, FACS(), FACS("full"), FACS("full", sided=True)]


def _fit_once(coding: Any, train: np.ndarray, path: Path) -> Any:
    if (path / "card.json").is_file():
        return type(coding).load(path)
    coding.fit(train)
    coding.save(path)
    return coding


def at_budget(codings: Sequence[Any], train: np.ndarray, bits: float) -> list[Any]:
    """The same fitted codings at another, smaller budget, in their order.

    Those that have learnt units choose levels and units anew on ``train``; DFE keeps as many stages as ``bits`` pays
    for. FACS and k-means have budgets of their own and come as they are.
    """
    found = []
    for coding in codings:
        if hasattr(coding, "codes_per_stage") or isinstance(coding, Prefix):
            tokenizer = getattr(coding, "tokenizer", coding)
            found.append(Prefix(tokenizer, _paid_stages(tokenizer, bits)))
        elif getattr(coding, "bits", None):
            with threadpool_limits(1):  # as in fit_codings
                found.append(coding.with_budget(train, bits))
        else:
            found.append(coding)
    return found


def _paid_stages(tokenizer: Any, bits: float) -> int:
    stages = int(bits / np.log2(tokenizer.codes_per_stage) + 1e-9)
    if stages < 1:
        raise InputError(f"{bits} bits a frame do not pay for one token of {tokenizer.codes_per_stage}")
    return min(stages, tokenizer.stages)


@dataclass(frozen=True, eq=False)
class Panel:
    """Codings × sources.

    Attributes
    ----------
    codings : fitted, names unique; the first is DFE.
    sources : the frames.
    codes : (source name, coding name) → codes. psi_hat : the same → (n, 53) reconstruction.
    """

    codings: tuple[Any, ...]
    sources: tuple[HeldOut, ...]
    codes: dict[tuple[str, str], np.ndarray]
    psi_hat: dict[tuple[str, str], np.ndarray]

    @property
    def names(self) -> list[str]:
        return [coding.name for coding in self.codings]

    def coding(self, name: str) -> Any:
        """The coding of that name."""
        if name not in self.names:
            raise InputError(f"no such coding: {choices(name, self.names)}")
        return self.codings[self.names.index(name)]

    def errors(self, source: HeldOut, coding: str) -> np.ndarray:
        """‖ψ − ψ̂‖_G of every frame, (n,) mm."""
        return frame_errors(source.psi, self.psi_hat[source.name, coding])

    def sources_table(self) -> pd.DataFrame:
        """One row per source: ``data, source, frames, units, unit``."""
        return pd.DataFrame(
            [
                {
                    "data": s.name,
                    "source": s.source,
                    "frames": len(s.psi),
                    "units": s.units,
                    "unit": s.unit_name,
                }
                for s in self.sources
            ]
        )

    def codings_table(self) -> pd.DataFrame:
        """One row per coding: ``coding, units, bits``."""
        return pd.DataFrame(
            [
                {"coding": c.name, "units": len(c.templates), "bits": float(c.bits_per_frame)}
                for c in self.codings
            ]
        )


def reconstruct(codings: Sequence[Any], sources: Iterable[HeldOut]) -> Panel:
    """Encode and decode every source with every coding.

    Raises
    ------
    InputError : two codings or two sources of one name.
    """
    sources = tuple(sources)
    for kind, names in (("codings", [c.name for c in codings]), ("sources", [s.name for s in sources])):
        if len(set(names)) < len(names):
            raise InputError(f"names of {kind} must differ, got {', '.join(names)}")
    codes, psi_hat = {}, {}
    with threadpool_limits(1):  # as in fit_codings
        for coding in codings:
            for source in sources:
                codes[source.name, coding.name] = coding.encode(source.psi)
                psi_hat[source.name, coding.name] = coding.decode(codes[source.name, coding.name])
    return Panel(tuple(codings), sources, codes, psi_hat)
