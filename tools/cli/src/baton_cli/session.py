"""One run of the command: how it reaches the world, prints answers and reports errors."""

import asyncio
import contextlib
import getpass
import json
import random
import socket
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

import typer
from rich.console import Console, RenderableType

from baton.catalog import Catalog, CatalogError
from baton.errors import BatonError
from baton.model.states import BatchState
from baton.shown import shown
from baton_cli.batches.documents import Json
from baton_cli.reach.connection import Connection, Declined

if TYPE_CHECKING:  # the local world takes half a second to import: only the commands that need it should wait
    from baton_local.state import World
    from baton_local.switches.admin import Admin


class ExitStatus(IntEnum):
    """How the command ends. Scripts rely on these."""

    OK = 0
    ERROR = 1
    """Wrong usage, refused, not over in time, or the world does not answer."""
    FAILED = 2
    """The batch failed; the switch was rolled back."""
    CANCELLED = 3
    """The batch was cancelled; another switch took the place of this one."""
    DEGRADED = 4
    """The Region is active as ordered, but a step of the switch was not done in time. It is still tried."""
    INTERRUPTED = 130


OUTCOMES = {BatchState.FAILED: ExitStatus.FAILED, BatchState.CANCELLED: ExitStatus.CANCELLED}


class Places(Protocol):
    """Where things are. Each raises `Declined` if it is not there."""

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """Open the ports of both Regions."""
        ...

    def admin(self) -> "Admin":
        """Return the switches of the world on this machine."""
        ...

    def up(self) -> "tuple[World, bool]":
        """Start the world on this machine, or return the running one; and whether it ran before."""
        ...

    def down(self) -> bool:
        """Stop the world on this machine and delete its data; return whether there was one."""
        ...

    def catalog(self, *, left_out: list[CatalogError] | None = None) -> Catalog:
        """Return the jobs; with `left_out` those that can be loaded: what is wrong with others is added to it."""
        ...

    def jobs_at_start(self) -> Mapping[str, str] | None:
        """Return the versions of the jobs that the world on this machine was started with; None: nobody knows."""
        ...


_UNBROKEN_WIDTH: Final = 10_000
"""Of lines that no terminal shows: who reads them from a file or a pipe wants ids, addresses and links whole."""


def console(*, stderr: bool = False) -> Console:
    """Return where text goes: as wide as the terminal, or without any breaks if there is none."""
    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made.width = _UNBROKEN_WIDTH
    return made


def _run_for_real[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _user() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _confirmed_on_a_terminal(question: str) -> bool:
    # A script that orders something means it; only people mistype.
    return not sys.stdin.isatty() or typer.confirm(question, err=True)


@dataclass(frozen=True, slots=True)
class Session:
    """Answers go to stdout, everything else to stderr."""

    places: Places
    out: Console = field(default_factory=console)
    err: Console = field(default_factory=lambda: console(stderr=True))
    runner: Callable[[Coroutine[Any, Any, Any]], Any] = _run_for_real
    who: Callable[[], str] = _user
    """Who orders things: user@host."""
    confirmed: Callable[[str], bool] = _confirmed_on_a_terminal
    """Asks a question that is answered with yes or no."""
    dice: random.Random = field(default_factory=random.SystemRandom)

    def run[T](self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Connect, do the work and return what it returns; an error that people can act on ends the command."""

        async def connected() -> T:
            async with self.places.connect() as connection:
                return await work(connection)

        return self.run_alone(connected())

    def run_alone[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Do work that needs no connection."""
        with self.failing_clearly():
            result: T = self.runner(work)
            return result

    @contextlib.contextmanager
    def failing_clearly(self) -> Generator[None]:
        """End the command with one line for an error that is not our bug."""
        try:
            yield
        except TimeoutError:
            self.fail("no answer in time")
        except Declined as error:
            self.fail(*error.lines)
        except (BatonError, OSError) as error:
            self.fail(str(error))

    @contextlib.contextmanager
    def interruptible(self, stands: str) -> Generator[None]:
        """End the command for Ctrl-C with a line on what stands."""
        try:
            yield
        except KeyboardInterrupt:
            self.note(f"Interrupted: {stands}")
            raise typer.Exit(ExitStatus.INTERRUPTED) from None

    def fail(self, *reason: str) -> None:
        """Say why, in one line or several, and end the command."""
        self.err.print("error:", style="bold red", end=" ")
        for line in reason:
            self.err.print(shown(line, most=None), markup=False, soft_wrap=True)
        raise typer.Exit(ExitStatus.ERROR)

    def answer(self, shown: RenderableType, document: Json, *, as_json: bool) -> None:
        """Print the answer, for people or for scripts."""
        if as_json:
            # ASCII, so that no terminal or locale can spoil it.
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
        else:
            self.out.print(shown, crop=False)

    def answer_line(self, shown: RenderableType, document: Json, *, as_json: bool) -> None:
        """Print one of many answers at once: a line for people, or a line of JSON."""
        if as_json:
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
        else:
            self.out.print(shown, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print something beside the answer."""
        self.err.print(shown(text, most=None), markup=False, style="yellow", soft_wrap=True)


def session_of(ctx: typer.Context) -> Session:
    """Return the session that the callback put there."""
    session = ctx.obj
    assert isinstance(session, Session)
    return session
