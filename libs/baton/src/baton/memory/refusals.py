"""Makes an adapter in memory refuse calls as AWS refuses them, even valid ones."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from baton.errors import Archived, BatonError, Conflict, Refused, Unavailable


class Refusal(StrEnum):
    """How a call is refused, in AWS's words."""

    FORBIDDEN = "403 AccessDenied"
    """No right to it."""
    KMS = "400 KMS.DisabledException"
    """The right, and no key."""
    ARCHIVED = "403 InvalidObjectState"
    """Of a call that reads an object: its bytes are in an archive."""
    THROTTLED = "503 SlowDown"
    """Too much at once, still so after the client's own attempts."""
    CONTENDED = "400 TransactionConflict"
    """Of a transaction: others held its items in every attempt."""


_ERRORS: Final[Mapping[Refusal, type[BatonError]]] = {
    Refusal.FORBIDDEN: Refused,
    Refusal.KMS: Refused,
    Refusal.ARCHIVED: Archived,
    Refusal.THROTTLED: Unavailable,
    Refusal.CONTENDED: Conflict,
}


@dataclass(slots=True)
class _Rule:
    operations: frozenset[str]
    by: Refusal
    key: str | None
    after: int
    calls: int | None

    def refuses(self, operation: str, keys: tuple[str, ...]) -> bool:
        """Say whether this call is refused, and count it."""
        if operation not in self.operations or (self.key is not None and self.key not in keys):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.calls is None:
            return True
        self.calls -= 1
        return self.calls >= 0


class Refusals:
    """The rules of one adapter. It asks before each call that it would make of AWS, and nothing is done then.

    What takes several calls (messages by ten, rows by 25) is refused call by call, so that a part of it may be done.
    """

    def __init__(self, *adapters: type, throttled: type[Unavailable] = Unavailable) -> None:
        """`adapters` have the operations; `throttled` is what they raise for too much at once."""
        self._adapters = adapters
        self._errors = {**_ERRORS, Refusal.THROTTLED: throttled}
        self._rules: list[_Rule] = []
        self.asked: Counter[str] = Counter()
        """Calls of each operation so far."""
        self.refused: Counter[str] = Counter()
        """Those of them that were refused."""

    def refuse(
        self,
        *operations: str,
        by: Refusal = Refusal.FORBIDDEN,
        key: str | None = None,
        after: int = 0,
        calls: int | None = None,
    ) -> None:
        """Refuse these operations (methods of the port) from now on, once `after` of them have gone through.

        `key`: only where it is concerned: an object, a batch, a data set, a queue's kind. `calls`: only so many; None:
        until `allow`. Raises `ValueError` for what is no operation of the adapter.
        """
        for operation in operations:
            if not any(hasattr(adapter, operation) for adapter in self._adapters):
                raise ValueError(f"no operation {operation!r}")
        self._rules.append(_Rule(frozenset(operations), by, key, after, calls))

    def allow(self) -> None:
        """Delete every rule."""
        self._rules.clear()

    def check(self, operation: str, *keys: str) -> None:
        """Raise what AWS's adapter would, if a rule refuses this call."""
        self.asked[operation] += 1
        for rule in self._rules:
            if rule.refuses(operation, keys):
                self.refused[operation] += 1
                raise self._errors[rule.by](f"{' '.join([operation, *keys[:1]])}: {rule.by}")
