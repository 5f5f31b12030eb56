"""The journal in memory: one object that both Regions share. Every method is one atomic step of the event loop."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from baton.errors import Conflict, Refused
from baton.memory.items import check_item
from baton.memory.refusals import Refusals
from baton.model.control import Ending, Transition
from baton.model.journal import Command, CommandState, Decision, Heartbeat
from baton.model.rows import COMMAND, DECISION, HEARTBEAT, SWITCH
from baton.ports.preconditions import check_settled


class MemoryJournal:
    """Heartbeats by Region; commands and decisions by id."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryJournal)
        self._heartbeats: dict[str, Heartbeat] = {}
        self._commands: dict[str, Command] = {}
        self._decisions: dict[str, Decision] = {}
        self._switches: dict[str, Transition] = {}
        self._index: tuple[list[Command], list[Decision]] | None = None
        """What lists see while the index lags. None: it does not lag."""
        self._spoilt: set[str] = set()

    def spoil(self, row: str) -> None:
        """Make a row one that this version of Baton cannot read, as if a later one had written it.

        `row`: as `unreadable` names it, `command#<id>/command` or `heartbeat/<Region>`.
        """
        self._spoilt.add(row)

    def saved(self) -> Callable[[], None]:
        """Return what restores every row as it is now, as a restore of the table to this moment does."""
        heartbeats, commands = dict(self._heartbeats), dict(self._commands)
        decisions, switches = dict(self._decisions), dict(self._switches)

        def restore() -> None:
            self._heartbeats, self._commands = dict(heartbeats), dict(commands)
            self._decisions, self._switches = dict(decisions), dict(switches)

        return restore

    def hold_index(self) -> None:
        """Let lists show the rows as they are now, whatever is written from now on."""
        self._index = list(self._commands.values()), list(self._decisions.values())

    def release_index(self) -> None:
        """Let lists show the rows as they are."""
        self._index = None

    async def beat(self, heartbeat: Heartbeat) -> None:
        self.refusals.check("beat", heartbeat.region)
        check_item(f"the heartbeat of {heartbeat.region}", HEARTBEAT.adapter.dump_json(heartbeat))
        last = self._heartbeats.get(heartbeat.region)
        if last and last.beats is not None and heartbeat.beats is not None and last.beats > heartbeat.beats:
            raise Conflict(f"the last heartbeat of {heartbeat.region} is of beat {last.beats}")
        self._heartbeats[heartbeat.region] = heartbeat
        self._spoilt.discard(f"heartbeat/{heartbeat.region}")

    async def heartbeats(self) -> Mapping[str, Heartbeat]:
        self.refusals.check("heartbeats")
        found = self._heartbeats.items()
        return {region: each for region, each in found if f"heartbeat/{region}" not in self._spoilt}

    async def submit(self, command: Command) -> None:
        self.refusals.check("submit", command.id)
        check_item(f"command {command.id}", COMMAND.adapter.dump_json(command))
        self._commands.setdefault(command.id, command)

    async def command(self, command_id: str) -> Command | None:
        self.refusals.check("command", command_id)
        if _row_of(command_id) in self._spoilt:
            raise Refused(f"command {command_id} cannot be read by this version of Baton")
        return self._commands.get(command_id)

    async def pending(self) -> Sequence[Command]:
        self.refusals.check("pending")
        commands = self._index[0] if self._index else self._commands.values()
        pending = [command for command in commands if command.state is CommandState.PENDING]
        return sorted((command for command in pending if _row_of(command.id) not in self._spoilt), key=_place)

    def unreadable(self) -> Mapping[str, str]:
        return dict.fromkeys(sorted(self._spoilt), "this version of Baton cannot read it")

    async def settle(self, command: Command) -> None:
        check_settled(command)
        self.refusals.check("settle", command.id)
        check_item(f"command {command.id}", COMMAND.adapter.dump_json(command))
        current = self._commands.get(command.id)
        if current is None or current.state is not CommandState.PENDING:
            raise Conflict(f"command {command.id} is settled already, or was never submitted")
        self._commands[command.id] = command

    async def record(self, decision: Decision, *, left: Transition | None = None) -> None:
        self.refusals.check("record", decision.id)
        check_item(f"decision {decision.id}", DECISION.adapter.dump_json(decision) + decision.summary.encode())
        if left is not None:
            check_item(f"switch {left.id}", SWITCH.adapter.dump_json(left))
            known = self._switches.get(left.id)
            if known is None or known.ended is Ending.SUPERSEDED:
                self._switches[left.id] = left
        self._decisions.setdefault(decision.id, decision)

    async def switch(self, transition_id: str) -> Transition | None:
        self.refusals.check("switch", transition_id)
        return self._switches.get(transition_id)

    async def decision(self, decision_id: str) -> Decision | None:
        self.refusals.check("decision", decision_id)
        return self._decisions.get(decision_id)

    async def decisions(self, *, limit: int) -> Sequence[Decision]:
        self.refusals.check("decisions")
        decisions = self._index[1] if self._index else self._decisions.values()
        return sorted(decisions, key=_place, reverse=True)[:limit]


def _place(record: Command | Decision) -> tuple[datetime, str]:
    return record.at, record.id


def _row_of(command_id: str) -> str:
    return f"command#{command_id}/command"
