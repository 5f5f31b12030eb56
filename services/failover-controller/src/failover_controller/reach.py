"""The ports and clients that a controller uses."""

from collections.abc import Mapping
from dataclasses import dataclass

from baton.ports import EventBus, Journal, Ledger, Provisions, Switch
from handover_shell.acts import Actor, Place
from handover_shell.canary import Canary
from handover_shell.link_check import LinkCheck


@dataclass(frozen=True, slots=True)
class Reach:
    """The ports that a controller uses."""

    ledger: Ledger
    journal: Journal
    switch: Switch
    actor: Actor
    places: Mapping[str, Place]
    canary: Canary
    events: EventBus
    provisions: Provisions
    link: LinkCheck | None = None
    """None: no link is checked."""
