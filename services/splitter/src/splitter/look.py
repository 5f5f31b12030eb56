"""A look at the file before anything in it is believed: is it text at all, and of the job's encoding."""

import codecs
import re
import unicodedata
from functools import cache
from typing import Final

from baton.encoding import UTF8, marked_as
from baton.errors import BatchFailed
from baton.foreign import HEAD_BYTES, recognise
from baton.job import Dialect

_LONE: Final = f"[^\x00-\u017f\u0800-\U0010ffff{''.join(map(chr, range(0x1A0, 0x800, 0x40)))}]"
"""A character that text in one byte each may hold as a letter and a sign, `É®`; but not as one and a space that does
not break (`Ø 20`), which stands before words as well."""
_CERTAIN: Final = re.compile(
    f"[\u0080-\u017f\u0370-\u045f\u0800-\U0010ffff]|[\u0180-\u07ff]{{2}}|[A-Za-z]{_LONE}[A-Za-z]"
)
"""What shows that a text was meant as UTF-8."""
_TWO_BYTES: Final = [(first, second) for first in range(0xC6, 0xE0) for second in range(0x80, 0xC0)]
"""UTF-8 of U+0180 to U+07FF: other letters, and the accents of text in Unicode's decomposed form."""
_LIKELY: Final = re.compile(f"{_LONE}(?=[A-Za-z])")
"""A sign that stands before a word, and after none: a letter, if it happens again and again."""
_LIKELY_MIN: Final = 3


class Look:
    """Takes the file's bytes in order and gives them on, the first `HEAD_BYTES` only when they were looked at.

    Raises `BatchFailed`: `not_csv` for what is no text, `encoding` for text of another encoding than the job's.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._head: bytes | None = b""
        """What came, until it is enough to judge; None from then on."""
        self._utf8 = None if dialect.encoding in (UTF8, "ascii") else _Utf8Throughout(dialect.encoding)

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
        rest = b"" if self._head is None else self._pass_head()
        if self._utf8 and self._utf8.is_certain:
            raise BatchFailed("encoding", f"the file is UTF-8 throughout, {_but_job_reads(self._dialect)}")
        return rest

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
    """Whether a text that should have one byte per character is UTF-8. Costs next to nothing once it is not."""

    def __init__(self, encoding: str) -> None:
        self._inside_word = _never_behind_small_letters(encoding)
        self._decoder = codecs.getincrementaldecoder(UTF8)()
        self._refuted = False
        self._likely = 0
        self._seen = False
        self._last = ""
        """The last two characters, since the next ones may show what they are."""

    @property
    def is_certain(self) -> bool:
        """Say so if every character beyond ASCII so far is UTF-8, and one at least is nothing else."""
        return self._seen and not self._refuted

    def feed(self, block: bytes) -> None:
        """Take the next bytes. A character may begin in one block and end in the next."""
        if self._refuted or (block.isascii() and self._last.isascii() and not self._decoder.getstate()[0]):
            self._last = block[-1:].decode("ascii", "replace")
            return
        try:
            text = self._last + self._decoder.decode(block)
        except UnicodeDecodeError:
            self._refuted = True
            return
        if not self._seen:
            # A character that may go on was not counted with what came before it.
            self._likely += len(_LIKELY.findall(text, max(len(self._last) - 1, 0)))
            self._seen = self._likely >= _LIKELY_MIN or bool(_CERTAIN.search(text) or self._inside_word.search(text))
        self._last = text[-2:]


@cache
def _never_behind_small_letters(encoding: str) -> re.Pattern[str]:
    """Find what would be, in one byte per character, an accented capital and a sign inside a word, as `eÌ€` (`è`).

    Only of encodings whose capitals are Latin. Not of `Spaß®`: this is no capital; nor of `aÇš`.
    """
    meant = [
        chr((first & 0x1F) << 6 | second & 0x3F)
        for first, second in _TWO_BYTES
        if _is_latin_capital(bytes([first]).decode(encoding, "ignore"))
        and not bytes([second]).decode(encoding, "ignore").islower()
    ]
    return re.compile(f"[a-z][{''.join(meant)}]" if meant else "(?!)")


def _is_latin_capital(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN CAPITAL") if character else False
