"""The splitter's own limits."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from baton.model.plan import CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_RECORDS_DEFAULT
from baton.topology import EPOCH_POLL_SECONDS, SWEEP_SECONDS


class SplitterSettings(BaseSettings):
    """Read from `BATON_SPLITTER_*`."""

    model_config = SettingsConfigDict(env_prefix="BATON_SPLITTER_", extra="ignore", frozen=True)

    chunk_bytes: int = Field(default=CHUNK_BYTES_DEFAULT, ge=1)
    """Target size of a chunk; a large file gets larger ones, see `baton.model.plan.chunk_bytes_for`."""
    chunk_bytes_max: int = Field(default=CHUNK_BYTES_MAX, ge=1)
    """What a worker can hold. A file that would need larger chunks ends FAILED before it is read."""
    chunk_records: int = Field(default=CHUNK_RECORDS_DEFAULT, ge=1)
    """Most records of a chunk; a large file of short ones gets more, see `baton.model.plan.chunk_records_for`."""
    reference_wait_seconds: float = Field(default=300, ge=0)
    """How long a batch that was planned elsewhere waits for the reference data that it was planned with, before it is
    planned anew with what is current here. A global table replicates within seconds; a published batch waits on."""
    sweep_seconds: float = Field(default=SWEEP_SECONDS, gt=0)
    """How often the sweeper looks for inputs that were not admitted and batches that make no progress."""
    unadmitted_seconds: float = Field(default=60, ge=0)
    """Age at which an input without a ledger row is the sweeper's: the trigger and its retries had their time."""
    unadmitted_standby_seconds: float = Field(default=300, ge=0)
    """Age at which the standby Region admits an input of its own bucket on behalf of the active one: replication took
    its seconds, and the active Region's own sweeper had several turns."""
    sweep_pages_max: int = Field(default=80, ge=1)
    """Pages of up to 500 versions that one sweep lists; the next one continues from there. Each is a call of 50 to
    100 ms that costs $0.000005: 80 of them every 30 s are $1.15 a day, and only where there are 40,000 versions."""
    epoch_poll_seconds: float = Field(default=EPOCH_POLL_SECONDS, gt=0)
    """How soon the sweeper notices that its Region became the active one, and then looks at its inputs at once. A
    strong read of one item each."""
    stalled_seconds: float = Field(default=300, gt=0)
    """Silence after which a batch's message is sent again; doubles with each time. Above a message's whole life of
    visibility time-outs, so that only lost messages are doubled."""
    unreadable_seconds: float = Field(default=1_800, ge=0)
    """For how long a row cannot be read before its people are mailed: longer than a deployment rolls, in which those of
    the new version are beyond the old one. Asked for again as often; the mail is sent once."""
    nudges_max: int = Field(default=6, ge=1)
    """Messages sent again without any progress, before the batch ends FAILED as stalled."""
