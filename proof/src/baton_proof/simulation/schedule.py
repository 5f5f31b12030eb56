"""Draws a schedule from a seed: the settings, the faults and their times, the files, and the operators' orders."""

import random
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Final

from baton.model.journal import CommandKind
from baton.topology import REGIONS_DEFAULT
from baton_proof.simulation.network import Odds
from handover.settings import ControllerSettings, Mode

HOME, AWAY = REGIONS_DEFAULT
WARM_SECONDS = 70
"""Until each controller has enough canaries of its own."""
FAULTS_SECONDS = 600
"""For how long faults last after that."""


class Fault(StrEnum):
    """What can go wrong."""

    CUT = "cut"
    """Every connection across the Region's border; inside, all continues."""
    DARK = "dark"
    """The Region's own services fail, for every client."""
    DEAF = "deaf"
    """The Region's requests reach the ledger, the answers do not come back."""
    NO_LEDGER = "no ledger"
    APART = "apart"
    """The two Regions do not reach each other; both reach the ledger. Calls are swallowed, refused, or answered 503."""
    ENDPOINTS = "endpoints"
    """Some of the switch's five endpoints are down."""
    GATE = "gate"
    """Somebody closed the switch's gate."""
    ROUTES = "routes"
    MAIL = "mail"
    """The Region's mail service takes nothing: published batches wait."""
    LAG = "lag"
    REPLICATION = "replication"
    """Nothing replicates."""
    STORM = "storm"
    """Lost and late answers, slow calls, crashes, doubled messages."""
    PAUSE = "pause"
    """Processes of a Region are paused, and continue as if nothing had happened."""
    KILL = "kill"
    LIE = "lie"
    """The Region's canaries say the opposite."""
    GREY = "grey"
    """A share of the Region's canaries fails, from outside and from inside."""
    CHRONIC = "chronic"
    """An alarm of the Region fires, and it has many dead letters: users are served."""
    REFUSED = "refused"
    """One kind of call to the Region is refused: no right, or no key."""
    SLOW_LEDGER = "slow ledger"
    """Every call to the ledger takes seconds, of one Region or of both."""
    CONTESTED = "contested"
    """Writes of the two Regions to one row of the ledger meet for long."""
    NO_QUORUM = "no quorum"
    """The Region's ledger answers nothing but reads of its indexes."""
    INDEX = "index"
    """The ledger's indexes are not updated."""
    CLOCK = "clock"
    """The clock of the machine of the Region's controller is set, and set right again."""
    NEWER = "newer"
    """A newer version works beside ours: an order, a field, a phase or a batch that ours cannot read."""
    UNREPLICATED = "unreplicated"
    """S3 gives up on replicating some objects of the Region."""
    GREY_CALLS = "grey calls"
    """A share of the calls of the Region's services is not answered."""
    NO_CONTROLLERS = "no controllers"
    """Both Regions' controllers are dead, and none starts."""
    RESTORED = "restored"
    """The ledger's control row goes back to the first one, until an operator raises the epoch."""
    THROTTLED = "throttled"
    """One kind of call that the Region's services make is throttled, for all of them."""


