"""A mailer in memory that keeps what it sends."""

from baton.errors import BatchFailed, NotSent
from baton.memory.refusals import Refusals
from baton.mime import accepted
from baton.ports.mail import Mail


class MemoryMailer:
    """Sent mails are in `outbox`, in order. It refuses what SES refuses, and any address of `refuses`."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryMailer, throttled=NotSent)
        self.outbox: list[Mail] = []
        self.refuses: set[str] = set()

    async def send(self, mail: Mail) -> str:
        try:
            accepted(mail)
        except ValueError as error:
            raise BatchFailed("mail_refused", f"the mail service would refuse the mail: {error}") from error
        addresses = [each.spec for each in (mail.sender, *mail.recipients)]
        if refused := self.refuses.intersection(addresses):
            raise BatchFailed("mail_refused", f"the mail service refused {', '.join(sorted(refused))}")
        self.refusals.check("send", *addresses)
        self.outbox.append(mail)
        return f"memory-{len(self.outbox):06d}"
