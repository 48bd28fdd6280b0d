"""``dfe doctor``: what this installation has, and what will therefore work."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from dfe_lib.data import manifest
from dfe_lib.paths import REPOSITORY, data_dir, mirrors, results_dir

PYTHONS = ((3, 11), (3, 13))  # oldest and newest supported
SHOWN = (
    "dfe_lib", "numpy", "pandas", "torch", "mediapipe", "av", "scikit-learn", "matplotlib", "anywidget", "jupyterlab",
    "papermill", "nbdime",
)  # fmt: skip
ROOM = 3.0  # GB: the open data sets and a run of the demo take about one, PyTorch with CUDA more
_RENDER = """
import pyvista
plotter = pyvista.Plotter(off_screen=True, window_size=(32, 32))
plotter.add_mesh(pyvista.Sphere())
print(plotter.screenshot(return_img=True).std() > 0)
"""


@dataclass(frozen=True)
class Finding:
    """One line of the examination; only what is required can be broken."""

    topic: str
    text: str
    ok: bool
    required: bool = False

    @property
    def broken(self) -> bool:
        """Whether the commands cannot work."""
        return self.required and not self.ok

    @property
    def mark(self) -> str:
        """``ok``, ``--`` (absent, but not required) or ``!!`` (broken)."""
        return "ok" if self.ok else "!!" if self.required else "--"


def examine() -> list[Finding]:
    """Look at everything that the commands rely on; takes a few seconds and changes nothing."""
    return [
        _python(), _packages(), _versions(), *_artefacts(), *_assets(), _gpu(), _opengl(), _browser(), *_disks(),
    ]  # fmt: skip


def page(findings: list[Finding], width: int = 100) -> str:
    """The findings as a table for a terminal: mark, topic and text, wrapped to the width, and what the marks mean.

    >>> print(page([Finding("gpu", "none", ok=False)]).splitlines()[0])
    -- gpu  none
    """
    topics = max(len(f.topic) for f in findings)
    lines, before = [], ""
    for f in findings:
        topic = f.topic if f.topic != before else ""  # one topic, many lines
        first = f"{f.mark} {topic:<{topics}}  "
        rest = " " * len(first)
        whole = {"break_long_words": False, "break_on_hyphens": False}  # names can be copied
        lines += textwrap.wrap(f.text, max(width, 60), initial_indent=first, subsequent_indent=rest, **whole)
        before = f.topic
    broken = sum(f.broken for f in findings)
    verdict = f"{broken} broken; see the lines with !!" if broken else "everything that is required works"
    return "\n".join([*lines, "", f"{verdict}  (ok: there, --: absent but not required, !!: broken)"])


def _python() -> Finding:
    ok = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    wanted = "–".join(".".join(map(str, v)) for v in PYTHONS)
    return Finding("python", f"{platform.python_version()} ({wanted} supported)", ok, required=True)


def _packages() -> Finding:
    lock = REPOSITORY / "requirements.lock"
    if not lock.is_file():
        return Finding(
            "packages", "no requirements.lock here: not a checkout, so versions cannot be compared", False
        )
    absent, other = [], []
    for name, wanted in locked(lock).items():
        try:
            found = importlib.metadata.version(name).split("+")[0]  # 2.13.0+cpu is a build of 2.13.0
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
            continue
        if found != wanted:
            other.append(f"{name} {found}, not {wanted}")
    if absent:
        return Finding("packages", f"missing: {', '.join(absent)}; run `make env`", False, required=True)
    if other:
        return Finding(
            "packages", f"differ from requirements.lock: {'; '.join(other)}; `make env` restores them", False
        )
    return Finding("packages", "as in requirements.lock", True)


def locked(path: Path) -> dict[str, str]:
    """Name → version of the exact pins in a lock file."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;#]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(pins)


def _versions() -> Finding:
    found = []
    for name in SHOWN:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # _packages names it
    return Finding("versions", ", ".join(found), True)


def _artefacts() -> list[Finding]:
    from dfe_lib.build import TARGETS
    from dfe_lib.paths import ASSETS

    absent = [name for name in TARGETS if not (ASSETS / name).is_dir()]
    text = f"missing: {', '.join(absent)}; reinstall the package" if absent else ", ".join(TARGETS)
    return [Finding("shipped", text, not absent, required=True)]


def _assets() -> list[Finding]:
    found = []
    for entry in manifest.load_manifest().select(None):
        there = manifest.available(entry.name)
        text = f"not at hand; `dfe data fetch {entry.name}` ({entry.bytes / 1e6:.0f} MB)"
        if there:
            text = f"at hand in {_place(entry)}"
        if entry.name == "mediapipe-face-landmarker" and not there:
            text += "; until then videos cannot be extracted"
        found.append(Finding("asset", f"{entry.name}: {text}", there))
    places = ", ".join(map(str, (data_dir(), *mirrors())))
    return [*found, Finding("looked in", places, True)]


def _place(entry) -> str:
    """The folders that an entry's files lie in: the cache, a mirror, or an installed package."""
    roots = [data_dir(), *mirrors()]
    places = [p.place for p in manifest.plan(entry.name)]
    found = (next((root for root in roots if p.is_relative_to(root)), p.parent) for p in places)
    return ", ".join(dict.fromkeys(map(str, found)))


def _disks() -> list[Finding]:
    found = []
    for what, folder in (("data", data_dir()), ("results", results_dir("demo").parent)):
        there = next(p for p in (folder, *folder.parents) if p.is_dir())
        free = shutil.disk_usage(there).free / 1e9
        found.append(Finding("disk", f"{free:.1f} GB free for {what} ({folder})", free >= ROOM))
    return found


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("gpu", torch.cuda.get_device_name(0), True)
    if torch.backends.mps.is_available():
        return Finding("gpu", "Apple MPS", True)
    return Finding("gpu", "none; everything runs on the CPU", False)


def _opengl() -> Finding:
    # In a process of its own: without a usable OpenGL, VTK may end the process instead of raising.
    try:
        done = subprocess.run([sys.executable, "-c", _RENDER], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return Finding("opengl", "off-screen rendering did not answer", False)
    if done.returncode == 0 and done.stdout.strip().endswith("True"):
        return Finding("opengl", "off-screen rendering works", True)
    return Finding("opengl", "no off-screen rendering; only `dfe build face478` and the like need it", False)


def _browser() -> Finding:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return Finding(
        "browser", found or "no chromium; only the widget's browser test needs it", found is not None
    )
