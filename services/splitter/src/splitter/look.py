"""Checks, before anything is parsed, that a file is text and in the job's encoding."""

import codecs
from typing import Final

from baton.encoding import UTF8, marked_as
from baton.errors import BatchFailed
from baton.foreign import HEAD_BYTES, recognise
from baton.job import Dialect
from splitter.oddities import Oddities, scripts_of

_WEIGHED_BYTES: Final = 2 * 1024
"""How much is weighed at once; where all of it is ASCII, that costs nothing."""
_WEIGHED_MAX: Final = 20_000
"""Bytes beyond ASCII that are weighed; the rest is only decoded."""
_ASCII: Final = bytes(range(128))


class Look:
    """Takes the file's bytes in order and gives them on, the first `HEAD_BYTES` only when they were looked at.

    Raises `BatchFailed`: `not_csv` for what is no text, `encoding` for text of another encoding than the job's.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._head: bytes | None = b""
        """What came, until it is enough to judge; None from then on."""
        settled = dialect.encoding in (UTF8, "ascii") or dialect.encoding_is_certain
        self._utf8 = None if settled else _Utf8Throughout(dialect.encoding)

    def feed(self, block: bytes) -> bytes:
        """Return what may be read of the file now: nothing, what was held back and the block, or the block."""
        if self._utf8:
            self._utf8.feed(block)
        if self._head is None:
            return block
        self._head += block
        return self._pass_head() if len(self._head) >= HEAD_BYTES else b""

    def finish(self) -> bytes:
        """Say that the file ends here; return what was held back."""
        return b"" if self._head is None else self._pass_head()

    def settle(self) -> None:
        """Say that the file is in the job's encoding, whatever else it looks like: its header has shown it."""
        self._utf8 = None

    def check_encoding(self) -> None:
        """Raise `BatchFailed` (`encoding`) if the whole file, after `finish`, is UTF-8 and the job reads another."""
        if self._utf8 and self._utf8.is_likely():
            raise BatchFailed(
                "encoding",
                f"the file is UTF-8 throughout, {_but_job_reads(self._dialect)} (or, if it is {self._dialect.encoding} "
                "and only looks like UTF-8, dialect.encoding_is_certain)",
            )

    def _pass_head(self) -> bytes:
        head, self._head = self._head or b"", None
        _check_mark(head, self._dialect)
        foreign = recognise(head[:HEAD_BYTES], delimiter=ord(self._dialect.delimiter))
        if foreign:
            raise BatchFailed("not_csv", f"this is not CSV text but {foreign.what}: {foreign.remedy}")
        return head


def _check_mark(head: bytes, dialect: Dialect) -> None:
    marked = marked_as(head)
    if marked is None or (marked == "UTF-8" and dialect.encoding == UTF8):
        return
    if marked == "UTF-8":
        raise BatchFailed("encoding", f"a byte order mark says that the file is UTF-8, {_but_job_reads(dialect)}")
    raise BatchFailed("encoding", f"a byte order mark says that the file is {marked}: save it as {dialect.encoding}")


def _but_job_reads(dialect: Dialect) -> str:
    encoding = dialect.encoding
    return f"but the job reads {encoding}: save it as {encoding}, or set the job's dialect.encoding to utf-8"


class _Utf8Throughout:
    """Whether a text that should have one byte per character is UTF-8. Costs next to nothing once it is not.

    Few words are enough to refute it, but a short one, as `RÓŻNE`, may be valid UTF-8 by chance. So both readings of
    what is valid are weighed by how little they look like words.
    """

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(UTF8)()
        self._refuted = False
        self._seen = False
        self._readings = [_Reading(UTF8, scripts_of(encoding)), _Reading(encoding, scripts_of(encoding))]
        self._weighed = 0

    def is_likely(self) -> bool:
        """Say whether the text, which ends here, is UTF-8. In doubt it is: a refusal is seen, wrong letters are not."""
        as_utf8, as_due = [reading.finish() for reading in self._readings]
        return self._seen and not self._refuted and as_utf8 <= as_due

    def feed(self, block: bytes) -> None:
        """Take the next bytes. A character may begin in one block and end in the next."""
        if self._refuted:
            return
        try:
            self._seen |= not self._decoder.decode(block).isascii()
        except UnicodeDecodeError:
            self._refuted = True
            return
        step = max(len(block), 1) if block.isascii() else _WEIGHED_BYTES
        for at in range(0, len(block), step):
            if self._weighed >= _WEIGHED_MAX:
                return
            piece = block[at : at + step]
            if piece.isascii():
                piece = piece[:1] + piece[max(len(piece) - 3, 1) :]  # what stands beside other characters
            self._weighed += len(piece.translate(None, _ASCII))
            for reading in self._readings:
                reading.feed(piece)


class _Reading:
    """The text that bytes are in one encoding, and what is odd about it."""

    def __init__(self, encoding: str, scripts: frozenset[str]) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._oddities = Oddities(scripts)

    def feed(self, piece: bytes) -> None:
        self._oddities.feed(self._decoder.decode(piece))

    def finish(self) -> int:
        """Return how much is odd about all of it."""
        self._oddities.finish()
        return self._oddities.count
