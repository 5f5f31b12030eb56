"""The settings of an environment: one TOML file each in `infra/environments/`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from baton.address import GivenAddress, Recipients
from baton.model.control import SwitchBackend
from baton.topology import REGIONS_DEFAULT, SERVICES, Topology

ENVIRONMENTS: Final = Path(__file__).parents[2] / "environments"

type Cidr = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$")]
type Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

type ZoneId = Annotated[str, Field(pattern=r"^[a-z]+[0-9]-az[0-9]+$")]

_WITHOUT_ARM: Final = frozenset({"use1-az3"})
"""Source: "Working with 64-bit ARM workloads on Amazon ECS", Amazon ECS Developer Guide."""
UNBUILT: Final = f"sha256:{'0' * 64}"
"""Stands for an image that was never pushed: enough to synthesize, refused by `make deploy`."""


class Frozen(BaseModel):
    """A table of the file: every key is known, none changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tasks(Frozen):
    """Size and number of one service's tasks."""

    cpu: Literal[256, 512, 1024, 2048, 4096] = 256
    """Units of 1/1024 vCPU."""
    memory_mib: int = Field(default=512, ge=512)
    tasks_min: int = Field(default=1, ge=1)
    """Also the standby's: what runs already needs no control plane to take over. Never none: canaries go through every
    service at all times, and each would be late while the first task starts."""
    tasks_max: int = Field(default=4, ge=1)
    spot: bool = False
    """Run what is above `on_demand_base` as Fargate Spot: for tasks that may be stopped with two minutes' notice."""
    on_demand_base: int = Field(default=1, ge=0)
    """Tasks that are never Spot."""


TASKS: Final = {
    # Sizes by docs/performance.md. Memory is what all lanes of a service hold together at most, whatever the files, as
    # `tests/infra/test_task_memory.py` adds it up: 857, 2,711, 450 and 383 MiB.
    "splitter": Tasks(cpu=512, memory_mib=1024),
    "worker": Tasks(cpu=1024, memory_mib=3072, tasks_max=50, spot=True),
    "merger": Tasks(),
    "notifier": Tasks(tasks_max=2),
    # One, never scaled: two would do no harm, and no good.
    "failover-controller": Tasks(tasks_max=1),
}
"""What an environment's file need not say."""


class NetworkConfig(Frozen):
    """One Region's network."""

    cidr: Cidr
    availability_zones: tuple[ZoneId, ZoneId]
    """Identifiers, such as use1-az1: they mean the same zones in every account, unlike names (us-east-1a)."""

    @field_validator("availability_zones")
    @classmethod
    def _can_run_the_images(cls, zones: tuple[str, str]) -> tuple[str, str]:
        if lacking := _WITHOUT_ARM.intersection(zones):
            raise ValueError(f"{', '.join(lacking)} has no Fargate for ARM64, which the images are built for")
        return zones


class EnvironmentConfig(Frozen):
    """One environment. Defaults are for production; a file says what differs."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,15}$")
    account_id: str = Field(pattern=r"^\d{12}$")
    regions: tuple[str, str] = REGIONS_DEFAULT
    """The home Region first."""
    witness_region: str = "us-east-2"
    """The third of one Region set of DynamoDB's strong consistency: it holds no data."""
    networks: Mapping[str, NetworkConfig]
    switch: SwitchBackend = SwitchBackend.ARC
    sender: GivenAddress
    """Address that mails come from; SES verifies it in both Regions."""
    create_sender: bool = True
    """Have SES verify the address. False: it is verified already, for another environment of this account."""
    operators: Recipients
    """Who gets alarms, and mails about files that no job claims."""
    tasks: Mapping[str, Tasks] = Field(default_factory=dict[str, Tasks])
    images: Mapping[str, Digest] = Field(default_factory=dict[str, str])
    """Digest of each service's image; `make images` writes them into `<name>.images.toml`."""
    controller: Mapping[str, str] = Field(default_factory=dict[str, str])
    """Settings of the controller by their name in lower case, such as `failback = "automatic"`."""
    customer_keys: bool = False
    """Encrypt the bucket of files with KMS keys of this environment's own, one a Region: $1 a key and month, and $0.03
    for ten thousand calls. Tables and queues stay with the keys of their services."""
    traces: bool = False
    """Trace the trigger with X-Ray. The containers tell each unit of work in a log line, and need none."""
    exec: bool = False
    """ECS Exec into running tasks. Off by default: no shell beside files with financial data."""
    log_days: Literal[7, 14, 30, 90, 180, 365] = 90
    input_days: int = Field(default=30, ge=15)
    """How long old versions and archived inputs are kept. Above the 14 days of the ledger's rows."""
    retain_data: bool = True
    """Buckets, tables and mail identities outlive their stacks."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if set(self.networks) != set(self.regions):
            raise ValueError(f"[networks] names {', '.join(self.networks)}; the Regions are {', '.join(self.regions)}")
        if unknown := (self.tasks.keys() | self.images.keys()) - set(SERVICES):
            raise ValueError(f"no such service: {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
        for service in SERVICES:
            tasks = self.tasks_of(service)
            if tasks.tasks_min > tasks.tasks_max:
                raise ValueError(f"[tasks.{service}] tasks_min {tasks.tasks_min} is above tasks_max {tasks.tasks_max}")
        if self.witness_region in self.regions:
            raise ValueError(f"witness_region {self.witness_region} is one of the two Regions")
        return self

    @property
    def topology(self) -> Topology:
        return Topology(
            environment=self.name, account_id=self.account_id, regions=self.regions, witness_region=self.witness_region
        )

    @property
    def home(self) -> str:
        return self.regions[0]

    def tasks_of(self, service: str) -> Tasks:
        """Return size and number of a service's tasks: what the file says, over what it need not say."""
        said = self.tasks.get(service)
        return TASKS[service].model_copy(update=said.model_dump(exclude_unset=True) if said else {})


def names() -> tuple[str, ...]:
    """Return every environment that has a file."""
    return tuple(sorted(path.stem for path in ENVIRONMENTS.glob("*.toml") if "." not in path.stem))


def load(name: str) -> EnvironmentConfig:
    """Read an environment. Raises `FileNotFoundError`, or `pydantic.ValidationError` naming the key."""
    found = tomllib.loads((ENVIRONMENTS / f"{name}.toml").read_text())
    lock = ENVIRONMENTS / f"{name}.images.toml"
    if lock.exists():
        found["images"] = tomllib.loads(lock.read_text())
    return EnvironmentConfig.model_validate({"name": name, **found})
