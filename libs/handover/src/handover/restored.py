"""Detects a ledger that went back because it was restored. No action is taken until the epoch is raised.

A restored control row may name the wrong Region, and a restored journal may hold orders that were carried out long ago.
What shows it is not in the table: what a controller remembers, and what it keeps in its Region's bucket.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from baton.model.control import Control
from baton.model.high_water import HighWater
from baton.model.journal import Assessment, DecisionKind, WentBack
from baton.region_order import another_order
from handover import commands, switching
from handover.facts import Memory, Seen
from handover.intents import Intent, Note
from handover.look import Look

_ANNOUNCED: Final = "the ledger went back"
_STARTING: Final = "the high water of the ledger is not known yet"


def absorbed(memory: Memory, seen: Seen, control: Control) -> Memory:
    """Compare the ledger with the furthest that it is known to have been, and remember what is the furthest now.

    What heartbeats say counts from the next look on: they are read beside the row, which may be from before them.
    """
    found, known = HighWater(control.epoch, control.revision, seen.beats), memory.high_water
    if seen.kept is not None:
        known = seen.kept.joined(known)
    behind = known is not None and not known.has_been_passed_by(found)
    furthest = found.joined(known)
    for heartbeat in seen.heartbeats.values():
        furthest = furthest.joined(heartbeat.high_water)
    went_back = WentBack(known, found) if known and behind else _still(memory, seen, found)
    return memory.remembering(high_water=furthest, went_back=went_back)


def _still(memory: Memory, seen: Seen, found: HighWater) -> WentBack | None:
    """Return what no epoch that was never in force has made good yet: later heartbeats bring no row back.

    Its own Region's heartbeat tells a controller that has just started, the other's one that saw nothing of it.
    """
    told = (heartbeat.assessment.went_back for heartbeat in seen.heartbeats.values())
    return next((each for each in (memory.went_back, *told) if each and found.epoch < each.at_least), None)


def refusing(look: Look, assess: Callable[[Look], Assessment]) -> tuple[Look, tuple[Intent, ...]]:
    """Put it on record once, and refuse every order: what is pending may have been carried out long ago."""
    intents: list[Intent] = []
    look = look.remembering(suspect_since=None, clean_since=None)
    text = _text(look)
    if look.memory.announced != _ANNOUNCED:
        look, made = switching.decided(look.remembering(announced=_ANNOUNCED), DecisionKind.WENT_BACK, text)
        intents.append(Note(replace(made, assessment=assess(look))))
    if look.memory.settings.dry_run:
        return look, tuple(intents)
    for command in look.seen.commands:
        look, more = commands.refused(look, command, f"{text}; order it again after that, if it is still wanted")
        intents += more
    return look, tuple(intents)


def conclusion(look: Look) -> str | None:
    """Return why the ledger is not trusted, as one sentence; None: it is."""
    if look.memory.went_back:
        return _text(look)
    if told := another_order(look.control, look.memory.regions):
        return f"this controller takes no action: {told}"
    return None if look.seen.kept_is_known else f"{_STARTING}: this controller takes no action"


def _text(look: Look) -> str:
    went_back = look.memory.went_back
    assert went_back is not None
    known, found = went_back.known, went_back.found
    what = f"from epoch {known.epoch} (revision {known.revision}) to epoch {found.epoch} (revision {found.revision})"
    if known.place <= found.place:
        what = f"within epoch {known.epoch}: heartbeats that were in it are gone"
    return f"the ledger went back {what}: nothing is done until `baton epoch --at-least {went_back.at_least}`"
