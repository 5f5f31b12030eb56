"""Checks, before anything is parsed, that a file is text and in the job's encoding."""

import codecs
import re
from collections.abc import Sequence
from typing import Final

from baton.csv import Syntax, fields
from baton.encoding import UTF8, composed, marked_as
from baton.errors import BatchFailed
from baton.foreign import HEAD_BYTES, recognise
from baton.job import Dialect
from splitter.oddities import Oddities, scripts_of

_WEIGHED_BYTES: Final = 2 * 1024
"""How much is weighed at once; where all of it is ASCII, that costs nothing."""
_WEIGHED_MAX: Final = 20_000
"""Bytes beyond ASCII that are weighed one after the other. From then on every second piece is weighed, for two, until
there are as many again; then every fourth, and so on: a file of terabytes is weighed throughout, in a second."""
_LINE_ENDS: Final = b"\r\n"
"""However many stand at the beginning, what is looked at begins behind them."""
_ASCII: Final = bytes(range(128))
_BEYOND_ASCII: Final = re.compile("[^\0-\x7f]")
_ASCII_TO_ASCII: Final = re.compile(rb"[\0-\x7f](.*)[\0-\x7f]", re.DOTALL)


class HeadInspector:
    """Takes the file's bytes in order and gives them on, the first `HEAD_BYTES` only when they were looked at.

    Raises `BatchFailed`: `not_csv` for what is no text, `encoding` for text of another encoding than the job's.
    """

    def __init__(self, dialect: Dialect, columns: Sequence[str] | None = None) -> None:
        """Take the columns that the header must name; None if any header will do."""
        self._dialect = dialect
        self._columns = columns
        self._head: bytes | None = b""
        """What came, until it is enough to judge; None from then on."""
        settled = dialect.encoding in (UTF8, "ascii") or dialect.encoding_is_certain
        self._utf8 = None if settled else _Utf8(dialect.encoding)

    def feed(self, block: bytes | bytearray) -> bytes | bytearray:
        """Return what may be read of the file now: nothing, what was held back and the block, or the block."""
        if self._utf8:
            self._utf8.feed(block)
        if self._head is None:
            return block
        self._head += block
        seen_bytes = len(_behind_blank_lines(self._head))
        if seen_bytes >= HEAD_BYTES:
            return self._pass_head()
        if seen_bytes:
            return b""
        _check_mark(self._head, self._dialect)
        blank, self._head = self._head, b""
        return blank

    def finish(self) -> bytes:
        """Say that the file ends here; return what was held back."""
        return b"" if self._head is None else self._pass_head()

    def settle(self) -> None:
        """Say that the file is in the job's encoding, whatever else it looks like: its header has shown it."""
        self._utf8 = None

    def check_encoding(self) -> None:
        """Raise `BatchFailed` (`encoding`) if the file, after `finish`, is UTF-8 for the most part, but not the job."""
        told = self._utf8.told() if self._utf8 else None
        if told:
            raise BatchFailed(
                "encoding",
                f"{told}, {_but_job_reads(self._dialect)} (or, if it is {self._dialect.encoding} "
                "and only looks like UTF-8, dialect.encoding_is_certain)",
            )

    def _pass_head(self) -> bytes:
        head, self._head = self._head or b"", None
        _check_mark(head, self._dialect)
        first = _behind_blank_lines(head)
        foreign = recognise(first[:HEAD_BYTES], delimiter=ord(self._dialect.delimiter))
        if foreign and not self._begins_with_header(first):
            raise BatchFailed("not_csv", foreign.told(self._dialect))
        return head

    def _begins_with_header(self, text: bytes) -> bool:
        """Return whether the first line names the job's columns, and so is no other thing's, whatever it looks like."""
        dialect, line = self._dialect, text.partition(b"\n")[0]
        names = fields(line.removesuffix(b"\r"), Syntax.of(dialect.delimiter, dialect.quote))
        found = sorted(composed(name.decode(dialect.encoding, "replace")) for name in names)
        return self._columns is not None and found == sorted(self._columns)


def _behind_blank_lines(head: bytes) -> bytes:
    return head.removeprefix(codecs.BOM_UTF8).lstrip(_LINE_ENDS)


def _check_mark(head: bytes, dialect: Dialect) -> None:
    marked = marked_as(head)
    if marked is None or (marked == "UTF-8" and dialect.encoding == UTF8):
        return
    if marked == "UTF-8":
        raise BatchFailed("encoding", f"a byte order mark says that the file is UTF-8, {_but_job_reads(dialect)}")
    raise BatchFailed(
        "encoding", f"a byte order mark says that the file is {marked}: save it as {dialect.encoding_name}"
    )


