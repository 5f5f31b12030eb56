"""The kinds of files that are not CSV text, with the names that their senders use."""

from dataclasses import dataclass
from typing import Final

from baton.job import Dialect

USUAL_DELIMITERS: Final = b",;\t|"
WHITE: Final = b" \t\r\n\v\f"
_LINES_COMPARED: Final = (2, 3)
"""At least, and at most."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a file is ("a gzip file") and what its sender can do about it: ends of two sentences."""

    what: str
    remedy: str
    """With places for what the receiver reads: see `told`."""

    def told(self, dialect: Dialect) -> str:
        """Return both as one sentence, for files that are to be written like this."""
        in_excel = f" ({dialect.in_excel})" if dialect.in_excel else ""
        remedy = self.remedy.format(csv=dialect.described, excel=in_excel)
        return f"this is not CSV text but {self.what}: {remedy}"


UNPACK: Final = "unpack it and send the CSV file that is in it"
SAVE_SHEET: Final = "save its sheet as {csv}{excel} and send that"
EXPORT: Final = "export its table as {csv} and send that"
FETCH: Final = "something answered in place of the file: look at it, get the file again and send that"
DECRYPT: Final = "decrypt it and send the CSV file that is in it"
DECODE: Final = "decode it and send the CSV file that is in it"
ENCODE: Final = "save it as {csv} and send that"
INSTEAD: Final = "send the CSV file instead"


def is_table(text: bytes, delimiters: bytes) -> bool:
    """Return whether the first lines have the same number of some delimiter outside quotes, and at least one."""
    lines = [line for line in text.splitlines() if line.strip()]
    least, most = _LINES_COMPARED
    if not text.endswith((b"\n", b"\r")):  # the last one may be cut off
        lines = lines[: max(least, len(lines) - 1)]
    compared = lines[:most]
    if len(compared) < least:
        return False
    unquoted = [b"".join(line.split(b'"')[::2]) for line in compared]
    counts = ({line.count(bytes([delimiter])) for line in unquoted} for delimiter in delimiters)
    return any(len(each) == 1 and each != {0} for each in counts)
