"""One observer over one way is one witness: two of them declare a Region unhealthy, and none may speak for it."""

from dataclasses import replace
from datetime import datetime
from itertools import combinations
from pathlib import Path

import pytest

from baton.model.journal import Signal, Verdict, Vote, Witness
from controller_made import EAST, SETTINGS, START, WEST, Trace, memory_made, rule, sample, seconds
from handover import signals, witnesses
from handover.facts import CANARIES, Heard, Memory, Seen
from handover.witnesses import SIGNAL_SOURCES, CountsWhen

UNHEALTHY, UNKNOWN = Verdict.UNHEALTHY, Verdict.UNKNOWN
CHRONIC = sorted(signal for signal, each in SIGNAL_SOURCES.items() if each.counts is CountsWhen.TOGETHER)
FAILOVER = (Path(__file__).parents[3] / "docs" / "failover.md").read_text()


def _absorbed(memory: Memory, bad: set[Signal], now: datetime, *, region: str = EAST, good: bool = False) -> Memory:
    samples = tuple(sample(each, good=good, at=now, region=region) for each in sorted(bad))
    return signals.absorbed(memory, Seen(None, samples=samples), now)


def _declared(*bad: Signal, region: str = WEST) -> bool:
    """Let these turn bad at the same time, seen from a Region; nothing else is known."""
    memory, now = memory_made(region), START
    for number in range(4):
        now = START + seconds(number * SETTINGS.probe_seconds)
        memory = _absorbed(memory, set(bad), now)
    return witnesses.declares_unhealthy(witnesses.evidence(memory, EAST, now))


# --- whose word it is -------------------------------------------------------------------------------------------------


def test_every_signal_is_somebodys_word() -> None:
    assert set(SIGNAL_SOURCES) == set(Signal)


@pytest.mark.parametrize("signal", Signal)
def test_one_signal_alone_is_not_enough(signal: Signal) -> None:
    assert not _declared(signal)


@pytest.mark.parametrize("witness", Witness)
def test_one_witness_is_not_enough_whatever_it_says(witness: Witness) -> None:
    assert not _declared(*(signal for signal, each in SIGNAL_SOURCES.items() if each.witness is witness))


@pytest.mark.parametrize(("one", "other"), list(combinations(sorted(Signal), 2)))
def test_two_witnesses_declare_a_region_unhealthy_if_one_has_a_canary(one: Signal, other: Signal) -> None:
    words = [SIGNAL_SOURCES[one], SIGNAL_SOURCES[other]]
    counts = all(each.counts is not CountsWhen.NEVER for each in words)

    assert _declared(one, other) is (
        counts and words[0].witness is not words[1].witness and not CANARIES.isdisjoint({one, other})
    )


def test_without_a_canary_no_region_is_declared_unhealthy() -> None:
    assert not _declared(*(set(Signal) - CANARIES))


@pytest.mark.parametrize("canary", CANARIES)
def test_replication_never_counts(canary: Signal) -> None:
    assert not _declared(canary, Signal.REPLICATION)


def test_nobody_is_two_witnesses_of_his_own_region() -> None:
    assert not _declared(Signal.INSIDE_CANARY, Signal.CALLS, Signal.ALARMS, region=EAST)
    assert _declared(Signal.INSIDE_CANARY, Signal.CALLS, region=WEST)


def test_evidence_is_of_one_region_only() -> None:
    memory, now = memory_made(), START
    for number in range(4):
        now = START + seconds(number * SETTINGS.probe_seconds)
        memory = _absorbed(memory, set(Signal), now, region=WEST)

    assert not witnesses.declares_unhealthy(witnesses.evidence(memory, EAST, now))


# --- together ---------------------------------------------------------------------------------------------------------


def _tripped_at(moments: dict[Signal, float], *, until: float) -> Memory:
    """Let each signal be good until its moment, and bad from then on."""
    memory = memory_made()
    for at in range(0, int(until) + 1, int(SETTINGS.probe_seconds)):
        now = START + seconds(at)
        for good in (True, False):
            memory = _absorbed(
                memory, {each for each, moment in moments.items() if good is (at < moment)}, now, good=good
            )
    return memory


@pytest.mark.parametrize("chronic", set(CHRONIC) - {Signal.CALLS})
@pytest.mark.parametrize(("apart", "counts"), [(-600, False), (-135, False), (-120, True), (120, True), (135, False)])
def test_what_may_be_bad_for_hours_counts_only_if_it_turned_bad_with_the_canary(
    chronic: Signal, apart: float, *, counts: bool
) -> None:
    memory = _tripped_at({chronic: 600 + apart, Signal.OUTSIDE_CANARY: 600}, until=840)

    told = witnesses.evidence(memory, EAST, START + seconds(840))

    assert witnesses.declares_unhealthy(told) is counts
    assert rule(told, chronic).verdict is UNHEALTHY
    words = "it turned bad together with the outside canary" if counts else "it did not turn bad together with a canary"
    assert words in rule(told, chronic).note


def test_a_canary_that_came_back_is_not_one_that_turned_bad_with_it() -> None:
    memory = _tripped_at({Signal.ALARMS: 600, Signal.OUTSIDE_CANARY: 600}, until=660)
    now = START + seconds(675)

    memory = _absorbed(memory, {Signal.OUTSIDE_CANARY}, now, good=True)

    assert not witnesses.declares_unhealthy(witnesses.evidence(memory, EAST, now))


# --- a partition ------------------------------------------------------------------------------------------------------


