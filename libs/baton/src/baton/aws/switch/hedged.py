"""Hedged calls to an API that several Regions serve alike: if one hangs or refuses, another one is asked."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from baton.aws.sdk.failures import translated
from baton.errors import BatonError, NotFound, Refused, SwitchRefused, Unavailable


@dataclass(frozen=True, slots=True)
class Times:
    """How long to wait. By default the SDK would spend five minutes on the first endpoint that is a black hole."""

    connect_seconds: float = 1
    read_seconds: float = 2
    hedge_seconds: float = 0.5
    """After so much silence the next endpoint is asked as well."""
    operation_seconds: float = 10
    """For the whole of it, every endpoint and every attempt included."""

    @property
    def call_seconds(self) -> float:
        """One call to one endpoint, the look-up of its name included."""
        return self.connect_seconds + self.read_seconds


TIMES: Final = Times()


@dataclass(frozen=True, slots=True)
class Answers[T]:
    """What was answered, and why the others did not."""

    found: Sequence[T]
    errors: Sequence[BatonError]

    @property
    def why_not(self) -> str:
        return "; ".join(map(str, self.errors)) or "no answer in time"

    def error(self, what: str) -> BatonError:
        """Return the error for no answer at all: only what everybody refuses is refused."""
        told = f"{what}: {self.why_not}"
        if not self.errors or any(isinstance(error, Unavailable) for error in self.errors):
            return Unavailable(told)
        missing = all(isinstance(error, NotFound) for error in self.errors)
        return NotFound(told) if missing else Refused(told)


@asynccontextmanager
async def named(endpoint: str) -> AsyncGenerator[None]:
    """Raise one of our errors for every error of the SDK, with the name of the endpoint that it came from."""
    try:
        async with translated():
            yield
    except BatonError as error:
        raise type(error)(f"{endpoint}: {error}") from error


def shuffled[T](each: Iterable[T], dice: random.Random) -> list[T]:
    """Return them in random order: not everybody should begin at the same endpoint."""
    order = list(each)
    dice.shuffle(order)
    return order


async def first_answers[T](
    asks: Iterable[Callable[[], Awaitable[T]]], *, wanted: int, hedge_seconds: float
) -> Answers[T]:
    """Ask in this order until `wanted` have answered: the next one at once after an error, else after a hedge's time.

    Fewer answers than wanted come back if the rest have errors of ours. What a rule of the switch refuses, every
    endpoint refuses: that is raised at once, as is any other error.
    """
    waiting = deque(asks)
    asked: set[asyncio.Future[T]] = set()
    found: list[T] = []
    errors: list[BatonError] = []
    start = wanted
    try:
        while len(found) < wanted:
            asked |= {asyncio.ensure_future(waiting.popleft()()) for _ in range(min(start, len(waiting)))}
            if not asked:
                break
            timeout = hedge_seconds if waiting else None
            done, asked = await asyncio.wait(asked, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            start = 0 if done else 1
            for task in done:
                try:
                    found.append(task.result())
                except SwitchRefused:
                    raise
                except BatonError as error:
                    errors.append(error)
                    start += 1
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return Answers(found, errors)