def _but_job_reads(dialect: Dialect) -> str:
    encoding = dialect.encoding
    return f"but the job reads {encoding}: save it as {encoding}, or set the job's dialect.encoding to utf-8"


class _Utf8:
    """Whether a text that should have one byte per character is UTF-8, all of it or most.

    Valid UTF-8 proves nothing of a few words, as `RÓŻNE` may be that by chance, and a broken byte or a line of another
    encoding refutes nothing of a long file. So both readings are weighed by how little they look like words.
    """

    def __init__(self, encoding: str) -> None:
        scripts = scripts_of(encoding)
        self._as_utf8, self._as_due = _Reading(UTF8, scripts), _Reading(encoding, scripts)
        self._weighed = 0
        self._at = 0
        self._every = 1
        """Which pieces are weighed: each, every second, every fourth."""
        self._piece = b""
        """The result for a piece that is weighed for others too."""

    def told(self) -> str | None:
        """Return what is said of the text, which ends here, if it is UTF-8; else None.

        In doubt it is: a refusal is seen, wrong letters are not.
        """
        as_utf8, as_due = self._as_utf8.finish(), self._as_due.finish()
        if not self._as_utf8.decoded or as_utf8 > as_due:
            return None
        if not self._as_utf8.undecoded:
            return "the file is UTF-8 throughout"
        if self._every > 1:
            return "the file is UTF-8 for the most part"
        places = f"{self._as_utf8.undecoded} place{'s' if self._as_utf8.undecoded > 1 else ''}"
        return f"the file is UTF-8 but for {places} that cannot be decoded"

    def feed(self, block: bytes | bytearray) -> None:
        """Take the next bytes. A character may begin in one block and end in the next."""
        if self._every == 1 and block.isascii():
            self._weigh(block)
            self._at += len(block)
            return
        at = 0
        while at < len(block):
            piece, within = divmod(self._at, _WEIGHED_BYTES)
            skipped = -piece % self._every
            size = min(max(skipped, 1) * _WEIGHED_BYTES - within, len(block) - at)
            if not skipped:
                self._take(block[at : at + size], is_whole=within + size == _WEIGHED_BYTES)
            at += size
            self._at += size

    def _take(self, some: bytes | bytearray, *, is_whole: bool) -> None:
        if self._every == 1:
            self._weigh(some)
        else:
            # What stands before and behind is not weighed: whole lines are, or what is left of a single one.
            self._piece += some
            if not is_whole:
                return
            lines = self._piece.partition(b"\n")[2].rpartition(b"\n")[0]
            self._weigh(b"\n" + (lines or _within_ascii(self._piece)) + b"\n")
            self._piece = b""
        if self._weighed >= _WEIGHED_MAX:
            self._weighed = 0
            self._every *= 2

    def _weigh(self, piece: bytes | bytearray) -> None:
        if piece.isascii():
            piece = piece[:1] + piece[max(len(piece) - 3, 1) :]  # what stands beside other characters
        self._weighed += len(piece.translate(None, _ASCII))
        self._as_utf8.feed(piece, self._every)
        self._as_due.feed(piece, self._every)


def _within_ascii(piece: bytes) -> bytes:
    """Return what begins behind the first, and ends before the last byte of ASCII: no character is cut in two."""
    found = _ASCII_TO_ASCII.search(piece)
    return found.group(1) if found else b""


class _Reading:
    """The text that bytes are in one encoding, and what is odd about it."""

    def __init__(self, encoding: str, scripts: frozenset[str]) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._oddities = Oddities(scripts)
        self._odd = 0
        self.decoded = 0
        """Characters beyond ASCII."""
        self.undecoded = 0
        """Places that are nothing in the encoding."""

    def feed(self, piece: bytes | bytearray, weight: int) -> None:
        """Take the next piece, which stands for so many."""
        text = self._decoder.decode(piece)
        if not text.isascii():
            undecoded = text.count("\ufffd")
            self.undecoded += undecoded
            self.decoded += len(_BEYOND_ASCII.findall(text)) - undecoded
        before = self._oddities.count
        self._oddities.feed(text)
        self._odd += (self._oddities.count - before) * weight

    def finish(self) -> int:
        """Return how much is odd about all of it."""
        before = self._oddities.count
        self._oddities.finish()
        self._odd += self._oddities.count - before
        return self._odd
