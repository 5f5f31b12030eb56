"""Detects a clock that is wrong by minutes. It changes no verdict: durations are measured by the monotonic clock."""

from datetime import datetime, timedelta

from handover.facts import Memory, Seen


def absorbed(before: Memory, memory: Memory, seen: Seen, now: datetime) -> Memory:
    """Remember how far clocks are apart: the machine's from the steady one, ours from the other controller's.

    A heartbeat that was not there at the look before was written a beat ago at most, or a few seconds longer where the
    ledger is slow. Of one that is found after a time without looks nobody knows.
    """
    memory = memory.remembering(stepped_seconds=seen.stepped_seconds)
    beat, heard = seen.heartbeats.get(memory.other), memory.beats.get(memory.other)
    looked = before.read_at is not None and now - before.read_at <= timedelta(seconds=memory.settings.written_seconds)
    if beat is None or heard is None or heard.at != now or memory.other not in before.beats or not looked:
        return memory
    return memory.remembering(apart_seconds=(now - beat.at).total_seconds())


def off_seconds(memory: Memory) -> float:
    """Return how far two clocks are apart at most. Which of them is wrong is not known here."""
    return max(abs(memory.stepped_seconds), abs(memory.apart_seconds))
