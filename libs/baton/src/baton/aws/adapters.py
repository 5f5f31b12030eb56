"""Builds all adapters of one process from its settings."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from aiobotocore.session import AioSession

from baton.aws.dynamodb.arrivals import DynamoArrivals
from baton.aws.dynamodb.heartbeats import DynamoHeartbeats
from baton.aws.dynamodb.journal import DynamoJournal
from baton.aws.dynamodb.ledger import DynamoLedger
from baton.aws.dynamodb.progress import DynamoProgress
from baton.aws.dynamodb.reference import DynamoReferenceData
from baton.aws.dynamodb.rejects import DynamoRejectIndex
from baton.aws.events import EventBridge
from baton.aws.mail import SesMailer
from baton.aws.provisions import Asked, AwsProvisions
from baton.aws.queues import QueueUrls, SqsInbox, SqsOutbox
from baton.aws.s3.links import LinkTarget, StsLinks
from baton.aws.s3.objects import S3ObjectStore
from baton.aws.sdk.calls import CallLog
from baton.aws.sdk.clients import CallTimeouts, Clients
from baton.aws.sdk.clock import SystemClock
from baton.aws.switch.arc import ArcEndpoint, ArcSwitch
from baton.aws.switch.hedged import TIMES, Times
from baton.aws.switch.region_switch import RegionSwitch
from baton.aws.switch.routes import MrapRoutes, at_plain_host
from baton.aws.vitals import AGES_SECONDS_MAX, AwsVitals
from baton.ledger_switch import LedgerSwitch
from baton.messages import ORDINARY, Kind, Lane
from baton.model.control import SwitchBackend
from baton.ports.clock import Clock
from baton.requests import FIVE_REGIONS
from baton.settings import ReadinessSettings, SwitchSettings, WorldSettings
from baton.topology import Topology

_CONNECTIONS_DEFAULT: Final = 100
"""Per client: seventeen ranged reads for each of a splitter's four files, or sixteen parts of an upload, with room."""
_SHARED: Final = frozenset({"ses", "sesv2", "sts", "iam"})
_NO_REGION: Final = "global"
"""Where calls to several Regions are counted: they say nothing about the health of one."""


@dataclass(frozen=True, slots=True)
class EmulatorEndpoints:
    """Where emulators are, for a process that speaks to more than one. What is None is left to the SDK's variables."""

    regions: Mapping[str, str] = field(default_factory=dict[str, str])
    """URL by Region, for its S3, SQS, DynamoDB and CloudWatch."""
    shared: str | None = None
    """For SES, STS and IAM."""


def _others(settings: WorldSettings) -> EmulatorEndpoints:
    """Return where the other Region is; our own is where the SDK's variables say."""
    urls = settings.region_endpoint_urls
    return EmulatorEndpoints(regions={region: url for region, url in urls.items() if region != settings.region})


