"""Preconditions that every adapter checks: a broken one is a bug of the caller (`ValueError`); and stored bytes."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, cast

from baton.errors import NotFound
from baton.model.batch import Batch, MailClaim
from baton.model.control import Control
from baton.model.journal import Command, CommandState
from baton.model.paths import KEY_BYTES_MAX
from baton.model.states import TABLE, needs_takeover
from baton.ports.objects import BytesPiece, CopyPiece, JoinedPiece, Piece, Stretch
from baton.ports.progress import ChunkDone, RejectCount
from baton.ports.queues import Delivery
from baton.ports.reference import ReferenceVersion, Row, Rows
from baton.ports.rejects import StoredReject

PART_BYTES_MIN: Final = 5 * 1024 * 1024
"""S3's floor for every part of a multipart upload but the last."""
JOINED_BYTES_MAX: Final = 10 * 1024 * 1024
"""Of a joined piece. Twice the floor: what is larger can be cut in two, and the second half copied."""
PIECES_MAX: Final = 10_000
"""S3's ceiling of parts in one multipart upload."""
METADATA_BYTES_MAX: Final = 2_048
"""S3's ceiling for user metadata, names and values together."""
MESSAGE_BYTES_MAX: Final = 25 * 1024
"""Ten messages are one call, which takes 256 KiB."""
DELAY_SECONDS_MAX: Final = 900
VISIBILITY_SECONDS_MAX: Final = 12 * 3600
RECEIVE_MESSAGES_MAX: Final = 10
RECEIVE_WAIT_SECONDS_MAX: Final = 20
"""These are SQS's."""
REJECT_BYTES_MAX: Final = 300_000
"""Of a reject's texts: DynamoDB takes items of 409,600 bytes."""
REJECT_COUNTS_MAX: Final = 20
"""Of a chunk. All 9,000 rows of a batch are read at once: they must stay small."""
REJECT_TEXT_CHARACTERS_MAX: Final = 100
REFERENCE_KEY_BYTES_MAX: Final = 1_024
"""DynamoDB's ceiling for a sort key; it also refuses an empty one."""
REFERENCE_ROW_BYTES_MAX: Final = 200_000
"""Of a row's values. DynamoDB takes items of 409,600 bytes, and as JSON quotes and line ends take twice their size."""
_ROW_JSON_BYTES_MAX: Final = 400_000
"""Of the same values as JSON, in which other control characters take six times their size."""

REFERENCE_BYTES_MAX: Final = 10 * 1024**3
"""Of a table's values. All of it is counted whenever a batch is planned: these are 10,000 pages."""


def check_step(before: Batch, after: Batch) -> None:
    """Check that the state table allows this update, that it is one batch, and that it goes forward.

    `updated_at` grows, `owner_epoch` never shrinks (S1 of docs/simulation.md), and the steps of a takeover come with a
    larger one.
    """
    if before.batch_id != after.batch_id or before.admitted_at != after.admitted_at:
        raise ValueError(f"batch {before.batch_id}: an update keeps batch_id and admitted_at")
    if before.state is not after.state and not TABLE.allowed(before.state, after.state):
        raise ValueError(f"batch {before.batch_id}: no step leads from {before.state} to {after.state}")
    if after.owner_epoch < before.owner_epoch:
        raise ValueError(
            f"batch {before.batch_id}: its owner's epoch never shrinks: {before.owner_epoch} to {after.owner_epoch}"
        )
    if needs_takeover(before.state, after.state) and after.owner_epoch == before.owner_epoch:
        raise ValueError(
            f"batch {before.batch_id}: only a new owner leads from {before.state} to {after.state}, "
            f"not epoch {after.owner_epoch} again"
        )
    if after.updated_at <= before.updated_at:
        raise ValueError(f"batch {before.batch_id}: updated_at must grow, {after.updated_at} does not")


def check_control(before: Control | None, after: Control) -> None:
    """Check that a write of the control row goes forward: revision, epoch, and the Region only with the epoch.

    S6 of docs/simulation.md. That the row is the one that was read is the condition of the write itself.
    """
    if before is None:
        return
    if after.revision != before.revision + 1:
        raise ValueError(f"the control row's revision goes from {before.revision} by one, not to {after.revision}")
    if after.epoch < before.epoch:
        raise ValueError(f"the control row's epoch never shrinks: {before.epoch} to {after.epoch}")
    if after.epoch == before.epoch and after.active_region != before.active_region:
        raise ValueError("the active Region changes only with the epoch")


