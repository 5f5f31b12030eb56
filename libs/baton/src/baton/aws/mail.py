"""Sends mail through SES v1's SendRawEmail, which AWS and every emulator support."""

from typing import Final

from botocore.exceptions import ClientError

from baton.aws.sdk.clients import SES
from baton.aws.sdk.failures import code_of, translated
from baton.errors import BatchFailed, NotSent
from baton.mime import accepted
from baton.ports.mail import Mail

_REFUSED: Final = frozenset({"MessageRejected", "MailFromDomainNotVerifiedException", "InvalidParameterValue"})
"""What will be refused again, however often it is sent: an unverified sender, an address that is none."""
_NOT_NOW: Final = frozenset({"AccountSendingPausedException", "Throttling", "ThrottlingException"})
"""Too many mails a second, or the quota of 24 hours used up (one code for both), or an operator paused them."""


class SesMailer:
    """Sends mails of HTML and text."""

    def __init__(self, client: SES) -> None:
        self._client = client

    @translated()
    async def send(self, mail: Mail) -> str:
        try:
            raw = accepted(mail)
        except ValueError as error:  # emulators take more than SES does
            raise BatchFailed("mail_refused", f"the mail service would refuse the mail: {error}") from error
        client = await self._client()
        try:
            answer = await client.send_raw_email(
                Source=mail.sender.spec, Destinations=[each.spec for each in mail.recipients], RawMessage={"Data": raw}
            )
        except ClientError as error:
            if code_of(error) in _NOT_NOW:
                raise NotSent(f"the mail service takes no mail now: {error}") from error
            if code_of(error) in _REFUSED:
                raise BatchFailed("mail_refused", f"the mail service refused the mail: {error}") from error
            raise
        return answer["MessageId"]
