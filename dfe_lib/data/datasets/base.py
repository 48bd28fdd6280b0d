"""What every data set is to the rest of the library: a recording table, and frame tables read when asked for.

A data set is a subclass of :class:`Dataset` of some 40 to 100 lines: a few words about it, ``scan`` (from a listing of
its folder to one row per recording) and, where it holds more than video, ``read`` (from such a row to a frame table).
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pandas as pd

from dfe_lib import frames
from dfe_lib.data.access import GATED, OWN
from dfe_lib.data.datasets.index import Tree, derived, indexed
from dfe_lib.data.datasets.layout import VIDEOS, Layout, listed
from dfe_lib.data.integrity import unavailable
from dfe_lib.data.manifest import folder
from dfe_lib.data.registry import Entry, load_manifest
from dfe_lib.errors import AssetError, DFEError, InputError, choices
from dfe_lib.paths import is_below

__all__ = ["FEEDS", "TASKS", "TRAITS", "VIDEOS", "Dataset", "Layout"]

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
TASKS = {"stress": ("stressed",), "personality": TRAITS, "depression": ("phq", "depressed")}
# What a set holds, and what can be had from it.
FEEDS = {
    "video": "every coding: ψ by `dfe data extract`, then tokens, FACS and the others",
    "pictures": "every coding: ψ by `dfe data extract`, one recording per picture or sequence of pictures",
    "psi": "every coding in the tool's own expression space",
    "landmarks68": "a regressor for 68 points in 3-D, DFECS, Facial Basis",
    "landmarks68_2d": "a regressor for 68 points in 2-D, DFECS",
    "aus": "FACS rows only: action units as another tool or a coder gave them",
}


class Dataset:
    """A data set at hand. Made with :func:`dfe_lib.data.datasets.open_dataset`.

    Attributes
    ----------
    name : of the data set; also its entry in the manifest, but for folders and outputs of tools.
    root : its folder.
    recordings : ``recording, subject, dataset, split`` and labels, one row per recording that can be used.
    labels : label column → what it means, with its unit.
    feeds : what the set holds, of ``FEEDS``: which codings it can feed.
    defects : what is known to be wrong with the set, and what this reader does about it.
    source_of_layout : where the layout that is expected comes from, and how sure that is.
    skipped : recording → why it was left out (only with ``keep_going``).
    """

    name: ClassVar[str]
    feeds: frozenset[str] = frozenset()
    labels: Mapping[str, str] = {}
    defects: ClassVar[tuple[str, ...]] = ()
    source_of_layout: ClassVar[str] = ""
    metric: ClassVar[str] = ""  # of its benchmark, where it has one
    film: ClassVar[float | None] = None  # hours, where known: what extraction will take follows from it
    partial: ClassVar[str] = ""  # why recordings with labels may rightly have no file; empty: they may not

    def __init__(
        self, root: str | Path | None = None, frames_path: str | Path | None = None, keep_going: bool = False
    ):
        self.root = self._rooted(root)
        self.frames_path = derived(self.name) / "frames" if frames_path is None else Path(frames_path)
        self.keep_going = keep_going
        self.skipped: dict[str, str] = {}
        tree = Tree.read(self.root)
        self.listed = indexed(self.name, tree, _code(type(self)), self._build)
        for name in self.listed["recording"]:
            if not is_below(name):
                raise InputError(
                    f"{self.name}: {name!r:.80} in {self.root} cannot be a recording: no file can bear the name"
                )
        self._at = {name: i for i, name in enumerate(self.listed["recording"])}
        self._open()

    # ------------------------------------------------------------ what a subclass fills in

    def scan(self, layout: Layout) -> pd.DataFrame:
        """One row per recording: ``recording, subject, split``, labels, ``file`` (relative path; empty: absent).

        ``split`` is ``train``, ``dev`` or ``test`` where the set has official ones, else ``all``.
        """
        raise NotImplementedError

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        """The frame table of one row of the index; by default its ψ, made by ``dfe data extract``."""
        return self.psi(str(row["recording"]))

    # ------------------------------------------------------------ what everybody uses

    @property
    def entry(self) -> Entry | None:
        """The manifest's entry; None for folders and outputs of tools."""
        return load_manifest().entries.get(self.name)

    @property
    def access(self) -> str:
        """``open``, ``registration``, ``request``, ``agreement``, or ``own`` for the user's own recordings."""
        return OWN if self.entry is None else self.entry.access

    @property
    def gated(self) -> bool:
        """The data were granted: no per-person row may be passed on."""
        return self.access in GATED

    @property
    def source(self) -> str:
        """The word for :meth:`dfe_lib.results.Record.data`: ``open`` or ``gated`` (also for own recordings)."""
        return "open" if self.access == "open" else "gated"

    @property
    def says(self) -> str:
        """The sentence for :meth:`dfe_lib.results.Record.data`."""
        people = self.recordings["subject"].nunique()
        title = self.name if self.entry is None else f"{self.name}: {self.entry.title}"
        left = f"; {len(self.skipped)} left out" if self.skipped else ""
        return f"{title}, {len(self.recordings)} recordings of {people} subjects{left}"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of ``TASKS`` for which the set has a label."""
        return tuple(task for task, names in TASKS.items() if any(n in self.labels for n in names))

    @property
    def recordings(self) -> pd.DataFrame:
        """The recording table, of what can be used."""
        used = self.listed[self.listed["available"] & ~self.listed["recording"].isin(list(self.skipped))]
        shown = [c for c in used.columns if not c.startswith("file") and c != "available"]
        out = used[shown].reset_index(drop=True)
        out.attrs = {"access": self.access, "dataset": self.name, "labels": dict(self.labels)}
        return out

    def frames(self, recording: str) -> pd.DataFrame:
        """The frame table of one recording, read now; nothing of it is kept.

        Raises
        ------
        InputError : no such recording, or its file cannot be used.
        AssetError : ψ has not been extracted yet; the message has the command.
        """
        table = self.read(self._row(recording))
        table.attrs |= {"dataset": self.name, "access": self.access}
        return table

    def each(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Recordings and their frame tables, one at a time.

        Raises
        ------
        InputError : a file cannot be used; with ``keep_going`` it is put into ``skipped`` instead.
        """
        for recording in self.recordings["recording"]:
            try:
                yield recording, self.frames(recording)
            except DFEError as error:
                self.skip(recording, error)

    def skip(self, recording: str, error: DFEError) -> None:
        """Leave a recording out from now on; without ``keep_going`` that is the error itself."""
        if not self.keep_going:
            raise type(error)(
                f"{self.name}: {recording}: {error} (--keep-going, or keep_going=True, goes on without it)"
            ) from error
        self.skipped[recording] = str(error)

    def psi(self, recording: str) -> pd.DataFrame:
        """The extracted frame table of one recording, without landmarks.

        Raises
        ------
        AssetError : it has not been made; the message has the command.
        """
        path = self.frames_path / f"{recording}.parquet"
        if not path.is_file():
            raise AssetError(
                f"{path} is not there: ψ of {self.name} has to be made first, with `{self.command()}`"
            )
        columns = [c for c in frames.columns_of(path) if c != "landmarks"]
        table = frames.read(path, columns, needs=["psi_"])
        return table

    def has_psi(self, recording: str) -> bool:
        """Whether :meth:`psi` has a table for a recording."""
        return (self.frames_path / f"{recording}.parquet").is_file()

    def command(self) -> str:
        """The command that makes ψ of all recordings."""
        named = self.entry is not None and self.root in _usual(self.name)
        root = "" if named else f" --root {self.root}"
        usual = self.frames_path == derived(self.name) / "frames"
        return f"dfe data extract {self.name}{root}" + ("" if usual else f" --out {self.frames_path}")

    def path(self, recording: str, column: str = "file") -> Path:
        """The file of a recording.

        Raises
        ------
        InputError : no such recording, or it has no such file.
        """
        row = self._row(recording)
        if not row.get(column):
            raise InputError(f"{self.name}: {recording} has no {column.replace('_', ' ')}")
        return self.root / str(row[column])

    def video(self, recording: str) -> Path:
        """The video of a recording.

        Raises
        ------
        InputError : the set has no video.
        """
        if "video" not in self.feeds:
            raise InputError(f"{self.name} holds no video; it holds {', '.join(sorted(self.feeds))}")
        return self.path(recording, "file_video" if "file_video" in self.listed.columns else "file")

    def pictures(self, recording: str) -> list[Path]:
        """The pictures of a recording that is a sequence of them, in order.

        Raises
        ------
        InputError : the set has no such sequences.
        """
        if "pictures" not in self.feeds:
            raise InputError(f"{self.name} holds no sequences of pictures")
        place = self.path(recording, "file_pictures" if "file_pictures" in self.listed.columns else "file")
        if place.is_file():
            return [place]
        return sorted(p for p in place.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))

    # ------------------------------------------------------------ how it is opened

    def _rooted(self, root: str | Path | None) -> Path:
        if root is None:
            if self.entry is None:
                raise InputError(f"'{self.name}' is a folder of your own; say which, with root")
            return folder(self.name).resolve()
        place = Path(root).expanduser()
        if not place.is_dir():
            kind = "a file" if place.exists() else "not there"
            raise AssetError(self._wants(f"{place} is {kind}, but a folder is needed"))
        return place.resolve()

    def _wants(self, why: str) -> str:
        return f"'{self.name}': {why}" if self.entry is None else unavailable(self.entry, why)

    def _build(self, tree: Tree) -> pd.DataFrame:
        layout = Layout(tree)
        table = self.scan(layout)
        if not layout.missing and not len(table):
            layout.missing.append(f"any recording of {self.name}")
        if layout.missing:
            raise AssetError(self._wants(f"{self.root} lacks {listed(layout.missing)}"))
        lacking = [c for c in ("recording", "subject", "split", *self.labels) if c not in table.columns]
        if lacking:
            raise InputError(f"the reader of {self.name} gives no column {', '.join(lacking)}")
        asked = {name for names in TASKS.values() for name in names} & set(table.columns)
        table = table.assign(**{c: layout.numbers(table[c], table["recording"], c) for c in sorted(asked)})
        if layout.missing:
            raise AssetError(self._wants(f"{self.root} lacks {listed(layout.missing)}"))
        files = [c for c in table.columns if c.startswith("file")]
        first = ["recording", "subject", "dataset", "split", *self.labels]
        table = table.assign(dataset=self.name)
        rest = [c for c in table.columns if c not in (*first, *files)]
        return frames.check_recordings(table[[*first, *rest, *files]].reset_index(drop=True))

    def _open(self) -> None:
        """Tell what can be used from what is absent; what was extracted already needs no video any more."""
        made = {p.stem for p in self.frames_path.glob("*.parquet")} if self.frames_path.is_dir() else set()
        self.listed["available"] = (self.listed["file"] != "") | self.listed["recording"].isin(made)
        absent = list(self.listed.loc[~self.listed["available"], "recording"])
        if not absent:
            return
        if len(absent) == len(self.listed):
            raise AssetError(self._wants(f"{self.root} lacks the files of {listed(absent)}"))
        if self.partial:
            return
        if not self.keep_going:
            raise AssetError(
                self._wants(
                    f"{self.root} lacks the files of {len(absent)} of {len(self.listed)} recordings: "
                    f"{listed(absent)} (--keep-going, or keep_going=True, goes on without them)"
                )
            )
        self.skipped |= dict.fromkeys(absent, "its file is not there")

    def _row(self, recording: str) -> dict:
        found = self._at.get(recording)
        if found is None:
            raise InputError(
                f"{self.name}: no such recording: {choices(recording, self.listed['recording'][:8])}"
            )
        return self.listed.iloc[found].to_dict()


def _usual(name: str) -> list[Path]:
    try:
        return [folder(name).resolve()]
    except AssetError:
        return []


def _code(kind: type) -> str:
    """Digest of the modules that make an index of this kind."""
    files = {Path(inspect.getfile(c)) for c in kind.__mro__ if c.__module__.startswith("dfe_lib.")}
    files |= {Path(inspect.getfile(kind)), Path(inspect.getfile(Layout))}
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(files) if p.is_file())).hexdigest()
