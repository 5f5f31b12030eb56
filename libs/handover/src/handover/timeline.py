"""Computes how long an unplanned switch takes in the worst case, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from baton.requests import PAGE_BATCHES
from handover.settings import ControllerSettings

CALL_SECONDS: Final = 0.1
"""One call to the ledger, S3 or SQS as it is at worst in good days: a write to MRSC waits for one more Region."""
CANARY_SECONDS_LEAST: Final = 2.0
"""What a canary takes at least: one that was on its way when the fault came is a bad one."""
BATCHES: Final = 1_000
"""Open batches that the figures are for."""

LOOKS_PER_BEAT_MAX: Final = 20
"""Looks follow each other by at least this part of a beat, whatever urges them."""

COMMITTED: Final = "the epoch moves"
LISTED: Final = "open batches are listed"
FIRST_BATCH: Final = "the first batch is taken over"
OWNED: Final = f"all of {BATCHES:,} open batches are taken over"


@dataclass(frozen=True, slots=True)
class TimedStep:
    """One step on the way from the fault to the taken-over batches, as late as it may be."""

    name: str
    seconds: float
    at_seconds: float
    """Since the fault."""
    reason: str


def timing(settings: ControllerSettings) -> tuple[TimedStep, ...]:
    """Return the slowest unplanned switch under these settings that meets no second fault.

    A dead Region, at the worst moment between canaries and looks; the ledger and the standby are healthy.
    """
    now, steps = 0.0, list[TimedStep]()
    for name, seconds, reason in _steps(settings.scaled()):
        now += seconds
        steps.append(TimedStep(name, seconds, now, reason))
    return tuple(steps)


def _steps(settings: ControllerSettings) -> Iterator[tuple[str, float, str]]:
    probe, beat = settings.probe_seconds, settings.beat_seconds
    more = settings.trip_bad - 1
    least = min(CANARY_SECONDS_LEAST, probe)
    canary = probe - least + more * probe + settings.probe_deadline_seconds
    silence = settings.silence_seconds + (more + 1) * beat
    yield "the fault", 0.0, "right after a canary came through, which hides it for the longest time"
    yield "the next canary is sent", probe - least, f"one every {probe:g} s; the last one took at least {least:g} s"
    yield f"{more} more are sent", more * probe, f"{settings.trip_bad} bad ones of {settings.trip_of} are enough"
    yield "the last of them times out", settings.probe_deadline_seconds, "its deadline"
    text = f"{settings.silence_seconds:g} s without a sign of life, {settings.trip_bad} times in a row"
    yield "the second witness agrees: silence", max(0.0, silence - canary), f"{text}: {silence:g} s after the fault"
    between = beat / LOOKS_PER_BEAT_MAX
    yield "a look sees both: SUSPECT", between, "a bad canary triggers one"
    yield "held", settings.hold_seconds, "signals may recover"
    yield "the next look decides", between, "one comes as soon as the hold is over"
    yield COMMITTED, 4 * CALL_SECONDS, "two looks read the ledger; the intention is recorded; compare and set"
    yield LISTED, 2 * CALL_SECONDS, "the step reads the row again; a page from each partition"
    yield FIRST_BATCH, 3 * CALL_SECONDS, "read, compare and set, message"
    rounds = -(-BATCHES // settings.takeovers_at_once)
    lists = 3 * BATCHES / PAGE_BATCHES
    text = f"{rounds - 1} more rounds of {settings.takeovers_at_once}, {lists:g} pages in three passes"
    yield OWNED, (3 * (rounds - 1) + lists) * CALL_SECONDS, text


def table(settings: ControllerSettings) -> str:
    """Return the timeline as a table in Markdown."""
    lines = ["| step | takes | since the fault | why |", "|---|---|---|---|"]
    rows = ((each.name, f"{each.seconds:.1f} s", f"{each.at_seconds:.1f} s", each.reason) for each in timing(settings))
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"
