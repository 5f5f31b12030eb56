"""The steps of the two controllers. A read and the write based on it are two steps: anything may happen in between.

A controller that has read the control row and finds nothing to do keeps what it read (`knows`) until the row has
changed: reading the same again would change nothing.
"""

from collections.abc import Generator
from typing import Final

from baton_proof.small_model.explore import Step
from baton_proof.small_model.state import (
    BOTH_ON,
    CLAIMED,
    IDLE,
    IDLE_CONTROLLER,
    LOST,
    MARKED,
    NEXT,
    NONE,
    OWNER,
    REGIONS,
    WANTED,
    Bug,
    Controller,
    Design,
    Law,
    Row,
    State,
    Write,
)

KNOWS: Final = "knows"
SETS_ARC: Final = "sets ARC"
TAKES_OVER: Final = "takes over"
SWITCHES: Final = "switches"
SETS_EARLY: Final = "sets ARC early"
LOOKS_ONCE: Final = "looks once"

NAMES: Final = tuple(f"controller {region}" for region in REGIONS)

type Steps = Generator[Step[State]]


def placed(state: State, side: int, controller: Controller) -> tuple[Controller, Controller]:
    """Return the controllers with one of them replaced."""
    return (controller, state.controllers[1]) if side == 0 else (state.controllers[0], controller)


def progress(design: Design, state: State, side: int) -> Steps:
    """Yield what this controller does next."""
    me = state.controllers[side]
    name = NAMES[side]
    if me.at == IDLE:
        known = Controller(KNOWS, state.epoch, state.active)
        yield f"{name} reads the control row", state._replace(controllers=placed(state, side, known)), None
    elif me.at == KNOWS:
        yield from _reconciles(design, state, side, name)
    elif me.at in (SETS_ARC, SETS_EARLY):
        yield _sets_arc(design, state, side, name)
    elif me.at == TAKES_OVER:
        yield _takes_over(design, state, side, name)
    elif me.at == SWITCHES:
        yield _switches(design, state, side, name)
    elif me.at == LOOKS_ONCE:
        yield _looks_once(state, side, name)


def faults(design: Design, state: State, side: int) -> Steps:
    """Yield what may befall this controller, its decisions to switch among it, but for a crash."""
    me, left = state.controllers[side], state.left
    name = NAMES[side]
    if me.at == KNOWS and left.decisions:
        at = SETS_EARLY if design.bug is Bug.ARC_BEFORE_CONTROL else SWITCHES
        decided = placed(state, side, Controller(at, me.epoch, 1 - me.active))
        less = left._replace(decisions=left.decisions - 1)
        yield f"{name} decides to switch", state._replace(controllers=decided, left=less), None
    if left.delays:
        yield from _hangs(state, side, name)


def crashes(state: State, side: int) -> Steps:
    """Yield the crash of this controller: it starts again, with an empty memory."""
    left = state.left
    if state.controllers[side].at not in (IDLE, LOST) and left.crashes:
        less = left._replace(crashes=left.crashes - 1)
        crashed = placed(state, side, IDLE_CONTROLLER)
        yield f"{NAMES[side]} crashes", state._replace(controllers=crashed, left=less), None


def _hangs(state: State, side: int, name: str) -> Steps:
    me = state.controllers[side]
    less = state.left._replace(delays=state.left.delays - 1)
    idle = placed(state, side, IDLE_CONTROLLER)
    if me.at == SETS_ARC:
        late = tuple(sorted((*state.late_arc, (me.epoch, me.active))))
        hanging = state._replace(late_arc=late, left=less)
        yield f"{name} gives up a write of ARC that hangs", hanging._replace(controllers=idle), None
        yield f"{name} is about to repeat a write of ARC that hangs", hanging, None
    elif me.at == TAKES_OVER and me.row is not None:
        late_writes = tuple(sorted((*state.late_writes, Write(me.row, me.row._replace(owner=me.epoch), me.epoch))))
        hanging = state._replace(late_writes=late_writes, left=less, controllers=idle)
        yield f"{name} gives up a takeover that hangs", hanging, None


