"""The user's own FLAME file: pickles of any age are read, nothing in them is ever run, and G is the geometry."""

import contextlib
import os
import pickle
import struct
import time

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dfe_lib import cli, frames
from dfe_lib.data.adapters import pickles
from dfe_lib.data.adapters.flame import flame_space, load_flame
from dfe_lib.data.adapters.pickles import Inert, array, read_pickle
from dfe_lib.errors import InputError
from dfe_lib.space import space_of

V = 60


# ---------------------------------------------------------------- files as others write them


def flame_arrays(seed=0):
    """A FLAME of 60 vertices: a head 0.3 m high, the jaw joint in its middle, the lower half following the jaw."""
    rng = np.random.default_rng(seed)
    template = rng.uniform([-0.08, -0.15, -0.1], [0.08, 0.15, 0.1], (V, 3))
    template[0], template[1] = [0, -0.15, 0.05], [0, 0.15, 0.05]
    weights = np.zeros((V, 5))
    lower = template[:, 1] < -0.03
    weights[lower, 2], weights[~lower, 0] = 0.9, 0.9
    weights[lower, 1], weights[~lower, 1] = 0.1, 0.1
    weights[-4:] = [0, 0, 0, 1, 0]  # an eyeball
    regressor = np.zeros((5, V))
    regressor[np.arange(5), rng.choice(V, 5)] = 1
    regressor[2] = 1 / V
    return {
        "v_template": template,
        "shapedirs": 0.002 * rng.normal(size=(V, 3, 400)),
        "posedirs": 0.001 * rng.normal(size=(V, 3, 36)),
        "J_regressor": regressor,
        "weights": weights,
        "f": rng.integers(0, V, (90, 3)).astype(np.uint32),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], dtype=np.int64),
    }


class Python2:
    """Protocol 2 as Python 2's cPickle writes it: byte strings, ``numpy.core``, ``copy_reg``, chumpy, old SciPy."""

    def dump(self, value) -> bytes:
        return b"\x80\x02" + self.code(value) + b"."

    def code(self, value) -> bytes:
        if isinstance(value, np.ndarray):
            return self.numpy(value)
        if isinstance(value, dict):
            return b"}(" + b"".join(self.code(k) + self.code(v) for k, v in value.items()) + b"u"
        if isinstance(value, list):
            return b"](" + b"".join(map(self.code, value)) + b"e"
        if isinstance(value, tuple):
            return b"(" + b"".join(map(self.code, value)) + b"t"
        if isinstance(value, bool):
            return b"\x88" if value else b"\x89"
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)
        if isinstance(value, str):
            return b"U" + bytes([len(value)]) + value.encode()
        if isinstance(value, bytes):
            return b"T" + struct.pack("<i", len(value)) + value
        if value is None:
            return b"N"
        return value(self)  # an object: a function that writes itself

    def numpy(self, a) -> bytes:
        columns_first = a.flags.f_contiguous and not a.flags.c_contiguous
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        kind = b"cnumpy\ndtype\n" + self.code((a.dtype.str[1:], 0, 1)) + b"R"
        kind += self.code((3, a.dtype.str[0], None, None, None, -1, -1, 0)) + b"b"
        state = b"(K\x01" + self.code(a.shape) + kind + self.code(columns_first)
        return made + state + self.code(a.tobytes("A")) + b"tb"


def chumpy(a):
    state = {"x": a, "_dirty_vars": lambda w: b"c__builtin__\nset\n](\x55\x01xe\x85R", "_itr": None}
    return lambda w: b"cchumpy.ch\nCh\n)\x81" + w.code(state) + b"b"


def csc(a):
    m = scipy.sparse.csc_matrix(a)
    parts = {"data": m.data, "indices": m.indices.astype("<i4"), "indptr": m.indptr.astype("<i4")}
    state = {"_shape": tuple(map(int, m.shape)), "maxprint": 50, **parts}
    return lambda w: b"cscipy.sparse.csc\ncsc_matrix\n)\x81" + w.code(state) + b"b"


