"""Pages, the recipe, the commands and who may see what."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import trees

from dfe_lib import frames
from dfe_lib.data import datasets
from dfe_lib.data.access import AccessError, is_gated, of_path, refuse_gated
from dfe_lib.data.datasets import DATASETS, cohort_of, docs, open_dataset
from dfe_lib.data.datasets.columns import POINTS, POINTS_2D, points
from dfe_lib.data.registry import load_manifest
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.paths import REPOSITORY
from dfe_lib.space import ICT53

PAGES = REPOSITORY / "docs" / "datasets"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


# ------------------------------------------------------------------------------------------ pages


def test_pages_are_not_stale():
    made = docs.pages(DATASETS)
    assert {p.name for p in PAGES.glob("*.md")} == {*made, "README.md"}
    for name, text in made.items():
        assert (PAGES / name).read_text(encoding="utf-8") == text, f"{name} is stale: run `dfe data docs`"


@pytest.mark.parametrize("name", list(DATASETS))
def test_a_page_says_what_matters(name):
    text = docs.page(DATASETS[name])
    for part in (
        "## Layout",
        "## What it holds",
        "## Known defects",
        "## How to run it",
        *DATASETS[name].labels,
    ):
        assert part in text
    assert "None" not in text and "  \n" not in text
    if name in load_manifest().entries:
        entry = load_manifest()[name]
        assert all(
            said in text for said in (entry.licence, entry.access, entry.manual, entry.layout, entry.citation)
        )
    block = re.search(r"```python\n(.*?)```", text, re.S)[1]
    compile(block, name, "exec")


def test_time_to_expect_is_that_of_the_benchmark():
    import json

    figures = json.loads((REPOSITORY / "benchmarks" / "latest.json").read_text())["extraction"]["figures"]
    assert 0.5 < docs.RATE / figures["extract_frames_per_s"] < 2


def test_the_recipe_works(tmp_path, monkeypatch):
    block = re.search(r"## Your own adapter.*?```python\n(.*?)```", (PAGES / "README.md").read_text(), re.S)[
        1
    ]
    body = block[block.index("class Diary") :].strip().splitlines()
    assert (
        len([line for line in body if line.strip()]) <= 12
    )  # ten lines under the class line and its docstring
    (tmp_path / "diary.py").write_text(block)
    monkeypatch.setattr(datasets, "DATASETS", dict(DATASETS))
    spec = importlib.util.spec_from_file_location("diary", tmp_path / "diary.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "diary", module)
    spec.loader.exec_module(module)

    root = tmp_path / "set"
    for person in ("anna", "ben"):
        trees.video(root / person / "monday.mp4")
    trees.write(root / "mood.csv", "person,day,stressed\nanna,monday,1\nben,monday,0\n")
    table = open_dataset("diary", root).recordings
    assert table["recording"].tolist() == ["anna_monday", "ben_monday"] and table["stressed"].tolist() == [
        1,
        0,
    ]
    with pytest.raises(Exception, match="dfe data extract diary"):
        cohort_of("diary", "stress", root)
    (root / "ben" / "monday.mp4").unlink()
    with pytest.raises(Exception, match="ben_monday"):
        open_dataset("diary", root)
    assert len(open_dataset("diary", root, keep_going=True).recordings) == 1


def test_a_name_is_given_once():
    class Other(DATASETS["folder"]):
        name = "stressid"

    with pytest.raises(ConfigError, match="there is a data set called 'stressid' already"):
        datasets.register(Other)
    assert datasets.register(DATASETS["stressid"]) is DATASETS["stressid"]  # a module read twice


# ------------------------------------------------------------------------------------------ commands


def test_where_says_terms_and_defects(dfe):
    code, out, _ = dfe("data", "where", "stressid")
    assert code == 0
    for part in ("licence", "agreement", "cite", "not to be passed on", "availability", "by hand"):
        assert part in out
    code, out, _ = dfe("data", "where", "openface")
    assert code == 0 and "landmarks68" in out
    code, _, err = dfe("data", "where", "stressidd")
    assert code == 2 and "did you mean 'stressid'" in err


def test_docs_command(dfe, tmp_path):
    code, out, _ = dfe("data", "docs", "--out", tmp_path / "pages")
    assert code == 0 and len(list((tmp_path / "pages").glob("*.md"))) == len(DATASETS) + 1


def test_extract_command_refuses_units_alone(dfe, tmp_path):
    (tmp_path / "set").mkdir()
    trees.e_daic(tmp_path / "set")
    code, _, err = dfe("data", "extract", "e-daic", "--root", tmp_path / "set")
    assert (
        code == 2
        and err == "dfe: e-daic holds aus only: ψ cannot be made; use its action units as they are\n"
    )


# ------------------------------------------------------------------------------------------ who may see what


@pytest.mark.parametrize(
    ("access", "refused"), [("open", 0), ("own", 0), ("registration", 1), ("request", 1), ("agreement", 1)]
)
def test_gated_tables_are_refused(access, refused):
    attrs = {"access": access, "dataset": "stressid"}
    assert is_gated(attrs) == bool(refused)
    if refused:
        with pytest.raises(AccessError, match=f"an export of stressid is refused: its access is by {access}"):
            refuse_gated(attrs, "an export")
    else:
        refuse_gated(attrs, "an export")
    refuse_gated({}, "an export")


def test_access_is_told_from_the_place_too(cache, tmp_path):
    for place in (
        cache / "daic-woz" / "300_P" / "x.txt",
        cache / "derived" / "daic-woz" / "frames" / "300.parquet",
    ):
        assert of_path(place) == ("daic-woz", "agreement")
        with pytest.raises(AccessError, match="daic-woz"):
            refuse_gated({}, "an export", place)
    assert of_path(cache / "crema-d" / "x.flv") is None and of_path(tmp_path / "own.parquet") is None
    refuse_gated({}, "an export", tmp_path / "own.parquet")


def test_access_travels_with_the_file(cache, tmp_path):
    (tmp_path / "set").mkdir()
    trees.daic_woz(tmp_path / "set")
    table = open_dataset("daic-woz", tmp_path / "set").frames("303")
    frames.write(table, tmp_path / "elsewhere.parquet")
    with pytest.raises(AccessError):
        refuse_gated(frames.attrs(tmp_path / "elsewhere.parquet"), "an export")


# ------------------------------------------------------------------------------------------ ψ


def test_pictures_become_a_clip_that_loses_nothing(tmp_path):
    from PIL import Image

    from dfe_lib.face import video
    from dfe_lib.face.datasets import as_clip

    given = np.random.default_rng(0).integers(0, 256, (3, 49, 63, 3), dtype=np.uint8)  # odd sizes
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, picture in zip(paths, given, strict=True):
        Image.fromarray(picture).save(path)
    found = list(video.frames(as_clip(paths, tmp_path / "clip.mkv")))
    assert [f.time_s for f in found] == [0, 1, 2]
    np.testing.assert_array_equal(np.stack([f.rgb for f in found]), given)
    Image.fromarray(given[0, :20]).save(paths[2])
    with pytest.raises(InputError, match="the pictures before it are not"):
        as_clip(paths, tmp_path / "clip.mkv")
    paths[1].write_bytes(b"none")
    with pytest.raises(InputError, match="not a readable photograph"):
        as_clip(paths, tmp_path / "clip.mkv")


@pytest.mark.parametrize(("name", "column"), [("daic-woz", POINTS), ("d-vlog", POINTS_2D)])
def test_psi_from_landmarks(name, column, tmp_path, monkeypatch):
    from dfe_lib.face import datasets as of_datasets

    def with_expression(table):
        """A stand-in for the regressor: which needs an artefact, and is tested in its own room."""
        psi = np.zeros((len(table), 53), np.float32)
        psi[np.isnan(points(table, column)).any(axis=(1, 2))] = np.nan
        out = frames.with_psi(table, psi, ICT53.names)
        out.attrs |= ICT53.attrs()
        return out

    monkeypatch.setattr(of_datasets, "with_expression", with_expression)
    root = tmp_path / "set"
    root.mkdir()
    expected = trees.MAKERS[name](root)
    dataset = open_dataset(name, root)
    done = list(of_datasets.extract_dataset(dataset))
    assert len(done) == len(expected)
    assert list(of_datasets.extract_dataset(dataset)) == []  # nothing is left to do
    table = dataset.psi(expected[0])
    assert table.attrs["dataset"] == name and is_gated(table.attrs) and column not in table
    assert np.isnan(frames.psi(table)[~table["detected"]]).all()
    assert cohort_of(name, "depression", root).holds == "psi"


def test_import_of_a_file_in_a_gated_folder_says_so(cache):
    from dfe_lib.face.importers import import_table

    trees.livelink_folder(cache / "daic-woz")  # as it were
    table = import_table(cache / "daic-woz" / "take.csv", "arkit")
    assert (table.attrs["dataset"], table.attrs["access"]) == ("daic-woz", "agreement")
    trees.livelink_folder(cache.parent / "own")
    assert "access" not in import_table(cache.parent / "own" / "take.csv", "arkit").attrs


def test_extract_from_video(tmp_path, dfe, mirror, monkeypatch):
    monkeypatch.delenv("DFE_DATA_MIRROR", raising=False)
    clip = mirror("pyfeat-media", "single_face.mp4")
    mirror("mediapipe-face-landmarker", "face_landmarker.task")
    root = tmp_path / "set"
    root.mkdir()
    (root / "good.mp4").symlink_to(clip)
    (root / "bad.mp4").write_bytes(b"not a video" * 50)
    code, _, err = dfe("data", "extract", "folder", "--root", root, "--out", tmp_path / "psi")
    assert code == 2 and "bad" in err and "--keep-going" in err
    code, out, err = dfe(
        "data", "extract", "folder", "--root", root, "--out", tmp_path / "psi", "--keep-going"
    )
    assert code == 0 and "left out bad" in err and "1 tables written" in out, (out, err)
    attrs = frames.attrs(tmp_path / "psi" / "good.parquet")
    assert attrs["access"] == "own" and attrs["dataset"] == "folder" and attrs["space"] == "ict53"
    assert len(open_dataset("folder", root, frames_path=tmp_path / "psi").frames("good")) > 0


def test_extract_of_a_file_in_a_gated_folder_says_so(cache, mirror, monkeypatch):
    from dfe_lib.face.extract import extract_to

    monkeypatch.delenv("DFE_DATA_MIRROR", raising=False)
    clip = mirror("pyfeat-media", "single_face.mp4")
    mirror("mediapipe-face-landmarker", "face_landmarker.task")
    place = cache / "stressid" / "Videos" / "2ea4"
    place.mkdir(parents=True)
    shutil.copy(clip, place / "2ea4_Math.mp4")
    extract_to(place / "2ea4_Math.mp4", cache.parent / "x.parquet", max_frames=2)
    assert frames.attrs(cache.parent / "x.parquet")["access"] == "agreement"


def test_no_page_names_a_machine_path():
    for path in Path(PAGES).glob("*.md"):
        assert not re.search(r"/(?:work|tmp|root|home)/", path.read_text(encoding="utf-8"))
