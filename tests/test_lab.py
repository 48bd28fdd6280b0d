"""JupyterLab as `make lab` and `dfe explore` start it: on this machine alone, and for nobody without the token."""

import json
import os
import shlex
import subprocess
import time

import psutil
import pytest
import requests

from dfe_lib.explorer import opening
from dfe_lib.paths import REPOSITORY

pytestmark = pytest.mark.enable_socket  # the server on this machine


def of_make():
    """The command of `make lab`, without the setting up before it."""
    said = subprocess.run(
        ["make", "-C", REPOSITORY, "-n", "-o", ".venv/.installed", "lab"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")
    (line,) = [line for line in said.splitlines() if "jupyterlab" in line and "--notebook-dir" in line]
    setting, *command = shlex.split(line)
    return [str(REPOSITORY / command[0]), *command[1:]], dict([setting.split("=", 1)])


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running JupyterLab, of somebody whose own settings open it to the network: its process, and what it tells."""
    home = tmp_path_factory.mktemp("home")
    (home / "config").mkdir()
    (home / "config" / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": {"ip": "0.0.0.0"}}))
    command, settings = of_make()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    places = {f"JUPYTER_{what.upper()}_DIR": str(home / what) for what in ("config", "runtime", "data")}
    places |= {"HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
    with open(home / "log", "w") as log:
        started = subprocess.Popen(
            [*command, "--no-browser", "--ServerApp.port=0"],
            env=inherited | settings | places,
            cwd=REPOSITORY,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(600):
            found = list((home / "runtime").glob("jpserver-*.json"))
            if found and found[0].stat().st_size:
                break
            assert started.poll() is None, (home / "log").read_text()
            time.sleep(0.1)
        yield started, json.loads(found[0].read_text())
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()


def test_it_listens_on_this_machine_alone(lab):
    started, said = lab
    listening = [
        c.laddr for c in psutil.Process(started.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN
    ]
    assert listening and {address.ip for address in listening} <= {"127.0.0.1", "::1"}
    assert said["port"] in {address.port for address in listening}


@pytest.mark.parametrize(
    "path", ["api/contents", "api/kernels", "api/sessions", "api/terminals", "files/README.md"]
)
def test_nobody_gets_anything_without_the_token(lab, path):
    _, said = lab
    assert len(said["token"]) >= 40
    for headers in ({}, {"Authorization": "token 0"}, {"Authorization": "token "}):
        answer = requests.get(said["url"] + path, headers=headers, allow_redirects=False, timeout=10)
        assert answer.status_code == 403 or "/login" in answer.headers.get("Location", "")
        assert said["token"] not in answer.text


def test_nobody_starts_anything_without_the_token(lab):
    _, said = lab
    for path in ("api/terminals", "api/kernels", "api/contents"):
        assert requests.post(said["url"] + path, json={}, timeout=10).status_code == 403
    answer = requests.get(said["url"] + "lab", allow_redirects=False, timeout=10)
    assert answer.status_code == 302 and "/login" in answer.headers["Location"]


def test_the_token_opens_it_and_other_pages_may_not_use_it(lab):
    _, said = lab
    known = {"Authorization": f"token {said['token']}"}
    assert requests.get(said["url"] + "api/contents", headers=known, timeout=10).status_code == 200
    answer = requests.get(said["url"] + "lab", headers=known, timeout=10)
    assert answer.status_code == 200 and not answer.headers.get("Access-Control-Allow-Origin")
    # A page of another site, or one that a name of another's points here (DNS rebinding), is not served.
    rebound = requests.get(said["url"] + "api", headers=known | {"Host": "evil.example"}, timeout=10)
    assert rebound.status_code == 403


def test_the_explorer_is_opened_in_the_same_way():
    command, settings = of_make()
    given = opening.command(opening.NOTEBOOK)
    assert "--ServerApp.ip=127.0.0.1" in command and "--ServerApp.ip=127.0.0.1" in given
    options = [a for a in (*command, *given) if a.startswith("--")]
    assert not [
        o for o in options if any(w in o.lower() for w in ("token", "password", "allow_origin", "xsrf"))
    ]
    assert settings["JUPYTER_CONFIG_PATH"].startswith(str(REPOSITORY / "notebooks" / ".jupyter"))
