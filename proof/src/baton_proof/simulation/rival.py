"""The rival: a model of the AWS sample for serverless batches in two Regions, which Baton replaces.

It runs in the same simulation: the same network, faults, buckets, replication, senders and seeds. Where the sample's
behaviour depends on luck it gets good luck: each S3 event comes exactly once (Baton's are lost and doubled), a workflow
engine that fails with its Region pauses and continues, every task is tried six times, the ledger of a Region is as
close as its bucket, and its operator is as quick as Baton's controllers.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, override

from baton.errors import BatonError, NotFound, Unavailable
from baton.testing.faults import Crash
from baton.topology import REGIONS_DEFAULT
from baton_proof.sales import sales_file
from baton_proof.simulation.network import SWITCH, Life, Odds, WayMode
from baton_proof.simulation.schedule import AWAY, FAULTS_SECONDS, HOME
from baton_proof.simulation.world import Sent, World

DNS_SECONDS = 60
"""How long an answer about the active Region is cached."""
SLEEP_SECONDS = 15 * 60
"""How long the runbook waits for replication, whether it is done or not."""
PAGE_ROWS = 4
"""One page of a query holds about 890 of its rows, and the query is not continued: here four, of a dozen files."""
ATTEMPTS = 6
"""Of a task of the workflow: one, and five retries that wait twice as long each time."""
TABLE_LAG_SECONDS = 1
REST_SECONDS = 2 * 3_600
BODY = sales_file(records=6, bad=1).body


class Status(StrEnum):
    """All that a row of the sample's ledger says."""

    INITIALIZED = "INITIALIZED"
    COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Row:
    """The row of a file: by its name, so a second run of it writes over the first."""

    status: Status
    written_at: float


class Table:
    """One Region's copy of the ledger. It answers alone and replicates to the other one later; the last writer wins."""

    def __init__(self, tell: Callable[[str, Row], None]) -> None:
        self.rows: dict[str, Row] = {}
        self._tell = tell

    async def put(self, name: str, status: Status) -> None:
        """Write without a condition."""
        row = Row(status, asyncio.get_running_loop().time())
        self.take(name, row)
        self._tell(name, row)

    def take(self, name: str, row: Row) -> None:
        there = self.rows.get(name)
        if there is None or there.written_at <= row.written_at:
            self.rows[name] = row

    async def unfinished(self) -> list[str]:
        """Return the first page of what never got beyond its start."""
        return [name for name, row in self.rows.items() if row.status is Status.INITIALIZED][:PAGE_ROWS]


class RoutingControl:
    """The one routing control behind five endpoints: On is home."""

    def __init__(self, down: set[int]) -> None:
        self.is_on = True
        self._down = down

    async def states(self, endpoint: int) -> bool:
        self._check(endpoint)
        return self.is_on

    async def set_states(self, endpoint: int, is_on: bool) -> None:  # noqa: FBT001 - the network passes positions on
        self._check(endpoint)
        self.is_on = is_on

    def _check(self, endpoint: int) -> None:
        if endpoint in self._down or len(self._down) > 2:
            raise Unavailable("the endpoint does not answer")


class Mailbox:
    """The mail service: takes everything, and does not recognise a second copy."""

    def __init__(self) -> None:
        self.told: dict[str, list[float]] = defaultdict(list)

    async def send(self, name: str) -> None:
        self.told[name].append(asyncio.get_running_loop().time())


