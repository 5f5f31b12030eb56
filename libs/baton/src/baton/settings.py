"""Settings that every process reads from its environment: once, at start, with a clear error for a wrong value.

Names start with `BATON_`, except those that the AWS SDK itself defines. On one machine, where each Region is an
emulator of its own, `AWS_ENDPOINT_URL*` variables are the only difference from the cloud.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from baton.model.control import SwitchBackend
from baton.topology import REGIONS_DEFAULT, Topology

WORKER_ENVIRONMENT: Final = {
    # One thread that computes: a container has one vCPU, and two Regions on one machine share it with everything else.
    "POLARS_MAX_THREADS": "1",
    # glibc gives each thread an arena that keeps what was freed: tens of MiB each.
    "MALLOC_ARENA_MAX": "1",
    # Larger blocks go back to the system at once, and grow without a copy. Otherwise glibc raises this to 32 MiB, and
    # whether a block of rejects can grow in place is luck.
    "MALLOC_MMAP_THRESHOLD_": f"{4 * 1024 * 1024}",
}
"""Environment of the worker's process besides its settings, wherever it runs."""


class WorldSettings(BaseSettings):
    """Where this process runs and how it finds the rest of the world."""

    model_config = SettingsConfigDict(env_prefix="BATON_", extra="ignore", frozen=True, populate_by_name=True)

    environment: str = "dev"
    """One account may hold several environments: part of every name."""
    account_id: str = Field(pattern=r"^\d{12}$")
    regions: Annotated[tuple[str, str], NoDecode] = REGIONS_DEFAULT
    """Both Regions, comma-separated, the home Region first: its epochs are even."""
    region: str = Field(validation_alias="AWS_REGION")
    jobs_package: str = "baton_jobs"
    """Importable package with one module per job."""
    ledger_endpoint_url: str | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL_LEDGER")
    """On AWS the ledger is reached through the Region's own DynamoDB endpoint; locally it is a third emulator."""
    mrap_endpoint_url: str | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL_MRAP")
    mrap_control_endpoint_url: str | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL_MRAP_CONTROL")
    """Where the dials of the access point are set. None: S3 Control on AWS, in any of its five Regions."""
    region_endpoint_urls: Annotated[Mapping[str, str], NoDecode] = Field(
        default_factory=dict[str, str], validation_alias="BATON_REGION_ENDPOINTS"
    )
    """How another Region is reached on one machine: `us-west-2=http://…`. The process's own Region is always where the
    SDK's variables say. Empty on AWS, where the SDK knows every Region."""
    mrap_arn: str | None = None
    """ARN of the Multi-Region Access Point. None: the local front door, which takes its plain name as a bucket."""
    stand_in_replication: bool = False
    """Whether a stand-in replicates objects, whose replicas tell by metadata who they are. Never on AWS: there senders
    write metadata."""
    log_format: str = Field(default="json", pattern="^(json|console)$")

    @model_validator(mode="before")
    @classmethod
    def _split_regions(cls, values: dict[str, object]) -> dict[str, object]:
        regions = values.get("regions")
        if isinstance(regions, str):
            values["regions"] = tuple(part.strip() for part in regions.split(","))
        return values

    @field_validator("region_endpoint_urls", mode="before")
    @classmethod
    def _split_endpoints(cls, value: object) -> object:
        return _pairs("BATON_REGION_ENDPOINTS", value)

    @model_validator(mode="after")
    def _knows_its_region(self) -> Self:
        if self.region not in self.regions:
            raise ValueError(f"AWS_REGION {self.region} is none of BATON_REGIONS {self.regions}")
        return self

    @property
    def topology(self) -> Topology:
        return Topology(environment=self.environment, account_id=self.account_id, regions=self.regions)


_ARC_ENDPOINTS: Final = 5


class SwitchSettings(BaseSettings):
    """All names of the switch: while it is needed, nothing must depend on looking them up."""

    model_config = SettingsConfigDict(env_prefix="BATON_SWITCH_", extra="ignore", frozen=True)

    kind: SwitchBackend = SwitchBackend.LEDGER
    endpoints: Annotated[Mapping[str, str], NoDecode] = Field(default_factory=dict[str, str])
    """The cluster's five endpoints: `us-east-1=https://….us-east-1.example.com/v1,…`. Of a plan the SDK knows them."""
    controls: Annotated[Mapping[str, str], NoDecode] = Field(default_factory=dict[str, str])
    """ARN of each Region's routing control: `us-east-1=arn:…,us-west-2=arn:…`."""
    plan: str = ""
    """ARN of the Region switch plan."""

    @model_validator(mode="before")
    @classmethod
    def _split_pairs(cls, values: dict[str, object]) -> dict[str, object]:
        return {**values, **_switch_pairs(values)}

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.kind is SwitchBackend.LEDGER:
            return self
        if self.kind is SwitchBackend.REGION_SWITCH:
            if not self.plan.startswith("arn:"):
                raise ValueError(f"BATON_SWITCH_PLAN must be the ARN of a Region switch plan; it is {self.plan!r}")
            return self
        if len(self.endpoints) != _ARC_ENDPOINTS:
            found = ", ".join(self.endpoints) or "none"
            raise ValueError(f"BATON_SWITCH_ENDPOINTS must name the cluster's five endpoints; it names {found}")
        if wrong := [url for url in self.endpoints.values() if not url.startswith(("https://", "http://"))]:
            raise ValueError(f"BATON_SWITCH_ENDPOINTS: not a URL: {', '.join(wrong)}")
        if wrong := [arn for arn in self.controls.values() if not arn.startswith("arn:")]:
            raise ValueError(f"BATON_SWITCH_CONTROLS: not an ARN: {', '.join(wrong)}")
        if len(set(self.controls.values())) < 2:  # noqa: PLR2004 - a pair of Regions has two
            raise ValueError("BATON_SWITCH_CONTROLS must name the routing control of each Region")
        return self


