"""A steady stream of small files through the access point, each a batch, during all faults; and loads beside it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from baton.errors import BatonError
from baton.model.identity import batch_id_of
from baton.model.paths import input_key
from baton_cli.reach.connection import Uploader
from baton_proof.chaos.draws import Load
from baton_proof.handovers import Uploads

_SECONDS_BETWEEN: Final = 3.0
"""LocalStack on two cores takes about this long for a batch; the canaries of both controllers go through it as well."""
_JOB: Final = "sales"
_MANY: Final = 60
"""Small files at once: twenty times what the stream sends meanwhile."""
type Loads = Mapping[Load, tuple[Path, str]]
"""The file of each load, and its job. Many small ones are those of the stream."""
_ATTEMPT_AGAIN_SECONDS: Final = 1.0
_TAKEN_SECONDS_MAX: Final = 240
"""Longer than any fault, and the failover after it."""


class Stream:
    """Files on their way.

    A sender that gets no answer sends again, under another name: it cannot learn the result of the first attempt.
    """

    def __init__(self, uploader: Uploader, files: Sequence[Path], tag: str, *, loads: Loads) -> None:
        self._uploader = uploader
        self._small = files
        self._files = itertools.cycle(files)
        self._loads = loads
        self._tag = tag
        self._numbers = itertools.count(1)
        self._open = asyncio.Event()
        self._open.set()
        self._files_by_batch: dict[str, Path] = {}
        self._keys: list[str] = []
        self._sending: set[asyncio.Task[None]] = set()
        self.unanswered = 0
        """Attempts that no Region answered."""
        self.never_taken: list[str] = []

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator[None]:
        """Send one file after the other; at the end, wait until every one of them has been taken."""
        task = asyncio.create_task(self._flow())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.rest()

    async def pour(self, load: Load) -> None:
        """Begin to send a load beside the stream; `rest` waits for it, and `sent` has it."""
        if load is Load.MANY:
            for path in itertools.islice(itertools.cycle(self._small), _MANY):
                self._begin(path, _JOB)
        else:
            self._begin(*self._loads[load])

    @property
    def sent(self) -> Uploads:
        """What was taken so far."""
        return Uploads(dict(self._files_by_batch), list(self._keys))

    async def rest(self) -> None:
        """Return once nothing is being sent."""
        while self._sending:
            await asyncio.gather(*self._sending)

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """Begin to send nothing meanwhile."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def _flow(self) -> None:
        while True:
            await self._open.wait()
            self._begin(next(self._files), _JOB)
            await asyncio.sleep(_SECONDS_BETWEEN)

    def _begin(self, path: Path, job: str) -> None:
        task = asyncio.create_task(self._send(next(self._numbers), path, job))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, number: int, path: Path, job: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _TAKEN_SECONDS_MAX
        for attempt in itertools.count(1):
            key = input_key(job, f"{self._tag}-{number}-{attempt}.csv")
            try:
                version = await self._uploader.upload(path, key, sent=lambda _: None)
            except (BatonError, ClientError, BotoCoreError):  # an emulator that is empty has no such bucket
                self.unanswered += 1
            else:
                self._files_by_batch[batch_id_of(key, version)] = path
                self._keys.append(key)
                return
            if loop.time() > deadline:
                self.never_taken.append(key)
                return
            await asyncio.sleep(_ATTEMPT_AGAIN_SECONDS)
