"""Reads single records field by field: slow and exact."""

import re
from functools import cache

from baton.csv.syntax import Syntax


def fields(record: bytes, syntax: Syntax) -> tuple[bytes, ...]:
    """Return the unquoted fields of one record, given without its terminator; at least one field."""
    return tuple(_unquoted(raw, syntax) for raw in _raw_fields(record, syntax))


def _raw_fields(record: bytes, syntax: Syntax) -> list[bytes]:
    quote, delimiter = bytes([syntax.quote]), bytes([syntax.delimiter])
    if not record.startswith(quote) and delimiter + quote not in record:
        return record.split(delimiter)
    return _raw_pattern(syntax).findall(record)


def _unquoted(raw: bytes, syntax: Syntax) -> bytes:
    quoted = _quoted_pattern(syntax).match(raw)
    if quoted is None:
        return raw
    quote = bytes([syntax.quote])
    return quoted[1].replace(2 * quote, quote) + raw[quoted.end() :]


def quoted_body(syntax: Syntax) -> bytes:
    """Return a pattern for the bytes between an opening quote and its closing one, or the end."""
    quote = re.escape(bytes([syntax.quote]))
    return rb"[^%b]*+(?:%b%b[^%b]*+)*+" % (quote, quote, quote, quote)


@cache
def _raw_pattern(syntax: Syntax) -> re.Pattern[bytes]:
    quote, delimiter = (re.escape(bytes([byte])) for byte in (syntax.quote, syntax.delimiter))
    body = quoted_body(syntax)
    return re.compile(rb"(?:\A|%b)((?:%b%b%b?)?[^%b]*+)" % (delimiter, quote, body, quote, delimiter))


@cache
def _quoted_pattern(syntax: Syntax) -> re.Pattern[bytes]:
    quote = re.escape(bytes([syntax.quote]))
    return re.compile(rb"%b(%b)%b?" % (quote, quoted_body(syntax), quote))
