"""The mail about a batch whose row in the ledger cannot be read.

Other mails are claimed in the batch's row; this one is claimed beside the ledger, in this Region, since such a row
cannot be written.
"""

import asyncio
from datetime import timedelta

from baton.catalog import Catalog, offered
from baton.errors import BatchFailed, NotSent, Refused, Reject, Retry, Unavailable
from baton.ports import Clock, Heartbeats, Ledger, Mailer
from notifier.domain import compose_notice
from notifier.settings import NotifierSettings


class Notice:
    """Tells the people of a batch, once in this Region, that it is not processed."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        heartbeats: Heartbeats,
        mailer: Mailer,
        catalog: Catalog,
        clock: Clock,
        settings: NotifierSettings,
    ) -> None:
        self._ledger = ledger
        self._heartbeats = heartbeats
        self._mailer = mailer
        self._catalog = catalog
        self._clock = clock
        self._settings = settings

    async def send(self, batch_id: str) -> None:
        """Send it, to the people of the batch's job or else to the operators.

        Raises `Reject` if there is nothing to tell, or somebody told it, or is about to.
        """
        row = await self._ledger.unreadable(batch_id)
        if row is None:
            raise Reject("the batch's row is gone, or can be read by now")
        loaded = offered(self._catalog).get(row.job or "")
        to = loaded.job.addresses if loaded else self._settings.operators
        mail = compose_notice(row, sender=self._settings.sender, recipients=to)
        lease = timedelta(seconds=self._settings.claim_lease_seconds)
        if not await self._heartbeats.claim_notice(batch_id, at=self._clock.now(), lease=lease):
            raise Reject("the mail about this row is out, or somebody is sending it")
        try:
            async with asyncio.timeout(lease.total_seconds() / 2):
                await self._mailer.send(mail)
        except (NotSent, Refused) as refused:
            raise Retry(str(refused), delay_seconds=int(lease.total_seconds()) + 1) from refused
        except TimeoutError as error:
            raise Unavailable("the mail service did not answer within the claim's lease") from error
        except BatchFailed as refused:
            await self._heartbeats.notice_sent(batch_id, at=self._clock.now())
            raise Reject(f"the mail was refused: {refused}") from refused
        await self._heartbeats.notice_sent(batch_id, at=self._clock.now())
