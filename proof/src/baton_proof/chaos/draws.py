"""Draws a round from a seed and a number: which Region is active, what fails where, when and for how long. Pure.

Durations are either clearly shorter than what the controller acts upon or clearly longer than what a failover takes,
so that the outcome that must follow is known in advance.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from baton.topology import REGIONS_DEFAULT, STAGES
from baton_local.in_containers.border import DYNAMODB, INWARD, S3
from baton_local.stand_ins.refuser import RefusalKind


class Fault(StrEnum):
    """What can be done to a Region."""

    PAUSE = "pause"
    """Every container of the Region freezes."""
    KILL = "kill -9"
    """A service is killed and started again when the fault is over."""
    OOM = "OOM kill"
    """The kernel kills a service again and again, for want of memory."""
    DISCONNECT = "disconnect"
    """The border leaves the outer network: refused at once."""
    PACKETS = "packet loss"
    """Every packet across the border is dropped."""
    CUT = "cut"
    """The border keeps connections open, forwards nothing and answers nothing."""
    SLOW = "slow S3"
    THROTTLE = "throttled DynamoDB"
    REFUSE = "refused calls"
    """Every call on one link is denied, or answered by 503."""
    GREY = "grey failure"
    """A share of the calls on one link fails or comes late."""
    LOAD = "load"
    """Users send more than usual. Nothing is broken."""
    EMPTY = "state lost"
    """The Region's emulator starts anew: S3, SQS and DynamoDB are empty until an operator fills them."""


class HitSide(StrEnum):
    """Which of the two Regions is hit."""

    ACTIVE = "active"
    STANDBY = "standby"


SEVERING: Final = frozenset({Fault.PAUSE, Fault.DISCONNECT, Fault.PACKETS, Fault.CUT})
"""No request reaches the Region from outside, and none leaves it."""
_AIMED: Final = frozenset({Fault.KILL, Fault.OOM})
"""At one service."""
_REFUSING: Final = frozenset({Fault.THROTTLE, Fault.REFUSE, Fault.GREY})
"""By a proxy before a link."""
_BY_BORDER: Final = frozenset({Fault.CUT, Fault.SLOW, Fault.THROTTLE, Fault.REFUSE, Fault.GREY})
"""Ordered of the border, which must be there to take the order back."""
PIPELINE: Final = STAGES
"""Without one of them a Region finishes nothing. Without its trigger, the sweeper admits, late."""
_TARGETS: Final = (*PIPELINE, "trigger", "controller")

SHORT_SECONDS: Final = (3.0, 8.0)
"""A Region that drops packets for less than 55 s is not failed over under default settings, 34 s in this world. What is
killed takes a few more seconds to start again."""
LONG_SECONDS: Final = (70.0, 78.0)
"""The slowest failover commits 79 s after the fault under default settings, 55 s here; the rest is for two cores."""
_LATER_SECONDS: Final = (0.0, 6.0)
"""How much later the second fault of two begins."""
_SLOW_SECONDS: Final = (0.4, 20.0)
"""How long each piece of a request to S3 is delayed: a nuisance, or more than any call waits."""
_SHARES: Final = (0.3, 1.0)
"""Of the calls to DynamoDB that are refused: a nuisance, or all of them."""
OUTSIDE: Final = INWARD
"""The link of all who ask a Region from outside: users, the other Region's canary, replication."""
_REFUSED_LINKS: Final = (S3, DYNAMODB, OUTSIDE)
_REFUSALS: Final = (RefusalKind.DENIED, RefusalKind.UNAVAILABLE)
_GREY_LINKS: Final = (S3, DYNAMODB)
_GREY_SHARES: Final = (0.1, 0.3)
"""A tenth, which a client's second attempt hides, and a third."""
_GREYS: Final = (RefusalKind.UNAVAILABLE, RefusalKind.LATE)