def check_final(batch: Batch) -> None:
    """Check that this row may be deleted."""
    if not batch.is_final:
        raise ValueError(f"batch {batch.batch_id} is {batch.state}: only a final row may be deleted")


def check_settled(command: Command) -> None:
    """Check that this row settles its command."""
    if command.state is CommandState.PENDING:
        raise ValueError(f"command {command.id} is PENDING: that settles nothing")


def with_claim(before: Batch, claim: MailClaim) -> Batch:
    """Return the row with this claim; `updated_at` grows even where the clocks of two Regions disagree."""
    written_at = max(claim.sent_at or claim.claimed_at, before.updated_at + timedelta(microseconds=1))
    return replace(before, mail_claim=claim, updated_at=written_at)


def piece_bytes(piece: Piece | Stretch) -> int:
    """Return the size of a piece in bytes."""
    match piece:
        case BytesPiece():
            return len(piece.body)
        case Stretch():
            return piece.end - piece.start
        case CopyPiece():
            return piece.size_bytes
        case JoinedPiece():
            return sum(map(piece_bytes, piece.sources))


def check_stretch(stretch: Stretch, body: bytes) -> bytes:
    """Return the bytes of a stretch. Raises `NotFound` if they are too few, or not those that were recorded."""
    wanted = stretch.end - stretch.start
    if len(body) != wanted:
        raise NotFound(f"{stretch.key} has no bytes {stretch.start + len(body)} to {stretch.end}")
    if stretch.crc64nvme is not None:
        from baton.checksums import crc64nvme  # noqa: PLC0415 - only services that compose carry the library for it

        if crc64nvme(body) != stretch.crc64nvme:
            raise NotFound(f"{stretch.key} does not hold the bytes that were recorded: its checksum is another")
    return body


def check_pieces(key: str, pieces: Sequence[Piece]) -> None:
    """Check the number of pieces, S3's floor for all but the last, and the ceiling of what is held in memory."""
    if not 1 <= len(pieces) <= PIECES_MAX:
        raise ValueError(f"{key}: 1 to {PIECES_MAX} pieces make an object, not {len(pieces)}")
    for index, piece in enumerate(pieces[:-1]):
        if piece_bytes(piece) < PART_BYTES_MIN:
            raise ValueError(f"{key}: piece {index} has {piece_bytes(piece)} bytes, fewer than {PART_BYTES_MIN}")
    for index, piece in enumerate(pieces):
        if isinstance(piece, JoinedPiece) and piece_bytes(piece) > JOINED_BYTES_MAX:
            raise ValueError(f"{key}: piece {index} joins {piece_bytes(piece)} bytes, more than {JOINED_BYTES_MAX}")


def check_object(key: str, metadata: Mapping[str, str]) -> None:
    """Check what S3 would refuse of an object that is to be written."""
    if not 1 <= len(key.encode()) <= KEY_BYTES_MAX:
        raise ValueError(f"a key must have 1 to {KEY_BYTES_MAX} bytes, not {len(key.encode())}: {key[:40]!r}")
    text = "".join([*metadata, *metadata.values()])
    if not text.isascii() or len(text) > METADATA_BYTES_MAX:
        raise ValueError(f"{key}: metadata must be ASCII of at most {METADATA_BYTES_MAX} bytes, not of {len(text)}")


def check_message(body: str) -> None:
    """Check that a message fits into a call of ten."""
    if len(body.encode()) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {len(body.encode())} bytes, more than {MESSAGE_BYTES_MAX}: {body[:200]}")


def check_delay(delay_seconds: int) -> None:
    """Check the delay of messages."""
    if not 0 <= delay_seconds <= DELAY_SECONDS_MAX:
        raise ValueError(f"a message is held back for 0 to {DELAY_SECONDS_MAX} s, not {delay_seconds}")


def check_receive(max_messages: int, wait_seconds: int) -> None:
    """Check how many messages are asked for, and for how long."""
    if not 1 <= max_messages <= RECEIVE_MESSAGES_MAX or not 0 <= wait_seconds <= RECEIVE_WAIT_SECONDS_MAX:
        raise ValueError(f"{max_messages} messages within {wait_seconds} s cannot be asked for")


def check_deletes(deliveries: Sequence[Delivery]) -> None:
    """Check how many messages are deleted at once."""
    if len(deliveries) > RECEIVE_MESSAGES_MAX:
        raise ValueError(f"{len(deliveries)} deletes are more than one call takes")


