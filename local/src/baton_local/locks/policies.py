"""IAM policies, and what they say of a request: denials, wildcards, conditions, and a session narrower than its role.

A policy that says something unknown is refused when it is read: a condition that is skipped would open a lock.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

_ELEMENTS: Final = frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "Condition"})
_VARIABLE: Final = re.compile(r"\$\{(.*?)\}")
_LITERAL: Final = frozenset("*?$")
"""What a policy takes as it stands between braces after a dollar. Source: "IAM policy elements: variables and tags"."""
_ARN_PARTS: Final = 6


@dataclass(frozen=True, slots=True)
class Need:
    """One action on one resource that a call needs, with the keys that conditions look at, by names in lower case."""

    action: str
    resource: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


class PolicyEffect(StrEnum):
    """What one policy says of a need."""

    ALLOWS = "allows"
    DENIES = "denies"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a need is granted; if not, why, in the words of AWS."""

    is_allowed: bool
    reason: str = ""


class UnknownPolicy(ValueError):
    """A policy contains something that this evaluator does not know."""


@dataclass(frozen=True, slots=True)
class _Condition:
    key: str
    holds: Callable[[Sequence[str]], bool]
    """Of the key's values in the request; none if it is absent."""


@dataclass(frozen=True, slots=True)
class _Statement:
    allows: bool
    actions: tuple[re.Pattern[str], ...]
    resources: tuple[re.Pattern[str], ...]
    conditions: tuple[_Condition, ...]

    def applies(self, need: Need) -> bool:
        return any(pattern.fullmatch(need.resource) for pattern in self.resources) and all(
            condition.holds(need.keys.get(condition.key, ())) for condition in self.conditions
        )


class Policy:
    """Statements, ready to be asked."""

    def __init__(self, statements: Iterable[Mapping[str, Any]]) -> None:
        """Take statements as IAM writes them. Raises `UnknownPolicy`."""
        self._statements = tuple(_statement(each) for each in statements)
        self._of_action: dict[str, tuple[_Statement, ...]] = {}

    def says(self, need: Need) -> PolicyEffect:
        """Return what it says: a denial counts more than any number of permissions."""
        found = [statement.allows for statement in self._about(need.action) if statement.applies(need)]
        if not found:
            return PolicyEffect.SILENT
        return PolicyEffect.ALLOWS if all(found) else PolicyEffect.DENIES

    def _about(self, action: str) -> tuple[_Statement, ...]:
        """Return the statements that name an action; remembered, as there are few of them."""
        if action not in self._of_action:
            self._of_action[action] = tuple(
                statement
                for statement in self._statements
                if any(pattern.fullmatch(action) for pattern in statement.actions)
            )
        return self._of_action[action]


def evaluate(need: Need, role: Policy, session: Policy | None = None, resource: Policy | None = None) -> Ruling:
    """Decide as IAM does for a role of the resource's own account.

    Any denial counts; a session may do what both it and its role allow. A policy of the resource itself only denies
    here: what it allows, roles of the account are allowed as well.
    """
    by_kind = {"identity-based": role, "session": session, "resource-based": resource}
    said = {kind: policy.says(need) for kind, policy in by_kind.items() if policy}
    for kind, verdict in said.items():
        if verdict is PolicyEffect.DENIES:
            return Ruling(is_allowed=False, reason=f"with an explicit deny in {_a(kind)} policy")
    for kind in ("identity-based", "session"):
        if said.get(kind) is PolicyEffect.SILENT:
            return Ruling(is_allowed=False, reason=f"because no {kind} policy allows the {need.action} action")
    return Ruling(is_allowed=True)


def _a(kind: str) -> str:
    return f"an {kind}" if kind.startswith("i") else f"a {kind}"


# --- reading


