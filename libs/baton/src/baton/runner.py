"""The SQS loop of every service: receives messages, keeps them invisible, and deletes or hands them back.

    receive no more than there are free slots
      └─ per message: parse once ─▶ handle, visibility extended and a sign of life given at each third ─▶ outcome
           done / Reject / Fenced   delete (in batches, each entry checked)
           unreadable               dead-lettered at once: it will never be readable
           Retry                    comes back after its delay
           Unavailable              comes back later; the loop pauses, so that an outage drains nothing
           Refused                  comes back later: rights may be granted; the last attempt fails the batch
           anything else            our bug: logged once, comes back; on its last attempt the handler fails the batch
                                    with a reason, and SQS dead-letters the message

Stopping (SIGTERM): no new poll; the open poll is awaited (cancelling it would strand what SQS just assigned to it);
what was not started is handed back at once; what runs gets the grace period, then is handed back; exit. Handing back
does not count as an attempt: a restart is not the message's fault.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from pydantic import ValidationError

from baton.bounded import first_of, within
from baton.deaths import AttemptNotes, Deaths, cause_of
from baton.errors import BatonError, Fenced, Refused, Reject, Retry, Unavailable, said
from baton.health import TaskProtection
from baton.outcome import Handled, Outcome
from baton.ports import Clock, Delivery, Inbox
from baton.settings import RunnerSettings
from baton.telemetry import Log, Metrics, emf

_RECEIVE_MAX: Final = 10
"""SQS's limit of messages per receive and of entries per batch delete."""
_BUG_BACKOFF_SECONDS: Final = 5
_OUTAGE_BACKOFF_SECONDS: Final = 30
"""Longer than for a bug: an outage of minutes must not use up a message's attempts."""
_REFUSED_BACKOFF_SECONDS: Final = 60
"""Five attempts in twelve minutes: rights or a key that a change took away are mended by then."""
_BACKOFF_SECONDS_MAX: Final = 300


class Handler[M](Protocol):
    """A service, as the runner sees it."""

    async def handle(self, message: M, attempt: int, /) -> Metrics | None:
        """Do the message's work, idempotently. `attempt` counts deliveries of this message, from 1.

        Returns what there was to measure, for the one log line of the message.
        """
        ...

    async def give_up(self, message: M, *, cause: str) -> None:
        """Say where people look that this message's last attempt failed, and why."""
        ...


class ConsumerStoppedError(BatonError):
    """Nearly everything failed: the consumer stopped itself rather than drain its queue into the dead letters."""


def backoff_seconds(first_seconds: int, attempt: int) -> int:
    """Return how long a message waits after its n-th failed attempt: doubling from the first, at most 5 min."""
    return min(_BACKOFF_SECONDS_MAX, first_seconds * 2 ** min(attempt - 1, 10))


