"""Recognises files that are not CSV text by their first bytes.

The rules are strict, so that no CSV file is taken for something else, whatever its columns are called: `<id>,{name}`
is a header.
"""

import string
from typing import Final

from baton.foreign.binary import binary
from baton.foreign.drawn import drawn
from baton.foreign.encoded import encoded
from baton.foreign.json_text import is_json
from baton.foreign.kinds import EXPORT, WHITE, Foreign
from baton.foreign.markup import markup
from baton.foreign.signatures import signed
from baton.foreign.text_forms import form_of

__all__ = ["HEAD_BYTES", "Foreign", "recognise"]

HEAD_BYTES: Final = 4_096
"""Enough for all of it: what lies behind may be anything."""
_JSON: Final = Foreign("JSON", EXPORT)


def recognise(head: bytes, *, delimiter: int) -> Foreign | None:
    """Return what a file is that begins with `head` (its first `HEAD_BYTES`, or all of it); None if it may be CSV."""
    is_whole = len(head) < HEAD_BYTES
    unmarked = head.removeprefix(b"\xef\xbb\xbf")
    text = unmarked.lstrip(WHITE.replace(bytes([delimiter]), b""))
    if is_json(text, is_whole=is_whole, delimiter=delimiter):
        return _JSON
    # No signature is broken by it but one that holds a character which delimits this job's columns.
    replaced = bytes.maketrans(bytes([delimiter]), b",") if chr(delimiter) not in string.printable else None
    return (
        signed(unmarked.translate(replaced), text.translate(replaced))
        or markup(text, delimiter=delimiter, is_whole=is_whole)
        or form_of(text, delimiter=delimiter)
        or drawn(text, indented=unmarked, delimiter=delimiter)
        or encoded(text, delimiter=delimiter)
        or binary(head, delimiter=delimiter)
    )