def _statement(written: Mapping[str, Any]) -> _Statement:
    if unknown := written.keys() - _ELEMENTS:
        raise UnknownPolicy(f"unknown elements {sorted(unknown)} in {written}")
    if written.get("Effect") not in {"Allow", "Deny"} or not written.get("Action"):
        raise UnknownPolicy(f"{written} neither allows nor denies an action")
    return _Statement(
        allows=written["Effect"] == "Allow",
        actions=tuple(pattern(action, re.IGNORECASE) for action in listed(written["Action"])),
        resources=tuple(pattern(resource) for resource in listed(written["Resource"])),
        conditions=tuple(
            _condition(operator, key, listed(wanted))
            for operator, keys in written.get("Condition", {}).items()
            for key, wanted in keys.items()
        ),
    )


def listed(value: str | list[str]) -> list[str]:
    """Return what a policy writes as one value or as several."""
    return [value] if isinstance(value, str) else value


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what matches a value of a policy as a whole. Raises `UnknownPolicy` for a variable."""
    parts: list[str] = []
    for index, piece in enumerate(_VARIABLE.split(text)):
        if index % 2 == 0:
            parts.append(re.escape(piece).replace(r"\*", ".*").replace(r"\?", "."))
        elif piece in _LITERAL:
            parts.append(re.escape(piece))
        else:
            raise UnknownPolicy(f"unknown variable {piece} in {text}")
    return re.compile("".join(parts), flags | re.DOTALL)


def _condition(operator: str, key: str, wanted: Sequence[str]) -> _Condition:
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if_exists = name != rest
    if name == "Null":
        (is_absent,) = [value == "true" for value in wanted]
        return _Condition(key.lower(), lambda given: is_absent is not bool(given))
    is_negated = "Not" in name
    if (make := _MATCHERS.get(name.replace("Not", ""))) is None or quantifier not in _QUANTIFIERS:
        raise UnknownPolicy(f"unknown condition operator {operator}")
    matchers = [make(value) for value in wanted]

    def fits(value: str) -> bool:
        return any(matches(value) for matches in matchers) is not is_negated

    return _Condition(key.lower(), _QUANTIFIERS[quantifier](fits, is_true_without=if_exists or is_negated))


def _one(fits: Callable[[str], bool], *, is_true_without: bool) -> Callable[[Sequence[str]], bool]:
    return lambda given: all(map(fits, given)) if given else is_true_without


def _each(fits: Callable[[str], bool], *, is_true_without: bool) -> Callable[[Sequence[str]], bool]:
    """Of no values all of them fit: IAM says so."""
    del is_true_without
    return lambda given: all(map(fits, given))


def _some(fits: Callable[[str], bool], *, is_true_without: bool) -> Callable[[Sequence[str]], bool]:
    """Of no values none fits, whether negated or not."""
    del is_true_without
    return lambda given: any(map(fits, given))


def _equals(wanted: str) -> Callable[[str], bool]:
    return lambda given: given == wanted


def _equals_in_any_case(wanted: str) -> Callable[[str], bool]:
    return lambda given: given.lower() == wanted.lower()


def _like(wanted: str) -> Callable[[str], bool]:
    compiled = pattern(wanted)
    return lambda given: compiled.fullmatch(given) is not None


def _arn_like(wanted: str) -> Callable[[str], bool]:
    """Compare the six parts of an ARN one by one: no wildcard reaches over a colon."""
    parts = [pattern(part) for part in wanted.split(":", _ARN_PARTS - 1)]

    def matches(given: str) -> bool:
        found = given.split(":", _ARN_PARTS - 1)
        return len(found) == len(parts) and all(a.fullmatch(b) for a, b in zip(parts, found, strict=True))

    return matches


_MATCHERS: Final[Mapping[str, Callable[[str], Callable[[str], bool]]]] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_in_any_case,
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _equals_in_any_case,
}
"""By operator without its `Not`. Numbers, dates and addresses are in no policy of ours."""
_QUANTIFIERS: Final = {"": _one, "ForAllValues": _each, "ForAnyValue": _some}
