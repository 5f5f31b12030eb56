"""Turns measurements into samples. No I/O. What was not measured yields no sample, so that the signal is UNKNOWN."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from baton.messages import Kind
from baton.model.batch import Batch
from baton.model.journal import Signal, Verdict
from baton.model.states import BatchState
from baton.ports import CallStats, QueueVitals, ReplicationVitals
from handover.facts import Sample
from handover.settings import ControllerSettings

_RESTING = frozenset({BatchState.PAUSED, BatchState.WAITING_INPUT, BatchState.QUARANTINED})
"""States that are no fault of the Region: an operator holds the batch, or the file has not arrived."""
_BATCH_BYTES: Final = 1 << 20
"""What a batch of any size costs besides its bytes, so that many small ones are a load as well."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one look at a Region measured; None: it did not answer."""

    region: str
    at: datetime
    queues: Mapping[Kind, QueueVitals] | None = None
    alarms: Mapping[str, bool | None] | None = None
    replication: ReplicationVitals | None = None
    calls: Mapping[str, CallStats] = field(default_factory=dict[str, CallStats])
    open_batches: Sequence[Batch] | None = None
    """Open batches of this owner, canaries left out."""
    moved_at: datetime | None = None
    """When the newest of their steps was first seen, by our own clock. None: it is as old as the batch says."""
    dead_letters_before: int | None = None
    """How many there were at the beginning of the window of `dead_letters_seconds`."""


def last_step_of(region: str, batches: Iterable[Batch]) -> str:
    """Return when a service of this Region last moved one of these batches, as a text that grows; empty if none did.

    What another Region or an operator does to its batches does not count.
    """
    last: datetime | None = None
    for batch in batches:
        # The moments of a history grow: its last step counts. Texts are made of one moment, not of each.
        at = next((step.at for step in reversed(batch.history) if step.by == region), None)
        if at and (last is None or at > last):
            last = at
    return last.isoformat(timespec="microseconds") if last else ""


def load_of(batches: Iterable[Batch]) -> float:
    """Return how much work these open batches are, in bytes; one that rests is none."""
    return sum(batch.source.size_bytes + _BATCH_BYTES for batch in batches if batch.state not in _RESTING)


def newest_change(batches: Iterable[Batch]) -> datetime | None:
    """Return when one of these batches that somebody works on was last written, by its writer's clock."""
    return max((batch.updated_at for batch in batches if _is_working(batch)), default=None)


def _is_working(batch: Batch) -> bool:
    return batch.state not in _RESTING and not batch.is_final


def samples_of(measured: Measured, settings: ControllerSettings) -> tuple[Sample, ...]:
    """Return a sample for each signal that was measured."""
    return tuple(
        sample
        for measure in (_queues, _dead_letters, _batches, _calls, _alarms, _replication)
        for sample in measure(measured, settings)
    )


def dead_letters(queues: Mapping[Kind, QueueVitals]) -> int:
    """Return the dead letters of all queues."""
    return sum(queue.dead_letters for queue in queues.values())


def _sample(measured: Measured, signal: Signal, *, good: bool, value: str, threshold: str) -> Sample:
    verdict = Verdict.HEALTHY if good else Verdict.UNHEALTHY
    return Sample(signal, measured.region, verdict, value, threshold, measured.at)


def _queues(measured: Measured, settings: ControllerSettings) -> Iterator[Sample]:
    ages = {kind: queue.oldest_seconds for kind, queue in (measured.queues or {}).items()}
    known = {kind: age for kind, age in ages.items() if age is not None}
    if known:
        kind = max(known, key=lambda each: known[each])
        good = known[kind] <= settings.oldest_message_seconds
        limit = f"at most {settings.oldest_message_seconds:g} s"
        yield _sample(
            measured, Signal.OLDEST_MESSAGE, good=good, value=f"{known[kind]:.0f} s in {kind}", threshold=limit
        )


def _dead_letters(measured: Measured, settings: ControllerSettings) -> Iterator[Sample]:
    if measured.queues is None or measured.dead_letters_before is None:
        return
    new = max(0, dead_letters(measured.queues) - measured.dead_letters_before)
    limit = f"at most {settings.dead_letters_max} within {timedelta(seconds=settings.dead_letters_seconds)}"
    good = new <= settings.dead_letters_max
    yield _sample(measured, Signal.DEAD_LETTERS, good=good, value=f"{new} new", threshold=limit)


def _batches(measured: Measured, settings: ControllerSettings) -> Iterator[Sample]:
    working = [batch for batch in measured.open_batches or () if _is_working(batch)]
    if measured.open_batches is None or not working:
        return  # idle is neither healthy nor unhealthy
    oldest = min(working, key=lambda batch: batch.began_at)
    age = (measured.at - oldest.began_at).total_seconds()
    yield _sample(
        measured,
        Signal.OLDEST_BATCH,
        good=age <= settings.oldest_batch_seconds,
        value=f"{oldest.batch_id} began {age:.0f} s ago",
        threshold=f"at most {settings.oldest_batch_seconds:g} s",
    )
    last = measured.moved_at or max(batch.updated_at for batch in working)
    still = (measured.at - last).total_seconds()
    yield _sample(
        measured,
        Signal.THROUGHPUT,
        good=still <= settings.standstill_seconds,
        value=f"{len(working)} admitted, the last one moved {still:.0f} s ago",
        threshold=f"one moves within {settings.standstill_seconds:g} s",
    )


def _calls(measured: Measured, settings: ControllerSettings) -> Iterator[Sample]:
    rates = {
        service: 100 * stats.errors / stats.calls
        for service, stats in measured.calls.items()
        if stats.calls >= settings.calls_min
    }
    if rates:
        worst = max(rates, key=lambda service: rates[service])
        good = rates[worst] <= settings.call_errors_percent_max
        limit = f"at most {settings.call_errors_percent_max:g} % of a minute's calls"
        value = f"{rates[worst]:.0f} % of {measured.calls[worst].calls} calls to {worst} failed"
        yield _sample(measured, Signal.CALLS, good=good, value=value, threshold=limit)


def _alarms(measured: Measured, settings: ControllerSettings) -> Iterator[Sample]:
    del settings
    known = {name: fires for name, fires in (measured.alarms or {}).items() if fires is not None}
    if known:
        firing = sorted(name for name, fires in known.items() if fires)
        value = ", ".join(firing) if firing else f"none of {len(known)}"
        sample = _sample(measured, Signal.ALARMS, good=not firing, value=value, threshold="none fires")
        yield replace(sample, firing=tuple(firing))


def _replication(measured: Measured, settings: ControllerSettings) -> Iterator[Sample]:
    replication = measured.replication
    if replication and replication.lag_seconds is not None:
        good = replication.lag_seconds <= settings.replication_seconds
        pending = "?" if replication.pending is None else f"{replication.pending:,}"
        value = f"{replication.lag_seconds:.0f} s behind, {pending} pending"
        limit = f"at most {settings.replication_seconds:g} s"
        yield _sample(measured, Signal.REPLICATION, good=good, value=value, threshold=limit)
