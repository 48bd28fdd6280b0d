"""JSON, YAML and notebooks of others: what is too large, too deep or ambiguous is refused before it is built.

Python's own readers raise half a dozen kinds of errors on broken text, run out of stack on nested brackets, and let a
page of YAML aliases stand for terabytes. Here a text becomes plain values, or one error of ours.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yaml.constructor import ConstructorError

from dfe_lib.errors import DFEError, InputError

if TYPE_CHECKING:
    import nbformat

JSON_BYTES = 16 * 2**20  # cards and metrics have kilobytes
YAML_BYTES = 2**18  # the manifest has 43 kB; PyYAML takes seconds for a megabyte
NOTEBOOK_BYTES = 128 * 2**20  # executed ones carry their pictures
DEPTH = 60  # of brackets within each other; our own texts have a dozen
_LONE = re.compile(r"[\ud800-\udfff]")


def read_json(path: str | Path, what: str, most: int = JSON_BYTES) -> Any:
    """The content of a JSON file.

    Parameters
    ----------
    what : what the file should be, for the message, e.g. ``"a card"``.
    most : bytes that are believed.

    Raises
    ------
    InputError : not there, too large, too deep, or not JSON.
    FileNotFoundError is an InputError too: its cause says so.
    """
    path = Path(path)
    return json_of(_bytes(path, what, most, InputError), f"{path} cannot be read as {what}")


def json_of(text: bytes | str, failing: str) -> Any:
    """The content of JSON text; ``failing`` begins the message.

    Raises
    ------
    InputError : too deep, numbers too long, broken characters, or not JSON.
    """
    try:
        content = json.loads(text)
        if text.find(b"\\ud" if isinstance(text, bytes) else "\\ud") >= 0:
            _refuse_lone(content)
        _refuse_deep(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{failing} ({_reason(error)})") from error
    return content


def read_yaml(path: str | Path, what: str, error: type[DFEError] = InputError) -> Any:
    """The content of a YAML file: plain values, without aliases, own types or keys that stand twice.

    Raises
    ------
    error : not there, too large, too deep, or not such YAML.
    """
    path = Path(path)
    return yaml_of(_bytes(path, what, YAML_BYTES, error), f"{path} cannot be read as {what}", error)


def yaml_of(text: bytes | str, failing: str, error: type[DFEError] = InputError) -> Any:
    """The content of YAML text, as :func:`read_yaml`; ``failing`` begins the message."""
    if len(text) > YAML_BYTES:
        raise error(f"{failing} (it has {len(text)} bytes; at most {YAML_BYTES} are read)")
    try:
        loader = _StrictLoader(text)  # a SafeLoader: builds plain values only
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    # PyYAML's constructors of numbers, dates and truth values raise what Python raises.
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as wrong:
        raise error(f"{failing} ({_reason(wrong)})") from wrong


class _StrictLoader(yaml.SafeLoader):
    """No alias (a few lines of them can stand for terabytes), no depth, and no second of two equal keys in silence."""

    depth = 0

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise ConstructorError(None, None, "an alias; write its value out", mark)
        self.depth += 1
        if self.depth > DEPTH:
            raise ConstructorError(None, None, f"more than {DEPTH} levels within each other")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node, deep=False):
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str | int) or isinstance(key, bool):
                    raise ConstructorError(None, None, f"{key!r:.60} is not a name", key_node.start_mark)
                if key in seen:
                    raise ConstructorError(None, None, f"'{key}' stands twice", key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_notebook(path: str | Path, error: type[DFEError] = InputError) -> nbformat.NotebookNode:
    """A notebook of format 4 that satisfies its schema, or can be brought to.

    Raises
    ------
    error : not there, too large, or no notebook.
    """
    import nbformat

    path = Path(path)
    failing = f"{path} is not a readable notebook"
    raw = _bytes(path, "a notebook", NOTEBOOK_BYTES, error)
    try:
        plain = json_of(raw, failing)
        versions = [
            plain.get(key) if isinstance(plain, dict) else None for key in ("nbformat", "nbformat_minor")
        ]
        # nbformat imports a module by the first of these, and its conversion of old formats trusts every key.
        if versions[0] != 4 or any(type(v) is not int for v in versions):
            raise ValueError(f"format {versions[0]!r:.20}, but 4 is needed")
        content = nbformat.reads(raw.decode("utf-8"), as_version=4)
        nbformat.validate(content)
    except InputError as wrong:
        raise error(str(wrong)) from wrong
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
        nbformat.ValidationError,
    ) as wrong:
        raise error(f"{failing} ({_reason(wrong)})") from wrong
    return content


def _bytes(path: Path, what: str, most: int, error: type[DFEError]) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as wrong:
        raise error(f"{path} cannot be read ({wrong.strerror or wrong}); expected {what}") from wrong
    if len(raw) > most:
        raise error(f"{path} has more than {most:,} bytes, far more than {what} needs")
    return raw


def _refuse_lone(content: Any) -> None:
    """Halves of characters, which can be neither printed nor written."""
    if _LONE.search(json.dumps(content, ensure_ascii=False)):
        raise ValueError("half of a character outside the basic plane")


def _refuse_deep(content: Any) -> None:
    """Nesting that Python's reader bears, but not all that walk over its result."""
    level = [content]
    for _ in range(DEPTH):
        level = [
            v for c in level if isinstance(c, dict | list) for v in (c.values() if isinstance(c, dict) else c)
        ]
        if not level:
            return
    raise ValueError(f"more than {DEPTH} levels of brackets")


def _reason(error: BaseException) -> str:
    text = "too many brackets within each other" if isinstance(error, RecursionError) else str(error)
    return " ".join(text.split())[:200] or type(error).__name__
