"""README and docs as data: their pages, fenced blocks, and the `dfe` commands that they name."""

import re
import shlex
from dataclasses import dataclass

import typer

from dfe_lib import cli
from dfe_lib.paths import REPOSITORY

# Pages written by hand; docs/datasets is made by `dfe data docs`, and its examples name folders of gated data.
PAGES = [
    "README.md",
    "REPRODUCING.md",
    "SECURITY.md",
    "notebooks/README.md",
    *sorted(f"docs/{p.name}" for p in (REPOSITORY / "docs").glob("*.md")),
]


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
