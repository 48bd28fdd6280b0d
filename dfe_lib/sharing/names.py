"""Names that must not be shared, and texts without them."""

from __future__ import annotations

import getpass
import re
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# First letters of pseudonyms. Other: data of one's own that texts name. A folder's or file's name that is nobody's may
# be any word, so it is replaced in paths alone.
RECORDING, SUBJECT, OTHER, FILE = "r", "s", "x", "d"
PLACE = "<path>"
# Accounts and hosts that everybody has: their names are words.
_NOBODY = {"root", "user", "ubuntu", "runner", "jovyan", "home", "admin", "localhost", "main", "work"}
# Two parts or more from a root, a home or a drive; not the path of an address, nor a closing tag.
_ABSOLUTE = re.compile(
    r"file:/+[^\s\"'<>)\]]+|(?<![\w.:/<~])~?(?:/[\w.@+=%-]+){2,}/?|(?<!\w)~/[\w.@+=%-]+|(?<!\w)[A-Za-z]:\\[^\s\"'<>|]+"
)
_MAIL = re.compile(r"(?<![\w.])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


class Names:
    """Pseudonyms, the same name always the same one; their numbers say nothing about the names' order.

    Parameters
    ----------
    names : kind (``RECORDING``, ``SUBJECT``, ``OTHER``, ``FILE``) and name. A name of two kinds keeps the first.

    Examples
    --------
    >>> names = Names([(RECORDING, "anna smiles")])
    >>> names.text("frame 3 of anna smiles.mp4, in /data/anna/videos")
    'frame 3 of r0001.mp4, in <path>'
    """

    def __init__(self, names: Iterable[tuple[str, str]] = ()):
        self.key: dict[str, str] = {}
        found = [(kind, name) for kind, name in names if name.strip()]
        for letter in (RECORDING, SUBJECT, OTHER, FILE):
            some = sorted({name for kind, name in found if kind == letter} - self.key.keys())
            secrets.SystemRandom().shuffle(some)
            width = max(4, len(str(len(some))))
            self.key |= {name: f"{letter}{i:0{width}d}" for i, name in enumerate(some, 1)}
        said = [name for name, called in self.key.items() if called[0] != FILE]
        self._known = _words(sorted(said, key=len, reverse=True))
        self._people = _words(people_here())

    def of(self, name: object) -> str:
        """The pseudonym of a whole name; an unknown name has none and becomes ``x?``."""
        return self.key.get(str(name), f"{OTHER}?")

    def text(self, text: str, private: bool = True) -> str:
        """A text without places, users and hosts and, where it is ``private``, without names."""
        if private and self._known is not None:
            text = self._known.sub(lambda found: self.key[found[0]], text)
        text = _MAIL.sub("<mail>", _ABSOLUTE.sub(PLACE, text))
        return text if self._people is None else self._people.sub("<user>", text)

    def value(self, value: Any, private: bool = True) -> Any:
        """A JSON value with :meth:`text` of all its strings; keys are ours and stay."""
        if isinstance(value, str):
            return self.text(value, private)
        if isinstance(value, list):
            return [self.value(v, private) for v in value]
        if isinstance(value, dict):
            return {k: self.value(v, private) for k, v in value.items()}
        return value

    def among(self, text: str) -> bool:
        """Whether a text names somebody or something that has a pseudonym."""
        return self._known is not None and self._known.search(text) is not None


def people_here() -> list[str]:
    """Names of this account, its home and this host, as far as they are no words."""
    try:
        found = {getpass.getuser(), Path.home().name, socket.gethostname().partition(".")[0]}
    except (OSError, KeyError, RuntimeError):  # an account without a name
        found = {socket.gethostname().partition(".")[0]}
    return sorted(name for name in found if len(name) > 2 and name.lower() not in _NOBODY)


def places(text: str) -> list[str]:
    """Absolute paths, addresses of mail and names of this account or host in a text."""
    known = _words(people_here())
    return [*_ABSOLUTE.findall(text), *_MAIL.findall(text), *(known.findall(text) if known else [])]


def _words(names: list[str]) -> re.Pattern | None:
    """Any of these as whole words, the first that fits."""
    if not names:
        return None
    return re.compile(r"(?<![^\W_])(?:" + "|".join(map(re.escape, names)) + r")(?![^\W_])")
