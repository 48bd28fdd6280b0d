"""Good files of every kind that is read, made by our own code: what the mutants are mutants of."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np
import pandas as pd
from PIL import Image

from dfe_lib import frames
from dfe_lib.bench.readers import write_openface
from dfe_lib.data.adapters.arkit import arkit_name
from dfe_lib.paths import ASSETS
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer

ROWS = 6
UNITS = ("01", "02", "04", "06", "12", "25")


def files_of(make: Callable[[Path], object]) -> dict[str, bytes]:
    """What ``make`` writes into an empty folder, by relative name."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder)
        return {
            p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
        }


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# ---------------------------------------------------------------- tables


@cache
def frame_table() -> bytes:
    """Landmarks, pose, ψ, its deviation and tokens of six frames; one without a face."""
    psi = rng().uniform(0, 0.5, (ROWS, ICT53.dimension)).astype(np.float32)
    seen = np.arange(ROWS) != 3
    psi[~seen] = np.nan
    points = rng().uniform(0, 400, (ROWS, frames.N_LANDMARKS, 3)).astype(np.float32)
    points[~seen] = np.nan
    pose = dict.fromkeys(frames.POSE, np.where(seen, np.float32(1), np.nan).astype(np.float32))
    table = frames.frame_table("clip", np.arange(ROWS) / 25, seen, seen, points, {"space": "ict53"}, **pose)
    table = frames.with_psi_sd(frames.with_psi(table, psi, ICT53.names), psi, ICT53.names)
    codes = np.full((ROWS, 6), -1, np.int16)
    codes[seen] = Tokenizer.load().encode(psi[seen], method="greedy")
    return files_of(lambda folder: frames.write(frames.with_tokens(table, codes), folder / "t.parquet"))[
        "t.parquet"
    ]


def narrow_table() -> bytes:
    """The same without landmarks, in a space of its own."""
    names = ("a", "b", "c")
    attrs = {
        "space": "own",
        "space_names": list(names),
        "space_unit": "mm",
        "space_regions": {"all": [0, 1, 2]},
    }
    attrs["space_metric"] = np.eye(3).tolist()
    table = frames.frame_table("clip", np.arange(ROWS) / 25, np.ones(ROWS, bool), attrs=attrs)
    table = frames.with_psi(table, rng().normal(size=(ROWS, 3)), names)
    return files_of(lambda folder: frames.write(table, folder / "t.parquet"))["t.parquet"]


