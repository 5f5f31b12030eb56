"""How a CSV file is written (delimiter, encoding, ...), and what makes it unreadable as a whole."""

from dataclasses import dataclass
from typing import Final, Literal, Self

LF: Final = 0x0A
CR: Final = 0x0D
RECORD_BYTES_MAX: Final = 1024 * 1024
"""A larger record is almost always an unclosed quote, which must not make one record of the rest of the file."""

type DefectCode = Literal["record_too_large", "unbalanced_quote"]


@dataclass(frozen=True, slots=True)
class Syntax:
    """Delimiter and quote as byte values; they differ, and neither is LF, CR or NUL. Raises `ValueError` if not."""

    delimiter: int
    quote: int

    @classmethod
    def of(cls, delimiter: str, quote: str) -> Self:
        """Return it from two ASCII characters, as a job's dialect names them."""
        return cls(ord(delimiter), ord(quote))

    def __post_init__(self) -> None:
        special = {0, LF, CR}
        if self.delimiter == self.quote or {self.delimiter, self.quote} & special:
            raise ValueError(f"delimiter {self.delimiter} and quote {self.quote} must be two plain bytes")


class CsvDefect(ValueError):
    """The file cannot be cut into records. The text is for its sender.

    `record_number` counts from 1, 0 is the header; `byte_offset` is where that record starts.
    """

    def __init__(
        self, code: DefectCode, text: str, *, record_number: int, byte_offset: int, column: int | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.record_number = record_number
        self.byte_offset = byte_offset
        self.column = column
        """In which it shows, counted from 1."""
