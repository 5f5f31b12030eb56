"""Upgrades rows that an older version wrote to the present schema.

Schema 1 kept some facts as text for people. Only this module parses such text.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from baton.model.control import Ending, StepName
from baton.model.journal import Signal, State

_DEGRADED: Final = re.compile(r"completed; degraded: ([a-z, ]+?)(?:: |$)")
_ENDS: Final = {"completed": Ending.COMPLETED, "rolled back": Ending.ROLLED_BACK}


def control(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a control row of schema 1 as one of 2."""
    under_way = row.get("transition")
    return {**row, "transition": transition(under_way)} if under_way else dict(row)


def transition(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a switch of schema 1 as one of 2: how it ended was one text."""
    found = dict(row)
    outcome = found.pop("outcome", None)
    if outcome is None:
        return found
    head, _, note = str(outcome).partition(": ")
    found["ended"] = Ending.COMPLETED if head.startswith("completed") else _ENDS.get(head, Ending.SUPERSEDED)
    if found["ended"] is Ending.ROLLED_BACK:
        found["note"] = note
    return found


def heartbeat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a heartbeat of schema 1 as one of 2."""
    return {**row, "assessment": assessment(row["assessment"])}


def decision(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision of schema 1 as one of 2: that a step was degraded stood in its summary alone."""
    found = dict(row)
    if found.get("assessment"):
        found["assessment"] = assessment(found["assessment"])
    found["ended"] = _ENDS.get(str(found["kind"]))
    degraded = _DEGRADED.search(str(found["summary"])) if found["ended"] is Ending.COMPLETED else None
    found["degraded"] = [StepName(name) for name in degraded[1].split(", ")] if degraded else []
    return found


def assessment(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an assessment of schema 1 as one of 2: its state and what lay over it were one text."""
    words = str(row["state"]).split()
    states = [word for word in words if word in set(State)]
    evidence = cast("list[dict[str, Any]]", row.get("evidence") or [])
    return {
        **row,
        "state": states[0] if states else None,
        "overlays": [word for word in words if word not in states],
        "evidence": [{**rule, "signal": rule["name"] if rule["name"] in set(Signal) else None} for rule in evidence],
    }
