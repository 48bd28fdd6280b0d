"""What the tests that drive a real browser share: marks for the module, and how the browser is started."""

from __future__ import annotations

import pytest

from dfe_lib.bench.explorer import CHROMIUM

ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]  # root may not have the sandbox

MARKS = [
    pytest.mark.browser,
    pytest.mark.enable_socket,  # playwright talks to the browser over the loopback
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on the PATH; install it to try the pages for real"
    ),
]
