"""The registry is read strictly; a file is used only when it is what was registered."""

import gzip
import hashlib
import os
from pathlib import Path, PurePosixPath

import matplotlib
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dfe_lib import paths
from dfe_lib.data import inventory, registry
from dfe_lib.data import manifest as m
from dfe_lib.errors import AssetError, ConfigError

GOOD = b"landmarks and more landmarks\n" * 40
OTHER = b"something else altogether...\n" * 40  # of the same length as GOOD
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1160\n"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def entry(files=None, **keys):
    raw = {k: f"some {k}" for k in ("title", "version", "licence", "citation", "used_for", "manual")}
    raw |= {"access": "open", "base_url": "https://example.org/data/"} | keys
    if files is not None:
        raw["files"] = files
    return {k: v for k, v in raw.items() if v is not None}


def file(path="a/b.txt", data=GOOD, **keys):
    return {"path": path, "bytes": len(data), "sha256": digest(data)} | keys


def written(folder, entries, text=None):
    path = folder / "data_manifest.yaml"
    path.write_text(text or yaml.safe_dump({"schema": 1, "entries": entries}))
    return path


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    """An empty cache and two empty mirrors."""
    cache, first, second = (tmp_path / n for n in ("cache", "first", "second"))
    first.mkdir(), second.mkdir()
    monkeypatch.setenv("DFE_DATA_DIR", str(cache))
    monkeypatch.setenv("DFE_DATA_MIRROR", f"{first}{os.pathsep}{second}")
    return cache, first, second


@pytest.fixture
def one(tmp_path):
    return registry.load_manifest(written(tmp_path, {"one": entry([file()])}))


def put(root, data, path="one/a/b.txt"):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


# ---------------------------------------------------------------- the project's own registry


def test_every_folder_of_the_mirror_has_an_entry_and_every_byte_is_as_registered():
    if not paths.mirrors():
        pytest.skip("no mirror of the external files is at hand")
    found = m.load_manifest()
    for folder in (p for root in paths.mirrors() for p in root.iterdir() if p.is_dir()):
        registered = {f.path for f in found[folder.name].files}
        there = {p.name.removesuffix(".gz") for p in folder.iterdir()} - {"UPSTREAM_LICENSE"}
        assert there == registered, folder.name
    refused = {o.entry: o.reason for o in m.verify() if not o.ok and m.available(o.entry)}
    assert refused == {}


def test_the_project_registry_is_complete_and_honest():
    found = m.load_manifest()
    assert found.sha256 == digest(paths.MANIFEST.read_bytes())
    for e in found.entries.values():
        assert e.access == "open" or not e.files  # what may not be passed on is never fetched
        assert all(f.urls for f in e.files), e.name
        assert e.files or e.layout, e.name
    sets = {
        "affectnet",
        "stressid",
        "ubfc-phys",
        "chalearn-first-impressions",
        "daic-woz",
        "e-daic",
        "d-vlog",
    }
    assert all(found[name].access != "open" for name in sets)
    assert found["ict-facekit"].file("LICENSE").urls[0].endswith("3732e5/LICENSE")  # above FaceXModel/


def test_photographs_come_from_installed_packages(rooms):
    found = m.locate("photograph-matplotlib", "grace_hopper.jpg")
    assert found.is_relative_to(Path(matplotlib.__file__).parent)
    assert m.available("photograph-matplotlib")
    mirrored = put(rooms[2], found.read_bytes(), "photograph-matplotlib/grace_hopper.jpg")
    assert m.locate("photograph-matplotlib", "grace_hopper.jpg") == mirrored  # mirrors come before packages


