"""Events as controllers send them."""

from datetime import UTC, datetime
from typing import Final

from baton.model.control import Ending, StepName, SwitchKind
from baton.model.events import Event, HeldTold, Kind, SwitchTold
from baton.topology import REGIONS_DEFAULT

EAST, WEST = REGIONS_DEFAULT
AT: Final = datetime(2026, 7, 1, 12, 3, 41, tzinfo=UTC)
EVENT: Final = Event(
    id="3f9c2a51-14",
    kind=Kind.COMPLETED,
    at=AT,
    controller=WEST,
    epoch=3,
    active_region=WEST,
    summary="failover to us-west-2 completed: canary: went the whole way in 2.4 s, 12 batches taken over",
    switch=SwitchTold(
        id="t12",
        kind=SwitchKind.FAILOVER,
        source=EAST,
        target=WEST,
        reason="us-east-1 fails its users: outside canary: no answer; silence: 25 s",
        automatic=True,
        command_id=None,
        started_at=datetime(2026, 7, 1, 12, 3, 10, tzinfo=UTC),
        ended=Ending.COMPLETED,
        degraded=(StepName.ROUTES,),
        taken_over=12,
        supersedes=None,
    ),
)
HELD: Final = Event(
    id="3f9c2a51-9",
    kind=Kind.HELD,
    at=AT,
    controller=WEST,
    epoch=2,
    active_region=EAST,
    summary="a brake is on: freeze: by ann until 2026-07-01 14:00 UTC: new network (asked: none, or over)",
    held=HeldTold(source=EAST, target=WEST, rules=("freeze",)),
)
