"""The simulated network between a process and everything it calls: partitions, delays, lost answers, late requests.

A wrapped port is the port itself, reached over a network. Requests may be lost, or applied while their answer is lost,
or applied long after their caller gave up; the process may end before or after an effect, or be paused for ten minutes
between two lines and continue as if nothing had happened.
"""

import asyncio
import inspect
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, cast, override

from baton.errors import BatonError, Unavailable
from baton.ports import CallStats
from baton.testing.faults import EFFECTS, Crash, CrashPlan

LEDGER, SWITCH, ROUTES, MAIL = "ledger", "switch", "routes", "mail"
_SHARED = {"ledger": LEDGER, "journal": LEDGER, "switch": SWITCH, "routes": ROUTES, "mailer": MAIL}
_CHANGES = EFFECTS | {"set_control", "beat", "submit", "settle", "record", "set_states", "set_dials"}
_MAY_BE_LATE = frozenset(
    {
        "ledger.set_control",
        "ledger.update",
        "ledger.claim_mail",
        "journal.beat",
        "journal.settle",
        "switch.set_states",
        "routes.set_dials",
        "outbox.send",
    }
)
"""Not mails: a mail in a mail service's buffer cannot be taken back, nor distinguished from a second one."""
_PAGED = frozenset({"list_open", "list_recent", "list_settled", "_pages"})
"""Made on the near side of the network, of one request for each page."""
_EVENTUAL = frozenset({"_page", "pending", "decisions"})
"""Reads of an index: a Region without a quorum of the ledger still answers them."""
_KEY_OF: Mapping[str, Callable[[Any], str]] = {
    "ledger.set_control": lambda _: "control",
    "ledger.update": lambda args: args[0].batch_id,
    "ledger.claim_mail": lambda args: args[0].batch_id,
    "journal.settle": lambda args: args[0].id,
}
"""Writes that both Regions may make to one row."""
READ_SECONDS_MAX = 45
"""How old the ledger read before an actuator call may be: a call with all its waiting."""
_CALLS_KEPT = 200
_ATTEMPTS = 4
"""Of an AWS client for one call that is not answered; one look at the queues is several calls that are."""


class WayMode(StrEnum):
    """What happens to a call."""

    OPEN = "open"
    DROPPED = "dropped"
    """The request is lost."""
    REFUSED = "refused"
    """It fails at once: refused, or answered 503."""
    MUTE = "mute"
    """The request arrives, its answer is lost."""
    NO_QUORUM = "no quorum"
    """Of the ledger: only reads of an index are answered."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: calls from `source` (None: from anywhere) to `target`."""

    source: str | None
    target: str
    mode: WayMode


@dataclass(slots=True)
class Odds:
    """How bad the luck is: chances for each call."""

    slow: float = 0.0
    drag: float = 0.0
    """The same for services alone: what keeps batches open for a while."""
    lost: float = 0.0
    """Applied, answer lost."""
    late: float = 0.0
    """Applied long after the caller gave up."""
    crash: float = 0.0
    again: float = 0.0
    """A message is delivered a second time."""


@dataclass(slots=True)
class Network:
    """The ways of the world and their state."""

    dice: random.Random
    odds: Odds = field(default_factory=Odds)
    rules: list[Partition] = field(default_factory=list[Partition])
    calls: int = 0
    late: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    latency: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    """By way: how many seconds every call takes at most, and at least half of that."""
    grey: dict[str, float] = field(default_factory=dict[str, float])
    """By Region: share of its services' calls to it that are not answered."""
    contest_seconds: float = 0.25
    """A write so soon after one of the other Region to the same row may meet it on its way, and is refused then."""
    contest_share: float = 0.5
    """How many of these do. The others come behind it, and nothing but their condition keeps them from the row."""
    written: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    """By row: which Region wrote it last, and when."""
    poison: str | None = None
    """Key of the file at whose bytes every process of the services dies."""
    bites: list[str] = field(default_factory=list[str])
    """By which Region's processes, each time."""
    on_send: Callable[[str, Any], None] | None = None
    """Called with (Region, messages) after an outbox took them."""

    def mode(self, source: str, target: str) -> WayMode:
        """Return what happens to a call on this way now."""
        found = WayMode.OPEN
        for rule in self.rules:
            if rule.target == target and rule.source in {None, source}:
                if rule.mode is WayMode.DROPPED:
                    return WayMode.DROPPED
                if found is not WayMode.REFUSED:
                    found = rule.mode
        return found


