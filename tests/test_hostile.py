"""Damaged and hostile files end in success or in one sentence of ours; what the fuzzer found stays found."""

import json
import os
import struct
import subprocess
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, floating_dtypes, integer_dtypes

from dfe_lib import artefacts, frames, results
from dfe_lib.bench.hostile import craft, harness, seeds
from dfe_lib.bench.hostile.harness import Reader, Seed, attack, mutant
from dfe_lib.bench.hostile.readers import READERS
from dfe_lib.codings import KMeans
from dfe_lib.codings.action_units import TABLE as UNITS
from dfe_lib.codings.action_units import action_units
from dfe_lib.data.adapters.arrays import read_npy
from dfe_lib.data.adapters.flame import flame_space, load_flame
from dfe_lib.data.adapters.matfiles import read_mat
from dfe_lib.data.adapters.openface import read_openface
from dfe_lib.data.cohort import read_recordings
from dfe_lib.data.datasets import open_dataset
from dfe_lib.data.registry import load_manifest
from dfe_lib.errors import AssetError, ConfigError, DFEError, InputError
from dfe_lib.face.morphable import read_obj
from dfe_lib.report import collect
from dfe_lib.runner.notebook import load_profile
from dfe_lib.runner.notebook import read as read_declarations
from dfe_lib.space import ICT53, space_of
from dfe_lib.texts import YAML_BYTES, json_of, read_notebook, yaml_of
from dfe_lib.tokens import Tokenizer
from dfe_lib.tokens.settings import TrainingConfig

CHEAP = {
    "frame table": 25, "recording table": 100, "openface units": 100, "libreface": 80, "live link": 60, "npy": 150,
    "npz": 40, "emoca": 100, "matlab": 100, "flame pickle": 80, "tokenizer": 80, "noise model": 60,
    "k-means coding": 80, "encode": 80, "decode": 150, "predict": 80, "profile": 80, "settings": 100, "notebook": 80,
    "metrics": 150, "obj": 150, "photograph": 60,
}  # fmt: skip


@pytest.mark.parametrize("reader", CHEAP)
def test_mutants_end_well(reader):
    found = attack(reader, CHEAP[reader], seed=1)
    assert not found.wrong, found.wrong[:5]
    assert found.ok + found.typed == CHEAP[reader]
    assert found.typed  # the damage is damage; that undamaged seeds are read is tested by `attack` itself


# The harness sees what it is there to see


def naughty(path):
    """A reader that does what none may, by the text of its input."""
    what = path.read_bytes()
    if what == b"die":
        os._exit(3)
    if what == b"eat":
        np.ones(2**28)  # 2 GiB
    if what == b"write":
        (path.parent / craft.CANARY).write_text("x")
    if what == b"run":
        subprocess.run(["true"], check=True)
    if what == b"peek":
        (path.parents[1] / "secret.txt").read_text()
    if what == b"raise":
        raise KeyError("x")
    if what == b"refuse":
        raise InputError("refused")


def naughty_seeds():
    words = ("fine", "die", "eat", "write", "run", "peek", "raise", "refuse", "fine")
    return [Seed({"x.bin": word.encode()}, "x.bin", "bytes") for word in words]


def spin(path):
    while path:
        pass


def test_the_harness_sees_what_it_is_there_to_see():
    found = attack(Reader(naughty, naughty_seeds), 9)
    assert found.ok == 2 and found.typed == 0
    kinds = {number: what.partition(":")[0] for number, what in found.wrong}
    assert kinds == {1: "crash", 2: "seed", 3: "acts", 4: "acts", 5: "acts", 6: "seed", 7: "seed"}
    told = dict(found.wrong)
    assert "MemoryError" in told[2] and craft.CANARY in told[3] and "Popen" in told[4]
    assert "secret" in told[5] and "KeyError" in told[6]


def test_an_endless_loop_is_a_hang(monkeypatch):
    monkeypatch.setattr(harness, "SECONDS", 1)
    monkeypatch.setattr(harness, "STARTING", 6)
    assert attack(Reader(spin, naughty_seeds), 1).kinds == {"hang": 1}


def test_mutants_follow_from_their_number():
    good = READERS["metrics"].seeds()
    twice = [[mutant("metrics", good, n)[1] for n in range(30)] for _ in range(2)]
    assert twice[0] == twice[1]
    assert len(set(twice[0])) > 25
    assert mutant("metrics", good, 9)[1] != mutant("metrics", good, 9, seed=1)[1]


# What was found, by name


