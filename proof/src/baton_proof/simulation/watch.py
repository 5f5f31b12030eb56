"""Checks the invariants S1 to S12, S15 and S17 at every event. A violation names invariant, time and facts."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, override

from baton.memory import LoopClock, MemoryJournal, MemoryLedger, MemoryMailer, MemorySwitch
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control, StepName, StepOutcome, SwitchKind, Transition
from baton.model.identity import owner_of
from baton.model.journal import Decision, DecisionKind, Verdict
from baton.model.states import BatchState
from baton.ports import Admission, Mail
from baton.topology import REGIONS_DEFAULT
from baton_proof.simulation.network import READ_SECONDS_MAX, Life

LEASE_SECONDS = 120
"""Of a mail claim, as the notifier has it by default."""
_ACTS = frozenset({"switch.set_states", "routes.set_dials"})


@dataclass(slots=True)
class Watch:
    """Checks every change against the truth."""

    clock: LoopClock
    violations: list[str] = field(default_factory=list[str])
    controls: list[tuple[datetime, Control]] = field(default_factory=list[tuple[datetime, Control]])
    admissions: Counter[str] = field(default_factory=Counter[str])
    merges: Counter[str] = field(default_factory=Counter[str])
    remakes: Counter[str] = field(default_factory=Counter[str])
    mails: Counter[str] = field(default_factory=Counter[str])
    mailed_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    sends: Counter[str] = field(default_factory=Counter[str])
    rows: Callable[[], Mapping[str, Batch]] = dict
    """The truth of the ledger."""
    listed: Callable[[], Mapping[str, Batch]] = dict
    """What its lists can see of that, by an index that may not be updated, and of rows that this version can read."""
    behind_until: datetime | None = None
    """When that index was last updated again after it had not been,"""
    listed_behind: Mapping[str, Batch] = field(default_factory=dict[str, Batch])
    """and what it showed until then."""
    is_newer: bool = False
    """Whether a newer version is about to write."""
    has: Callable[[str, str], bool] = lambda _region, _key: True
    """Whether a Region's bucket holds a key."""
    written_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When each row was created."""
    decisions: list[Decision] = field(default_factory=list[Decision])
    takeovers: Counter[str] = field(default_factory=Counter[str])
    """By the state before and after."""
    taken_over_at: list[datetime] = field(default_factory=list[datetime])
    well_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """By Region: when a truthful canary last passed."""
    lied_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    dry: set[str] = field(default_factory=set[str])
    """Regions whose controllers are on a dry run."""
    went_back: Control | None = None
    """While the ledger is restored and its epoch was not raised: the row that was there."""
    events: int = 0

    def broke(self, invariant: str, text: str) -> None:
        seconds = asyncio.get_running_loop().time()
        self.violations.append(f"{invariant} at {seconds:.1f} s: {text}")

    @contextlib.contextmanager
    def newer_version(self) -> Generator[None]:
        """Take what is written meanwhile for a newer version's."""
        self.is_newer = True
        yield
        self.is_newer = False

    # --- the ledger --------------------------------------------------------------------------------------------------

    def control_written(self, before: Control | None, after: Control) -> None:
        """S6 and S8, and S7 for what was decided without a human."""
        self.events += 1
        now = self.clock.now()
        self.controls.append((now, after))
        if before is None:
            return
        if self.went_back is not None:
            self.broke("S17", f"the control row was written in a ledger that went back from {self.went_back.epoch}")
        if after.revision != before.revision + 1:
            self.broke("S6", f"revision {after.revision} was written over {before.revision}: a change is lost")
        self._kept(before, after)
        self._takeover_done(before, after)
        if after.epoch == before.epoch:
            return
        if after.epoch < before.epoch or owner_of(after.epoch, REGIONS_DEFAULT) != after.active_region:
            self.broke("S6", f"epoch {before.epoch} to {after.epoch} of {after.active_region}")
        transition = after.transition
        if transition and transition.automatic:
            self._automatic(after, now)

    def _kept(self, before: Control, after: Control) -> None:
        """S15: what a newer version has written is kept, and what it has under way is left to it."""
        if self.is_newer:
            return
        if lost := before.more.keys() - after.more.keys():
            self.broke("S15", f"{sorted(lost)} of a newer version is lost from the control row")
        if before.unknown:
            self.broke("S15", f"the control row was written while {before.unknown} was under way")

    def _takeover_done(self, before: Control, after: Control) -> None:
        """L3: a takeover that is called done has left nothing behind that was there when the epoch moved."""

        def done(control: Control) -> bool:
            steps = control.transition.steps if control.transition else ()
            return any(each.step is StepName.TAKEOVER and each.outcome is StepOutcome.DONE for each in steps)

        if not done(after) or done(before):
            return
        moved_at = next(at for at, control in self.controls if control.epoch == after.epoch)
        rows, shown = self.rows(), self.listed()
        if self.behind_until is not None and self.behind_until > moved_at:
            # The takeover may have read either list: what one of both does not show as open is found later, too.
            shown = {
                name: shown.get(name, before) for name, before in self.listed_behind.items() if not before.is_settled
            }
        for listed in shown.values():  # what an index that is not updated does not show is found later: L1
            batch = rows.get(listed.batch_id, listed)
            theirs = owner_of(batch.owner_epoch, REGIONS_DEFAULT) != after.active_region
            is_open = not batch.is_settled and not listed.is_settled and not batch.is_canary
            if theirs and is_open and self.written_at[batch.batch_id] < moved_at:
                self.broke("L3", f"{batch.batch_id} was left behind by a takeover that is called done")

    def _automatic(self, after: Control, now: datetime) -> None:
        assert after.transition is not None
        target = after.transition.target
        well = self.well_at.get(target)
        fresh = well is not None and now - well <= timedelta(seconds=75)
        lied = target in self.lied_at and now - self.lied_at[target] <= timedelta(seconds=75)
        if not fresh and not lied:
            self.broke("S7", f"switched automatically to {target}, whose canary last came through at {well}")
        if after.transition.kind is not SwitchKind.FAILOVER:
            return
        ack = after.acknowledged_at
        counted = [at for at, control in self.controls if _is_automatic_failover(control, at, self.controls)]
        for hours, most in ((6, 1), (24, 2)):
            since = max(filter(None, [now - timedelta(hours=hours), ack]))
            if sum(at > since for at in counted) > most:
                self.broke("S8", f"more than {most} automatic failovers in {hours} h")

    def batch_created(self, batch: Batch) -> None:
        """S2 for a row that was not there."""
        self.events += 1
        self.admissions[batch.batch_id] += 1
        self.written_at[batch.batch_id] = self.clock.now()
        if self.admissions[batch.batch_id] > 1 and not batch.is_canary:
            self.broke("S2", f"{batch.batch_id} was admitted twice")

    def batch_written(self, before: Batch, after: Batch) -> None:
        """S1 and S5 for one change of a row."""
        self.events += 1
        if after.owner_epoch < before.owner_epoch:
            self.broke("S1/S5", f"{after.batch_id}: epoch {after.owner_epoch} wrote over {before.owner_epoch}")
        if after.owner_epoch != before.owner_epoch:
            self.taken_over_at.append(self.clock.now())
            self.takeovers[f"{before.state} to {after.state}"] += 1
            if after.owner_epoch > max(control.epoch for _, control in self.controls):
                self.broke("S5", f"{after.batch_id}: taken under epoch {after.owner_epoch}, which never was")
        elif before.state is BatchState.MERGED and after.state is BatchState.ADMITTED:
            self.remakes[after.batch_id] += 1

    def published(self, after: Batch, result: bytes | None, expected: bytes | None) -> None:
        """S3 for a row that becomes MERGED."""
        self.merges[after.batch_id] += 1
        if self.merges[after.batch_id] > 1 + self.remakes[after.batch_id]:
            self.broke("S3", f"{after.batch_id} was published twice")
        if result != expected:
            self.broke("S3", f"{after.batch_id} was published with other bytes")

    def mail_sent(self, row: Batch | None, mail: Mail) -> None:
        """S4: a claim before every send, and one send for each claim's lease."""
        self.events += 1
        now, batch_id = self.clock.now(), mail.message_id.split(".")[1]
        self.sends[batch_id] += 1
        if row is None or row.mail_claim is None:
            self.broke("S4", f"{batch_id}: a mail was sent without a claim")
        elif row.is_announced:
            self.broke("S4", f"{batch_id}: a mail was sent after it was marked as sent")
        elif row.published and not self._has_either(row.published.result_key, row.owner_epoch, row.mail_claim.epoch):
            self.broke("S3", f"{batch_id}: a mail announces a result that is not there")
        last = self.mailed_at.get(mail.message_id)
        if last and now - last < timedelta(seconds=LEASE_SECONDS / 4):
            self.broke("S4", f"{batch_id}: two mails within one lease")
        self.mailed_at[mail.message_id] = now

    def _has_either(self, key: str, *epochs: int) -> bool:
        """Return whether the owner has it, or who claimed the mail: batches are taken over while a mail is sent."""
        return any(self.has(owner_of(epoch, REGIONS_DEFAULT), key) for epoch in epochs)

    def mail_claimed(self, before: Batch, claim: MailClaim) -> None:
        held = before.mail_claim
        if held and held.run == claim.run and held.sent_at:
            self.broke("S4", f"{before.batch_id}: claimed after it was marked as sent")

    # --- what processes do -------------------------------------------------------------------------------------------

    def acts(self, life: Life, name: str, args: Any) -> None:
        """S9 to S12 for a call that is about to be made."""
        takes_over = name == "ledger.update" and args[1].owner_epoch != args[0].owner_epoch
        if life.name not in {"controller", "operator"}:
            return
        if life.region in self.dry and (
            name in _ACTS or takes_over or name in {"ledger.set_control", "journal.settle"}
        ):
            self.broke("S11", f"the dry run of {life.region} called {name}")
        if name not in _ACTS and not takes_over:
            return
        self.events += 1
        if life.controls and life.controls[-1][0].unknown:
            self.broke("S15", f"{life.region} called {name} while {life.controls[-1][0].unknown} was under way")
        now = life.awake_seconds()
        if now - life.ledger_read_at > READ_SECONDS_MAX:
            self.broke("S10", f"{life.region} called {name} {now - life.ledger_read_at:.0f} s after it read the ledger")
        lately = now - READ_SECONDS_MAX
        read: list[Control] = [row for row, read_at in life.controls if read_at >= lately]
        rows = [row for row in read if _asks_for(row, name, args)]
        self._acts_on_what_went_back(life, name, rows)
        if not rows:
            told = f"{life.region} called {name} with {args[0]}"
            self.broke("S12", f"{told}: no control row that it read lately asks for that")
        # By its own clock, which may be minutes off; a freeze that is nearly over proves nothing.
        elif all(self._forbids(row) for row in rows):
            self.broke("S9", f"{life.region} called {name} while frozen by {rows[-1].freeze}")

    def _acts_on_what_went_back(self, life: Life, name: str, rows: Sequence[Control]) -> None:
        """S17: nothing is done because of a row that was restored."""
        if self.went_back is not None and rows and all(row.epoch < self.went_back.epoch for row in rows):
            self.broke("S17", f"{life.region} called {name}, as a row asks for that was restored")

    def _forbids(self, row: Control) -> bool:
        ordered = row.in_transition and row.transition is not None and row.transition.command_id is not None
        return row.freeze is not None and self.clock.now() + timedelta(minutes=6) < row.freeze.until and not ordered

    def switched(self, states: Mapping[str, bool]) -> None:
        self.events += 1
        if all(states.values()):
            self.broke("S6", "both Regions' routing controls are On")


