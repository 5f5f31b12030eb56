"""The identity of a batch: both Regions compute the same id without communicating.

S3 replication keeps the version ID, so `H(key, version id)` is equal on both sides. An emulator's replica gets a new
version ID; the stand-in that copied it leaves the original one in the object's metadata. Metadata is also what any
sender may write, so an object store believes it only in a world whose replication is such a stand-in
(`BATON_STAND_IN_REPLICATION`): there the replicator is the only one who may write it. On AWS the version ID is the
answer, whatever the metadata says: nobody who may upload can name a batch.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

CANARY: Final = "canary/"
"""Prefix of the keys of canaries: synthetic files that a controller sends the whole way, see `baton.canary`."""
CANARY_ID: Final = "canary-"
"""How their ids begin, so that whatever is kept by a batch's id keeps canaries apart."""

ORIGIN_VERSION_METADATA: Final = "baton-origin-version"
"""S3 user metadata (without the `x-amz-meta-` prefix) that a stand-in replicator writes on a replica."""

_BATCH_ID_HEX_DIGITS: Final = 20
"""80 bits: a collision among 10^9 batches has a probability below 10^-6, and the id still fits in a mail subject."""


def origin_version(version_id: str, metadata: Mapping[str, str]) -> str:
    """Return the version ID under which the object was first written. For object stores of a world with a stand-in."""
    return metadata.get(ORIGIN_VERSION_METADATA, version_id)


def batch_id_of(key: str, origin_version_id: str) -> str:
    """Return the batch's name: 20 hex digits of SHA-256 over the decoded key and the origin version ID.

    A canary's begins with `canary-`.
    """
    # A key cannot contain NUL, so the separator makes the pair unambiguous.
    digest = hashlib.sha256(f"{key}\0{origin_version_id}".encode())
    return CANARY_ID * key.startswith(CANARY) + digest.hexdigest()[:_BATCH_ID_HEX_DIGITS]


def is_canary_id(batch_id: str) -> bool:
    """Return whether this is the id of a canary."""
    return batch_id.startswith(CANARY_ID)


def message_id_of(batch_id: str, run: int) -> str:
    """Return what `X-Baton-Batch` says: stable for one run, so that a second copy can be recognised."""
    return f"baton.{batch_id}.{run}"


def owner_of(epoch: int, regions: tuple[str, str]) -> str:
    """Return the Region that owns an epoch: even numbers belong to the first Region, odd ones to the second.

    Two Regions that claim at once therefore never claim the same number (the scheme of Temporal's failover versions).
    """
    return regions[epoch % 2]


def next_epoch(current: int, region: str, regions: tuple[str, str]) -> int:
    """Return the smallest epoch greater than `current` that belongs to `region`."""
    candidate = current + 1
    return candidate if owner_of(candidate, regions) == region else candidate + 1
