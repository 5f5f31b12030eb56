"""Every name and parameter of queues, tables and buckets, once.

Pure Python: the local world creates them, CDK declares them, the services read them, and a test compares what was made.
"""

from dataclasses import dataclass
from typing import Final

from baton.messages import KINDS, Kind

REGIONS_DEFAULT: Final = ("us-east-1", "us-west-2")
"""One Region set of MRSC; the witness is us-east-2."""
INITIAL_EPOCH: Final = 2
"""Even, so it belongs to the first Region; above zero, so that a missing number can never look like an epoch."""

MAX_RECEIVES: Final = 5
"""Receives of one message before SQS moves it to the dead-letter queue."""
VISIBILITY_SECONDS: Final = 60
"""Short: a crashed consumer's message is back this soon. Consumers extend it at a third while they work."""
RETENTION_DAYS: Final = 14
"""SQS's maximum, and how long ledger rows of finished batches are kept: longer than any replication lag."""
REJECTS_INDEXED_MAX: Final = 1_000
"""Rejects of a batch that the rejects table holds for queries."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One work queue and its dead-letter queue."""

    kind: Kind
    name: str
    dead_letter_name: str
    visibility_seconds: int


@dataclass(frozen=True, slots=True)
class Topology:
    """Names for one environment of one account."""

    environment: str
    account_id: str
    regions: tuple[str, str] = REGIONS_DEFAULT
    witness_region: str = "us-east-2"

    def _name(self, what: str) -> str:
        return f"baton-{self.environment}-{what}"

    @property
    def ledger_table(self) -> str:
        """MRSC global table: partition key `pk`, sort key `sk`, index `listing` (`listing`, `listed_at`)."""
        return self._name("ledger")

    @property
    def progress_table(self) -> str:
        """Regional table: partition key `pk` (batch and plan), sort key `sk`; TTL on `expires_at`."""
        return self._name("progress")

    @property
    def rejects_table(self) -> str:
        """Regional table: partition key `batch_id`, sort key `record_number` (number); TTL on `expires_at`."""
        return self._name("rejects")

    @property
    def reference_table(self) -> str:
        """Global table: partition key `pk` (data set, version, shard), sort key `sk` (key)."""
        return self._name("reference")

    def data_bucket(self, region: str) -> str:
        return f"baton-{self.environment}-data-{self.account_id}-{region}"

    @property
    def mrap(self) -> str:
        """Name of the Multi-Region Access Point."""
        return self._name("data")

    @property
    def replication_rule(self) -> str:
        """Id of each bucket's rule that copies to the other Region's: a dimension of the metrics of replication."""
        return self._name("replication")

    @property
    def alarm_prefix(self) -> str:
        """What the name of each of this environment's alarms starts with."""
        return self._name("")

    @property
    def active_record(self) -> str:
        """Name of the TXT record whose text is the active Region: for people and clients, never for permission."""
        return f"active.baton-{self.environment}.internal"

    def queue(self, kind: Kind) -> Queue:
        return Queue(
            kind=kind,
            name=self._name(kind),
            dead_letter_name=self._name(f"{kind}-dead"),
            visibility_seconds=VISIBILITY_SECONDS,
        )

    @property
    def queues(self) -> tuple[Queue, ...]:
        return tuple(self.queue(kind) for kind in KINDS)

    @property
    def trigger_function(self) -> str:
        return self._name("trigger")

    @property
    def trigger_queue(self) -> str:
        """Where S3 leaves its events for the poller, in a world without Lambda; on AWS there is none."""
        return self._name("trigger")

    @property
    def trigger_dead_letter_queue(self) -> str:
        """Where an event ends whose every attempt failed; the sweeper finds the object without it."""
        return self._name("trigger-dead")

    @property
    def link_role(self) -> str:
        """Role that may read `output/` only; links are signed with its credentials."""
        return self._name("link")
