"""Downloads against a real server on this machine: resume, refuse, settle."""

import gzip
import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from dfe_lib.data import fetch as f
from dfe_lib.data import manifest as m
from dfe_lib.data.registry import load_manifest
from dfe_lib.errors import ConfigError

GOOD = bytes(range(256)) * 2000
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 512000\n"


class Server(ThreadingHTTPServer):
    """Serves ``content``; ``asked`` keeps (method, path, Range) of each request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.ranges = True  # answers Range with 206
        self.break_after: list[int] = []  # cut the next transfers after so many bytes
        self.status: int | None = None  # answer every GET with it
        self.asked: list[tuple[str, str, str | None]] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"

    @property
    def gets(self):
        return [(path, span) for method, path, span in self.asked if method == "GET"]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        return None

    def do_HEAD(self):
        self.server.asked.append(("HEAD", self.path, None))
        self.send_response(405)
        self.end_headers()

    def do_GET(self):
        span = self.headers.get("Range")
        self.server.asked.append(("GET", self.path, span))
        content = self.server.content.get(self.path.lstrip("/"))
        if self.server.status or content is None:
            self.send_error(self.server.status or 404)
            return
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span and self.server.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.break_after.pop(0)] if self.server.break_after else body)


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DFE_DATA_MIRROR", "")
    for name in ("OFFLINE", "DFE_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def registered(tmp_path, url, **entries):
    """A manifest of entries name → {path: bytes}."""
    raw = {}
    for name, files in entries.items():
        raw[name] = {
            k: f"some {k}" for k in ("title", "version", "licence", "citation", "used_for", "manual")
        }
        raw[name] |= {"access": "open", "base_url": url}
        raw[name]["files"] = [
            {"path": p, "bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for p, d in files.items()
        ]
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump({"schema": 1, "entries": raw}))
    return load_manifest(path)


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
        (GOOD + b"more", "other content"),
    ],
)
def test_what_is_not_as_registered_is_refused_and_removed(tmp_path, server, cache, served, says):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = served
    (outcome,), _ = run(found)
    assert outcome.state == "unavailable" and says in outcome.reason
    assert hashlib.sha256(GOOD).hexdigest() in outcome.reason and "nothing was kept" in outcome.reason
    if len(served) <= len(GOOD):
        assert hashlib.sha256(served).hexdigest() in outcome.reason
    assert list((cache / "one").iterdir()) == []


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
        yield f"http://127.0.0.1:{s.getsockname()[1]}/"


def test_the_first_refused_connection_settles_that_the_machine_is_offline(
    tmp_path, cache, nobody, monkeypatch
):
    found = registered(tmp_path, nobody, one={f"{i}.bin": GOOD for i in range(50)}, two={"b": GOOD})
    knocks = []
    knock = f._knock
    monkeypatch.setattr(f, "_knock", lambda url: knocks.append(url) or knock(url))
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
def test_a_full_disk_is_said_and_leaves_only_the_part(tmp_path, server, cache):
    found = registered(tmp_path, server.url, one={"b.bin": GOOD})
    server.content["b.bin"] = GOOD
    (cache / "one").mkdir(parents=True)
    (cache / "one/b.bin.part").symlink_to("/dev/full")  # every write there fails for want of space
    (outcome,), _ = run(found)
    assert outcome.state == "unavailable"
    assert "No space left" in outcome.reason and "DFE_DATA_DIR" in outcome.reason
    assert [p.name for p in (cache / "one").iterdir()] == ["b.bin.part"]


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