def python2_flame(arrays):
    content = {**arrays, "shapedirs": chumpy(arrays["shapedirs"]), "J_regressor": csc(arrays["J_regressor"])}
    return Python2().dump({**content, "bs_style": "lbs", "bs_type": "lrotmin"})


def written(tmp_path, data, name="generic_model.pkl"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("protocol", range(6))
def test_python3_pickles_of_every_protocol(tmp_path, protocol):
    content = {
        "c": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "b": np.array([True, False]),
        "0": np.zeros((0, 3), np.float32),
        "csc": scipy.sparse.csc_matrix(np.diag([1.0, 0, 3])),
        "csr": scipy.sparse.csr_matrix(np.eye(2, 3)),
        "coo": scipy.sparse.coo_matrix(np.eye(2, 3)),
    }
    read = read_pickle(written(tmp_path, pickle.dumps({**content, 7: ["text", None, 1.5]}, protocol)))
    assert read[7] == ["text", None, 1.5]
    for name, value in content.items():
        wanted = value.toarray() if scipy.sparse.issparse(value) else value
        got = array(read[name], name)
        assert got.dtype == wanted.dtype.newbyteorder("=") and got.flags.writeable
        np.testing.assert_array_equal(got, wanted)


def test_python2_pickles_with_chumpy_and_old_scipy(tmp_path):
    arrays = flame_arrays()
    data = python2_flame({**arrays, "weights": np.asfortranarray(arrays["weights"])})
    read = read_pickle(written(tmp_path, data))
    for name, wanted in arrays.items():
        np.testing.assert_array_equal(array(read[name], name), wanted)
    assert read["bs_style"] == "lbs" and isinstance(read["shapedirs"], Inert)
    with pytest.raises(ModuleNotFoundError):  # it is what the usual way of reading would import
        pickle.loads(data, encoding="latin1")


def test_pickle_npz_and_dense_arrays_give_one_model(tmp_path):
    arrays = flame_arrays()
    np.savez(tmp_path / "flame.npz", **arrays)
    models = [
        load_flame(tmp_path / "flame.npz"),
        load_flame(written(tmp_path, python2_flame(arrays))),
        load_flame(written(tmp_path, pickle.dumps(arrays), "flame2023.pkl")),
    ]
    for model in models[1:]:
        assert model.digest == models[0].digest
        np.testing.assert_array_equal(model.expressions, models[0].expressions)
    other = load_flame(written(tmp_path, pickle.dumps(flame_arrays(seed=1))))
    assert other.digest != models[0].digest  # another version of FLAME is another space


# ---------------------------------------------------------------- nothing runs


def attacks(marker):
    """Pickles that leave a marker file when something in them is run."""
    shell = f"touch {marker}"
    python = f"open({str(marker)!r}, 'w')"

    class Reduce:
        def __init__(self, function, *arguments):
            self.how = function, arguments

        def __reduce__(self):
            return self.how

    text = pickle.dumps
    good = flame_arrays()
    system = b"cposix\nsystem\n" if os.name == "posix" else b"cnt\nsystem\n"
    unicode = b"X" + struct.pack("<i", len(shell)) + shell.encode()
    return {
        "os.system": text(Reduce(os.system, shell)),
        "protocol 0": text(Reduce(os.system, shell), 0),
        "eval": text(Reduce(eval, python)),
        "exec": text({**good, "extra": [{"deep": (Reduce(exec, python),)}]}),
        "after the arrays": text([good, Reduce(os.system, shell)]),
        "in place of an array": text({**good, "v_template": Reduce(os.system, shell)}),
        "a bare name": system + unicode + b"\x85R.",
        "stack global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + unicode + b"\x85R.",
        "inst": b"(" + unicode + b"iposix\nsystem\n.",
        "obj": b"(" + system + unicode + b"o.",
        "newobj": b"\x80\x02csubprocess\nPopen\n" + unicode + b"\x85\x81.",
        "build": b"\x80\x02cbuiltins\nobject\n)\x81}(U\x0c__setstate__" + system + b"ub" + unicode + b"b.",
        "numpy's own exec": text(Reduce(np.testing._private.utils.runstring, python, {})),
        "numpy.load": b"\x80\x02cnumpy\nload\n" + unicode + b"\x85R.",
        "persistent": b"\x80\x02" + unicode + b"Q.",
        "persistent text": b"P" + shell.encode() + b"\n.",
        "extension": b"\x80\x02\x82\x01.",
        "buffer": b"\x80\x05\x97.",
        "apply": b"c__builtin__\napply\n(" + system + b"(" + unicode + b"ttR.",
        "codecs": b"\x80\x02c_codecs\nlookup\nU\x03zip\x85R.",
    }


@pytest.mark.parametrize("name", sorted(attacks("x")))
def test_nothing_in_a_pickle_is_run(tmp_path, name):
    marker = tmp_path / "ran"
    path = written(tmp_path, attacks(marker)[name])
    with pytest.raises(InputError):
        load_flame(path)
    assert not marker.exists()


def test_the_attacks_are_real(tmp_path):
    """Most of them do work on the usual reader, or the tests above would prove nothing."""
    worked = 0
    for data in attacks(tmp_path / "ran").values():
        (tmp_path / "ran").unlink(missing_ok=True)
        with contextlib.suppress(Exception):  # some fail in ways of their own, some after having run
            pickle.loads(data)
        worked += (tmp_path / "ran").exists()
    assert worked >= 8


def test_what_is_asked_for_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing in it was run: it asks for 'posix.system'"):
        read_pickle(written(tmp_path, b"cposix\nsystem\n."))


def test_a_name_inside_numpy_stays_a_name(tmp_path):
    data = pickle.dumps({"a": np.testing._private.utils.runstring})
    read = read_pickle(written(tmp_path, data))
    assert isinstance(read["a"], Inert) and read["a"].name.endswith("runstring")
    with pytest.raises(InputError, match="'a' is not a readable array"):
        array(read["a"], "a")


# ---------------------------------------------------------------- bombs


def doubling(levels, start=b"]", pair=b"(h\x00h\x00l"):
    """Each level holds the one before twice: 2^levels when written out."""
    code = b"\x80\x02" + start + b"q\x00"
    for _ in range(levels):
        code += b"0" + pair + b"q\x00"
    return code


def array_record(shape=(3,), kind="f8", data=b"\0" * 24):
    writer = Python2()
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    dtype = b"cnumpy\ndtype\n" + writer.code((kind, 0, 1)) + b"R"
    return made + b"(K\x01" + shape + dtype + b"\x89" + writer.code(data) + b"tb"


BOMBS = {
    "lists that double": doubling(60) + b".",
    "keys whose hash doubles": b"\x80\x02}" + doubling(60, b")", b"(h\x00h\x00t")[2:] + b"N\x73.",
    "a long string that is not there": b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",
    "a negative string": b"\x80\x02T" + struct.pack("<i", -5) + b"x.",
    "a name that doubles": doubling(60) + b"h\x00\x93.",
    "a key of a call that doubles": b"\x80\x02}cnumpy\ndtype\n"
    + doubling(60, b")", b"(h\x00h\x00t")[2:]
    + b"RN\x73.",
    "a number of a million digits": b"I" + b"9" * 10**6 + b"\n.",
    "too many operations": b"\x80\x02" + b"N0" * 600_000 + b"N.",
    "a deep stack of marks": b"(" * 500_000 + b".",
    "a memo that is not there": b"\x80\x02h\x05.",
    "an empty stack": b"\x80\x02.",
    "a call of a text": b"\x80\x02U\x01a)R.",
    "no end": b"\x80\x02N",
    "nothing": b"",
    "another format": b"PK\x03\x04 not a pickle at all",
    "a frame that is not there": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_do_not_go_off(tmp_path, name):
    path = written(tmp_path, BOMBS[name])
    started = time.process_time()
    with pytest.raises(InputError, match="generic_model.pkl"):
        load_flame(path)
    assert time.process_time() - started < 20  # not a speed: a bomb takes for ever, or all memory


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (array_record(Python2().code((10**9, 10**9))), "bytes for a shape"),
        (array_record(Python2().code((-3,))), "a shape that is none"),
        (array_record(doubling(60)[2:]), "a shape that is none"),
        (array_record(b"(" + doubling(60)[2:] + b"t"), "a shape that is none"),
        (b"](" + b"\x8a\x20" + b"\x7f" * 32 + b"e", "too large for an array"),
        (array_record(Python2().code((3,)), kind="O8"), "numbers of type 'O8'"),
        (array_record(Python2().code((3,)), kind="V8"), "numbers of type 'V8'"),
        (array_record(Python2().code((4,))), "24 bytes for a shape"),
        (b"U\x01a", "a str"),
        (b"cchumpy.reordering\nSelect\n)\x81", "export the file as .npz"),
    ],
)
def test_arrays_that_lie_are_refused_before_memory_is_taken(tmp_path, record, says):
    read = read_pickle(written(tmp_path, b"\x80\x02" + record + b"."))
    with pytest.raises(InputError, match=says):
        array(read, "a")


