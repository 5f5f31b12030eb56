"""Services of a Region in memory that process only canaries: each one is done as soon as it is written."""

import asyncio
from typing import Any

from baton.canary import EXPECTED_RESULT, canary_epoch
from baton.memory import MemoryLedger
from baton.model.batch import Batch, Published, Source, Step
from baton.model.identity import batch_id_of
from baton.model.states import BatchState
from baton.topology import REGIONS_DEFAULT
from baton_proof.region import Region


def serve(region: Region, ledger: MemoryLedger) -> None:
    """Let every canary of this Region go the whole way from now on."""
    going: set[asyncio.Task[None]] = set()

    def written(version: Any) -> None:
        if version.body is not None and version.info.key.startswith("canary/"):
            task = asyncio.create_task(_through(region, ledger, version.info.key, version.info.version_id))
            going.add(task)
            task.add_done_callback(going.discard)

    region.objects.listen(written)


async def _through(region: Region, ledger: MemoryLedger, key: str, version_id: str) -> None:
    batch_id, now = batch_id_of(key, version_id), region.clock.now()
    result = f"canary-work/{batch_id}/result.csv"
    await region.objects.put(result, EXPECTED_RESULT)
    await ledger.admit(
        Batch(
            batch_id=batch_id,
            job="canary",
            source=Source(key, version_id, 1),
            state=BatchState.COMPLETED,
            owner_epoch=canary_epoch(region.region, REGIONS_DEFAULT),
            admitted_at=now,
            updated_at=now,
            published=Published(result, result, result, len(EXPECTED_RESULT), ""),
            history=(Step(now, BatchState.COMPLETED, region.region),),
        )
    )
