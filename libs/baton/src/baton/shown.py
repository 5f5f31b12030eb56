"""Makes foreign text safe to show in mails, pages and terminals: names of files, jobs and columns, values, reasons."""

from typing import Final

__all__ = ["NAME_CHARACTERS_MAX", "shown"]

NAME_CHARACTERS_MAX: Final = 120
"""Of a name in a line with other words."""
_HIDDEN: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""What Python calls printable and nobody sees: Unicode's default-ignorable code points, and the blank of Braille."""


def shown(text: str, most: int | None = NAME_CHARACTERS_MAX) -> str:
    r"""Return text as one printable line of at most `most` characters; None: however long it is.

    What would end the line, move the cursor, turn the direction of reading, hide itself or cannot be encoded at all is
    shown as Python writes it: `\n`, `\x1b`, `\u202e`, `\ud800`. What is cut off is shown as `…`.
    """
    # No more is looked at than can be shown: each character becomes at least one.
    head = text if most is None else text[: most + 1]
    line = "".join(letter if letter.isprintable() and letter not in _HIDDEN else ascii(letter)[1:-1] for letter in head)
    return line if most is None or len(line) <= most else f"{line[: most - 1]}…"