class Life(CrashPlan):
    """One process, from its start to its death. Once it is dead no call of its goes through any more."""

    def __init__(self, network: Network, region: str, name: str, on_act: Callable[["Life", str, Any], None]) -> None:
        super().__init__(at=None)
        self.network = network
        self.region = region
        self.name = name
        self.killed = asyncio.Event()
        self.paused_until = 0.0
        self.stalls: dict[str, float] = {}
        """By call (`kind.method`): how long the process is paused right before the next one. The call goes out
        when it continues, even if its caller has given it up by its own clock."""
        self.controls: deque[tuple[Any, float]] = deque()
        """The control rows that this process read lately, and when, by `awake_seconds`: what it may act on."""
        self.ledger_read_at = 0.0
        """By `awake_seconds`."""
        self._paused_seconds = 0.0
        self._counted_until = 0.0
        """Up to when pauses are in that sum: all calls of a process are kept by the same pause."""
        self.calls: dict[str, deque[tuple[float, bool]]] = {}
        """By target: when its newest calls ended, and whether they were answered."""
        self._on_act = on_act

    def told(self, target: str, *, answered: bool) -> None:
        """Note how a call ended."""
        self.calls.setdefault(target, deque(maxlen=_CALLS_KEPT)).append((asyncio.get_running_loop().time(), answered))

    def stats_of(self, target: str) -> CallStats:
        """Return how the last minute's calls to a Region went, every attempt of the client counted."""
        since = asyncio.get_running_loop().time() - 60
        ended = [answered for at, answered in self.calls.get(target, ()) if at >= since]
        return CallStats(_ATTEMPTS * len(ended), _ATTEMPTS * ended.count(False))

    @override
    def wrap[P](self, port: P, name: str) -> P:
        """Return the port as this process reaches it. `name` is `kind` or `kind@region`."""
        kind, _, region = name.partition("@")
        return cast("P", _Reached(port, kind, _SHARED.get(kind, region or self.region), self))

    def bitten(self, key: object) -> None:
        """Die if these are the bytes of a poison."""
        if self.name == "services" and key == self.network.poison is not None:
            self.network.bites.append(self.region)
            self.killed.set()
            raise Crash("poison")

    def check(self) -> None:
        if self.killed.is_set():
            raise Crash("this process is dead")

    def awake_seconds(self) -> float:
        """Return the time, without that for which this process was paused. A slow call is no pause."""
        return asyncio.get_running_loop().time() - self._paused_seconds

    def read_control(self, row: Any) -> None:
        """Keep a control row for as long as a call may rest on it."""
        now = self.awake_seconds()
        self.controls.append((row, now))
        while self.controls[0][1] < now - READ_SECONDS_MAX:
            self.controls.popleft()

    def maybe_die(self) -> None:
        if self.network.dice.random() < self.network.odds.crash:
            self.killed.set()
            raise Crash("killed")

    async def awake(self) -> None:
        """Sleep as long as the process is paused."""
        now = asyncio.get_running_loop().time()
        if self.paused_until > now:
            self._paused_seconds += max(0.0, self.paused_until - max(now, self._counted_until))
            self._counted_until = self.paused_until
            await asyncio.sleep(self.paused_until - now)
        self.check()

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.awake()

    def acts(self, name: str, args: Any) -> None:
        """Tell the watch that this process is about to change something that users see."""
        self._on_act(self, name, args)


