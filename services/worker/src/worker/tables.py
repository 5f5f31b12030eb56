"""Loads the reference rows that a chunk needs: small tables whole (cached), of large ones only the chunk's keys."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from typing import Final

import polars as pl
from polars.exceptions import PanicException

from baton.errors import BatonError, NotFound, Retry
from baton.job import Lookup
from baton.model.plan import MIB
from baton.offload import Offload
from baton.ports import ReferenceData, ReferenceVersion, Row
from worker.recent import Recent
from worker.reference import ReferenceFrame, each_key_once, prepare_reference
from worker.settings import WorkerSettings

__all__ = ["Tables", "TooLargeError"]

_RETRY_SECONDS: Final = 20
"""Before a retry: replication usually brings what is missing within a minute."""
_KEYS_AT_ONCE_MIN, _KEYS_AT_ONCE_MAX = 100, 4_096
VALUES_AT_ONCE_BYTES: Final = 4 * MIB
"""Asked for at once, by the mean row, for each chunk in hand."""
LOADING_FACTOR: Final = 6
"""Memory by byte of values, as Python objects and as a frame, while rows become a frame."""


class TooLargeError(BatonError):
    """The rows of the keys of a chunk take more memory than there is for them. The text is for the job's author."""


class Tables:
    """Fetches reference data, and keeps it by table, version and columns, as far as the settings allow."""

    def __init__(self, reference: ReferenceData, *, compute: Offload, settings: WorkerSettings) -> None:
        self._reference = reference
        self._offload = self._compute = compute
        self._rows_max, self._bytes_max = settings.reference_rows_in_memory_max, settings.reference_bytes_in_memory_max
        self._held_max = settings.reference_bytes_held_max
        self._in_all_max = settings.reference_bytes_in_all_max
        self._loading = asyncio.Lock()
        self._kept = Recent[tuple[str, str, tuple[str, ...]], ReferenceFrame](
            settings.reference_tables_cached,
            weigh=lambda table: table.size_bytes,
            weight_max=settings.reference_bytes_cached,
        )

    def computing_by(self, compute: Offload) -> "Tables":
        """Return the same tables, kept together, for somebody who computes elsewhere what is theirs alone."""
        same = copy(self)
        same._compute = compute  # noqa: SLF001 - of our own kind
        return same

    async def rows_for(
        self,
        lookup: Lookup,
        wanted: str,
        keys: Callable[[], Sequence[str]],
        *,
        hold: Callable[[int], Awaitable[None]],
    ) -> ReferenceFrame:
        """Return at least the rows of those keys that exist, of the version `wanted`.

        `hold` returns once rows of so many bytes may be held for this chunk alone; a table that is kept needs none.
        Raises `Retry` if it is not here, `TooLargeError`, and `BatchFailed` with code `reference_columns`.
        """
        kept_as = (lookup.dataset, wanted, lookup.columns)  # a table holds only what its job adds
        table = self._kept.get(kept_as)
        if table is not None:
            return table
        version = await self._reference.describe(lookup.dataset, wanted)
        if version is None:
            raise Retry(f"version {wanted} of {lookup.dataset!r} is not in this Region", delay_seconds=_RETRY_SECONDS)
        if version.rows > self._rows_max or (version.size_bytes or 0) > self._bytes_max:
            return await self._of_keys(version, lookup, await self._compute(keys), hold)
        return await self._kept.get_or_make(kept_as, lambda: self._whole(version, lookup))

    async def _whole(self, version: ReferenceVersion, lookup: Lookup) -> ReferenceFrame:
        async with self._loading:  # one at a time, and before it as much is dropped as it needs
            # Of a table from before sizes were noted the most is taken for granted.
            size_bytes = self._bytes_max if version.size_bytes is None else version.size_bytes
            self._kept.keep_up_to(self._in_all_max - LOADING_FACTOR * size_bytes)
            try:
                rows = await self._reference.load(version)
                # In no lane's thread: others wait for this table, and must not wait for what else that lane computes.
                return await self._offload(lambda: prepare_reference(rows, lookup))
            except NotFound as error:
                raise Retry(f"{version.dataset!r} {version.version}: {error}", delay_seconds=_RETRY_SECONDS) from error
            except PanicException as panic:  # which is no `Exception`
                raise RuntimeError(f"polars panicked: {panic}") from panic

    async def _of_keys(
        self,
        version: ReferenceVersion,
        lookup: Lookup,
        keys: Sequence[str],
        hold: Callable[[int], Awaitable[None]],
    ) -> ReferenceFrame:
        tables = [await self._prepare({}, lookup)]
        held_bytes = 0
        at_once = _keys_at_once(version)
        for at in range(0, len(keys), at_once):
            rows = await self._reference.get_many(version, keys[at : at + at_once])
            tables.append(await self._prepare(rows, lookup))
            held_bytes += tables[-1].size_bytes
            if held_bytes > self._held_max:
                names = ", ".join(map(repr, lookup.columns))
                what = f"{names} of {lookup.dataset!r} for {len(keys):,} keys"
                raise TooLargeError(f"{what} take more than {self._held_max:,} bytes")
            await hold(held_bytes)
        return await self._compute(lambda: _joined(tables))

    async def _prepare(self, rows: Mapping[str, Row], lookup: Lookup) -> ReferenceFrame:
        return await self._compute(lambda: prepare_reference(rows, lookup))


def _joined(tables: Sequence[ReferenceFrame]) -> ReferenceFrame:
    found = each_key_once(pl.concat(table.frame for table in tables))
    return ReferenceFrame(found, plain=all(table.plain for table in tables))


def _keys_at_once(version: ReferenceVersion) -> int:
    mean_bytes = (version.size_bytes or 0) // max(1, version.rows)
    return max(_KEYS_AT_ONCE_MIN, min(_KEYS_AT_ONCE_MAX, VALUES_AT_ONCE_BYTES // max(1, mean_bytes)))
