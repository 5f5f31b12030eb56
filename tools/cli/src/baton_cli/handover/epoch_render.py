"""Answers about a restored ledger for people."""

from rich.console import RenderableType
from rich.text import Text

from baton.model.control import Control
from baton.model.journal import WentBack
from baton_cli.batches.render import with_next
from baton_cli.handover.epoch import LedgerStanding, Raised
from baton_cli.hints import baton


def went_back(found: WentBack) -> Text:
    """Return the line of `status` about it."""
    known, there = found.known, found.found
    text = (
        f"it was restored: it has been at epoch {known.epoch}, revision {known.revision}, and was found at epoch "
        f"{there.epoch}, revision {there.revision}. The controllers take no action. "
        f"Read the runbook, then: {baton()} epoch --at-least {found.at_least}"
    )
    return Text(text, style="bold red")


def question_of_epoch(found: LedgerStanding, after: Control) -> str:
    """Return what is asked before the epoch is raised."""
    before = found.control
    behind = "" if found.is_restored else " Nothing says that the ledger was restored."
    return (
        f"The ledger has epoch {before.epoch} ({before.active_region} is active); the last one known is "
        f"{found.known.epoch}."
        f"{behind} Raise it to {after.epoch}, with {after.active_region} active?"
    )


def epoch(done: Raised) -> RenderableType:
    """Return what was raised, and what follows from it."""
    after = done.after
    rows: list[tuple[str, RenderableType]] = [
        ("epoch", f"{done.before.epoch} -> {after.epoch}, above {done.known.epoch}, the last one known"),
        ("active", after.active_region),
    ]
    following = (
        f"Within two beats both controllers act again: they set switch and dials to {after.active_region} and move the "
        f"other Region's open batches there. Batches that had ended after the restored moment are worked on again, and "
        f"not mailed again where their input is archived. See it: {baton()} status"
    )
    return with_next(rows, following)
