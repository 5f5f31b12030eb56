"""A worker on memory adapters, as a process, that meets a rule that hangs: `python hanging_worker.py loop|regex`.

Prints what it knows when it ends normally, and exits as a service does.
"""

import asyncio
import os
import random
import re
import sys
import threading
from typing import Annotated

from pydantic import AfterValidator

from baton.catalog import LoadedJob
from baton.job import Job, Record
from baton.messages import log_fields, parse
from baton.runner import Runner
from baton.service import run_together
from baton.settings import RunnerSettings
from baton_proof.logs import silent_log
from baton_proof.pipeline import Pipeline
from worker.compute import Compute, Watchdog

LIMITS = {"loop": (1.0, 60.0), "regex": (600.0, 1.0)}
"""By kind, what a computation may take, and for how long it may hold the interpreter."""


def _loop(value: str) -> str:
    threading.Event().wait()
    return value


def _regex(value: str) -> str:
    re.match(r"(a|aa)+$", "a" * 200 + "b")  # holds the interpreter's lock, and takes longer than the universe
    return value


async def main(kind: str) -> None:
    hangs = {"loop": _loop, "regex": _regex}[kind]

    class Hanging(Record):
        a: Annotated[str, AfterValidator(hangs)]

    seconds_max, held_seconds_max = LIMITS[kind]
    compute = Compute(seconds_max=seconds_max, watchdog=Watchdog(held_seconds_max))
    catalog = {"p": LoadedJob(Job(name="p", record=Hanging, recipients=("a@example.com",)), "1")}
    pipeline = Pipeline(catalog, compute=compute)
    await pipeline.upload("input/p/f.csv", b"a\n1\n")
    while not pipeline.region.queues.queued("chunk"):
        await pipeline.step()
    inbox = pipeline.region.queues.inbox("chunk")
    consumer = Runner(
        service="worker",
        region=pipeline.region.region,
        inbox=inbox,
        handler=pipeline.process.handlers["chunk"],
        parse=parse,
        log_fields=log_fields,
        settings=RunnerSettings(slots=1, wait_seconds=0),
        clock=pipeline.region.clock,
        dice=random.Random(0),
        log=silent_log(),
    )
    try:
        await run_together(asyncio.Event(), [consumer.run, compute.watch])
    finally:
        pipeline.advance(30)  # longer than what waited behind it is let go first
        back = await inbox.receive(max_messages=10, wait_seconds=0)
        sys.stdout.write(f"messages that came back: {len(back)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1]))
    except ExceptionGroup as errors:
        sys.stderr.write(f"{errors.exceptions}\n")
        sys.stderr.flush()
        os._exit(1)
