"""Downloads against a real server on this machine: resume, refuse, settle."""

import gzip
import hashlib
import os
import socket

import pytest
import yaml
from publisher import empty_cache, registered, serving

from dfe_lib.data import fetch as f
from dfe_lib.data import manifest as m
from dfe_lib.data import network
from dfe_lib.data.registry import load_manifest
from dfe_lib.errors import ConfigError

GOOD = bytes(range(256)) * 2000
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 512000\n"


@pytest.fixture
def server(pem):
    with serving(pem) as running:
        yield running


@pytest.fixture
def cache(tmp_path, monkeypatch, pem):
    return empty_cache(tmp_path, monkeypatch, pem)


def run(manifest, names=None, **keys):
    lines = []
    return f.fetch(names, manifest=manifest, say=lines.append, **keys), lines


def test_a_download_is_announced_verified_and_found_afterwards(tmp_path, server, cache):
    found = registered(tmp_path, server.url, one={"a/b.bin": GOOD})
    server.content["a/b.bin"] = GOOD
    (outcome,), lines = run(found)
    assert (outcome.state, outcome.ok, outcome.bytes) == ("downloaded", True, len(GOOD))
    assert lines[0].startswith("to download: 1 files, 0.5 MB")
    assert m.locate("one", "a/b.bin", manifest=found).read_bytes() == GOOD
    assert [p.name for p in (cache / "one/a").iterdir()] == ["b.bin"]
    (again,), lines = run(found)
    assert again.state == "have" and len(server.gets) == 1 and len(lines) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_goes_on_where_it_stopped(tmp_path, server, cache, ranges):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"], server.ranges = GOOD, ranges
    part = cache / "one/b.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(GOOD[:1000])
    (outcome,), _ = run(found)
    assert outcome.state == "downloaded" and not part.exists()
    assert server.gets == [("/b.bin", "bytes=1000-")]


def test_a_transfer_that_breaks_goes_on_by_itself(tmp_path, server, cache):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"], server.break_after = GOOD, [200_000]
    (outcome,), _ = run(found)
    assert outcome.state == "downloaded"
    (_, first), (_, second) = server.gets
    assert first is None and 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 200_000


def test_a_transfer_that_keeps_breaking_leaves_only_the_part(tmp_path, server, cache):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"], server.break_after = GOOD, [100_000, 100_000, 100_000]
    (outcome,), _ = run(found)
    assert outcome.state == "unavailable" and "run it again" in outcome.reason
    assert [p.name for p in (cache / "one").iterdir()] == ["b.bin.part"]
    (outcome,), _ = run(found)
    assert outcome.state == "downloaded"


@pytest.mark.parametrize("stale", [b"stale" * 200, b"stale" * 200_000, b"x" * len(GOOD)])
def test_a_part_of_something_else_does_no_harm(tmp_path, server, cache, stale):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = GOOD
    (cache / "one").mkdir(parents=True)
    (cache / "one/b.bin.part").write_bytes(stale)
    (outcome,), _ = run(found)
    assert outcome.state == "downloaded"
    assert m.read_bytes("one", "b.bin", manifest=found) == GOOD


@pytest.mark.parametrize(
    ("served", "says"),
    [
        (b"", "is empty"),
        (GOOD[:-1], "truncated (511999 of 512000 bytes)"),
        (LFS, "Git LFS pointer"),
        (GOOD[::-1], "other content"),
    ],
)
def test_what_is_not_as_registered_is_refused_and_removed(tmp_path, server, cache, served, says):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = served
    (outcome,), _ = run(found)
    assert outcome.state == "unavailable" and says in outcome.reason
    assert hashlib.sha256(GOOD).hexdigest() in outcome.reason and "nothing was kept" in outcome.reason
    assert hashlib.sha256(served).hexdigest() in outcome.reason
    assert not list((cache / "one").glob("*"))


def test_a_damaged_cache_is_mended_from_a_mirror_or_the_publisher(tmp_path, server, cache, monkeypatch):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = GOOD
    (cache / "one").mkdir(parents=True)
    (cache / "one/b.bin").write_bytes(GOOD[::-1])
    (outcome,), _ = run(found)
    assert outcome.state == "downloaded" and m.read_bytes("one", "b.bin", manifest=found) == GOOD
    mirror = tmp_path / "mirror"
    (mirror / "one").mkdir(parents=True)
    (mirror / "one/b.bin.gz").write_bytes(gzip.compress(GOOD))
    monkeypatch.setenv("DFE_DATA_MIRROR", str(mirror))
    (cache / "one/b.bin").write_bytes(b"")
    (outcome,), _ = run(found, offline=True)
    assert outcome.state == "mirror" and m.read_bytes("one", "b.bin", manifest=found) == GOOD
    assert len(server.gets) == 1


