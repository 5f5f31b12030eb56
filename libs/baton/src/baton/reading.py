"""Decides what happens to a batch whose input cannot be read."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from baton.errors import Archived, BatchFailed, Refused

__all__ = ["reading_input"]

_REFUSED_ATTEMPTS: Final = 3
"""Of a message: with the runner's pauses between them three minutes."""


@contextmanager
def reading_input(attempt: int, *, batch_id: str) -> Generator[None]:
    """Raise `BatchFailed("unreadable", …)` if the input is in an archive, or is refused and there were attempts enough.

    Rights that are just being given take a minute; to restore from an archive takes hours.
    """
    try:
        yield
    except Archived as archived:
        raise BatchFailed(
            "unreadable",
            f"the file is in an archive storage class and cannot be read: {archived}. Restore it and "
            f"`baton retry {batch_id}`, or "
            "upload it again in the storage class STANDARD",
        ) from archived
    except Refused as refused:
        if attempt < _REFUSED_ATTEMPTS:
            raise
        raise BatchFailed(
            "unreadable",
            f"the file is there and cannot be read: {refused}. It may be encrypted with a key that Baton has no right "
            "to, or that only its sender has: upload it without, or let Baton use the key and "
            f"`baton retry {batch_id}`",
        ) from refused
