"""Sends a canary: a synthetic batch through the whole path of one Region, over its public endpoints."""

import asyncio
import contextlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from baton.canary import EXPECTED_RESULT, INPUT, canary_key, clear_away
from baton.errors import BatonError, Refused
from baton.model.batch import Batch
from baton.model.identity import batch_id_of
from baton.model.journal import Verdict
from baton.model.states import BatchState
from baton.ports import Clock, Ledger, ObjectInfo, ObjectStore
from handover_shell.link_check import LinkCheck

_POLL_SECONDS: Final = 0.5
_POLLS_MIN: Final = 10
"""A deadline is divided into at least this many polls."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a canary found: a verdict and a text for people."""

    verdict: Verdict
    value: str
    seconds: float | None = None
    """How long it took to go the whole way; None: it did not."""
    refused: bool = False
    """Whether the Region refused a call of ours: it may be our own rights, if every Region does."""


class Canary(Protocol):
    """Sends canaries through one Region."""

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        """Send one canary. UNKNOWN if that proves nothing, as when the ledger does not answer. Never raises."""
        ...


class BatchCanary:
    """Writes the canary's file to the Region's bucket; its trigger and its services do the rest.

    It polls the row in the ledger and compares the published bytes with the expected ones.
    """

    def __init__(
        self,
        *,
        sender: str,
        ledger: Ledger,
        objects: Mapping[str, ObjectStore],
        clock: Clock,
        instance: str,
        link: LinkCheck | None = None,
    ) -> None:
        """`sender` and `instance` make the names of the files: two controllers probe one Region side by side."""
        self._sender = sender
        self._ledger = ledger
        self._objects = objects
        self._clock = clock
        self._instance = instance
        self._link = link
        self._numbers = itertools.count(1)

    async def probe(self, region: str, *, seconds_max: float) -> Probe:
        started = self._clock.now()
        stage = _Stage("its bucket accepts no file")
        try:
            async with asyncio.timeout(seconds_max):
                info = await self._put(region)
                batch = await self._settled(info, stage, seconds_max)
                verdict = await self._judged(region, batch, stage)
        except TimeoutError:
            return self._late(stage, seconds_max)
        except BatonError as error:
            return Probe(Verdict.UNHEALTHY, f"{stage.text}: {error}", refused=isinstance(error, Refused))
        seconds = (self._clock.now() - started).total_seconds()
        if self._link and verdict is Verdict.HEALTHY and batch.published:
            await self._link.follow(region, batch.published.result_key, expected=EXPECTED_RESULT)
        await self._clean_up(region, batch, seconds_max)
        return Probe(verdict, f"{stage.text} in {seconds:.1f} s", seconds if verdict is Verdict.HEALTHY else None)

    async def _put(self, region: str) -> ObjectInfo:
        name = f"{self._sender}-{self._instance}-{next(self._numbers)}"
        return await self._objects[region].put(canary_key(region, name), INPUT)

    async def _settled(self, info: ObjectInfo, stage: "_Stage", seconds_max: float) -> Batch:
        """Wait for the batch's end. Runs into the caller's deadline if it never comes."""
        batch_id = batch_id_of(info.key, info.origin)
        stage.text, stage.watched_since = "it was not admitted", self._clock.now()
        while True:
            with contextlib.suppress(BatonError):
                batch = await self._ledger.get(batch_id)
                stage.answered_at = self._clock.now()
                if batch is not None:
                    stage.text = f"it stood in {batch.state}"
                    if batch.state in {BatchState.COMPLETED, BatchState.FAILED}:
                        return batch
            await asyncio.sleep(min(_POLL_SECONDS, seconds_max / _POLLS_MIN))

    async def _judged(self, region: str, batch: Batch, stage: "_Stage") -> Verdict:
        if batch.state is not BatchState.COMPLETED or batch.published is None:
            stage.text = f"it failed: {batch.failure}"
            return Verdict.UNHEALTHY
        stage.text = "its result cannot be read"
        if await self._objects[region].get(batch.published.result_key) != EXPECTED_RESULT:
            stage.text = "its result has other bytes"
            return Verdict.UNHEALTHY
        stage.text = "went the whole way"
        return Verdict.HEALTHY

    def _late(self, stage: "_Stage", seconds_max: float) -> Probe:
        """Return the verdict on a canary that was not done in time. It waited behind nobody: its lane is its own."""
        text = f"{stage.text} after {seconds_max:g} s"
        if stage.watched_since is None:
            return Probe(Verdict.UNHEALTHY, text)
        # If the ledger stops answering, the canary's state is unknown; one late answer at the end does not matter.
        unseen = self._clock.now() - (stage.answered_at or stage.watched_since)
        if stage.answered_at is None or unseen > timedelta(seconds=seconds_max / 2):
            return Probe(Verdict.UNKNOWN, "the ledger did not answer")
        return Probe(Verdict.UNHEALTHY, text)

    async def _clean_up(self, region: str, batch: Batch, seconds_max: float) -> None:
        """Delete everything the canary made. What cannot be deleted now, the sweeper deletes."""
        try:
            async with asyncio.timeout(seconds_max):
                await clear_away(batch, ledger=self._ledger, objects=self._objects[region])
        except (BatonError, TimeoutError):
            return


@dataclass(slots=True)
class _Stage:
    """How far a canary came, as a text, and when the ledger last answered."""

    text: str
    watched_since: datetime | None = None
    answered_at: datetime | None = None