class Aws:
    """Builds adapters; owns their clients from entry to exit. Building is free: a client is made at its first call."""

    def __init__(
        self,
        settings: WorldSettings,
        *,
        endpoints: EmulatorEndpoints | None = None,
        max_pool_connections: int = _CONNECTIONS_DEFAULT,
        clock: Clock | None = None,
        dice: random.Random | None = None,
        session: AioSession | None = None,
        calls: CallLog | None = None,
    ) -> None:
        self.settings = settings
        self._endpoints = endpoints or _others(settings)
        self._clock = clock or SystemClock()
        self._dice = dice or random.SystemRandom()
        self._session = session or AioSession()
        # Host names like `bucket.host` exist on AWS alone; a ledger with an endpoint of its own is not AWS.
        emulated = settings.ledger_endpoint_url is not None or bool(self._endpoints.regions)
        self._calls = calls or CallLog()
        self._clients = Clients(
            self._session, max_pool_connections=max_pool_connections, path_style=emulated, calls=self._calls
        )
        self._queue_urls: dict[str, QueueUrls[tuple[Kind, Lane]]] = {}

    @property
    def topology(self) -> Topology:
        """Names of everything."""
        return self.settings.topology

    async def __aenter__(self) -> Self:
        await self._clients.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._clients.__aexit__(kind, error, traceback)

    def client(self, service: str, region: str, *, long_poll: bool = False) -> Callable[[], Awaitable[Any]]:
        """Return what gives a Region's client of a service: made at its first call, then the same one."""
        endpoint_url = self._endpoints.shared if service in _SHARED else self._endpoints.regions.get(region)
        return partial(self._clients.get, service, region=region, endpoint_url=endpoint_url, long_poll=long_poll)

    def ledger_client(self) -> Callable[[], Awaitable[Any]]:
        """Return what gives the client of the ledger's table."""
        settings = self.settings
        if settings.ledger_endpoint_url is None:
            return self.client("dynamodb", settings.region)
        # An emulator keeps Regions apart; its ledger is in the first one's, for callers in either Region.
        region, url = settings.regions[0], settings.ledger_endpoint_url
        counted_in = settings.region  # on AWS it is this Region's own DynamoDB that is called
        return partial(self._clients.get, "dynamodb", region=region, endpoint_url=url, counted_in=counted_in)

    def ledger(self) -> DynamoLedger:
        return DynamoLedger(
            self.ledger_client(),
            table=self.topology.ledger_table,
            clock=self._clock,
            dice=self._dice,
        )

    def journal(self) -> DynamoJournal:
        return DynamoJournal(self.ledger_client(), table=self.topology.ledger_table, dice=self._dice)

    def vitals(
        self, region: str | None = None, *, ages_seconds_max: float = AGES_SECONDS_MAX, kept_seconds: float = 0
    ) -> AwsVitals:
        """Return the measurements of a Region. Keep it: it remembers the queues' URLs, and what CloudWatch said."""
        region = region or self.settings.region
        return AwsVitals(
            self.client("sqs", region),
            self.client("cloudwatch", region),
            region=region,
            topology=self.topology,
            clock=self._clock,
            calls=partial(self._calls.stats, region),
            ages_seconds_max=ages_seconds_max,
            kept_seconds=kept_seconds,
        )

    def objects(self, region: str | None = None) -> S3ObjectStore:
        region = region or self.settings.region
        return S3ObjectStore(
            self.client("s3", region),
            bucket=self.topology.data_bucket(region),
            clock=self._clock,
            stand_ins=self.settings.stand_in_replication,
        )

    def outbox(self, region: str | None = None) -> SqsOutbox:
        region = region or self.settings.region
        return SqsOutbox(self.client("sqs", region), self._urls(region), dice=self._dice)

    def inbox(self, kind: Kind, lane: Lane = ORDINARY) -> SqsInbox:
        queue = self.topology.queue(kind, lane)
        return self._inbox(queue.name, queue.dead_letter_name)

    def trigger_inbox(self) -> SqsInbox:
        """Return the queue of S3's events, in a world without Lambda."""
        return self._inbox(self.topology.trigger_queue, self.topology.trigger_dead_letter_queue)

    def canary_events(self) -> SqsInbox:
        """Return the queue of S3's events of canaries."""
        return self._inbox(self.topology.canary_events_queue, self.topology.canary_events_dead_letter_queue)

    def progress(self, region: str | None = None) -> DynamoProgress:
        client = self.client("dynamodb", region or self.settings.region)
        return DynamoProgress(client, table=self.topology.progress_table, dice=self._dice)

    def heartbeats(self) -> DynamoHeartbeats:
        return DynamoHeartbeats(self.client("dynamodb", self.settings.region), table=self.topology.progress_table)

    def arrivals(self) -> DynamoArrivals:
        return DynamoArrivals(self.client("dynamodb", self.settings.region), table=self.topology.progress_table)

    def reference(self, region: str | None = None) -> DynamoReferenceData:
        client = self.client("dynamodb", region or self.settings.region)
        return DynamoReferenceData(client, table=self.topology.reference_table, dice=self._dice)

    def rejects(self, region: str | None = None) -> DynamoRejectIndex:
        client = self.client("dynamodb", region or self.settings.region)
        return DynamoRejectIndex(client, table=self.topology.rejects_table, clock=self._clock, dice=self._dice)

    def events(self) -> EventBridge:
        return EventBridge(self._beside("events"), environment=self.topology.environment)

    def provisions(self, settings: ReadinessSettings, switch: SwitchSettings) -> AwsProvisions:
        """Return what asks our own Region whether it has ready what a switch needs."""
        topology, region = self.topology, self.settings.region
        role_arn = f"arn:aws:iam::{topology.account_id}:role/{topology.role('failover-controller', region)}"
        asked = Asked(
            sender=settings.sender,
            role_arn=role_arn if settings.rights else "",
            rights=self._rights(switch),
            cluster=topology.cluster,
            services=settings.services,
            vcpus=settings.vcpus,
        )
        return AwsProvisions(
            mail=self._beside("sesv2"),
            senders=self._beside("ses"),
            iam=self._beside("iam"),
            ecs=self._beside("ecs"),
            quotas=self._beside("service-quotas"),
            asked=asked,
        )

    def _rights(self, switch: SwitchSettings) -> Mapping[str, Sequence[str]]:
        """Return the actions that turn the switch and the dials, with what they turn."""
        dials = {"s3:SubmitMultiRegionAccessPointRoutes": [self.settings.mrap_arn]} if self.settings.mrap_arn else {}
        match switch.kind:
            case SwitchBackend.LEDGER:
                return dials
            case SwitchBackend.ARC:
                return {**dials, "route53-recovery-cluster:UpdateRoutingControlStates": list(switch.controls.values())}
            case SwitchBackend.REGION_SWITCH:
                return {**dials, "arc-region-switch:StartPlanExecution": [switch.plan]}

    def _beside(self, service: str) -> Callable[[], Awaitable[Any]]:
        """Return what gives a client whose calls no batch needs: they say nothing about the Region."""
        region = self.settings.region
        url = self._endpoints.shared if service in _SHARED else self._endpoints.regions.get(region)
        return partial(self._clients.get, service, region=region, endpoint_url=url, counted_in=_NO_REGION)

    def mailer(self) -> SesMailer:
        return SesMailer(self.client("ses", self.settings.region))

    def links(self) -> StsLinks:
        """Return the signer of links.

        Raises `ValueError` if the settings name neither a Multi-Region Access Point nor a front door.
        """
        settings, topology = self.settings, self.topology
        if settings.mrap_arn is None and settings.mrap_endpoint_url is None:
            raise ValueError("links need BATON_MRAP_ARN, or AWS_ENDPOINT_URL_MRAP on one machine")
        through = f"{settings.mrap_arn}/object/" if settings.mrap_arn else f"arn:aws:s3:::{topology.mrap}/"
        target = LinkTarget(
            role_arn=f"arn:aws:iam::{topology.account_id}:role/{topology.link_role}",
            bucket=settings.mrap_arn or topology.mrap,
            readable=[through, *(f"arn:aws:s3:::{topology.data_bucket(region)}/" for region in topology.regions)],
        )
        # An ARN makes the SDK sign by SigV4A for any Region, and find the endpoint. A front door is a plain S3.
        at_front_door = {"endpoint_url": settings.mrap_endpoint_url, "signature_version": "s3v4"}
        options: Any = {} if settings.mrap_arn else at_front_door
        signer = partial(self._clients.get, "s3", region=settings.region, **options)
        return StsLinks(self.client("sts", settings.region), signer, target=target, clock=self._clock)

    def switch(self, settings: SwitchSettings, *, times: Times = TIMES) -> ArcSwitch | RegionSwitch | LedgerSwitch:
        """Return the switch that the settings name. Raises `ValueError` if ARC's controls are not these two Regions."""
        match settings.kind:
            case SwitchBackend.LEDGER:
                return LedgerSwitch()
            case SwitchBackend.REGION_SWITCH:
                clients = {
                    region: self._anywhere("arc-region-switch", region, settings.endpoints.get(region), times)
                    for region in self.topology.regions
                }
                return RegionSwitch(clients, settings.plan, dice=self._dice, times=times)
            case SwitchBackend.ARC:
                if set(settings.controls) != set(self.topology.regions):
                    raise ValueError(
                        f"BATON_SWITCH_CONTROLS names {', '.join(settings.controls)}; "
                        f"the Regions are {', '.join(self.topology.regions)}"
                    )
                endpoints = [
                    ArcEndpoint(region, self._anywhere("route53-recovery-cluster", region, url, times))
                    for region, url in settings.endpoints.items()
                ]
                return ArcSwitch(endpoints, settings.controls, dice=self._dice, times=times)

    def routes(self, *, times: Times = TIMES) -> MrapRoutes:
        """Return the dials of the access point: on AWS in any of five Regions, on one machine at its front door."""
        settings, topology = self.settings, self.topology
        if (url := settings.mrap_control_endpoint_url) is not None:
            clients = [at_plain_host(self._anywhere("s3control", settings.region, url, times), topology.account_id)]
        elif settings.mrap_arn is not None:
            clients = [self._anywhere("s3control", region, None, times) for region in FIVE_REGIONS]
        else:
            raise ValueError("the dials need BATON_MRAP_ARN, or AWS_ENDPOINT_URL_MRAP_CONTROL on one machine")
        return MrapRoutes(
            clients,
            account_id=topology.account_id,
            mrap=settings.mrap_arn or topology.mrap,
            buckets={region: topology.data_bucket(region) for region in topology.regions},
            dice=self._dice,
            times=times,
        )

    def _anywhere(self, service: str, region: str, url: str | None, times: Times) -> Callable[[], Awaitable[Any]]:
        """Return what gives the impatient client of one endpoint among several."""
        timeouts = CallTimeouts(times.connect_seconds, times.read_seconds)
        where = {"region": region, "endpoint_url": url, "counted_in": _NO_REGION}
        return partial(self._clients.get, service, **where, timeouts=timeouts)

    def _inbox(self, name: str, dead_letter_name: str) -> SqsInbox:
        region = self.settings.region
        client = self.client("sqs", region)
        urls = QueueUrls(client, names={"work": name, "dead": dead_letter_name})
        long_poll = self.client("sqs", region, long_poll=True)
        return SqsInbox(client, long_poll, partial(urls.url, "work"), partial(urls.url, "dead"))

    def _urls(self, region: str) -> QueueUrls[tuple[Kind, Lane]]:
        if region not in self._queue_urls:
            names: dict[tuple[Kind, Lane], str] = {(each.kind, each.lane): each.name for each in self.topology.queues}
            self._queue_urls[region] = QueueUrls(self.client("sqs", region), names=names)
        return self._queue_urls[region]