# ---------------------------------------------------------------- strict reading


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"licens": "MIT"}, "did you mean 'licence'"),
        ({"title": None}, "lacks the key 'title'"),
        ({"version": 1.0}, "must be text"),
        ({"access": "opne"}, "did you mean 'open'"),
        ({"base_url": "ftp://example.org/"}, "not an https url"),
        ({"base_url": "http://example.org/"}, "https alone"),
        ({"base_url": "file:///etc/"}, "not an https url"),
        ({"base_url": "https://me:secret@example.org/"}, "must not carry an account"),
        ({"base_url": "https://example.org/data"}, "must end in '/'"),
        ({"package": "../matplotlib"}, "plain relative path"),
        ({"package": "antigravity.x/data"}, "must be '<name>/<folder>'"),
        ({"notebooks": ["1st"]}, "must be a list like"),
        ({"notebooks": "01"}, "must be a list like"),
        ({"files": "a.txt"}, "must be a list"),
        ({"files": [file("/etc/passwd")]}, "plain relative path"),
        ({"files": [file("a/../../b")]}, "plain relative path"),
        ({"files": [file("a\\b")]}, "plain relative path"),
        ({"files": [file("c:/b")]}, "plain relative path"),
        ({"files": [file("a//b")]}, "plain relative path"),
        ({"files": [file(3)]}, "plain relative path"),
        ({"files": [file("a\0b")]}, "plain relative path"),
        ({"files": [file("\x1b[2J")]}, "plain relative path"),
        ({"files": [file("gnp.\u202eexe")]}, "plain relative path"),
        ({"files": [file("a" * 300)]}, "longer than file systems take"),
        ({"files": [file("a/" * 300 + "b")]}, "longer than file systems take"),
        ({"files": [file("b.txt"), file("b.txt.part")]}, "unfinished download"),
        ({"files": [file(sha256="abc")]}, "64 digits"),
        ({"files": [file(sha256=12)]}, "64 digits"),
        ({"files": [file(bytes=0)]}, "above 0"),
        ({"files": [file(bytes=True)]}, "above 0"),
        ({"files": [file(md5="x")]}, "unknown key"),
        ({"files": [file("a.txt"), file("A.txt")]}, "stands twice"),
        ({"files": [file(urls="https://x.org/a")]}, "must be a list"),
        ({"files": [file(urls=["nowhere"])], "base_url": None}, "not an https url"),
    ],
)
def test_what_is_wrong_in_the_registry_is_an_error(tmp_path, change, says):
    path = written(tmp_path, {"one": entry(**({"files": [file()]} | change))})
    with pytest.raises(ConfigError, match=says):
        registry.load_manifest(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema: 1\nentries:\n  one: {}\n  one: {}\n", "'one' stands twice"),
        ("schema: 1\nschema: 1\nentries: {}\n", "'schema' stands twice"),
        ("schema: 2\nentries: {}\n", "schema must be 1"),
        ("entries: {}\n", "lacks the key 'schema'"),
        ("schema: 1\nentries: {1: {}}\n", "small letters"),
        ("schema: 1\nentries: {One: {}}\n", "small letters"),
        ("- a\n", "must be a mapping"),
        ("schema: [1\n", "not valid"),
        ("schema: 1\nentries: &all {one: *all}\n", "alias"),
        ("schema: 1\nentries: " + "[" * 5000 + "]" * 5000, "not valid"),
        ("schema: 2026-13-41\nentries: {}\n", "not valid"),
        ("schema: " + "9" * 5000 + "\nentries: {}\n", "not valid"),
        ("schema: !!python/object/apply:os.getcwd []\nentries: {}\n", "not valid"),
    ],
)
def test_yaml_that_is_not_a_registry(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        registry.load_manifest(written(tmp_path, {}, text))


def test_names_that_do_not_exist(tmp_path, one):
    with pytest.raises(ConfigError, match="cannot be read"):
        registry.load_manifest(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="did you mean 'one'"):
        m.locate("onn", "a/b.txt", manifest=one)
    with pytest.raises(ConfigError, match="did you mean 'a/b.txt'"):
        m.locate("one", "a/c.txt", manifest=one)


@given(st.text(alphabet="ab./\\:~", max_size=8))
def test_an_accepted_path_never_leaves_its_entry(path):
    try:
        registry._relative(path, "here")
    except ConfigError:
        return
    joined = os.path.normpath(PurePosixPath("/store/entry") / path)
    assert joined.startswith("/store/entry/") and joined == f"/store/entry/{path}"


def test_urls_are_base_url_and_quoted_path_or_what_the_file_says(tmp_path):
    files = [file("a b.txt"), file("c.txt", urls=["../d.txt", "https://other.org/c"])]
    one = registry.load_manifest(written(tmp_path, {"one": entry(files)}))["one"]
    assert one.files[0].urls == ("https://example.org/data/a%20b.txt",)
    assert one.files[1].urls == ("https://example.org/d.txt", "https://other.org/c")


# ---------------------------------------------------------------- where a file is found


def test_cache_comes_before_mirrors_and_the_first_mirror_before_the_second(rooms, one):
    for root in reversed(rooms):
        expected = put(root, GOOD)
        assert m.locate("one", "a/b.txt", manifest=one) == expected
        assert m.available("one", manifest=one)
    assert [p.action for p in m.plan("one", manifest=one)] == ["have"]


def test_a_packed_mirror_file_is_unpacked_to_the_cache_by_locate_only(rooms, one):
    cache, first, _ = rooms
    put(first, gzip.compress(GOOD), "one/a/b.txt.gz")
    assert m.available("one", manifest=one)
    assert m.read_bytes("one", "a/b.txt", manifest=one) == GOOD
    assert not cache.exists()
    found = m.locate("one", "a/b.txt", manifest=one)
    assert found == cache / "one/a/b.txt" and found.read_bytes() == GOOD
    assert [p.name for p in found.parent.iterdir()] == ["b.txt"]  # nothing half-written beside it


def test_a_plain_mirror_file_is_used_in_place(rooms, one):
    cache, _, second = rooms
    expected = put(second, GOOD)
    assert m.locate("one", "a/b.txt", manifest=one) == expected
    assert not cache.exists()
    assert m.plan("one", manifest=one)[0].action == "mirror"


def test_nothing_there(rooms, one):
    assert not m.available("one", manifest=one)
    assert m.plan("one", manifest=one)[0].action == "download"
    with pytest.raises(AssetError) as error:
        m.locate("one", "a/b.txt", manifest=one)
    for part in ("'one'", "some licence", "dfe data fetch one", "by hand: some manual", "dfe data where one"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (GOOD[:100], "truncated (100 of 1160 bytes)"),
        (LFS, "Git LFS pointer"),
        (OTHER, "other content"),
        (GOOD + b"x", "other content"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_file_that_is_not_what_was_registered_is_refused(rooms, one, data, says, place):
    put(rooms[place], data)
    put(rooms[2], GOOD)  # a good copy further on does not make the bad one pass in silence
    for use in (m.locate, m.read_bytes):
        with pytest.raises(AssetError) as error:
            use("one", "a/b.txt", manifest=one)
        assert says in str(error.value)
        assert digest(data) in str(error.value) and digest(GOOD) in str(error.value)
        assert "dfe data fetch one" in str(error.value)
    assert m.available("one", manifest=one) == (len(data) == len(GOOD))  # by size, as it says
    (outcome,) = m.verify(["one"], manifest=one)
    assert outcome.state == "refused" and says in outcome.reason


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (gzip.compress(GOOD)[:-20], "cannot be unpacked"),
        (b"not gzip at all" * 9, "cannot be unpacked"),
        (b"", "is empty"),
        (LFS, "Git LFS pointer"),
        (gzip.compress(OTHER), "other content"),
        (gzip.compress(bytes(10**7)), "other content"),
    ],
)
def test_a_packed_file_that_is_not_what_was_registered_is_refused(rooms, one, packed, says):
    put(rooms[1], packed, "one/a/b.txt.gz")
    with pytest.raises(AssetError) as error:
        m.locate("one", "a/b.txt", manifest=one)
    assert says in str(error.value) and digest(GOOD) in str(error.value)
    assert not rooms[0].exists()


def test_a_file_that_changes_after_it_was_checked_is_refused(rooms, one):
    target = put(rooms[1], GOOD)
    m.locate("one", "a/b.txt", manifest=one)
    target.write_bytes(OTHER)
    os.utime(target, ns=(1, 1))
    with pytest.raises(AssetError, match="other content"):
        m.locate("one", "a/b.txt", manifest=one)


def test_a_cache_that_cannot_be_written_is_said(rooms, one):
    put(rooms[1], gzip.compress(GOOD), "one/a/b.txt.gz")
    rooms[0].write_text("a file where the cache should be")
    with pytest.raises(AssetError, match="DFE_DATA_DIR"):
        m.locate("one", "a/b.txt", manifest=one)


# ---------------------------------------------------------------- data sets without registered files


def test_a_gated_set_names_licence_and_route_and_finds_your_copy(rooms, tmp_path):
    raw = entry(access="agreement", base_url=None, layout="s<k>/x.csv")
    gated = registry.load_manifest(written(tmp_path, {"gated-set": raw}))
    assert not m.available("gated-set", manifest=gated)
    for ask in (
        lambda: m.locate("gated-set", "x", manifest=gated),
        lambda: m.folder("gated-set", manifest=gated),
    ):
        with pytest.raises(AssetError) as error:
            ask()
        for part in (
            "gated-set",
            "some licence",
            "access: agreement",
            "some manual",
            "dfe data where gated-set",
        ):
            assert part in str(error.value)
        assert "dfe data fetch" not in str(error.value)
    put(rooms[1], b"x", "gated-set/s1/x.csv")
    assert m.folder("gated-set", manifest=gated) == rooms[1] / "gated-set"
    assert m.list_rows(gated)["at_hand"].tolist() == ["own copy (not checked)"]


def test_the_list_tells_what_is_at_hand(rooms, tmp_path):
    entries = {"one": entry([file(), file("c.txt")]), "two": entry([file()]), "three": entry()}
    found = registry.load_manifest(written(tmp_path, entries))
    put(rooms[1], GOOD)
    put(rooms[0], GOOD, "two/a/b.txt")
    rows = m.list_rows(found).set_index("entry")
    assert rows["at_hand"].to_dict() == {"one": "1 of 2 files", "two": "cache", "three": "no"}
    assert rows.loc["one", "files"] == 2
    text = m.where("one", manifest=found)
    assert str(rooms[1] / "one/a/b.txt") in text and "https://example.org/data/c.txt" in text
    assert "not known to us" in m.where("three", manifest=found)


# ---------------------------------------------------------------- the inventory


def test_how_far_away_the_data_are(rooms, tmp_path):
    entries = {
        "here": entry([file()], notebooks=["01", "03"]),
        "near": entry([file()], notebooks=["03"]),
        "open": entry(),
        "gated": entry(access="request", notebooks=["05"]),
        "granted": entry(access="agreement", notebooks=["05"]),
    }
    found = registry.load_manifest(written(tmp_path, entries))
    put(rooms[1], GOOD, "here/a/b.txt")
    put(rooms[0], b"x", "granted/labels.csv")
    assert inventory.reach(found).to_dict() == {
        "here": "at hand",
        "near": "can be fetched",
        "open": "open, by hand",
        "gated": "ask the owners",
        "granted": "at hand",
    }
    grid = inventory.reach_by_notebook(found)
    assert grid.columns.tolist() == ["01", "03", "05"] and "open" not in grid.index
    assert grid.loc["here"].tolist()[:2] == [0, 0] and grid["05"].dropna().to_dict() == {
        "gated": 3,
        "granted": 0,
    }


def test_everything_that_ships_has_a_card_or_is_a_track():
    table = inventory.shipped().set_index("artefact")
    assert (table.drop(index="tracks", errors="ignore")["rebuild"] != "").all()
    assert table["KB"].sum() < 8000
    if "tracks" in table.index:
        assert list((paths.ASSETS / "tracks").glob("*.parquet"))


def test_notebooks_that_the_registry_names_exist():
    there = {p.name[:2] for p in paths.NOTEBOOKS.glob("*.ipynb")}
    named = {n for e in m.load_manifest().entries.values() for n in e.notebooks}
    assert named <= there
