"""Computes what a module is made of: its source, the sources of all that it imports, and the library versions.

Sources are read and never run: an image has to answer for code whose libraries it lacks, and the answer must not
depend on the order of imports. Imports by a computed name (`importlib.import_module(name)`) are not seen.
"""

import ast
import csv
import hashlib
import pkgutil
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, distributions, requires, version
from importlib.util import find_spec
from inspect import getmodulename
from pathlib import Path
from typing import Final

__all__ = [
    "ENGINE_LIBRARIES",
    "ENGINE_PACKAGES",
    "IN_SOME_IMAGES",
    "Sources",
    "digest",
    "engine",
    "normalized",
    "pins",
    "sources_of",
]

ENGINE_PACKAGES: Final = ("merger", "worker")
"""The services that write results. Every image whose service loads jobs carries their sources, for this page alone."""
ENGINE_LIBRARIES: Final[Mapping[str, str]] = {
    "numpy": "2.5.5",
    "polars": "2.1.0",
    "pydantic": "2.14.3",
    "pydantic-core": "2.50.4",
}
"""What parses, judges and writes, as `requirements/worker.txt` pins it: most images carry only some of it."""
IN_SOME_IMAGES: Final = frozenset({"awscrt", "jinja2", "markupsafe"})
"""Libraries of some services that know jobs: for an extra alone they do not count, or images would tell different
versions. A module that imports or requires them itself has them in every image."""
_NOT_ENTERED: Final = frozenset({"numpy", "polars"})
"""Their versions pin what they require, and most images carry neither."""
_EXTRAS_OF_DEVELOPERS: Final = frozenset({"all", "dev", "doc", "docs", "lint", "test", "testing", "tests", "typing"})
"""What they bring is in a checkout and in no image; "all" holds them too, beside what has extras of its own."""
_NO_PART: Final = frozenset({"main", "settings"})
"""Modules of a service that touch no byte of a result."""
_FILES_MAX: Final = 1_000
"""Of which the imports are remembered: all of Baton's, many times over."""
_LIBRARIES_MAX: Final = 1_000
"""Of which is remembered what they say of themselves: each is asked for by every job, and is a millisecond to read."""
_WITH_STATEMENTS: Final = (ast.stmt, ast.excepthandler, ast.match_case)
"""All nodes below which an import may be."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What some modules are made of."""

    modules: Mapping[str, bytes]
    """Source by full name, of every module that is not installed with a library."""
    libraries: frozenset[str]
    """Top-level names of what is."""


def sources_of(roots: Iterable[str], *, own: frozenset[str] = frozenset()) -> Sources:
    """Return the roots and everything that they import, directly or not; libraries are named, not entered (see `pins`).

    `own` are top-level packages that are no libraries wherever they are installed. What is not there is left out.
    """
    modules: dict[str, bytes] = {}
    libraries: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        top, _, rest = name.partition(".")
        if name in modules or name in libraries or top in sys.stdlib_module_names:
            continue
        spec = _spec(name)
        if spec is None:
            continue
        if top not in own and _is_installed(spec):
            libraries.add(top)
            continue
        modules[name] = source = _source(spec)
        # Importing a module also runs the packages around it.
        waiting += [name.rpartition(".")[0]] if rest else []
        if spec.origin and spec.origin.endswith(".py"):
            waiting += _imports(source, name if spec.submodule_search_locations is not None else spec.parent or "")
    return Sources(modules, frozenset(libraries))


@lru_cache(maxsize=1)
def engine() -> str:
    """Return a digest of what turns the bytes of a file into those of its result, whatever the job: in hex.

    Raises `ModuleNotFoundError` if a service of `ENGINE_PACKAGES` is not here to be read.
    """
    roots = ["baton.csv", "baton.fields", "baton.job"]
    for package in ENGINE_PACKAGES:
        spec = find_spec(package)
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError(f"no source of {package!r}: it is part of every job's version", name=package)
        names = {module.name for module in pkgutil.iter_modules(spec.submodule_search_locations)}
        roots += [f"{package}.{name}" for name in names - _NO_PART]
    modules = sources_of(roots, own=frozenset({"baton", *ENGINE_PACKAGES})).modules
    libraries = [f"{name}=={_version(name) or pinned}" for name, pinned in ENGINE_LIBRARIES.items()]
    python = "python=={}.{}".format(*sys.version_info)
    return digest({**modules, "": "\n".join((python, *sorted(libraries))).encode()})


