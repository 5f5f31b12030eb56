"""What the merger decides: whether the counts add up, and what the manifest says. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pydantic import BaseModel, ConfigDict

from baton.assembly import Part, arrange, rejects_parts, result_parts
from baton.checksums import combine
from baton.errors import BatchFailed
from baton.model.batch import Batch, Counts
from baton.model.plan import Chunk, Plan
from baton.ports import ChunkDone, Piece
from baton.topology import REJECTS_INDEXED_MAX


def counted(done: Sequence[ChunkDone]) -> Counts:
    """Return what these chunks count together."""
    return sum((chunk.counts for chunk in done), Counts())


def check_books(plan: Plan, done: Sequence[ChunkDone]) -> Counts:
    """Return the batch's counts. Raises `BatchFailed("conservation", …)` if a record is unaccounted for.

    Every planned chunk is there once, took in exactly the records that the splitter counted in it, and let every one
    of them out as a result or as a reject.
    """
    planned = {chunk.index: chunk.records for chunk in plan.chunks}
    found = [chunk.index for chunk in done]
    if sorted(found) != sorted(planned):
        missing = sorted(set(planned) - set(found))
        raise _unbalanced(f"{len(found)} of {len(planned)} chunks are recorded; missing: {missing[:10]}")
    for chunk in done:
        counts = chunk.counts
        if counts.records_in != planned[chunk.index] or not counts.balanced:
            raise _unbalanced(
                f"chunk {chunk.index} holds {planned[chunk.index]:,} records; "
                f"the worker took {counts.records_in:,} in, {counts.records_out:,} out, {counts.rejects:,} rejected"
            )
    total = counted(done)
    if total.records_in != plan.records_total:
        raise _unbalanced(f"the file holds {plan.records_total:,} records, the chunks {total.records_in:,}")
    return total


def _unbalanced(numbers: str) -> BatchFailed:
    return BatchFailed("conservation", f"the counts do not add up, nothing was published: {numbers}")


@dataclass(frozen=True, slots=True)
class Joint:
    """An object that is made of parts: by which pieces, and what it has to be in the end."""

    pieces: list[Piece]
    size_bytes: int
    crc64nvme: str
    """In hex, computed from those of the parts: no byte is read again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows of a rejects part that go into the table for queries."""

    part: Part
    rows: int


@dataclass(frozen=True, slots=True)
class Books:
    """A batch whose counts add up."""

    counts: Counts
    result: Joint
    rejects: Joint
    indexed: list[Wanted]
    """Where the first rejects are."""


def balance(plan: Plan, done: Sequence[ChunkDone]) -> Books:
    """Check the counts and return what is to be published. Raises `BatchFailed("conservation", …)`."""
    counts, rejects = check_books(plan, done), rejects_parts(done)
    return Books(counts, joint(result_parts(done)), joint(rejects), rejects_wanted(done, rejects))


def joint(parts: Sequence[Part]) -> Joint:
    """Return how these parts become one object."""
    combined = reduce(lambda crc, part: combine(crc, part.crc64nvme or 0, part.size_bytes), parts, 0)
    return Joint(arrange(parts), sum(part.size_bytes for part in parts), f"{combined:016x}")


def rejects_wanted(done: Sequence[ChunkDone], parts: Sequence[Part]) -> list[Wanted]:
    """Return where the first `REJECTS_INDEXED_MAX` rejects of a batch are."""
    wanted: list[Wanted] = []
    left = REJECTS_INDEXED_MAX
    for chunk, part in zip(done, parts, strict=True):
        rows = min(left, chunk.counts.rejects)
        if rows:
            wanted.append(Wanted(part, rows))
            left -= rows
    return wanted


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class ManifestObject(_Out):
    """One published object."""

    key: str
    size_bytes: int
    crc64nvme: str


class ManifestChunk(_Out):
    """One chunk's entry in the manifest."""

    index: int
    start: int
    end: int
    first_record: int
    records_in: int
    records_out: int
    rejects: int
    part_bytes: int
    part_crc64nvme: str


class Manifest(_Out):
    """`manifest.json`: what came in, what went out, under which versions, and how to check it."""

    manifest_version: int = 1
    batch_id: str
    job: str
    job_version: str
    reference_version: str | None
    source_key: str
    source_version_id: str
    source_bytes: int
    owner_epoch: int
    records_in: int
    records_out: int
    rejects: int
    columns: tuple[str, ...]
    result: ManifestObject
    rejected: ManifestObject
    chunks: tuple[ManifestChunk, ...]

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return self.model_dump_json(indent=1).encode()


def manifest_of(
    batch: Batch,
    plan: Plan,
    done: Sequence[ChunkDone],
    *,
    counts: Counts,
    columns: tuple[str, ...],
    result: ManifestObject,
    rejected: ManifestObject,
) -> Manifest:
    """Make the manifest of a batch. The same work gives the same bytes: no time, no machine."""
    by_index = {each.index: each for each in done}
    return Manifest(
        batch_id=batch.batch_id,
        job=plan.job,
        job_version=plan.job_version,
        reference_version=plan.reference_version,
        source_key=plan.key,
        source_version_id=plan.version_id,
        source_bytes=plan.size_bytes,
        owner_epoch=batch.owner_epoch,
        records_in=counts.records_in,
        records_out=counts.records_out,
        rejects=counts.rejects,
        columns=columns,
        result=result,
        rejected=rejected,
        chunks=tuple(_manifest_chunk(chunk, by_index[chunk.index]) for chunk in plan.chunks),
    )


def _manifest_chunk(chunk: Chunk, done: ChunkDone) -> ManifestChunk:
    return ManifestChunk(
        index=chunk.index,
        start=chunk.start,
        end=chunk.end,
        first_record=chunk.first_record,
        records_in=done.counts.records_in,
        records_out=done.counts.records_out,
        rejects=done.counts.rejects,
        part_bytes=done.part_bytes,
        part_crc64nvme=f"{done.part_crc64nvme:016x}",
    )
