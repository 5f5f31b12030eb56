"""The jobs of a deployment: one module each in one package, found by looking.

A job's version is a digest of its source, so that every edit is another version and nobody keeps a number by hand.
What jobs share inside their package (`__init__` and modules whose names start with `_`) counts as source of each.
"""

import hashlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType, ModuleType
from typing import Final

from baton.canary import CANARY_JOB
from baton.errors import BatonError
from baton.job import Job

__all__ = ["Catalog", "CatalogError", "LoadedJob", "load_jobs", "offered"]

_VERSION_HEX_DIGITS: Final = 12
_CANARY: Final = "baton.canary"


class CatalogError(BatonError):
    """The package of jobs cannot be used. The text names the module and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job and the version of its rules: 12 hex digits of SHA-256 over its source."""

    job: Job
    version: str


type Catalog = Mapping[str, LoadedJob]
"""Jobs by name, in the order of their modules."""


def load_jobs(package: str) -> Catalog:
    """Import every module of `package` and return their jobs by name, and Baton's own job for canaries.

    Raises `CatalogError` if there is no such package, if a module exposes no `job = Job(...)`, or if two modules
    name their job alike, or one like the canary's. An error inside a module comes out as it is: its traceback names
    file and line.
    """
    names = tuple(_module_names(_import_package(package)))
    private = [name for name in names if name.rpartition(".")[2].startswith("_")]
    shared = hashlib.sha256()
    for name in (package, *private):
        shared.update(_source(name))
    homes: dict[str, str] = {}
    jobs: dict[str, LoadedJob] = {}
    for name in (name for name in names if name not in private):
        job = _job_of(name)
        if job.name == CANARY_JOB.name:
            raise CatalogError(f"{name} defines a job named {job.name!r}: that name is Baton's own, take another one")
        if job.name in homes:
            raise CatalogError(f"{homes[job.name]} and {name} both define a job named {job.name!r}")
        digest = shared.copy()
        digest.update(_source(name))
        homes[job.name] = name
        jobs[job.name] = LoadedJob(job, digest.hexdigest()[:_VERSION_HEX_DIGITS])
    jobs[CANARY_JOB.name] = LoadedJob(CANARY_JOB, hashlib.sha256(_source(_CANARY)).hexdigest()[:_VERSION_HEX_DIGITS])
    return MappingProxyType(jobs)


def offered(catalog: Catalog) -> Catalog:
    """Return the jobs that a file can be sent to: all but the canary's."""
    return MappingProxyType({name: loaded for name, loaded in catalog.items() if name != CANARY_JOB.name})


def _import_package(name: str) -> ModuleType:
    try:
        package = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the package is there; something that it imports is not
        raise CatalogError(f"there is no package {name!r} to load jobs from") from error
    if not hasattr(package, "__path__"):
        raise CatalogError(f"{name!r} is a module, not a package with one module per job")
    return package


def _module_names(package: ModuleType) -> Iterator[str]:
    for info in sorted(pkgutil.iter_modules(package.__path__, f"{package.__name__}."), key=lambda info: info.name):
        if info.ispkg:
            raise CatalogError(f"{info.name} is a package: a job is one module")
        yield info.name


def _job_of(module_name: str) -> Job:
    job = getattr(import_module(module_name), "job", None)
    if not isinstance(job, Job):
        raise CatalogError(f"{module_name} exposes no `job = Job(...)`")
    return job


def _source(module_name: str) -> bytes:
    spec = find_spec(module_name)
    get_source = getattr(spec and spec.loader, "get_source", None)
    source: str | None = get_source(module_name) if get_source else None
    if source is None:
        raise CatalogError(f"{module_name} has no source to tell its version from")
    # The length keeps two modules from changing places with one that is split elsewhere.
    return f"{len(source)}\0{source}".encode()
