"""Publishers who lie, stall, send too much or point elsewhere; links where a download wants to write."""

import gzip
import os
import time
import tracemalloc
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import yaml
from publisher import empty_cache, registered, serving

from dfe_lib.data import fetch as f
from dfe_lib.data import manifest as m
from dfe_lib.data import network
from dfe_lib.data.registry import https_host, load_manifest
from dfe_lib.errors import AssetError, ConfigError

GOOD = bytes(range(256)) * 2000


@pytest.fixture
def server(pem):
    with serving(pem) as running:
        running.content["b.bin"] = GOOD
        yield running


@pytest.fixture
def cache(tmp_path, monkeypatch, pem):
    return empty_cache(tmp_path, monkeypatch, pem)


@pytest.fixture
def one(tmp_path, server, cache):
    """A manifest of one file that the server has."""
    return registered(tmp_path, server.url, one={"b.bin": GOOD})


def run(manifest):
    (outcome,) = f.fetch(None, manifest=manifest, say=lambda line: None)
    return outcome


def left(cache):
    """What lies in the cache, unfinished downloads included."""
    return sorted(p.relative_to(cache).as_posix() for p in cache.rglob("*") if not p.is_dir())


def head(handler, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


# ---------------------------------------------------------------- urls and redirects


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "HTTP://example.org/a",
        "ftp://example.org/a",
        "file:///etc/passwd",
        "file://example.org/etc/passwd",
        "javascript:alert(1)",
        "data:text/plain,x",
        "//example.org/a",
        "/etc/passwd",
        "https:///a",
        "https:a",
        "https://",
        "https://me@example.org/a",
        "https://me:secret@example.org/a",
        "https://:@example.org/a",
        "https://example.org:99999/a",
        "https://example.org:x/a",
        "https://[::1/a",
        "https://example.org\\@other.org/a",
        "https://example.org/a b",
        "https://example.org/\r\nX-Evil: 1",
        "https://example.org/\0",
        "https://exämple.org/",
        "",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused(url):
    with pytest.raises(ConfigError):
        https_host(url)


def test_the_shipped_manifest_names_two_hosts():
    hosts = {https_host(u) for e in load_manifest().entries.values() for file in e.files for u in file.urls}
    assert hosts == {"storage.googleapis.com", "raw.githubusercontent.com"}


def test_a_redirect_stays_with_the_hosts_of_the_entry(tmp_path, server, cache, one, pem):
    with serving(pem) as elsewhere:
        elsewhere.content["b.bin"] = GOOD  # the right bytes even
        server.answer = lambda h: head(h, 302, Location=elsewhere.url + "b.bin")
        outcome = run(one)
        host = urlsplit(elsewhere.url).netloc
        assert outcome.state == "unavailable" and f"redirects to {host}" in outcome.reason
        assert elsewhere.asked == [] and left(cache) == []
        raw = yaml.safe_load((tmp_path / "m.yaml").read_text())
        raw["entries"]["one"]["files"][0]["urls"] = ["b.bin", elsewhere.url + "not-there"]  # now it is named
        (tmp_path / "m.yaml").write_text(yaml.safe_dump(raw))
        assert run(load_manifest(tmp_path / "m.yaml")).state == "downloaded"
        assert elsewhere.gets == [("/b.bin", None)]


def test_a_redirect_within_the_host_is_followed(server, cache, one):
    server.content["new/b.bin"] = GOOD

    def moved(handler):
        if handler.path == "/b.bin":
            return head(handler, 301, Location="/new/b.bin")
        head(handler, Content_Length=str(len(GOOD)))
        handler.wfile.write(GOOD)

    server.answer = moved
    assert run(one).state == "downloaded"


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://{host}/b.bin", "https alone"),
        ("file:///etc/hostname", "not an https url"),
        ("ftp://{host}/b.bin", "https alone"),
        ("https://me:secret@{host}/b.bin", "account"),
        ("//other.example/b.bin", "redirects to other.example"),
        ("https://[oops/b.bin", "no url of a publisher"),
        ("/b.bin", "more than 3 times"),
        ("", "more than 3 times"),
    ],
)
def test_a_redirect_that_leads_astray_is_refused(server, cache, one, location, says):
    server.answer = lambda h: head(h, 307, Location=location.format(host=urlsplit(server.url).netloc))
    outcome = run(one)
    assert outcome.state == "unavailable" and says in outcome.reason and left(cache) == []
    assert "secret" not in outcome.reason