class _Reached:
    """A port at the other end of the network."""

    def __init__(self, port: Any, kind: str, target: str, life: Life) -> None:
        self._port, self._kind, self._target, self._life = port, kind, target, life

    def __getattr__(self, attribute: str) -> Any:
        member = getattr(self._port, attribute)
        if attribute in _PAGED:
            near: Any = getattr(cast("type[Any]", type(self._port)), attribute)
            return partial(near, self)  # each page crosses the network separately
        if inspect.isasyncgenfunction(member):
            call = self._streaming(member)
        elif inspect.iscoroutinefunction(member):
            call = self._receiving(member) if attribute == "receive" else self._calling(member, attribute)
        else:
            self._life.check()
            return member
        vars(self)[attribute] = call  # made once: to ask what a member is takes longer than many a call
        return call

    def _calling(self, member: Any, attribute: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            mode = await self._go(attribute)
            changes = attribute in _CHANGES
            if changes:
                self._life.acts(f"{self._kind}.{attribute}", args)
                await self._contest(attribute, args)
                if f"{self._kind}.{attribute}" in _MAY_BE_LATE and self._unlucky("late"):
                    self._later(member, args, kwargs)
                    await self._lose()
                self._life.maybe_die()
            stall = self._life.stalls.pop(f"{self._kind}.{attribute}", 0.0)
            result = await (self._stalled(stall, member(*args, **kwargs)) if stall else member(*args, **kwargs))
            if changes:
                self._life.maybe_die()
                if self._kind == "outbox" and self._life.network.on_send:
                    self._life.network.on_send(self._target, args[0])
                if self._unlucky("lost"):
                    await self._lose()
            if mode is WayMode.MUTE:
                await self._lose()
            self._note(attribute, result)
            self._life.told(self._target, answered=True)
            return result

        return call

    async def _go(self, attribute: str) -> WayMode:
        life, network = self._life, self._life.network
        network.calls += 1
        life.check()
        await life.awake()
        mode = network.mode(life.region, self._target)
        if mode is WayMode.REFUSED:
            await self._refuse()
        if mode is WayMode.DROPPED or (mode is WayMode.MUTE and attribute not in _CHANGES):
            await self._lose()
        if mode is WayMode.NO_QUORUM and attribute not in _EVENTUAL:
            await self._lose()
        await self._suffer()
        if self._unlucky("slow") or (life.name == "services" and self._unlucky("drag")):
            await life.wait(network.dice.uniform(1, 40))
        elif network.dice.random() < 0.3:
            await asyncio.sleep(network.dice.random() * 0.1)
            life.check()
        if network.mode(life.region, self._target) is WayMode.DROPPED:
            await self._lose()  # it was still on its way when the way was cut
        return mode

    async def _suffer(self) -> None:
        """Take the time that calls on this way take now, or get no answer, as a share of them does."""
        life, network = self._life, self._life.network
        if seconds := network.latency.get((life.region, self._target)):
            await life.wait(seconds * network.dice.uniform(0.5, 1))
        share = network.grey.get(self._target, 0.0) if life.name == "services" else 0.0
        if share and network.dice.random() < share:
            await self._lose()

    async def _stalled(self, seconds: float, call: Any) -> Any:
        """Pause the whole process, then make the call: it was decided before, and is not checked again."""
        life = self._life
        life.paused_until = asyncio.get_running_loop().time() + seconds

        async def wake() -> Any:
            await asyncio.sleep(seconds)
            return await call

        task = asyncio.create_task(wake())
        life.network.late.add(task)
        task.add_done_callback(life.network.late.discard)
        return await asyncio.shield(task)

    def _receiving(self, member: Any) -> Any:
        async def receive(*args: Any, **kwargs: Any) -> Any:
            life = self._life
            await life.awake()
            if life.network.mode(life.region, self._target) is not WayMode.OPEN:
                await self._lose()
            taken = await member(*args, **kwargs)
            await life.awake()  # what it took meanwhile is delivered again if it died
            return taken

        return receive

    def _streaming(self, member: Any) -> Any:
        async def stream(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
            await self._go("stream")
            self._life.bitten(args[0] if args else None)
            async for each in member(*args, **kwargs):
                yield each

        return stream

    def _unlucky(self, what: str) -> bool:
        chance: float = getattr(self._life.network.odds, what)
        return chance > 0 and self._life.network.dice.random() < chance

    async def _refuse(self) -> None:
        """Get an answer at once, which is none."""
        self._life.told(self._target, answered=False)
        await self._life.wait(self._life.network.dice.uniform(0.01, 0.2))
        raise Unavailable("refused")

    async def _lose(self) -> None:
        """Wait for an answer that is never sent."""
        self._life.told(self._target, answered=False)
        await self._life.wait(self._life.network.dice.uniform(0.5, 8))
        raise Unavailable("no answer")

    async def _contest(self, attribute: str, args: Any) -> None:
        """Refuse a write that meets one of the other Region to the same row, as the ledger does."""
        key_of = _KEY_OF.get(f"{self._kind}.{attribute}")
        if key_of is None:
            return
        network, now = self._life.network, asyncio.get_running_loop().time()
        region, at = network.written.get(key_of(args), (self._life.region, 0.0))
        may_meet = region != self._life.region and now - at < network.contest_seconds
        if may_meet and network.dice.random() < network.contest_share:
            await self._life.wait(network.dice.uniform(0.2, 2))
            raise Unavailable("400 ReplicatedWriteConflictException")
        network.written[key_of(args)] = self._life.region, now

    def _later(self, member: Any, args: Any, kwargs: Any) -> None:
        """Apply the request long after its caller gave up: it was in a buffer meanwhile."""
        network = self._life.network

        async def apply() -> None:
            await asyncio.sleep(network.dice.uniform(5, 300))
            try:
                await member(*args, **kwargs)
            except (BatonError, ValueError):
                return

        task = asyncio.create_task(apply())
        network.late.add(task)
        task.add_done_callback(network.late.discard)

    def _note(self, attribute: str, result: Any) -> None:
        if self._target == LEDGER and attribute not in _EVENTUAL:
            self._life.ledger_read_at = self._life.awake_seconds()
            if attribute == "control":
                self._life.read_control(result)
