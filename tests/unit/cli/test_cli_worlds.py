"""What commands say when the world, or the jobs, are not as they should be."""

import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from baton_cli.main import app
from baton_local.in_containers import layout
from baton_local.on_processes import lifecycle


def _baton(directory: Path, *args: str) -> Result:
    return CliRunner().invoke(app, ["--directory", str(directory), *args])


@pytest.fixture
def broken_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "broken_jobs_of_a_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "payments.py").write_text('from baton.job import Dialect\n\ndialect = Dialect(encoding="utf-16")\n')
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return package.name


@pytest.mark.parametrize("command", ["jobs", "up"])
def test_a_mistake_in_a_job_is_named_before_anything_starts(
    command: str, broken_jobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def up(_: Path) -> None:
        raise AssertionError("nothing may be started")

    monkeypatch.setattr(lifecycle, "up", up)

    result = _baton(tmp_path / "world", "--jobs-package", broken_jobs, command)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {broken_jobs}/payments.py, line 3: encoding: ")
    assert len(result.stderr.splitlines()) == 1


def _interrupts(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("command", "words"), [("up", "the world continues to start"), ("down", " down")])
def test_ctrl_c_says_what_becomes_of_the_world(
    command: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, command, _interrupts)

    result = _baton(tmp_path / "world", command)

    assert result.exit_code == 130
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_ctrl_c_before_the_command_is_there_ends_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")

    ended = subprocess.run(
        [sys.executable, "-m", "baton_cli", "--help"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 130
    assert ended.stderr == "interrupted before anything was done\n"


def test_without_a_composed_world_the_command_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
    gone = {"region_endpoints": dict.fromkeys(layout.WORLD.regions, nobody), "global_endpoint": nobody}
    world = layout.WORLD.model_copy(update={**gone, "mrap_endpoint": nobody, "admin_endpoint": nobody})
    monkeypatch.setattr(layout, "WORLD", world)

    result = _baton(tmp_path / "world", "--world", "compose", "status")

    assert result.exit_code == 1
    assert result.stderr == "error: no composed world runs: start it with `docker compose up -d --wait`\n"


def test_without_a_world_and_without_one_on_aws_the_command_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BATON_ENVIRONMENT", "BATON_ACCOUNT_ID", "BATON_REGIONS", "BATON_WORLD", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)

    result = _baton(tmp_path / "world", "status")

    assert result.exit_code == 1
    start = f"baton --directory {shlex.quote(str(tmp_path / 'world'))} up"
    assert result.stderr.startswith(f"error: no world runs here (start one: `{start}`), and the environment names none")
