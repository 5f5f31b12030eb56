"""Port: heartbeats, commands and decisions, which are rows of the ledger beside the control row."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from baton.model.control import Transition
from baton.model.journal import Command, Decision, Heartbeat


class Journal(Protocol):
    """Heartbeats, commands and decisions. Single rows are read strongly consistent, lists eventually."""

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Write this Region's heartbeat over the last one.

        Raises `Conflict` if that one counts more beats: a heartbeat that comes late undoes no newer one.
        """
        ...

    async def heartbeats(self) -> Mapping[str, Heartbeat]:
        """Return the newest heartbeat of each Region that ever had one. Strong read."""
        ...

    async def submit(self, command: Command) -> None:
        """Write a command. The same one again changes nothing."""
        ...

    async def command(self, command_id: str) -> Command | None:
        """Return one command. Strong read."""
        ...

    async def pending(self) -> Sequence[Command]:
        """Return every command that nobody settled yet, all pages, the oldest first. Eventually consistent."""
        ...

    async def settle(self, command: Command) -> None:
        """Write a command that is no longer PENDING over its pending row. Raises `Conflict` if it was settled."""
        ...

    async def record(self, decision: Decision, *, left: Transition | None = None) -> None:
        """Write a decision. The same one again changes nothing; a written one is never changed.

        `left` is the switch whose place in the control row the decision's own switch takes, as it ended. It gets a row
        of its own, once: only SUPERSEDED may be replaced, since the decision that says so may come to nothing.
        """
        ...

    async def switch(self, transition_id: str) -> Transition | None:
        """Return a switch that has left the control row, as it ended. Strong read.

        None: no such switch, or it has not left the row. What the control row still holds is for the ledger to tell.
        """
        ...

    async def decision(self, decision_id: str) -> Decision | None:
        """Return one decision. Strong read."""
        ...

    async def decisions(self, *, limit: int) -> Sequence[Decision]:
        """Return the newest decisions, the newest first. Eventually consistent."""
        ...

    def unreadable(self) -> Mapping[str, str]:
        """Return what the newest lists passed over because this version cannot read it: by the row's name, why."""
        ...