def check_visibility(seconds: int) -> None:
    """Check the visibility timeout of a message."""
    if not 0 <= seconds <= VISIBILITY_SECONDS_MAX:
        raise ValueError(f"a message is hidden for 0 to {VISIBILITY_SECONDS_MAX} s, not {seconds}")


def check_rejects_fit(rejects: Sequence[StoredReject]) -> None:
    """Check that each reject fits into an item: the caller must have cut its texts."""
    for reject in rejects:
        size_bytes = sum(len(text.encode()) for text in (reject.column, reject.rule, reject.value, reject.line))
        if size_bytes > REJECT_BYTES_MAX:
            raise ValueError(f"reject {reject.record_number} has {size_bytes} bytes, more than {REJECT_BYTES_MAX}")


def kept_reject_counts(done: ChunkDone) -> tuple[RejectCount, ...]:
    """Return what a table keeps of a chunk's reject counts: a column's name may have a mebibyte."""
    return tuple(
        replace(each, column=each.column[:REJECT_TEXT_CHARACTERS_MAX], rule=each.rule[:REJECT_TEXT_CHARACTERS_MAX])
        for each in done.reject_counts[:REJECT_COUNTS_MAX]
    )


def is_reference_key(key: str) -> bool:
    """Return whether the table can hold this key at all; one that it cannot hold is not in it."""
    return 0 < len(key.encode("utf-8", "surrogatepass")) <= REFERENCE_KEY_BYTES_MAX


def rows_of(rows: Rows) -> Iterable[tuple[str, Row]]:
    """Return the rows with their keys, whichever way they are given."""
    return cast("Mapping[str, Row]", rows).items() if isinstance(rows, Mapping) else rows


def check_rows(version: ReferenceVersion, rows: Rows) -> tuple[str, int]:
    """Check that the rows are as many as the version says, under possible keys, with exactly its columns.

    Returns a digest of columns and rows, whatever the order of rows: 64 hex digits; and the bytes of all values.
    """
    name = f"{version.dataset}@{version.version}"
    columns = set(version.columns)
    count, total, all_bytes = 0, _number_of(version.columns), 0
    for key, row in rows_of(rows):
        size_bytes = _row_bytes(name, key, row, columns)
        all_bytes += size_bytes
        if all_bytes > REFERENCE_BYTES_MAX:
            raise ValueError(f"{name}: its values have more than {REFERENCE_BYTES_MAX:,} bytes, from row {key!r} on")
        count += 1
        total += _number_of((key, *(row[column] for column in version.columns)))  # a sum: no order, nothing held
    if count != version.rows:
        raise ValueError(f"{name}: {count} rows given, {version.rows} announced")
    return f"{total % 2**256:064x}", all_bytes


def _row_bytes(name: str, key: str, row: Row, columns: set[str]) -> int:
    if not is_reference_key(key):
        raise ValueError(f"{name}: a key must have 1 to {REFERENCE_KEY_BYTES_MAX} bytes, not {key[:40]!r}")
    if set(row) != columns:
        raise ValueError(f"{name}: row {key!r} has columns {sorted(row)}, not {sorted(columns)}")
    for column, value in row.items():
        if "\0" in value:  # a result with it would be no valid input
            raise ValueError(f"{name}: row {key!r} holds a NUL in {column!r}, which no CSV file may")
    size_bytes = sum(len(value.encode("utf-8", "surrogatepass")) for value in row.values())
    if size_bytes > REFERENCE_ROW_BYTES_MAX:
        raise ValueError(f"{name}: row {key!r} has {size_bytes:,} bytes, more than {REFERENCE_ROW_BYTES_MAX:,}")
    if 6 * size_bytes > _ROW_JSON_BYTES_MAX:
        as_json = json.dumps([*row.values()], ensure_ascii=False, separators=(",", ":"))
        json_bytes = len(as_json.encode("utf-8", "surrogatepass"))
        if json_bytes > _ROW_JSON_BYTES_MAX:
            raise ValueError(
                f"{name}: row {key!r} has too many control characters: as it is stored it has {json_bytes:,} bytes, "
                f"more than {_ROW_JSON_BYTES_MAX:,}"
            )
    return size_bytes


def _number_of(texts: Sequence[str]) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps(texts).encode()).digest())


def replaced(published: Mapping[str, datetime], *, current: str, before: datetime) -> list[str]:
    """Return the versions that another one followed before that time, sorted; never the current one."""
    in_order = sorted(published, key=lambda version: (published[version], version))
    followed = [old for old, new in pairwise(in_order) if published[new] < before]
    return sorted(set(followed) - {current})
