"""What a checker found and we accept: the rule, where it holds, and why. All checkers are judged alike."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """What a checker says of one resource of one environment, in either Region."""

    rule: str
    """The checker's id, with what it is about where it says so."""
    where: str
    """Stack without its Region, and logical id: `data/Trigger`."""
    environment: str
    customer_keys: bool

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.rule} {self.where} in {self.environment}"


@dataclass(frozen=True, slots=True)
class SynthesizedTemplate:
    """A template that checkers read."""

    environment: str
    customer_keys: bool
    purpose: str
    """Its stack, without a Region: `data`."""
    path: Path
    regions: set[str]
    """Where a template like it is deployed."""

    def finding(self, rule: str, resource: str) -> Violation:
        """Return what a rule says of one of its resources."""
        return Violation(rule, f"{self.purpose}/{resource}", self.environment, self.customer_keys)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that stays, and its reason."""

    rule: str
    """A regular expression for the whole of a finding's rule."""
    where: tuple[str, ...]
    """Shell patterns for places: each must still occur."""
    reason: str
    customer_keys: bool | None = None
    """Only in environments with keys of their own (True), or without (False). None: in both."""

    def covers(self, finding: Violation, place: str) -> bool:
        """Return whether one of its places, with its rule, is about a finding."""
        return (
            self.customer_keys in {None, finding.customer_keys}
            and fnmatchcase(finding.where, place)
            and re.fullmatch(self.rule, finding.rule) is not None
        )


def complaints(found: Iterable[Violation], accepted: Sequence[Accepted]) -> list[str]:
    """Return, one line each: what nobody accepted, what was accepted and no longer occurs, what has no reason."""
    return sorted({*_unexplained(set(found), accepted), *_stale(set(found), accepted), *_without_reason(accepted)})


def _unexplained(found: set[Violation], accepted: Sequence[Accepted]) -> Iterator[str]:
    for finding in found:
        if not any(each.covers(finding, place) for each in accepted for place in each.where):
            yield f"not accepted: {finding}"


def _stale(found: set[Violation], accepted: Sequence[Accepted]) -> Iterator[str]:
    for each in accepted:
        for place in each.where:
            if not any(each.covers(finding, place) for finding in found):
                yield f"accepted, but not found: {each.rule} {place}"


def _without_reason(accepted: Sequence[Accepted]) -> Iterator[str]:
    for each in accepted:
        if not each.reason.strip():
            yield f"accepted without a reason: {each.rule}"
        if not each.where:
            yield f"accepted nowhere: {each.rule}"
