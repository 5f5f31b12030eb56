"""A job's version covers all that can change a byte of its result."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from baton import sources
from baton.sources import ENGINE_LIBRARIES, ENGINE_PACKAGES, IN_SOME_IMAGES, normalized, pins, sources_of

ROOT: Final = Path(__file__).parents[3]
JOB: Final = """
from baton.job import Job, Record
from helpers.rules import Name


class Line(Record):
    name: Name


job = Job(name="lines", record=Line, recipients=("a@example.com",))
"""
HELPERS: Final = {
    "helpers/__init__.py": "",
    "helpers/rules.py": "from . import limits\n\ntype Name = limits.Short\n",
    "helpers/limits.py": "from typing import Annotated\nfrom pydantic import Field\n"
    "Short = Annotated[str, Field(max_length=100)]\n",
    "helpers/unused.py": "LIMIT = 1\n",
    "my_jobs/__init__.py": "",
    "my_jobs/lines.py": JOB,
    "my_jobs/countries.txt": "AT\nDE\n",
}
MATTERS: Final = (
    "my_jobs/lines.py",
    "my_jobs/__init__.py",
    "my_jobs/countries.txt",
    "helpers/rules.py",
    "helpers/limits.py",
    "helpers/__init__.py",
    "baton/fields.py",
    "baton/job.py",
    "baton/csv/scanner.py",
    "baton/model/plan.py",
    "worker/parse.py",
    "worker/rules.py",
    "worker/render.py",
    "worker/domain.py",
    "worker/handler.py",
    "merger/domain.py",
)
MATTERS_NOT: Final = ("helpers/unused.py", "baton/aws/queues.py", "worker/main.py")
ASK: Final = "from baton.catalog import load_jobs; print(load_jobs('my_jobs')['lines'].version)"
ASK_AGAIN: Final = """
from baton import sources
from baton.catalog import load_jobs


def ask():
    for once in (sources.engine, sources._version, sources._required):  # a process reads each of them once
        once.cache_clear()
    print(load_jobs('my_jobs')['lines'].version)


ask()
"""

type MakeTree = Callable[[str], Path]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """Give a deployment of its own: Baton's library, the services that write results, a job and its helpers."""

    def make(name: str) -> Path:
        tree = tmp_path / name
        for package in ("baton", *ENGINE_PACKAGES):
            spec = find_spec(package)
            assert spec
            assert spec.origin
            without_cache = shutil.ignore_patterns("__pycache__")
            shutil.copytree(Path(spec.origin).parent, tree / package, ignore=without_cache)
        for path, text in HELPERS.items():
            (tree / path).parent.mkdir(exist_ok=True)
            (tree / path).write_text(text)
        return tree

    return make


def told_in(tree: Path, program: str) -> list[str]:
    """Return what a process of its own prints, line by line, which finds everything in that tree."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tree)!r}); {program}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - this test's own words
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def version_in(tree: Path, ask: str = ASK) -> str:
    """Return the job's version as a process of its own tells it."""
    (version,) = told_in(tree, ask)
    return version


def test_whatever_can_change_a_byte_is_another_version_and_what_cannot_is_not(make_tree: MakeTree) -> None:
    tree = make_tree("tree")
    edited = MATTERS + MATTERS_NOT
    edits = (
        f"for path in {[str(tree / path) for path in edited]}:\n"
        "    with open(path, 'a') as file: file.write('\\n# edited\\n')\n"
        "    ask()\n"
    )

    told = told_in(tree, f"{ASK_AGAIN}{edits}")

    assert [after != before for before, after in pairwise(told)] == [path in MATTERS for path in edited], told


def test_equal_trees_give_equal_versions_wherever_they_lie_and_whatever_was_imported_first(make_tree: MakeTree) -> None:
    here, there = make_tree("here"), make_tree("there")

    assert version_in(here) == version_in(there, f"import helpers.unused, worker.rules, baton.canary; {ASK}")


def test_a_service_that_carries_no_polars_tells_the_same_version(make_tree: MakeTree) -> None:
    tree = make_tree("tree")
    # No image but the worker's holds polars; the merger's and the notifier's hold no numpy either.
    absent = (
        "import importlib.metadata as m; real = m.version\n"
        "def version(name):\n"
        "    if name in ('polars', 'numpy'): raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version; sys.modules['polars'] = sys.modules['numpy'] = None\n"
    )

    assert version_in(tree, f"\n{absent}{ASK}") == version_in(tree)


def test_another_version_of_python_or_of_a_library_of_the_engine_is_another_version(make_tree: MakeTree) -> None:
    later = (
        "real = sources.version\n"
        f"for later in {list(ENGINE_LIBRARIES)}:\n"
        "    sources.version = lambda name: '99.0' if name == later else real(name)\n"
        "    ask()\n"
        "sources.version = real\n"
        "sys.version_info = (3, 99)\n"
        "ask()\n"
    )

    told = told_in(make_tree("tree"), f"{ASK_AGAIN}{later}")

    assert len(told) == len(set(told)) == 1 + len(ENGINE_LIBRARIES) + 1