AWS_FAULTS: Final = (
    Fault.SLOW_LEDGER,
    Fault.CONTESTED,
    Fault.NO_QUORUM,
    Fault.INDEX,
    Fault.CLOCK,
    Fault.NEWER,
    Fault.UNREPLICATED,
    Fault.GREY_CALLS,
)
"""What AWS, and a deployment, do on a day on which nothing is down."""
_LATER: Final = frozenset(
    {Fault.THROTTLED, Fault.GREY, Fault.CHRONIC, Fault.REFUSED, Fault.NO_CONTROLLERS, Fault.RESTORED, *AWS_FAULTS}
)
"""Drawn separately, so that no other part of a story changes by them."""
_FAULTS: Final = tuple(fault for fault in Fault if fault not in _LATER)
_PLAGUES: Final = 0.04
"""Share of stories in which a file kills what touches it."""
_LEADERLESS: Final = 0.03
"""Share of stories in which no controller runs for minutes, and an operator acts in their place."""
_BESIDE: Final = (Fault.DARK, Fault.CUT, Fault.ENDPOINTS, Fault.GATE, Fault.ROUTES, Fault.CONTESTED, Fault.SLOW_LEDGER)
"""What may be broken while no controller runs."""
_JUDGED: Final = (Fault.GREY, Fault.CHRONIC, Fault.REFUSED, Fault.APART)
"""What a controller must judge right."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault and its time, in seconds since the start."""

    fault: Fault
    at: float
    seconds: float
    region: str = HOME
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator orders."""

    at: float
    kind: CommandKind
    target: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """One seed's story."""

    seed: int
    troubles: tuple[Trouble, ...]
    files_at: tuple[float, ...]
    orders: tuple[Order, ...]
    settings: ControllerSettings
    dry_region: str | None = None
    skews: dict[str, float] = field(default_factory=dict[str, float])
    """By Region: how wrong its controller's clock is, in seconds."""
    dies: str | None = None
    """Region that is lost permanently after the warm-up, and nothing else goes wrong but ordinary bad luck: L2."""
    dies_at: float = WARM_SECONDS
    late_controllers: dict[str, float] = field(default_factory=dict[str, float])
    """By Region: how many seconds later than the other its controller starts: the phase of its canaries and looks."""
    background: Odds = field(default_factory=Odds)
    lag_seconds: float = 3
    """Of replication, while nothing ails it."""
    real_canary: bool = False
    switch_lag_seconds: float = 0.0
    """How long an endpoint of the switch may read what was."""
    dials_seconds: float = 0.0
    """How long dials may turn."""
    poison_at: float | None = None
    """When a file is sent at whose bytes every process of the services dies, until the faults are over."""
    by_hand: tuple[Order, ...] = ()
    """Failovers that an operator carries out from his own machine."""
    restart_seconds: tuple[float, float] = (2, 40)
    """How long it takes until a process that died is back."""


def drawn(seed: int) -> Schedule:
    """Return the story of a seed."""
    dice = random.Random(seed * 7 + 8)
    if random.Random(seed * 7 + 12).random() < _PLAGUES:
        story = plague(seed)
    elif random.Random(seed * 7 + 14).random() < _LEADERLESS:
        story = leaderless(seed)
    else:
        story = _drawn(seed)
    return replace(story, switch_lag_seconds=dice.choice((0, 1, 15)), dials_seconds=dice.choice((0, 10, 120)))


def _drawn(seed: int) -> Schedule:
    dice = random.Random(seed)
    settings = _settings(dice)
    if dice.random() < 0.12:
        luck = random.Random(seed * 7 + 6)
        lucky = luck.random() < 0.5
        return Schedule(
            seed,
            troubles=(Trouble(Fault.MAIL, 0, WARM_SECONDS, HOME),) if dice.random() < 0.5 else (),
            files_at=_files_around(dice, WARM_SECONDS),
            orders=(),
            settings=_defaults(),
            skews={region: dice.uniform(-300, 300) for region in REGIONS_DEFAULT},
            dies=HOME,
            dies_at=WARM_SECONDS + luck.uniform(0, 15),
            late_controllers={AWAY: luck.uniform(0, 15)},
            lag_seconds=dice.choice((1, 3, 40)),
            background=Odds(
                drag=dice.choice((0.1, 0.3, 0.6)),
                again=0.1,
                **({} if lucky else {"slow": 0.003, "lost": 0.003, "late": 0.002}),
            ),
        )
    if dice.random() < 0.05:
        return _seesaw(dice, seed)
    orders = _orders(dice) if dice.random() < 0.5 else ()
    return Schedule(
        seed,
        troubles=(*(_trouble(dice) for _ in range(dice.randint(1, 6))), *_throttled(seed), *_judged(seed), *_aws(seed)),
        files_at=tuple(sorted(dice.uniform(0, WARM_SECONDS + FAULTS_SECONDS) for _ in range(dice.randint(2, 3)))),
        orders=orders,
        settings=settings,
        dry_region=dice.choice(REGIONS_DEFAULT) if dice.random() < 0.08 else None,
        skews={region: dice.choice((0, 0, dice.uniform(-300, 300))) for region in REGIONS_DEFAULT},
        background=Odds(slow=0.003, drag=dice.choice((0, 0.03)), lost=0.003, late=0.002, again=0.15),
        lag_seconds=dice.choice((1, 3, 20)),
        real_canary=dice.random() < 0.04,
    )


