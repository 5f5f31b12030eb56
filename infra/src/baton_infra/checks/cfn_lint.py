"""Every finding of cfn-lint that we accept, each with its reason."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from cfnlint import ManualArgs, lint_file  # pyright: ignore[reportMissingTypeStubs] - it has none

from baton_infra.checks.accepted import Accepted, SynthesizedTemplate, Violation

ACCEPTED: Final[Sequence[Accepted]] = (
    Accepted("I1022", ("data/*Policy", "recovery/*", "routing/*"), "CDK writes Fn::Join; what it makes is the same"),
)


def findings(templates: Iterable[SynthesizedTemplate]) -> set[Violation]:
    """Return what cfn-lint finds in templates, each for its Regions: errors, warnings and information."""
    return {finding for template in templates for finding in _of(template)}


def _of(template: SynthesizedTemplate) -> Iterator[Violation]:
    arguments = ManualArgs(regions=sorted(template.regions), include_checks=["I"])
    found: list[Any] = lint_file(template.path, arguments)
    for match in found:
        # Resources, Trigger, Properties, …
        section, name = [*map(str, match.path or ()), "", ""][:2]
        yield template.finding(match.rule.id, name if section == "Resources" else f"{section}/{name}")
