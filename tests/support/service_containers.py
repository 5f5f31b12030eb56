"""Runs one service's image at a time beside one LocalStack; this process does the other services' steps."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiobotocore.session import AioSession
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import HttpWaitStrategy

import merger.main
import splitter.main
import worker.main
from baton.aws import Aws, SystemClock
from baton.catalog import Catalog, load_jobs
from baton.context import Context
from baton.messages import ORDINARY, Kind, Lane, Message, parse
from baton.model import paths
from baton.model.batch import Batch
from baton.model.plan import Plan
from baton.model.states import BatchState
from baton.runner import Handler
from baton.settings import WORKER_ENVIRONMENT
from baton.topology import REGIONS_DEFAULT
from baton_local import bootstrap
from baton_proof.handovers import until
from baton_proof.logs import silent_log
from baton_proof.sales import SalesFile, financial
from chunk_runs import run as run_chunk
from emulator_process import ACCOUNT_ID
from emulators import Images
from splitter.settings import SplitterSettings
from worker.domain import ChunkOutput
from worlds import EAST, SENDER, WEST, aws_at

_LOCALSTACK: Final = "aws"
"""What the containers call it."""
_PORT: Final = 4566
_START_SECONDS_MAX: Final = 90
_LABELS: Final = {"baton.purpose": "container-tests"}
"""Finds what a killed test run left behind."""
_MIB: Final = 1024 * 1024
_CPU_PERIOD_MICROSECONDS: Final = 100_000
_SECONDS_MAX: Final = 120
"""For one step of a batch, on a machine that does other things as well."""


@dataclass(frozen=True, slots=True)
class Place:
    """A LocalStack and the network that it shares with the container under test."""

    url: str
    """As this machine reaches it."""
    network: Network


@contextmanager
def place_with_localstack() -> Generator[Place]:
    """Give a network with a LocalStack in it; both go in the end."""
    is_healthy = HttpWaitStrategy(_PORT, "/_localstack/health").for_status_code(200)
    is_healthy.with_startup_timeout(_START_SECONDS_MAX).with_poll_interval(0.1)
    with Network(docker_network_kw={"labels": _LABELS}) as network:
        container = DockerContainer(Images().localstack).with_exposed_ports(_PORT).waiting_for(is_healthy)
        container.with_network(network).with_network_aliases(_LOCALSTACK).with_kwargs(labels=_LABELS)
        container.with_envs(DISABLE_EVENTS="1", DYNAMODB_IN_MEMORY="1", DYNAMODB_HEAPSIZE="128m")
        with container:
            yield Place(f"http://{container.get_container_host_ip()}:{container.get_exposed_port(_PORT)}", network)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container was stopped."""

    exit_code: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Running:
    """A container of one of our images."""

    container: Any
    """Docker's SDK has no types."""

    @property
    def state(self) -> Mapping[str, Any]:
        self.container.reload()
        return self.container.attrs["State"]

    @property
    def health(self) -> str:
        return self.state["Health"]["Status"]

    @property
    def log(self) -> Sequence[Mapping[str, Any]]:
        lines: list[str] = self.container.logs().decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, event: str) -> Mapping[str, Any] | None:
        """Return the first line of its log about that event."""
        return next((line for line in self.log if line["event"] == event), None)

    def hold_back(self, share: float) -> None:
        """Give it this share of one CPU from now on: a chunk of a second then takes as long as a test needs."""
        period = _CPU_PERIOD_MICROSECONDS
        self.container.update(cpu_period=period, cpu_quota=round(share * period))

    async def stop(self, *, seconds: int = 20) -> Ended:
        """Do what `docker stop` does: SIGTERM, and SIGKILL after so long."""
        asked_at = time.monotonic()
        await asyncio.to_thread(self.container.stop, timeout=seconds)
        return Ended(self.state["ExitCode"], time.monotonic() - asked_at)

    def kill(self) -> None:
        self.container.kill()

    async def until_ready(self) -> None:
        async def look() -> bool:
            return self.said("service_started") is not None

        await until(look, "the service has started", seconds=_SECONDS_MAX)

    async def until_healthy(self) -> None:
        """Return once the image's own health check says so."""

        async def look() -> bool:
            return self.health == "healthy"

        await until(look, "the container is healthy", seconds=_SECONDS_MAX)

    async def until_ended(self) -> Mapping[str, Any]:
        """Return the state that it ended in."""

        async def look() -> bool:
            return self.state["Status"] == "exited"

        await until(look, "the container ends", seconds=_SECONDS_MAX)
        return self.state