def test_another_version_of_a_library_that_a_job_imports_is_another_version(make_tree: MakeTree) -> None:
    tree = make_tree("tree")
    (tree / "helpers/limits.py").write_text("import yarl\n" + HELPERS["helpers/limits.py"])
    later = (
        "real = sources.version\n"
        "for later in ('yarl', 'aiohttp'):\n"
        "    sources.version = lambda name: '99.0' if name == later else real(name)\n"
        "    ask()\n"
    )

    now, with_yarl, with_another = told_in(tree, f"{ASK_AGAIN}{later}")

    assert now == with_another != with_yarl


def test_a_library_that_a_job_imports_is_named_with_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports = (
        "import json, yarl\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pytest\nimport nothing\n"
    )
    (tmp_path / "job_with_yarl.py").write_text(imports)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    made_of = sources_of(["job_with_yarl"])

    assert made_of.modules.keys() == {"job_with_yarl"}
    assert [re.sub("==[0-9.]+", "==N", pin) for pin in pins(made_of.libraries)] == [
        "idna==N",
        "multidict==N",
        "propcache==N",
        "yarl==N",
    ]


def test_an_import_is_seen_wherever_it_may_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imports = """
import typing
if not typing.TYPE_CHECKING:
    import a
if typing.TYPE_CHECKING:
    import never
elif a:
    import b
try:
    import c
except* ImportError:
    import d
else:
    import e
match 1:
    case 1:
        async def f():
            async with f() as g:
                for h in g:
                    class Inner:
                        while True:
                            import f
"""
    (tmp_path / "job.py").write_text(imports)
    for name in ("a", "b", "c", "d", "e", "f", "never"):
        (tmp_path / f"{name}.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert sources_of(["job"]).modules.keys() == {"job", "a", "b", "c", "d", "e", "f"}


def test_what_brings_a_library_is_what_python_says() -> None:
    says = {name: set(brings) for name, brings in packages_distributions().items()}

    assert {name: set(brings) for name, brings in sources._brought_by().items()} == says  # pyright: ignore[reportPrivateUsage] - a test may look inside


def test_what_a_library_requires_is_named_with_it() -> None:
    assert [pin.partition("==")[0] for pin in pins({"jinja2"})] == ["jinja2", "markupsafe"]
    assert {"annotated-types", "typing-extensions"} <= {pin.partition("==")[0] for pin in pins({"pydantic"})}


def _install(place: Path, name: str, version: str, *requirements: str) -> None:
    told = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    folder = place / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{told}")


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """Drop afterwards what is installed for this test alone."""
    yield
    _forget()


def _forget() -> None:
    for once in (sources._version, sources._required):  # pyright: ignore[reportPrivateUsage] - a test may look inside
        once.cache_clear()


def _pinned_anew(libraries: set[str]) -> list[str]:
    _forget()
    return pins(libraries)


@pytest.mark.usefixtures("_forgotten")
def test_what_is_installed_for_an_extra_counts_and_so_does_what_it_requires_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _pinned_anew({"pydantic"})
    _install(tmp_path, "Email_Validator", "2.2.0", "DNS.python >=2.0.0", "pydantic[email]", 'awscrt; extra == "crt"')
    _install(tmp_path, "dns-python", "2.7.0", "email-validator; extra == 'mail'", 'black-board>=1; extra == "dev"')
    _install(tmp_path, "black-board", "1.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert set(_pinned_anew({"pydantic"})) - set(before) == {"email-validator==2.2.0", "dns-python==2.7.0"}


def test_a_checkout_names_no_library_that_images_do_not_carry() -> None:
    libraries = sources_of(["baton.job"], own=frozenset({"baton"})).libraries

    for service in ("splitter", "worker", "merger", "notifier"):
        pinned = re.findall(r"^[\w.-]+==[^\s;]+", (ROOT / f"requirements/{service}.txt").read_text(), re.MULTILINE)
        assert set(pins(libraries)) <= set(pinned)


def test_an_extra_brings_nothing_that_only_some_images_carry() -> None:
    """Or the services would tell different versions of a job, and never do what another one planned."""
    pinned = [
        {normalized(name) for name in re.findall(r"^([\w.-]+)==", path.read_text(), re.MULTILINE)}
        for path in (ROOT / f"requirements/{service}.txt" for service in ("splitter", "worker", "merger", "notifier"))
    ]
    differ = set[str]().union(*pinned) - pinned[0].intersection(*pinned)

    assert differ - {"numpy", "polars", "polars-runtime-32"} == IN_SOME_IMAGES


def test_the_engine_names_the_libraries_that_images_are_built_with() -> None:
    for requirements in (ROOT / "requirements").glob("*.txt"):
        if requirements.stem == "checks":
            continue  # what checks templates is in no image
        pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", requirements.read_text(), re.MULTILINE))
        assert {name: pinned[name] for name in ENGINE_LIBRARIES if name in pinned}.items() <= ENGINE_LIBRARIES.items()
    worker = (ROOT / "requirements/worker.txt").read_text()
    assert all(f"\n{name}=={version}" in f"\n{worker}" for name, version in ENGINE_LIBRARIES.items())


def test_every_image_that_knows_jobs_carries_the_engine() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = re.search(r"grep -q baton-jobs .*?cp -r (.*?) src/", dockerfile, re.DOTALL)

    assert copied
    assert {f"/context/services/{name}/src/." for name in ENGINE_PACKAGES} <= set(copied[1].split())
    for service in ("splitter", "worker", "merger", "notifier"):
        project = tomllib.loads((ROOT / f"services/{service}/pyproject.toml").read_text())
        assert "baton-jobs" in project["project"]["dependencies"]
