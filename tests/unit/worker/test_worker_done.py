"""A part's metadata holds the record of its chunk."""

from dataclasses import replace
from datetime import UTC, datetime

from baton.checksums import crc64nvme
from baton.model.batch import Counts
from baton.model.paths import part_key
from baton.ports import ObjectInfo, RejectCount
from plans_made import plan_of
from worker.domain import ChunkOutput
from worker.done import chunk_done, from_metadata, to_metadata

PLAN = plan_of(1, 1, 1, 50)
CHUNK = PLAN.chunks[3]
KEY = part_key("b", PLAN.plan_id, 3, crc64nvme(b"part"))


def _output(reasons: dict[tuple[str, str], int]) -> ChunkOutput:
    return ChunkOutput(Counts(50, 20, 30), b"part", b"rejects", reasons, too_many=False)


def _found(metadata: dict[str, str], *, size_bytes: int = 4) -> ObjectInfo:
    return ObjectInfo(KEY, "v", size_bytes, datetime(2026, 1, 1, tzinfo=UTC), metadata=metadata)


def test_record_survives_in_the_metadata() -> None:
    done = chunk_done(PLAN, CHUNK, _output({("Größe", "literal_error"): 2, ("", "columns"): 28}))

    assert done.reject_counts == (RejectCount("", "columns", 28), RejectCount("Größe", "literal_error", 2))
    assert from_metadata(_found(to_metadata(done)), PLAN, CHUNK) == done


def test_metadata_fits_what_s3_takes_however_many_and_long_the_reasons() -> None:
    reasons = {(f"{n:02}" + "\N{GRINNING FACE}" * 300, "value_error: " + "ü" * 300): 99 - n for n in range(50)}

    done = chunk_done(PLAN, CHUNK, _output(reasons))
    metadata = to_metadata(done)
    resumed = from_metadata(_found(metadata), PLAN, CHUNK)

    assert len(done.reject_counts) == 20
    assert sum(len(name) + len(value) for name, value in metadata.items()) < 2_048
    assert all(value.isascii() for value in metadata.values())
    assert resumed
    assert resumed.reject_counts == done.reject_counts[: len(resumed.reject_counts)]


def test_what_another_wrote_is_no_record() -> None:
    metadata = to_metadata(chunk_done(PLAN, CHUNK, _output({})))

    assert from_metadata(_found({}), PLAN, CHUNK) is None
    assert from_metadata(replace(_found(metadata), key="work/b/p/parts/00003-00.csv"), PLAN, CHUNK) is None
    assert from_metadata(_found(metadata | {"baton-records-in": "many"}), PLAN, CHUNK) is None
    assert from_metadata(_found(metadata | {"baton-reject-counts": "{"}), PLAN, CHUNK) is None
    assert from_metadata(_found(metadata | {"baton-reject-counts": "[1]"}), PLAN, CHUNK) is None
