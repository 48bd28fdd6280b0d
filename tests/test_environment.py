"""pyproject.toml, requirements.lock and environment.yml describe one environment, and no machine."""

import importlib.metadata
import os
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from dfe_lib.doctor import locked
from dfe_lib.paths import PACKAGE, REPOSITORY

LOCK = {canonicalize_name(k): v for k, v in locked(REPOSITORY / "requirements.lock").items()}
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
DIRECT = [Requirement(r) for r in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]


def conda() -> dict:
    return yaml.safe_load((REPOSITORY / "environment.yml").read_text())


def test_every_direct_dependency_is_locked_within_its_bounds():
    for requirement in DIRECT:
        version = LOCK.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is in pyproject.toml but not in requirements.lock"
        assert requirement.specifier.contains(version), f"{requirement} excludes the locked {version}"


def test_conda_takes_what_is_locked_and_reads_no_other_file():
    """Binder's builder looks for files that pip lines name in a temporary folder, so none is named."""
    (lines,) = [d["pip"] for d in conda()["dependencies"] if isinstance(d, dict)]
    assert [line for line in lines if line.startswith("-")] == ["-e ."]
    pins = dict(line.split("==") for line in lines if not line.startswith("-"))
    assert {canonicalize_name(n): v for n, v in pins.items()} == LOCK
    assert {"python=3.11", "pip"} <= {d for d in conda()["dependencies"] if isinstance(d, str)}


def test_the_lock_is_the_closure_of_the_direct_dependencies():
    """What is needed here is locked, and nothing is locked that no dependency asks for."""
    needed, todo = set(), [(r.name, frozenset(r.extras)) for r in DIRECT]
    while todo:
        name, extras = todo.pop()
        key = (canonicalize_name(name), extras)
        if key in needed:
            continue
        needed.add(key)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in (*extras, "")):
                todo.append((requirement.name, frozenset(requirement.extras)))
    names = {name for name, _ in needed}
    assert names - set(LOCK) <= BUILD_SPECIFIC, "needed but not locked"
    # torch needs setuptools only from Python 3.12 on, and the editable install builds with it.
    assert set(LOCK) - names <= {"setuptools"}, "locked but needed by nothing"


# A CUDA build of torch brings these, each pinned by torch itself.
BUILD_SPECIFIC = {n for n in LOCK if n.startswith("nvidia-")} | {"triton", "cuda-bindings"}


def test_what_is_installed_is_what_is_locked():
    for name, version in LOCK.items():
        installed = Version(importlib.metadata.version(name))
        assert installed.public == version, f"{name} is {installed}, the lock says {version}; run `make env`"


def test_torch_is_pinned_without_a_build():
    assert LOCK["torch"] == "2.13.0"


def test_pythons_agree():
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


TEXTS = (".py", ".md", ".toml", ".lock", ".yml", ".yaml", ".ipynb", ".cff", "")


def tracked() -> list[str]:
    done = subprocess.run(["git", "-C", REPOSITORY, "ls-files"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return done.stdout.split("\n")[:-1]


def test_nothing_committed_names_this_machine_or_a_package_index():
    forbidden = re.compile(
        # Spelt in parts: this file is among those that are searched.
        "|".join(
            (
                "/wo" + r"rk/",
                "/ro" + r"ot/\.",
                r"/(home|Users)/" + r"\w",
                "--(extra-)?index" + "-url",
                "--find" + "-links",
            )
        )
    )
    for name in tracked():
        path = REPOSITORY / name
        if path.suffix in TEXTS and path.is_file():
            found = forbidden.search(path.read_text(encoding="utf-8"))
            assert not found, f"{name} contains '{found and found.group()}'"


def test_shipped_assets_are_small_and_unexecutable():
    files = [p for p in (PACKAGE / "assets").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 8e6
    assert {p.suffix for p in files if p.name != "SHA256SUMS"} <= {".safetensors", ".json", ".parquet", ".md"}


def test_make_helps_and_does_nothing_twice():
    def make(*arguments):
        # -o: the shared environment is taken as it is; this is about the Makefile, not about pip.
        command = ["make", "-C", REPOSITORY, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = make("help")
    for target in ("env", "test", "reproduce", "lab", "bench", "check", "sbom", "audit", "clean"):
        assert f"make {target} " in said
    planned = make("-n", "-o", ".venv/.installed", "reproduce", "PROFILE=ci")
    assert "dfe reproduce --profile ci" in planned and "pip" not in planned
    assert "pytest" in make("-n", "-o", ".venv/.installed", "test")


def test_ci_calls_the_test_command():
    script = (REPOSITORY / ".ci" / "run").read_text()
    assert script.rstrip().endswith("exec make test") and os.access(REPOSITORY / ".ci" / "run", os.X_OK)
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()
    assert "make test" in workflow and "make reproduce PROFILE=demo" in workflow
    assert "make audit" in workflow and "make sbom" in workflow
