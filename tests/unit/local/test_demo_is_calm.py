"""The demo fails if a Region is suspected at any time but while it is cut off."""

from datetime import UTC, datetime
from typing import Any

import pytest

from baton_local.demo.handover import without_cause

CUT_AT, BACK_AT = 100.0, 150.0


def _decision(kind: str, at: float) -> dict[str, Any]:
    when = datetime.fromtimestamp(at, UTC).isoformat()
    return {"kind": kind, "at": when, "region": "us-west-2", "summary": "outside canary: no answer"}


@pytest.mark.parametrize(
    ("at", "count"), [(99.9, 1), (100.0, 0), (150.0, 0), (150.1, 1)], ids=["before", "cut", "back", "after"]
)
def test_only_the_cut_explains_a_suspicion(at: float, count: int) -> None:
    found = without_cause([_decision("suspected", at), _decision("committed", at)], CUT_AT, BACK_AT)

    assert len(found) == count
    assert all("us-west-2: outside canary" in each for each in found)
