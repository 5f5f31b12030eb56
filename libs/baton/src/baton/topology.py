"""Every name and parameter of queues, tables and buckets, in one place.

Pure Python: the local world creates them, CDK declares them, the services read them, and a test compares what was made.
"""

from dataclasses import dataclass
from typing import Final

from baton.messages import KINDS, LANES, ORDINARY, Kind, Lane

STAGES: Final = ("splitter", "worker", "merger", "notifier")
"""The containers that batches go through, in their order."""
CONTROLLER: Final = "failover-controller"
SERVICES: Final = (*STAGES, CONTROLLER)
"""Every container of a Region."""
REGIONS_DEFAULT: Final = ("us-east-1", "us-west-2")
"""One Region set of MRSC; the witness is us-east-2."""
INITIAL_EPOCH: Final = 2
"""Even, so it belongs to the first Region; above zero, so that a missing number can never look like an epoch."""

MAX_RECEIVES: Final = 5
"""Receives of one message before SQS moves it to the dead-letter queue."""
VISIBILITY_SECONDS: Final = 60
"""Short: a crashed consumer's message is back this soon. Consumers extend it at a third while they work."""
SWEEP_SECONDS: Final = 30
"""How often each splitter looks for inputs that were not admitted and batches that do not move."""
CANARY_SWEEP_SECONDS: Final = 300
"""How often it looks for canaries that nobody deleted. Nobody waits for these, and S3 charges a list as 12 reads."""
EPOCH_POLL_SECONDS: Final = 3
"""How soon it notices that its Region became the active one. A strong read of one item each."""
RETENTION_DAYS: Final = 14
"""SQS's maximum, and how long ledger rows of finished batches are kept: longer than any replication lag."""
PROGRESS_KEPT_DAYS: Final = 45
"""How long rows of finished chunks and of rejects live: a job's longest deadline, the ledger row's rest, in which the
batch may be retried, and that run's deadline. `baton retry` refuses what would take longer."""
REJECTS_INDEXED_MAX: Final = 1_000
"""Rejects of a batch that the rejects table holds for queries."""


def other_region(region: str, regions: tuple[str, str]) -> str:
    """Return the other Region of the pair."""
    home, away = regions
    return away if region == home else home


type Key = tuple[tuple[str, str], tuple[str, str]]
"""Name and DynamoDB's type of two attributes: of the partition, and of the order within it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a table is made with."""

    key: Key = (("pk", "S"), ("sk", "S"))
    index: tuple[str, Key] | None = None
    """Name and key of the one global index, which has every attribute."""
    expires: bool = False
    """Whether the table removes rows by their attribute `expires_at`."""

    @property
    def attributes(self) -> dict[str, str]:
        """Return the type of every attribute of a key."""
        return dict([*self.key, *(self.index[1] if self.index else ())])


