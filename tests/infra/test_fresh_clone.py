"""`make deploy ARGS=--dry-run` in a fresh clone with a copied file prints every command, or the one thing missing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from baton_infra import config
from baton_infra.declared import steps

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Clone what is committed here, and copy an environment's file in it, as docs/deploy.md says."""
    into = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(into)], check=True)  # noqa: S603, S607 - git
    environments = into / "infra" / "environments"
    shutil.copy(environments / "prod.toml", environments / "mine.toml")
    return into


def _dry_run(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verb as it stands in the clone's Makefile, but with what is installed here."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(clone.parent), "PYTHONPATH": str(clone / "infra" / "src")}
    command = ["make", "--old-file=.venv/.infra", f"BIN={Path(sys.executable).parent}", "ARGS=--dry-run", "deploy"]
    return subprocess.run([*command, *arguments], cwd=clone, env=bare, check=False, capture_output=True, text=True)  # noqa: S603 - make


def _changed(clone: Path) -> str:
    status = ["git", "-C", str(clone), "status", "--porcelain"]
    return subprocess.run(status, check=True, capture_output=True, text=True).stdout  # noqa: S603 - git


def _edit(clone: Path, old: str, new: str) -> None:
    path = clone / "infra" / "environments" / "mine.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_copied_file_that_is_not_committed_is_enough_for_every_command(clone: Path) -> None:
    account = config.load("prod").account_id
    _edit(clone, f'"{account}"', '"444444444444"')
    mine = config.load("prod").model_copy(update={"name": "mine", "account_id": "444444444444"})

    printed = _dry_run(clone, "ENV=mine")

    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.splitlines()[1:] == "\n".join(map(str, steps.deploy(mine))).splitlines()
    assert (account in printed.stdout, printed.stderr) == (False, "")
    assert _changed(clone) == "?? infra/environments/mine.toml\n"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param(
            '"222222222222"', '"2222"', r"account_id: String should match pattern '^\d{12}$'", id="an account of four"
        ),
        pytest.param('switch = "arc"', "switch = arc", "Invalid value (at line 3, column 10)", id="no TOML"),
        pytest.param(
            "[networks.us-west-2]",
            "[networks.us-west-1]",
            "Value error, [networks] names us-east-1, us-west-1; the Regions are us-east-1, us-west-2",
            id="a network elsewhere",
        ),
    ],
)
def test_a_file_that_cannot_be_ends_it_with_its_name_and_the_key(clone: Path, old: str, new: str, told: str) -> None:
    _edit(clone, old, new)

    printed = _dry_run(clone, "ENV=mine")

    first, *rest = printed.stderr.splitlines()
    assert printed.returncode == 2
    assert first == f"infra/environments/mine.toml: {told}"
    assert all(line.startswith("make: ***") for line in rest)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(("ENV=other",), "invalid choice: 'other' (choose from 'dev', 'mine', ", id="other"),
        pytest.param((), "the following arguments are required: environment", id="none"),
    ],
)
def test_an_environment_that_has_no_file_is_refused_by_name(clone: Path, arguments: tuple[str, ...], told: str) -> None:
    printed = _dry_run(clone, *arguments)

    assert printed.returncode == 2
    assert told in printed.stderr