class Load(StrEnum):
    """What users send beside the stream of small files."""

    LARGE = "a large file"
    MANY = "many small files at once"
    EMPTY_ROWS = "a sheet of empty rows"
    BLANK_LINES = "a sea of blank lines"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault. `amount` is a delay in seconds (slow S3) or a share of all calls (what is refused)."""

    fault: Fault
    side: HitSide
    after_seconds: float
    seconds: float
    service: str = ""
    """What it is aimed at: a service, a link, or the kind of load."""
    amount: float = 0.0
    answer: RefusalKind = RefusalKind.THROTTLED
    """What happens to calls that are hit."""

    @property
    def is_long(self) -> bool:
        return self.seconds >= LONG_SECONDS[0]

    def __str__(self) -> str:
        aimed = "" if self.fault is Fault.THROTTLE else self.service
        what = f"{self.fault} {aimed}".strip()
        share = f" by {self.amount:.0%}"
        amount = {
            Fault.SLOW: f" by {self.amount:g} s",
            Fault.THROTTLE: share,
            Fault.REFUSE: f": {self.answer}",
            Fault.GREY: f"{share}: {self.answer}",
        }.get(self.fault, "")
        later = f", {self.after_seconds:.0f} s later" if self.after_seconds else ""
        if self.fault is Fault.LOAD:
            return f"load: {self.service}{later}"
        return f"{what}{amount} of the {self.side} for {self.seconds:.0f} s{later}"


@dataclass(frozen=True, slots=True)
class Draw:
    """One round."""

    seed: int
    number: int
    active: str
    """Region that is active when the round begins."""
    troubles: tuple[Trouble, ...]

    @property
    def standby(self) -> str:
        return next(region for region in REGIONS_DEFAULT if region != self.active)

    def region(self, trouble: Trouble) -> str:
        """Return the Region that a fault hits."""
        return self.active if trouble.side is HitSide.ACTIVE else self.standby


def drawn(seed: int, number: int, *, without: frozenset[Fault] = frozenset()) -> Draw:
    """Return a round of a seed, from 1. `without` are faults that this machine does not allow.

    Each kind of fault comes once before one comes again, and then the other Region is the active one; a second fault
    joins in one round of three.
    """
    faults = [fault for fault in Fault if fault not in without]
    cycle, place = divmod(number - 1, len(faults))
    random.Random(f"{seed}:order:{cycle}").shuffle(faults)
    dice = random.Random(f"{seed}:{number}")
    # Not by dice: a planned switch brings the work home after a failover, and none is needed otherwise.
    active = REGIONS_DEFAULT[(seed + cycle + 1) % 2]
    first = _trouble(dice, faults[place])
    if first.fault is Fault.EMPTY or dice.random() >= 1 / 3:
        return Draw(seed, number, active, (first,))
    others = [fault for fault in faults if fault not in {Fault.EMPTY, first.fault}]
    second = _trouble(dice, dice.choice(others), after_seconds=dice.uniform(*_LATER_SECONDS))
    while not compatible(first, second):
        second = _trouble(dice, dice.choice(others), after_seconds=second.after_seconds)
    return Draw(seed, number, active, (first, second))


def _trouble(dice: random.Random, fault: Fault, *, after_seconds: float = 0.0) -> Trouble:
    is_long = fault is Fault.EMPTY or dice.random() < 3 / 4
    seconds = round(dice.uniform(*(LONG_SECONDS if is_long else SHORT_SECONDS)), 1)
    side = HitSide.ACTIVE if dice.random() < 3 / 4 else HitSide.STANDBY
    trouble = Trouble(fault, side, round(after_seconds, 1), seconds)
    match fault:
        case Fault.KILL | Fault.OOM:
            return replace(trouble, service=dice.choice(_TARGETS))
        case Fault.SLOW:
            return replace(trouble, amount=dice.choice(_SLOW_SECONDS))
        case Fault.THROTTLE:
            return replace(trouble, amount=dice.choice(_SHARES), service=DYNAMODB)
        case Fault.REFUSE:
            return replace(trouble, service=dice.choice(_REFUSED_LINKS), amount=1.0, answer=dice.choice(_REFUSALS))
        case Fault.GREY:
            share, answer = dice.choice(_GREY_SHARES), dice.choice(_GREYS)
            return replace(trouble, service=dice.choice(_GREY_LINKS), amount=share, answer=answer)
        case Fault.LOAD:  # it comes through the access point
            return replace(trouble, side=HitSide.ACTIVE, service=dice.choice(tuple(Load)))
        case _:
            return trouble


def compatible(one: Trouble, other: Trouble) -> bool:
    """Return whether both can be done, and undone, side by side."""
    if one.side is not other.side:
        return True
    both = {one.fault, other.fault}
    if Fault.PAUSE in both:
        return not both & (_AIMED | _BY_BORDER | SEVERING - {Fault.PAUSE})
    if Fault.DISCONNECT in both and both & _BY_BORDER:
        return False
    if len(both & SEVERING) > 1 or (Fault.CUT in both and both & _BY_BORDER - {Fault.CUT}):
        return False
    # One proxy stands before each link.
    return not ((both <= _AIMED or both <= _REFUSING) and one.service == other.service)


def in_order(troubles: Sequence[Trouble]) -> list[Trouble]:
    """Return the faults as they come."""
    return sorted(troubles, key=lambda each: each.after_seconds)
