"""The steps of the workers: admit, publish, claim, send, mark. One worker represents a Region's services.

Planning, parts and merging are left out: they touch nothing that two Regions share until the result is published.
"""

from collections.abc import Generator
from typing import Final

from baton_proof.small_model.explore import Step
from baton_proof.small_model.state import (
    ADMITTED,
    CLAIMED,
    IDLE,
    IDLE_WORKER,
    LOST,
    MARKED,
    NO_ROW,
    NONE,
    OWNER,
    PUBLISHED,
    REGIONS,
    Bug,
    Design,
    Law,
    State,
    Worker,
    Write,
)

ADMITS: Final = "admits"
HOLDS: Final = "holds"
"""Has read the row and is about to write its next state."""
CLAIMS: Final = "has claimed"
"""Between the claim and the send: alive, it keeps the lease from being over."""
SENT: Final = "has sent"
SENT_EARLY: Final = "has sent without a claim"
MARKS: Final = "marks again"
"""By mistake alone: a mark that is refused was another one's to write."""

NAMES: Final = tuple(f"worker {region}" for region in REGIONS)

type Steps = Generator[Step[State]]


def arranged(design: Design, workers: tuple[Worker, ...]) -> tuple[Worker, ...]:
    """Return the workers in the one order that represents all: those of one Region are alike."""
    if len(workers) <= len(REGIONS):
        return workers
    pairs = sorted(zip(design.workers, workers, strict=True))
    return tuple(worker for _, worker in pairs)


def placed(design: Design, state: State, index: int, worker: Worker) -> tuple[Worker, ...]:
    """Return the workers with one of them replaced."""
    return arranged(design, (*state.workers[:index], worker, *state.workers[index + 1 :]))


def progress(design: Design, state: State, index: int) -> Steps:
    """Yield what this worker does next."""
    me, region = state.workers[index], design.workers[index]
    name = NAMES[region]
    if me.at == IDLE:
        begun = begins(design, state, region)
        if begun is not None:
            text = "reads the control row" if begun.at == ADMITS else "reads its batch"
            yield f"{name} {text}", state._replace(workers=placed(design, state, index, begun)), None
    elif me.at == ADMITS:
        admitted = NO_ROW._replace(state=ADMITTED, owner=me.epoch)
        yield _writes(design, state, index, f"{name} admits", Write(NO_ROW, admitted, me.epoch))
    elif me.at in (HOLDS, SENT_EARLY):
        yield _goes_on(design, state, index, name)
    elif me.at == CLAIMS:
        yield _sends(design, state, index, name)
    elif me.at in (SENT, MARKS):
        yield _marks(design, state, index, name)


def faults(design: Design, state: State, index: int) -> Steps:
    """Yield what may befall this worker, but for a crash."""
    if state.workers[index].at not in (IDLE, LOST, SENT_EARLY) and state.left.delays:
        yield _hangs(design, state, index, NAMES[design.workers[index]])


def crashes(design: Design, state: State, index: int) -> Steps:
    """Yield the crash of this worker: it starts again, with an empty memory."""
    left = state.left
    if state.workers[index].at not in (IDLE, LOST) and left.crashes:
        less = left._replace(crashes=left.crashes - 1)
        after = _gone(design, state, index)._replace(left=less)
        yield f"{NAMES[design.workers[index]]} crashes", after, None


def _gone(design: Design, state: State, index: int) -> State:
    """Empty the worker's memory. If it was between claim and mark, its claim is in doubt from here."""
    in_window = state.in_window or holds_claim(state, state.workers[index])
    return state._replace(workers=placed(design, state, index, IDLE_WORKER), in_window=in_window)


def holds_claim(state: State, worker: Worker) -> bool:
    """Return whether the present mail claim is this worker's, and not marked yet."""
    return (
        worker.at in (CLAIMS, SENT, MARKS)
        and worker.row is not None
        and state.row.state == CLAIMED
        and state.row.claims == worker.row.claims
    )


def _hangs(design: Design, state: State, index: int, name: str) -> Step[State]:
    me = state.workers[index]
    less = state.left._replace(delays=state.left.delays - 1)
    hanging = _gone(design, state, index)._replace(left=less)
    if me.at == CLAIMS:
        return f"{name} gives up a mail that hangs", hanging._replace(late_mails=state.late_mails + 1), None
    late = tuple(sorted((*state.late_writes, wanted(me))))
    return f"{name} gives up a write that hangs", hanging._replace(late_writes=late), None


