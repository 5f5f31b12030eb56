"""The messages on all queues: small, frozen, versioned. Parsed tolerantly, written strictly.

A message says *which* step of *which* batch under *which* epoch; everything else is read from the ledger, the plan or
the progress table when it is handled, so that a late message can never carry stale data into a batch.
"""

import operator
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from baton.model.identity import is_canary_id

__all__ = [
    "APART",
    "CANARY",
    "KINDS",
    "LANES",
    "LARGE",
    "OF_USERS",
    "ORDINARY",
    "Kind",
    "Lane",
    "MergeBatch",
    "Message",
    "NotifyBatch",
    "ProcessChunk",
    "SplitBatch",
    "lane_of",
    "log_fields",
    "parse",
    "step_of",
]


class _Base(BaseModel):
    # A newer sender may add fields: an older reader ignores them. `version` is raised when a meaning changes.
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    batch_id: str = Field(min_length=1, max_length=64)
    owner_epoch: int = Field(ge=0)
    large: bool = Field(default=False, exclude_if=operator.not_)
    """Whether its batch is a large one (`Batch.is_large`), which goes by a lane of its own. Written only if it is true,
    so that every other message stays as it was."""
    apart: bool = Field(default=False, exclude_if=operator.not_)
    """Whether its batch continues apart (`Batch.is_apart`). Written only if it is true, as `large` is."""


class SplitBatch(_Base):
    """Plan this batch and queue its chunks. Sent at admission, after a retry, a resume and a takeover."""

    kind: Literal["split"] = "split"


class ProcessChunk(_Base):
    """Make the part of one chunk."""

    kind: Literal["chunk"] = "chunk"
    plan_id: str
    index: int = Field(ge=0)
    resume: bool = False
    """Sent again after a crash, retry or takeover: look for a finished part before doing the work."""


class MergeBatch(_Base):
    """Every chunk is done: check the books and publish."""

    kind: Literal["merge"] = "merge"


class NotifyBatch(_Base):
    """The batch is published, or failed: mail its recipients."""

    kind: Literal["notify"] = "notify"
    unreadable: bool = Field(default=False, exclude_if=operator.not_)
    """Sent for a batch whose row cannot be read: tell its recipients that it is not processed. Written only if it is
    true, so that every other message stays as it was."""


type Message = SplitBatch | ProcessChunk | MergeBatch | NotifyBatch
type Kind = Literal["split", "chunk", "merge", "notify"]

KINDS: Final[tuple[Kind, ...]] = ("split", "chunk", "merge", "notify")

type Lane = Literal["ordinary", "large", "apart", "canary"]
"""Each has its own queue of every kind, and in every service its own slots and its own thread that computes."""
LANES: Final[tuple[Lane, ...]] = ("ordinary", "large", "apart", "canary")
ORDINARY: Final[Lane] = "ordinary"
LARGE: Final[Lane] = "large"
APART: Final[Lane] = "apart"
CANARY: Final[Lane] = "canary"
OF_USERS: Final[tuple[Lane, ...]] = (ORDINARY, LARGE, APART)

_ADAPTER: Final[TypeAdapter[Message]] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def parse(body: str | bytes) -> Message:
    """Read a message body. Raises `pydantic.ValidationError`, a `ValueError`, for anything that is none."""
    return _ADAPTER.validate_json(body)


def lane_of(message: Message) -> Lane:
    """Return the lane by which a message goes: nothing but canaries by theirs, and no canary by another."""
    if is_canary_id(message.batch_id):
        return CANARY
    if message.apart:
        return APART
    return LARGE if message.large else ORDINARY


def step_of(message: Message) -> str:
    """Return what a message asks for, within its batch and under its owner: the same for a message sent again."""
    chunk = f"#{message.plan_id}#{message.index}" if isinstance(message, ProcessChunk) else ""
    return f"{message.kind}#{message.owner_epoch}{chunk}"


def log_fields(message: Message) -> dict[str, object]:
    """Return what names a message in a log line."""
    return {
        "kind": message.kind,
        "batch_id": message.batch_id,
        "lane": lane_of(message),
        "chunk_index": message.index if isinstance(message, ProcessChunk) else None,
        "epoch": message.owner_epoch,
    }
