"""Carries out a switch: each act sets one thing (switch, dials, owners) as the control row says, and reads it back.

An act is idempotent: it may be repeated, or done by both controllers at once. By the numbers of docs/simulation.md:

- **S5** A takeover writes the epoch of the row that was read: no batch is owned under an epoch that never was.
- **S9** While frozen nothing is changed, except by a switch that an operator ordered.
- **S10** Each act reads the control row right before it acts: a controller that was paused must not act on an old one.
- **S12** The row is the durable intent: what is set is computed from it, never from what was found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from baton.batches import Batches
from baton.bounded import at_once
from baton.errors import BatonError, Fenced, SwitchRefused, Unavailable
from baton.model.batch import Batch
from baton.model.control import Control, StepName
from baton.model.identity import owner_of
from baton.model.states import BatchState
from baton.model.takeover import Turn, turn_of
from baton.model.unreadable import UnreadableRow
from baton.ports import BatchPage, Clock, Ledger, ObjectStore, Outbox, Routes, Switch, Vitals, whole_list
from handover.facts import Drain, StepResult
from handover.switching import stands_still

_PASSES_MAX: Final = 20
"""Of a takeover. A pass after the first finds what an eventually consistent list left out, or what moved meanwhile."""
_REASONS_SHOWN: Final = 3


class Stores(Protocol):
    """What an act needs of a Region."""

    @property
    def objects(self) -> ObjectStore: ...

    @property
    def outbox(self) -> Outbox: ...


@dataclass(frozen=True, slots=True)
class Place:
    """One Region as reached from a controller."""

    objects: ObjectStore
    outbox: Outbox
    vitals: Vitals


async def open_batches(ledger: Ledger) -> BatchPage:
    """Return every open batch but canaries, all pages. Eventually consistent."""
    listed = await whole_list(ledger.list_open())
    return BatchPage(
        [batch for batch in listed.batches if not batch.is_canary],
        [row for row in listed.unreadable if not row.is_canary],
    )


class Actor:
    """The acts of one controller, or of an operator in its place."""

    def __init__(
        self,
        *,
        regions: tuple[str, str],
        ledger: Ledger,
        switch: Switch,
        routes: Routes,
        places: Mapping[str, Stores],
        clock: Clock,
        at_once: int,
        dials_seconds: float,
    ) -> None:
        """`dials_seconds`: how long dials may turn before they are asked for again."""
        self._regions = regions
        self._ledger = ledger
        self._switch = switch
        self._routes = routes
        self._places = places
        self._clock = clock
        self._at_once = at_once
        self._dials_seconds = dials_seconds
        self._turning: _Turning | None = None
        self._takeover = _Takeover(epoch=0)
        self.taken_over = 0
        """Batches that this process took over so far, under all epochs."""

    async def act(self, step: StepName, epoch: int) -> StepResult:
        """Do one step under this epoch. Raises only on a bug: the result says what happened."""
        try:
            control = await self._ledger.control()  # S10
            if control.epoch != epoch:  # S12
                return StepResult(step, epoch, done=False, note=f"the epoch is {control.epoch} by now")
            if stands_still(control, self._clock.now()):  # S9
                return StepResult(step, epoch, done=False, note="frozen meanwhile")
            match step:
                case StepName.SWITCH:
                    return await self._set_switch(control)
                case StepName.ROUTES:
                    return await self._set_routes(control)
                case StepName.TAKEOVER:
                    return await self._take_over(control)
                case StepName.VERIFY:
                    raise AssertionError("verification is decided from canaries, it changes nothing")
        except (BatonError, TimeoutError) as error:
            return StepResult(
                step, epoch, done=False, note=str(error) or "no answer in time", taken_over=self._taken_by(step, epoch)
            )

    def _taken_by(self, step: StepName, epoch: int) -> int | None:
        return self._takeover.taken if step is StepName.TAKEOVER and self._takeover.epoch == epoch else None

    async def _set_switch(self, control: Control) -> StepResult:
        wanted = control.switch_states(self._regions)
        found = await self._switch.states()
        if not found:
            return StepResult(StepName.SWITCH, control.epoch, done=True, note="there is no switch")
        if all(found.get(region) is state for region, state in wanted.items()):
            return StepResult(StepName.SWITCH, control.epoch, done=True, note=f"On for {control.active_region}")
        try:
            await self._switch.set_states(wanted, planned=control.switches_as_planned)
        except SwitchRefused as refused:
            return StepResult(StepName.SWITCH, control.epoch, done=False, note=f"the switch refuses: {refused}")
        note = f"set On for {control.active_region}, read back"
        return StepResult(StepName.SWITCH, control.epoch, done=True, note=note, repaired=True)

    async def _set_routes(self, control: Control) -> StepResult:
        wanted, now = dict(control.dials(self._regions)), self._clock.now()
        found = dict(await self._routes.dials())
        turning = self._turning if self._turning and self._turning.epoch == control.epoch else None
        waited = (now - turning.asked_at).total_seconds() if turning else self._dials_seconds
        is_late = False
        if found != wanted and waited >= self._dials_seconds:
            is_late = turning is not None and not turning.read_back
            await self._routes.set_dials(wanted)
            turning = self._turning = _Turning(control.epoch, now)
            found = dict(await self._routes.dials())
        if found == wanted:
            return self._routed(control, turning)
        # Each of the five Regions of S3 Control may learn of it at another time: one that does not know says nothing.
        since = f"asked for {waited:.0f} s ago" if is_late or waited < self._dials_seconds else "asked for"
        note = f"{since}, and the dials read {found}"
        return StepResult(StepName.ROUTES, control.epoch, done=False, note=note, under_way=not is_late)

    def _routed(self, control: Control, turning: "_Turning | None") -> StepResult:
        repaired = turning is not None and not turning.read_back
        if turning is not None:
            turning.read_back = True
        note = f"{'set ' if repaired else ''}100 % to {control.active_region}{', read back' if repaired else ''}"
        return StepResult(StepName.ROUTES, control.epoch, done=True, note=note, repaired=repaired)

    async def _take_over(self, control: Control) -> StepResult:
        """Move every open batch of the other Region here, until two passes agree that there is none left."""
        batches = Batches(
            region=control.active_region,
            ledger=self._ledger,
            outbox=self._places[control.active_region].outbox,
            clock=self._clock,
        )
        if self._takeover.epoch != control.epoch:
            self._takeover = _Takeover(control.epoch)
        takeover, taken_before = self._takeover, self._takeover.taken
        takeover.turn = turn_of(control)
        empty_before = False
        takeover.ours.clear()
        for _ in range(_PASSES_MAX):
            listed = await open_batches(self._ledger)
            theirs = [each for each in listed.batches if self._is_others(each, control) and not takeover.has(each)]
            if not theirs and not takeover.unsent and empty_before:
                break
            empty_before = not theirs
            before = takeover.taken
            missed = [*await self._pass(batches, theirs, takeover), *await self._send_again(batches, takeover.unsent)]
            if missed and takeover.taken == before:
                return takeover.result(f", {len(missed)} not: {_some(missed)}")
        else:
            return takeover.result(", some keep moving or their message cannot be sent")
        left = _left_behind(listed.unreadable, control, self._regions)
        return takeover.result(left, done=True, repaired=takeover.taken > taken_before)

    def _is_others(self, batch: Batch, control: Control) -> bool:
        return owner_of(batch.owner_epoch, self._regions) != control.active_region and batch.owner_epoch < control.epoch

    async def _pass(self, batches: Batches, theirs: Sequence[Batch], takeover: "_Takeover") -> list[str]:
        """Take over each of these; return why some were not. What is wrong with one batch holds no other back."""
        before, missed = takeover.taken, list[str]()

        async def one(listed: Batch) -> None:
            try:
                taken = await self._take(batches, listed, takeover)
                takeover.taken += taken
                self.taken_over += taken
            except BatonError as error:
                missed.append(f"{listed.batch_id}: {error}")
                # So many that do not answer, and none that does: it is not the batches, and all others would wait.
                if isinstance(error, Unavailable) and len(missed) >= self._at_once and takeover.taken == before:
                    raise

        await at_once(self._at_once, theirs, one)
        return missed

    async def _take(self, batches: Batches, listed: Batch, takeover: "_Takeover") -> bool:
        # The list may be old: the row itself decides, and its compare-and-set.
        batch, epoch = await self._ledger.get(listed.batch_id), takeover.epoch
        if batch is None or batch.is_settled or batch.owner_epoch >= epoch:
            takeover.ours.add(listed.batch_id)
            return False
        try:
            taken = await batches.take_over(batch, epoch=epoch, turn=takeover.turn)
        except Fenced:
            return False  # its old owner moved it meanwhile: the next pass reads it again
        except BatonError:
            there = await self._ledger.get(batch.batch_id)
            if there is None or there.owner_epoch != epoch:
                raise
            takeover.unsent[batch.batch_id] = taken = there
        takeover.ours.add(batch.batch_id)
        takeover.apart += taken.is_apart
        takeover.set_aside += taken.state is BatchState.QUARANTINED
        return True

    async def _send_again(self, batches: Batches, unsent: dict[str, Batch]) -> list[str]:
        missed: list[str] = []
        for batch_id, batch in list(unsent.items()):
            try:
                await batches.nudge(batch)
            except Unavailable:
                raise
            except BatonError as error:
                missed.append(f"the message of {batch_id}: {error}")
            else:
                del unsent[batch_id]
        return missed

    # --- a planned switch --------------------------------------------------------------------------------------------

    async def drain(self, control: Control) -> Drain:
        """Return whether the target of the switch under way could continue every open batch of the active Region.

        A batch need not be finished: its file must be there, so that what is not finished can be done there, and
        no attempt to send its mail may be under way.
        """
        assert control.transition is not None
        target = self._places[control.transition.target].objects
        mine = [each for each in (await open_batches(self._ledger)).batches if not self._is_others(each, control)]
        reasons: list[str] = []

        async def ask(batch: Batch) -> None:
            try:
                reason = await _not_yet(batch, target)
            except BatonError as error:
                reason = f"{batch.batch_id} cannot be looked at: {error}"
            if reason:
                reasons.append(reason)

        await at_once(self._at_once, mine, ask)
        shown = reasons if len(reasons) <= _REASONS_SHOWN else (_some(reasons),)
        return Drain(self._clock.now(), len(mine), tuple(shown))


@dataclass(slots=True)
class _Turning:
    """Dials that were asked for under one epoch."""

    epoch: int
    asked_at: datetime
    read_back: bool = False


@dataclass(slots=True)
class _Takeover:
    """What was done so far under one epoch, over all attempts, including those that broke off."""

    epoch: int
    turn: Turn | None = None
    """What the other Region was left for."""
    taken: int = 0
    apart: int = 0
    """Of these: suspected, since they were in hand when the other Region turned unhealthy."""
    set_aside: int = 0
    unsent: dict[str, Batch] = field(default_factory=dict[str, Batch])
    """Owned here by now, but the message to continue is not sent yet."""
    ours: set[str] = field(default_factory=set[str])
    """Batches of which the rows say that nothing is left to take: lists may say otherwise for a while."""

    def has(self, listed: Batch) -> bool:
        """Return whether the row of a listed batch said in this attempt that it need not be taken."""
        return listed.batch_id in self.ours

    def result(self, more: str, *, done: bool = False, repaired: bool = False) -> StepResult:
        """Return how far it is; `more` is for people."""
        batches = "1 batch" if self.taken == 1 else f"{self.taken} batches"
        apart = f", {self.apart} of them to continue apart" if self.apart else ""
        aside = f", {self.set_aside} set aside" if self.set_aside else ""
        note = f"{batches} taken over{apart}{aside}{more}"
        return StepResult(StepName.TAKEOVER, self.epoch, done=done, note=note, repaired=repaired, taken_over=self.taken)


def _some(reasons: Sequence[str]) -> str:
    """Return the first of these reasons, and how many more there are."""
    more = f"; and {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
    return f"{'; '.join(reasons[:_REASONS_SHOWN])}{more}"


def _left_behind(rows: Sequence[UnreadableRow], control: Control, regions: tuple[str, str]) -> str:
    """Say which batches were not taken because their rows cannot be read; it may not even be told whose they are."""

    def is_ours(row: UnreadableRow) -> bool:
        return row.owner_epoch is not None and owner_of(row.owner_epoch, regions) == control.active_region

    ids = [row.batch_id for row in rows if not is_ours(row)]
    if not ids:
        return ""
    more = f" and {len(ids) - _REASONS_SHOWN} more" if len(ids) > _REASONS_SHOWN else ""
    names = f"{', '.join(ids[:_REASONS_SHOWN])}{more}"
    return f"; {len(ids)} not, since this version cannot read their rows: {names}"


async def _not_yet(batch: Batch, target: ObjectStore) -> str | None:
    """Return why the other Region could not continue the batch; None: it could."""
    claim = batch.mail_claim
    if claim is not None and claim.run == batch.run and claim.sent_at is None:
        return f"the mail of {batch.batch_id} is being sent"
    if batch.published is not None:
        there = await target.head(batch.published.result_key)
        return None if there else f"the result of {batch.batch_id} is not there yet"
    there = await target.find_version(batch.source.key, batch.source.version_id)
    return None if there else f"the file of {batch.batch_id} is not there yet"
