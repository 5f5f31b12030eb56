"""The worker's own limits."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from baton.model.plan import CHUNKS_MAX, MIB
from worker.domain import OUTPUT_BYTES_MAX


class WorkerSettings(BaseSettings):
    """Read from `BATON_WORKER_*`."""

    model_config = SettingsConfigDict(env_prefix="BATON_WORKER_", extra="ignore", frozen=True)

    reference_rows_in_memory_max: int = Field(default=500_000, ge=0)
    """Up to here a reference table is loaded once per worker and version (about 0.5 kB a row); above, each chunk reads
    for its own keys."""
    reference_tables_cached: int = Field(default=4, ge=1)
    """Loaded tables kept, least recently used out first."""
    reference_bytes_in_memory_max: int = Field(default=64 * MIB, ge=0)
    """Of the values of a table that is loaded as a whole, one at a time, which take six times that meanwhile; of a
    larger one each chunk asks for its own keys."""
    reference_bytes_held_max: int = Field(default=128 * MIB, ge=0)
    """Of memory that rows take which a chunk asked for by its own keys, as frames. Over it the batch fails."""
    reference_bytes_cached: int = Field(default=256 * MIB, ge=0)
    """Of memory that loaded tables take together, as frames: three times their values."""
    reference_bytes_in_all_max: int = Field(default=384 * MIB, ge=0)
    """Of memory that these take, and the one that is being loaded: others are dropped before."""
    plans_cached: int = Field(default=64, ge=1)
    """Plans kept: one GET per batch and worker instead of one per chunk."""
    chunks_cached: int = Field(default=4 * CHUNKS_MAX, ge=0)
    """Of all plans kept, each about 1.3 kB: 45 MiB. A plan of more is read for each of its chunks. Names of
    columns count by the memory that they take."""
    output_bytes_max: int = Field(default=OUTPUT_BYTES_MAX, ge=1)
    """Of a chunk's output, result and rejects together: over it the batch fails. One chunk of the process has so much
    at a time, the others their share (`worker.room`)."""
    compute_seconds_max: float = Field(default=300, gt=0)
    """Of one computation: 32 MiB or 262,144 records, the most judged at once, take some seconds; with rules of a job
    that need a millisecond for each record four and a half minutes. What takes longer hangs. Well below
    `handling_seconds_max`: meanwhile nothing else is computed here."""
    held_seconds_max: float = Field(default=10, gt=0)
    """A computation may hold the interpreter for so long: as long as a canary may take, which this process handles as
    well. One or two canaries fail by it, and three make a Region unhealthy. Rules of Python let others run every 5 ms,
    and no library that is called here holds it for more than a second or two."""
