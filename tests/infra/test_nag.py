"""cdk-nag's AwsSolutions and CDK's own validation: what they find is acknowledged, in one file, or is none."""

import re

import pytest

from baton_infra import config
from baton_infra.checks import nag


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[nag.FindingId]:
    return {each for name in config.names() for each in nag.findings(config.load(name), tmp_path_factory.mktemp(name))}


def test_whatever_is_found_is_acknowledged_with_its_reason(found: set[nag.FindingId]) -> None:
    assert [each for each in sorted(found) if nag.reason(each[0]) is None] == []


def test_nothing_is_acknowledged_that_is_not_found(found: set[nag.FindingId]) -> None:
    rules = {rule for rule, _ in found}

    assert [pattern for pattern in nag.ACKNOWLEDGED if not any(re.fullmatch(pattern, rule) for rule in rules)] == []


def test_an_acknowledgement_is_no_blanket() -> None:
    assert nag.reason("AwsSolutions-S1") is None
    assert nag.reason("AwsSolutions-IAM5[Action::s3:*]") is None
    assert nag.reason("AwsSolutions-IAM5[Resource::arn:aws:s3:::bucket/*]") is None
