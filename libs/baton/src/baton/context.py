"""What a composition root builds its service from: the container and the tests hand in the same."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from baton.catalog import Catalog
from baton.messages import Message
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

    async def beat(self, message: Message, delay_seconds: int) -> None:
        """Give a sign of life for the batch of a message that is in hand (0), or comes again after `delay_seconds`."""
        alive_at = self.clock.now() + timedelta(seconds=delay_seconds)
        await self.ports.heartbeats().beat(message.batch_id, at=alive_at)
