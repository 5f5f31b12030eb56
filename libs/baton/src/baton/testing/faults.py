"""Injects faults at the ports: crashes a process before or after the n-th effect it has.

A wrapped port is the port itself, but for counting: each awaited call of a method named in `EFFECTS` is one effect.
Enumerating n from 0 until a run ends without a crash visits every point at which a process can die.
"""

import functools
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, cast

EFFECTS: Final = frozenset(
    {
        "admit", "update", "claim_mail", "put", "compose", "copy", "delete", "hide", "send", "open", "complete",
        "set_visibility", "hand_back", "dead_letter", "beat", "count_nudge", "claim_notice", "notice_sent", "publish",
        "sign", "note", "attempt_begun", "attempt_alive", "attempt_ended",
    }
)  # fmt: skip
"""Port methods that change something outside the process."""


class Crash(BaseException):
    """The process died here. Not an `Exception`: no handler may catch it."""


class When(StrEnum):
    """Whether the effect reached the world before the process died."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True)
class CrashPlan:
    """Die at effect number `at` (from 0), once. `log` names every effect seen, for the test's message."""

    at: int | None
    when: When = When.BEFORE
    seen: int = 0
    log: list[str] = field(default_factory=list[str])

    def _due(self) -> bool:
        due = self.seen == self.at
        self.seen += 1
        return due

    def wrap[P](self, port: P, name: str) -> P:
        """Return `port` with its effects counted under this plan."""
        return cast("P", _Wrapped(port, name, self))


class _Wrapped:
    def __init__(self, port: Any, name: str, plan: CrashPlan) -> None:
        self._port = port
        self._name = name
        self._plan = plan

    def __getattr__(self, attribute: str) -> Any:
        member = getattr(self._port, attribute)
        if attribute not in EFFECTS:
            return member

        @functools.wraps(member)
        async def effect(*args: Any, **kwargs: Any) -> Any:
            due = self._plan._due()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - one module
            self._plan.log.append(f"{self._name}.{attribute}")
            if due and self._plan.when is When.BEFORE:
                raise Crash(f"before {self._name}.{attribute}")
            result = await member(*args, **kwargs)
            if due:
                raise Crash(f"after {self._name}.{attribute}")
            return result

        return effect