class ReadinessSettings(BaseSettings):
    """What a controller asks of its Region before it calls it ready. What is empty is not asked for."""

    model_config = SettingsConfigDict(env_prefix="BATON_READINESS_", extra="ignore", frozen=True)

    sender: str = ""
    """Address that mails come from, without a name."""
    rights: bool = False
    """Whether the controller runs under the role that a deployment makes for it."""
    link: bool = False
    """Whether links to canaries' results are followed, through the access point."""
    services: Annotated[tuple[str, ...], NoDecode] = ()
    """Services of the Region's ECS cluster, comma-separated."""
    vcpus: Annotated[Mapping[str, float], NoDecode] = Field(default_factory=dict[str, float])
    """What all services together may grow to: `fargate=12.5,fargate-spot=99`."""

    @field_validator("services", mode="before")
    @classmethod
    def _split_services(cls, value: object) -> object:
        return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value

    @field_validator("vcpus", mode="before")
    @classmethod
    def _split_vcpus(cls, value: object) -> object:
        return _pairs("BATON_READINESS_VCPUS", value)


def _switch_pairs(values: Mapping[str, object]) -> dict[str, object]:
    names = [name for name in ("endpoints", "controls") if name in values]
    return {name: _pairs(f"BATON_SWITCH_{name.upper()}", values[name]) for name in names}


def _pairs(name: str, value: object) -> object:
    """Return `a=b,c=d` as a mapping; anything but text as it is. Raises `ValueError` for what is no such list."""
    if not isinstance(value, str):
        return value
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        region, equals, target = (piece.strip() for piece in part.partition("="))
        if not (region and equals and target):
            raise ValueError(f"{name}: `{part}` is not `region=value`")
        if region in pairs:
            raise ValueError(f"{name} names {region} twice")
        pairs[region] = target
    return pairs


class RunnerSettings(BaseSettings):
    """Bounds of the SQS loop. Each has a unit in its name and a reason here."""

    model_config = SettingsConfigDict(env_prefix="BATON_RUNNER_", extra="ignore", frozen=True)

    slots: int = Field(default=2, ge=1, le=256)
    """Messages handled at once. Each service has its own default, with its reason, in its `main`."""
    wait_seconds: int = Field(default=20, ge=0, le=20)
    """Long poll: SQS's maximum, the fewest empty receives."""
    visibility_seconds: int = Field(default=60, ge=3, le=43_200)
    """How soon a dead consumer's message is back; extended at every third of it while a handler runs."""
    grace_seconds: float = Field(default=90, gt=0)
    """From SIGTERM to exit: an open poll (20 s) and a long chunk. Below the container's stop timeout of 120 s."""
    handling_seconds_max: float = Field(default=4 * 3_600, gt=0)
    """Of one message. More than any honest step (1.8 TB, the largest file that is taken, in 2.5 h at 200 MB/s) and
    well below the 12 h for which SQS hides a message at most: what hangs must give its slot back."""
    attempts_max: int = Field(default=5, ge=1)
    """Receives of one message before SQS dead-letters it; equals the queue's redrive policy."""
    deaths_max: int = Field(default=3, ge=1)
    """Processes that may die at one message's step, its first delivery aside, before it is given up: a host may be lost
    once by chance. Below `attempts_max`, beyond which nobody gets the message any more."""
    counted_from: int = Field(default=2, ge=1)
    """The first delivery of a message of which it is noted that it began. Most messages have one alone, which then
    costs nothing; in the lane apart each is noted."""
    sets_aside: bool = False
    """Whether the batch of a message at which too many died is set aside, as in the lane apart, instead of given up."""
    measures_done: bool = True
    """Whether a message that is done becomes a metric. Not in the canaries' lane: these are all that an idle Region
    handles, and no measure of anybody's work."""
    failing_messages_max: int = Field(default=20, ge=1)
    """Different messages that failed by a bug of ours, with no success between, after which the consumer stops: a bad
    deploy must not drain a queue into its dead-letter queue."""
    health_port: int = Field(default=8080, ge=0, le=65_535)
    """`/healthz` of the container; 0 picks a free port."""
    health_host: str = "127.0.0.1"
    """Only the container's own health check needs it, nothing outside."""
    stuck_seconds: float = Field(default=900, gt=0)
    """A loop that made no step for so long is unhealthy, so that the scheduler replaces the container."""
