"""Each `baton …` and each `aws …` in the documentation is a command that there is, with options that it has."""

import random
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from aio import run
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.session import Session
from canaries_served import serve
from cli_world import AWAY, HOME, CliWorld, failed
from controllers_played import PlayedWorld

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
RUNBOOKS: Final = (ROOT / "docs/runbooks.md").read_text()
COMMAND: Final[Any] = typer.main.get_command(app)
USAGE_ERROR: Final = 252
"""What the AWS CLI ends with if it does not take its arguments; if it reaches nobody it is another status."""


def _blocks(text: str, mark: str) -> list[str]:
    return re.findall(rf"^```{mark}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _commands(page: str) -> list[str]:
    """Return what a reader may type: lines of blocks, and whole commands in the middle of sentences."""
    text = (ROOT / page).read_text()
    lines = [line.removeprefix("$ ") for block in _blocks(text, "[a-z ]*") for line in block.splitlines()]
    spans = re.findall(r"`(baton [^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    typed = [line for line in lines if line.startswith("baton ")] + [" ".join(span.split()) for span in spans]
    return [line for line in typed if "…" not in line.partition("--reason")[0]]


def _parse(line: str) -> tuple[str, frozenset[str]]:
    """Return the command and its options. Raises `typer.TyperException` if there is no such command or option."""
    command: Any = COMMAND
    context = typer.Context(command, info_name="baton")
    words = shlex.split(line.translate({ord("["): None, ord("]"): None}), comments=True)[1:]
    named = list[str]()
    while hasattr(command, "get_command"):  # a group
        while words and words[0].startswith("-"):  # options of `baton` itself, each with a value
            del words[:2]
        if not words:
            break  # the name of a group
        name = words.pop(0)
        command = command.get_command(context, name)
        if command is None:
            raise typer.BadParameter(f"there is no command {name}")
        named.append(name)
        context = typer.Context(command, parent=context, info_name=name)
    if words:  # without any it is the command's name in a sentence
        command.make_context(named[-1], list(words), parent=context.parent)
    return " ".join(named), frozenset(word for word in words if word.startswith("--"))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_baton_is_one(page: str) -> None:
    wrong = dict[str, str]()
    for line in _commands(page):
        try:
            _parse(line)
        except typer.TyperException as error:
            wrong[line] = str(error)

    assert wrong == {}


def test_a_command_that_is_none_would_be_noticed() -> None:
    for line in (
        "baton list",
        "baton freeze --until 2h",
        "baton failover --too us-west-2",
        "baton chaos mend us-east-1",
    ):
        with pytest.raises(typer.TyperException):
            _parse(line)


def test_every_command_of_the_runbooks_is_run() -> None:
    """By `.ci/runbooks`, which runs the blocks: what a sentence names is in one of them, or another form of it is."""
    run = {_parse(line) for block in _blocks(RUNBOOKS, "sh") for line in block.splitlines()}
    named = {_parse(line) for line in _commands("docs/runbooks.md")}
    commands = {command for command, _ in run}

    assert {command for command, _ in named} <= commands
    for command, options in named:
        assert options <= {option for each, has in run if each == command for option in has} | {"--follow"}, command


def test_the_commands_of_the_runbooks_succeed_in_their_order() -> None:
    """In memory, with controllers that decide for real: `.ci/runbooks` runs the same lines on real processes."""
    world = PlayedWorld().play(HOME, AWAY)
    for region in (world.home, world.away):
        serve(region, world.ledger)
    broken = run(world.admit(CliWorld().batch("f" * 20, **failed())))
    waiting = run(world.admit(CliWorld().batch("a" * 20, BatchState.WAITING_INPUT)))
    dice = random.Random(7)

    def typed(line: str) -> None:
        away = run(world.ledger.control()).active_region == HOME
        batch = waiting if " cancel " in line else broken
        line = re.sub(r"--at-least \w+", f"--at-least {run(world.ledger.control()).epoch + 1} --force", line)
        line = line.replace("STANDBY", AWAY if away else HOME).replace("BATCH", batch.batch_id)
        session = Session(world, out=Console(), err=Console(stderr=True), runner=virtual_time.run, dice=dice)
        result = CliRunner().invoke(app, shlex.split(line, comments=True)[1:], obj=session)
        assert result.exit_code == 0, f"{line}\n{result.stderr}"

    typed('baton ack --reason "a decision to explain"')
    for block in _blocks(RUNBOOKS, "sh"):
        for line in block.splitlines():
            typed(line)

    assert run(world.ledger.control()).active_region == HOME


@pytest.mark.parametrize(
    "line",
    [line for block in _blocks(RUNBOOKS, "sh account") for line in block.splitlines() if line.startswith("aws ")],
)
def test_the_aws_cli_takes_every_command_of_the_runbooks(line: str) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_REGION": "us-east-1",
    }
    command = [str(Path(sys.executable).with_name("aws")), *shlex.split(line.replace("REGION", "us-east-1"))[1:]]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - the line of our own page

    assert done.returncode not in {0, USAGE_ERROR}, done.stderr
