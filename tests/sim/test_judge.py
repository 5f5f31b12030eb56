"""The judges of the simulation know what a Region may be expected to have seen, and to have sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batches_made import filled
from baton.address import Address
from baton.memory import LoopClock
from baton.model.batch import MailClaim
from baton.ports import Mail
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH
from baton_proof.simulation.judge import served_throughout
from baton_proof.simulation.watch import Watch
from controller_made import EAST, WEST

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


@pytest.mark.parametrize(
    ("claimed_by", "owned_by", "stored_in", "is_broken"),
    [
        (EAST, EAST, EAST, False),
        (EAST, EAST, WEST, True),
        # It was claimed, sent slowly, and taken over meanwhile: its result is on its way to the new owner.
        (EAST, WEST, EAST, False),
        (WEST, WEST, EAST, True),
    ],
)
def test_a_mail_announces_what_the_region_has_that_sends_it(
    claimed_by: str,
    owned_by: str,
    stored_in: str,
    is_broken: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    epochs = {EAST: INITIAL_EPOCH, WEST: INITIAL_EPOCH + 1}
    batch = filled("b1", START)
    row = replace(batch, owner_epoch=epochs[owned_by], mail_claim=MailClaim(batch.run, epochs[claimed_by], START))
    address = Address("", "baton", "example.com")
    mail = Mail("baton.b1.3", address, (address,), "subject", "text", "<p>html</p>")

    async def story() -> list[str]:
        watch = Watch(LoopClock(), has=lambda region, _: region == stored_in)
        watch.mail_sent(row, mail)
        return watch.violations

    assert bool(virtual_time.run(story())) is is_broken