def csv_of(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


@cache
def openface() -> bytes:
    return files_of(lambda folder: write_openface(folder / "o.csv", ROWS))["o.csv"]


@cache
def openface_units() -> bytes:
    """Action units alone, which is a hundredth as wide."""
    table = pd.DataFrame(
        {"frame": np.arange(1, 7), " timestamp": np.arange(6) / 30, " confidence": 0.9, " success": 1}
    )
    for k, unit in enumerate(UNITS):
        table[f" AU{unit}_r"], table[f" AU{unit}_c"] = (np.arange(6) + k) % 5 / 2, (np.arange(6) + k) % 2
    return csv_of(table)


@cache
def pyfeat(mesh: bool) -> bytes:
    columns: dict[str, np.ndarray] = {"input": np.full(4, "a.mp4"), "frame": np.arange(4)}
    columns["FaceRectWidth"] = np.full(4, 200.0)
    names = [f"mesh_{axis}_{i}" for i in range(478) for axis in "xyz"] if mesh else []
    names += [] if mesh else [f"{axis}_{i}" for axis in "xy" for i in range(68)]
    places = rng().uniform(100, 300, (len(names), 4)).round(2)
    columns |= dict(zip(names, places, strict=True))
    columns |= {f"AU{unit}": np.full(4, 0.25) for unit in UNITS} | {"jawOpen": np.full(4, 0.1)}
    return csv_of(pd.DataFrame(columns))


def libreface() -> bytes:
    table = pd.DataFrame({"frame_idx": range(6), "frame_time_in_ms": np.arange(6) * 40})
    for unit in UNITS:
        table[f"au_{int(unit)}_intensity"], table[f"au_{int(unit)}"] = 1.5, 1
    return csv_of(table)


def live_link() -> bytes:
    names = [n[:1].upper() + n[1:] for n in dict.fromkeys(map(arkit_name, ICT53.names))]
    values = pd.DataFrame(rng().uniform(0, 1, (5, len(names))).round(4), columns=names)
    values.insert(0, "Timecode", [f"15:10:{s:02d}:12.5" for s in range(5)])
    return csv_of(values)


def recordings() -> bytes:
    return (
        b"recording,subject,dataset,split,stressed\nclip,s1,own,train,1\nb,s2,own,test,0\nc,s2,own,test,0\n"
    )


# ---------------------------------------------------------------- arrays and models


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def emoca() -> dict[str, bytes]:
    exp, pose = npy(rng().normal(size=50).astype(np.float32)), npy(np.zeros(6, np.float32))
    return {f"model/{i:06d}_000/{n}.npy": raw for i in (1, 2) for n, raw in (("exp", exp), ("pose", pose))}


def smirk() -> bytes:
    widths = {"expression_params": 50, "jaw_params": 3, "eyelid_params": 2}
    return npz(**{name: rng().normal(size=(4, w)).astype(np.float32) for name, w in widths.items()})


@cache
def flame() -> dict[str, np.ndarray]:
    """A FLAME of 60 vertices: a head 0.3 m high, its lower half following the jaw."""
    v, r = 60, rng()
    template = r.uniform([-0.08, -0.15, -0.1], [0.08, 0.15, 0.1], (v, 3)).astype(np.float32)
    template[:2] = [[0, -0.15, 0.05], [0, 0.15, 0.05]]
    weights = np.zeros((v, 5), np.float32)
    weights[:, 0] = 1
    weights[template[:, 1] < -0.03] = [0, 0.1, 0.9, 0, 0]
    return {
        "v_template": template,
        "shapedirs": (0.002 * r.normal(size=(v, 3, 350))).astype(np.float32),
        "posedirs": (0.001 * r.normal(size=(v, 3, 36))).astype(np.float32),
        "J_regressor": np.full((5, v), 1 / v, np.float32),
        "weights": weights,
        "f": r.integers(0, v, (9, 3)).astype(np.uint32),
    }


def flame_pickles() -> list[bytes]:
    """As downloaded: arrays, and one of them sparse."""
    import scipy.sparse

    sparse = scipy.sparse.csc_matrix(flame()["J_regressor"])
    parts = {"_shape": tuple(map(int, sparse.shape)), "data": sparse.data}
    parts |= {n: getattr(sparse, n).astype("<i4") for n in ("indices", "indptr")}
    written = {name: _opcodes(a) for name, a in flame().items()}
    sparse_one = b"cscipy.sparse.csc\ncsc_matrix\n)\x81" + _opcodes(parts) + b"b"
    return [
        b"\x80\x02}(" + b"".join(_opcodes(name) + a for name, a in content.items()) + b"u."
        for content in (written, written | {"J_regressor": sparse_one})
    ]


def _opcodes(value: object) -> bytes:
    """A value as protocol 2 of pickle writes it; this library never imports what could run such a file."""
    if isinstance(value, dict):
        return b"}(" + b"".join(_opcodes(k) + _opcodes(v) for k, v in value.items()) + b"u"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_opcodes, value)) + b"t"
    if isinstance(value, np.ndarray):
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        made += b"(K\x01" + _opcodes(value.shape)
        kind = b"cnumpy\ndtype\n" + _opcodes((value.dtype.str[1:], 0, 1)) + b"R"
        kind += b"(K\x03" + _opcodes(value.dtype.str[0]) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        return made + kind + b"\x89T" + struct.pack("<i", value.nbytes) + value.tobytes() + b"tb"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    return b"U" + bytes([len(value)]) + value.encode()


def mat() -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, {"pts": rng().uniform(0, 700, (66, 2))}, do_compression=True)
    return file.getvalue()


def artefact(name: str) -> dict[str, bytes]:
    return {n: (ASSETS / name / n).read_bytes() for n in ("card.json", "tensors.safetensors")}


# ---------------------------------------------------------------- results


