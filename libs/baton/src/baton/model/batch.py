"""A batch, as the ledger stores it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from baton.model.identity import is_canary_id
from baton.model.states import APART, FINAL, BatchState


@dataclass(frozen=True, slots=True)
class Source:
    """The input object version: `key` decoded, `version_id` the one given where it was first written."""

    key: str
    version_id: str
    size_bytes: int
    more: Mapping[str, Any] | None = field(default=None, hash=False)
    """What a newer version of Baton put there."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Records of a chunk or a batch. The law of conservation: `records_in == records_out + rejects`."""

    records_in: int = 0
    records_out: int = 0
    rejects: int = 0

    @property
    def balanced(self) -> bool:
        """Whether nothing was lost and nothing invented."""
        return self.records_in == self.records_out + self.rejects

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            records_in=self.records_in + other.records_in,
            records_out=self.records_out + other.records_out,
            rejects=self.rejects + other.rejects,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a batch failed: one constant word (docs/outcomes.md) and a sentence for its sender."""

    code: str
    reason: str
    more: Mapping[str, Any] | None = field(default=None, hash=False)
    """What a newer version of Baton put there."""


@dataclass(frozen=True, slots=True)
class MailClaim:
    """Who may send the mail of this run. Written before the send; `sent_at` after it.

    A claim without `sent_at` older than its lease is the declared ambiguous window: the mail is sent again, with the
    same `X-Baton-Batch`.
    """

    run: int
    epoch: int
    claimed_at: datetime
    sent_at: datetime | None = None
    more: Mapping[str, Any] | None = field(default=None, hash=False)
    """What a newer version of Baton put there."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the merger published, under keys that no other epoch writes."""

    result_key: str
    rejects_key: str
    manifest_key: str
    result_bytes: int
    result_crc64nvme: str
    more: Mapping[str, Any] | None = field(default=None, hash=False)
    """What a newer version of Baton put there."""


@dataclass(frozen=True, slots=True)
class Step:
    """When a batch entered a state or got another owner, and who wrote it: a Region, or an operator."""

    at: datetime
    state: BatchState
    by: str


LARGE_FROM_BYTES: Final = 1024**2
"""A file of more is large. What a worker holds of a smaller one, as 15,000 records of 70 bytes, is little beside the
chunk that it computes meanwhile."""
_HISTORY_MAX: Final = 200
"""Steps kept: a batch has about ten, and each retry adds as many. The row must stay far below DynamoDB's 400 kB."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One row of the ledger. `owner_epoch` fences: every change is conditional on it."""

    batch_id: str
    job: str
    source: Source
    state: BatchState
    owner_epoch: int
    admitted_at: datetime
    updated_at: datetime
    run: int = 1
    """Grows by one with every retry: one mail claim per run."""
    retried_at: datetime | None = None
    """When this run began. None in the first run, which began with admission."""
    plan_id: str | None = None
    chunks: int = 0
    records_total: int = 0
    """Known once the file is planned: the scan counts records."""
    counts: Counts = field(default_factory=Counts)
    published: Published | None = None
    failure: Failure | None = None
    mail_claim: MailClaim | None = None
    apart_epoch: int | None = None
    """The epoch of the failover at which it was in hand of the Region that had turned unhealthy. None: of none."""
    history: tuple[Step, ...] = ()
    """Oldest first, written with the state itself: no crash can part the two."""
    more: Mapping[str, Any] | None = field(default=None, hash=False)
    """What a newer version of Baton put into the row: it is written back."""

    @property
    def is_canary(self) -> bool:
        """Whether it is a canary. A file sent to `input/canary/` is none: there is no such job to send files to."""
        return is_canary_id(self.batch_id)

    @property
    def is_large(self) -> bool:
        """Whether its file is large: then no smaller one waits behind it."""
        return self.source.size_bytes > LARGE_FROM_BYTES

    @property
    def is_apart(self) -> bool:
        """Whether it continues apart from all others, since it may be what made a Region unhealthy."""
        return self.apart_epoch is not None and self.state in APART

    @property
    def is_final(self) -> bool:
        """Whether the batch has its outcome."""
        return self.state in FINAL

    @property
    def is_announced(self) -> bool:
        """Whether the mail of this run is out."""
        return self.mail_claim is not None and self.mail_claim.run == self.run and self.mail_claim.sent_at is not None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do: the ledger lists every other batch as open, and the sweeper looks after it."""
        return self.is_final and (self.state is not BatchState.FAILED or self.is_announced)

    @property
    def began_at(self) -> datetime:
        """When this run began, from which the job's deadline counts: at admission, or at the last retry."""
        return self.retried_at or self.admitted_at

    @property
    def entered_at(self) -> datetime:
        """When it entered its state, or was taken over in it. `updated_at` also grows with what is no step."""
        return self.history[-1].at if self.history else self.updated_at

    def moved(self, state: BatchState, *, at: datetime, by: str, **changes: Any) -> "Batch":
        """Return the batch as it is after a step at `at`. `updated_at` grows even where two clocks disagree."""
        at = max(at, self.updated_at + timedelta(microseconds=1))
        same_owner = changes.get("owner_epoch", self.owner_epoch) == self.owner_epoch
        entered = () if state is self.state and same_owner else (Step(at, state, by),)
        history = (*self.history, *entered)[-_HISTORY_MAX:]
        return replace(self, state=state, updated_at=at, history=history, **changes)
