"""The record of a finished chunk: in the progress table, and as metadata of its part, for readers without the table."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from baton.checksums import crc64nvme
from baton.model.batch import Counts
from baton.model.plan import Chunk, Plan
from baton.ports import ChunkDone, ObjectInfo, RejectCount
from worker.domain import ChunkOutput

__all__ = ["chunk_done", "from_metadata", "to_metadata"]

_REJECT_COUNTS_MAX: Final = 20
_REASON_CHARS_MAX: Final = 100
"""Of a column's name or a rule's; the rejects file has all of it."""
_METADATA_BYTES_MAX: Final = 1_400
"""For the reject counts: S3 takes 2 KB of metadata in all, and ours are below 300 bytes otherwise."""


def chunk_done(plan: Plan, chunk: Chunk, output: ChunkOutput) -> ChunkDone:
    """Return the record of a finished chunk. Takes a millisecond for each 10 MB, for the checksums."""
    frequent = sorted(output.reasons.items(), key=lambda reason: (-reason[1], reason[0]))[:_REJECT_COUNTS_MAX]
    return ChunkDone(
        batch_id=plan.batch_id,
        plan_id=plan.plan_id,
        index=chunk.index,
        counts=output.counts,
        part_bytes=len(output.part),
        part_crc64nvme=crc64nvme(output.part),
        rejects_bytes=len(output.rejects),
        rejects_crc64nvme=crc64nvme(output.rejects),
        reject_counts=tuple(
            RejectCount(column[:_REASON_CHARS_MAX], rule[:_REASON_CHARS_MAX], number)
            for (column, rule), number in frequent
        ),
    )


def to_metadata(done: ChunkDone) -> dict[str, str]:
    """Return the user metadata of the part object. Of the reject counts as many as there is room for."""
    return {
        "baton-records-in": str(done.counts.records_in),
        "baton-records-out": str(done.counts.records_out),
        "baton-rejects": str(done.counts.rejects),
        "baton-part-crc64nvme": f"{done.part_crc64nvme:016x}",
        "baton-rejects-bytes": str(done.rejects_bytes),
        "baton-rejects-crc64nvme": f"{done.rejects_crc64nvme:016x}",
        "baton-reject-counts": _as_json(done.reject_counts),
    }


def _as_json(counts: Iterable[RejectCount]) -> str:
    told, room = list[str](), _METADATA_BYTES_MAX - 2
    for each in counts:
        item = json.dumps([each.column, each.rule, each.records])  # all ASCII, as metadata must be
        room -= len(item) + 1
        if room < 0:
            break
        told.append(item)
    return f"[{','.join(told)}]"


def from_metadata(part: ObjectInfo, plan: Plan, chunk: Chunk) -> ChunkDone | None:
    """Read a part's own record; None if it was written by something else."""
    told: Mapping[str, str] = part.metadata
    try:
        done = ChunkDone(
            batch_id=plan.batch_id,
            plan_id=plan.plan_id,
            index=chunk.index,
            counts=Counts(
                records_in=int(told["baton-records-in"]),
                records_out=int(told["baton-records-out"]),
                rejects=int(told["baton-rejects"]),
            ),
            part_bytes=part.size_bytes,
            part_crc64nvme=int(told["baton-part-crc64nvme"], 16),
            rejects_bytes=int(told["baton-rejects-bytes"]),
            rejects_crc64nvme=int(told["baton-rejects-crc64nvme"], 16),
            reject_counts=tuple(
                RejectCount(str(column), str(rule), int(number))
                for column, rule, number in json.loads(told.get("baton-reject-counts", "[]"))
            ),
        )
    except (KeyError, ValueError, TypeError):
        return None
    return done if done.part_key == part.key else None
