"""Jobs are found by looking, and every edit is another version."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from baton.catalog import CatalogError, load_jobs, offered

type MakePackage = Callable[..., str]

SALES = 'from baton.job import Job\njob = Job(name="sales", record=None, recipients=("a@example.com",))\n'
STOCK = SALES.replace("sales", "stock")
_UNKNOWN_OUTPUT = SALES.replace("import Job", "import Job, Record\nclass R(Record):\n    a: str").replace(
    "None", "R, output=('no',)"
)
_numbers = itertools.count()


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """Write modules into a new importable package, by file name; its name is new too: imports are cached."""

    def make(**modules: str) -> str:
        name = f"jobs_of_test_{next(_numbers)}"
        folder = tmp_path / name
        folder.mkdir()
        for module, source in {"__init__": "", **modules}.items():
            (folder / f"{module}.py").write_text(source)
        return name

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return make


def test_every_module_is_a_job_by_its_own_name(make_package: MakePackage) -> None:
    package = make_package(b_sales=SALES, a_stock=STOCK)

    jobs = load_jobs(package)

    assert list(jobs) == ["stock", "sales", "canary"]
    assert list(offered(jobs)) == ["stock", "sales"]
    assert jobs["sales"].job.recipients == ("a@example.com",)


def test_version_is_12_hex_digits_and_the_same_for_the_same_source(make_package: MakePackage) -> None:
    first, second = make_package(sales=SALES), make_package(sales=SALES)

    versions = {load_jobs(package)["sales"].version for package in (first, second)}

    assert len(versions) == 1
    assert all(len(version) == 12 and int(version, 16) >= 0 for version in versions)


def test_any_edit_is_another_version_of_that_job_alone(make_package: MakePackage) -> None:
    before = load_jobs(make_package(sales=SALES, stock=STOCK))

    after = load_jobs(make_package(sales=SALES + "# a comment\n", stock=STOCK))

    assert after["sales"].version != before["sales"].version
    assert after["stock"].version == before["stock"].version


def test_private_modules_are_no_jobs_and_yet_source_of_every_job(make_package: MakePackage) -> None:
    before = load_jobs(make_package(sales=SALES, _shared="LIMIT = 1\n"))

    after = load_jobs(make_package(sales=SALES, _shared="LIMIT = 2\n"))

    assert list(offered(after)) == ["sales"]
    assert after["sales"].version != before["sales"].version


def test_files_beside_an_imported_package_are_part_of_the_jobs_that_import_it(
    make_package: MakePackage, tmp_path: Path
) -> None:
    helpers = make_package(rules="")
    jobs = make_package(sales=f"import {helpers}.rules\n{SALES}", stock=STOCK)
    codes = tmp_path / helpers / "data" / "codes.txt"
    codes.parent.mkdir()
    codes.write_text("AT\n")
    before = load_jobs(jobs)

    codes.write_text("AT\nDE\n")
    after = load_jobs(jobs)

    assert after["sales"].version != before["sales"].version
    assert after["stock"].version == before["stock"].version


def test_two_jobs_of_one_name_are_named_with_their_modules(make_package: MakePackage) -> None:
    package = make_package(one=SALES, two=SALES)

    with pytest.raises(CatalogError, match=rf"{package}\.one and {package}\.two both define a job named 'sales'"):
        load_jobs(package)


def test_the_name_of_the_canary_is_taken(make_package: MakePackage) -> None:
    package = make_package(mine=SALES.replace("sales", "canary"))

    with pytest.raises(CatalogError, match=rf"{package}\.mine .*'canary'.* Baton's own"):
        load_jobs(package)


@pytest.mark.parametrize("source", ["x = 1\n", "job = 'sales'\n"])
def test_module_without_a_job_is_named(make_package: MakePackage, source: str) -> None:
    package = make_package(orphan=source)

    with pytest.raises(CatalogError, match=rf"{package}\.orphan exposes no `job = Job"):
        load_jobs(package)


@pytest.mark.parametrize("name", ["no_such_jobs", "no_such_parent.jobs", "baton.no_such_jobs"])
def test_unknown_package_is_named(name: str) -> None:
    with pytest.raises(CatalogError, match=f"there is no package '{name}'"):
        load_jobs(name)


def test_module_in_place_of_a_package_is_refused() -> None:
    with pytest.raises(CatalogError, match=r"'baton\.errors' is a module"):
        load_jobs("baton.errors")


def test_package_in_place_of_a_module_is_refused(make_package: MakePackage, tmp_path: Path) -> None:
    package = make_package(sales=SALES)
    (tmp_path / package / "nested").mkdir()
    (tmp_path / package / "nested" / "__init__.py").write_text(STOCK)

    with pytest.raises(CatalogError, match=r"nested is a package: a job is one module"):
        load_jobs(package)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_library\n", r"line 1: ModuleNotFoundError: No module named 'no_such_library'"),
        ("x = 1\ny = (\n", r"line 2: SyntaxError: '\(' was never closed"),
        ("x = 1\n\ny = 1 / 0\n", r"line 3: ZeroDivisionError: division by zero"),
        (SALES.replace("a@example.com", "nobody"), r"line 2: recipients\.0: 'nobody' is no [^;]*$"),
        (f"def made():\n    {SALES.splitlines()[0]}\n    return Job(name='')\nmade()\n", r"line 3: name: .*; record: "),
        (_UNKNOWN_OUTPUT, r"line 4: output names unknown columns: \['no'\]"),
        ("raise SystemExit(3)\n", r"line 1: SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("module", ["sales", "__init__"])
def test_error_inside_a_job_or_the_package_is_named_with_its_line(
    make_package: MakePackage, module: str, source: str, words: str
) -> None:
    package = make_package(**{module: source})

    with pytest.raises(CatalogError, match=rf"^{package}/{module}\.py, {words}") as failed:
        load_jobs(package)

    assert failed.value.__cause__ is not None, "the log shows where it comes from"
    assert len(str(failed.value).splitlines()) == 1


def test_a_broken_module_keeps_no_other_job_back_from_who_takes_what_there_is(make_package: MakePackage) -> None:
    package = make_package(a_broken="x = 1 / 0\n", b_orphan="x = 1\n", c_sales=SALES, d_twice=SALES, e_stock=STOCK)
    left_out: list[CatalogError] = []

    jobs = load_jobs(package, left_out=left_out)

    assert list(offered(jobs)) == ["sales", "stock"]
    assert [str(error).partition(" ")[0] for error in left_out] == [
        f"{package}/a_broken.py,",
        f"{package}.b_orphan",
        f"{package}.c_sales",
    ]


def test_catalog_cannot_be_changed(make_package: MakePackage) -> None:
    jobs = load_jobs(make_package(sales=SALES))

    with pytest.raises(TypeError):
        jobs["other"] = jobs["sales"]  # type: ignore[index] # the fact under test
