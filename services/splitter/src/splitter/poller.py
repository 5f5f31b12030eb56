"""The trigger where there is no Lambda: S3 leaves its events in a queue, and this process hands them to the handler.

What Lambda does with an event that raises, the runner does here: it comes again, and ends in the dead-letter queue.
"""

import random
from collections.abc import Mapping
from typing import Final

from baton.ports import Clock, Inbox
from baton.runner import Runner
from baton.service import Daemon, Process, run_daemon
from baton.settings import RunnerSettings
from baton.telemetry import Log
from splitter.admission import Admitter
from splitter.events import Event, created_objects, parse
from splitter.trigger import admit_all, admitter

SLOTS: Final = 10
"""All of one receive: an admission only waits, for S3, the ledger and a queue."""


def log_fields(event: Event) -> Mapping[str, object]:
    """Return what names an event in a log line."""
    return {"keys": [created.key for created in created_objects(event)[0]]}


class Trigger:
    """The handler, as the runner wants it."""

    def __init__(self, admitter: Admitter, *, log: Log) -> None:
        self._admitter = admitter
        self._log = log

    async def handle(self, message: Event, *, attempt: int) -> None:
        del attempt
        await admit_all(message, self._admitter)

    async def give_up(self, message: Event, *, cause: str) -> None:
        # There is no batch yet that could end in words. The sweeper finds the object, unless it is a canary.
        self._log.error("event_given_up", **log_fields(message), cause=cause)


def consumer(
    admitter: Admitter, inbox: Inbox, *, region: str, clock: Clock, dice: random.Random, log: Log
) -> Runner[Event]:
    """Put together what reads the queue."""
    return Runner(
        service="trigger",
        region=region,
        inbox=inbox,
        handler=Trigger(admitter, log=log),
        parse=parse,
        log_fields=log_fields,
        settings=RunnerSettings(slots=SLOTS),
        clock=clock,
        dice=dice,
        log=log,
    )


def build(process: Process) -> Daemon:
    """Put the poller together."""
    aws, clock, log = process.aws, process.clock, process.log
    runner = consumer(
        admitter(aws, clock=clock, log=log),
        aws.trigger_inbox(),
        region=process.world.region,
        clock=clock,
        dice=random.Random(),  # noqa: S311 - jitter, no secret
        log=log,
    )
    return Daemon([runner.run], runner.health)


if __name__ == "__main__":
    run_daemon("trigger", build)
