"""What README and docs say is so: commands, options, targets and links exist, and figures are those of the files."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from pages import PAGES, blocks, mentioned, resolve, text_of

from dfe_lib.paths import REPOSITORY


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page):
    for words in mentioned(page):
        command, path, rest = resolve(words)
        context = command.context_class(command)
        try:
            _, left, _ = command.make_parser(context).parse_args(list(rest))
        except Exception as error:  # click's, wherever typer keeps them
            pytest.fail(f"{page}: {' '.join(words)}: {error}")
        assert not left, f"{page}: `dfe {' '.join(path)}` takes no {left[0]}"


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
    """Whether the notebook that a figure is named after records it, as it is now."""
    notebook, _, name = path.stem.partition("-")
    source = REPOSITORY / "notebooks" / f"{notebook}.ipynb"
    if not source.is_file():
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
        if (
            path.parent.name == "figures" and path.suffix == ".png"
        ):  # may lie there only after `make reproduce`
            assert made_by_a_notebook(path), f"{page} shows {link}, which its notebook makes no more"
            continue
        assert path.exists(), f"{page} links to {link}, which is not there"
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


def test_the_readme_can_be_read_in_one_sitting():
    assert len(text_of("README.md").splitlines()) <= 250


def test_every_notebook_and_dependency_is_explained():
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
    citation = yaml.safe_load(text_of("CITATION.cff"))
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["version"] == project["version"] and citation["license"] == project["license"]
    assert citation["title"] and citation["message"] and citation["authors"]
    (paper,) = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2510.01662"
