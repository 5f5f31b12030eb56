"""One run of the command: how it reaches the world, how it answers, how it fails."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import typer
from pydantic import ValidationError
from rich.console import Console, RenderableType

from baton.catalog import Catalog
from baton.errors import BatonError
from baton.model.states import BatchState
from baton_cli.connection import Connection
from baton_cli.documents import Json

if TYPE_CHECKING:  # the local world takes half a second to import: only the commands that need it should wait
    from baton_local.admin import Admin
    from baton_local.state import World


class ExitStatus(IntEnum):
    """How the command ends. Scripts rely on these."""

    OK = 0
    ERROR = 1
    """Wrong usage, refused, or the world does not answer."""
    FAILED = 2
    CANCELLED = 3
    INTERRUPTED = 130


OUTCOMES = {BatchState.FAILED: ExitStatus.FAILED, BatchState.CANCELLED: ExitStatus.CANCELLED}


class Places(Protocol):
    """Where things are. Each raises `Refused` if it is not there."""

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """Open the ports of both Regions."""
        ...

    def admin(self) -> "Admin":
        """Return the switches of the world on this machine."""
        ...

    def up(self) -> "World":
        """Start the world on this machine, or return the running one."""
        ...

    def down(self) -> None:
        """Stop the world on this machine, if there is one."""
        ...

    def catalog(self) -> Catalog:
        """Return the jobs."""
        ...


def _run_for_real[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@dataclass(frozen=True, slots=True)
class Session:
    """Answers go to stdout, everything else to stderr."""

    places: Places
    out: Console = field(default_factory=lambda: Console(highlight=False))
    err: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    runner: Callable[[Coroutine[Any, Any, Any]], Any] = _run_for_real

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
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            self.fail(f"no world runs here (start one: `baton up`), and the environment names none on AWS: {wrong}")
        except TimeoutError:
            self.fail("no answer in time")
        except (BatonError, OSError) as error:
            self.fail(str(error))

    def fail(self, reason: str) -> None:
        """Say why and end the command."""
        self.err.print("error:", style="bold red", end=" ")
        self.err.print(reason, markup=False, soft_wrap=True)
        raise typer.Exit(ExitStatus.ERROR)

    def answer(self, shown: RenderableType, document: Json, *, as_json: bool) -> None:
        """Print the answer, for people or for scripts."""
        if as_json:
            # ASCII, so that no terminal or locale can spoil it.
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
        else:
            self.out.print(shown, crop=False)

    def note(self, text: str) -> None:
        """Print something beside the answer."""
        self.err.print(text, markup=False, style="yellow", soft_wrap=True)


def session_of(ctx: typer.Context) -> Session:
    """Return the session that the callback put there."""
    session = ctx.obj
    assert isinstance(session, Session)
    return session
