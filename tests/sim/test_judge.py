"""The judge of a failover knows what a standby may be expected to have seen."""

from datetime import UTC, datetime, timedelta

import pytest

from baton_proof.simulation.judge import served_throughout

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("healed_at", "served"),
    [
        (0, True),
        (60, True),
        # It heals at 61 s, is seen to serve at 65 s, and is left at 104 s: what its standby saw last is older.
        (61, False),
        (100, False),
    ],
)
def test_a_region_served_its_users_only_if_it_did_for_forty_seconds_without_a_break(
    healed_at: float,
    served: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    ticks = [(START + timedelta(seconds=at), at >= healed_at) for at in range(0, 300, 5)]

    assert served_throughout(ticks, START + timedelta(seconds=104)) is served


def test_nothing_is_said_of_a_region_that_was_not_looked_at_for_so_long() -> None:
    ticks = [(START + timedelta(seconds=at), True) for at in range(0, 300, 5)]

    assert not served_throughout(ticks, START + timedelta(seconds=30))