def digest(parts: Mapping[str, bytes]) -> str:
    """Return the SHA-256, in hex, of named parts, whatever their order."""
    total = hashlib.sha256()
    for name, part in sorted(parts.items()):
        # Each by its own digest, so that no part runs into the next one.
        total.update(f"{name}\0{hashlib.sha256(part).hexdigest()}\n".encode())
    return total.hexdigest()


def pins(libraries: Iterable[str]) -> list[str]:
    """Return `name==version` of what brings these top-level names, and of all that it requires, sorted.

    Of what is required only for an extra, and is installed, nobody knows whether it is used: it counts. What the engine
    pins is left out.
    """
    found: set[str] = set()
    waiting = [normalized(name) for library in libraries for name in _brought_by().get(library, ())]
    while waiting:
        name = waiting.pop()
        if name not in found and _version(name) is not None:
            found.add(name)
            waiting += () if name in _NOT_ENTERED else _required(name)
    return sorted(f"{name}=={_version(name)}" for name in found - ENGINE_LIBRARIES.keys())


def normalized(name: str) -> str:
    """Return a distribution's name as the index of Python packages spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=_LIBRARIES_MAX)
def _required(distribution: str) -> tuple[str, ...]:
    """Return the names of what an installed distribution requires, whether it is installed or not."""
    names: list[str] = []
    for requirement in requires(distribution) or ():
        name = normalized(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
        extra = re.search(r"""extra *== *["']([^"']+)""", requirement)
        if extra is None or (name not in IN_SOME_IMAGES and normalized(extra[1]) not in _EXTRAS_OF_DEVELOPERS):
            names.append(name)
    return tuple(names)


@lru_cache(maxsize=1)
def _brought_by() -> Mapping[str, list[str]]:
    """Return what `packages_distributions` does, which looks for each file of every library."""
    found: dict[str, list[str]] = {}
    for each in distributions():
        if names := _top_levels(each):
            own_name = each.name  # read from a file each time
            for name in names:
                found.setdefault(name, []).append(own_name)
    return found


def _top_levels(distribution: Distribution) -> set[str]:
    if declared := (distribution.read_text("top_level.txt") or "").split():
        return set(declared)
    if record := distribution.read_text("RECORD"):
        paths = [row[0] for row in csv.reader(record.splitlines()) if row]
    else:
        paths = [path.as_posix() for path in distribution.files or ()]
    tops = {path.partition("/")[0] if "/" in path else getmodulename(path) or path for path in paths}
    return {name for name in tops if "." not in name}


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without running the packages around it, which `find_spec` would."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except ValueError:  # `__main__`, and what a test put among the modules
        return None
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec


@lru_cache(maxsize=1)
def _installed_in() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_path(scheme)) for scheme in ("purelib", "platlib"))


def _is_installed(spec: ModuleSpec) -> bool:
    found = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return any(Path(path).is_relative_to(place) for path in found for place in _installed_in())


def _source(spec: ModuleSpec) -> bytes:
    get_data = getattr(spec.loader, "get_data", None)
    return get_data(spec.origin) if get_data and spec.has_location else b""


@lru_cache(maxsize=_FILES_MAX)
def _imports(source: bytes, package: str) -> tuple[str, ...]:
    """Return the names that a module of that package may import; some are of no module, but of what is in one."""
    names: list[str] = []
    for node in _run_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node but those below `if TYPE_CHECKING:`, which never run."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _is_for_type_checkers(node.test):
            waiting += node.orelse
        else:
            waiting += (each for each in ast.iter_child_nodes(node) if isinstance(each, _WITH_STATEMENTS))


def _is_for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


@lru_cache(maxsize=_LIBRARIES_MAX)
def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