def _asks_for(row: Control, name: str, args: Any) -> bool:
    match name:
        case "switch.set_states":
            return dict(args[0]) == dict(row.switch_states(REGIONS_DEFAULT))
        case "routes.set_dials":
            return dict(args[0]) == dict(row.dials(REGIONS_DEFAULT))
        case _:
            return args[1].owner_epoch == row.epoch


def _is_automatic_failover(control: Control, at: datetime, controls: list[tuple[datetime, Control]]) -> bool:
    transition = control.transition
    if transition is None or not transition.automatic or transition.kind is not SwitchKind.FAILOVER:
        return False
    first = next(when for when, each in controls if each.transition and each.transition.id == transition.id)
    return at == first


class WatchedLedger(MemoryLedger):
    """The ledger's truth, with the watch beside it."""

    watch: Watch
    results: Any
    """Returns (published bytes, expected bytes) of a row that is MERGED."""

    def watched(self, watch: Watch, results: Any) -> "WatchedLedger":
        self.watch, self.results = watch, results
        return self

    def put_back(self, row: Control) -> Control:
        """Be restored to this control row; return the one that was there."""
        known = self._store.control
        assert known is not None
        self._store.control = row
        self.watch.went_back = known
        return known

    def raise_to(self, **changes: Any) -> None:
        """Let an operator write the row, as it is by then."""
        before = self._store.control
        assert before is not None
        self._store.control = before.changed(**changes)
        self.watch.went_back = None
        self.watch.control_written(before, self._store.control)

    @override
    async def set_control(self, after: Control, *, before: Control | None) -> None:
        there = self._store.control
        await super().set_control(after, before=before)
        self.watch.control_written(there, after)

    @override
    async def admit(self, batch: Batch) -> Admission:
        outcome = await super().admit(batch)
        if outcome is Admission.ADMITTED:
            self.watch.batch_created(batch)
        return outcome

    @override
    async def update(self, before: Batch, after: Batch) -> Batch:
        there = self._store.batches.get(after.batch_id)
        written = await super().update(before, after)
        self.watch.batch_written(there or before, after)
        # A canary's row goes with it, and with the row what is known of it.
        # Who continues what was set aside after it was published writes nothing anew.
        unpublished = (there or before).state not in {BatchState.MERGED, BatchState.QUARANTINED}
        entered = after.state is BatchState.MERGED and unpublished
        if entered and not after.is_canary:
            self.watch.published(after, *self.results(after))
        return written

    @override
    async def claim_mail(self, before: Batch, claim: MailClaim) -> Batch:
        there = self._store.batches.get(before.batch_id)
        claimed = await super().claim_mail(before, claim)
        self.watch.mail_claimed(there or before, claim)
        return claimed


