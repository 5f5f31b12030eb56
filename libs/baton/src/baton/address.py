"""Parses mail addresses as people write them, when a job or a setting is loaded, so that errors show early.

People write `Jörg Müller <joerg@bücher.example>`; a mail service needs `joerg@xn--bcher-kva.example` in its envelope
and an encoded name in the headers. SES accepts addresses in ASCII characters only.
"""

import re
from dataclasses import dataclass
from email.headerregistry import Address as HeaderAddress
from typing import Annotated, Final, Self

import idna
from pydantic import AfterValidator, BeforeValidator, Field

__all__ = ["RECIPIENTS_MAX", "Address", "GivenAddress", "Recipients", "WrittenRecipients"]

RECIPIENTS_MAX: Final = 50
"""Of one message, for SES. Source: SendRawEmail, Amazon SES API reference."""
_NAME_CHARACTERS_MAX: Final = 100
_LOCAL_CHARACTERS_MAX: Final = 64
_LOCAL: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
"""RFC 5321's dot-string. Its quoted form, which may hold spaces, is in use nowhere and refused by many."""
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Address:
    """One address: `local@domain` in ASCII, the domain in lower case and punycode; `name` is printable text or ""."""

    name: str
    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `local@domain`, `<local@domain>` or `name <local@domain>`. Raises `ValueError`, which names the text.

        A name may hold anything printable; one with an @ must be quoted, because it may be a second address.
        """
        if not text.isprintable():
            raise ValueError(f"{text!r} is no mail address: it holds a character that cannot be printed")
        name, bracket, spec = text.strip().removesuffix(">").rpartition("<")
        if bool(bracket) != text.strip().endswith(">"):
            raise ValueError(f"{text!r} is no mail address: < and > must enclose it, at its end")
        local, _, domain = spec.rpartition("@")
        if not _LOCAL.fullmatch(local) or len(local) > _LOCAL_CHARACTERS_MAX:
            raise ValueError(f"{text!r} is no mail address: it needs 1 to 64 ASCII characters before its @")
        return cls(_name(name.strip(), text), local, _domain(domain, text))

    @property
    def spec(self) -> str:
        """The address alone, as an envelope has it."""
        return f"{self.local}@{self.domain}"

    def __str__(self) -> str:
        """Return the address as people write it, the name in quotes if it needs them: what `parse` reads again."""
        return str(HeaderAddress(self.name, self.local, self.domain))


def _domain(written: str, text: str) -> str:
    try:
        domain = idna.encode(written, uts46=True).decode().lower()
    except idna.IDNAError as error:
        raise ValueError(f"{text!r} is no mail address: {error}") from error
    if "." not in domain or domain.endswith(".") or domain.rpartition(".")[2].isdecimal():
        raise ValueError(f"{text!r} is no mail address: after its @ it needs the full name of a domain")
    return domain


def _name(written: str, text: str) -> str:
    quoted = _QUOTED.fullmatch(written)
    name = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else written
    if not quoted and any(character in name for character in '@<>"'):
        raise ValueError(f"{text!r} is not one mail address: quote the name, and give each address a string of its own")
    if "=?" in name:
        raise ValueError(f"{text!r}: write the name as it reads, not encoded")
    if len(name) > _NAME_CHARACTERS_MAX:
        raise ValueError(f"{text!r}: the name has {len(name)} characters, more than {_NAME_CHARACTERS_MAX}")
    return name


def _given(value: object) -> object:
    return Address.parse(value) if isinstance(value, str) else value


def _normal(text: str) -> str:
    return str(Address.parse(text))


_ONE_MESSAGE: Final = Field(min_length=1, max_length=RECIPIENTS_MAX)

GivenAddress = Annotated[Address, BeforeValidator(_given)]
"""A field of a model that is read from text."""
Recipients = Annotated[tuple[GivenAddress, ...], _ONE_MESSAGE]
"""The same: who gets a mail, all in one message."""
WrittenRecipients = Annotated[tuple[Annotated[str, AfterValidator(_normal)], ...], _ONE_MESSAGE]
"""The same for jobs written in Python: addresses stay text, checked and normalised."""