@pytest.mark.parametrize(
    "change",
    [
        {"indices": np.array([9, 0], np.int32)},
        {"indices": np.array([-1, 0], np.int32)},
        {"indptr": np.array([0, 5, 2], np.int32)},
        {"indptr": np.array([0, 1, 1], np.int32)},
        {"indptr": np.array([0, 2], np.int32)},
        {"_shape": (10**6, 10**6)},
        {"_shape": (-1, -1)},
        {"data": "text"},
    ],
)
def test_a_sparse_matrix_that_points_outside_is_refused(tmp_path, change):
    """SciPy's own conversion would write where these indices point."""
    good = {"_shape": (2, 2), "data": np.ones(2), "indices": np.array([0, 1], np.int32)}
    state = {**good, "indptr": np.array([0, 1, 2], np.int32), **change}
    data = Python2().dump(lambda w: b"cscipy.sparse.csc\ncsc_matrix\n)\x81" + w.code(state) + b"b")
    with pytest.raises(InputError, match="'m' is not a readable array"):
        array(read_pickle(written(tmp_path, data)), "m")


def test_a_file_too_large_is_not_even_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="are not read"):
        read_pickle(written(tmp_path, pickle.dumps(flame_arrays())))


SMALL = python2_flame(
    {"v_template": np.ones((2, 3)), "shapedirs": np.ones((2, 3, 2)), "J_regressor": np.eye(2)}
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_damage_is_one_sentence(tmp_path_factory, damage):
    data = bytearray(SMALL)
    for at, value in damage:
        data[at] = value
    path = written(tmp_path_factory.mktemp("d"), bytes(data))
    try:
        content = read_pickle(path)
        for value in content.values() if isinstance(content, dict) else [content]:
            array(value, "a")
    except InputError as error:
        assert str(error)


# ---------------------------------------------------------------- geometry


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_flame(written(tmp_path_factory.mktemp("flame"), python2_flame(flame_arrays())))


def test_the_norm_is_the_rms_displacement_of_the_face(model):
    space = flame_space("flame53", model)
    assert space.unit == "mm" and space.dimension == 53 and space.name.startswith("flame53-mm-")
    psi = np.random.default_rng(0).normal(size=(4, 53)).astype(np.float32)
    moved = space.to_mesh(psi) - space.to_mesh(np.zeros(53))
    assert moved.shape == (4, V, 3)
    rms = np.sqrt((moved[:, model.face] ** 2).sum(axis=2).mean(axis=1))
    np.testing.assert_allclose(space.norm(psi), rms, rtol=1e-4)
    nested = flame_space("flame50", model)
    np.testing.assert_allclose(nested.metric, space.metric[:50, :50])
    again = space_of(space.attrs())
    assert again.name == space.name and again.unit == "mm"
    np.testing.assert_array_equal(again.metric, space.metric)
    with pytest.raises(InputError, match="no mesh at hand"):
        again.to_mesh(psi)


def test_a_mode_moves_the_vertices_by_its_field_in_mm(model):
    arrays = flame_arrays()
    moved = model.vertices(np.eye(50)[7]) - model.neutral
    np.testing.assert_allclose(moved, 1000 * arrays["shapedirs"][:, :, 307], atol=1e-4)
    np.testing.assert_allclose(model.neutral, 1000 * arrays["v_template"], atol=1e-4)


@pytest.mark.parametrize("axis", range(3))
def test_the_jaw_is_flames_own_skinning_at_small_angles(model, axis):
    """Oracle: the full chain of FLAME with one joint turned, by SciPy's rotations."""
    arrays, angle = flame_arrays(), 1e-3
    turn = Rotation.from_rotvec(angle * np.eye(3)[axis]).as_matrix()
    feature = np.zeros((4, 3, 3))
    feature[1] = turn - np.eye(3)  # joints 1 to 4: the jaw is joint 2
    corrected = arrays["v_template"] + arrays["posedirs"] @ feature.ravel()
    joint = arrays["J_regressor"][2] @ arrays["v_template"]
    jaw = arrays["weights"][:, 2, None]
    skinned = (1 - jaw) * corrected + jaw * ((corrected - joint) @ turn.T + joint)
    psi = np.zeros(53)
    psi[50 + axis] = angle
    moved = model.vertices(psi) - model.neutral
    np.testing.assert_allclose(
        moved, 1000 * (skinned - arrays["v_template"]), atol=2e-3 * np.abs(moved).max()
    )


def test_the_face_is_the_masks_or_else_in_front_of_the_jaw_joint(tmp_path, model):
    arrays = flame_arrays()
    joint = 1000 * arrays["J_regressor"][2] @ arrays["v_template"]
    assert 10 < len(model.face) < V and (model.neutral[model.face, 2] > joint[2]).all()
    assert not set(model.face) & set(range(V - 4, V))  # the eyeball
    path = written(tmp_path, python2_flame(arrays))
    masks = {"face": np.array([5, 3, 3, 9]), "neck": np.array([1])}
    written(tmp_path, Python2().dump(masks), "FLAME_masks.pkl")
    masked = load_flame(path)
    assert masked.face.tolist() == [3, 5, 9] and masked.face_is == "region 'face' of FLAME_masks.pkl"
    assert masked.digest != model.digest  # another metric, so another space
    for bad, says in [
        ({"neck": np.array([1])}, "no region 'face'"),
        ({"face": np.array([V])}, "does not name"),
    ]:
        written(tmp_path, Python2().dump(bad), "FLAME_masks.pkl")
        with pytest.raises(InputError, match=says):
            load_flame(path)


def test_smirks_eyelids_are_found_where_smirk_keeps_them(tmp_path, model):
    with pytest.raises(InputError, match="needs SMIRK's l_eyelid.npy and r_eyelid.npy"):
        flame_space("flame55", model)
    (tmp_path / "FLAME2020").mkdir()
    path = written(tmp_path / "FLAME2020", python2_flame(flame_arrays()))
    left, right = 0.001 * np.random.default_rng(0).normal(size=(2, V, 3))
    np.save(tmp_path / "l_eyelid.npy", left)
    np.save(tmp_path / "r_eyelid.npy", right)
    space = flame_space("flame55", load_flame(path))
    shut = space.to_mesh(space.vector(eyelid_left=1.0)) - space.to_mesh(np.zeros(55))
    np.testing.assert_allclose(shut, 1000 * left, atol=1e-4)
    assert space.unit == "mm" and space.dimension == 55
    np.save(tmp_path / "r_eyelid.npy", right[:5])
    with pytest.raises(InputError, match="r_eyelid.npy has shape"):
        load_flame(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shapedirs": np.zeros((V, 3, 150))}, "at least 350"),
        ({"weights": np.zeros((V, 55))}, r"FLAME's is \(60, 5\)"),
        ({"weights": np.zeros((V, 5))}, "follows the jaw"),
        ({"f": np.full((2, 3), V)}, "vertices that do not exist"),
        ({"f": np.zeros((2, 3))}, "whole numbers"),
        ({"posedirs": np.full((V, 3, 36), np.nan)}, "not finite"),
        ({"v_template": 1000 * flame_arrays()["v_template"]}, "FLAME is in metres"),
        ({"v_template": "text"}, "'v_template' is not a readable array"),
        ({"v_template": None}, "'v_template' is not a readable array"),
    ],
)
def test_models_that_are_not_flame_are_refused(tmp_path, change, says):
    path = written(tmp_path, pickle.dumps({**flame_arrays(), **change}))
    with pytest.raises(InputError, match=says):
        load_flame(path)


