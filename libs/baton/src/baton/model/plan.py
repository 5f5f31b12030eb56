"""The plan of a batch: how the file is cut, under which versions of rules and reference data."""

import hashlib
from functools import cached_property
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

_PLAN_ID_HEX_DIGITS: Final = 16
MIB: Final = 1024 * 1024
CHUNK_BYTES_DEFAULT: Final = 16 * MIB
"""Large enough that a part (twice the input, for enriched sales) passes S3's 5 MiB floor for multipart parts."""
CHUNKS_MAX: Final = 9_000
"""Below S3's 10,000 parts of one upload, with room for joined ones."""
CHUNK_RECORDS_DEFAULT: Final = 1024 * 1024
"""Records of 16 bytes or more reach the bytes first. Shorter ones cost a worker more by their number than by their
bytes, for where they stand and what is wrong with them. A sheet of Excel has no more rows than this."""
CHUNK_BYTES_MAX: Final = 192 * MIB
"""A worker of 3 GiB holds two chunks, each with its output of up to twice that size; it works them off in pieces."""
RECORD_BYTES_MIN: Final = 2
"""A character and a line end."""


class Chunk(BaseModel):
    """A byte range `[start, end)` of whole records. `first_record` counts from 1, header and blank lines left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int = Field(ge=0)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    first_record: int = Field(ge=1)
    records: int = Field(ge=0)


class Plan(BaseModel):
    """Everything a worker needs besides the job itself. The same input and versions give the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: str
    job: str
    job_version: str
    reference_version: str | None
    """Version of the reference data set that the job looks up; None if the job enriches nothing."""
    key: str
    version_id: str
    """Origin version of the input; a Region's own version ID is looked up where the object is read."""
    size_bytes: int
    columns: tuple[str, ...]
    """Header names in the order of the file."""
    chunks: tuple[Chunk, ...]
    records_total: int

    @cached_property
    def plan_id(self) -> str:
        """Return 16 hex digits over the whole content: another version of anything is another plan.

        Kept: a plan of 9,000 chunks takes 7 ms to write out, and every key of its parts asks.
        """
        return hashlib.sha256(self.to_bytes()).hexdigest()[:_PLAN_ID_HEX_DIGITS]

    def to_bytes(self) -> bytes:
        """Return canonical JSON, the content of `plan.json`."""
        return self.model_dump_json().encode()


def chunk_bytes_for(size_bytes: int, *, chunk_bytes: int = CHUNK_BYTES_DEFAULT) -> int:
    """Return the target size of a chunk: the setting, or more if the file would need over `CHUNKS_MAX` of them."""
    return max(chunk_bytes, -(-size_bytes // CHUNKS_MAX))


def chunk_records_for(size_bytes: int, *, chunk_bytes: int, chunk_records: int = CHUNK_RECORDS_DEFAULT) -> int:
    """Return the most records that a chunk may hold: the setting, or more if the file could need too many chunks.

    Every chunk but the last ends by its bytes, of which `size_bytes / chunk_bytes` do, or by its records, of which as
    many do as are left of `CHUNKS_MAX`, even if all records are of the least size. With the defaults that is the
    setting up to 16 GB; from 141 GB on, where the bytes take all chunks, it is no bound.
    """
    left = CHUNKS_MAX - size_bytes // chunk_bytes - 1
    records_max = size_bytes // RECORD_BYTES_MIN + 1
    return max(chunk_records, -(-records_max // left) if left > 0 else records_max)
