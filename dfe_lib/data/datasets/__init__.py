"""Data sets of the field behind one interface: ``open_dataset("stressid").recordings``.

A set is looked for in ``DFE_DATA_DIR/<name>``, or where ``root`` says. Opening checks the layout and names all that is
missing at once; frame tables are read one recording at a time.
"""

from __future__ import annotations

from pathlib import Path

from dfe_lib.data.datasets.affectnet import AffectNet
from dfe_lib.data.datasets.base import FEEDS, TASKS, TRAITS, Dataset, Layout
from dfe_lib.data.datasets.bp4d import BP4D
from dfe_lib.data.datasets.ck_plus import CKPlus
from dfe_lib.data.datasets.cohort import DatasetCohort, cohort_of
from dfe_lib.data.datasets.crema_d import CremaD
from dfe_lib.data.datasets.d_vlog import DVlog
from dfe_lib.data.datasets.daic import DaicWoz, EDaic
from dfe_lib.data.datasets.disfa import Disfa
from dfe_lib.data.datasets.first_impressions import FirstImpressions
from dfe_lib.data.datasets.folder import Emoca, Folder, LibreFace, LiveLink, OpenFace, PyFeat
from dfe_lib.data.datasets.gilanie import Gilanie
from dfe_lib.data.datasets.lmvd import Lmvd
from dfe_lib.data.datasets.ravdess import Ravdess
from dfe_lib.data.datasets.seamless import Seamless
from dfe_lib.data.datasets.stressid import StressID
from dfe_lib.data.datasets.ubfc_phys import UbfcPhys
from dfe_lib.errors import ConfigError, choices

__all__ = [
    "DATASETS",
    "FEEDS",
    "TASKS",
    "TRAITS",
    "Dataset",
    "DatasetCohort",
    "Layout",
    "cohort_of",
    "open_dataset",
    "register",
]

DATASETS: dict[str, type[Dataset]] = {
    kind.name: kind
    for kind in (
        *(StressID, UbfcPhys, FirstImpressions, Seamless, DaicWoz, EDaic, DVlog, Lmvd, Gilanie),
        *(AffectNet, Ravdess, CremaD, Disfa, CKPlus, BP4D),
        *(Folder, OpenFace, PyFeat, LibreFace, Emoca, LiveLink),
    )
}


def register(kind: type[Dataset]) -> type[Dataset]:
    """Make an adapter of one's own known by its name; usable as a decorator.

    Raises
    ------
    ConfigError : the name is taken.
    """
    taken = DATASETS.get(kind.name)
    if taken is not None and (taken.__module__, taken.__name__) != (kind.__module__, kind.__name__):
        raise ConfigError(f"there is a data set called '{kind.name}' already; choose another name")
    DATASETS[kind.name] = kind
    return kind


def open_dataset(
    name: str,
    root: str | Path | None = None,
    frames_path: str | Path | None = None,
    keep_going: bool = False,
) -> Dataset:
    """A data set at hand, its layout checked.

    Parameters
    ----------
    name : one of ``DATASETS``.
    root : its folder; by default ``DFE_DATA_DIR/<name>`` or ``<name>`` below a mirror.
    frames_path : where ψ of its videos is, one table per recording; by default ``DFE_DATA_DIR/derived/<name>/frames``.
    keep_going : leave out recordings whose files are absent or broken, and say which, instead of stopping.

    Raises
    ------
    ConfigError : no data set by that name.
    AssetError : it is not at hand, or files are missing: all of them in one message, with the way to get them.
    InputError : its tables cannot be used.

    Examples
    --------
    >>> stress = open_dataset("stressid")                              # doctest: +SKIP
    >>> stress.recordings[["recording", "subject", "stressed"]].head() # doctest: +SKIP
    """
    if name not in DATASETS:
        raise ConfigError(f"no data set by that name: {choices(name, DATASETS)}")
    return DATASETS[name](root, frames_path, keep_going)
