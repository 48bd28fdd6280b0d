"""What README and docs say works: their Python runs, their commands exist and run, their links lead somewhere.

A page is read like a reader would: its fenced blocks are run from top to bottom in one folder that holds a short real
clip as ``clip.mp4``, the output of one block being the input of the next.
"""

import contextlib
import io
import json
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import av
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import typer

from dfe_lib import cli
from dfe_lib.bench.readers import openface_header
from dfe_lib.data import manifest
from dfe_lib.face.landmark_sets import KEYPOINTS68
from dfe_lib.face.morphable import load_morphable
from dfe_lib.paths import REPOSITORY
from dfe_lib.space import ICT53

# Pages written by hand; docs/datasets is made by `dfe data docs`, and its examples name folders of gated data.
PAGES = ["README.md", "REPRODUCING.md", *sorted(f"docs/{p.name}" for p in (REPOSITORY / "docs").glob("*.md"))]
CLIP = ("intel-sample-videos", "head-pose-face-detection-male.gif")
LANDMARKER = ("mediapipe-face-landmarker", "face_landmarker.task")
FRAMES = 18

# Commands that are shown but not run here, and why; that they and their options exist is tested for all.
NOT_RUN = {
    ("explore",): "opens JupyterLab; tests/test_browser.py drives it",
    ("train",): "takes minutes; tests/test_training_tables.py trains",
    ("reproduce",): "takes minutes; tests/test_notebooks_ci.py runs the notebooks",
    ("diff",): "needs two finished runs",
    ("bench",): "takes minutes",
    ("build",): "takes minutes",
    ("data", "fetch"): "uses the network",
    ("data", "verify"): "reads every file that was ever fetched",
    ("data", "extract"): "needs a data set that was granted",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page that it starts in."""

    language: str
    text: str
    line: int


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    found, opened = [], None
    for number, line in enumerate(text_of(page).splitlines(), 1):
        if not line.startswith("```"):
            continue
        if opened is None:
            opened = number, line[3:].strip()
        else:
            lines = text_of(page).splitlines()[opened[0] : number - 1]
            found.append(Block(opened[1], "\n".join(lines), opened[0] + 1))
            opened = None
    assert opened is None, f"{page}: the block of line {opened} is not closed"
    return found


def commands_in(block: Block) -> list[list[str]]:
    """The words of every `dfe` line of a shell block, continuation lines joined, comments off."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("dfe ")]


def mentioned(page: str) -> list[list[str]]:
    """Every `dfe …` command of a page: in shell blocks and between backticks."""
    shell = [c for b in blocks(page) if b.language == "sh" for c in commands_in(b)]
    inline = [shlex.split(m.replace("…", "")) for m in re.findall(r"`(dfe [^`]+)`", text_of(page))]
    return shell + inline


def resolve(words: list[str]):
    """The command that ``dfe`` would run, its path, and the words left over for it."""
    command, path, rest = typer.main.get_command(cli.app), (), words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there is no command `dfe {' '.join((*path, rest[0]))}`"
        command, path, rest = command.commands[rest[0]], (*path, rest[0]), rest[1:]
    return command, path, rest


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page):
    for words in mentioned(page):
        command, path, rest = resolve(words)
        known = {"--help", *(o for p in command.params for o in p.opts)}
        for word in rest:
            if word.startswith("--"):
                assert word in known, f"{page}: `dfe {' '.join(path)}` has no option {word}"


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.M))
    for page in PAGES:
        shell = "\n".join(b.text for b in blocks(page) if b.language == "sh")
        said = re.findall(r"^(?:OFFLINE=1 )?make ([a-z]+)", shell, re.M)
        said += re.findall(r"`(?:OFFLINE=1 )?make ([a-z]+)", text_of(page))
        assert set(said) <= targets, page


@pytest.mark.parametrize("page", PAGES)
def test_code_stands_in_fences_of_a_known_language(page):
    assert {b.language for b in blocks(page)} <= {"python", "sh", "text", "bibtex"}
    for number, line in enumerate(text_of(page).splitlines(), 1):
        assert not re.match(r"( {4}|\t)(dfe|make|from|import|pip) ", line), f"{page}:{number} is not fenced"


