"""Every reader of files from outside, with good files of its own and the damage that suits them.

``share`` is how often a reader is tried compared with the others: most for what users pass on to each other, least for
what takes long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from dfe_lib import results
from dfe_lib.bench.hostile import calls, craft, seeds
from dfe_lib.bench.hostile.harness import Reader, Seed
from dfe_lib.bench.hostile.mutate import BYTES, CSV, JSON, TEXT, Mutator
from dfe_lib.codings import FACS, PCA, KMeans
from dfe_lib.codings.action_units import TABLE as UNITS
from dfe_lib.codings.action_units import action_units
from dfe_lib.data.adapters.arrays import read_npy, read_npz, read_scalar
from dfe_lib.data.adapters.emoca import read_emoca
from dfe_lib.data.adapters.libreface import read_libreface
from dfe_lib.data.adapters.matfiles import read_mat
from dfe_lib.data.adapters.openface import read_openface
from dfe_lib.data.adapters.pyfeat import read_feat
from dfe_lib.data.cohort import read_cohort, read_recordings
from dfe_lib.data.registry import load_manifest
from dfe_lib.data.simulation.config import EFFECTS
from dfe_lib.data.simulation.effects import effects
from dfe_lib.data.simulation.lexicon import TABLE as LEXICON
from dfe_lib.data.simulation.lexicon import lexicon
from dfe_lib.data.simulation.noise import ExtractionNoise
from dfe_lib.face import ExpressionRegressor
from dfe_lib.face.importers import import_table
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.paths import MANIFEST, PROFILES
from dfe_lib.tokens import Tokenizer, checkpoint


def _header(rng: np.random.Generator, data: bytes) -> bytes:
    """Damage in the first bytes, where formats keep sizes."""
    cut = min(len(data), 400)
    return BYTES[int(rng.integers(len(BYTES)))](rng, data[:cut]) + data[cut:]


HOW: dict[str, tuple[Mutator, ...]] = {
    "bytes": BYTES,
    "text": TEXT,
    "csv": CSV,
    "json": JSON,
    "yaml": (*TEXT, *[craft.yaml] * 9),
    "parquet": (*BYTES, *[craft.parquet] * 8),
    "pickle": (*BYTES, *[craft.pickle] * 6),
    "npz": (*BYTES, *[craft.npz] * 6),
    "npy": (*BYTES, *[craft.npy] * 8),
    "tensors": (*BYTES, *[craft.safetensors] * 8),
    "mat": (*BYTES, *[craft.mat] * 3),
    "film": (*BYTES, _header, _header, _header),
    "png": (*BYTES, _header, _header, craft.png, craft.png, craft.png),
}


def files(how: str, *good: bytes, name: str) -> Callable[[], list[Seed]]:
    """Seeds that are one file each."""
    return lambda: [Seed({name: raw}, name, how) for raw in good]


def made(how: str, *make: Callable[[], bytes], name: str) -> Callable[[], list[Seed]]:
    """The same of functions that make the files when they are asked for."""
    return lambda: files(how, *(m() for m in make), name=name)()


def folder(make: Callable[[], dict[str, bytes]], **damage: str) -> Callable[[], list[Seed]]:
    """Seeds of one folder, of which one file at a time is damaged; ``damage`` by suffix."""

    def all_of() -> list[Seed]:
        good = make()
        return [Seed(good, n, damage[n.rpartition(".")[2]]) for n in good if n.rpartition(".")[2] in damage]

    return all_of


def _set(text: dict[str, str | bytes], *damaged: str, how: str = "csv") -> Callable[[], list[Seed]]:
    good = {f"set/{n}": raw.encode() if isinstance(raw, str) else raw for n, raw in text.items()}
    return lambda: [Seed(good, f"set/{n}", how) for n in damaged]


def _artefacts(names: Iterable[str]) -> list[Seed]:
    out = []
    for name in names:
        good = {f"a/{n}": raw for n, raw in seeds.artefact(name).items()}
        out += [Seed(good, "a/card.json", "json"), Seed(good, "a/tensors.safetensors", "tensors")]
    return out


def _in(place: str, make: Callable[[], dict[str, bytes]]) -> Callable[[], dict[str, bytes]]:
    return lambda: {f"{place}/{n}": raw for n, raw in make().items()}


def _films() -> list[Seed]:
    found = [Seed({f"f.{s}": raw}, f"f.{s}", "film") for s in seeds.CONTAINERS for raw in [seeds.film(s)]]
    for entry, name in (
        ("pyfeat-media", "single_face.mp4"),
        ("intel-sample-videos", "yes.mkv"),
        ("pyfeat-media", "face_noface.mov"),
    ):
        suffix = name.rpartition(".")[2]
        found += [Seed({f"f.{suffix}": raw}, f"f.{suffix}", "film") for raw in seeds.mirrored(entry, name)]
    return found


def _pictures() -> list[Seed]:
    kinds = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif"}
    return [
        Seed({f"p.{s}": seeds.picture(k)}, f"p.{s}", "png" if s == "png" else "film")
        for k, s in kinds.items()
    ]


_RATED = "".join(f"{i + 1},{i % 6}\n" for i in range(4))
_DISFA = {
    f"ActionUnit_Labels/SN001/SN001_au{u}.txt": _RATED for u in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
}
_DISFA |= {"Videos_LeftCamera/LeftVideoSN001_comp.avi": "x" * 500}
_BP4D = "0,1,2,4,12\n" + "".join(f"{f},{f % 2},1,9,0\n" for f in range(2440, 2444))
_OBJ = "".join(f"v {i}.5 -{i} 0.25\n" for i in range(6))
_OBJ += "usemtl M_Face\nf 1/1/1 2/2/2 3/3/3\nf 1 2 3 4\nusemtl M_Teeth\nf 4 5 6\n"

READERS: dict[str, Reader] = {
    "frame table": Reader(
        calls.frame_table, made("parquet", seeds.frame_table, seeds.narrow_table, name="t.parquet"), 3
    ),
    "recording table": Reader(
        lambda p: read_recordings(p, ["stressed"]), made("csv", seeds.recordings, name="r.csv"), 2
    ),
    "cohort": Reader(
        lambda p: list(read_cohort(p, p.with_name("r.csv"), ["stressed"]).chunks()),
        lambda: [
            Seed(
                {
                    "t.parquet": seeds.frame_table(),
                    "r.csv": b"recording,subject,dataset,stressed\nclip,a,b,1\n",
                },
                "t.parquet",
                "parquet",
            )
        ],
    ),
    "openface units": Reader(read_openface, made("csv", seeds.openface_units, name="o.csv"), 2),
    "openface landmarks": Reader(
        partial(import_table, tool="openface", space="ict53"), made("csv", seeds.openface, name="o.csv"), 1
    ),
    "openface shape": Reader(
        partial(import_table, tool="openface"), made("csv", seeds.openface, name="o.csv"), 1
    ),
    "openface 3-D": Reader(
        partial(import_table, tool="openface", space="openface204"),
        made("csv", seeds.openface, name="o.csv"),
        0.5,
    ),
    "py-feat": Reader(
        partial(import_table, tool="pyfeat", fps=25),
        made("csv", partial(seeds.pyfeat, True), partial(seeds.pyfeat, False), name="p.csv"),
        1,
    ),
    "py-feat units": Reader(read_feat, made("csv", partial(seeds.pyfeat, False), name="p.csv"), 2),
    "libreface": Reader(read_libreface, made("csv", seeds.libreface, name="l.csv"), 2),
    "live link": Reader(partial(import_table, tool="arkit"), made("csv", seeds.live_link, name="a.csv"), 2),
    "emoca": Reader(lambda p: read_emoca(p.parents[2], fps=25), folder(seeds.emoca, npy="npy"), 2),
    "smirk": Reader(partial(import_table, tool="smirk"), made("npz", seeds.smirk, name="s.npz"), 0.5),
    "npy": Reader(
        lambda p: (read_npy(p), read_scalar(p)), files("npy", seeds.npy(np.array(1.5)), name="a.npy"), 4
    ),
    "npz": Reader(
        lambda p: read_npz(p, ["a"], ["b"]),
        files("npz", seeds.npz(a=np.ones(3), b=np.eye(2)), name="a.npz"),
        0.7,
    ),
    "flame npz": Reader(calls.flame, lambda: files("npz", seeds.npz(**seeds.flame()), name="f.npz")(), 0.3),
    "flame pickle": Reader(calls.flame, lambda: files("pickle", *seeds.flame_pickles(), name="f.pkl")(), 2),
    "pickle": Reader(
        calls.pickle, lambda: files("pickle", *seeds.flame_pickles()[:1], name="f.pkl")(), 1, good=False
    ),
    "matlab": Reader(lambda p: read_mat(p, ["pts"]), lambda: files("mat", seeds.mat(), name="m.mat")(), 2),
    "tokenizer": Reader(lambda p: Tokenizer.load(p.parent), lambda: _artefacts(["tokenizer"]), 2),
    "regressor": Reader(
        lambda p: ExpressionRegressor.load(p.parent),
        lambda: _artefacts(["expression-regressor", "landmarks68-2d-regressor"]),
        1,
    ),
    "picture regressor": Reader(
        lambda p: PictureRegressor.load(p.parent), lambda: _artefacts(["picture-regressor"]), 0.15
    ),
    "noise model": Reader(
        lambda p: ExtractionNoise.load(p.parent), lambda: _artefacts(["extraction-noise"]), 0.5
    ),
    "facs coding": Reader(
        lambda p: FACS.load(p.parent),
        folder(lambda: calls.a_coding(0), json="json", safetensors="tensors"),
        1,
    ),
    "pca coding": Reader(
        lambda p: PCA.load(p.parent), folder(lambda: calls.a_coding(1), json="json", safetensors="tensors"), 1
    ),
    "k-means coding": Reader(
        lambda p: KMeans.load(p.parent),
        folder(lambda: calls.a_coding(2), json="json", safetensors="tensors"),
        1,
    ),
    "checkpoint": Reader(
        lambda p: checkpoint.restore(p.parent, calls.a_training(), "data"),
        folder(calls.a_checkpoint, json="json", safetensors="tensors"),
        0.5,
    ),
    "encode": Reader(
        calls.encode, files("bytes", *(bytes([i] * 40) for i in range(3, 9)), name="x.bin"), 2, good=False
    ),
    "encode by codings": Reader(calls.code, files("bytes", b"a" * 40, name="x.bin"), 1, good=False),
    "decode": Reader(calls.decode, files("bytes", b"a" * 40, name="x.bin"), 4, good=False),
    "predict": Reader(calls.predict, files("bytes", b"a" * 40, name="x.bin"), 1, good=False),
    "manifest": Reader(
        load_manifest,
        lambda: files(
            "yaml", MANIFEST.read_bytes()[:6000].rpartition(b"\n\n")[0] + b"\n", name="data_manifest.yaml"
        )(),
        1,
    ),
    "profile": Reader(
        calls.profile, lambda: files("yaml", (PROFILES / "ci.yaml").read_bytes(), name="own.yaml")(), 2
    ),
    "settings": Reader(
        calls.settings,
        files("yaml", b"codes: 64\nstages: 4\nsparsity: 0.01\ndevice: auto\nseed: 1\n", name="s.yaml"),
        4,
    ),
    "action units": Reader(
        partial(calls.afresh, action_units), lambda: files("yaml", UNITS.read_bytes(), name="u.yaml")(), 0.3
    ),
    "effects": Reader(
        partial(calls.afresh, effects), lambda: files("yaml", EFFECTS.read_bytes(), name="e.yaml")(), 0.5
    ),
    "lexicon": Reader(
        partial(calls.afresh, lexicon), lambda: files("yaml", LEXICON.read_bytes(), name="l.yaml")(), 0.3
    ),
    "notebook": Reader(calls.notebook, made("json", seeds.notebook, name="03_codebook_coverage.ipynb"), 2),
    "executed notebook": Reader(
        calls.executed_notebook,
        made("json", seeds.notebook, name="03_codebook_coverage.ipynb"),
        1,
        "inputs/input/other.ipynb",
    ),
    "metrics": Reader(results.read, made("json", seeds.metrics, name="metrics.json"), 4),
    "run stamp": Reader(
        calls.stale,
        folder(
            _in(
                "03_codebook_coverage",
                lambda: {
                    "run.json": seeds.stamp(),
                    "metrics.json": seeds.metrics(),
                    "03_codebook_coverage.ipynb": seeds.notebook(),
                },
            ),
            json="json",
        ),
        1,
    ),
    "report": Reader(
        calls.report,
        folder(seeds.results_folder, json="json", csv="csv", png="png", md="text"),
        1,
        "inputs/input/notebooks",
    ),
    "dfe diff": Reader(
        calls.diff,
        lambda: [
            s
            for s in folder(calls.two_runs, json="json", png="png", ipynb="json")()
            if s.damaged.startswith("bad")
        ],
        0.5,
    ),
    "obj": Reader(calls.obj, files("text", _OBJ.encode(), name="m.obj"), 3),
    "disfa": Reader(
        partial(calls.dataset, "disfa"), _set(_DISFA, "ActionUnit_Labels/SN001/SN001_au12.txt"), 0.5, "cache"
    ),
    "bp4d": Reader(
        partial(calls.dataset, "bp4d"),
        _set(
            {
                "AUCoding/AU_OCC/F001_T1.csv": _BP4D,
                "AUCoding/AU_INT/AU06/F001_T1_AU06.csv": "2440,3\n2441,9\n",
            },
            "AUCoding/AU_OCC/F001_T1.csv",
            "AUCoding/AU_INT/AU06/F001_T1_AU06.csv",
        ),
        0.5,
        "cache",
    ),
    "labels.csv": Reader(
        partial(calls.dataset, "livelink"),
        _set(
            {"clip.csv": seeds.live_link(), "labels.csv": seeds.recordings().split(b"\nb,")[0] + b"\n"},
            "labels.csv",
        ),
        0.7,
        "cache",
    ),
    "photograph": Reader(calls.film, _pictures, 2),
    "video": Reader(calls.film, _films, 2),
}