@dataclass(frozen=True, slots=True)
class Region:
    """The first Region of one environment."""

    aws: Aws
    catalog: Catalog
    _handlers: Mapping[Kind, Handler[Message]]
    _context: Context
    lane: Lane = ORDINARY
    """Whose queues it looks at."""

    async def sent(self, sample: SalesFile, *, name: str = "sales") -> Batch:
        """Upload a sales file with its reference data, have it admitted, and return its batch."""
        await financial(self.aws.reference(), sample)
        info = await self.aws.objects().put(paths.input_key("sales", f"{name}.csv"), sample.body)
        batch = await self._context.admitter().admit(info.key, info.version_id)
        assert batch is not None
        return batch

    async def does(self, *kinds: Kind) -> None:
        """Handle what is queued, kind by kind, as the services would."""
        for kind in kinds:
            for message in await self.taken(kind):
                await self._handlers[kind].handle(message, 1)

    async def taken(self, kind: Kind) -> Sequence[Message]:
        """Take everything that is queued, and return it."""
        inbox, taken = self.aws.inbox(kind, self.lane), list[Message]()
        while deliveries := await inbox.receive(max_messages=10, wait_seconds=0):
            taken += [parse(each.body) for each in deliveries]
            assert not await inbox.delete(deliveries)
        return taken

    async def batch(self, batch_id: str) -> Batch:
        batch = await self.aws.ledger().get(batch_id)
        assert batch is not None
        return batch

    async def until(self, batch: Batch, state: BatchState) -> Batch:
        """Return the batch once it is in that state."""

        async def look() -> Batch | None:
            now = await self.batch(batch.batch_id)
            assert now.failure is None, now.failure
            return now if now.state is state else None

        found = await until(look, f"batch {batch.batch_id} is {state}", seconds=_SECONDS_MAX)
        assert found
        return found

    async def plan(self, batch: Batch) -> Plan:
        assert batch.plan_id
        return Plan.model_validate_json(await self.aws.objects().get(paths.plan_key(batch.batch_id, batch.plan_id)))

    async def parts(self, plan: Plan) -> Mapping[int, bytes]:
        """Return the parts that there are, by chunk."""
        objects = self.aws.objects()
        return {
            chunk.index: await objects.get(part.key)
            for chunk in plan.chunks
            async for part in objects.list(paths.parts_of_chunk(plan.batch_id, plan.plan_id, chunk.index))
        }

    def expected(self, plan: Plan, sample: SalesFile) -> Mapping[int, ChunkOutput]:
        """Return the expected output of each chunk, computed here."""
        job = self.catalog[plan.job].job
        return {
            chunk.index: run_chunk(
                sample.body[chunk.start : chunk.end],
                job,
                plan.columns,
                index=chunk.index,
                start=chunk.start,
                first_record=chunk.first_record,
                reference=sample.reference,
            )
            for chunk in plan.chunks
        }

    async def queued(self, kind: Kind) -> tuple[int, int]:
        """Return how many messages wait, and how many somebody has in hand."""
        client, url = await self._queue(kind)
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = (await client.get_queue_attributes(QueueUrl=url, AttributeNames=names))["Attributes"]
        return int(counts[names[0]]), int(counts[names[1]])

    async def until_queued(self, kind: Kind, *, waiting: int, in_hand: int) -> None:
        """Return once so many messages wait, and a consumer has so many in hand."""

        async def look() -> bool:
            return await self.queued(kind) == (waiting, in_hand)

        await until(look, f"{kind}: {waiting} messages waiting, {in_hand} in hand", seconds=_SECONDS_MAX)

    async def hide_for(self, kind: Kind, seconds: int) -> None:
        """Have a dead consumer's message come back sooner than the topology has it."""
        client, url = await self._queue(kind)
        await client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})

    async def _queue(self, kind: Kind) -> tuple[Any, str]:
        client = await self.aws.client("sqs", EAST)()
        name = self.aws.topology.queue(kind, self.lane).name
        return client, (await client.get_queue_url(QueueName=name))["QueueUrl"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a test of one service takes place: an environment of its own."""

    place: Place
    tags: Mapping[str, str]
    environment: str
    session: AioSession

    @asynccontextmanager
    async def region(self, *, chunk_bytes: int, lane: Lane = ORDINARY) -> AsyncGenerator[Region]:
        """Make everything that AWS would hold, and give the Region in which the service will run.

        `lane`: by which the files of the test go.
        """
        async with aws_at(self.place.url, self.environment, session=self.session) as aws:
            await bootstrap.create_world(aws)
            catalog = load_jobs("baton_jobs")
            context = Context(EAST, REGIONS_DEFAULT, aws, SystemClock(), catalog, silent_log())
            handlers: dict[Kind, Handler[Message]] = {
                "split": splitter.main.build(context, SplitterSettings(chunk_bytes=chunk_bytes)).handler,
                "chunk": worker.main.build(context).handler,
                "merge": merger.main.build(context).handler,
            }
            yield Region(aws, catalog, handlers, context, lane)

    @contextmanager
    def running(
        self, service: str, *, command: Sequence[str] | None = None, memory_mib: int = 1_024, **settings: str
    ) -> Generator[Running]:
        """Run a service as the compose file does; if the test fails meanwhile, its log goes with the error."""
        container = DockerContainer(self.tags[service]).with_network(self.place.network)
        container.with_envs(**(self._told() | settings)).with_kwargs(**_hardened(memory_mib), labels=_LABELS)
        if command:
            container.with_command(list(command))
        with container:
            running = Running(container.get_wrapped_container())
            try:
                yield running
            except BaseException as error:
                error.add_note(f"--- {service}\n{running.container.logs(tail=40).decode()}")
                raise

    def _told(self) -> dict[str, str]:
        url = f"http://{_LOCALSTACK}:{_PORT}"
        return {
            "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": EAST,
            "AWS_ENDPOINT_URL": url,
            "AWS_ENDPOINT_URL_LEDGER": url,
            "AWS_ENDPOINT_URL_MRAP": url,
            "AWS_ENDPOINT_URL_MRAP_CONTROL": url,
            "BATON_REGION_ENDPOINTS": f"{WEST}={url}",
            "BATON_ENVIRONMENT": self.environment,
            "BATON_ACCOUNT_ID": ACCOUNT_ID,
            "BATON_NOTIFIER_SENDER": SENDER.spec,
            "BATON_RUNNER_WAIT_SECONDS": "1",
        } | WORKER_ENVIRONMENT


def _hardened(memory_mib: int) -> dict[str, Any]:
    memory_bytes = memory_mib * _MIB
    return {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
        "mem_limit": memory_bytes,
        "memswap_limit": memory_bytes,  # no swap: what is over the limit is killed, not slow
    }
