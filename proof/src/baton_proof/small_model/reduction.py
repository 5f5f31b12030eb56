"""Leaves out interleavings that need not be explored, because each of their ends is also reached without them.

- A process reads as soon as there is something to read for it. What a later read would find is found all the same: a
  controller may read again at any time, and a worker whose write is refused does.
- A write of the batch whose condition fails now will never be carried out, for a row never becomes what it was. It is
  refused at once, or dropped if no process waits for it. (Not so a mark: what its second look finds depends on when.)
- A crash of a process that has only read so far is as if it had not read.

This is checked: a test explores bounds with and without the reduction, and compares the ends.
"""

from baton_proof.small_model import controllers, workers
from baton_proof.small_model.state import IDLE, IDLE_WORKER, NONE, Bug, Controller, Design, Row, State, Worker

_FORGETFUL = (Bug.NO_RECONCILER, Bug.TAKEOVER_ONCE)
"""Designs in which a controller remembers what no other process would find out again."""
_MAY_BE_MISSED = (workers.CLAIMS, workers.SENT, workers.SENT_EARLY, workers.MARKS)


def nothing_to_lose(design: Design, process: Controller | Worker) -> bool:
    """Return whether a crash of this process changes nothing."""
    return process.at not in _MAY_BE_MISSED and design.bug not in _FORGETFUL


def rested(design: Design, state: State) -> State:
    """Return the state after every process that can read has read, and every write that cannot succeed was refused."""
    # A condition that is the bug under test may hold later: nothing is in vain then.
    row = state.row if design.bug is None else None
    if row is not None and state.late_writes and any(each.before != row for each in state.late_writes):
        state = state._replace(late_writes=tuple(each for each in state.late_writes if each.before == row))
    for side, me in enumerate(state.controllers):
        if me.at == IDLE or (row is not None and me.at == controllers.TAKES_OVER and me.row != row):
            known = Controller(controllers.KNOWS, state.epoch, state.active)
            state = state._replace(controllers=controllers.placed(state, side, known))
    workers_now = tuple([_worker(design, state, index, row) for index in range(len(state.workers))])
    if workers_now != state.workers:
        state = state._replace(workers=workers.arranged(design, workers_now))
    return state


def _worker(design: Design, state: State, index: int, row: Row | None) -> Worker:
    me = state.workers[index]
    if row is not None and (
        (me.at == workers.HOLDS and me.row != row) or (me.at == workers.ADMITS and row.state != NONE)
    ):
        me = IDLE_WORKER
    if me.at != IDLE:
        return me
    return workers.begins(design, state, design.workers[index]) or me
