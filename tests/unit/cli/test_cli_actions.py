"""What operators do to a batch: every transition, every refusal, every race."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aio import run
from baton.job import DEADLINE_MINUTES_MAX
from baton.memory import MemoryLedger, Refusal
from baton.messages import NotifyBatch, SplitBatch
from baton.model.batch import Batch, Counts, Failure, MailClaim
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton.topology import PROGRESS_KEPT_DAYS
from baton_cli.batches import actions
from baton_cli.batches.actions import Changed
from baton_cli.reach.connection import Declined
from cli_world import AWAY, EPOCH, HOME, PUBLISHED, CliWorld, Silent, Unreachable, failed

ALLOWED = {
    ("cancel", BatchState.ADMITTED): BatchState.CANCELLED,
    ("cancel", BatchState.WAITING_INPUT): BatchState.CANCELLED,
    ("cancel", BatchState.SPLIT): BatchState.CANCELLED,
    ("cancel", BatchState.PAUSED): BatchState.CANCELLED,
    ("cancel", BatchState.PROCESSED): BatchState.CANCELLED,
    ("pause", BatchState.ADMITTED): BatchState.PAUSED,
    ("pause", BatchState.SPLIT): BatchState.PAUSED,
    ("resume", BatchState.PAUSED): BatchState.ADMITTED,
    ("cancel", BatchState.QUARANTINED): BatchState.CANCELLED,
    ("retry", BatchState.FAILED): BatchState.ADMITTED,
    ("retry", BatchState.QUARANTINED): BatchState.ADMITTED,
}
ACTIONS = {"cancel": actions.cancel, "pause": actions.pause, "resume": actions.resume, "retry": actions.retry}


def _do(world: CliWorld, action: str, batch: Batch) -> Changed:
    async def work() -> Changed:
        await world.admit(batch)
        return await ACTIONS[action](world.connection, batch.batch_id)

    return run(work())


@pytest.mark.parametrize(("action", "state"), ALLOWED)
def test_an_allowed_action_leads_to_its_state(action: str, state: BatchState) -> None:
    world = CliWorld()
    batch = world.batch(state=state)

    changed = _do(world, action, batch)

    stored = run(world.ledger.get(batch.batch_id))
    assert stored == changed.batch
    assert stored.state is ALLOWED[action, state]
    assert stored.updated_at > batch.updated_at


@pytest.mark.parametrize(("action", "state"), [(a, s) for a in ACTIONS for s in BatchState if (a, s) not in ALLOWED])
def test_any_other_action_is_refused_and_changes_nothing(action: str, state: BatchState) -> None:
    world = CliWorld()
    batch = world.batch(state=state)

    with pytest.raises(Declined, match=f"is {state}: only a batch that is .* can be"):
        _do(world, action, batch)

    assert run(world.ledger.get(batch.batch_id)) == batch
    assert world.home.queues.queued("split") == []


def test_a_refusal_names_the_states_in_a_sentence() -> None:
    world = CliWorld()
    batch = world.batch(state=BatchState.COMPLETED)

    for action, states in (("pause", "ADMITTED or SPLIT can be paused"), ("resume", "that is PAUSED can be resumed")):
        with pytest.raises(Declined, match=states):
            _do(world, action, batch)


def test_an_action_on_no_batch_is_refused() -> None:
    world = CliWorld()

    with pytest.raises(Declined, match="there is no batch ffff"):
        run(actions.cancel(world.connection, "ffff"))


@pytest.mark.parametrize("action", ["resume", "retry"])
@pytest.mark.parametrize(("epoch", "owner"), [(EPOCH, HOME), (EPOCH + 1, AWAY)])
def test_the_message_goes_to_the_owner_region_alone(action: str, epoch: int, owner: str) -> None:
    world = CliWorld()
    state = BatchState.PAUSED if action == "resume" else BatchState.FAILED
    batch = world.batch(state=state, owner_epoch=epoch)

    changed = _do(world, action, batch)

    queued = {HOME: world.home.queues.queued("split"), AWAY: world.away.queues.queued("split")}
    assert queued.pop(owner) == [SplitBatch(batch_id=batch.batch_id, owner_epoch=epoch)]
    assert list(queued.values()) == [[]]
    assert changed.unsent is None


@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_an_action_that_stops_a_batch_sends_nothing(action: str) -> None:
    world = CliWorld()

    _do(world, action, world.batch())

    assert [world.home.queues.queued(kind) for kind in ("split", "chunk", "merge", "notify")] == [[], [], [], []]


def test_a_retry_is_a_new_run_that_keeps_the_plan_and_the_last_mail_claim() -> None:
    world = CliWorld()
    claim = MailClaim(run=1, epoch=EPOCH, claimed_at=world.clock.now(), sent_at=world.clock.now())
    batch = world.batch(**failed(), mail_claim=claim)

    changed = _do(world, "retry", batch).batch

    at, by = changed.updated_at, "operator"
    now = world.clock.now()
    assert changed == batch.moved(BatchState.ADMITTED, at=at, by=by, run=2, retried_at=now, failure=None)


@pytest.mark.parametrize("retries", range(4))
def test_no_chain_of_retries_outlives_what_was_finished(retries: int) -> None:
    """However often it was retried before: the rows of its chunks are 45 days old when a last run may still run."""
    world = CliWorld()
    batch = world.batch(**failed())
    run(world.admit(batch))
    kept_until = world.clock.now() + timedelta(days=PROGRESS_KEPT_DAYS)
    for _ in range(retries):
        world.clock.advance(actions.RETRIED_AGE_MAX.total_seconds() / retries)
        retried = run(actions.retry(world.connection, batch.batch_id)).batch
        assert world.clock.now() + timedelta(minutes=DEADLINE_MINUTES_MAX) <= kept_until
        again = retried.moved(BatchState.FAILED, at=world.clock.now(), by=HOME, failure=batch.failure)
        run(world.ledger.update(retried, again))
    world.clock.advance(actions.RETRIED_AGE_MAX.total_seconds() + 1)

    with pytest.raises(Declined, match="Upload the file again"):
        run(actions.retry(world.connection, batch.batch_id))


@pytest.mark.parametrize(
    "changes", [{"plan_id": None}, {"published": PUBLISHED}], ids=["was never planned", "has its result"]
)
def test_a_batch_of_which_nothing_can_be_gone_may_be_retried_at_any_time(changes: Mapping[str, Any]) -> None:
    world = CliWorld()
    batch = world.batch(**failed(), **changes)
    run(world.admit(batch))
    world.clock.advance(100 * 86_400)

    assert run(actions.retry(world.connection, batch.batch_id)).batch.run == 2


def test_a_retry_counts_anew_what_is_done_again() -> None:
    world = CliWorld()
    batch = run(world.admit(world.batch(counts=Counts(8, 2, 6), **failed("too_many_rejects"))))

    assert run(actions.retry(world.connection, batch.batch_id)).batch.counts == Counts()


def test_a_retry_of_a_published_batch_sends_its_mail_again() -> None:
    world = CliWorld()
    batch = world.batch(**failed("mail_refused"), published=PUBLISHED)

    changed = _do(world, "retry", batch).batch

    assert (changed.state, changed.run, changed.failure) == (BatchState.MERGED, 2, None)
    assert changed.published == PUBLISHED
    assert world.home.queues.queued("notify") == [NotifyBatch(batch_id=batch.batch_id, owner_epoch=EPOCH)]
    assert world.home.queues.queued("split") == []


def test_a_resumed_batch_keeps_its_plan() -> None:
    world = CliWorld()
    batch = world.batch(state=BatchState.PAUSED)

    changed = _do(world, "resume", batch).batch

    assert changed == batch.moved(BatchState.ADMITTED, at=changed.updated_at, by="operator")


def test_a_message_that_cannot_be_queued_is_told_and_the_change_stands() -> None:
    world = CliWorld()
    world.lose(HOME, Unreachable(), "outbox")
    batch = world.batch(state=BatchState.PAUSED)

    changed = _do(world, "resume", batch)

    assert changed.batch.state is BatchState.ADMITTED
    assert changed.unsent == f"{HOME}: send: connection refused"


def test_a_message_that_is_refused_is_told_and_the_change_stands() -> None:
    world = CliWorld()
    world.home.queues.refusals.refuse("send", by=Refusal.KMS)
    batch = world.batch(state=BatchState.PAUSED)

    changed = _do(world, "resume", batch)

    assert changed.batch.state is BatchState.ADMITTED
    assert changed.unsent == f"{HOME}: send split: 400 KMS.DisabledException"


def test_a_region_that_swallows_the_message_is_not_waited_for_for_ever() -> None:
    world = CliWorld()
    world.lose(HOME, Silent(), "outbox")
    batch = world.batch(state=BatchState.PAUSED)

    async def work() -> Changed:
        await world.admit(batch)
        return await actions.resume(world.connection, batch.batch_id)

    changed = virtual_time.run(work())

    assert changed.batch.state is BatchState.ADMITTED
    assert changed.unsent == f"{HOME}: no answer in time"


class _Moving(MemoryLedger):
    """Somebody else writes the row right after each of the first reads."""

    def __init__(self, *changes: dict[str, Any]) -> None:
        super().__init__()
        self._changes = list(changes)

    async def get(self, batch_id: str) -> Batch | None:
        seen = await super().get(batch_id)
        if seen and self._changes:
            now = seen.updated_at.replace(microsecond=seen.updated_at.microsecond + 1)
            await super().update(seen, replace(seen, updated_at=now, **self._changes.pop(0)))
        return seen


def test_a_lost_race_is_decided_anew_on_what_the_row_says_now() -> None:
    world = CliWorld(ledger=_Moving({"state": BatchState.PROCESSED}))

    changed = _do(world, "cancel", world.batch(state=BatchState.SPLIT))

    assert changed.batch.state is BatchState.CANCELLED


def test_a_lost_race_against_the_end_is_refused() -> None:
    world = CliWorld(ledger=_Moving({"state": BatchState.FAILED, "failure": Failure("x", "y")}))

    with pytest.raises(Declined, match="is FAILED"):
        _do(world, "cancel", world.batch(state=BatchState.SPLIT))


def test_a_batch_that_never_stands_still_is_given_up_with_a_reason() -> None:
    world = CliWorld(ledger=_Moving(*({"chunks": n} for n in range(1, 7))))

    with pytest.raises(Declined, match="changed 5 times"):
        _do(world, "cancel", world.batch(state=BatchState.SPLIT))
