"""Notebooks as the runner sees them: their parameters, what they need and what they promise.

A notebook declares its parameters in one cell tagged ``parameters``, each annotated and with a literal
default::

    profile: str = "demo"  # which profile
    frames: int = 2000     # how many simulated frames

and its place in the walk in its metadata, as paths below ``results/<profile>/`` and below its own folder
there::

    "dfe": {"inputs": ["02_rvqvae_training/tokenizer"], "outputs": ["metrics.json", "coverage.csv"]}
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dfe_lib.errors import ConfigError, choices
from dfe_lib.paths import NOTEBOOKS, PROFILES
from dfe_lib.texts import read_notebook, read_yaml

NAME = re.compile(r"[0-9]{2}_[a-z0-9_]+")
GIVEN = ("profile", "results_dir", "seed")  # every notebook has them; the runner sets them
FRAMES = "{frames}"  # in a member's values: the folder of its data set's frame tables
_TYPES = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell: ``kind`` is str, int, float, bool or list[…] of these."""

    name: str
    kind: str
    optional: bool
    default: Any

    def accept(self, value: Any, source: str) -> Any:
        """Return ``value`` if it has the declared type (an int passes for a float).

        Raises
        ------
        ConfigError : naming the parameter, the value and the type.
        """
        if value is None and self.optional:
            return None
        inner = re.fullmatch(r"list\[(\w+)\]", self.kind)
        if inner and isinstance(value, list):
            return [Parameter(self.name, inner[1], False, None).accept(v, source) for v in value]
        expected = _TYPES.get(self.kind)
        if expected is float and type(value) is int:
            return float(value)
        if type(value) is expected:  # not isinstance: True must not pass for the number 1
            return value
        hint = ""
        if isinstance(value, str) and self.kind in ("int", "float") and _is_number(value):
            hint = f"; YAML reads {value} as text, write it with a point, as {float(value):#g}"
        raise ConfigError(
            f"{source}: parameter '{self.name}' must be {self.kind}{' or null' if self.optional else ''}, "
            f"but got {value!r} ({type(value).__name__}){hint}"
        )


