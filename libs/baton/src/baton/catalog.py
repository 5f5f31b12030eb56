"""Loads the jobs of a deployment: one module each in one package.

A job's version is a digest of all that can change a byte of its result, so that every edit is another version and
no version number has to be maintained: its own source and all that it imports, what jobs share inside their package
(`__init__`, modules whose names start with `_`, files that are no modules), library versions, and Baton's own engine.
"""

import pkgutil
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from baton import sources
from baton.canary import CANARY_JOB
from baton.errors import BatonError
from baton.job import Job
from baton.shown import shown

__all__ = ["Catalog", "CatalogError", "LoadedJob", "load_jobs", "offered"]

_VERSION_HEX_DIGITS: Final = 12
_REASON_CHARS_MAX: Final = 2_000
_CANARY: Final = "baton.canary"


class CatalogError(BatonError):
    """The package of jobs cannot be used. The text names the module and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job and the version of its rules: 12 hex digits of SHA-256 over all that its results rest on."""

    job: Job
    version: str


type Catalog = Mapping[str, LoadedJob]
"""Jobs by name, in the order of their modules."""


def load_jobs(package: str, *, left_out: list[CatalogError] | None = None) -> Catalog:
    """Import every module of `package` and return their jobs by name, and Baton's own job for canaries.

    Raises `CatalogError` if there is no such package, if a module exposes no `job = Job(...)`, or if two modules
    name their job alike, or one like the canary's; and for any error inside a module, with its file and line.
    `left_out`: what is wrong with single modules is added here, and the other jobs are returned.
    """
    found = _import_package(package)
    names = tuple(_module_names(found))
    private = [name for name in names if name.rpartition(".")[2].startswith("_")]
    shared = {"engine": sources.engine().encode(), **_files(found.__path__)}
    homes: dict[str, str] = {}
    jobs: dict[str, LoadedJob] = {}
    for name in (name for name in names if name not in private):
        try:
            job = _job_of(name, homes)
        except CatalogError as error:
            if left_out is None:
                raise
            left_out.append(error)
            continue
        homes[job.name] = name
        jobs[job.name] = LoadedJob(job, _version((package, *private, name), home=package, shared=shared))
    canary = _version((_CANARY,), home="baton", shared={"engine": shared["engine"]})
    jobs[CANARY_JOB.name] = LoadedJob(CANARY_JOB, canary)
    return MappingProxyType(jobs)


def offered(catalog: Catalog) -> Catalog:
    """Return the jobs that a file can be sent to: all but the canary's."""
    return MappingProxyType({name: loaded for name, loaded in catalog.items() if name != CANARY_JOB.name})


def _import_package(name: str) -> ModuleType:
    try:
        package = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _broken(name, error) from error  # the package is there; something that it imports is not
        raise CatalogError(f"there is no package {name!r} to load jobs from") from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error
    if not hasattr(package, "__path__"):
        raise CatalogError(f"{name!r} is a module, not a package with one module per job")
    return package


def _module_names(package: ModuleType) -> Iterator[str]:
    for info in sorted(pkgutil.iter_modules(package.__path__, f"{package.__name__}."), key=lambda info: info.name):
        if info.ispkg:
            raise CatalogError(f"{info.name} is a package: a job is one module")
        yield info.name


def _job_of(module_name: str, homes: Mapping[str, str]) -> Job:
    """Return the job of a module. `homes`: the modules of those that were found before, by the names of their jobs."""
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise _broken(module_name.partition(".")[0], error) from error
    job = getattr(module, "job", None)
    if not isinstance(job, Job):
        raise CatalogError(f"{module_name} exposes no `job = Job(...)`")
    if job.name == CANARY_JOB.name:
        raise CatalogError(
            f"{module_name} defines a job named {job.name!r}: that name is Baton's own, take another one"
        )
    if job.name in homes:
        raise CatalogError(f"{homes[job.name]} and {module_name} both define a job named {job.name!r}")
    return job


def in_own_words(message: str) -> str:
    """Return what a validator said, without what pydantic writes before it."""
    return message.removeprefix("Value error, ")


def _broken(package: str, error: BaseException) -> CatalogError:
    """Say what is wrong where, in one line: at the innermost line of the package itself."""
    folder = package.partition(".")[0]
    lines = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno or 0))
    own = [(Path(name), line) for name, line in lines if folder in Path(name).parts]
    where = "".join(f"{'/'.join(path.parts[path.parts.index(folder) :])}, line {line}: " for path, line in own[-1:])
    if isinstance(error, ValidationError):
        what = "; ".join(": ".join(_where_and_what(each)) for each in _innermost(error.errors()))
    else:
        what = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    return CatalogError(shown(f"{where or f'{package}: '}{what}", most=_REASON_CHARS_MAX))


def _innermost(errors: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Yield the errors that do not follow from one inside: a list of which each item is refused is also too short."""
    for each in errors:
        depth = len(each["loc"])
        if not any(len(other["loc"]) > depth and other["loc"][:depth] == each["loc"] for other in errors):
            yield each


def _where_and_what(error: ErrorDetails) -> Iterator[str]:
    """Yield the place of an error, if it concerns no more than a part of the model, and what is wrong."""
    if error["loc"]:
        yield ".".join(map(str, error["loc"]))
    yield in_own_words(error["msg"])


def _version(modules: tuple[str, ...], *, home: str, shared: Mapping[str, bytes]) -> str:
    """Return the version of what these modules define. Where their package lies, and its name, do not count."""
    made_of = sources.sources_of(modules, own=frozenset({home.partition(".")[0], "baton"}))
    named = {_relative(name, home): source for name, source in made_of.modules.items()}
    libraries = "\n".join(sources.pins(made_of.libraries)).encode()
    tops = {name.partition(".")[0] for name in made_of.modules} - {home.partition(".")[0], "baton"}
    beside = {f"{top}: {name}": content for top in tops for name, content in _files(_homes(top)).items()}
    return sources.digest({**shared, **named, **beside, "libraries": libraries})[:_VERSION_HEX_DIGITS]


def _homes(package: str) -> Iterable[str]:
    """Return the directories of a package; none of a module, which is not alone where it lies."""
    spec = find_spec(package)
    return spec.submodule_search_locations or () if spec else ()


def _relative(name: str, home: str) -> str:
    is_inside = f"{name}.".startswith(f"{home}.")
    return f"module .{name.removeprefix(home)}" if is_inside else f"module {name}"


def _files(homes: Iterable[str]) -> dict[str, bytes]:
    """Return what lies beside the modules of a package, by path: tables that a job reads are rules as well."""
    found: dict[str, bytes] = {}
    for home in map(Path, homes):
        for path in home.rglob("*"):
            place = path.relative_to(home)
            is_hidden = any(part.startswith((".", "__pycache__")) for part in place.parts)
            if path.is_file() and path.suffix != ".py" and not is_hidden:
                found[f"file {place.as_posix()}"] = path.read_bytes()
    return found
