"""Counts the attempts at a message in which the process died.

A queue counts how often it delivered a message, not how that ended: a process that is killed, an outage and a restart
look alike. So from a message's second delivery on each attempt is recorded, beside the ledger, when it begins and when
it ends: with an outcome, an error, or by being handed back at a stop. In between it gives signs of life, since SQS may
deliver a message twice: an attempt that began, never ended, and gives no sign any more is a death. Of a batch that is
suspected each delivery is recorded, and none begins while another process has the message in hand. Still no death is
concluded at the first delivery: a note of an end may have been lost.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from baton.outcome import Handled, Outcome
from baton.settings import RunnerSettings
from baton.telemetry import Log

_UNSAID: Final = frozenset({Outcome.UNAVAILABLE, Outcome.REFUSED})
"""How it ends if it could not be written down that nobody else should try."""


def cause_of(died: int) -> str:
    """Return why nobody else should try."""
    times = "once" if died == 1 else f"{died} times"
    return f"its process died {times} at it: perhaps it needs more memory than there is"


class AttemptNotes[M](Protocol):
    """Where it is noted which processes began a message's step and have not ended."""

    async def attempt_begun(self, message: M) -> Sequence[float]:
        """Note this process.

        Returns of each other that began this step and has not ended how many seconds ago it gave its last sign of life.
        """
        ...

    async def attempt_alive(self, message: M) -> None:
        """Give a sign of life of an attempt that has begun."""
        ...

    async def attempt_ended(self, message: M, *, for_good: bool) -> None:
        """Take this process off the list. `for_good`: the step is through, and the others are taken off as well."""
        ...

    async def set_aside(self, message: M, cause: str) -> None:
        """Set the message's batch aside, for an operator to decide."""
        ...


class Deaths[M]:
    """One process's attempts. What cannot be noted counts for the process: an outage is no death.

    Of a suspected batch no attempt begins that cannot be noted.
    """

    def __init__(self, attempts: AttemptNotes[M] | None, *, settings: RunnerSettings, log: Log) -> None:
        """Without `attempts` nothing is counted."""
        self._attempts = attempts
        self._settings = settings
        self._seconds_max = settings.visibility_seconds / 6
        """How long a note may take."""
        self._sign_seconds = settings.visibility_seconds / 3
        """Between two signs of life: as often as the message is kept from others."""
        self._silent_seconds = 2 * self._sign_seconds
        """Without a sign for so long it is dead: sooner than its message comes again because nobody keeps it."""
        self._log = log
        self._owed: list[tuple[M, bool]] = []
        """Ends that could not be noted: as long as this process lives it did not die of them."""

    def are_too_many(self, died: int) -> bool:
        """Say whether nobody else should try."""
        return died >= self._settings.deaths_max

    async def set_aside(self, message: M, cause: str) -> None:
        """Set the batch of a message aside at which too many died."""
        assert self._attempts is not None, "nobody else counts deaths"
        await self._attempts.set_aside(message, cause)

    async def counted(self, message: M, attempt: int, handle: Callable[[int | None], Awaitable[Handled]]) -> Handled:
        """Return what `handle` returns; it is given the number of those who died at this message's step.

        None where a suspected batch's attempt cannot be recorded: if the process died of it, nobody would know.
        """
        if self._attempts is None or attempt < self._settings.counted_from:
            return await handle(0)
        try:
            others = await self._begun(message)
            if others is not None and self._settings.sets_aside and self._alive(others):
                # It kills perhaps what touches it: one process at a time.
                await self._ended(message, for_good=False)
                return Handled(Outcome.RETRY, "another process has it in hand", self._settings.visibility_seconds)
            died = None if others is None else len(others) - self._alive(others)
            async with self._showing_life(message):
                handled = await handle(died)
        except asyncio.CancelledError:
            await self._ended(message, for_good=False)
            raise
        is_over = died is not None and self.are_too_many(died) and handled.outcome not in _UNSAID
        await self._ended(message, for_good=handled.delete or is_over)
        return handled

    async def settle(self) -> None:
        """Note what could not be noted before, as far as that is possible now."""
        owed, self._owed = self._owed, []
        while owed and not self._owed:
            message, for_good = owed.pop()
            await self._ended(message, for_good=for_good)
        self._owed += owed

    def _alive(self, others: Sequence[float]) -> int:
        return sum(silent_seconds < self._silent_seconds for silent_seconds in others)

    @asynccontextmanager
    async def _showing_life(self, message: M) -> AsyncGenerator[None]:
        giving = asyncio.create_task(self._give_signs(message))
        try:
            yield
        finally:
            giving.cancel()
            await asyncio.gather(giving, return_exceptions=True)

    async def _give_signs(self, message: M) -> None:
        assert self._attempts is not None
        while True:
            await asyncio.sleep(self._sign_seconds)
            try:
                async with asyncio.timeout(self._seconds_max):
                    await self._attempts.attempt_alive(message)
            except Exception as error:  # noqa: BLE001 - the work matters more than its signs
                self._log.warning("attempt_not_counted", error=repr(error))

    async def _begun(self, message: M) -> Sequence[float] | None:
        assert self._attempts is not None
        try:
            async with asyncio.timeout(self._seconds_max):
                return await self._attempts.attempt_begun(message)
        except Exception as error:  # noqa: BLE001 - the work matters more than its count
            self._log.warning("attempt_not_counted", error=repr(error))
            return None if self._settings.sets_aside else ()

    async def _ended(self, message: M, *, for_good: bool) -> None:
        assert self._attempts is not None
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._attempts.attempt_ended(message, for_good=for_good)
        except Exception as error:  # noqa: BLE001 - how the message was handled stands
            self._log.warning("attempt_not_counted", error=repr(error))
            self._owed.append((message, for_good))