class RivalWorld(World):
    """Both Regions as the sample has them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.control = RoutingControl(self.switch.down)
        self.tables = {region: Table(partial(self._tell_other, region)) for region in REGIONS_DEFAULT}
        self.mailbox = Mailbox()
        self.results: dict[str, set[str]] = defaultdict(set)
        """By file: where a result of it was published."""
        self.stall_seconds = 0.0
        """How long the next runbook is paused before it reads the routing control."""
        self._answers: dict[str, tuple[float, str]] = {}
        self._executions = 0

    # --- admission ----------------------------------------------------------------------------------------------------

    @override
    def _written(self, region: str, version: Any) -> None:
        key = version.info.key
        if key.startswith("input/") and version.body is not None:
            self.beside(self._trigger(region, key, version.info.version_id))
        elif key.startswith("output/") and not version.is_replica:
            self.results[f"input/{key.split('/', 2)[2]}"].add(key)

    @override
    async def _trigger(self, region: str, key: str, version_id: str) -> None:
        """Start an execution if this Region is active; if not, the event is consumed, and never comes again."""
        await asyncio.sleep(self.dice.uniform(0.1, 2))
        for _ in range(3):  # as Lambda does
            await self._until_lit(region)
            try:
                if await self._active(region) != region:
                    return
                self.beside(self._execution(region, key))
                await self._ports(region).table.put(key, Status.INITIALIZED)
            except (BatonError, Crash):
                await asyncio.sleep(60)  # and then the next attempt starts a second execution
            else:
                return

    async def _active(self, region: str) -> str:
        """Ask DNS who is active. A cached answer is used until it expires."""
        now = asyncio.get_running_loop().time()
        asked_at, answer = self._answers.get(region, (-math.inf, HOME))
        if now - asked_at >= DNS_SECONDS:
            if not self._reaches(region, SWITCH):
                raise Unavailable("no answer from DNS")
            answer = HOME if self.control.is_on else AWAY
            self._answers[region] = now, answer
        return answer

    # --- one execution for each file, from zero, in a folder of its own ----------------------------------------------

    async def _execution(self, region: str, key: str) -> None:
        """Be the workflow. No step checks whether its Region is still active: nothing is fenced."""
        self._executions += 1
        folder = f"{self._executions:04d}"
        for task in (self._split, self._process, self._merge, self._notify):
            if not await self._tried(region, partial(task, key, folder)):
                return

    async def _tried(self, region: str, task: Callable[["Ports"], Awaitable[None]]) -> bool:
        for attempt in range(ATTEMPTS):
            await self._until_lit(region)
            try:
                await task(self._ports(region))
            except (BatonError, Crash):
                await asyncio.sleep(2**attempt)
            else:
                return True
        return False

    async def _split(self, key: str, folder: str, ports: "Ports") -> None:
        """Write the chunks; then archive and delete the input, long before there is a result."""
        await ports.objects.put(f"work/{folder}/chunk.csv", await ports.objects.get(key))
        info = await _there(ports, key)
        await ports.objects.copy(info, key.replace("input/", "archive/", 1))
        await ports.objects.delete(key, if_version_is=info.version_id)

    async def _process(self, key: str, folder: str, ports: "Ports") -> None:
        del key
        await ports.objects.put(f"work/{folder}/part.csv", await ports.objects.get(f"work/{folder}/chunk.csv"))

    async def _merge(self, key: str, folder: str, ports: "Ports") -> None:
        part = await ports.objects.get(f"work/{folder}/part.csv")
        await ports.objects.put(key.replace("input/", f"output/{folder}/", 1), part)

    async def _notify(self, key: str, folder: str, ports: "Ports") -> None:
        """Mark as done, then send. The SDK repeats what was not answered; what then fails is ignored."""
        del folder
        await ports.table.put(key, Status.COMPLETED)
        for _ in range(5):
            try:
                await ports.mail.send(key)
            except BatonError:
                continue
            return

    # --- the operator's runbook ---------------------------------------------------------------------------------------

    async def runbook(self, at: float, region: str) -> None:
        """Be the operator who learned that the other Region is unhealthy: toggle, sleep, reconcile."""
        await asyncio.sleep(at)
        await self._until_lit(region)
        life = self.life(region, "runbook")
        if self.stall_seconds:
            life.stalls["switch.states"], self.stall_seconds = self.stall_seconds, 0.0
        await self.toggle(life.wrap(self.control, "switch"))
        await asyncio.sleep(SLEEP_SECONDS)
        await self._until_lit(region)
        await self._reconcile(self._ports(region))

    async def toggle(self, control: RoutingControl) -> None:
        """Write the opposite of what is read; at any doubt do so again at the next endpoint. No error if all fail.

        So a lost answer toggles back, and a second operator undoes what the first one did.
        """
        for endpoint in range(1, 6):
            try:
                wanted = not await control.states(endpoint)
                await control.set_states(endpoint, wanted)
                if await control.states(endpoint) is wanted:
                    return
            except BatonError:
                continue
            except Crash:
                return

    async def _reconcile(self, ports: "Ports") -> None:
        """Copy each input of one page of rows onto itself, so that its event is sent again, and a new run begins."""
        try:
            for name in await ports.table.unfinished():
                try:
                    await ports.objects.copy(await _there(ports, name), name)
                except BatonError:
                    continue  # 404: it was archived when it was split. Nobody looks into the archive
        except (BatonError, Crash):
            return

    # --- the world around it ------------------------------------------------------------------------------------------

    @override
    async def send(self, number: int, at: float, name: str = "file") -> None:
        """Be a sender near one of the Regions: the access point routes to it, healthy or not, always."""
        await asyncio.sleep(at)
        key, region = f"input/sales/{name} {number}.csv", self._nearest(number)
        await _until(lambda: self.serves(region), every=20)
        while not await self._took(region, key):  # noqa: ASYNC110 - virtual time: a poll costs nothing
            await asyncio.sleep(20)
        self.sent.append(Sent(key, key, region, number))

    async def _took(self, region: str, key: str) -> bool:
        try:
            await self.sides[region].objects.put(key, BODY)
        except BatonError:
            return False
        return True

    def _nearest(self, number: int) -> str:
        """Return where a sender sits. Both Regions take files: every third sender is nearer to the standby."""
        return AWAY if number % 3 == 2 else HOME

    def _ports(self, region: str) -> "Ports":
        life = next((each for each in self.lives if _serves(each, region)), None) or self.life(region, "services")
        objects = life.wrap(self.sides[region].objects, "objects")
        return Ports(objects, life.wrap(self.tables[region], "table"), life.wrap(self.mailbox, "mailer"))

    async def _until_lit(self, region: str) -> None:
        await _until(lambda: self._reaches(region, region), every=5)

    def _reaches(self, source: str, target: str) -> bool:
        return self.network.mode(source, target) is WayMode.OPEN

    def _tell_other(self, region: str, name: str, row: Row) -> None:
        other = AWAY if region == HOME else HOME

        async def tell() -> None:
            await asyncio.sleep(TABLE_LAG_SECONDS)
            await _until(lambda: self._reaches(region, other) and self._reaches(region, region), every=1)
            self.tables[other].take(name, row)

        self.beside(tell())


class AllAtHome(RivalWorld):
    """The same with all senders near the home Region, which is where Baton's access point sends them."""

    @override
    def _nearest(self, number: int) -> str:
        return HOME