def saved(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table_with(attrs, tmp_path, **columns):
    """A frame table with other attrs or columns than ours."""
    good = pq.read_table(pa.BufferReader(seeds.narrow_table()))
    for name, values in columns.items():
        good = good.set_column(good.column_names.index(name), name, pa.array(values))
    if attrs is not None:
        good = good.replace_schema_metadata({b"dfe_attrs": attrs})
    pq.write_table(good, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


@pytest.mark.parametrize("attrs", [b"{", b"[1]", b"1", b"\xff", b"[" * 100_000, b"9" * 5000, b'"\\ud800"'])
def test_attrs_of_a_table_that_are_none(tmp_path, attrs):
    path = table_with(attrs, tmp_path)
    for read in (frames.read, frames.attrs):
        with pytest.raises(InputError, match="attrs"):
            read(path)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("time_s", ["a"] * 6), ("frame", [0.5] * 6), ("detected", [1] * 6), ("recording", [1] * 6),
        ("recording", [None] * 6), ("psi_a", ["x"] * 6), ("n_faces", [[1]] * 6),
    ],
)  # fmt: skip
def test_columns_that_hold_something_else(tmp_path, column, values):
    with pytest.raises(InputError, match=f"column '{column}'"):
        frames.read(table_with(None, tmp_path, **{column: values}))


