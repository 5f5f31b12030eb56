"""Hints on what to run next, ready to paste: with the options that select the same world."""

import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

_GIVEN: Final[ContextVar[tuple[str, ...]]] = ContextVar("given", default=())
"""Of one run of the command, set where it begins: what renders an answer needs not be handed it."""


def keep(options: Sequence[str]) -> None:
    """Have the hints of this run carry these options. What the environment says stays there, and is none of them."""
    _GIVEN.set(tuple(options))


def baton() -> str:
    """Return how the command is called to reach the same world: `baton`, or `baton --directory …`."""
    return " ".join(["baton", *map(shlex.quote, _GIVEN.get())])


def has_options() -> bool:
    """Say whether `baton()` is longer than the word."""
    return bool(_GIVEN.get())
