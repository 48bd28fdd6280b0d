"""Files that want to do something: nothing in them runs, and what they claim is not believed."""

import os
import pickle

import numpy as np
import pytest
import trees
from scipy.io import savemat

from dfe_lib.data.adapters.arrays import read_scalar
from dfe_lib.data.adapters.matfiles import read_mat
from dfe_lib.data.adapters.pickles import number, read_pickle
from dfe_lib.data.datasets import open_dataset
from dfe_lib.errors import AssetError, InputError


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_annotation_does_not_run(root, tmp_path, protocol):
    trees.first_impressions(root)
    target = tmp_path / "ran"
    bomb = {"openness": {"a.000.mp4": Bomb(target)}}
    (root / "annotation_training.pkl").write_bytes(pickle.dumps(bomb, protocol))
    with pytest.raises(AssetError, match="nothing in it was run"):
        open_dataset("chalearn-first-impressions", root)
    assert not target.exists()
    pickle.loads(pickle.dumps(bomb, protocol))  # it would have
    assert target.exists()


def test_annotations_of_numpy_numbers(root):
    """Some copies were written again with NumPy scalars in them."""
    trees.first_impressions(root)
    content = {t: {"a.000.mp4": np.float64(0.25)} for t in (*trees.TRAITS, "interview")}
    for word in ("training", "validation", "test"):
        (root / f"annotation_{word}.pkl").write_bytes(
            pickle.dumps(content if word == "test" else {t: {} for t in content})
        )
    trees.stub(root / "a.000.mp4")
    assert open_dataset("chalearn-first-impressions", root).recordings["openness"].tolist() == [0.25]


def test_number_is_a_number_and_nothing_else(tmp_path):
    path = tmp_path / "x.pkl"
    for value, expected in ((np.float32(0.5), 0.5), (np.int64(3), 3.0), (2, 2.0)):
        path.write_bytes(pickle.dumps(value))
        assert number(read_pickle(path), "x") == expected
    for value in ("0.5", None, True, [0.5]):
        with pytest.raises(InputError, match="'x' is no number"):
            number(value, "x")


def test_python_2_pickles_are_as_python_2_wrote_them():
    content = {"openness": {"é.000.mp4": 0.5}}
    assert pickle.loads(trees.pickle2(content), encoding="latin1") == content


@pytest.mark.parametrize("kind", ["text", "cells", "struct"])
def test_mat_files_hold_numbers_alone(tmp_path, kind):
    cells = np.empty((1, 2), object)
    cells[:] = [[np.zeros(2), "x"]]
    savemat(tmp_path / "a.mat", {"pts": {"text": "word", "cells": cells, "struct": {"a": 1.0}}[kind]})
    with pytest.raises(InputError, match="is of class"):
        read_mat(tmp_path / "a.mat", ["pts"])


@pytest.mark.parametrize("squeezed", [False, True])
def test_mat_numbers_come_as_they_are(tmp_path, squeezed):
    values = np.arange(6.0).reshape(3, 2)
    savemat(tmp_path / "a.mat", {"pts": values, "note": "left alone"}, do_compression=squeezed)
    np.testing.assert_array_equal(read_mat(tmp_path / "a.mat", ["pts"])["pts"], values)
    with pytest.raises(InputError, match="lacks the variable 'lm'"):
        read_mat(tmp_path / "a.mat", ["lm"])


def test_mat_that_claims_to_be_huge(tmp_path):
    savemat(tmp_path / "a.mat", {"pts": np.zeros((64, 64))})
    raw = bytearray((tmp_path / "a.mat").read_bytes())
    at = raw.index(b"\x40\x00\x00\x00\x40\x00\x00\x00")  # its two dimensions
    raw[at : at + 8] = b"\xff\xff\xff\x7f\xff\xff\x00\x00"
    (tmp_path / "a.mat").write_bytes(raw)
    with pytest.raises(InputError, match="not believed|not a readable"):
        read_mat(tmp_path / "a.mat", ["pts"])


@pytest.mark.parametrize(
    "content", [b"", b"MATLAB 5.0 MAT-file", b"\x00" * 200, b"\x89HDF\r\n\x1a\n" + b"\0" * 600]
)
def test_mat_that_is_none(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(InputError, match="a.mat"):
        read_mat(tmp_path / "a.mat", ["pts"])
    with pytest.raises(InputError, match="not there"):
        read_mat(tmp_path / "b.mat", ["pts"])


def test_labels_in_arrays_of_objects_are_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([Bomb(tmp_path / "ran")], dtype=object))
    with pytest.raises(InputError, match="arrays of objects are never read"):
        read_scalar(tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [np.array("0.25"), np.array(0.25), np.array([0.25]), np.array(b"0.25")])
def test_labels_in_arrays(tmp_path, value):
    np.save(tmp_path / "a.npy", value)
    assert read_scalar(tmp_path / "a.npy") == 0.25


@pytest.mark.parametrize("value", [np.array("happy"), np.zeros(3), np.zeros(10_000)])
def test_labels_that_are_no_number(tmp_path, value):
    np.save(tmp_path / "a.npy", value)
    with pytest.raises(InputError, match="one number"):
        read_scalar(tmp_path / "a.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"x" * 90])
def test_labels_in_no_array_at_all(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match="one number"):
        read_scalar(tmp_path / "a.npy")
    with pytest.raises(InputError, match="cannot be read"):
        read_scalar(tmp_path / "b.npy")