def _reconciles(design: Design, state: State, side: int, name: str) -> Steps:
    """Compare the world with the control row as it was read."""
    me = state.controllers[side]
    if state.arc != WANTED[me.active] and design.bug is not Bug.NO_RECONCILER:
        finds = placed(state, side, me._replace(at=SETS_ARC))
        yield f"{name} finds ARC other than its row says", state._replace(controllers=finds), None
    if design.bug is not Bug.TAKEOVER_ONCE and _is_to_be_taken(design, state.row, me, side):
        finds = placed(state, side, me._replace(at=TAKES_OVER, row=state.row))
        yield f"{name} reads a batch of the other Region", state._replace(controllers=finds), None
    if (me.epoch, me.active) != (state.epoch, state.active):
        known = Controller(KNOWS, state.epoch, state.active)
        yield f"{name} reads the control row again", state._replace(controllers=placed(state, side, known)), None


def _is_to_be_taken(design: Design, row: Row, me: Controller, side: int) -> bool:
    """Return whether this is open, the other Region's, and of an older epoch, to the active Region's controller."""
    others = me.active == side and row.state not in (NONE, MARKED) and OWNER[row.owner] != side
    return others and (row.owner < me.epoch or design.bug is Bug.TAKEOVER_BY_REGION_ALONE)


def _sets_arc(design: Design, state: State, side: int, name: str) -> Step[State]:
    me = state.controllers[side]
    early = me.at == SETS_EARLY
    epoch = NEXT[me.epoch][me.active] if early else me.epoch
    next_ = me._replace(at=SWITCHES) if early else IDLE_CONTROLLER
    after, law = arc_written(design, state, epoch, me.active)
    return f"{name} sets ARC", after._replace(controllers=placed(state, side, next_)), law


def arc_written(design: Design, state: State, epoch: int, active: int) -> tuple[State, Law | None]:
    """Carry out a write of both routing controls that rests on a control row with this epoch and active Region."""
    arc = WANTED[active]
    if design.bug is Bug.ARC_TOGGLED:
        toggled = state.arc ^ BOTH_ON
        arc = state.arc if toggled == BOTH_ON else toggled
    law = None
    if epoch > state.epoch:
        law = Law.INTENT_FIRST
    elif arc != WANTED[active]:
        law = Law.ABSOLUTE
    return state._replace(arc=arc), law


def _takes_over(design: Design, state: State, side: int, name: str) -> Step[State]:
    me = state.controllers[side]
    assert me.row is not None
    state = state._replace(controllers=placed(state, side, IDLE_CONTROLLER))
    if state.row != me.row and design.bug is not Bug.TAKEOVER_WITHOUT_CAS:
        return f"{name} is refused a takeover", state, None
    return f"{name} takes the batch over", taken_over(state, me.row._replace(owner=me.epoch)), None


def taken_over(state: State, row: Row) -> State:
    """Write the row with its new owner. A claim without its mark is in doubt from here."""
    return state._replace(row=row, in_window=state.in_window or row.state == CLAIMED)


def _switches(design: Design, state: State, side: int, name: str) -> Step[State]:
    """Write the control row; a refused writer reads again and drops what the other one did meanwhile."""
    me = state.controllers[side]
    if state.epoch != me.epoch and design.bug is not Bug.CONTROL_WITHOUT_CAS:
        there = state.active == me.active and design.bug is not Bug.EPOCH_PLUS_ONE
        seen = Controller(KNOWS, state.epoch, state.active) if there else me._replace(epoch=state.epoch)
        return f"{name} is refused a switch", state._replace(controllers=placed(state, side, seen)), None
    epoch = me.epoch + 1 if design.bug is Bug.EPOCH_PLUS_ONE else NEXT[me.epoch][me.active]
    at = {Bug.NO_RECONCILER: SETS_ARC, Bug.TAKEOVER_ONCE: LOOKS_ONCE}.get(design.bug or Bug.NO_ARC_RULE, KNOWS)
    switched = placed(state, side, Controller(at, epoch, me.active))
    return f"{name} switches", state._replace(epoch=epoch, active=me.active, controllers=switched), None


def _looks_once(state: State, side: int, name: str) -> Step[State]:
    me = state.controllers[side]
    row = state.row
    to_take = row.state not in (NONE, MARKED) and OWNER[row.owner] != me.active and row.owner < me.epoch
    seen = placed(state, side, me._replace(at=TAKES_OVER, row=row) if to_take else IDLE_CONTROLLER)
    return f"{name} looks for batches once", state._replace(controllers=seen), None