LEDGER: Final = Schema(index=("listing", (("listing", "S"), ("listed_at", "S"))))
"""Of an MRSC global table, which has no TTL."""
REFERENCE: Final = Schema()
"""Of a global table. `pk`: data set, version and shard; `sk`: key."""
PROGRESS: Final = Schema(expires=True)
"""Of a Regional table. `pk`: batch and plan, a heartbeat, or arrivals."""
REJECTS: Final = Schema(key=(("batch_id", "S"), ("record_number", "N")), expires=True)
"""Of a Regional table."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One work queue and its dead-letter queue."""

    kind: Kind
    lane: Lane
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
        """Name of the table of `LEDGER`."""
        return self._name("ledger")

    @property
    def progress_table(self) -> str:
        """Name of the table of `PROGRESS`."""
        return self._name("progress")

    @property
    def rejects_table(self) -> str:
        """Name of the table of `REJECTS`."""
        return self._name("rejects")

    @property
    def reference_table(self) -> str:
        """Name of the table of `REFERENCE`."""
        return self._name("reference")

    def data_bucket(self, region: str) -> str:
        return f"baton-{self.environment}-data-{self.account_id}-{region}"

    @property
    def mrap(self) -> str:
        """Name of the Multi-Region Access Point."""
        return self._name("data")

    def replication_rule(self, prefix: str) -> str:
        """Return the id of a bucket's rule that copies what is below a prefix (a rule has one) to the other Region's.

        It is a dimension of the metrics of replication.
        """
        return self._name(prefix.strip("/"))

    @property
    def alarm_prefix(self) -> str:
        """Prefix of alarms on a Region's health: the controllers count these as evidence.

        Alarms on the controllers must not have it: a conclusion from a canary would count as a second kind of evidence.
        """
        return self._name("region-")

    @property
    def notice_prefix(self) -> str:
        """Prefix of alarms that only people read."""
        return self._name("notice-")

    @property
    def active_record(self) -> str:
        """Name of the TXT record whose text is the active Region: for people and clients, never for permission."""
        return f"active.baton-{self.environment}.internal"

    def queue(self, kind: Kind, lane: Lane = ORDINARY) -> Queue:
        name = kind if lane == ORDINARY else f"{kind}-{lane}"
        return Queue(
            kind=kind,
            lane=lane,
            name=self._name(name),
            dead_letter_name=self._name(f"{name}-dead"),
            visibility_seconds=VISIBILITY_SECONDS,
        )

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Every work queue: of each kind one for each lane."""
        return tuple(self.queue(kind, lane) for lane in LANES for kind in KINDS)

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
    def canary_events_queue(self) -> str:
        """Where S3 leaves its events of canaries for the splitter: no number of other files makes them wait."""
        return self._name("canary-events")

    @property
    def canary_events_dead_letter_queue(self) -> str:
        """Where an event of a canary ends whose every attempt failed. The canary has failed long before."""
        return self._name("canary-events-dead")

    @property
    def link_role(self) -> str:
        """Role that may read results only; links are signed with its credentials."""
        return self._name("link")

    def stack(self, purpose: str) -> str:
        """Return the name of a CloudFormation stack, which is the same in both Regions."""
        return self._name(purpose)

    @property
    def cluster(self) -> str:
        """ECS cluster of each Region; its services are called by their plain names."""
        return self._name("services")

    def role(self, of: str, region: str) -> str:
        """Return the name of a service's role. Roles belong to the account, so each Region has its own."""
        return self._name(f"{of}-{region}")

    def repository(self, service: str) -> str:
        """Return the ECR repository of a service's image."""
        return f"baton-{self.environment}/{service}"

    def log_group(self, service: str) -> str:
        return f"/baton/{self.environment}/{service}"

    def log_bucket(self, region: str) -> str:
        """Return the bucket of the data bucket's access logs."""
        return f"baton-{self.environment}-logs-{self.account_id}-{region}"

    @property
    def alarm_topic(self) -> str:
        """SNS topic of each Region that notifies the operators."""
        return self._name("alarms")

    @property
    def event_rule(self) -> str:
        """EventBridge rule of each Region that tells the operators of handovers."""
        return self._name("handovers")

    @property
    def key_alias(self) -> str:
        """Alias of each Region's own KMS key, where an environment wants one."""
        return f"alias/{self._name('data')}"

    @property
    def metrics_namespace(self) -> str:
        """CloudWatch namespace of everything that services and controllers measure."""
        return f"Baton/{self.environment}"

    @property
    def replication_function(self) -> str:
        """The function that sets how the buckets replicate, whenever they are deployed."""
        return self._name("replication")

    @property
    def lookup_function(self) -> str:
        """The function that asks, once at each deployment, what the switch was given by AWS."""
        return self._name("lookup")

    @property
    def plan(self) -> str:
        """Plan of ARC Region switch. Its name may have 32 characters."""
        return self._name("switch")

    @property
    def runbook(self) -> str:
        """SSM document of each Region by which operators order a switch from the controller."""
        return self._name("order")

    def dashboard(self, region: str) -> str:
        """Return the name of the dashboard of both Regions that is made in this one."""
        return self._name(f"global-{region}")

    def experiment(self, name: str) -> str:
        """Return the name, a tag, of an experiment of the Fault Injection Service."""
        return self._name(name)
