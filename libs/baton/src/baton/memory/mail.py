"""A mailer that keeps what it sends."""

from baton.errors import BatchFailed
from baton.ports.mail import Mail


class MemoryMailer:
    """Sent mails are in `outbox`, in order. An address in `refuses`, sender or recipient, is refused for good."""

    def __init__(self) -> None:
        self.outbox: list[Mail] = []
        self.refuses: set[str] = set()

    async def send(self, mail: Mail) -> str:
        if refused := self.refuses.intersection((mail.sender, *mail.recipients)):
            raise BatchFailed("mail_refused", f"the mail service refused {', '.join(sorted(refused))}")
        self.outbox.append(mail)
        return f"memory-{len(self.outbox):06d}"
