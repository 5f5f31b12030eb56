"""The trigger without Lambda: polls a queue for S3 events and passes them to the handler of `function`.

An event that fails is retried as Lambda would do it, and ends in the dead-letter queue.
"""

import random
from typing import Final

from baton.admission import Admitter, admit_all, admitter
from baton.ports import Clock, Inbox
from baton.runner import Runner
from baton.s3_events import Event, log_fields, parse
from baton.service import Daemon, Process, run_daemon
from baton.settings import RunnerSettings
from baton.telemetry import Log

SLOTS: Final = 10
"""All of one receive: an admission only waits, for S3, the ledger and a queue."""


class Trigger:
    """The handler, as the runner wants it."""

    def __init__(self, admitter: Admitter, *, log: Log) -> None:
        self._admitter = admitter
        self._log = log

    async def handle(self, message: Event, _attempt: int) -> None:
        await admit_all(message, self._admitter)

    async def give_up(self, message: Event, *, cause: str) -> None:
        # There is no batch yet that could end FAILED. The sweeper finds the object, unless it is a canary.
        self._log.error("event_given_up", **log_fields(message), cause=cause)


def consumer(
    admitter: Admitter, inbox: Inbox, *, region: str, clock: Clock, dice: random.Random, log: Log
) -> Runner[Event]:
    """Build what reads the queue."""
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
    aws, world, clock, log = process.aws, process.world, process.clock, process.log
    runner = consumer(
        admitter(aws, region=world.region, regions=world.regions, clock=clock, log=log),
        aws.trigger_inbox(),
        region=world.region,
        clock=clock,
        dice=random.Random(),  # noqa: S311 - jitter, no secret
        log=log,
    )
    return Daemon([runner.run], runner.health)


if __name__ == "__main__":
    run_daemon("trigger", build)
