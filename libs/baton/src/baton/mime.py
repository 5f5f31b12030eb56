"""Encodes a mail as the bytes that are sent, and checks what a mail service would refuse. For adapters, stand-ins."""

import email
from collections.abc import Sequence
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from typing import Final

from baton.address import RECIPIENTS_MAX, Address
from baton.ports.mail import Mail

__all__ = ["RAW_BYTES_MAX", "accepted", "mime", "refusal"]

RAW_BYTES_MAX: Final = 10 * 1024 * 1024
"""Of a whole message. Source: SendRawEmail, Amazon SES API reference."""
_LINE_BYTES_MAX: Final = 998
"""Of a line without its end: RFC 5321, which SES holds against each."""
_WORD_MAX: Final = 60
_ENCODED_LINE_MAX: Final = 74
"""An encoded word has at most 75 characters (RFC 2047); the library counts up to two fewer than it writes."""
_SEVEN_BIT: Final = SMTP.clone(cte_type="7bit")
"""SES keeps bytes above 127 only as long as it has nothing to change in a message."""


class _Encoded(str):
    """A header that is written as it will go out.

    The library's own would decode `=?utf-8?q?x?=` in a text first, and puts spaces into long names of other letters.
    """

    __slots__ = ("name",)
    name: str

    def fold(self, *, policy: EmailPolicy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


def _header(name: str, value: str) -> _Encoded:
    header = _Encoded(value)
    header.name = name
    return header


def _encoded(text: str, before: str) -> str:
    """Return text as encoded words, of which `before` stands left; ASCII as it is, folded between words."""
    # A line is only cut between words, an encoded one anywhere.
    plain = text.isascii() and "=?" not in text and all(len(word) <= _WORD_MAX for word in text.split())
    charset = "us-ascii" if plain else "utf-8"
    return Header(text, charset, maxlinelen=_ENCODED_LINE_MAX, header_name=before).encode(linesep=_SEVEN_BIT.linesep)


def _addresses(addresses: Sequence[Address]) -> str:
    """Return one address a line."""
    return f",{_SEVEN_BIT.linesep} ".join(
        str(each) if each.name.isascii() else f"{_encoded(each.name, 'From')} <{each.spec}>" for each in addresses
    )


def mime(mail: Mail) -> bytes:
    """Return the mail as RFC 5322 bytes, ASCII throughout.

    SES writes a Message-ID and a Date of its own over ours; what a reader, or a filter that looks for a second copy,
    sees of us is `X-Baton-Batch`.
    """
    message = EmailMessage(policy=_SEVEN_BIT)
    message["From"] = _header("From", _addresses([mail.sender]))
    message["To"] = _header("To", _addresses(mail.recipients))
    message["Subject"] = _header("Subject", _encoded(" ".join(mail.subject.splitlines()), "Subject"))
    message["Message-ID"] = f"<{mail.message_id}@baton>"
    message["X-Baton-Batch"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is to be answered with
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message.as_bytes()


def accepted(mail: Mail) -> bytes:
    """Return the mail as bytes. Raises `ValueError`, which says why SES would refuse it from any sender."""
    raw = mime(mail)  # an address beyond ASCII cannot even be written
    if why := refusal(mail.sender.spec, [each.spec for each in mail.recipients], raw):
        raise ValueError(why)
    return raw


def refusal(source: str, destinations: Sequence[str], raw: bytes) -> str | None:
    """Return why SES would refuse this message from any sender; None if it would not.

    Source: SendRawEmail and RawMessage, Amazon SES API reference.
    """
    if not 1 <= len(destinations) <= RECIPIENTS_MAX:
        return f"{len(destinations)} recipients; a message has 1 to {RECIPIENTS_MAX}"
    if len(raw) > RAW_BYTES_MAX:
        return f"the message has {len(raw):,} bytes, more than {RAW_BYTES_MAX:,}"
    if bad := next((each for each in (source, *destinations) if not _is_envelope_address(each)), None):
        return f"{bad!r} is no address of an envelope"
    if any(len(line) > _LINE_BYTES_MAX for line in raw.splitlines()):
        return f"a line has more than {_LINE_BYTES_MAX} bytes"
    return _refused_headers(raw.partition(b"\r\n\r\n")[0])


def _refused_headers(head: bytes) -> str | None:
    if not head.isascii():
        return "a header is not encoded"
    message = email.message_from_bytes(head, policy=_SEVEN_BIT)
    if missing := [name for name in ("From", "To") if not message[name]]:
        return f"there is no {' and no '.join(missing)}"
    addresses = [each.addr_spec for name in ("From", "To") for each in message[name].addresses]
    if bad := next((each for each in addresses if not _is_envelope_address(each)), None):
        return f"{bad!r} in a header is no address"
    return None


def _is_envelope_address(text: str) -> bool:
    try:
        return text.isascii() and Address.parse(text).spec.lower() == text.lower()
    except ValueError:
        return False
