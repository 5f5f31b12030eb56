"""What every command gets to work with: the ports of both Regions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from baton.errors import BatonError
from baton.model.batch import Batch
from baton.model.identity import owner_of
from baton.ports import (
    Clock,
    EventBus,
    Journal,
    Ledger,
    ObjectStore,
    Outbox,
    Progress,
    ReferenceData,
    RejectIndex,
    Routes,
    Switch,
)
from baton.topology import other_region


class Declined(BatonError):
    """The command cannot do what was asked; the text says why and what to do instead, in one line or several."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Uploader(Protocol):
    """Writes input files through the Multi-Region Access Point, to whichever Region is active."""

    async def upload(self, path: Path, key: str, *, sent: Callable[[int], None]) -> str:
        """Write the file under `key` and return its version ID. `sent` is called with bytes sent so far.

        Raises `Unavailable` if no Region takes it.
        """
        ...


@dataclass(frozen=True, slots=True)
class RegionPorts:
    """One Region's own stores."""

    objects: ObjectStore
    outbox: Outbox
    progress: Progress
    rejects: RejectIndex


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything a command may touch."""

    environment: str
    regions: tuple[str, str]
    ledger: Ledger
    journal: Journal
    """Of the same table as the ledger, in the same Region."""
    by_region: Mapping[str, RegionPorts]
    references: tuple[ReferenceData, ...]
    """One global table on AWS; one per Region on a single machine, where nothing replicates tables."""
    uploader: Uploader
    clock: Clock
    switch: Callable[[], Switch]
    """Builds what routes traffic besides the ledger. Raises `Declined` if no setting names it."""
    routes: Callable[[], Routes]
    """Builds what sets the dials of the access point."""
    events: Callable[[], EventBus]
    """Builds the event bus on which switches are published."""

    def owner(self, batch: Batch) -> str:
        """Return the Region that owns the batch."""
        return owner_of(batch.owner_epoch, self.regions)

    def owner_ports(self, batch: Batch) -> RegionPorts:
        return self.by_region[self.owner(batch)]

    def owner_first(self, batch: Batch) -> tuple[str, ...]:
        """Return both Regions, the batch's owner first."""
        owner = self.owner(batch)
        return (owner, other_region(owner, self.regions))
