"""What a service is built from (settings, ports, log, ...): the container and the tests pass in the same type."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from baton.admission import Admitter, admitter
from baton.batches import Batches
from baton.catalog import Catalog
from baton.messages import Message, step_of
from baton.ports import (
    Arrivals,
    Clock,
    Heartbeats,
    Ledger,
    Links,
    Mailer,
    ObjectStore,
    Outbox,
    Progress,
    ReferenceData,
    RejectIndex,
)
from baton.telemetry import Log


class Ports(Protocol):
    """Every port of one Region, built when asked for. `baton.aws.Aws` is one."""

    def ledger(self) -> Ledger: ...

    def objects(self) -> ObjectStore: ...

    def outbox(self) -> Outbox: ...

    def progress(self) -> Progress: ...

    def heartbeats(self) -> Heartbeats: ...

    def arrivals(self) -> Arrivals: ...

    def reference(self) -> ReferenceData: ...

    def rejects(self) -> RejectIndex: ...

    def mailer(self) -> Mailer: ...

    def links(self) -> Links: ...


@dataclass(frozen=True, slots=True)
class Context:
    """One process of a service: where it runs and what it may use."""

    region: str
    regions: tuple[str, str]
    ports: Ports
    clock: Clock
    catalog: Catalog
    log: Log
    process: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells it from any other, also from the one that it is the restart of."""

    def batches(self) -> Batches:
        """Build the steps that this process takes with a batch."""
        ledger, outbox = self.ports.ledger(), self.ports.outbox()
        return Batches(region=self.region, ledger=ledger, outbox=outbox, clock=self.clock)

    def admitter(self) -> Admitter:
        """Build what admits."""
        return admitter(self.ports, region=self.region, regions=self.regions, clock=self.clock, log=self.log)

    async def beat(self, message: Message, delay_seconds: int) -> None:
        """Give a sign of life for the batch of a message that is in hand (0), or comes again after `delay_seconds`."""
        alive_at = self.clock.now() + timedelta(seconds=delay_seconds)
        await self.ports.heartbeats().beat(message.batch_id, at=alive_at)

    async def set_aside(self, message: Message, cause: str) -> None:
        """Set the message's batch aside, for an operator to decide."""
        await self.batches().set_aside(message, cause=cause)

    async def attempt_begun(self, message: Message) -> Sequence[float]:
        """Note that this process begins the message's step.

        Returns how many seconds ago each other that did and has not ended gave its last sign of life.
        """
        heartbeats, now = self.ports.heartbeats(), self.clock.now()
        others = await heartbeats.attempt_begun(message.batch_id, step_of(message), by=self.process, at=now)
        return [(now - alive_at).total_seconds() for alive_at in others]

    async def attempt_alive(self, message: Message) -> None:
        """Give a sign of life of this process's attempt, unless it is no longer noted."""
        heartbeats, now = self.ports.heartbeats(), self.clock.now()
        await heartbeats.attempt_alive(message.batch_id, step_of(message), by=self.process, at=now)

    async def attempt_ended(self, message: Message, *, for_good: bool) -> None:
        """Note that it ended; `for_good`: delete the others as well."""
        heartbeats, now, step = self.ports.heartbeats(), self.clock.now(), step_of(message)
        await heartbeats.attempt_ended(message.batch_id, step, by=self.process, at=now, for_good=for_good)
