"""Mails the outcome of a batch to its recipients, then archives the input."""

import asyncio
from dataclasses import replace
from typing import Final

from baton.address import Address
from baton.batches import Batches
from baton.catalog import Catalog, offered
from baton.errors import BatchFailed, NotFound, NotSent, Refused, Reject, Retry, Unavailable
from baton.messages import Message, NotifyBatch
from baton.model import paths
from baton.model.batch import Batch, Counts, MailClaim
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, Links, Mail, Mailer, ObjectStore
from baton.telemetry import Log, Metrics
from notifier.domain import Downloads, compose
from notifier.notice import Notice
from notifier.rejects import NOTHING_FOUND, RejectsOf
from notifier.settings import NotifierSettings

_TO_TELL = (BatchState.MERGED, BatchState.FAILED)
_MARK_SHARE: Final = 0.25
"""Of the lease, after the send: for the mark, and for what two clocks disagree."""
_REPLICATION_SECONDS: Final = 20
"""Between two looks for a result that the other Region published. With five of them it has 80 s, in which nearly all
objects are replicated; making it again is always right, and only costs work."""


class Notifier:
    """Handles `NotifyBatch`: claim, link, mail, mark, COMPLETED, archive. A retry resumes at the step that failed."""

    def __init__(
        self,
        *,
        batches: Batches,
        ledger: Ledger,
        objects: ObjectStore,
        mailer: Mailer,
        links: Links,
        rejects: RejectsOf,
        notice: Notice,
        catalog: Catalog,
        clock: Clock,
        settings: NotifierSettings,
        log: Log,
    ) -> None:
        self._batches = batches
        self._ledger = ledger
        self._objects = objects
        self._mailer = mailer
        self._links = links
        self._rejects = rejects
        self._notice = notice
        self._catalog = catalog
        self._clock = clock
        self._settings = settings
        self._log = log

    async def handle(self, message: Message, attempt: int) -> Metrics | None:
        """Take the batch from MERGED to COMPLETED and archived, or announce that it FAILED."""
        assert isinstance(message, NotifyBatch)
        if message.unreadable:
            await self._notice.send(message.batch_id)
            return None
        batch = await self._batches.owned(message)
        tells = batch.state in _TO_TELL and not batch.is_announced
        if tells:
            batch = await self._tell(batch, attempt=attempt)
        if batch.state is BatchState.NOTIFIED:
            batch = await self._batches.move(batch, BatchState.COMPLETED)
        if batch.state is BatchState.COMPLETED:
            await self._archive(batch)
        if not tells or batch.is_canary:
            return None
        seconds = (batch.updated_at - batch.admitted_at).total_seconds()
        ended = "BatchesFailed" if batch.state is BatchState.FAILED else "BatchesCompleted"
        return {ended: (1, "Count"), "BatchTime": (seconds, "Seconds")}

    async def give_up(self, message: Message, *, cause: str) -> None:
        """End a published batch FAILED if its mail could not be sent in any attempt; the result stands.

        Not while another delivery may be sending it: two mails would contradict each other. The sweeper does the rest.
        """
        assert isinstance(message, NotifyBatch)
        if message.unreadable:
            raise Reject("the sweeper asks for this mail again")
        batch = await self._batches.owned(message)
        if self._lease_seconds_left(batch) > 0:
            raise Reject("another attempt holds the mail claim")
        if batch.state is not BatchState.MERGED:
            return
        if batch.is_announced or await self._is_here(batch):
            await self._batches.fail(batch, BatchFailed("mail_failed", f"the mail could not be sent: {cause}"))
            return
        # The splitter finds what there is of it, and every repetition has the published bytes.
        await self._batches.nudge(await self._batches.move(batch, BatchState.ADMITTED, counts=Counts()))
        raise Reject("the published result never reached this Region: it is made again")

    async def _tell(self, batch: Batch, *, attempt: int) -> Batch:
        self._check_free(batch)
        if await self._was_mailed(batch):
            self._log.warning("mailed_before", batch_id=batch.batch_id)
            return await self._mark(await self._claim(batch))
        here = await self._is_here(batch)
        if batch.state is BatchState.MERGED and not here:
            raise Retry("the published result is not in this Region yet", delay_seconds=_REPLICATION_SECONDS)
        mail = await self._write(batch, here=here)
        # Claimed last: nothing but the send lies between the claim and its mark, so that it outlasts no lease.
        batch = await self._claim(batch)
        if batch.is_canary:
            return await self._mark(batch)  # a canary is done here: nobody needs a mail about it
        try:
            await self._send(batch, mail)
        except (NotSent, Refused) as refused:
            # Certainly nothing went out: the next attempt need not wait for the end of the claim.
            await self._batches.move(batch, batch.state, mail_claim=None)
            if isinstance(refused, Refused):
                raise
            raise Retry(str(refused), delay_seconds=_not_sent_seconds(attempt)) from refused
        except BatchFailed as refused:
            if batch.state is BatchState.FAILED:
                # The one outcome that cannot be mailed. It is recorded in the ledger.
                return await self._mark(batch)
            await self._batches.fail(batch, refused)
            raise Reject(f"the mail was refused: {refused}") from refused
        return await self._mark(batch)

    async def _write(self, batch: Batch, *, here: bool) -> Mail:
        """Write the mail; `here`: what the batch published, if anything, can be downloaded."""
        found = await self._rejects(batch) if here else NOTHING_FOUND
        try:
            links = Downloads(
                result=await self._links.sign(batch.published.result_key) if batch.published and here else None,
                rejects=await self._links.sign(found.key) if found.key else None,
            )
        except Refused:
            if batch.state is not BatchState.FAILED:
                raise
            links = Downloads(result=None, rejects=None)  # its mail says what to do all the same, and may be about this
        return compose(
            batch,
            sender=self._settings.sender,
            recipients=self._recipients(batch),
            links=links,
            rejected=found.rejected,
            job=loaded.job if (loaded := self._catalog.get(batch.job)) else None,
        )

    async def _send(self, batch: Batch, mail: Mail) -> None:
        """Hand the mail over within the claim's lease."""
        seconds = self._lease_seconds_left(batch) - self._settings.claim_lease_seconds * _MARK_SHARE
        if seconds <= 0:
            raise Unavailable("the ledger's answer to the mail claim took nearly as long as its lease")
        try:
            async with asyncio.timeout(seconds):
                await self._mailer.send(mail)
        except TimeoutError as error:
            raise Unavailable("the mail service did not answer within the claim's lease") from error

    async def _is_here(self, batch: Batch) -> bool:
        """Return whether this Region has what the mail offers: another owner may have published it in the other one."""
        published = batch.published
        if published is None:
            return True
        if published.result_key.startswith(
            paths.output_prefix(batch.job, batch.batch_id, batch.owner_epoch, batch.plan_id or "")
        ):
            return True
        offered = [published.result_key] + [published.rejects_key] * bool(batch.counts.rejects)
        return all([await self._objects.head(key) is not None for key in offered])

    def _check_free(self, batch: Batch) -> None:
        """Raise `Retry` while another attempt may be sending this run's mail."""
        left = self._lease_seconds_left(batch)
        if left > 0:
            raise Retry("another attempt holds the mail claim", delay_seconds=int(left) + 1)

    def _lease_seconds_left(self, batch: Batch) -> float:
        """Return for how long the claim of this run still keeps others from sending; never more than a lease."""
        held = batch.mail_claim
        if held is None or held.run != batch.run:
            return 0.0
        lease_seconds = self._settings.claim_lease_seconds
        # A claim from the future was written by a faster clock: it is as good as new.
        return min(lease_seconds, lease_seconds - (self._clock.now() - held.claimed_at).total_seconds())

    async def _claim(self, batch: Batch) -> Batch:
        """Claim the right to send this run's mail (S4 of docs/simulation.md)."""
        claim = MailClaim(run=batch.run, epoch=batch.owner_epoch, claimed_at=self._clock.now())
        return await self._ledger.claim_mail(batch, claim)

    async def _mark(self, batch: Batch) -> Batch:
        assert batch.mail_claim is not None
        claim = replace(batch.mail_claim, sent_at=self._clock.now())
        state = BatchState.NOTIFIED if batch.state is BatchState.MERGED else batch.state
        return await self._batches.move(batch, state, mail_claim=claim)

    def _recipients(self, batch: Batch) -> tuple[Address, ...]:
        loaded = offered(self._catalog).get(batch.job)
        return loaded.job.addresses if loaded else self._settings.operators

    async def _was_mailed(self, batch: Batch) -> bool:
        """Return whether the input is archived: the batch was completed, and the ledger has been restored since."""
        if batch.state is not BatchState.MERGED or batch.is_canary:
            return False
        try:
            return await self._objects.head(_archived(batch)) is not None
        except Refused as refused:
            # The mail is due whether or not the archive may be read: a second copy after a restore is the lesser evil.
            self._log.warning("archive_not_read", batch_id=batch.batch_id, error=str(refused))
            return False

    async def _archive(self, batch: Batch) -> None:
        """Copy the input version to `archive/`, then delete it from `input/` unless a newer version took its place.

        A canary is only deleted.
        """
        source = await self._objects.find_version(batch.source.key, batch.source.version_id)
        if source is None:
            return
        if not batch.is_canary:
            try:
                await self._objects.copy(source, _archived(batch))  # a second time it writes the same again
            except NotFound:
                return
        await self._objects.delete(batch.source.key, if_version_is=source.version_id)


def _archived(batch: Batch) -> str:
    """Return where the batch's input lies once the batch is completed."""
    name = paths.parse_input_key(batch.source.key)
    return paths.archive_key(batch.job, batch.batch_id, name.name if name else batch.source.key)


def _not_sent_seconds(attempt: int) -> int:
    """Return when to retry: a rate is over within a minute, a quota of 24 hours is free again bit by bit.

    SES has one code for both. Five attempts take 12 hours; SQS keeps a message invisible no longer.
    """
    return min(60 * 10 ** (attempt - 1), 36_000)
