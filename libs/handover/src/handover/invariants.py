"""Checks after each decision that it keeps the safety rules. They are numbered as in docs/simulation.md.

The simulator checks the same rules from outside, over both controllers. Here the deciding code checks itself: a
decision that breaks a rule is a bug; it raises an error, and nothing of the decision is carried out.

- **S6** The epoch grows with each change of the active Region and names it, and a write is meant for the row that was
  read. (The compare-and-set of the ledger makes sure that no change is lost; ARC's safety rules, that the routing
  controls are never both On.)
- **S7** No automatic switch goes to a Region that is not proved ready.
- **S8** At most one automatic failover within the short budget and two within the long one, unless an operator
  acknowledged.
- **S9** While frozen nothing is changed, except by a switch that an operator ordered.
- **S11** A dry run writes only its heartbeat and its decisions.
- **S12** Every change is what the control row of this look asks for. (The act reads the row once more.)

S1 to S5 are about batches. They are kept, and named by number, in the ledger and its rules, the merger, the notifier
and the acts of a takeover. S10 is about the acts: each reads the row first. S13, S14 and S16 need the truth about both
Regions, which only the simulator has; S15, what a newer version wrote, is kept by `baton.model.rows` and `decide`.
"""

from collections.abc import Sequence

from baton.model.identity import owner_of
from handover import brakes
from handover.intents import Act, Intent, LookAtDrain, Note, Write
from handover.look import Look


class InvariantError(Exception):
    """A decision breaks a rule: our bug. The message begins with the rule's number."""


def check(look: Look, intents: Sequence[Intent]) -> None:
    """Check what a look decided. Raises `InvariantError`."""
    for intent in intents:
        if look.memory.settings.dry_run and not isinstance(intent, Note):
            raise InvariantError(f"S11: a dry run intends {intent}")
        match intent:
            case Write():
                _check_write(look, intent)
            case Act() | LookAtDrain():
                _check_act(look, intent)
            case _:
                pass


def _check_write(look: Look, write: Write) -> None:
    before, after = write.before, write.after
    if before != look.control or after.revision != before.revision + 1:
        raise InvariantError(f"S6: revision {after.revision} is not the next of the row that was read, {look.control}")
    moves = after.epoch != before.epoch
    if after.epoch < before.epoch or moves is (after.active_region == before.active_region):
        raise InvariantError(f"S6: epoch {before.epoch} of {before.active_region} to {after.epoch}")
    if owner_of(after.epoch, look.memory.regions) != after.active_region:
        raise InvariantError(f"S6: epoch {after.epoch} does not name {after.active_region}")
    if moves:
        _check_move(look, write)


def _check_move(look: Look, write: Write) -> None:
    switch = write.after.transition
    if switch is None or switch.target != write.after.active_region:
        raise InvariantError(f"S6: the epoch moves to {write.after.active_region}, and the switch is {switch}")
    if look.frozen and switch.command_id is None:
        raise InvariantError(f"S9: {switch.id} moves the epoch while frozen, and nobody ordered it")
    if switch.automatic and not look.is_ready(switch.target):
        raise InvariantError(f"S7: {switch.id} goes to {switch.target}, which does not prove itself")
    if switch.automatic and not switch.kind.is_planned:
        budgets = [brakes.budget(look.memory, look.control, look.now, short=short) for short in (True, False)]
        if any(budget.blocks for budget in budgets):
            raise InvariantError(f"S8: {switch.id} is one automatic failover too many: {budgets}")


def _check_act(look: Look, act: Act | LookAtDrain) -> None:
    if act.control != look.control:
        raise InvariantError(f"S12: {act} is not what the row that was read asks for")
    switch = look.control.transition if look.control.in_transition else None
    if isinstance(act, Act) and look.frozen and (switch is None or switch.command_id is None):
        raise InvariantError(f"S9: {act.step} is touched while frozen")
