"""Artefacts: whole or not at all, and never read as something else."""

import json

import numpy as np
import pytest

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.paths import ASSETS

CARD = {"kind": "thing", "what": "a test", "made_from": "nothing", "rebuild": "never"}


def test_round_trip_and_replacement(tmp_path):
    for value in (1.0, 2.0):
        folder = artefacts.save(tmp_path / "a", {"x": np.full((2, 3), value)}, CARD)
    back = artefacts.load(folder, "thing")
    assert back.card == CARD and back.tensors["x"][0, 0] == 2.0
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_card_must_say_what_it_is(tmp_path):
    with pytest.raises(InputError, match="made_from"):
        artefacts.save(tmp_path / "a", {}, {k: v for k, v in CARD.items() if k != "made_from"})


def test_other_folders_are_not_overwritten(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="not an artefact"):
        artefacts.save(tmp_path / "photos", {"x": np.zeros(1)}, CARD)


def test_wrong_kind_shape_and_damage_are_refused(tmp_path):
    folder = artefacts.save(tmp_path / "a", {"x": np.zeros((2, 3))}, CARD)
    with pytest.raises(InputError, match="holds a 'thing'"):
        artefacts.load(folder, "tokenizer")
    with pytest.raises(InputError, match=r"shape \(2, 3\), but \(4,\)"):
        artefacts.expect(artefacts.load(folder, "thing"), "a", x=(4,))
    (folder / "tensors.safetensors").write_bytes(b"\x80\x04pickled")
    with pytest.raises(InputError, match="cannot be read"):
        artefacts.load(folder, "thing")
    (folder / "card.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        artefacts.load(folder, "thing")


def test_everything_shipped_has_a_card_and_is_small():
    folders = [p for p in ASSETS.iterdir() if p.is_dir() and p.name != "tracks"]
    assert {p.name for p in folders} >= {
        "ict53",
        "face478",
        "expression-regressor",
        "picture-regressor",
        "extraction-noise",
        "tokenizer",
    }
    for folder in folders:
        card = json.loads((folder / "card.json").read_text())
        assert set(artefacts.REQUIRED) <= set(card) and card["rebuild"] == f"dfe build {folder.name}"
    assert sum(p.stat().st_size for p in ASSETS.rglob("*") if p.is_file()) < 8e6
