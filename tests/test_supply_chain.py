"""What ships and what is installed is known: hashes of the assets, licences and tools of the supply chain."""

import hashlib
import re
import shutil
import subprocess

import pytest

from dfe_lib import licences, shipped
from dfe_lib.doctor import locked
from dfe_lib.errors import InputError
from dfe_lib.paths import ASSETS, REPOSITORY

LOCK = locked(REPOSITORY / "requirements.lock")


# ---------------------------------------------------------------- shipped assets


def test_every_shipped_file_is_listed_and_as_listed():
    there = {
        p.relative_to(ASSETS).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in ASSETS.rglob("*")
        if p.is_file() and p.name != shipped.SUMS
    }
    assert shipped.expected() == there and len(there) > 20


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="this system has no sha256sum")
def test_the_list_can_be_checked_without_our_code():
    command = ["sha256sum", "--check", "--strict", "--quiet", shipped.SUMS]
    assert subprocess.run(command, cwd=ASSETS, capture_output=True).returncode == 0


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(ASSETS, tmp_path / "assets")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: flip(folder / "tensors.safetensors"), "was changed"),
        (lambda folder: flip(folder / "card.json"), "was changed"),
        (lambda folder: (folder / "card.json").unlink(), "is missing"),
        (lambda folder: (folder / "more.safetensors").write_bytes(b""), "does not belong"),
    ],
)
def test_one_changed_bit_of_a_shipped_artefact_is_refused(copy, harm, says):
    shipped.check(copy / "ict53", copy)
    harm(copy / "ict53")
    with pytest.raises(InputError, match=says):
        shipped.check(copy / "ict53", copy)
    shipped.check(copy / "tokenizer", copy)  # the others are as they were
    shipped.record(copy / "ict53", copy)  # as after `dfe build ict53`
    shipped.check(copy / "ict53", copy)
    assert shipped.expected(copy).keys() >= {f"tokenizer/{n}" for n in ("card.json", "tensors.safetensors")}


@pytest.mark.parametrize("text", ["", "nonsense", "\xff"])
def test_without_a_list_nothing_is_believed(copy, text):
    (copy / shipped.SUMS).write_text(text, encoding="latin1")
    with pytest.raises(InputError, match="install the package again"):
        shipped.check(copy / "ict53", copy)


# ---------------------------------------------------------------- licences


def test_every_locked_package_is_on_the_page_with_the_licence_it_states():
    page = (REPOSITORY / "docs" / "licences.md").read_text(encoding="utf-8")
    assert page == licences.page(), "run: python -m dfe_lib.licences > docs/licences.md"
    listed = dict(
        re.findall(
            r"^\| ([\w.-]+) \| ([\w.+!-]+) \| [^|]+ \|$", page[page.index("| package |") :], re.MULTILINE
        )[2:]
    )
    assert listed == LOCK


def test_no_locked_package_forbids_use_beside_mit_code():
    found = {name: licences.identifiers(licences.of(name)) for name in LOCK}
    assert all(parts and set(parts) <= licences.FREE | licences.WEAK for parts in found.values())
    assert not [p for parts in found.values() for p in parts if re.match(r"(A?GPL|SSPL|BUSL|CC-BY-NC)", p)]


@pytest.mark.parametrize(
    "stated",
    [
        {"License-Expression": "AGPL-3.0-only"},
        {"License-Expression": "MIT AND GPL-3.0-or-later"},
        {"License": "Proprietary"},
        {"Classifier": "License :: Free for non-commercial use"},
        {},
    ],
)
def test_a_licence_that_is_not_known_to_be_free_is_refused(monkeypatch, stated):
    import email.message

    said = email.message.Message()
    for key, value in stated.items():
        said[key] = value
    monkeypatch.setattr(licences.importlib.metadata, "metadata", lambda name: said)
    with pytest.raises(InputError, match="not known"):
        licences.of("some-package")


# ---------------------------------------------------------------- the tools


def test_an_audit_that_could_not_look_does_not_pass():
    said = subprocess.run(["make", "-C", REPOSITORY, "-n", "audit"], capture_output=True, text=True).stdout
    assert "pip-audit --strict" in said and "-r requirements.lock" in said
    tools = re.search(r"^TOOLSET := (.+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert all("==" in tool and tool.split("==")[0] not in LOCK for tool in tools)
