"""The safety rules of routing controls, rule by rule."""

import itertools
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.errors import SwitchRefused
from baton.memory.clock import START
from baton.model.routing import GATE, AssertionRule, GatingRule, Panel, RuleConfig, RuleType, failover_panel

EAST, WEST = "us-east-1", "us-west-2"
WAIT = timedelta(seconds=60)
SWITCHED = {EAST: False, WEST: True}
AT_LEAST_ONE = RuleConfig(RuleType.ATLEAST, 1)


@pytest.mark.parametrize(
    ("config", "on_of_three"),
    [
        (RuleConfig(RuleType.ATLEAST, 2), {2, 3}),
        (RuleConfig(RuleType.ATLEAST, 2, inverted=True), {0, 1}),
        (RuleConfig(RuleType.AND), {3}),
        (RuleConfig(RuleType.AND, inverted=True), {0, 1, 2}),
        (RuleConfig(RuleType.OR), {1, 2, 3}),
        (RuleConfig(RuleType.OR, inverted=True), {0}),
    ],
)
def test_a_rule_counts_what_is_on(config: RuleConfig, on_of_three: set[int]) -> None:
    for states in itertools.product([True, False], repeat=3):
        assert config.holds(states) is (sum(states) in on_of_three)


def test_a_switch_is_one_transaction() -> None:
    panel = failover_panel((EAST, WEST))

    assert panel.updated(SWITCHED, START).states == {**SWITCHED, GATE: True}
    with pytest.raises(SwitchRefused, match="at-most-one-active is not met"):
        panel.updated({WEST: True}, START)
    assert panel.updated({EAST: False}, START).states[WEST] is False, "both Off is legal"


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(KeyError, match="eu-west-1"):
        failover_panel((EAST, WEST)).updated({"eu-west-1": True}, START)


def test_the_wait_begins_with_a_change_and_forbids_everything() -> None:
    panel = failover_panel((EAST, WEST), wait=WAIT).updated(SWITCHED, START)

    for wanted in ({EAST: True, WEST: False}, SWITCHED, {WEST: False}):
        with pytest.raises(SwitchRefused, match=r"at-most-one-active is in its wait period for another 1\.0 s"):
            panel.updated(wanted, START + WAIT - timedelta(seconds=1))

    assert panel.updated({EAST: True, WEST: False}, START + WAIT).states[EAST] is True


def test_what_changes_nothing_starts_no_wait() -> None:
    panel = failover_panel((EAST, WEST), wait=WAIT).updated({EAST: True, WEST: False}, START)

    assert panel.updated(SWITCHED, START).states[WEST] is True


def test_a_closed_gate_stops_everybody_until_it_is_opened() -> None:
    closed = failover_panel((EAST, WEST)).updated({GATE: False}, START)

    with pytest.raises(SwitchRefused, match="not-frozen is not met"):
        closed.updated(SWITCHED, START)
    with pytest.raises(SwitchRefused, match="not-frozen"):
        closed.updated({**SWITCHED, GATE: True}, START)

    assert closed.updated({GATE: True}, START).updated(SWITCHED, START).states[WEST] is True


def test_a_broken_glass_overrides_the_rules_it_names_and_no_others() -> None:
    panel = failover_panel((EAST, WEST)).updated({GATE: False}, START)

    assert panel.updated(SWITCHED, START, override=["not-frozen"]).states[WEST] is True
    with pytest.raises(SwitchRefused, match="at-most-one-active"):
        panel.updated({WEST: True}, START, override=["not-frozen"])


def test_a_rule_is_asked_only_about_its_own_controls() -> None:
    rule = AssertionRule("one-of-ab", ("a", "b"), AT_LEAST_ONE, WAIT)
    gating = GatingRule("gate", ("g",), ("a",), RuleConfig(RuleType.AND), WAIT)
    panel = Panel({"a": False, "b": False, "c": False, "g": False}, (rule, gating))

    assert panel.updated({"c": True, "g": True}, START).states["c"] is True, "one-of-ab does not hold; c is none of it"


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from([EAST, WEST, GATE]), st.booleans()), st.integers(0, 90))))
def test_no_history_of_requests_ever_has_both_on(requests: list[tuple[Mapping[str, bool], int]]) -> None:
    panel, now, changed_at = failover_panel((EAST, WEST), wait=WAIT), START, None
    for wanted, seconds in requests:
        now += timedelta(seconds=seconds)
        before = panel
        try:
            panel = panel.updated(wanted, now)
        except SwitchRefused:
            continue
        assert not (panel.states[EAST] and panel.states[WEST])
        if any(panel.states[region] is not before.states[region] for region in (EAST, WEST)):
            assert before.states[GATE]
            assert changed_at is None or now >= changed_at + WAIT
            changed_at = now