def plague(seed: int) -> Schedule:
    """Return one file that kills what touches it, others around it, and tasks that take a minute or two to start."""
    dice = random.Random(seed * 7 + 13)
    at = WARM_SECONDS + dice.uniform(0, 15)
    around = (at + dice.choice((dice.uniform(-30, -2), dice.uniform(-2, 2), dice.uniform(2, 300))) for _ in range(8))
    return Schedule(
        seed,
        troubles=(),
        files_at=tuple(sorted(around)),
        orders=(Order(at + 300, CommandKind.ACK, HOME),),
        settings=_defaults().model_copy(update={"cooldown_seconds": 60}),
        background=Odds(drag=dice.choice((0, 0.1))),
        lag_seconds=dice.choice((1, 3)),
        poison_at=at,
        restart_seconds=(80, 120),
    )


def leaderless(seed: int) -> Schedule:
    """Return minutes without any controller, maybe in the middle of a planned switch, and an operator who acts."""
    dice = random.Random(seed * 7 + 15)
    at = WARM_SECONDS + dice.uniform(10, 70)
    troubles = [Trouble(Fault.NO_CONTROLLERS, at, dice.uniform(150, 400))]
    if dice.random() < 0.6:
        troubles.append(
            Trouble(dice.choice(_BESIDE), at + dice.uniform(-10, 20), dice.uniform(60, 300), HOME, dice.random())
        )
    planned = (Order(at - dice.uniform(0.5, 8), CommandKind.SWITCHOVER, AWAY),) if dice.random() < 0.4 else ()
    typed_at = at + dice.uniform(10, 120)
    by_hand = [Order(typed_at, CommandKind.FAILOVER, AWAY, force=dice.random() < 0.5)]
    if dice.random() < 0.4:  # typed once more, or somebody else thinks of the other Region
        target = dice.choice(REGIONS_DEFAULT)
        by_hand.append(Order(typed_at + dice.uniform(0, 90), CommandKind.FAILOVER, target, force=dice.random() < 0.5))
    return Schedule(
        seed,
        troubles=tuple(troubles),
        files_at=tuple(sorted(at + dice.uniform(-30, 150) for _ in range(6))),
        orders=planned,
        settings=ControllerSettings(),
        background=Odds(slow=0.003, drag=dice.choice((0, 0.1)), lost=0.003, late=0.002, again=0.1),
        lag_seconds=dice.choice((1, 3)),
        by_hand=tuple(by_hand),
    )


def _seesaw(dice: random.Random, seed: int) -> Schedule:
    """Return one Region dark, and once that one is healthy again the other: this is what a budget is for."""
    first = Trouble(Fault.DARK, WARM_SECONDS + dice.uniform(0, 20), 110, HOME)
    second = Trouble(Fault.DARK, WARM_SECONDS + 460, FAULTS_SECONDS - 460, AWAY)
    # Half of them with an operator who clears the budget: then only the cooldown holds.
    is_clear = random.Random(seed * 7 + 6).random() < 0.5
    return Schedule(
        seed,
        troubles=(first, second),
        files_at=tuple(sorted(dice.uniform(0, WARM_SECONDS + FAULTS_SECONDS) for _ in range(4))),
        orders=(Order(WARM_SECONDS + 300, CommandKind.ACK, HOME),) if is_clear else (),
        settings=_defaults().model_copy(update={"cooldown_seconds": 900 if is_clear else 60}),
    )