class Runner[M]:
    """Consumes one queue with one handler until `stop` is set.

    `parse` reads a body, or raises `pydantic.ValidationError`; `log_fields` returns what names a message in log lines;
    `beat` reports that a message is being handled, or comes again in so many seconds; `attempts` counts, of messages
    that come again, the attempts whose process died.
    """

    def __init__(
        self,
        *,
        service: str,
        region: str,
        inbox: Inbox,
        handler: Handler[M],
        parse: Callable[[str], M],
        log_fields: Callable[[M], Mapping[str, object]],
        settings: RunnerSettings,
        clock: Clock,
        dice: random.Random,
        log: Log,
        protection: TaskProtection | None = None,
        beat: Callable[[M, int], Awaitable[None]] | None = None,
        attempts: AttemptNotes[M] | None = None,
    ) -> None:
        self._service = service
        self._region = region
        self._inbox = inbox
        self._handler = handler
        self._parse = parse
        self._log_fields = log_fields
        self._settings = settings
        self._clock = clock
        self._dice = dice
        self._log = log
        self._protection = protection
        self._beat = beat
        self._deaths = Deaths(attempts, settings=settings, log=log)
        self._running: dict[asyncio.Task[None], Delivery] = {}
        self._finished: deque[Delivery] = deque()
        self._slot_freed = asyncio.Event()
        self._failed: set[str] = set()
        """Messages that failed by a bug since the last success."""
        self._pause_seconds = 0.0
        self._last_step: float | None = None

    # --- the loop ------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then finish or hand back. Raises `ConsumerStoppedError` at the failing limit."""
        try:
            while not stop.is_set() and not self._failing:
                self._step()
                await self._pause(stop)
                await self._free_slots(stop)
                if not stop.is_set() and not self._failing:
                    await self._receive(stop)
        finally:
            await self._drain()
        if self._failing:
            raise ConsumerStoppedError(f"{len(self._failed)} different messages failed with no success between")

    async def _receive(self, stop: asyncio.Event) -> None:
        await self._deaths.settle()
        # While a dependency is down one message at a time tries it: each try brings that message nearer its end.
        free = 1 if self._pause_seconds else self._settings.slots - len(self._running)
        try:
            deliveries = await self._inbox.receive(
                max_messages=min(free, _RECEIVE_MAX), wait_seconds=self._settings.wait_seconds
            )
        except (Unavailable, Refused) as error:  # a process that ended by it would be started again and again
            if isinstance(error, Refused):
                self._log.error("receive_refused", error=str(error))  # lasts until somebody gives the right: an alarm
            else:
                self._log.warning("receive_failed", error=str(error))
            self._back_off()
            return
        if stop.is_set():
            await self._hand_back(deliveries)
            return
        for delivery in deliveries:
            await self._start(delivery)
        if not self._running and self._protection:
            # Only after an empty poll: between two messages of a busy queue there is nothing to tell.
            await self._protection.set(busy=False, by=self)

    async def _start(self, delivery: Delivery) -> None:
        if self._protection:
            await self._protection.set(busy=True, by=self)
        task = asyncio.create_task(self._work(delivery))
        self._running[task] = delivery
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._slot_freed.set()
        if not task.cancelled() and (error := task.exception()):
            # Not from the handler, which is judged: from the queue, or no `Exception` at all. SQS delivers it again.
            self._log.error("delivery_lost", exc_info=error)

    @property
    def _failing(self) -> bool:
        return len(self._failed) >= self._settings.failing_messages_max

    async def _free_slots(self, stop: asyncio.Event) -> None:
        """Wait for a free slot, deleting what is finished meanwhile."""
        await self._delete_finished()
        while len(self._running) >= (1 if self._pause_seconds else self._settings.slots) and not stop.is_set():
            self._slot_freed.clear()
            await first_of(self._slot_freed, stop, timeout_seconds=self._settings.visibility_seconds)
            self._step()
            if self._protection:
                await self._protection.set(busy=True, by=self)
            await self._delete_finished()

    async def _work(self, delivery: Delivery) -> None:
        started = asyncio.get_running_loop().time()
        handled = await self.process(delivery)
        self._settle(delivery, handled)
        if handled.outcome is Outcome.UNREADABLE:
            await self._dead_letter(delivery)
        elif handled.delete:
            self._finished.append(delivery)
            await self._delete_finished()
        else:
            await self._set_visibility(delivery, handled.delay_seconds or 0)
        self._report(delivery, handled, asyncio.get_running_loop().time() - started)

    # --- one delivery --------------------------------------------------------------------------------------------

    async def process(self, delivery: Delivery) -> Handled:
        """Handle one delivery and return its outcome. Never raises, except when cancelled."""
        try:
            message = self._parse(delivery.body)
        except ValidationError as error:
            self._log.error("message_unreadable", error=str(error), body=delivery.body[:2_000])
            return Handled(Outcome.UNREADABLE, "unreadable")
        keeper = asyncio.create_task(self._keep(delivery, message))
        try:
            handled = await self._deaths.counted(
                message, delivery.attempt, lambda died: self._handle(message, delivery, died)
            )
            if handled.delay_seconds is not None:
                await self._tell_alive(message, handled.delay_seconds)  # until it comes again nobody else says so
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        return replace(handled, names=self._log_fields(message))

    async def _handle(self, message: M, delivery: Delivery, died: int | None) -> Handled:
        if died is None:
            not_noted = Unavailable("that this attempt begins could not be noted")
            return await self._judge(message, delivery.attempt, not_noted)
        if self._deaths.are_too_many(died):
            return await self._end(message, delivery.attempt, cause_of(died))
        try:
            async with within(self._settings.handling_seconds_max):
                measured = await self._handler.handle(message, delivery.attempt)
        except Exception as error:  # noqa: BLE001 - the loop outlives whatever a handler raises
            return await self._judge(message, delivery.attempt, error)
        return Handled(Outcome.DONE, measured=measured or {})

    async def _end(self, message: M, attempt: int, cause: str) -> Handled:
        """Let nobody else try."""
        if not self._settings.sets_aside:
            return await self._give_up(message, Outcome.BUG, cause)
        try:
            await self._deaths.set_aside(message, cause)
        except Exception as error:  # noqa: BLE001 - the loop outlives whatever it raises
            return await self._judge(message, attempt, error)
        return Handled(Outcome.QUARANTINED, cause)

    async def _judge(self, message: M, attempt: int, error: Exception) -> Handled:
        match error:
            case Reject():
                return Handled(Outcome.REJECTED, str(error))
            case Fenced():
                return Handled(Outcome.FENCED, str(error))
            case Unavailable():
                return Handled(Outcome.UNAVAILABLE, str(error), backoff_seconds(_OUTAGE_BACKOFF_SECONDS, attempt))
            case Retry():
                outcome, told, seconds = Outcome.RETRY, str(error), error.delay_seconds
            case Refused():
                outcome, told, seconds = Outcome.REFUSED, str(error), backoff_seconds(_REFUSED_BACKOFF_SECONDS, attempt)
            case _:
                self._log.error("handler_bug", **self._log_fields(message), exc_info=error)
                told = said(error)
                outcome, seconds = Outcome.BUG, backoff_seconds(_BUG_BACKOFF_SECONDS, attempt)
        if attempt < self._settings.attempts_max:
            return Handled(outcome, told, seconds)
        cause = f"still not possible: {told}" if outcome is Outcome.RETRY else told
        return await self._give_up(message, outcome, cause)

    async def _give_up(self, message: M, outcome: Outcome, cause: str) -> Handled:
        """Last attempt: the handler fails the batch; SQS dead-letters the message at its next receive."""
        try:
            await self._handler.give_up(message, cause=cause)
        except (Reject, Fenced) as moved_on:
            # The batch has already moved on, so nothing is lost. Report it only if the cause was a bug.
            if outcome is not Outcome.BUG:
                return Handled(Outcome.REJECTED, f"{cause}; {moved_on}")
        except Unavailable as error:
            # An outage, and no error of ours: the sweeper finds the silent batch.
            self._log.warning("give_up_failed", **self._log_fields(message), error=str(error))
        except Exception as error:  # noqa: BLE001 - the outcome stands whatever its announcement raises
            # The sweeper finds the silent batch; nothing more can be said from here.
            self._log.error("give_up_failed", **self._log_fields(message), exc_info=error)
        return Handled(outcome, cause, delay_seconds=0)

    async def _keep(self, delivery: Delivery, message: M) -> None:
        """Keep the message ours: extend its visibility at every third, so that two beats may fail."""
        while True:
            await asyncio.sleep(self._settings.visibility_seconds / 3)
            await self._set_visibility(delivery, self._settings.visibility_seconds)
            await self._tell_alive(message, 0)

    async def _tell_alive(self, message: M, delay_seconds: int) -> None:
        """Give a sign of life. It never fails the work, nor delays it by more than a sixth of the visibility."""
        if self._beat is None:
            return
        try:
            async with asyncio.timeout(self._settings.visibility_seconds / 6):
                await self._beat(message, delay_seconds)
        except Exception as error:  # noqa: BLE001 - without a sign the message may be sent twice, no worse
            self._log.warning("no_sign_of_life", **self._log_fields(message), error=repr(error))

    async def _set_visibility(self, delivery: Delivery, seconds: int) -> None:
        try:
            await self._inbox.set_visibility(delivery, seconds=seconds)
        except Exception as error:  # noqa: BLE001 - if it stopped extending, the work would be done twice
            # It comes back when its present visibility ends: later than we asked, never lost.
            self._log.warning("visibility_not_set", error=str(error), seconds=seconds)

    async def _delete_finished(self) -> None:
        while self._finished:
            batch = [self._finished.popleft() for _ in range(min(len(self._finished), _RECEIVE_MAX))]
            try:
                left = await self._inbox.delete(batch)
            except (Unavailable, Refused) as error:
                # Each comes a second time and finds its work done.
                self._log.warning("delete_failed", messages=len(batch), error=str(error))
            else:
                if left:
                    self._log.warning("delete_incomplete", messages=len(left))

    # --- brakes, stop, report ------------------------------------------------------------------------------------

    def _settle(self, delivery: Delivery, handled: Handled) -> None:
        match handled.outcome:
            case Outcome.BUG:
                self._failed.add(delivery.body)
            case Outcome.UNREADABLE:
                pass  # it says nothing about us, nor about what we depend on
            case Outcome.UNAVAILABLE:
                self._back_off()
            case Outcome.REFUSED:
                pass  # one file's key says nothing of the others: neither a bug of ours nor a success
            case _:
                self._failed.clear()
                self._pause_seconds = 0.0

    def _back_off(self) -> None:
        self._pause_seconds = min(60.0, max(1.0, self._pause_seconds * 2))

    async def _pause(self, stop: asyncio.Event) -> None:
        """After a dependency failed: wait before taking more, with jitter so that consumers do not march in step."""
        if self._pause_seconds:
            await first_of(stop, timeout_seconds=self._pause_seconds * self._dice.uniform(0.5, 1.0))

    async def _drain(self) -> None:
        if self._running:
            self._log.info("draining", running=len(self._running), grace_seconds=self._settings.grace_seconds)
            await asyncio.wait(self._running, timeout=self._settings.grace_seconds)
        late = dict(self._running)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self._hand_back(list(late.values()))
        await self._delete_finished()
        await self._deaths.settle()
        if self._protection:
            await self._protection.set(busy=False, by=self)

    async def _hand_back(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            try:
                await self._inbox.hand_back(delivery)
            except Exception as error:  # noqa: BLE001 - on the way out; SQS delivers it again, with one attempt less
                self._log.warning("not_handed_back", error=str(error))

    async def _dead_letter(self, delivery: Delivery) -> None:
        try:
            await self._inbox.dead_letter(delivery)
        except Exception as error:  # noqa: BLE001 - it comes back, and is dead-lettered then
            self._log.warning("not_buried", error=str(error))

    def _step(self) -> None:
        self._last_step = asyncio.get_running_loop().time()

    def health(self) -> tuple[bool, dict[str, object]]:
        """Return whether the loop still runs, and the facts behind it."""
        now = asyncio.get_running_loop().time()
        idle = now - self._last_step if self._last_step is not None else 0.0
        healthy = idle < self._settings.stuck_seconds and not self._failing
        return healthy, {
            "service": self._service,
            "healthy": healthy,
            "running": len(self._running),
            "seconds_since_step": round(idle, 1),
            "failing_messages": len(self._failed),
        }

    def _report(self, delivery: Delivery, handled: Handled, seconds: float) -> None:
        sent = None if self._settings.measures_done or handled.outcome is not Outcome.DONE else ()
        self._log.info(
            "message_handled",
            **handled.names,
            attempt=delivery.attempt,
            reason=handled.reason,
            **emf(
                {"Messages": (1, "Count"), "HandlingTime": (round(seconds, 4), "Seconds"), **handled.measured},
                dimensions={"Service": self._service, "Region": self._region, "Outcome": handled.outcome},
                now=self._clock.now(),
                sent=sent,
            ),
        )