def test_a_table_that_is_huge_when_unpacked(tmp_path):
    """Ten million rows of equal values take a few kilobytes."""
    names = ("recording", "frame", "time_s", "detected", "n_faces")
    one = pq.read_table(pa.BufferReader(seeds.narrow_table())).slice(0, 1)
    same = {n: pa.repeat(one.column(n)[0], 10_000_000) for n in names}
    pq.write_table(pa.table(same | {f"psi_{i}": same["time_s"] for i in range(4)}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="says that it holds 10,000,000 rows"):
        frames.read(tmp_path / "t.parquet")


def test_a_column_that_stands_twice(tmp_path):
    good = pq.read_table(pa.BufferReader(seeds.narrow_table()))
    pq.write_table(good.append_column("time_s", good.column("time_s")), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="'time_s' twice"):
        frames.columns_of(tmp_path / "t.parquet")


@pytest.mark.parametrize("space", [["ict53"], {"a": 1}, 3, None])
def test_a_space_that_is_no_name(space):
    attrs = {"space_names": ["a"], "space_unit": "mm", "space_regions": {"all": [0]}, "space_metric": 1}
    with pytest.raises(InputError, match="without a usable description"):
        space_of(attrs | {"space": space})


def test_a_first_line_of_a_hundred_thousand_columns(tmp_path):
    """pandas tells equal names apart in quadratic time: minutes."""
    started = time.process_time()
    with pytest.raises(InputError, match="5000 cells"):
        read_openface(saved(tmp_path, "o.csv", "frame," * 100_000 + "\n1\n"))
    assert time.process_time() - started < 5


def test_a_first_row_far_longer_than_the_header(tmp_path):
    """pandas makes row labels of the cells beyond the header: minutes, and numbers in the wrong columns."""
    row = ",".join(["a"] * 3000)
    with pytest.raises(InputError, match="first row has 3000 cells"):
        read_recordings(saved(tmp_path, "r.csv", f"recording,subject,dataset\n{row}\n"))


def test_labels_that_are_no_text(tmp_path):
    for content in (b"\xc9\x00,b\n1,2\n", b"recording,subject\na\nb,c,d,e,f\n", b""):
        with pytest.raises(InputError):
            read_recordings(saved(tmp_path, "r.csv", content))


@pytest.mark.parametrize("header", ["{" * 2000, "(" * 300, '"""', "{'descr': '<f8', 'shape': (" + "9" * 5000])
def test_array_headers_that_python_cannot_parse(tmp_path, header):
    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    with pytest.raises(InputError, match=r"not a readable \.npy"):
        read_npy(saved(tmp_path, "a.npy", raw))


@pytest.mark.parametrize("shape", ["(True,)", "(-1,)", "(2, -1, 3)"])
def test_array_shapes_that_are_none(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(8)
    with pytest.raises(InputError, match="which is none"):
        read_npy(saved(tmp_path, "a.npy", raw))


@pytest.mark.parametrize("frame", ["", "1.5", "1e300", "inf"])
def test_frame_numbers_that_are_none(tmp_path, frame):
    good = seeds.openface_units().decode()
    with pytest.raises(InputError, match="whole numbers"):
        read_openface(saved(tmp_path, "o.csv", good.replace("\n3,", f"\n{frame},")))


@pytest.mark.parametrize(
    "declared", [3.5, {"outputs": "metrics.json"}, {"outputs": ["metrics.json", 3]}, {"inputs": 0}]
)
def test_declarations_of_a_notebook_that_are_none(tmp_path, declared):
    content = json.loads(seeds.notebook())
    content["metadata"]["dfe"] = declared
    path = saved(tmp_path, "03_codebook_coverage.ipynb", json.dumps(content))
    with pytest.raises(ConfigError, match="must list inputs and outputs"):
        read_declarations(path)


def test_matlab_files_whose_compression_is_damaged(tmp_path):
    raw = bytearray(seeds.mat())
    raw[200:220] = b"\xff" * 20
    with pytest.raises(InputError, match=r"not a readable \.mat"):
        read_mat(saved(tmp_path, "m.mat", bytes(raw)), ["pts"])


@pytest.mark.parametrize("number", range(len(craft.YAMLS)))
def test_yaml_is_plain_values_or_one_error(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started = time.process_time()
    try:
        json.dumps(yaml_of(craft.YAMLS[number], "it"), default=str)
    except InputError as error:
        assert str(error).startswith("it (")
    assert time.process_time() - started < 5
    assert not list(tmp_path.iterdir())


def test_aliases_depth_and_size_of_yaml_are_refused():
    for text, says in (
        ("a: &a [1]\nb: *a\n", "alias"),
        ("[" * 100, "levels"),
        ("a" * (YAML_BYTES + 1), "at most"),
        ("a: 1\na: 2\n", "stands twice"),
    ):
        with pytest.raises(InputError, match=says):
            yaml_of(text, "it")


def test_json_that_python_reads_and_nobody_can_use():
    for text in (b"[" * 100_000, b"[" * 100 + b"]" * 100, b'["\\ud800"]', b"9" * 5000, b"\xff", b""):
        with pytest.raises(InputError, match="it"):
            json_of(text, "it")
    assert json_of('["\\ud83d\\ude00"]', "it") == ["\U0001f600"]


@pytest.mark.parametrize("major", [True, "True", "4", 3, 5, None, 10**30, "4 import os"])
def test_a_notebooks_format_imports_nothing(tmp_path, major):
    content = json.loads(seeds.notebook()) | {"nbformat": major}
    with pytest.raises(ConfigError, match="readable notebook"):
        read_notebook(saved(tmp_path, "a.ipynb", json.dumps(content)), ConfigError)


def test_a_manifest_whose_entry_is_a_number(tmp_path):
    with pytest.raises(ConfigError, match="a name is made of"):
        load_manifest(saved(tmp_path, "m.yaml", "schema: 1\nentries: {3: {}}\n"))


def test_a_unit_that_moves_a_list(tmp_path):
    unit = "{number: 1, name: a, muscles: b, laterality: midline, region: brows, moves: [1], columns: {}, sources: []}"
    text = f"sources: {{}}\nsets: {{}}\nnot_in_ict53: {{}}\nunits: [{unit}]\n"
    with pytest.raises(InputError, match="'moves' must be a dict"):
        action_units(saved(tmp_path, "u.yaml", text))


def test_settings_beyond_any_machine():
    for given_ in ({"width": 10**9}, {"layers": 10**6}, {"sparsity": float("inf")}, {"codes": float("inf")}):
        with pytest.raises(ConfigError):
            TrainingConfig.from_mapping(given_)


def test_metrics_and_stamps_of_endless_brackets_and_digits(tmp_path):
    from dfe_lib.runner.compare import within

    assert not within(10**400, 0.5, 0.1, 0.1)
    for name in ("metrics.json", "run.json"):
        saved(tmp_path, name, "[" * 50_000)
    with pytest.raises(InputError, match="cannot be read"):
        results.read(tmp_path / "metrics.json")
    assert collect.stamp(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    ["v a b c\n", "v 1 2\n", "v nan 0 0\n", "v 1 2 3\nusemtl M_a\nf 1 2 9\n", "v 1 2 3\nf 1 1 1\n", "f x\n"],
)
def test_damaged_meshes(text):
    with pytest.raises(InputError, match=r"m\.obj"):
        read_obj(text.encode(), "m.obj")


def test_a_coding_whose_card_has_other_parameters(tmp_path):
    coding = KMeans(codes=2).fit(np.eye(53, dtype=np.float32))
    coding.save(tmp_path / "c")
    card = json.loads((tmp_path / "c" / "card.json").read_text())
    for parameters in ({"codes": float("inf")}, {"colour": 1}, {"codes": "a"}, {"codes": [2]}):
        (tmp_path / "c" / "card.json").write_text(json.dumps(card | {"parameters": parameters}))
        with pytest.raises(InputError, match="parameters"):
            KMeans.load(tmp_path / "c")


def test_an_artefact_that_is_not_finite(tmp_path):
    card = dict.fromkeys(("kind", "what", "made_from", "rebuild"), "a")
    artefacts.save(tmp_path / "a", {"x": np.array([np.nan])}, card)
    with pytest.raises(InputError, match="finite"):
        artefacts.expect(artefacts.load(tmp_path / "a", "a"), "it", x=(1,))


def test_what_a_message_quotes_does_not_reach_the_terminal():
    error = InputError("column 'a\x1b[2J\ud800' " + "b" * 100_000)
    assert str(error).startswith(r"column 'a\x1b[2J\ud800' bbb")
    assert len(str(error)) <= 2500 and str(error).isprintable()
    str(error).encode()


@pytest.mark.parametrize(
    "text",
    [
        "data: 9",
        "notebooks: {01_a: 3}",
        "notebooks: [a]",
        "tolerance: [a]",
        "defaults: a",
        "data: {fetch: 3}",
    ],
)
def test_a_profile_whose_blocks_are_no_mappings(tmp_path, text):
    saved(tmp_path, "own.yaml", text)
    with pytest.raises(ConfigError, match="must be a"):
        load_profile("own", tmp_path)


def test_a_unit_whose_region_is_a_list(tmp_path):
    text = UNITS.read_text().replace("region: mouth", "region: [a]", 1)
    with pytest.raises(InputError, match="no such region"):
        action_units(saved(tmp_path, "u.yaml", text))


def test_a_flame_model_of_numbers_beyond_any_face(tmp_path):
    arrays = seeds.flame()
    arrays["shapedirs"] = np.full(arrays["shapedirs"].shape, 1e300)
    with pytest.raises(InputError, match="too large"):
        flame_space("flame53", load_flame(saved(tmp_path, "f.npz", seeds.npz(**arrays))))


@pytest.mark.parametrize("rows", ["clip,s1,1\n,s2,2\n", ",s1,train\n"])
def test_a_row_of_labels_without_a_recording(tmp_path, monkeypatch, rows):
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    saved(tmp_path / "set", "clip.csv", seeds.live_link())
    saved(tmp_path / "set", "labels.csv", "recording,subject,split\n" + rows)
    with pytest.raises(AssetError, match="a name in every row"):
        open_dataset("livelink", tmp_path / "set")


def test_splits_that_are_numbers_in_some_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    for name in ("clip.csv", "other.csv"):
        saved(tmp_path / "set", name, seeds.live_link())
    saved(tmp_path / "set", "labels.csv", "recording,subject,split\nclip,s1,1\nother,s2,\n")
    assert set(open_dataset("livelink", tmp_path / "set").listed["split"]) == {"1", "all"}


# Arrays of any kind, by hypothesis

NUMBERS = st.one_of(floating_dtypes(sizes=(16, 32, 64)), integer_dtypes())
ODD_SHAPES = array_shapes(max_dims=3, max_side=4)
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(arrays(NUMBERS, st.one_of(ODD_SHAPES, st.tuples(st.integers(0, 3), st.just(53)))))
def test_any_array_as_expression(psi):
    try:
        codes = Tokenizer.load().encode(psi, method="greedy")
    except DFEError:
        return
    assert codes.shape == (1 if psi.ndim == 1 else len(psi), 6) and codes.dtype == np.int16
    assert np.isfinite(Tokenizer.load().decode(codes)).all()


@QUICK
@given(arrays(NUMBERS, st.one_of(ODD_SHAPES, st.tuples(st.integers(0, 3), st.integers(0, 8)))))
def test_any_array_as_codes(codes):
    try:
        psi = Tokenizer.load().decode(codes)
    except DFEError:
        return
    assert psi.shape == (len(codes), 53)


@pytest.mark.parametrize(
    "odd", [None, "a", {}, [[1], [1, 2]], [[10**400]], object(), pd.DataFrame({"a": ["b"]})]
)
def test_what_is_no_array_at_all(odd):
    for call in (Tokenizer.load().encode, Tokenizer.load().decode, ICT53.check):
        with pytest.raises(InputError):
            call(odd)
