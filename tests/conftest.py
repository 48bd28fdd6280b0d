"""What every test stands on: no network, fixed seeds, and assets only where they are at hand."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from pytest_socket import socket_allow_hosts

LOCAL = ["127.0.0.1", "::1", "localhost"]

# Processes that tests start (kernels, a browser, the dfe command) are out of pytest-socket's reach; these
# settings keep them off the network too. Port 9 discards: whatever asks for a proxy fails at once.
os.environ["DFE_OFFLINE"] = "1"
for _name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[_name] = "http://127.0.0.1:9"
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(LOCAL)
os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(autouse=True)
def _no_network():
    """Connections leave the machine in no test; kernels and the browser talk over the loopback."""
    socket_allow_hosts(LOCAL, allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _seeds():
    """Library code takes generators; this is for code of others that draws from the global state."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh generator with seed 0."""
    return np.random.default_rng(0)


@pytest.fixture
def mirror():
    """``mirror("pyfeat-media", "single_face.mp4")``: path of an asset's file, or a skip naming it."""
    from dfe_lib.data import manifest

    def locate(entry: str, path: str):
        if not manifest.available(entry):
            pytest.skip(f"asset '{entry}' is not at hand (dfe data fetch {entry})")
        return manifest.locate(entry, path)

    return locate


@pytest.fixture
def dfe(monkeypatch, capsys):
    """Run the command in this process: ``dfe("extract", …) -> (exit code, stdout, stderr)``."""
    from dfe_lib import cli

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["dfe", *map(str, arguments)])
        monkeypatch.setattr(cli, "_debug", False)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return call


@pytest.fixture(scope="module")
def browser():
    """Chromium, cut off from every network; for modules marked as ``driven.MARKS``."""
    import driven
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=driven.CHROMIUM, args=driven.ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pem(tmp_path_factory):
    """Certificate and key of ``publisher``."""
    from publisher import certificate

    return certificate(tmp_path_factory.mktemp("publisher"))
