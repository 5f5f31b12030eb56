"""The events of a handover on EventBridge: an interface. Names and meanings do not change, fields may be added.

docs/events.md describes the same for readers; a test holds the two together.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from baton.errors import Refused
from baton.model.control import Ending, StepName, SwitchKind

SOURCE: Final = "baton.failover"
SCHEMA: Final = 1
TEXT_CHARACTERS_MAX: Final = 2_000
"""Of each text for people: what an operator wrote may be longer, and the ledger has it whole."""
ENTRY_BYTES_MAX: Final = 256 * 1024
"""Of one entry of PutEvents. Source: "Calculating PutEvents event entry size", Amazon EventBridge User Guide."""
_TIME_BYTES: Final = 14
"""Counted for the time, whatever it is. The same source."""


class Kind(StrEnum):
    """What happened."""

    STARTED = "started"
    """A planned switch begins to drain: nothing new is admitted."""
    COMMITTED = "committed"
    """The epoch moved: the target is the active Region."""
    COMPLETED = "completed"
    """The switch is over, perhaps with steps that are degraded."""
    ROLLED_BACK = "rolled back"
    """The switch is over, and the epoch never moved."""
    HELD = "held"
    """There is a reason to fail over, and rules forbid it."""
    RECOMMENDED = "recommended"
    """It would fail over, and waits for a human who orders it."""
    WOULD_ACT = "would act"
    """It would fail over, and is on a dry run."""
    CLEARED = "cleared"
    """What was held back is no longer wanted: the signals recovered, or a switch overtook it."""

    @property
    def detail_type(self) -> str:
        """What EventBridge calls `detail-type`."""
        return DETAIL_TYPE_HELD if self in _OF_HELD else DETAIL_TYPE_SWITCH


DETAIL_TYPE_SWITCH: Final = "Baton Switch State Change"
DETAIL_TYPE_HELD: Final = "Baton Failover Held Back"
_OF_HELD: Final = frozenset({Kind.HELD, Kind.RECOMMENDED, Kind.WOULD_ACT, Kind.CLEARED})


@dataclass(frozen=True, slots=True)
class SwitchTold:
    """One switch, as it stood."""

    id: str
    kind: SwitchKind
    source: str
    target: str
    reason: str
    automatic: bool
    command_id: str | None
    """The operator's command behind it."""
    started_at: datetime
    ended: Ending | None
    degraded: tuple[StepName, ...]
    """Steps that were not done in time."""
    taken_over: int | None
    """Batches that changed their owner; null until that is known."""
    supersedes: str | None
    """The switch that this one cuts short: no other event tells its end."""


@dataclass(frozen=True, slots=True)
class HeldTold:
    """A failover that is wanted and held back."""

    source: str
    """The active Region, declared unhealthy."""
    target: str
    rules: tuple[str, ...]
    """Names of the rules that forbid it, as `baton explain` has them. Empty: it is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. What does not apply is null."""

    id: str
    """Of the decision on record (`baton explain ID`). A copy of an event has it again."""
    kind: Kind
    at: datetime
    controller: str
    """Region of the controller that decided."""
    epoch: int
    active_region: str
    """The Region that is active from then on."""
    summary: str
    """For people, as `baton history` has it."""
    switch: SwitchTold | None = None
    held: HeldTold | None = None


def detail(event: Event, environment: str) -> str:
    """Return the event's `detail` as JSON."""
    return json.dumps({"schema": SCHEMA, "environment": environment, **asdict(event)}, default=_plain)


def entry(event: Event, environment: str) -> Mapping[str, Any]:
    """Return the event as an entry of PutEvents. Raises `Refused` if EventBridge would not take it for its size."""
    texts = {"Source": SOURCE, "DetailType": event.kind.detail_type, "Detail": detail(event, environment)}
    size = _TIME_BYTES + sum(len(text.encode()) for text in texts.values())
    if size >= ENTRY_BYTES_MAX:
        raise Refused(f"event {event.id} has {size:,} bytes; EventBridge takes fewer than {ENTRY_BYTES_MAX:,}")
    return {"Time": event.at, **texts}


def _plain(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