@dataclass(frozen=True, slots=True)
class Ports:
    """What a task reaches, over its Region's network. Tables and mailboxes are no ports of Baton's."""

    objects: Any
    table: Any
    mail: Any


async def _until(holds: Callable[[], bool], *, every: float) -> None:
    while not holds():  # noqa: ASYNC110 - what it waits for is a rule of the network, which sends no event
        await asyncio.sleep(every)


async def _there(ports: Ports, key: str) -> Any:
    info = await ports.objects.head(key)
    if info is None:
        raise NotFound(f"{key} is not there")
    return info


def _serves(life: Life, region: str) -> bool:
    return life.name == "services" and life.region == region and not life.killed.is_set()


async def story(world: RivalWorld, runbooks: list[tuple[float, str]]) -> None:
    """Live through the schedule, with a runbook for each (time, Region to go to), then rest."""
    schedule, stop = world.schedule, asyncio.Event()
    world.network.odds = schedule.background
    works: list[Awaitable[None]] = [world.replication.run(stop)]
    works += [world.send(number, at) for number, at in enumerate(schedule.files_at)]
    works += [world.trouble(trouble) for trouble in schedule.troubles]
    works += [world.runbook(at, region) for at, region in runbooks]
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.sleep(schedule.dies_at)
    if schedule.dies:
        world.lose_for_good(schedule.dies)
    await asyncio.sleep(FAULTS_SECONDS + 1)
    if not schedule.dies:
        world.network.odds = Odds()
        world.replication.set(lag_seconds=1, cut=False)
        for life in world.lives:
            life.paused_until = 0.0
    await asyncio.sleep(REST_SECONDS)
    for task in (*tasks, *world.background, *world.network.late):
        task.cancel()
    ended = await asyncio.gather(*tasks, *world.background, *world.network.late, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
