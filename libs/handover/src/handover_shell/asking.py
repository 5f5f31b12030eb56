"""Calls with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from baton.errors import BatonError, Refused


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """What a call returned, or why it returned nothing."""

    value: T | None = None
    error: str | None = None
    refused: bool = False
    """Whether it is this call that is refused; another one may well go through."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Calls with a deadline; a late answer counts as none."""

    seconds_max: float

    async def __call__[**P, T](
        self, question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Return the answer; None if there is none in time."""
        return (await self.told(question, *args, **kwargs)).value

    async def told[**P, T](self, question: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Answer[T]:
        """Return the answer, or why there is none."""
        try:
            async with asyncio.timeout(self.seconds_max):
                return Answer(await question(*args, **kwargs))
        except BatonError as error:
            return Answer(error=f"{type(error).__name__}: {error}", refused=isinstance(error, Refused))
        except TimeoutError:
            return Answer(error=f"no answer in {self.seconds_max:g} s")
