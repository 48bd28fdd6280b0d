"""Files of EMOCA, DECA, SMIRK, OpenFace, Py-Feat and ARKit as frame tables; each ψ in a space of its own."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.data.adapters import openface
from dfe_lib.data.adapters.emoca import read_emoca
from dfe_lib.data.adapters.flame import flame_space
from dfe_lib.data.adapters.smirk import read_smirk
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.face.importers import TOOLS, import_table
from dfe_lib.space import ICT53, ExpressionSpace, space_of
from dfe_lib.tokens import Tokenizer


def emoca(folder, names, seed=0):
    """What EMOCA's save_codes writes; exp[0] and the jaw's x count the images."""
    rng = np.random.default_rng(seed)
    for i, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        codes = {"shape": 100, "exp": 50, "tex": 50, "pose": 6, "detail": 128}
        for part, size in codes.items():
            values = rng.normal(size=size).astype(np.float32)
            values[{"exp": 0, "pose": 3}.get(part, 0)] = i
            np.save(folder / name / f"{part}.npy", values)
    return folder


# ---------------------------------------------------------------- EMOCA and DECA


def test_images_come_in_natural_order_with_the_jaw_after_the_expression(tmp_path):
    folder = emoca(tmp_path / "clip" / "EMOCA", ["img1", "img2", "img10"])
    (tmp_path / "clip" / "EMOCA" / "img10" / "geometry_coarse.png").write_bytes(b"")
    table = read_emoca(tmp_path / "clip")
    psi = frames.psi(table)
    assert psi.shape == (3, 53) and psi[:, 0].tolist() == [0, 1, 2] == psi[:, 50].tolist()
    np.testing.assert_array_equal(psi[1, 50:], np.load(folder / "img2" / "pose.npy")[3:])
    np.testing.assert_array_equal(psi[1, :50], np.load(folder / "img2" / "exp.npy"))
    assert table["recording"].unique().tolist() == ["clip"] and table["n_faces"].tolist() == [1, 1, 1]
    assert table["time_s"].tolist() == [0, 1, 2] and "no fps" in table.attrs["time"]
    assert frames.psi(read_emoca(folder, flame_space("flame50"))).shape == (3, 50)


def test_a_videos_frame_numbers_give_times_lost_frames_and_faces(tmp_path):
    folder = emoca(tmp_path / "v", ["000002_000", "000002_001", "000003_000", "000006_000"])
    table = read_emoca(folder, fps=25)
    assert table["n_faces"].tolist() == [0, 2, 1, 0, 0, 1]
    assert table["detected"].tolist() == [False, True, True, False, False, True]
    np.testing.assert_allclose(table["time_s"], np.arange(6) / 25)
    assert frames.psi(table)[[1, 2, 5], 0].tolist() == [0, 2, 3]  # the second face of frame 2 is left out
    assert len(read_emoca(folder)) == 3
    emoca(folder, ["999999999999_000"])
    with pytest.raises(InputError, match="leave --fps out"):
        read_emoca(folder, fps=25)


def test_what_is_no_emoca_folder_is_said(tmp_path):
    folder = emoca(tmp_path / "EMOCA", ["a", "b"])
    for path, says in [(tmp_path / "none", "not there"), (folder / "a" / "exp.npy", "a file, not a folder")]:
        with pytest.raises(InputError, match=says):
            read_emoca(path)
    assert len(read_emoca(folder / "a")) == 1  # one image's own folder
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="save_codes"):
        read_emoca(tmp_path / "empty")
    emoca(tmp_path / "DECA", ["a"])
    with pytest.raises(InputError, match="results of 2 models"):
        read_emoca(tmp_path)
    (folder / "b" / "pose.npy").unlink()
    with pytest.raises(InputError, match="pose.npy is not there"):
        read_emoca(folder)
    with pytest.raises(InputError, match="writes no ψ of space 'flame55'"):
        read_emoca(folder, flame_space("flame55"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros(49), "50 finite numbers"),
        (np.full(50, np.nan), "50 finite numbers"),
        (np.array([{"a": 1}], dtype=object), "arrays of objects are never read"),
        (np.array(["a"] * 50), "not numbers"),
        (b"\x93NUMPY nonsense", "not a readable .npy"),
        (b"", "not a readable .npy"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path, values, says):
    file = emoca(tmp_path / "EMOCA", ["a"]) / "a" / "exp.npy"
    if isinstance(values, bytes):
        file.write_bytes(values)
    else:
        np.save(file, values)
    with pytest.raises(InputError, match=says):
        read_emoca(tmp_path / "EMOCA")


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_within_an_array_file_is_not_run(tmp_path):
    file = emoca(tmp_path / "EMOCA", ["a"]) / "a" / "exp.npy"
    np.save(file, np.array([Bomb(tmp_path / "ran")], dtype=object))
    with pytest.raises(InputError, match="never read"):
        read_emoca(tmp_path / "EMOCA")
    assert not (tmp_path / "ran").exists()


def test_a_header_that_promises_more_than_the_file_holds_allocates_nothing(tmp_path):
    file = emoca(tmp_path / "EMOCA", ["a"]) / "a" / "exp.npy"
    with file.open("wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(InputError, match="does not fit a file"):
        read_emoca(tmp_path / "EMOCA")


# ---------------------------------------------------------------- SMIRK


def smirk(n=4, **changes):
    rng = np.random.default_rng(0)
    sizes = {"expression_params": 50, "jaw_params": 3, "eyelid_params": 2, "pose_params": 3, "cam": 3}
    return {k: rng.normal(size=(n, d)).astype(np.float32) for k, d in sizes.items()} | changes


def test_smirk_outputs_keep_their_order_and_lost_frames(tmp_path):
    outputs = smirk()
    outputs["expression_params"][2] = np.nan
    np.savez(tmp_path / "clip.npz", **outputs)
    table = read_smirk(tmp_path / "clip.npz", fps=30)
    psi = frames.psi(table)
    assert psi.shape == (4, 55) and table["detected"].tolist() == [True, True, False, True]
    wanted = np.concatenate(
        [outputs[k] for k in ("expression_params", "jaw_params", "eyelid_params")], axis=1
    )
    np.testing.assert_array_equal(psi[[0, 1, 3]], wanted[[0, 1, 3]])
    space = space_of(table.attrs)
    assert space.names[50:] == ("jaw_x", "jaw_y", "jaw_z", "eyelid_left", "eyelid_right")
    short = read_smirk(tmp_path / "clip.npz", flame_space("flame53"))
    assert space_of(short.attrs).names == flame_space("flame53").names  # the same space as EMOCA's


def test_a_folder_of_smirk_files_is_one_recording(tmp_path):
    for i in (1, 2, 10):
        outputs = {k: v[:, None] for k, v in smirk(1).items()}  # (1, 1, d), as a batch of one comes
        outputs["expression_params"] = outputs["expression_params"] * 0 + i
        np.savez(tmp_path / f"f{i}.npz", **outputs)
    assert frames.psi(read_smirk(tmp_path))[:, 0].tolist() == [1, 2, 10]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"jaw_params": np.zeros((3, 3))}, "have 4, 3, 4 frames"),
        ({"jaw_params": np.zeros((4, 6))}, "is needed"),
        ({"eyelid_params": np.full((4, 2), np.inf)}, "infinite"),
        ({"eyelid_params": np.array([{}, {}], dtype=object)}, "never read"),
    ],
)
def test_smirk_files_that_do_not_fit(tmp_path, changes, says):
    np.savez(tmp_path / "c.npz", **smirk(**changes))
    with pytest.raises(InputError, match=says):
        read_smirk(tmp_path / "c.npz")


def test_files_that_are_no_smirk_outputs(tmp_path):
    outputs = smirk()
    del outputs["eyelid_params"]
    np.savez(tmp_path / "c.npz", **outputs)
    with pytest.raises(InputError, match="lacks the array 'eyelid_params'"):
        read_smirk(tmp_path / "c.npz")
    assert frames.psi(read_smirk(tmp_path / "c.npz", flame_space("flame50"))).shape == (4, 50)
    (tmp_path / "t.npz").write_text("text")
    (tmp_path / "empty").mkdir()
    for name, says in [
        ("t.npz", "not a readable .npz"),
        ("none.npz", "not there"),
        ("empty", "holds no .npz"),
    ]:
        with pytest.raises(InputError, match=says):
            read_smirk(tmp_path / name)


# ---------------------------------------------------------------- OpenFace


def of_table(n=5, **columns):
    base = {"frame": range(1, n + 1), "timestamp": np.arange(n) / 30, "confidence": 0.9, "success": 1}
    return pd.DataFrame({**base, **columns}, index=range(n))


def saved(tmp_path, table):
    path = tmp_path / "of.csv"
    table.rename(columns=lambda c: f" {c}").to_csv(path, index=False)
    return path


def test_the_persons_own_face_is_taken_off(tmp_path):
    rng = np.random.default_rng(0)
    moved = rng.normal(size=(5, 34)) * [[1], [1], [0], [-1], [-1]]
    person = 10 * rng.normal(size=34)

    def read(offset, **columns):
        p = pd.DataFrame(moved + offset, columns=[f"p_{i}" for i in range(34)])
        return openface.read_openface_shape(saved(tmp_path, of_table(**p, **columns)))

    table = read(0 * person)
    np.testing.assert_allclose(frames.psi(table), frames.psi(read(person)), atol=1e-5)
    np.testing.assert_allclose(np.median(frames.psi(table), axis=0), 0, atol=1e-6)
    assert "median" in table.attrs["neutral"] and table["source_frame"].tolist() == [1, 2, 3, 4, 5]
    lost = read(person, success=[1, 1, 0, 1, 1])
    assert not lost["detected"][2] and np.isnan(frames.psi(lost)[2]).all()


def test_three_d_landmarks_lose_head_pose_and_stand_upright(tmp_path, mirror):
    """The same frames, seen by a turned camera: the same ψ."""
    path = mirror("tool-output-samples", "OpenFace_Test.csv")
    table = pd.read_csv(path, skipinitialspace=True)
    seen = openface.read_openface_shape(path, "openface204")
    c, s = np.cos(0.4), np.sin(0.4)
    turned = table.copy()
    for i in range(68):
        x, z = table[f"X_{i}"], table[f"Z_{i}"]
        turned[f"X_{i}"], turned[f"Z_{i}"] = c * x + s * z + 30, c * z - s * x - 80
    turned.to_csv(tmp_path / "t.csv", index=False)
    again = openface.read_openface_shape(tmp_path / "t.csv", "openface204")
    np.testing.assert_allclose(frames.psi(again), frames.psi(seen), atol=2e-3)
    # upright: over the chin rows of a mouth that opens, y goes down
    names = list(openface.OPENFACE204.names)
    psi = frames.psi(seen)
    gap = psi[:, names.index("Y_62")] - psi[:, names.index("Y_66")]  # inner lips, upper minus lower
    pixels = (table["y_66"] - table["y_62"]).to_numpy()
    assert np.corrcoef(gap, pixels)[0, 1] > 0.9
    left = (
        psi[:, names.index("X_54")] - psi[:, names.index("X_48")]
    )  # the mouth's width: its left corner's x is larger
    assert np.corrcoef(left, table["x_54"] - table["x_48"])[0, 1] > 0.7


def test_openfaces_coefficients_are_lengths_in_mm(mirror):
    """Its modes are orthonormal: |Δp|² is the sum of squared displacements of the 68 points of its model, in mm.

    The model's points are found again from what the file says besides: x and y from the picture by scale and
    translation, z from the depths; then frames are turned onto each other.
    """
    path = mirror("tool-output-samples", "OpenFace_Test.csv")
    table = pd.read_csv(path, skipinitialspace=True)

    def column(name):
        return table[[f"{name}_{i}" for i in range(68)]].to_numpy()

    x, y = ((column(a) - table[[f"p_t{a}"]].to_numpy()) / table[["p_scale"]].to_numpy() for a in "xy")
    points = np.stack([x, y, column("Z")], axis=2)
    points -= points.mean(axis=1, keepdims=True)
    psi = frames.psi(import_table(path, "openface"))
    aligned = points @ openface._rotation(points, points[0])
    rms = np.sqrt(((aligned - points[0]) ** 2).sum(axis=(1, 2)) / 68)[1:]
    np.testing.assert_allclose(openface.OPENFACE34.norm(psi[1:] - psi[0]), rms, rtol=2e-3)


def test_openface_files_without_shape_or_with_several_faces(tmp_path):
    p = {f"p_{i}": 0.0 for i in range(34)}
    with pytest.raises(InputError, match="p_0.*-pdmparams"):
        openface.read_openface_shape(saved(tmp_path, of_table(AU01_r=0.0)))
    with pytest.raises(InputError, match="X_0.*-3Dfp"):
        openface.read_openface_shape(saved(tmp_path, of_table(**p)), "openface204")
    with pytest.raises(InputError, match="several faces"):
        openface.read_openface_shape(saved(tmp_path, of_table(**p, frame=[1, 1, 2, 3, 4])))
    with pytest.raises(InputError, match="did you mean 'openface34'"):
        openface.read_openface_shape(saved(tmp_path, of_table(**p)), "openface35")
    nobody = openface.read_openface_shape(saved(tmp_path, of_table(**p, success=0)))
    assert not nobody["detected"].any() and np.isnan(frames.psi(nobody)).all()


# ---------------------------------------------------------------- Py-Feat and ARKit


def test_a_pyfeat_mesh_becomes_what_extraction_gives(mirror):
    table = import_table(mirror("pyfeat-news", "001.csv"), "pyfeat", fps=25)
    assert space_of(table.attrs) is ICT53 and frames.psi(table, ICT53.names).shape == (20, 53)
    assert np.isfinite(table[list(frames.POSE)].to_numpy()).all() and table.attrs["tool"] == "Py-Feat"
    np.testing.assert_allclose(table["time_s"], table["source_frame"] / 25)
    counted = import_table(mirror("pyfeat-news", "001.csv"), "pyfeat")
    assert (counted["time_s"] == counted["source_frame"]).all() and counted.attrs["fps"] is None


def test_arkit_comes_through_the_same_door(mirror):
    table = import_table(mirror("arkit-range-of-motion", "alex_rom_3.csv"), "arkit")
    assert space_of(table.attrs) is ICT53 and len(table) == 4030


def test_options_that_a_tool_has_no_use_for_are_refused(tmp_path):
    for options, says in [
        ({"tool": "emocca"}, "did you mean 'emoca'"),
        ({"tool": "emoca", "space": "flame55"}, "allowed: flame53, flame50"),
        ({"tool": "arkit", "fps": 30}, "keep their own times"),
        ({"tool": "openface", "flame": object()}, "no FLAME coefficients"),
    ]:
        with pytest.raises(ConfigError, match=says):
            import_table(tmp_path / "x", **options)
    with pytest.raises(InputError, match="fps must be above 0"):
        import_table(emoca(tmp_path / "EMOCA", ["a"]), "emoca", fps=0)


# ---------------------------------------------------------------- spaces in tables


@pytest.mark.parametrize(
    "space", [flame_space("flame53"), flame_space("flame55"), openface.OPENFACE204, ICT53]
)
def test_a_table_carries_its_space(space, tmp_path):
    table = frames.frame_table("r", np.arange(2), [True, True], attrs=space.attrs())
    frames.write(frames.with_psi(table, np.zeros((2, space.dimension)), space.names), tmp_path / "t.parquet")
    again = space_of(frames.attrs(tmp_path / "t.parquet"))
    assert (again.name, again.names, again.unit, again.regions) == (
        space.name,
        space.names,
        space.unit,
        space.regions,
    )
    np.testing.assert_array_equal(again.metric, space.metric)


def test_a_metric_that_is_no_multiple_of_the_identity_survives_exactly():
    factor = np.random.default_rng(0).normal(size=(3, 3))
    space = ExpressionSpace("mine", ("a", "b", "c"), factor @ factor.T)
    np.testing.assert_array_equal(space_of(json.loads(json.dumps(space.attrs()))).metric, space.metric)


def test_without_the_flame_file_nothing_reads_mm():
    space = flame_space("flame50")
    assert space.unit == "coefficient" and (space.metric == np.eye(50)).all()
    with pytest.raises(InputError, match="no mesh at hand"):
        space.to_mesh(np.zeros(50))
    with pytest.raises(InputError, match="no named sides"):
        space.mirror(np.zeros(50))
    with pytest.raises(InputError, match="allowed: flame50, flame53, flame55"):
        flame_space("flame51")


@pytest.mark.parametrize(
    "change",
    [
        {"space_names": None},
        {"space_metric": [[1.0]]},
        {"space_metric": -1.0},
        {"space_regions": {"all": [0]}},
        {"space_metric": "wide"},
    ],
)
def test_a_broken_description_of_a_space_is_refused(change):
    with pytest.raises(InputError, match="flame50.*import it again"):
        space_of({**flame_space("flame50").attrs(), **change})


# ---------------------------------------------------------------- the command, and what comes after it


def test_import_train_encode_in_another_space(dfe, tmp_path):
    table = tmp_path / "t.parquet"
    folder = emoca(tmp_path / "EMOCA", [f"{i:04d}" for i in range(64)])
    code, out, _ = dfe("import", folder, "--from", "emoca", "--space", "flame50", "--out", table)
    assert code == 0 and "64 frames, 64 with a face, space flame50, time_s counts frames" in out

    code, _, err = dfe("encode", table, "--out", tmp_path / "no.parquet")
    assert code == 2 and "made for the expression space 'ict53', but ψ is in 'flame50'" in err
    assert not (tmp_path / "no.parquet").exists()

    settings = {"codes": 8, "stages": 2, "joint_epochs": 1, "refine_epochs": 1, "follow_epochs": 0}
    (tmp_path / "c.yaml").write_text(json.dumps({**settings, "width": 16, "layers": 1, "device": "cpu"}))
    second = tmp_path / "second.parquet"  # a tenth of the people is held out, so two are the fewest
    assert dfe("import", folder, "--from", "emoca", "--space", "flame50", "--out", second)[0] == 0
    whole = frames.read(second)
    frames.write(whole.assign(recording="second"), second)
    code, _, err = dfe("train", table, second, "--out", tmp_path / "tok", "--config", tmp_path / "c.yaml")
    assert code == 0, err
    history = pd.read_csv(tmp_path / "tok" / "history.csv")
    assert "rms_coefficient" in history and not [c for c in history if c.endswith("_mm")]
    assert json.loads((tmp_path / "tok" / "card.json").read_text())["space"]["unit"] == "coefficient"

    code, _, err = dfe("encode", table, "--tokenizer", tmp_path / "tok", "--out", tmp_path / "e.parquet")
    assert code == 0, err
    encoded = frames.read(tmp_path / "e.parquet", needs=["token_"])
    tokenizer = Tokenizer.load(tmp_path / "tok", space_of(encoded.attrs))
    np.testing.assert_array_equal(tokenizer.encode(frames.psi(encoded)), frames.tokens(encoded))

    other = tmp_path / "o.parquet"
    assert dfe("import", folder, "--from", "deca", "--out", other)[0] == 0
    code, _, err = dfe("train", table, other, "--out", tmp_path / "tok2", "--config", tmp_path / "c.yaml")
    assert code == 2 and "o.parquet holds ψ of space 'flame53', but" in err
    code, _, err = dfe("encode", other, "--tokenizer", tmp_path / "tok", "--out", tmp_path / "x.parquet")
    assert code == 2 and "made for the expression space 'flame50', but ψ is in 'flame53'" in err


def test_several_inputs_go_to_a_folder_and_one_bad_one_leaves_the_others(dfe, tmp_path):
    good, bad = emoca(tmp_path / "a", ["1"]), tmp_path / "b"
    bad.mkdir()
    code, out, err = dfe("import", bad, good, "--from", "emoca", "--out", tmp_path / "out", "--fps", 25)
    assert code == 2 and "save_codes" in err and "1 of 2 recordings failed" in err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.parquet"] and "counts frames" not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import", "x", "--from", "emocca", "--out", "t.parquet"], "did you mean 'emoca'"),
        (["import", "x", "y", "--from", "emocca", "--out", "t"], "did you mean 'emoca'"),
        (["import", "x", "--from", "emoca", "--out", "t"], "--out is a .parquet file"),
        (["import", "x", "--from", "emoca", "--out", "t.parquet"], "x is not there"),
        (["import", "x", "--from", "emoca", "--flame", "f.pkl", "--out", "t.parquet"], "f.pkl is not there"),
    ],
)
def test_bad_input_gets_one_sentence(dfe, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, _, err = dfe(*arguments)
    assert code == 2 and says in err and err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_help_names_every_tool_and_space(dfe):
    code, out, _ = dfe("import", "--help")
    words = set(out.replace(",", " ").replace(".", " ").split())
    assert code == 0 and set(TOOLS) <= words
    assert {s for tool in TOOLS.values() for s in tool.spaces} - {"ict53"} <= words
