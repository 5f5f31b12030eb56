"""What the one role of a task with several services may do: all that any of them may, in few enough words."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from baton.messages import KINDS
from baton.topology import Topology
from baton_infra.declared import policies
from baton_infra.declared.policies import RoleScope
from baton_infra.declared.statements import Statement, document

_LENGTH_MAX: Final = 10_240
"""Of all inline policies of a role. Source: "IAM and AWS STS quotas", IAM User Guide."""


def of_services(services: Iterable[str], reach: RoleScope) -> tuple[Statement, ...]:
    """Return what any of these may do. Raises `ValueError` if that is more than a role can hold.

    Queues are named by what their names begin with, since all names are more than IAM takes in the policies of a role:
    10,240 characters. Statements about the same are one.
    """
    found = [
        replace(each, resources=tuple(_queues_by_pattern(each.resources, reach.topology)))
        for service in services
        for each in policies.of_service(service, reach)
    ]
    statements = tuple(_named_once(_by_resources(_by_actions(found))))
    length = len(json.dumps(document(statements), separators=(",", ":")))
    if length > _LENGTH_MAX:
        raise ValueError(f"the role of the shared task has {length} characters: give the environment a shorter name")
    return statements


def _queues_by_pattern(resources: Iterable[str], topology: Topology) -> Iterator[str]:
    """Yield them with all queues of a kind, their dead letters too, as one pattern."""
    begins = "|".join((*(topology.queue(kind).name for kind in KINDS), topology.canary_events_queue))
    yield from dict.fromkeys(re.sub(rf"^(arn:aws:sqs:.*:({begins})).*", r"\1*", each) for each in resources)


def _key(conditions: Any) -> str:
    return json.dumps(conditions, sort_keys=True)


def _by_actions(statements: Iterable[Statement]) -> Iterable[Statement]:
    """Return one statement for those that allow the same under the same conditions."""
    found: dict[tuple[frozenset[str], str], Statement] = {}
    for each in statements:
        key = frozenset(each.actions), _key(each.conditions)
        known = found.get(key, each)
        found[key] = replace(known, resources=tuple(dict.fromkeys([*known.resources, *each.resources])))
    return found.values()


def _by_resources(statements: Iterable[Statement]) -> Iterable[Statement]:
    """Return one statement for those about the same things under the same conditions."""
    found: dict[tuple[frozenset[str], str], Statement] = {}
    for each in statements:
        key = frozenset(each.resources), _key(each.conditions)
        known = found.get(key, each)
        found[key] = replace(known, actions=tuple(dict.fromkeys([*known.actions, *each.actions])))
    return found.values()


def _named_once(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield them, each under a name of its own: a policy may have each name once."""
    seen: dict[str, int] = {}
    for each in statements:
        seen[each.sid] = seen.get(each.sid, 0) + 1
        yield replace(each, sid=f"{each.sid}{seen[each.sid]}") if seen[each.sid] > 1 else each