def test_a_model_without_its_arrays_names_them(tmp_path):
    arrays = flame_arrays()
    del arrays["posedirs"], arrays["f"]
    with pytest.raises(InputError, match="lacks posedirs, f"):
        load_flame(written(tmp_path, pickle.dumps(arrays)))
    with pytest.raises(InputError, match="lacks v_template"):
        load_flame(written(tmp_path, pickle.dumps([1])))
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(InputError, match="lacks the array 'posedirs'"):
        load_flame(tmp_path / "f.npz")


def test_wrong_coefficients_are_refused(model):
    for psi in (np.zeros(55), np.zeros((2, 51)), np.full(53, np.nan), np.zeros((1, 1, 53))):
        with pytest.raises(InputError, match="50 or 53 columns"):
            model.vertices(psi)


def test_the_command_writes_mm_with_the_file_and_refuses_the_other_space(tmp_path, monkeypatch, capsys):
    def dfe(*arguments):
        monkeypatch.setattr("sys.argv", ["dfe", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return stop.value.code, said.out + said.err

    rng = np.random.default_rng(0)
    for i in range(24):
        (tmp_path / "EMOCA" / f"{i}").mkdir(parents=True)
        np.save(tmp_path / "EMOCA" / f"{i}" / "exp.npy", rng.normal(size=50))
        np.save(tmp_path / "EMOCA" / f"{i}" / "pose.npy", 0.1 * rng.normal(size=6))
    flame = written(tmp_path, python2_flame(flame_arrays()))
    with_file, without = tmp_path / "mm.parquet", tmp_path / "plain.parquet"
    code, said = dfe("import", tmp_path / "EMOCA", "--from", "emoca", "--flame", flame, "--out", with_file)
    assert code == 0 and "space flame53-mm-" in said
    assert dfe("import", tmp_path / "EMOCA", "--from", "emoca", "--out", without)[0] == 0
    settings = tmp_path / "c.yaml"
    settings.write_text(
        "{codes: 8, stages: 2, joint_epochs: 1, refine_epochs: 0, follow_epochs: 0, width: 16, layers: 1, device: cpu}"
    )
    second = tmp_path / "second.parquet"  # another person: one is held out
    frames.write(frames.read(with_file).assign(recording="second"), second)
    code, said = dfe("train", with_file, second, "--out", tmp_path / "tok", "--config", settings)
    assert code == 0, said
    assert "rms_mm" in (tmp_path / "tok" / "history.csv").read_text()
    code, said = dfe("encode", with_file, "--tokenizer", tmp_path / "tok", "--out", tmp_path / "e.parquet")
    assert code == 0 and "24 of 24 frames encoded" in said
    code, said = dfe("encode", without, "--tokenizer", tmp_path / "tok", "--out", tmp_path / "n.parquet")
    assert code == 2 and "made for the expression space 'flame53-mm-" in said and "ψ is in 'flame53'" in said
