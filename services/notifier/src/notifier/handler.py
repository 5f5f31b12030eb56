"""Tells the people of a batch how it ended, then files the input away."""

from dataclasses import replace
from datetime import timedelta

from baton.batches import Batches
from baton.catalog import Catalog
from baton.errors import BatchFailed, NotFound, Reject, Retry
from baton.messages import Message
from baton.model import paths
from baton.model.batch import Batch, MailClaim
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, Mailer, ObjectStore
from baton.ports import Links as LinkSigner
from notifier.domain import Links, compose
from notifier.settings import NotifierSettings

_TO_TELL = (BatchState.MERGED, BatchState.FAILED)


class Notifier:
    """Handles `NotifyBatch`: claim, link, mail, mark, COMPLETED, archive. Each step is taken up where it was left."""

    def __init__(
        self,
        *,
        batches: Batches,
        ledger: Ledger,
        objects: ObjectStore,
        mailer: Mailer,
        links: LinkSigner,
        catalog: Catalog,
        clock: Clock,
        settings: NotifierSettings,
    ) -> None:
        self._batches = batches
        self._ledger = ledger
        self._objects = objects
        self._mailer = mailer
        self._links = links
        self._catalog = catalog
        self._clock = clock
        self._settings = settings

    async def handle(self, message: Message, *, attempt: int) -> None:
        """Take the batch from MERGED to COMPLETED and archived, or announce that it FAILED."""
        del attempt
        batch = await self._batches.owned(message)
        if batch.state in _TO_TELL and not batch.is_announced:
            batch = await self._tell(batch)
        if batch.state is BatchState.NOTIFIED:
            batch = await self._batches.move(batch, BatchState.COMPLETED)
        if batch.state is BatchState.COMPLETED:
            await self._archive(batch)

    async def give_up(self, message: Message, *, cause: str) -> None:
        """End a published batch FAILED if its mail could not be sent in any attempt; the result stands."""
        batch = await self._batches.owned(message)
        if batch.state is BatchState.MERGED:
            await self._batches.fail(batch, BatchFailed("mail_failed", f"the mail could not be sent: {cause}"))

    async def _tell(self, batch: Batch) -> Batch:
        batch = await self._claim(batch)
        mail = compose(
            batch,
            sender=self._settings.sender,
            recipients=self._recipients(batch),
            links=await self._sign(batch),
        )
        try:
            await self._mailer.send(mail)
        except BatchFailed as refused:
            if batch.state is BatchState.FAILED:
                # The one outcome that cannot be announced. It is on record, and nothing more can be done by mail.
                return await self._mark(batch)
            await self._batches.fail(batch, refused)
            raise Reject(f"the mail was refused: {refused}") from refused
        return await self._mark(batch)

    async def _claim(self, batch: Batch) -> Batch:
        """Become the one who sends this run's mail. Raises `Retry` while somebody else may be sending it."""
        now = self._clock.now()
        held = batch.mail_claim
        if held and held.run == batch.run:
            lease_ends = held.claimed_at + timedelta(seconds=self._settings.claim_lease_seconds)
            if now < lease_ends:
                raise Retry(
                    "another attempt holds the mail claim",
                    delay_seconds=int((lease_ends - now).total_seconds()) + 1,
                )
        return await self._ledger.claim_mail(batch, MailClaim(run=batch.run, epoch=batch.owner_epoch, claimed_at=now))

    async def _mark(self, batch: Batch) -> Batch:
        assert batch.mail_claim is not None
        claim = replace(batch.mail_claim, sent_at=self._clock.now())
        state = BatchState.NOTIFIED if batch.state is BatchState.MERGED else batch.state
        return await self._batches.move(batch, state, mail_claim=claim)

    async def _sign(self, batch: Batch) -> Links:
        if batch.published is None or batch.state is BatchState.FAILED:
            return Links(result=None, rejects=None)
        return Links(
            result=await self._links.sign(batch.published.result_key),
            rejects=await self._links.sign(batch.published.rejects_key) if batch.counts.rejects else None,
        )

    def _recipients(self, batch: Batch) -> tuple[str, ...]:
        loaded = self._catalog.get(batch.job)
        return loaded.job.recipients if loaded else self._settings.operators

    async def _archive(self, batch: Batch) -> None:
        """Copy the input version to `archive/`, then hide it from `input/` unless a newer version took its place."""
        source = await self._objects.find_version(batch.source.key, batch.source.version_id)
        if source is None:
            return
        name = paths.parse_input_key(batch.source.key)
        target = paths.archive_key(batch.job, batch.batch_id, name.name if name else batch.source.key)
        if await self._objects.head(target) is None:
            try:
                await self._objects.copy(batch.source.key, target, version_id=source.version_id)
            except NotFound:
                return
        await self._objects.delete(batch.source.key, if_version_is=source.version_id)