def metrics() -> bytes:
    content = {
        "status": "complete", "notebook": "03_codebook_coverage", "profile": "demo", "seed": 0,
        "data": [{"source": "open", "what": "clips"}], "metrics": {"rms_mm": 0.25, "n": 3, "ok": True, "no": None},
        "timings": {"fit_s": 1.5}, "tables": ["short.csv"], "figures": ["face.png"], "outputs": [],
        "provenance": {"python": "3.11", "platform": "x", "device": "cpu", "versions": {"numpy": "2"},
                       "git_sha": None, "manifest_sha256": None},
    }  # fmt: skip
    return json.dumps(content).encode()


def stamp() -> bytes:
    content = {
        "fingerprint": {"notebook": "ab" * 32},
        "parameters": {"tau": 0.5},
        "files": {"metrics.json": "ab"},
    }
    return json.dumps(content | {"wall_s": 7.5, "provenance": {}}).encode()


def notebook() -> bytes:
    """A notebook with all that ours have: parameters, declarations, results of cells."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes

    given = 'profile: str = "demo"\nresults_dir: str = "r"\nseed: int = 0\nframes: list[int] = [1, 2]\n'
    cells = [
        new_markdown_cell("# Title\n\nWhat it *shows*."),
        new_code_cell(given, metadata={"tags": ["parameters"]}),
        new_code_cell(
            "1 + 1", outputs=[new_output("execute_result", {"text/plain": "2.5 and 0x7f00dead00"})]
        ),
        new_code_cell("x", outputs=[new_output("stream", text="rms 0.25\n")]),
        new_code_cell("y", outputs=[new_output("error", ename="E", evalue="v")]),
    ]
    declared = {"dfe": {"inputs": [], "outputs": ["metrics.json", "coverage.csv"]}}
    return writes(new_notebook(cells=cells, metadata=declared)).encode()


def results_folder() -> dict[str, bytes]:
    """One notebook's part of a run, as the report and ``dfe diff`` read it."""
    home = "03_codebook_coverage"
    verdict = b"claim,against,measure,people,supported,simulated,verdict\nc,FACS,RMS,1,1,,supported\n"
    evidence = b"claim,against,measure,data,source,rival,gain,low,high,verdict\n"
    evidence += b"c,FACS,RMS,actors,open,F,0.2,0.1,0.3,supported\n"
    parts = {
        "metrics.json": metrics(), "run.json": stamp(), "short.csv": b"a,b\n3.14159265,x\n20,z\n",
        "face.png": picture("PNG"), "face.md": b"**Faces**, in mm; n = `5`.\n", "verdicts.csv": verdict,
        "evidence.csv": evidence, f"{home}.ipynb": notebook(),
    }  # fmt: skip
    return {f"{home}/{name}": raw for name, raw in parts.items()}


# ---------------------------------------------------------------- pictures and films


@cache
def picture(kind: str, size: tuple[int, int] = (48, 36)) -> bytes:
    file = io.BytesIO()
    pixels = rng().integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6  # turned
    image.save(file, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
    return file.getvalue()


CONTAINERS = {"mp4": "mpeg4", "mkv": "mpeg4", "avi": "mjpeg", "mov": "mpeg4", "gif": "gif", "webm": "libvpx"}


@cache
def film(suffix: str) -> bytes:
    """Eight small frames."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(CONTAINERS[suffix], rate=10)
            stream.width, stream.height = 48, 32
            stream.pix_fmt = {"gif": "rgb8", "avi": "yuvj420p"}.get(suffix, "yuv420p")
            for i in range(8):
                pixels = np.full((32, 48, 3), 30 * i, np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return path.read_bytes()


def mirrored(entry: str, name: str, packets: int = 6) -> list[bytes]:
    """The first packets of a registered clip, copied without decoding; nothing where it is not at hand."""
    from dfe_lib.data import manifest

    if not manifest.available(entry):
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cut.{name.rpartition('.')[2]}"
        with av.open(str(manifest.locate(entry, name))) as source, av.open(str(path), "w") as target:
            stream = source.streams.video[0]
            copy = target.add_stream_from_template(stream)
            for n, packet in enumerate(source.demux(stream)):
                if n >= packets or not packet.size:
                    break
                packet.stream = copy
                target.mux(packet)
        return [path.read_bytes()] if path.is_file() else []