@dataclass(frozen=True)
class Notebook:
    """A notebook file and its declarations; made with :func:`read`."""

    name: str
    path: Path
    parameters: dict[str, Parameter]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the notebooks whose outputs this one reads, in order."""
        return tuple(sorted({PurePosixPath(i).parts[0] for i in self.inputs}))

    def resolve(self, values: Mapping[str, Any], source: str) -> dict[str, Any]:
        """Check ``values`` against the declared parameters and return them with the declared types.

        Raises
        ------
        ConfigError : an unknown name (the nearest known one is named) or a value of another type.
        """
        for name in values:
            if name not in self.parameters:
                raise ConfigError(
                    f"{source}: {self.name} has no such parameter: {choices(name, self.parameters)}"
                )
        return {name: self.parameters[name].accept(value, source) for name, value in values.items()}


@dataclass(frozen=True)
class Profile:
    """A named set of parameters: ``ci`` (trimmed), ``demo`` (needs no permission) or ``paper`` (gated).

    A profile in the folder of another (``paper/stress-stressid``) is a member of it: it takes over what to fetch and
    the defaults, and names the ``dataset`` and the ``task`` that it is for.
    """

    name: str
    description: str
    fetch: tuple[str, ...]
    tolerance: dict[str, float]
    defaults: dict[str, Any]
    notebooks: dict[str, dict[str, Any]]
    dataset: str = ""
    task: str = ""

    def values(self, notebook: Notebook) -> dict[str, Any]:
        """Parameters of one notebook: the profile's defaults, overridden by the notebook's own block.

        Raises
        ------
        ConfigError : see :meth:`Notebook.resolve`.
        """
        source = f"profile {self.name}"
        shared = {k: v for k, v in self.defaults.items() if k in notebook.parameters}
        own = self.notebooks.get(notebook.name, {})
        if self.dataset:
            from dfe_lib.data.datasets.index import derived

            place = str(derived(self.dataset) / "frames")
            own = {k: v.replace(FRAMES, place) if isinstance(v, str) else v for k, v in own.items()}
        return notebook.resolve({**shared, **own}, source)


def read(path: str | Path) -> Notebook:
    """Read a notebook's declarations without running it.

    Raises
    ------
    ConfigError : not a notebook, a wrong name, no parameters cell, a parameter without type or literal
    default,
        no declared outputs, or an output or input that points outside the results.
    """
    path = Path(path)
    if not NAME.fullmatch(path.stem):
        raise ConfigError(f"a notebook is named like 03_codebook_coverage.ipynb, but got {path.name}")
    content = read_notebook(path, ConfigError)
    tagged = [c for c in content.cells if "parameters" in c.metadata.get("tags", ())]
    if len(tagged) != 1:
        raise ConfigError(
            f"{path.name} has {len(tagged) or 'no'} cells tagged 'parameters', but exactly one is needed"
        )
    parameters = _parameters(tagged[0].source, path.name)
    missing = [n for n in GIVEN if n not in parameters]
    if missing:
        raise ConfigError(f"{path.name}: the parameters cell lacks {', '.join(missing)}")
    declared = content.metadata.get("dfe")
    lists = [declared.get(key, []) if isinstance(declared, dict) else None for key in ("inputs", "outputs")]
    named = all(isinstance(names, list) and all(isinstance(n, str) and n for n in names) for names in lists)
    if not named or "metrics.json" not in lists[1]:
        raise ConfigError(
            f"{path.name}: metadata 'dfe' must list inputs and outputs, metrics.json among them"
        )
    inputs, outputs = map(tuple, lists)
    for name in (*inputs, *outputs):
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise ConfigError(f"{path.name}: declared path '{name}' must lie below the results folder")
    for name in inputs:
        above = PurePosixPath(name).parts[0]
        if not NAME.fullmatch(above) or above >= path.stem:
            raise ConfigError(f"{path.name}: input '{name}' must come from a notebook with a lower number")
    return Notebook(path.stem, path, parameters, inputs, outputs)


def discover(folder: Path = NOTEBOOKS) -> dict[str, Notebook]:
    """All notebooks of a folder by name, in the order in which they run.

    Raises
    ------
    ConfigError : there is none, or an input names a notebook that does not exist.
    """
    found = {p.stem: read(p) for p in sorted(folder.glob("*.ipynb"))}
    if not found:
        raise ConfigError(f"no notebooks in {folder}; run from a checkout of the project")
    for notebook in found.values():
        for above in notebook.needs:
            if above not in found:
                raise ConfigError(f"{notebook.name} reads from an unknown notebook: {choices(above, found)}")
    return found


def load_profile(name: str, folder: Path = PROFILES) -> Profile:
    """Read ``<folder>/<name>.yaml``; ``<profile>/<member>`` is a member, see :class:`Profile`.

    Raises
    ------
    ConfigError : an unknown profile or key, or a file that is not YAML.
    """
    known = [*sorted(p.stem for p in folder.glob("*.yaml")), *members(name.partition("/")[0], folder)]
    if name not in known:
        raise ConfigError(f"unknown profile: {choices(name, known)}")
    content = read_yaml(folder / f"{name}.yaml", f"profile {name}", ConfigError)
    keys = ("description", "data", "tolerance", "defaults", "notebooks", "dataset", "task")
    if not isinstance(content, dict):
        raise ConfigError(f"profile {name} must be a mapping with the keys {', '.join(keys)}")
    for key in content:
        if key not in keys:
            raise ConfigError(f"profile {name} has an unknown key: {choices(key, keys)}")
    data, blocks = content.get("data") or {}, content.get("notebooks") or {}
    mappings = {key: content.get(key) or {} for key in ("data", "tolerance", "defaults", "notebooks")}
    mappings |= {f"notebooks: {k}": v or {} for k, v in (blocks.items() if isinstance(blocks, dict) else ())}
    for key, value in mappings.items():
        if not isinstance(value, dict):
            raise ConfigError(f"profile {name}: '{key}' must be a mapping, got {value!r:.60}")
    if not isinstance(data.get("fetch") or [], list):
        raise ConfigError(f"profile {name}: 'fetch' must be a list of names, got {data['fetch']!r:.60}")
    above = load_profile(name.partition("/")[0], folder) if "/" in name else None
    return Profile(
        name=name,
        description=content.get("description", ""),
        fetch=tuple(data.get("fetch") or (above.fetch if above else ())),
        tolerance=dict(content.get("tolerance") or {}),
        defaults={**(above.defaults if above else {}), **(content.get("defaults") or {})},
        notebooks={k: dict(v or {}) for k, v in blocks.items()},
        dataset=content.get("dataset", ""),
        task=content.get("task", ""),
    )


def members(name: str, folder: Path = PROFILES) -> list[str]:
    """Names of the profiles in the folder of a profile, in order; none for most."""
    return sorted(f"{name}/{p.stem}" for p in (folder / name).glob("*.yaml"))


def select(wanted: str, notebooks: Mapping[str, Notebook]) -> str:
    """The notebook meant by ``03``, ``3``, ``03_codebook_coverage`` or that name with ``.ipynb``.

    Raises
    ------
    ConfigError : when it means none.
    """
    bare = Path(wanted).name.removesuffix(".ipynb")
    number = bare.zfill(2) if bare.isdigit() else None
    for name in notebooks:
        if name == bare or name[:2] == number:
            return name
    raise ConfigError(f"unknown notebook: {choices(wanted, notebooks)}")


def _parameters(source: str, where: str) -> dict[str, Parameter]:
    # Read as Python rather than line by line: a default may span lines and an annotation may be a union.
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ConfigError(f"{where}: the parameters cell is not Python (line {error.lineno})") from error
    except (
        ValueError,
        RecursionError,
        MemoryError,
    ) as error:  # NULs; nesting that Python's parser does not bear
        raise ConfigError(f"{where}: the parameters cell is not Python ({error})") from error
    found = {}
    for line in body:
        if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value):
            raise ConfigError(
                f"{where}: the parameters cell holds lines like `seed: int = 0`, not `{ast.unparse(line)}`"
            )
        name, kind = line.target.id, ast.unparse(line.annotation)
        optional = kind.endswith(" | None")
        kind = kind.removesuffix(" | None")
        if not re.fullmatch(r"(str|int|float|bool)|list\[(str|int|float|bool)\]", kind):
            raise ConfigError(
                f"{where}: parameter '{name}' has type {kind}; allowed: str, int, float, bool, list[…]"
            )
        try:
            default = ast.literal_eval(line.value)
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            raise ConfigError(f"{where}: the default of '{name}' must be a literal") from error
        parameter = Parameter(name, kind, optional, default)
        parameter.accept(default, where)
        found[name] = parameter
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
