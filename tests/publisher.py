"""A publisher of files on this machine, over https with a certificate of its own, and manifests that name it."""

import datetime
import hashlib
import ipaddress
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dfe_lib.data.registry import load_manifest

LOCAL = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Serves ``content``; ``asked`` keeps (method, path, Range) of each request."""

    daemon_threads = True

    def __init__(self, context):
        super().__init__((LOCAL, 0), Handler)
        self.context = context
        self.content: dict[str, bytes] = {}
        self.ranges = True  # answers Range with 206
        self.break_after: list[int] = []  # cut the next transfers after so many bytes
        self.status: int | None = None  # answer every GET with it
        self.answer = None  # answer every GET by this function of the handler
        self.asked: list[tuple[str, str, str | None]] = []
        self.told: list[dict] = []  # the headers of each request

    def finish_request(self, request, client):
        request.settimeout(20)
        try:  # the handshake here, in the request's own thread: nobody waits for somebody who says nothing
            super().finish_request(self.context.wrap_socket(request, server_side=True), client)
        except OSError:
            pass  # the client hung up, which is often what a test is about

    @property
    def url(self):
        return f"https://{LOCAL}:{self.server_address[1]}/"

    @property
    def gets(self):
        return [(path, span) for method, path, span in self.asked if method == "GET"]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        return None

    def do_HEAD(self):
        self.server.asked.append(("HEAD", self.path, None))
        self.server.told.append(dict(self.headers))
        self.send_response(405)
        self.end_headers()

    def do_GET(self):
        span = self.headers.get("Range")
        self.server.asked.append(("GET", self.path, span))
        self.server.told.append(dict(self.headers))
        if self.server.answer:
            return self.server.answer(self)
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


def certificate(folder):
    """A self-signed certificate for 127.0.0.1; returns one file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's publisher")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOCAL))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "publisher.pem"
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )
    return path


@contextmanager
def serving(pem):
    """A running server that shows the certificate of ``pem``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with Server(context) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def empty_cache(tmp_path, monkeypatch, pem):
    """An empty cache, no mirror, no proxy and no offline switch; the publisher's certificate is believed."""
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DFE_DATA_MIRROR", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
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
