"""The locks decide as IAM does: denials first, a session within its role, conditions by their operators."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton_local.locks.policies import Need, Policy, PolicyEffect, Ruling, UnknownPolicy, evaluate

ACTIONS = ("s3:GetObject", "s3:PutObject", "sqs:SendMessage")
RESOURCES = ("arn:aws:s3:::b/work/1", "arn:aws:s3:::b/output/1", "arn:aws:sqs:r:1:q")
PATTERNS = ("*", "s3:*", "s3:Get*", *ACTIONS)
PLACES = ("*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/work/?", *RESOURCES)


def _statement(effect: str = "Allow", action: Any = "*", resource: Any = "*", conditions: Any = None) -> dict[str, Any]:
    written = {"Effect": effect, "Action": action, "Resource": resource}
    return written | ({"Condition": conditions} if conditions else {})


statements = st.builds(
    _statement,
    effect=st.sampled_from(["Allow", "Allow", "Deny"]),
    action=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
    resource=st.lists(st.sampled_from(PLACES), min_size=1, max_size=2),
)
policies = st.lists(statements, max_size=4)
wanted = st.builds(Need, st.sampled_from(ACTIONS), st.sampled_from(RESOURCES))


@given(role=policies, session=st.none() | policies, bucket=st.none() | policies, need=wanted)
def test_a_denial_anywhere_wins(
    role: list[Any], session: list[Any] | None, bucket: list[Any] | None, need: Need
) -> None:
    deny = _statement("Deny", need.action, need.resource)
    for denied in ([*role, deny], [deny, *role]):
        assert not _decide(need, denied, session, bucket).is_allowed
    assert not _decide(need, role, [*(session or []), deny], bucket).is_allowed
    assert not _decide(need, role, session, [*(bucket or []), deny]).is_allowed


@given(role=policies, session=policies, need=wanted)
def test_a_session_may_do_what_it_and_its_role_both_may(role: list[Any], session: list[Any], need: Need) -> None:
    alone = [Policy(each).says(need) is PolicyEffect.ALLOWS for each in (role, session)]

    assert _decide(need, role, session).is_allowed is all(alone)
    assert _decide(need, role).is_allowed is alone[0]


@given(role=policies, more=statements, need=wanted)
def test_more_permissions_never_take_one_away(role: list[Any], more: dict[str, Any], need: Need) -> None:
    if more["Effect"] == "Allow" and _decide(need, role).is_allowed:
        assert _decide(need, [*role, more]).is_allowed


@given(bucket=policies, need=wanted)
def test_what_nobody_allows_is_refused_whatever_the_bucket_says(bucket: list[Any], need: Need) -> None:
    assert not _decide(need, [], None, bucket).is_allowed


@given(text=st.text(alphabet="ab*?$\n{}.", max_size=8))
def test_characters_between_braces_stand_for_themselves(text: str) -> None:
    literal = "".join(f"${{{char}}}" if char in "*?$" else char for char in text)
    policy = Policy([_statement(resource=f"arn:aws:s3:::b/{literal}")])

    assert policy.says(Need("s3:GetObject", f"arn:aws:s3:::b/{text}")) is PolicyEffect.ALLOWS
    assert policy.says(Need("s3:GetObject", f"arn:aws:s3:::b/{text}x")) is PolicyEffect.SILENT
    assert policy.says(Need("s3:GetObject", f"arn:aws:s3:::b/x{text}")) is PolicyEffect.SILENT


def test_actions_have_no_case_and_resources_do() -> None:
    policy = Policy([_statement(action="S3:getobject", resource="arn:aws:s3:::B/*")])

    assert policy.says(Need("s3:GetObject", "arn:aws:s3:::B/a\nb")) is PolicyEffect.ALLOWS
    assert policy.says(Need("s3:GetObject", "arn:aws:s3:::b/a")) is PolicyEffect.SILENT


@pytest.mark.parametrize(
    ("operator", "written", "values", "holds"),
    [
        ("StringEquals", ["a", "b"], ("b",), True),
        ("StringEquals", "a", ("A",), False),
        ("StringEquals", "a*", ("ab",), False),
        ("StringEquals", "a", (), False),
        ("StringEqualsIfExists", "a", (), True),
        ("StringEqualsIfExists", "a", ("b",), False),
        ("StringNotEquals", ["a", "b"], ("b",), False),
        ("StringNotEquals", ["a", "b"], ("c",), True),
        ("StringNotEquals", "a", (), True),
        ("StringEqualsIgnoreCase", "a", ("A",), True),
        ("StringLike", "batch#*", ("batch#1",), True),
        ("StringNotLike", "batch#*", ("batch#1",), False),
        ("ForAllValues:StringLike", ["batch#*", "control"], ("batch#1", "control"), True),
        ("ForAllValues:StringLike", "batch#*", ("batch#1", "control"), False),
        ("ForAllValues:StringLike", "batch#*", (), True),
        ("ForAnyValue:StringEquals", "a", ("b", "a"), True),
        ("ForAnyValue:StringEquals", "a", (), False),
        ("ForAnyValue:StringNotEquals", "a", (), False),
        ("ArnEquals", "arn:aws:iam::1:role/*", ("arn:aws:iam::1:role/a/b",), True),
        ("ArnLike", "arn:aws:*:role/a", ("arn:aws:iam::1:role/a",), False),
        ("Bool", "false", ("True",), False),
        ("Null", "true", (), True),
        ("Null", "true", ("a",), False),
        ("Null", "false", ("a",), True),
    ],
)
def test_a_condition_holds_by_its_operator(
    operator: str, written: str | list[str], values: tuple[str, ...], *, holds: bool
) -> None:
    policy = Policy([_statement(conditions={operator: {"aws:Key": written}})])

    assert policy.says(Need("a:B", "r", {"aws:key": values})) is (PolicyEffect.ALLOWS if holds else PolicyEffect.SILENT)


def test_conditions_hold_together() -> None:
    policy = Policy([_statement(conditions={"StringEquals": {"one": "a", "two": "b"}, "Null": {"three": "true"}})])

    assert policy.says(Need("a:B", "r", {"one": ("a",), "two": ("b",)})) is PolicyEffect.ALLOWS
    assert policy.says(Need("a:B", "r", {"one": ("a",)})) is PolicyEffect.SILENT
    assert policy.says(Need("a:B", "r", {"one": ("a",), "two": ("b",), "three": ("c",)})) is PolicyEffect.SILENT


@pytest.mark.parametrize(
    "statement",
    [
        _statement(conditions={"NumericLessThan": {"a": "1"}}),
        _statement(conditions={"StringEqualsAlmost": {"a": "1"}}),
        _statement(conditions={"ForSomeValues:StringEquals": {"a": "1"}}),
        _statement(resource="arn:aws:s3:::b/${aws:username}"),
        _statement() | {"NotAction": "s3:*"},
        _statement(effect="allow"),
        _statement(action=[]),
    ],
)
def test_what_nobody_understands_is_refused_when_it_is_read(statement: dict[str, Any]) -> None:
    with pytest.raises(UnknownPolicy):
        Policy([statement])


def test_a_refusal_says_why() -> None:
    need = Need("s3:GetObject", "arn:aws:s3:::b/k")
    allow, deny = [_statement()], [_statement("Deny")]

    assert _decide(need, deny).reason == "with an explicit deny in an identity-based policy"
    assert _decide(need, allow, [], deny).reason == "with an explicit deny in a resource-based policy"
    assert _decide(need, []).reason == "because no identity-based policy allows the s3:GetObject action"
    assert _decide(need, allow, []).reason == "because no session policy allows the s3:GetObject action"


def _decide(need: Need, role: list[Any], session: list[Any] | None = None, bucket: list[Any] | None = None) -> Ruling:
    within = [None if each is None else Policy(each) for each in (session, bucket)]
    return evaluate(need, Policy(role), *within)
