"""Plans how the parts of a batch become one object: which S3 copies, and which are downloaded and joined. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from baton.ports.objects import BytesPiece, CopyPiece, JoinedPiece, Piece, Stretch
from baton.ports.preconditions import JOINED_BYTES_MAX, PART_BYTES_MIN, piece_bytes
from baton.ports.progress import ChunkDone


@dataclass(frozen=True, slots=True)
class Part:
    """An object that becomes a stretch of the result."""

    key: str
    size_bytes: int
    crc64nvme: int | None
    """None: nobody recorded it."""


def result_parts(done: Sequence[ChunkDone]) -> list[Part]:
    """Return what finished chunks wrote, in their order; the first chunk's part begins with the header."""
    return [Part(each.part_key, each.part_bytes, each.part_crc64nvme) for each in done]


def rejects_parts(done: Sequence[ChunkDone]) -> list[Part]:
    """Return what finished chunks rejected, in their order; the first chunk's part begins with the header."""
    return [Part(each.rejects_key, each.rejects_bytes, each.rejects_crc64nvme) for each in done]


def arrange(parts: Sequence[Part], *, head: bytes = b"") -> list[Piece]:
    """Return the pieces of `head` and the parts, in order, as `ObjectStore.compose` takes them: at least one.

    Large parts are copied. Small ones that follow each other are joined until they pass S3's floor for a piece; if a
    large one comes before that, its first bytes fill them up and the rest of it is copied. So nothing but small parts
    and up to 10 MiB of a large one ever passes through us. Empty parts vanish.
    """
    assert len(head) < PART_BYTES_MIN
    pieces: list[Piece] = []
    run: list[Stretch | BytesPiece] = [BytesPiece(head)] if head else []
    run_bytes = len(head)
    for part in parts:
        size_bytes = part.size_bytes
        if not run and size_bytes >= PART_BYTES_MIN:
            pieces.append(CopyPiece(part.key, size_bytes))
            continue
        cut = run_bytes + size_bytes > JOINED_BYTES_MAX
        joined_bytes = PART_BYTES_MIN - run_bytes if cut else size_bytes
        if joined_bytes:
            run.append(Stretch(part.key, 0, joined_bytes, None if cut else part.crc64nvme))
            run_bytes += joined_bytes
        if run_bytes >= PART_BYTES_MIN:
            pieces.append(JoinedPiece(tuple(run)))
            run, run_bytes = [], 0
        if cut:
            pieces.append(CopyPiece(part.key, size_bytes - joined_bytes, start=joined_bytes))
    return [*pieces, *_last(run, alone=not pieces)]


def _last(run: Sequence[Stretch | BytesPiece], *, alone: bool) -> list[Piece]:
    """Return what is left, which may be small. Alone it is sent: a copy would need a look at what was written."""
    match run:
        case []:
            return [BytesPiece(b"")] if alone else []
        case [Stretch() as only] if not alone:
            return [CopyPiece(only.key, piece_bytes(only))]
        case _:
            return [JoinedPiece(tuple(run))]
