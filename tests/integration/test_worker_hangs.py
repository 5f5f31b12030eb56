"""A real process whose rule hangs ends itself, so that another one is started in its place."""

import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).parents[1] / "support"


def _ended(kind: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SUPPORT / "hanging_worker.py"), kind]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own script


def test_rule_that_loops_ends_its_process_and_the_message_comes_back() -> None:
    ended = _ended("loop")

    assert ended.returncode == 1, ended.stderr
    assert "a computation did not end within 1 s" in ended.stderr
    assert ended.stdout == "messages that came back: 1\n"


def test_rule_that_holds_the_interpreter_ends_its_process_long_before_its_own_limit_and_shows_where() -> None:
    ended = _ended("regex")  # within the time-out: its limit is ten minutes

    assert ended.returncode == 1, ended.stderr
    assert "Timeout" in ended.stderr
    assert "_regex" in ended.stderr
