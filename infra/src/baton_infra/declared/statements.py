"""Statements of policies, as IAM writes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that allows."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def as_json(self) -> dict[str, Any]:
        """Return the statement as IAM writes it."""
        written = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        return written | ({"Condition": dict(self.conditions)} if self.conditions else {})


def document(statements: Iterable[Statement]) -> dict[str, Any]:
    """Return the statements as a policy."""
    return {"Version": "2012-10-17", "Statement": [statement.as_json() for statement in statements]}