def test_a_mirror_is_enough_and_is_never_touched(tmp_path, server, cache, monkeypatch):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = GOOD
    mirror = tmp_path / "mirror"
    (mirror / "one").mkdir(parents=True)
    (mirror / "one/b.bin").write_bytes(GOOD)
    monkeypatch.setenv("DFE_DATA_MIRROR", str(mirror))
    (outcome,), _ = run(found)
    assert outcome.state == "mirror" and server.asked == [] and not cache.exists()
    (mirror / "one/b.bin").write_bytes(b"damaged")
    (outcome,), _ = run(found)
    assert outcome.state == "downloaded" and (mirror / "one/b.bin").read_bytes() == b"damaged"
    assert m.read_bytes("one", "b.bin", manifest=found) == GOOD
    (cache / "one/b.bin").unlink()
    (mirror / "one/b.bin").write_bytes(GOOD)
    (outcome,), _ = run(found, mirror=False)
    assert outcome.state == "downloaded" and (cache / "one/b.bin").exists()


@pytest.fixture
def nobody():
    """The url of a port where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{s.getsockname()[1]}/"


def test_the_first_refused_connection_settles_that_the_machine_is_offline(
    tmp_path, cache, nobody, monkeypatch
):
    found = registered(tmp_path, nobody, one={f"{i}.bin": GOOD for i in range(50)}, two={"b": GOOD})
    knocks = []
    knock = network._knock
    monkeypatch.setattr(network, "_knock", lambda url: knocks.append(url) or knock(url))
    outcomes, lines = run(found)
    assert [o.state for o in outcomes] == ["unavailable", "unavailable"]
    assert "counts as offline" in outcomes[1].reason and len(knocks) == 1
    assert "dfe data where" in lines[-1]
    assert not cache.exists()


@pytest.mark.parametrize("switch", ["OFFLINE", "DFE_OFFLINE"])
def test_the_offline_switch_asks_nobody(tmp_path, server, cache, monkeypatch, switch):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    monkeypatch.setenv(switch, "1")
    (outcome,), _ = run(found)
    assert outcome.state == "unavailable" and "offline switch" in outcome.reason and server.asked == []
    monkeypatch.setenv(switch, "0")
    assert not f.is_offline()


def test_a_missing_file_leaves_the_others_and_a_refusing_host_is_asked_once(tmp_path, server, cache):
    found = registered(tmp_path, server.url, one={"a": b"a", "b": b"b", "c": b"c"})
    server.content = {"a": b"a", "c": b"c"}
    (outcome,), _ = run(found)
    assert outcome.state == "unavailable" and "404" in outcome.reason
    assert sorted(os.listdir(cache / "one")) == ["a", "c"]
    server.asked.clear()
    server.status = 503
    other = registered(tmp_path, server.url, two={str(i): b"x" for i in range(20)})
    (outcome,), _ = run(other)
    assert "503" in outcome.reason and "19 more" in outcome.reason and len(server.gets) == 1


def test_a_second_url_is_tried(tmp_path, server, cache):
    raw = yaml.safe_load(
        registered(tmp_path, server.url, one={"b": b"b"}) and (tmp_path / "m.yaml").read_text()
    )
    raw["entries"]["one"]["files"][0]["urls"] = ["gone", "there"]
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(raw))
    server.content["there"] = b"b"
    (outcome,), _ = run(load_manifest(tmp_path / "m.yaml"))
    assert outcome.state == "downloaded"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_said(tmp_path, server, cache, monkeypatch):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = GOOD
    monkeypatch.setattr(
        network, "_open_part", lambda part, go_on: open("/dev/full", "wb")
    )  # every write fails
    (outcome,), _ = run(found)
    assert outcome.state == "unavailable"
    assert "No space left" in outcome.reason and "DFE_DATA_DIR" in outcome.reason
    assert not list((cache / "one").glob("*"))


def test_an_interruption_leaves_only_the_part(tmp_path, server, cache, monkeypatch):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = GOOD

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(f, "_accept", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(found)
    assert [p.name for p in (cache / "one").iterdir()] == ["b.bin.part"]


def test_gated_entries_are_never_asked_for(tmp_path, server, cache):
    raw = yaml.safe_load(
        registered(tmp_path, server.url, one={"b": b"b"}) and (tmp_path / "m.yaml").read_text()
    )
    raw["entries"]["one"]["access"] = "agreement"
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(raw))
    found = load_manifest(tmp_path / "m.yaml")
    (outcome,), _ = run(found, ["one"])
    assert outcome.state == "unavailable" and server.asked == []
    for part in ("'one'", "some licence", "agreement", "some manual", "dfe data where one"):
        assert part in outcome.reason
    assert run(found)[0] == []  # by default only what is open
    with pytest.raises(ConfigError, match="did you mean 'one'"):
        run(found, ["onne"])
