"""`decide_by_hand(memory, seen, now) -> (memory, intents)`: what an operator's own command does without a controller.

It answers his order and takes the switch further by the controllers' own rules, in the place of the controller of the
target. Nothing is automatic: no signal is judged, and what nobody ordered is left alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from baton.model.control import Control, SwitchBackend
from baton.model.journal import Heartbeat
from baton.region_order import another_order
from handover import attempts, invariants, signals, under_way, writes
from handover.facts import Memory, Seen
from handover.intents import Intent, Write
from handover.look import Look


def decide_by_hand(memory: Memory, seen: Seen, now: datetime) -> tuple[Memory, tuple[Intent, ...]]:
    """Return what is remembered after this look and what is to be done, in order. Raises only on a bug."""
    memory = signals.absorbed(memory, seen, now)
    if seen.control is None or seen.control.unknown:
        return memory, ()
    look = Look(replace(memory, read_at=now), seen, seen.control, now)
    look, became = writes.resolved(look)
    look, failed = attempts.absorbed(look)
    look, intents = under_way.continued(look)
    if not any(isinstance(intent, Write) for intent in intents):
        look, acts = under_way.reconciled(look)
        intents = (*intents, *acts)
    invariants.check(look, intents)
    return writes.opened(look.memory, intents), (*became, *failed, *intents)


def wrong_place(
    control: Control, regions: tuple[str, str], heartbeats: Mapping[str, Heartbeat], switch: SwitchBackend
) -> str | None:
    """Return why this machine must not act on that ledger: its settings are not those of the controllers."""
    if control.unknown:
        return f"a newer version of Baton wrote {', '.join(control.unknown)} into the control row"
    if told := another_order(control, regions):
        return told
    newest = max(heartbeats.values(), key=lambda beat: beat.at, default=None)
    if newest is None or newest.switch in {None, switch}:
        return None
    return (
        f"the controllers turn {newest.switch}, and here BATON_SWITCH_KIND is {switch}: "
        "set BATON_SWITCH_* as the controllers have them"
    )