def _files_around(dice: random.Random, at: float) -> tuple[float, ...]:
    """Return when files are sent so that many batches are open at that moment, on more than one page of a list."""
    moments = (dice.choice((dice.uniform(-65, -2), dice.uniform(-6, 1))) for _ in range(dice.choice((3, 12))))
    return tuple(sorted([*(at + moment for moment in moments), at + dice.uniform(5, 120)]))


@cache
def _defaults() -> ControllerSettings:
    """Return the settings that nobody changed: to read them from the environment takes longer than to draw a story."""
    return ControllerSettings()


def _settings(dice: random.Random) -> ControllerSettings:
    changes: dict[str, object] = {}
    if dice.random() < 0.1:
        changes["mode"] = Mode.RECOMMEND
    if dice.random() < 0.25:
        # An hour clean is long to simulate; what matters is that it is waited for.
        changes |= {"failback": Mode.AUTOMATIC, "clean_seconds": 120, "cooldown_seconds": 120}
    return _defaults().model_copy(update=changes)


def _throttled(seed: int) -> tuple[Trouble, ...]:
    """Return up to two kinds of throttled calls, drawn separately: no other part of a story changes by them."""
    dice = random.Random(seed * 7 + 4)
    return tuple(_trouble(dice, Fault.THROTTLED) for _ in range(dice.randint(1, 2))) if dice.random() < 0.3 else ()


def _judged(seed: int) -> tuple[Trouble, ...]:
    """Return faults at which a controller must not err, drawn separately; some are on from the beginning."""
    dice = random.Random(seed * 7 + 5)
    if dice.random() < 0.5:
        return ()
    found = [_trouble(dice, dice.choice(_JUDGED)) for _ in range(dice.randint(1, 3))]
    return tuple(
        replace(each, at=0.0, seconds=WARM_SECONDS + FAULTS_SECONDS)
        if each.fault is Fault.CHRONIC and dice.random() < 0.5
        else each
        for each in found
    )


def _aws(seed: int) -> tuple[Trouble, ...]:
    """Return what AWS does to every system in a while, drawn separately."""
    dice = random.Random(seed * 7 + 11)
    if dice.random() < 0.4:
        return ()
    return tuple(_trouble(dice, dice.choice(AWS_FAULTS)) for _ in range(dice.randint(1, 3)))


def _trouble(dice: random.Random, fault: Fault | None = None) -> Trouble:
    fault = fault or dice.choice(_FAULTS)
    region = HOME if dice.random() < 0.7 else AWAY
    at = WARM_SECONDS + dice.uniform(0, FAULTS_SECONDS * 0.8)
    seconds = dice.choice((dice.uniform(5, 60), dice.uniform(60, 400), dice.uniform(100, FAULTS_SECONDS)))
    return Trouble(fault, at, min(seconds, WARM_SECONDS + FAULTS_SECONDS - at), region, dice.random())


def _orders(dice: random.Random) -> tuple[Order, ...]:
    orders: list[Order] = []
    for _ in range(dice.randint(1, 4)):
        at = WARM_SECONDS + dice.uniform(0, FAULTS_SECONDS)
        kind = dice.choice(tuple(CommandKind))
        target = HOME if kind is CommandKind.FAILBACK else dice.choice(REGIONS_DEFAULT)
        orders.append(Order(at, kind, target, force=dice.random() < 0.3))
        if dice.random() < 0.3:  # the other operator clicks as well
            orders.append(Order(at + dice.uniform(0, 3), kind, dice.choice(REGIONS_DEFAULT), force=dice.random() < 0.3))
    return tuple(sorted(orders, key=lambda order: order.at))
