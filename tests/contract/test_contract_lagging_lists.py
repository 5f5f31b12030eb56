"""Lists are eventually consistent: they may show what was there a while ago. Whatever is decided rests on the rows."""

import pytest

from batches_made import admitted, stepped
from baton.errors import Conflict, Fenced
from baton.model.states import BatchState
from baton.ports import batches_of
from journals_made import asked, decided, settled
from worlds import Ports, in_world


@pytest.fixture
def shared() -> bool:
    return True


@in_world
async def test_a_list_of_batches_may_lag_and_the_row_does_not(ports: Ports) -> None:
    now = ports.clock.now()
    listed = admitted("b1", now)
    await ports.ledger.admit(listed)
    await ports.hold_lists()
    moved = await ports.ledger.update(listed, stepped(listed, BatchState.SPLIT))
    await ports.ledger.admit(admitted("b2", now))

    assert await batches_of(ports.ledger.list_open()) == [listed]
    assert await ports.ledger.get("b1") == moved
    assert set(await ports.ledger.get_many(["b1", "b2"])) == {"b1", "b2"}
    with pytest.raises(Fenced):
        await ports.ledger.update(listed, stepped(listed, BatchState.CANCELLED))


@in_world
async def test_a_list_of_commands_may_lag_and_the_command_does_not(ports: Ports) -> None:
    now = ports.clock.now()
    command, decision = asked("c1", now), decided("d1", now)
    await ports.journal.submit(command)
    await ports.journal.record(decision)
    await ports.hold_lists()
    await ports.journal.settle(settled(command))
    await ports.journal.submit(asked("c2", now))
    await ports.journal.record(decided("d2", now))

    assert list(await ports.journal.pending()) == [command]
    assert list(await ports.journal.decisions(limit=10)) == [decision]
    assert await ports.journal.command("c1") == settled(command)
    assert await ports.journal.decision("d2") == decided("d2", now)
    with pytest.raises(Conflict):
        await ports.journal.settle(settled(command))
