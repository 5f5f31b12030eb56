"""Every finding of checkov that we accept, each with its reason."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from baton_infra.checks import apart
from baton_infra.checks.accepted import Accepted, SynthesizedTemplate, Violation

_FUNCTIONS: Final = ("data/Trigger", "recovery/Lookup", "routing/Setter")

ACCEPTED: Final[Sequence[Accepted]] = (
    Accepted(
        "CKV_AWS_18",
        ("data/AccessLogs",),
        "a log of who writes access logs would itself be written, without end",
    ),
    Accepted("CKV_AWS_21", ("data/AccessLogs",), "S3 writes an access log once, and nobody may change it"),
    Accepted("CKV_AWS_26", ("observability/Topic",), "it carries what an alarm says, no record of a file"),
    Accepted(
        "CKV_AWS_27",
        ("data/*",),
        "it knows KMS keys only: SQS's own key encrypts every queue, see `rules.queues`; no message has a record",
    ),
    Accepted(
        "CKV_AWS_28",
        ("data/Progress", "data/Rejects"),
        "progress and rejects can be made again from the parts: no backup would ever be read",
    ),
    Accepted(
        "CKV_AWS_65",
        ("compute/Cluster",),
        "running tasks are counted by a metric of ECS that costs nothing; a bug shows in the logs",
    ),
    Accepted(
        "CKV_AWS_115",
        ("data/Trigger",),
        "a new account has no concurrency to reserve, and a throttled event waits for hours",
    ),
    Accepted("CKV_AWS_115", ("recovery/Lookup", "routing/Setter"), "only CloudFormation calls it, once per deployment"),
    Accepted(
        "CKV_AWS_116",
        ("data/Trigger",),
        "what fails goes to its dead-letter queue by EventInvokeConfig, which the check does not read",
    ),
    Accepted(
        "CKV_AWS_116",
        ("recovery/Lookup", "routing/Setter"),
        "CloudFormation waits for its answer, and fails the deployment without one",
    ),
    Accepted(
        "CKV_AWS_117",
        _FUNCTIONS,
        "it calls AWS alone: a network would only add addresses, and minutes to a deployment",
    ),
    Accepted(
        "CKV_AWS_119",
        ("data/Progress", "data/Rejects"),
        "tables stay with DynamoDB's own key, as `customer_keys` says: a key of ours guards files and logs",
    ),
    Accepted("CKV_AWS_136", ("images/*",), "images hold this repository's code, and nothing of a customer"),
    Accepted(
        "CKV_AWS_158",
        ("data/*Logs",),
        "CloudWatch encrypts them with its own key: the environment has none",
        customer_keys=False,
    ),
    Accepted(
        "CKV_AWS_158",
        ("chaos/Logs", "recovery/LookupLogs", "routing/SetterLogs"),
        "CloudWatch encrypts them with its own key; they name experiments and resources, no file",
    ),
    Accepted("CKV_AWS_173", ("data/Trigger",), "its variables are names of Regions and of the environment, no secret"),
)


def findings(templates: Iterable[SynthesizedTemplate], home: Path) -> set[Violation]:
    """Return what checkov finds in templates, all in one run. Raises `ValueError` for one that it cannot read."""
    by_path = {str(each.path): each for each in templates}
    files = [part for path in by_path for part in ("--file", path)]
    options = ("--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "--output", "json")
    told: dict[str, Any] = json.loads(apart.run("checkov", *files, *options, home=home))
    counts = told.get("summary", told)  # alone, where nothing could be read
    if counts["parsing_errors"] or counts["resource_count"] == 0:
        raise ValueError(f"checkov could not read every template: {counts}")
    return {
        by_path[check["file_abs_path"]].finding(check["check_id"], check["resource"].rpartition(".")[2])
        for check in told["results"]["failed_checks"]
    }
