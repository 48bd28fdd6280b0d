"""A fresh machine without network, mirror or cache: the whole walk on what the package ships."""

import pytest

from dfe_lib import results
from dfe_lib.runner import run
from dfe_lib.runner.notebook import discover

pytestmark = pytest.mark.notebooks

PACKAGED = {"photograph-matplotlib", "photograph-skimage"}  # carried by wheels that are installed anyway


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The ci profile with nothing but the package; kernels inherit this environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFE_DATA_MIRROR", "")
        patch.setenv("DFE_DATA_DIR", str(tmp_path_factory.mktemp("empty")))
        patch.setenv("DFE_OFFLINE", "1")
        assert set(run.assets_at_hand()) <= PACKAGED
        yield run.reproduce("ci", folder=tmp_path_factory.mktemp("embedded") / "ci")


def test_every_notebook_runs(finished):
    assert finished.ok, finished.failed | finished.blocked
    assert finished.ran == list(discover())


def test_nothing_claims_to_stand_on_what_is_not_there(finished):
    for name in discover():
        for line in results.read(finished.folder / name / "metrics.json")["data"]:
            packaged = "photograph" in line["what"]
            assert line["source"] in ("embedded", "simulated") or packaged, f"{name}: {line}"


def test_the_extraction_notebook_says_that_it_uses_recorded_tracks(finished):
    content = results.read(finished.folder / "01_3dmm_extraction" / "metrics.json")
    assert any(line["source"] == "embedded" and "track" in line["what"].lower() for line in content["data"])
