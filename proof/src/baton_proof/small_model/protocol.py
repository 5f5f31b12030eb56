"""The model: what every actor and the network may do next, and the laws that each step must keep."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from baton_proof.small_model import controllers, workers
from baton_proof.small_model.explore import Step
from baton_proof.small_model.reduction import nothing_to_lose, rested
from baton_proof.small_model.state import (
    BOTH_ON,
    CLAIMED,
    LOST,
    MARKED,
    NONE,
    OWNER,
    REGIONS,
    WANTED,
    Bug,
    Controller,
    Design,
    Law,
    State,
    Worker,
)

type Steps = Generator[Step[State]]


@dataclass(frozen=True, slots=True)
class Baton:
    """The protocol of a design, for `explore`."""

    design: Design

    @property
    def initial(self) -> State:
        """The world as it is set up."""
        initial = self.design.initial
        return rested(self.design, initial) if self.design.reduced else initial

    def progress(self, state: State) -> Iterator[Step[State]]:
        """Yield the steps of progress."""
        return self._rested(self._progress(state)) if self.design.reduced else self._progress(state)

    def faults(self, state: State) -> Iterator[Step[State]]:
        """Yield what may happen."""
        return self._rested(self._faults(state)) if self.design.reduced else self._faults(state)

    def _rested(self, steps: Steps) -> Iterator[Step[State]]:
        return ((label, rested(self.design, state), law) for label, state, law in steps)

    def broken(self, before: State, after: State) -> Law | None:
        """Return the law that this step or the state after it breaks."""
        if after.arc == BOTH_ON:
            return Law.BOTH_ON
        return _control_broken(before, after) or _row_broken(before, after) or _mail_broken(before, after)

    def unfinished(self, state: State) -> Law | None:
        """Return what is missing at the end. A batch may wait if the active Region is lost: only a switch helps."""
        if state.arc != WANTED[state.active]:
            return Law.ARC_AGREES
        lost = state.controllers[state.active].at == LOST
        return None if state.row.state == MARKED or lost else Law.MAILED

    def _progress(self, state: State) -> Steps:
        for side in range(len(REGIONS)):
            yield from controllers.progress(self.design, state, side)
        for index in range(len(state.workers)):
            yield from workers.progress(self.design, state, index)
        yield from self._arrivals(state)
        yield from _lease_over(state)

    def _faults(self, state: State) -> Steps:
        if not any(state.left):
            return
        design, left = self.design, state.left
        for side, controller in enumerate(state.controllers):
            if not (design.reduced and nothing_to_lose(design, controller)):
                yield from controllers.crashes(state, side)
            yield from controllers.faults(design, state, side)
        for index, worker in enumerate(state.workers):
            if not (design.reduced and nothing_to_lose(design, worker)):
                yield from workers.crashes(design, state, index)
            yield from workers.faults(design, state, index)
        if left.hands:
            yield from self._hands(state._replace(left=left._replace(hands=left.hands - 1)))
        if left.losses:
            yield from (self._lost(state, region) for region in range(len(REGIONS)))
        yield from _slow_mark(state)

    # --- the network, the clock, people --------------------------------------------------------------------------

    def _arrivals(self, state: State) -> Steps:
        for at, (epoch, active) in enumerate(state.late_arc):
            rest = state.late_arc[:at] + state.late_arc[at + 1 :]
            after, law = controllers.arc_written(self.design, state, epoch, active)
            yield f"a late write of ARC for {REGIONS[active]} arrives", after._replace(late_arc=rest), law
        for at, write in enumerate(state.late_writes):
            rest = state.late_writes[:at] + state.late_writes[at + 1 :]
            left = state._replace(late_writes=rest)
            if not workers.condition_holds(self.design, state, write):
                yield "a late write of the batch arrives and is refused", left, None
            elif write.after.owner != write.before.owner and write.before.state != NONE:
                yield "a late takeover arrives", controllers.taken_over(left, write.after), None
            else:
                after, law = workers.written(left, write)
                # A claim that no process remembers is never marked.
                claims = write.after.claims > write.before.claims
                yield "a late write of the batch arrives", after._replace(in_window=claims or after.in_window), law
        if state.late_mails:
            arrived = state._replace(late_mails=state.late_mails - 1, sends=state.sends + 1)
            yield "a late mail arrives", arrived, None

    def _hands(self, state: State) -> Steps:
        for region, name in enumerate(REGIONS):
            arc = state.arc ^ (1 << region)
            if arc != BOTH_ON or self.design.bug is Bug.NO_ARC_RULE:
                turned = "On" if arc > state.arc else "Off"
                yield f"somebody turns {name} {turned} by hand", state._replace(arc=arc), None

    def _lost(self, state: State, region: int) -> Step[State]:
        """Stop everything in a Region permanently. What it sent may still arrive."""
        in_window = state.in_window or any(
            workers.holds_claim(state, each)
            for each, place in zip(state.workers, self.design.workers, strict=True)
            if place == region
        )
        stopped = tuple(
            Worker(LOST) if place == region else each
            for each, place in zip(state.workers, self.design.workers, strict=True)
        )
        less = state.left._replace(losses=state.left.losses - 1)
        controllers_left = controllers.placed(state, region, Controller(LOST))
        after = state._replace(controllers=controllers_left, workers=stopped, in_window=in_window, left=less)
        return f"Region {REGIONS[region]} is lost", after, None


def _lease_over(state: State) -> Steps:
    """Let the lease of the mail claim be over: no running process is between this claim and its mark.

    That is the one assumption about time.
    """
    if state.row.state == CLAIMED and not state.lease_over and not _sending(state) and not _marking(state):
        yield "the lease of the mail claim is over", state._replace(lease_over=True), None


def _slow_mark(state: State) -> Steps:
    """Let the lease be over before a living process has marked what it has sent; never before it has sent."""
    left = state.left
    if left.slow_marks and not state.lease_over and _marking(state) and not _sending(state):
        less = left._replace(slow_marks=left.slow_marks - 1)
        after = state._replace(lease_over=True, in_window=True, left=less)
        yield "the lease of the mail claim is over before its mark", after, None


def _sending(state: State) -> int:
    """Return how many living processes are between a claim and its send."""
    return sum(each.at == workers.CLAIMS for each in state.workers)


def _marking(state: State) -> bool:
    return any(workers.holds_claim(state, each) for each in state.workers)


def _control_broken(before: State, after: State) -> Law | None:
    if (after.epoch, after.active) == (before.epoch, before.active):
        return None
    if after.epoch <= before.epoch:
        return Law.EPOCH_GROWS
    return None if OWNER[after.epoch] == after.active else Law.RESIDUE


def _row_broken(before: State, after: State) -> Law | None:
    was, now = before.row, after.row
    if was is now:
        return None
    if now.owner < was.owner:
        return Law.OWNER_GROWS
    if now.owner > after.epoch:
        return Law.OWNER_COMMITTED
    if (now.state, now.claims) < (was.state, was.claims):
        return Law.ROW_FORWARD
    return Law.ONE_MANIFEST if after.manifests > 1 else None


def _mail_broken(before: State, after: State) -> Law | None:
    if after.sends > max(1, after.row.claims):
        return Law.SENDS
    return Law.ONE_CLAIM if after.workers is not before.workers and _sending(after) > 1 else None