def wanted(me: Worker) -> Write:
    """Return the write that this worker is about to make."""
    if me.at == ADMITS:
        return Write(NO_ROW, NO_ROW._replace(state=ADMITTED, owner=me.epoch), me.epoch)
    before = me.row
    assert before is not None
    if me.at in (SENT, MARKS):
        return Write(before, before._replace(state=MARKED), me.epoch)
    if before.state == ADMITTED:
        return Write(before, before._replace(state=PUBLISHED), me.epoch)
    return Write(before, before._replace(state=CLAIMED, claims=before.claims + 1), me.epoch)


def begins(design: Design, state: State, region: int) -> Worker | None:
    """Return what a worker remembers after a read, or None if there is nothing for it to do."""
    row = state.row
    if row.state == NONE:
        # Also on behalf of the active Region, if that one did not: the owner is whom the control row names.
        return Worker(ADMITS, state.epoch)
    if OWNER[row.owner] != region or row.state == MARKED:
        return None
    if row.state == CLAIMED and not state.lease_over and design.bug is not Bug.LEASE_NOT_KEPT:
        return None
    return Worker(HOLDS, row.owner, row)


def condition_holds(design: Design, state: State, write: Write) -> bool:
    """Return whether the ledger takes the write: the row must be as it was read, in everything."""
    row, before = state.row, write.before
    if design.bug is Bug.EPOCH_NOT_IN_CONDITION:
        return row.state == before.state
    if design.bug is Bug.CLAIM_WITHOUT_CAS and write.after.claims > before.claims:
        return True
    return row == before


def written(state: State, write: Write) -> tuple[State, Law | None]:
    """Carry out a write of the batch whose condition holds."""
    law = Law.FENCED if write.epoch < state.row.owner else None
    after = write.after
    if after.claims > write.before.claims:
        if state.row.state == CLAIMED and not state.in_window:
            law = law or Law.CLAIM_KEPT
        return state._replace(row=after, lease_over=False, in_window=False), law
    if after.state == MARKED:
        return state._replace(row=after, lease_over=False, in_window=False), law
    return state._replace(row=after, manifests=state.manifests + (after.state == PUBLISHED)), law


def _writes(
    design: Design, state: State, index: int, text: str, write: Write, then: Worker = IDLE_WORKER
) -> Step[State]:
    if not condition_holds(design, state, write):
        refused = state._replace(workers=placed(design, state, index, IDLE_WORKER))
        return f"{text}, and is refused", refused, None
    after, law = written(state, write)
    return text, after._replace(workers=placed(design, state, index, then)), law


def _goes_on(design: Design, state: State, index: int, name: str) -> Step[State]:
    me = state.workers[index]
    write = wanted(me)
    if write.after.state == PUBLISHED:
        return _writes(design, state, index, f"{name} publishes", write)
    if design.bug is Bug.MAIL_BEFORE_CLAIM and me.at == HOLDS:
        early = placed(design, state, index, me._replace(at=SENT_EARLY))
        return f"{name} sends the mail without a claim", state._replace(sends=state.sends + 1, workers=early), None
    claimed = Worker(SENT if me.at == SENT_EARLY else CLAIMS, me.epoch, write.after)
    return _writes(design, state, index, f"{name} claims the mail", write, claimed)


def _sends(design: Design, state: State, index: int, name: str) -> Step[State]:
    sent = state.workers[index]._replace(at=SENT)
    mailed = state._replace(sends=state.sends + 1, workers=placed(design, state, index, sent))
    return f"{name} sends the mail", mailed, None


def _marks(design: Design, state: State, index: int, name: str) -> Step[State]:
    """Mark the mail as sent. Refused, the batch belongs to another: only a step of another writes its row."""
    me = state.workers[index]
    write = wanted(me)
    if condition_holds(design, state, write):
        return _writes(design, state, index, f"{name} marks the mail as sent", write)
    follows = design.bug is Bug.MARK_FOLLOWS_TAKEOVER and holds_claim(state, me)
    again = Worker(MARKS, me.epoch, state.row) if follows else IDLE_WORKER
    refused = state._replace(workers=placed(design, state, index, again))
    return f"{name} is refused its mark", refused, None
