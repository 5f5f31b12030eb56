"""cfn-lint, cdk-nag, checkov and parliament over every template: what they find is accepted in their file, or is none.

A finding that no longer occurs must go from its checker's `ACCEPTED`.
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from baton_infra.checks import apart, cfn_lint, checkov, nag, parliament
from baton_infra.checks.accepted import Accepted, SynthesizedTemplate, Violation, complaints
from synthesized import checked, templates, variants

FOUND = Violation("RULE[a:*]", "data/Trigger", "prod", customer_keys=True)


def test_what_is_accepted_for_its_place_is_no_complaint() -> None:
    assert complaints([FOUND], [Accepted(r"RULE\[a:\*\]", ("data/T*",), "reason", customer_keys=True)]) == []


@pytest.mark.parametrize(
    ("rule", "where", "customer_keys"),
    [
        pytest.param("RULE", ("data/Trigger",), None, id="a part of the rule"),
        pytest.param(r"RULE\[a:\*\]", ("data/Bucket",), None, id="another resource"),
        pytest.param(r"RULE\[a:\*\]", ("data/Trigger",), False, id="environments without keys"),
    ],
)
def test_what_is_accepted_elsewhere_is_a_complaint_and_so_is_the_acceptance(
    rule: str, where: tuple[str, ...], *, customer_keys: bool | None
) -> None:
    assert complaints([FOUND], [Accepted(rule, where, "reason", customer_keys)]) == [
        f"accepted, but not found: {rule} {where[0]}",
        "not accepted: RULE[a:*] data/Trigger in prod",
    ]


def test_each_place_of_an_acceptance_must_still_be_found() -> None:
    accepted = Accepted(r"RULE.*", ("data/Trigger", "data/Gone"), "reason")

    assert complaints([FOUND], [accepted]) == ["accepted, but not found: RULE.* data/Gone"]


@pytest.mark.parametrize("reason", ["", " "])
def test_an_acceptance_has_a_reason_and_a_place(reason: str) -> None:
    assert complaints([], [Accepted("RULE", (), reason)]) == [
        "accepted nowhere: RULE",
        "accepted without a reason: RULE",
    ]


@pytest.mark.xdist_group("cfn-lint")
@pytest.mark.timeout(600)
def test_cfn_lint_finds_only_what_is_accepted() -> None:
    assert complaints(cfn_lint.findings(checked()), cfn_lint.ACCEPTED) == []


@pytest.mark.xdist_group("checkers")
@pytest.mark.timeout(300)
def test_cdk_nag_finds_only_what_is_accepted(tmp_path: Path) -> None:
    found = {each for name, variant in variants().items() for each in nag.findings(variant, name, tmp_path / name)}

    assert complaints(found, nag.ACCEPTED) == []


@pytest.mark.xdist_group("checkers")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("findings", "accepted"),
    [
        pytest.param(checkov.findings, checkov.ACCEPTED, id="checkov"),
        pytest.param(parliament.findings, parliament.ACCEPTED, id="parliament"),
    ],
)
def test_it_finds_only_what_is_accepted(
    findings: Callable[[Sequence[SynthesizedTemplate], Path], set[Violation]],
    accepted: Sequence[Accepted],
    tmp_path: Path,
) -> None:
    assert complaints(findings(checked(), tmp_path), accepted) == []


def _planted(tmp_path: Path, stack: str, change: Callable[[Mapping[str, Any]], object]) -> list[SynthesizedTemplate]:
    template: Any = copy.deepcopy(templates("prod")[stack])
    change(template["Resources"])
    path = tmp_path / "planted" / f"{stack}.template.json"
    path.parent.mkdir()
    path.write_text(json.dumps(template))
    return [SynthesizedTemplate("prod", True, stack.rsplit("-", maxsplit=3)[0], path, {"us-east-1"})]  # noqa: FBT003 - a row


def _unexplained(found: set[Violation], accepted: Sequence[Accepted]) -> list[str]:
    return [each for each in complaints(found, accepted) if each.startswith("not accepted: ")]


def test_cfn_lint_finds_a_mistake(tmp_path: Path) -> None:
    planted = _planted(
        tmp_path, "data-us-east-1", lambda of: of["Split"]["Properties"].update(VisibilityTimeout=43_201)
    )

    (complaint,) = _unexplained(cfn_lint.findings(planted), cfn_lint.ACCEPTED)

    assert complaint.endswith("data/Split in prod")


def test_checkov_finds_a_mistake(tmp_path: Path) -> None:
    planted = _planted(tmp_path, "data-us-east-1", lambda of: of["Key"]["Properties"].update(EnableKeyRotation=False))

    (complaint,) = _unexplained(checkov.findings(planted, tmp_path), checkov.ACCEPTED)

    assert complaint == "not accepted: CKV_AWS_7 data/Key in prod"


def test_parliament_finds_a_mistake(tmp_path: Path) -> None:
    def plant(resources: Mapping[str, Any]) -> None:
        (policy,) = resources["TriggerRole"]["Properties"]["Policies"]
        policy["PolicyDocument"]["Statement"][0]["Action"].append("s3:GetObjekt")

    home = tmp_path / "home"
    home.mkdir()
    found = parliament.findings(_planted(tmp_path, "data-us-east-1", plant), home)

    assert any("s3:GetObjekt" in each for each in _unexplained(found, parliament.ACCEPTED))


def test_a_template_that_checkov_cannot_read_is_no_success(tmp_path: Path) -> None:
    broken = tmp_path / "broken.template.json"
    broken.write_text('{"Resources": ')

    with pytest.raises(ValueError, match="could not read every template"):
        checkov.findings([SynthesizedTemplate("prod", True, "data", broken, {"us-east-1"})], tmp_path)  # noqa: FBT003 - a row


def test_a_checker_that_fails_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)parliament failed with 2: .*unrecognized arguments: --no-such"):
        apart.run("parliament", "--no-such", home=tmp_path)


def test_cdk_nag_accepts_no_blanket() -> None:
    for rule in ("AwsSolutions-S1", "AwsSolutions-IAM5[Action::s3:*]", "AwsSolutions-IAM5[Resource::arn:aws:s3:::b/*]"):
        blanket = Violation(rule, "compute/SharedRole", "prod", customer_keys=True)
        assert not any(each.covers(blanket, place) for each in nag.ACCEPTED for place in each.where)