class WatchedMailer(MemoryMailer):
    """The mail service."""

    def __init__(self, ledger: MemoryLedger, watch: Watch) -> None:
        super().__init__()
        self._ledger, self._watch = ledger, watch

    @override
    async def send(self, mail: Mail) -> str:
        self._watch.mail_sent(await self._ledger.get(mail.message_id.split(".")[1]), mail)
        return await super().send(mail)


class WatchedSwitch(MemorySwitch):
    """The switch."""

    watch: Watch

    @override
    async def set_states(self, states: Mapping[str, bool], *, planned: bool = False) -> None:
        try:
            await super().set_states(states, planned=planned)
        finally:
            self.watch.switched(self.truth)


class WatchedJournal(MemoryJournal):
    """The journal."""

    watch: Watch
    decided: Callable[[Decision], None] = lambda _: None

    @override
    async def record(self, decision: Decision, *, left: Transition | None = None) -> None:
        if decision.id not in self._decisions:
            self.watch.decisions.append(decision)
            self.decided(decision)
            readiness = decision.assessment.readiness if decision.assessment else ()
            unready = [rule.name for rule in readiness if rule.verdict is not Verdict.HEALTHY]
            if decision.kind is DecisionKind.COMMITTED and decision.command_id is None and unready:
                self.watch.broke("S7", f"decided to switch although {unready} were not HEALTHY")
        await super().record(decision, left=left)
