"""An empty cache, no mirror, and a folder for a tree, whose name has a space as users' folders have."""

import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DFE_DATA_MIRROR", "")
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a set").mkdir()
    return tmp_path / "a set"