def _epochs(trace: Trace) -> set[int]:
    return {write.after.epoch for write in trace.applied}


@pytest.mark.parametrize("chronic", [None, *CHRONIC])
@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("before", [0, 600])
def test_a_partition_between_the_regions_never_fails_over(
    chronic: Signal | None, *, works: bool, before: float
) -> None:
    """Swallowed, refused or answered 503: the standby's canary and its calls fail; the Region says: healthy."""
    trace = Trace(works=works).warm()
    trace.bad = {chronic} if chronic else set[Signal]()
    trace.run(before)

    trace.outside = False
    trace.bad |= {Signal.CALLS}
    trace.run(900)

    assert (trace.decisions, _epochs(trace)) == ([], set())
    assert trace.assessment.conclusion.endswith("inside canary went the whole way")


@pytest.mark.parametrize("chronic", set(CHRONIC) - {Signal.CALLS})
def test_nor_while_the_region_s_own_canary_is_coming_back(chronic: Signal) -> None:
    trace = Trace(works=True, says_canary=UNKNOWN).warm()
    trace.bad = {chronic}
    trace.run(600)

    trace.outside = False
    trace.bad |= {Signal.CALLS}
    trace.run(900)

    assert trace.decisions == []


# --- who speaks for a Region ------------------------------------------------------------------------------------------


def _voice(trace: Trace, signal: Signal) -> Vote | None:
    return rule(trace.assessment.evidence, signal).voice


def test_a_good_canary_speaks_for_its_region() -> None:
    trace = Trace().warm()

    assert (_voice(trace, Signal.OUTSIDE_CANARY), _voice(trace, Signal.INSIDE_CANARY)) == (Vote.FOR, Vote.FOR)


def test_a_good_canary_from_inside_speaks_although_batches_of_users_stand_still() -> None:
    """A canary goes the way that they go: what holds them is a file or a rule, and would go with them."""
    trace = Trace().warm()
    trace.outside, trace.bad = False, {Signal.THROUGHPUT, Signal.OLDEST_BATCH}
    trace.run(600)

    told = trace.assessment.evidence
    assert rule(told, Signal.THROUGHPUT).voice is Vote.AGAINST
    assert rule(told, Signal.INSIDE_CANARY).voice is Vote.FOR
    assert (trace.control.epoch, trace.decisions) == (2, [])


def test_a_report_that_is_old_does_not() -> None:
    trace = Trace().warm()
    trace.beats = False

    trace.run(SETTINGS.written_seconds)
    assert _voice(trace, Signal.INSIDE_CANARY) is Vote.FOR
    trace.look()

    told = rule(trace.assessment.evidence, Signal.INSIDE_CANARY)
    assert (told.verdict, told.voice) == (Verdict.HEALTHY, None)
    assert told.note == f"does not speak for {EAST}: its report is old"


def test_as_long_as_one_canary_goes_the_whole_way_no_region_is_declared_unhealthy() -> None:
    memory, now = memory_made(), START
    for number in range(4):
        now = START + seconds(number * SETTINGS.probe_seconds)
        memory = _absorbed(memory, set(Signal) - {Signal.OUTSIDE_CANARY}, now)
        memory = _absorbed(memory, {Signal.OUTSIDE_CANARY}, now, good=True)

    assert not witnesses.declares_unhealthy(witnesses.evidence(memory, EAST, now))


def test_a_region_whose_own_canary_fails_as_well_is_declared_unhealthy() -> None:
    trace = Trace(works=True).warm()

    trace.outside, trace.says_canary = False, UNHEALTHY
    trace.run(90)

    assert _epochs(trace) == {3}


# --- it explains itself -----------------------------------------------------------------------------------------------


def test_every_signal_says_in_one_sentence_what_it_counts_for() -> None:
    trace = Trace().warm()
    trace.bad = set(CHRONIC) | {Signal.REPLICATION}
    trace.outside = False
    trace.run(60)

    for each in trace.assessment.evidence:
        assert each.witness is SIGNAL_SOURCES[Signal(each.name)].witness
        assert each.note, each.name
        assert (each.voice is Vote.AGAINST) is each.note.startswith("counts against"), each.name


def test_the_record_names_what_counts_and_nothing_that_only_explains() -> None:
    trace = Trace().warm()
    trace.bad = {Signal.OLDEST_BATCH}
    trace.run(600)

    trace.fail()
    trace.run(90)

    assert "oldest batch" not in trace.decisions[0].summary
    assert "silence" in trace.decisions[0].summary


def test_the_documents_have_the_same_table() -> None:
    rows = {
        (cells[1], cells[2], cells[3])
        for line in FAILOVER.splitlines()
        if len(cells := [cell.strip() for cell in line.split("|")]) > 4
    }

    assert {(str(signal), str(each.witness), str(each.counts)) for signal, each in SIGNAL_SOURCES.items()} <= rows


def test_an_old_heartbeat_never_heard_is_no_report() -> None:
    memory = memory_made()
    now = START
    for number in range(4):
        now = START + seconds(number * SETTINGS.probe_seconds)
        memory = _absorbed(memory, {Signal.INSIDE_CANARY}, now, good=True)
    told = rule(witnesses.evidence(memory, EAST, now), Signal.INSIDE_CANARY)

    assert (told.verdict, told.voice) == (Verdict.HEALTHY, None)
    heard = replace(memory, beats={EAST: Heard(("a", "1"), now)})
    assert rule(witnesses.evidence(heard, EAST, now), Signal.INSIDE_CANARY).voice is Vote.FOR