# ----------------------------------------------------------------------------------------------------- examples


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory):
    """The first frames of a real clip, as the file that the examples name; None where it is not at hand."""
    if not manifest.available(CLIP[0]):
        return None
    target = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(manifest.locate(*CLIP))) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        made = out.add_stream("mpeg4", rate=12)
        made.width, made.height, made.pix_fmt = stream.width // 2 * 2, stream.height // 2 * 2, "yuv420p"
        made.bit_rate = 8_000_000
        for _, frame in zip(range(FRAMES), source.decode(stream), strict=False):
            rgb = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[: made.height, : made.width])
            out.mux(made.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(made.encode())
    return target


@pytest.fixture
def folder(short_clip, tmp_path, monkeypatch):
    """A reader's folder: the clip under the names of the examples, and a small file as OpenFace writes it."""
    monkeypatch.chdir(tmp_path)
    if short_clip is not None:
        for name in ("clip", "a", "b"):
            shutil.copy(short_clip, tmp_path / f"{name}.mp4")
    _as_openface_writes(tmp_path / "openface.csv")
    return tmp_path


def _as_openface_writes(path: Path) -> None:
    """Eight frames of an opening mouth with every column of OpenFace, landmarks in mm before a camera."""
    names = openface_header()
    values = dict.fromkeys(names, np.zeros(8))
    values |= {"frame": np.arange(1, 9), "timestamp": np.arange(8) / 30}
    values |= dict.fromkeys(("confidence", "success"), np.ones(8))
    opening = np.zeros((8, ICT53.dimension), np.float32)
    opening[:, ICT53.names.index("jawOpen")] = np.linspace(0, 0.8, 8)
    points = load_morphable("face478").vertices(opening)[:, KEYPOINTS68] * [1, -1, -1] + [0, 0, 600]
    values |= {f"{axis}_{i}": points[:, i, k] for k, axis in enumerate("XYZ") for i in range(68)}
    values |= {name: np.linspace(0, 1, 8) for name in names if re.fullmatch(r"p_\d+|AU.._r", name)}
    pd.DataFrame({name: values[name] for name in names}).to_csv(path, index=False)


def run(words: list[str], monkeypatch) -> str:
    """What `dfe` says; an error is what it complains of."""
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(cli, "_debug", False)
    said, complaint = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complaint),
        pytest.raises(SystemExit) as stop,
    ):
        cli.main()
    assert not stop.value.code, f"{' '.join(words)}: {complaint.getvalue() or said.getvalue()}"
    return said.getvalue()


def needs_clip(block: Block) -> bool:
    return any(name in block.text for name in ("clip.", "a.mp4", "tokens.parquet", "tables/"))


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, folder, short_clip, monkeypatch):
    """Every Python block, and every command of every shell block but NOT_RUN, in order, in one folder."""
    todo = [b for b in blocks(page) if b.language == "python" or (b.language == "sh" and commands_in(b))]
    if not todo:
        return
    lacking = [CLIP[0]] if short_clip is None else []
    lacking += [] if manifest.available(LANDMARKER[0]) else [LANDMARKER[0]]
    left_out, names = [], {"__name__": "example"}
    for block in todo:
        if lacking and needs_clip(block):
            left_out.append(block.line)
            continue
        if block.language == "python":
            try:
                exec(compile(block.text, f"{page}:{block.line}", "exec"), names)
            finally:
                plt.close("all")
            continue
        for words in commands_in(block):
            _, path, rest = resolve(words)
            given = [w for w in rest if "=" not in w and re.search(r"\.(mp4|csv|parquet)$|^results/", w)]
            out = rest[rest.index("--out") + 1] if "--out" in rest else None
            absent = [g for g in given if g != out and "*" not in g and not Path(g).exists()]
            if path in NOT_RUN or any("*" in w or w.isupper() for w in rest):  # NAME stands for a name
                continue
            if path == ("import",) and absent:  # files of a tool that nothing here can write
                continue
            run(words, monkeypatch)
    if left_out:
        pytest.skip(
            f"assets {', '.join(lacking)} are not at hand: blocks of lines {left_out} of {page} were not run"
        )


# -------------------------------------------------------------------------------------------------------- links


