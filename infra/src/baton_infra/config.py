"""The settings of an environment: one TOML file each in `infra/environments/`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from baton.address import GivenAddress, Recipients
from baton.model.control import SwitchBackend
from baton.topology import REGIONS_DEFAULT, SERVICES, Topology
from baton_infra.sizes import LEAN_CONTROLLER, SHARED, SHARED_TASK, TASKS, Frozen, Size, Tasks

ENVIRONMENTS: Final = Path(__file__).parents[2] / "environments"

type Cidr = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$")]
type Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

type ZoneId = Annotated[str, Field(pattern=r"^[a-z]+[0-9]-az[0-9]+$")]

_WITHOUT_ARM: Final = frozenset({"use1-az3"})
"""Source: "Working with 64-bit ARM workloads on Amazon ECS", Amazon ECS Developer Guide."""
UNBUILT: Final = f"sha256:{'0' * 64}"
"""Stands for an image that was never pushed: enough to synthesize, refused by `make deploy`."""


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


class Vpc(Frozen):
    """A network of this account, outside Baton."""

    region: str
    vpc_id: str = Field(pattern=r"^vpc-[0-9a-f]+$")


class RecordConfig(Frozen):
    """Who can resolve the record that follows the switch. Without it, nobody outside Baton's own two networks."""

    zone: str | None = Field(default=None, pattern=r"^([a-z0-9-]+\.)+[a-z]+$")
    """Name of a hosted zone of this account, such as `example.com`, in which the record is put."""
    zone_id: str | None = Field(default=None, pattern=r"^Z[A-Z0-9]+$")
    vpcs: tuple[Vpc, ...] = ()
    """Networks that resolve Baton's own private zone, beside its own two. Needs no zone of yours."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.zone is None) != (self.zone_id is None):
            raise ValueError("[record] zone and zone_id belong together: the zone's name, and its id in Route 53")
        if (self.zone is None) == (not self.vpcs):
            raise ValueError("[record] needs either zone and zone_id, or vpcs")
        return self


class EnvironmentConfig(Frozen):
    """One environment. Defaults are for production; a file says what differs."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,15}$")
    account_id: str = Field(pattern=r"^\d{12}$")
    regions: tuple[str, str] = REGIONS_DEFAULT
    """The home Region first."""
    witness_region: str = "us-east-2"
    """The third of one Region set of DynamoDB's strong consistency: it holds no data."""
    networks: Mapping[str, NetworkConfig]
    size: Size = Size.STANDARD
    """`lean` costs at most $100 a month while idle, and gives up some promises: `baton_infra.sizes.Size` says which.
    Fixed at the first deployment: roles and subnets of one size stand in the way of the other's."""
    switch: SwitchBackend = SwitchBackend.ARC
    record: RecordConfig | None = None
    """Lets people and clients elsewhere resolve which Region is active. With `switch = "ledger"` there is no record."""
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
    chaos: bool = False
    """Declare experiments of the Fault Injection Service. Off by default: who may start one can cut off a Region."""
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
        if self.record and self.switch is SwitchBackend.LEDGER:
            raise ValueError('[record]: with switch = "ledger" no record follows the switch')
        if self.is_lean and (others := self.tasks.keys() - {"worker"}):
            named = ", ".join(sorted(others))
            raise ValueError(f'[tasks] {named}: with size = "lean" only the worker has tasks of its own')
        for service in self.services:
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

    @property
    def is_lean(self) -> bool:
        return self.size is Size.LEAN

    @property
    def active_record(self) -> str:
        """Return the name of the TXT record whose text is the active Region."""
        if self.record and self.record.zone:
            return f"active.baton-{self.name}.{self.record.zone}"
        return self.topology.active_record

    @property
    def services(self) -> Mapping[str, tuple[str, ...]]:
        """Return the containers of each ECS service's tasks."""
        return {SHARED: SERVICES, "worker": ("worker",)} if self.is_lean else {each: (each,) for each in SERVICES}

    @property
    def always_run(self) -> tuple[str, ...]:
        """Return the ECS services of which at least one task always runs."""
        return tuple(service for service in self.services if self.tasks_of(service).tasks_min)

    @property
    def controller_settings(self) -> Mapping[str, str]:
        """Return what the controllers are told: what the file says, over what its size does."""
        return {**(LEAN_CONTROLLER if self.is_lean else {}), **self.controller}

    def tasks_of(self, service: str) -> Tasks:
        """Return size and number of an ECS service's tasks: what the file says, over what it need not say.

        In a lean environment the shared task always runs, and workers beside it only while chunks wait.
        """
        if service == SHARED:
            return SHARED_TASK
        said = self.tasks.get(service)
        found = TASKS[service].model_copy(update=said.model_dump(exclude_unset=True) if said else {})
        return found.model_copy(update={"tasks_min": 0, "on_demand_base": 0}) if self.is_lean else found


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


def given(name: str) -> EnvironmentConfig:
    """Read the environment that somebody named. Raises `SystemExit` with a line for each key that is wrong."""
    try:
        return load(name)
    except tomllib.TOMLDecodeError as error:
        raise SystemExit(f"infra/environments/{name}.toml: {error}") from error
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in error.errors())
        raise SystemExit("\n".join(f"infra/environments/{name}.toml: {each}" for each in wrong)) from error
