"""The state of the model: plain tuples, since hundreds of thousands of them are compared and kept."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from baton.model.control import Control
from baton.model.identity import next_epoch, owner_of
from baton.topology import INITIAL_EPOCH

REGIONS: Final = ("A", "B")
_EPOCHS: Final = range(12)

# The protocol's own arithmetic is the code's: the model checks these functions, not a copy of them.
OWNER: Final = tuple(REGIONS.index(owner_of(epoch, REGIONS)) for epoch in _EPOCHS)
"""Which Region (0 or 1) an epoch names."""
NEXT: Final = tuple(tuple(next_epoch(epoch, region, REGIONS) for region in REGIONS) for epoch in _EPOCHS)
"""The next epoch, by the present one and the Region that is to be active."""

NONE, ADMITTED, PUBLISHED, CLAIMED, MARKED = range(5)
"""A batch: no row, admitted, result published, mail claimed, mail marked as sent."""

_NAMES: Final = ("no row", "admitted", "published", "claimed", "marked")

BOTH_ON: Final = 3


def _wanted(region: str) -> int:
    on = Control(epoch=INITIAL_EPOCH, active_region=region).switch_states(REGIONS)
    return sum(on[each] << bit for bit, each in enumerate(REGIONS))


WANTED: Final = tuple(_wanted(region) for region in REGIONS)
"""What the routing controls should be (bit 0: A is On, bit 1: B is On), by the active Region."""


class Law(StrEnum):
    """What must hold. The S numbers are those of docs/model.md."""

    OWNER_GROWS = "S1: owner_epoch never decreases"
    OWNER_COMMITTED = "S1: owner_epoch never exceeds the control epoch"
    ROW_FORWARD = "S2: a batch never goes back"
    ONE_MANIFEST = "S3: one published manifest per batch"
    ONE_CLAIM = "S4: one live mail claim"
    CLAIM_KEPT = "S4: a claim is taken again only in a declared window"
    SENDS = "S4: one mail, and one more per declared window"
    FENCED = "S5: an old epoch changes nothing once a newer one took the batch"
    BOTH_ON = "S6: the routing controls are never both On"
    EPOCH_GROWS = "S6: the control epoch grows with every change of the active Region"
    RESIDUE = "S6: the control epoch names the active Region"
    INTENT_FIRST = "S12: the routing controls follow a control row that was written before"
    ABSOLUTE = "S12: a write of the routing controls leaves what its control row says"
    ARC_AGREES = "L: in the end the routing controls agree with the control row"
    MAILED = "L: in the end the batch is mailed"
    ENDS = "L: progress comes to an end"


class Bug(StrEnum):
    """One mistake each. The model must show where it leads, or it would not have shown that ours is right."""

    EPOCH_NOT_IN_CONDITION = "a batch is written under a condition without the epoch"
    ARC_TOGGLED = "the routing controls are toggled, not set"
    TAKEOVER_WITHOUT_CAS = "a takeover writes the row back without a condition"
    TAKEOVER_BY_REGION_ALONE = "a takeover asks for the owner's Region, not whether its own epoch is newer"
    TAKEOVER_ONCE = "only the switch itself takes batches over, nothing looks again"
    MAIL_BEFORE_CLAIM = "the mail is sent, then claimed"
    CLAIM_WITHOUT_CAS = "the mail claim is written without a condition"
    MARK_FOLLOWS_TAKEOVER = "a mark that is refused is written again on the row of a new owner"
    LEASE_NOT_KEPT = "a mail claim is taken again without waiting for its lease"
    ARC_BEFORE_CONTROL = "the routing controls are set, then the control row is written"
    CONTROL_WITHOUT_CAS = "the control row is written without a condition"
    EPOCH_PLUS_ONE = "the next epoch is the present one plus one, for either Region"
    NO_ARC_RULE = "the routing controls have no safety rule"
    NO_RECONCILER = "the routing controls are set once per switch, nothing looks again"


class SearchBounds(NamedTuple):
    """How often what may go wrong may go wrong, in one history."""

    decisions: int = 0
    """To switch to the other Region, by either controller."""
    crashes: int = 0
    """Of any process, between any two steps; it starts again with an empty memory."""
    delays: int = 0
    """Requests that hang: their sender gives up, and they are carried out at any time later."""
    hands: int = 0
    """Single routing controls set at the console, against the control row."""
    slow_marks: int = 0
    """Leases that are over while their process is alive, has sent the mail, and has yet to mark it."""
    losses: int = 0
    """Regions whose processes all stop permanently."""


class Row(NamedTuple):
    """The batch in the ledger. A conditional write compares all of it, as `updated_at` grows with each write."""

    state: int
    owner: int
    """owner_epoch."""
    claims: int = 0
    """Mail claims so far: the number of the present one."""


class Controller(NamedTuple):
    """A controller: its step, and what it read."""

    at: str
    epoch: int = 0
    active: int = 0
    """The active Region that it read; or the one that it wants, while it is switching."""
    row: Row | None = None
    """The batch that it is about to take over."""


class Worker(NamedTuple):
    """The processes of one Region that work on the batch, as one: its step, and what it read or wrote."""

    at: str
    epoch: int = 0
    """Under which it acts."""
    row: Row | None = None


class Write(NamedTuple):
    """A conditional write of the batch that is still on its way."""

    before: Row
    after: Row
    epoch: int


IDLE: Final = "idle"
LOST: Final = "lost"
IDLE_CONTROLLER: Final = Controller(IDLE)
IDLE_WORKER: Final = Worker(IDLE)
NO_ROW: Final = Row(NONE, 0)
SETTLED: Final = Row(MARKED, INITIAL_EPOCH)
"""No batch to care for: all states are then about the switch."""


class State(NamedTuple):
    """Everything, at one moment."""

    epoch: int
    active: int
    arc: int
    row: Row
    controllers: tuple[Controller, Controller]
    workers: tuple[Worker, ...]
    left: SearchBounds
    """What may still go wrong."""
    lease_over: bool = False
    """Of the present mail claim."""
    in_window: bool = False
    """Something parted the present mail claim from its mark: the declared ambiguous window."""
    late_arc: tuple[tuple[int, int], ...] = ()
    """Writes of the routing controls on their way: (epoch, Region to be On)."""
    late_writes: tuple[Write, ...] = ()
    late_mails: int = 0
    sends: int = 0
    """Mails that people got."""
    manifests: int = 0

    def __str__(self) -> str:
        arc = {0: "none", BOTH_ON: "both"}.get(self.arc) or REGIONS[self.arc - 1]
        row = f"{_NAMES[self.row.state]} owner={self.row.owner} claims={self.row.claims}"
        late = len(self.late_arc) + len(self.late_writes) + self.late_mails
        return f"epoch={self.epoch} active={REGIONS[self.active]} On={arc} {row} sends={self.sends} on their way={late}"


@dataclass(frozen=True, slots=True)
class Design:
    """What is explored: the protocol as it is, or with a mistake, within bounds."""

    bounds: SearchBounds = field(default_factory=SearchBounds)
    workers: tuple[int, ...] = (0, 1)
    """The Region of each worker; ascending."""
    row: Row = NO_ROW
    bug: Bug | None = None
    reduced: bool = True
    """Whether what can be seen to lead nowhere new is left out (`small_model.reduction`)."""

    @property
    def initial(self) -> State:
        """The world as it is set up: the first Region is active."""
        return State(
            epoch=INITIAL_EPOCH,
            active=OWNER[INITIAL_EPOCH],
            arc=WANTED[OWNER[INITIAL_EPOCH]],
            row=self.row,
            controllers=(IDLE_CONTROLLER, IDLE_CONTROLLER),
            workers=(IDLE_WORKER,) * len(self.workers),
            left=self.bounds,
        )