def anchors(page: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    out = set()
    fenced = False
    for line in text_of(page).splitlines():
        fenced ^= line.startswith("```")
        heading = re.match(r"#{1,6} +(.+)", line)
        if fenced or not heading:
            continue
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        out.add(f"{slug}-{count}" if count else slug)
    return out


def links(page: str) -> list[str]:
    outside = re.sub(r"```.*?```", "", text_of(page), flags=re.S)
    return re.findall(r"\]\(([^)\s]+)\)", outside)


def made_by_a_notebook(path: Path) -> bool:
    """A figure that lies there after the next `make reproduce`, since its notebook records it under that name."""
    notebook, _, name = path.stem.partition("-")
    source = REPOSITORY / "notebooks" / f"{notebook}.ipynb"
    if path.parent.name != "figures" or not source.is_file():
        return False
    code = "\n".join("".join(cell["source"]) for cell in json.loads(source.read_text())["cells"])
    return bool(re.search(rf'\.figure\(\s*"{re.escape(name)}"', code))


@pytest.mark.parametrize("page", [*PAGES, "docs/datasets/README.md"])
def test_links_lead_somewhere(page):
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        target, _, anchor = link.partition("#")
        path = ((REPOSITORY / page).parent / target).resolve() if target else (REPOSITORY / page)
        assert path.exists() or made_by_a_notebook(path), f"{page} links to {link}, which is not there"
        if anchor:
            other = path.relative_to(REPOSITORY.resolve()).as_posix()
            assert anchor in anchors(other), f"{page} links to {link}, but {other} has no such heading"


def test_every_page_can_be_reached_from_the_readme():
    seen, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        for link in links(page):
            target = link.partition("#")[0]
            if re.match(r"https?://", link) or not target.endswith(".md"):
                continue
            found = (
                ((REPOSITORY / page).parent / target).resolve().relative_to(REPOSITORY.resolve()).as_posix()
            )
            if found not in seen:
                todo.append(found)
    assert set(PAGES) <= seen


def test_pictures_say_what_they_show():
    for page in PAGES:
        for text, path in re.findall(r"!\[([^]]*)\]\(([^)\s]+)\)", text_of(page)):
            assert len(text) > 10, f"{page}: {path} has no alternative text"


# ---------------------------------------------------------------------------------------------- what is claimed


def test_the_readme_can_be_read_in_one_sitting():
    assert len(text_of("README.md").splitlines()) <= 250


def test_every_notebook_and_dependency_is_explained():
    import tomllib

    from packaging.requirements import Requirement

    readme = text_of("README.md")
    for notebook in (REPOSITORY / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{notebook.name})" in readme
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    table = readme[readme.index("## Why each dependency is there") :]
    for line in project["dependencies"]:
        assert re.search(rf"\b{re.escape(Requirement(line).name)}\b", table), line


FIGURE = re.compile(r"<!-- (\w+): ([^>]+?) -->([\d.,]+)")


def test_figures_are_those_of_the_files_they_come_from():
    """A number that a page quotes is marked ``<!-- card: name/key/… -->0.72`` or ``<!-- bench: suite/name -->``."""
    for page in PAGES:
        for kind, where, said in FIGURE.findall(text_of(page)):
            first, *keys = where.split("/")
            if kind == "card":
                value = json.loads(text_of(f"dfe_lib/assets/{first}/card.json"))
            elif kind == "bench":
                value, keys = (
                    json.loads(text_of("benchmarks/latest.json"))[first]["figures"],
                    ["/".join(keys)],
                )
            else:
                assert kind == "reference", f"{page}: figures come from card, bench or reference, not {kind}"
                value = json.loads(text_of(f"results/reference/demo/{first}.json"))
            for key in keys:
                value = value[key]
            said = said.rstrip(".,")
            digits = len(said.partition(".")[2])
            assert said == f"{value:.{digits}f}", f"{page} says {said} for {where}, which is {value}"


def test_citation_is_complete():
    import tomllib

    import yaml

    citation = yaml.safe_load(text_of("CITATION.cff"))
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["version"] == project["version"] and citation["license"] == project["license"]
    assert citation["title"] and citation["message"] and citation["authors"]
    (paper,) = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2510.01662"
