"""``dfe doctor``: what this installation has, and what will therefore work."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dfe_lib.data import manifest
from dfe_lib.paths import REPOSITORY, data_dir, mirrors

PYTHONS = ((3, 11), (3, 13))  # oldest and newest supported
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
    return [_python(), _packages(), *_artefacts(), *_assets(), _gpu(), _opengl(), _browser()]


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
        text = (
            "at hand" if there else f"not at hand; `dfe data fetch {entry.name}` ({entry.bytes / 1e6:.0f} MB)"
        )
        if entry.name == "mediapipe-face-landmarker" and not there:
            text += "; until then videos cannot be extracted"
        found.append(Finding("asset", f"{entry.name}: {text}", there))
    places = ", ".join(map(str, (data_dir(), *mirrors())))
    return [*found, Finding("looked in", places, True)]


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
