"""Judges whether a Region could serve users after a takeover, where canaries do not show it: mail, rights, tasks, room.

It is asked for every few minutes. An answer stands until there is another: what asks is a control plane, which may
not answer on the very day.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from baton.model.journal import Rule, Verdict
from baton.ports import Headroom, MailProvision, TaskCounts
from handover.settings import ControllerSettings


class Provision(StrEnum):
    """One thing that is asked for, by the name of its rule."""

    MAIL = "mail"
    RIGHTS = "rights"
    TASKS = "tasks"
    ROOM = "room"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Provided:
    """What became of a question, and when."""

    provision: Provision
    verdict: Verdict
    value: str
    at: datetime
    warns: bool = False


THRESHOLDS: Final[Mapping[Provision, str]] = {
    Provision.MAIL: "would be sent",
    Provision.RIGHTS: "to turn switch and dials",
    Provision.TASKS: "one of each service at least",
    Provision.ROOM: "for all that services may grow to",
    Provision.LINK: "opens a canary's result",
}


_OF_THE_OTHER: Final = frozenset({Provision.LINK})
"""Found out with the active Region's help: that nobody knows it forbids nothing on the day on which that is dead."""


def absorbed(before: Mapping[Provision, Provided], found: Sequence[Provided]) -> Mapping[Provision, Provided]:
    """Return the newest answers. What is no answer replaces none."""
    newest = dict(before)
    for each in found:
        known = newest.get(each.provision)
        if each.verdict is not Verdict.UNKNOWN or known is None or known.verdict is Verdict.UNKNOWN:
            newest[each.provision] = each
    return newest


def rules(known: Mapping[Provision, Provided], settings: ControllerSettings, now: datetime) -> Iterable[Rule]:
    """Yield one rule for each; an answer of more than a day is none."""
    for provision, threshold in THRESHOLDS.items():
        found = known.get(provision)
        if found is None:
            yield Rule(provision, Verdict.UNKNOWN, "not asked yet", threshold, warns=provision in _OF_THE_OTHER)
            continue
        age = (now - found.at).total_seconds()
        verdict = found.verdict if age <= settings.provisions_kept_seconds else Verdict.UNKNOWN
        unknown = verdict is Verdict.UNKNOWN and provision in _OF_THE_OTHER
        yield Rule(provision, verdict, found.value, threshold, age, warns=found.warns or unknown)


def of_mail(mail: MailProvision, settings: ControllerSettings, at: datetime) -> Provided:
    """Judge the mail service. That little is left for today warns: mails wait, and are sent tomorrow."""
    left = None if mail.per_day is None else mail.per_day - mail.sent
    missing = [
        text
        for text, wrong in (
            ("the sender is not verified", not mail.verified),
            ("sending is paused", not mail.sends),
            ("it is in the sandbox", mail.in_sandbox),
        )
        if wrong
    ]
    if missing:
        return Provided(Provision.MAIL, Verdict.UNHEALTHY, "; ".join(missing), at)
    if left is None or mail.per_day is None:
        return Provided(Provision.MAIL, Verdict.HEALTHY, "no limit", at)
    value = f"{left:,.0f} of {mail.per_day:,.0f} left for 24 h"
    enough = left >= mail.per_day * settings.mails_left_percent_min / 100
    return _judged(Provision.MAIL, value, at, good=enough, warns=not enough)


def of_rights(denied: Sequence[str], at: datetime) -> Provided:
    """Judge our own rights."""
    value = f"not allowed: {', '.join(denied)}" if denied else "all allowed"
    return _judged(Provision.RIGHTS, value, at, good=not denied)


def of_tasks(tasks: Mapping[str, TaskCounts], at: datetime) -> Provided:
    """Judge what runs. A service that is to run no task is started by its first message."""
    idle = [name for name, each in tasks.items() if each.desired and not each.running]
    counts = ", ".join(f"{name} {each.running} of {each.desired}" for name, each in tasks.items())
    return _judged(Provision.TASKS, f"none of {', '.join(idle)} runs" if idle else counts, at, good=not idle)


def of_room(rooms: Mapping[str, Headroom], at: datetime) -> Provided:
    """Judge the account's quota. Too little of it warns: a Region that works slowly is better than one that is dead."""
    small = {kind: room for kind, room in rooms.items() if room.vcpus_allowed < room.vcpus_needed}
    told = (small or rooms).items()
    value = ", ".join(
        f"{kind}: {room.vcpus_allowed:g} vCPUs, and {room.vcpus_needed:g} may be needed" for kind, room in told
    )
    return _judged(Provision.ROOM, value, at, good=not small, warns=bool(small))


def _judged(provision: Provision, value: str, at: datetime, *, good: bool, warns: bool = False) -> Provided:
    return Provided(provision, Verdict.HEALTHY if good else Verdict.UNHEALTHY, value, at, warns)
