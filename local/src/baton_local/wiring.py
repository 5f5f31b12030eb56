"""The environment variables of every process in a Region: which address it uses to reach what."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from baton.topology import Topology, other_region
from baton_local import state
from baton_local.bootstrap import SENDER
from baton_local.pace import pace
from baton_local.settings import LocalSettings
from baton_local.stand_ins.arc import PATH
from baton_local.stand_ins.gates import HOST, Gate


@dataclass(frozen=True, slots=True)
class Border:
    """One Region's emulator and the links across its border."""

    region: str
    emulator_port: int
    inward: Gate
    """Everybody outside to the Region's emulator."""
    ledger: Gate
    """The Region's services to the global emulator: ledger, STS."""
    mail: Gate
    """The Region's services to the mailbox."""
    dials: Gate
    """The Region's services to S3 Control, for the dials of the access point."""
    outward: Gate
    """The Region's services to the other Region, through that one's own gate: a cut of either keeps them apart."""
    arc: Mapping[str, Gate]
    """The Region's services to each endpoint of the routing-control cluster, by the endpoint's Region."""

    @property
    def emulator(self) -> str:
        return f"http://{HOST}:{self.emulator_port}"

    @property
    def gates(self) -> tuple[Gate, ...]:
        return (self.inward, self.ledger, self.mail, self.dials, self.outward, *self.arc.values())

    @property
    def is_cut(self) -> bool:
        return self.inward.is_cut

    def cut(self) -> None:
        for gate in self.gates:
            gate.cut()

    def heal(self) -> None:
        for gate in self.gates:
            gate.heal()
            gate.delay_seconds = 0

    def slow(self, delay_seconds: float) -> None:
        for gate in self.gates:
            gate.delay_seconds = delay_seconds


@dataclass(frozen=True, slots=True)
class Wiring:
    """The ways of one world."""

    topology: Topology
    settings: LocalSettings
    front_door: str
    """Given to services as it is, without a gate: they only sign links with it, and a link must outlive its Region.
    What turns its dials goes through a gate."""
    controls: Mapping[str, str] = field(default_factory=dict[str, str])
    """ARN of each Region's routing control."""
    borders: dict[str, Border] = field(default_factory=dict[str, Border])

    def of_service(self, region: str) -> dict[str, str]:
        """Return the environment of a service of this Region."""
        border = self.borders[region]
        other = other_region(region, self.topology.regions)
        return (
            self.settings.inherited()
            | state.credentials(self.topology.account_id)
            | self.of_function(region)
            | {
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "AWS_ENDPOINT_URL": border.emulator,
                "AWS_ENDPOINT_URL_MRAP_CONTROL": border.dials.endpoint,
                "BATON_REGION_ENDPOINTS": f"{other}={border.outward.endpoint}",
                "BATON_NOTIFIER_SENDER": SENDER,
                "BATON_READINESS_SENDER": SENDER,
                "BATON_READINESS_LINK": "true",
                # An open poll is never broken off: short ones let the world stop quickly.
                "BATON_RUNNER_WAIT_SECONDS": "2",
                "BATON_RUNNER_GRACE_SECONDS": "10",
            }
            | state.switch({region: gate.endpoint + PATH for region, gate in border.arc.items()}, self.controls)
            | pace()
            | self.settings.of_services()
        )

    def of_function(self, region: str) -> dict[str, str]:
        """Return the trigger function's settings; the rest of its environment is Lambda's."""
        border = self.borders[region]
        return {
            "AWS_ENDPOINT_URL_LEDGER": border.ledger.endpoint,
            "AWS_ENDPOINT_URL_STS": border.ledger.endpoint,
            "AWS_ENDPOINT_URL_SES": border.mail.endpoint,
            "AWS_ENDPOINT_URL_SESV2": border.mail.endpoint,
            "AWS_ENDPOINT_URL_MRAP": self.front_door,
            "BATON_ENVIRONMENT": self.topology.environment,
            "BATON_ACCOUNT_ID": self.topology.account_id,
            "BATON_REGIONS": ",".join(self.topology.regions),
            "BATON_JOBS_PACKAGE": self.settings.jobs_package,
            "BATON_STAND_IN_REPLICATION": "true",
        }