def test_the_body_of_a_redirect_is_not_read(server, cache, one):
    sent = []

    def answer(handler):
        head(handler, 302, Location="/b.bin")
        while sum(sent) < 10**9:
            handler.wfile.write(bytes(1 << 20))
            sent.append(1 << 20)

    server.answer = answer
    assert "more than 3 times" in run(one).reason
    assert sum(sent) < 10**8  # what fits into the buffers of the sockets


def test_a_certificate_that_nobody_vouches_for_is_refused(server, cache, one, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    outcome = run(one)
    assert outcome.state == "unavailable" and "SSLError" in outcome.reason and server.gets == []


def test_no_account_of_the_user_is_told_to_a_publisher(tmp_path, server, cache, one, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {urlsplit(server.url).hostname} login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert run(one).state == "downloaded"
    assert [method for method, *_ in server.asked] == ["HEAD", "GET"]
    assert not any("Authorization" in told for told in server.told)


# ---------------------------------------------------------------- lengths and bodies


@pytest.mark.parametrize(
    ("length", "says"),
    [
        (len(GOOD) + 1, "announces 512001 bytes"),
        (10**17, "announces 1"),
        ("-5", "announces '-5'"),
        ("many", "announces 'many'"),
        ("0x10", "announces '0x10'"),
        ("9" * 500, "announces '99"),
        (len(GOOD) - 1, "truncated"),
        (0, "is empty"),
    ],
)
def test_a_wrong_length_is_refused(server, cache, one, length, says):
    def answer(handler):
        head(handler, Content_Length=str(length))
        handler.wfile.write(GOOD)

    server.answer = answer
    outcome = run(one)
    assert outcome.state == "unavailable" and says in outcome.reason and left(cache) == []


def test_no_length_at_all_is_no_harm(server, cache, one):
    server.answer = lambda h: (head(h), h.wfile.write(GOOD))
    assert run(one).state == "downloaded"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_without_end_is_cut_at_the_registered_size(server, cache, one, monkeypatch, chunked):
    sent, largest = [], []
    accept = f._accept
    monkeypatch.setattr(f, "_accept", lambda *a: largest.append(a[3].stat().st_size) or accept(*a))

    def answer(handler):
        handler.protocol_version = "HTTP/1.1"
        head(handler, **({"Transfer_Encoding": "chunked"} if chunked else {}))
        while True:
            handler.wfile.write((b"10000\r\n" + bytes(1 << 16) + b"\r\n") if chunked else bytes(1 << 16))
            sent.append(1 << 16)

    server.answer = answer
    outcome = run(one)
    assert outcome.state == "unavailable" and "other content" in outcome.reason and left(cache) == []
    assert largest == [len(GOOD) + 1]
    assert sum(sent) < len(GOOD) + (64 << 20)  # what fits into the buffers of two sockets


def test_what_is_packed_on_its_way_is_not_unpacked(server, cache, one):
    bomb = gzip.compress(bytes(10**8))

    def answer(handler):
        head(handler, Content_Encoding="gzip", Content_Length=str(len(bomb)))
        handler.wfile.write(bomb)

    server.answer = answer
    tracemalloc.start()
    outcome = run(one)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome.state == "unavailable" and "packed as 'gzip'" in outcome.reason and left(cache) == []
    assert peak < 10**7


@pytest.mark.parametrize("status", [204, 300, 304, 206])
def test_an_answer_that_is_no_file_is_refused(server, cache, one, status):
    server.answer = lambda h: head(h, status)
    assert run(one).state == "unavailable" and left(cache) == []


def test_other_bytes_after_a_break_do_not_get_the_name(server, cache, one):
    """The first half of one file and the second of another; a second time, from the start, all is well."""
    (cache / "one").mkdir(parents=True)
    (cache / "one/b.bin.part").write_bytes(GOOD[:1000])

    def answer(handler):
        if handler.headers.get("Range"):
            rest = bytes(len(GOOD) - 1000)
            head(handler, 206, Content_Range=f"bytes 1000-{len(GOOD) - 1}/{len(GOOD)}")
            return handler.wfile.write(rest)
        head(handler)
        handler.wfile.write(GOOD)

    server.answer = answer
    assert run(one).state == "downloaded" and [span for _, span in server.gets] == ["bytes=1000-", None]
    assert m.read_bytes("one", "b.bin", manifest=one) == GOOD


@pytest.mark.parametrize("span", ["bytes 5-10/16", "bytes 999-511999/512000", "nonsense", ""])
def test_another_part_than_was_asked_for_is_not_appended(server, cache, one, span):
    (cache / "one").mkdir(parents=True)
    (cache / "one/b.bin.part").write_bytes(GOOD[:1000])
    server.answer = lambda h: (head(h, 206, Content_Range=span), h.wfile.write(GOOD))
    assert run(one).state == "downloaded" and left(cache) == ["one/b.bin"]


# ---------------------------------------------------------------- time


def dripping(where):
    """Answers in which one byte comes every 0.05 s, without end, from the given place on."""

    def drip(handler, byte):
        while True:
            handler.wfile.write(byte)
            handler.wfile.flush()
            time.sleep(0.05)

    def answer(handler):
        if where == "status":
            drip(handler, b"H")
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        if where == "headers":
            drip(handler, b"x")
        if where == "body":
            handler.wfile.write(b"\r\n")
            drip(handler, b"x")
        handler.wfile.write(b"Transfer-Encoding: chunked\r\n\r\n")
        drip(handler, b"0")  # the length of the first chunk

    return answer


@pytest.mark.parametrize("where", ["status", "headers", "body", "chunk"])
def test_a_drip_is_given_up(server, cache, one, monkeypatch, where):
    for name, value in (("CONNECT_S", 0.2), ("READ_S", 0.3), ("SLOWEST", 10**7)):
        monkeypatch.setattr(network, name, value)
    server.answer = dripping(where)
    start = time.monotonic()
    outcome = run(one)
    assert outcome.state == "unavailable" and "TooSlow" in outcome.reason
    assert time.monotonic() - start < 10  # without a limit: for ever
    assert all(name.endswith(".part") for name in left(cache))


# ---------------------------------------------------------------- links in the way


@pytest.fixture
def victim(tmp_path):
    """A file and a folder outside the cache that must stay as they are."""
    place = tmp_path / "home"
    place.mkdir()
    (place / ".bashrc").write_text("mine")
    yield place
    assert [p.name for p in place.iterdir()] == [".bashrc"] and (place / ".bashrc").read_text() == "mine"


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("name", ["b.bin", "b.bin.part"])
def test_a_link_under_the_name_of_a_download_is_replaced_not_followed(server, cache, one, victim, link, name):
    (cache / "one").mkdir(parents=True)
    link(victim / ".bashrc", cache / "one" / name)
    assert run(one).state == "downloaded"
    found = cache / "one/b.bin"
    assert left(cache) == ["one/b.bin"] and not found.is_symlink() and found.stat().st_nlink == 1


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("name", [".lock", ".b.bin.part"])
def test_a_link_under_the_name_of_a_lock_or_a_staged_file_harms_nobody(
    tmp_path, server, cache, one, victim, link, name, monkeypatch
):
    """Whether it goes on or refuses: what is outside stays as it is, which the fixture looks at."""
    (cache / "one").mkdir(parents=True)
    link(victim / ".bashrc", cache / "one" / name)
    assert run(one).state in ("downloaded", "unavailable")
    mirror = tmp_path / "mirror/one"
    mirror.mkdir(parents=True)
    (mirror / "b.bin.gz").write_bytes(gzip.compress(GOOD))
    (cache / "one/b.bin").unlink(missing_ok=True)
    monkeypatch.setenv("DFE_DATA_MIRROR", str(tmp_path / "mirror"))
    with suppress(AssetError):
        m.locate("one", "b.bin", manifest=one)


def test_a_link_to_nowhere_is_not_created_there(server, cache, one, victim):
    (cache / "one").mkdir(parents=True)
    (cache / "one/b.bin.part").symlink_to(victim / "new")
    assert run(one).state == "downloaded" and left(cache) == ["one/b.bin"]


def test_a_folder_that_leads_out_of_the_cache_is_refused(tmp_path, server, cache, victim, monkeypatch):
    found = registered(tmp_path, server.url, one={"a/b.bin": GOOD})
    server.content["a/b.bin"] = GOOD
    for link in (cache / "one/a", cache / "one"):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(victim)
        outcome = run(found)
        assert outcome.state == "unavailable" and f"symbolic link {link}" in outcome.reason
        mirror = tmp_path / "mirror/one/a"
        mirror.mkdir(parents=True, exist_ok=True)
        (mirror / "b.bin.gz").write_bytes(gzip.compress(GOOD))
        with monkeypatch.context() as patch:
            patch.setenv("DFE_DATA_MIRROR", str(tmp_path / "mirror"))
            with pytest.raises(AssetError, match="symbolic link"):
                m.locate("one", "a/b.bin", manifest=found)
        link.unlink()
        if link.parent != cache:
            link.parent.rmdir()


def test_the_cache_itself_may_be_a_link_to_a_larger_disk(tmp_path, server, cache, one):
    (tmp_path / "disk").mkdir()
    cache.symlink_to(tmp_path / "disk")
    assert run(one).state == "downloaded" and (tmp_path / "disk/one/b.bin").read_bytes() == GOOD


def test_a_data_set_of_your_own_may_be_a_link(tmp_path, cache):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/clip.mp4").write_bytes(b"x")
    cache.mkdir()
    (cache / "disfa").symlink_to(tmp_path / "disk")
    assert m.folder("disfa") == cache / "disfa"


def test_a_link_is_read_only_where_its_content_is_what_was_registered(server, cache, one, tmp_path):
    (cache / "one").mkdir(parents=True)
    (tmp_path / "there").write_bytes(GOOD)
    (cache / "one/b.bin").symlink_to(tmp_path / "there")
    assert m.read_bytes("one", "b.bin", manifest=one) == GOOD
    (cache / "one/b.bin").unlink()
    (cache / "one/b.bin").symlink_to("/etc/passwd")
    with pytest.raises(AssetError, match="refused"):
        m.read_bytes("one", "b.bin", manifest=one)


@pytest.mark.parametrize("name", ["b.bin", "b.bin.gz"])
def test_what_is_no_file_is_not_opened(server, cache, one, name):
    (cache / "one").mkdir(parents=True)
    os.mkfifo(cache / "one" / name)  # reading it would wait for ever
    assert m.available("one", manifest=one) is False
    with pytest.raises(AssetError, match="neither in the cache"):
        m.read_bytes("one", "b.bin", manifest=one)


# ---------------------------------------------------------------- bombs in a mirror


def test_a_packed_file_of_ten_gigabytes_takes_no_memory(tmp_path, cache, one, monkeypatch):
    member = gzip.compress(bytes(16 << 20))
    room = tmp_path / "mirror/one"
    room.mkdir(parents=True)
    (room / "b.bin.gz").write_bytes(member * 640)
    monkeypatch.setenv("DFE_DATA_MIRROR", str(tmp_path / "mirror"))
    tracemalloc.start()
    with pytest.raises(AssetError, match="refused"):
        m.read_bytes("one", "b.bin", manifest=one)
    with pytest.raises(AssetError, match="refused"):
        m.locate("one", "b.bin", manifest=one)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20 and not cache.exists()


@pytest.mark.parametrize("name", ["b.bin", "b.bin.gz"])
def test_a_file_of_terabytes_of_holes_is_not_read(tmp_path, cache, one, monkeypatch, name):
    room = tmp_path / "mirror/one"
    room.mkdir(parents=True)
    with (room / name).open("wb") as stream:
        stream.truncate(4 << 40)
    monkeypatch.setenv("DFE_DATA_MIRROR", str(tmp_path / "mirror"))
    for use in (m.read_bytes, m.locate):
        with pytest.raises(AssetError, match="it was not read"):
            use("one", "b.bin", manifest=one)
    (outcome,) = m.verify(["one"], manifest=one)
    assert outcome.state == "refused"
