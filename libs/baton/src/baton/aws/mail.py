"""Mail through SES v1's SendRawEmail, which AWS and every emulator have."""

from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from botocore.exceptions import ClientError

from baton.aws.clients import SES
from baton.aws.failures import code_of, translated
from baton.errors import BatchFailed
from baton.ports.mail import Mail

_REFUSED: Final = frozenset({"MessageRejected", "MailFromDomainNotVerifiedException", "InvalidParameterValue"})
"""What will be refused again, however often it is sent: an unverified sender, an address that is none."""


class SesMailer:
    """Sends mails of HTML and text."""

    def __init__(self, client: SES) -> None:
        self._client = client

    @translated()
    async def send(self, mail: Mail) -> str:
        try:
            raw = mime(mail)
        except (ValueError, UnicodeError) as error:
            raise BatchFailed("mail_refused", f"the mail cannot be written: {error}") from error
        client = await self._client()
        try:
            answer = await client.send_raw_email(
                Source=mail.sender, Destinations=list(mail.recipients), RawMessage={"Data": raw}
            )
        except ClientError as error:
            if code_of(error) not in _REFUSED:
                raise
            raise BatchFailed("mail_refused", f"the mail service refused the mail: {error}") from error
        return answer["MessageId"]


def mime(mail: Mail) -> bytes:
    """Return the mail as RFC 5322 bytes. Raises `ValueError` or `UnicodeError` for an address that cannot be one.

    SES puts a Message-ID of its own over ours, so `X-Baton-Batch` repeats it: a filter or a person can tell a second
    send by that.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.recipients)
    # A file name may hold a line end, a header may not.
    message["Subject"] = " ".join(mail.subject.split())
    message["Message-ID"] = f"<{mail.message_id}@baton>"
    message["X-Baton-Batch"] = mail.message_id
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message.as_bytes()
