"""Reads synthesized templates as CloudFormation does, and plants mistakes into copies of them."""

import copy
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from synthesized import Template

type Templates = Mapping[str, Template]


def planted(templates: Templates, stack: str, logical_id: str, /, **properties: Any) -> Templates:
    """Return a copy in which a resource has other properties; a resource that is not there is added with `Type`."""
    copied = copy.deepcopy(dict(templates))
    resources: dict[str, Any] = dict(copied[stack]["Resources"])
    kind = properties.pop("Type", None)
    found = resources.get(logical_id, {"Type": kind, "Properties": {}})
    resources[logical_id] = {**found, "Properties": {**found["Properties"], **properties}}
    copied[stack] = {**copied[stack], "Resources": resources}
    return copied


def logical_id(templates: Templates, value: Any) -> str:
    """Return which resource a value names (`Ref`, `Fn::GetAtt`), also through the output of another stack."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return name
        case {"Fn::GetStackOutput": {"StackName": str(stack), "Region": str(region), "OutputName": str(output)}}:
            purpose = next(each for each in templates if each.endswith(region) and stack.endswith(_purpose(each)))
            return logical_id(templates, templates[purpose]["Outputs"][output]["Value"])
        case _:
            raise ValueError(f"no reference: {value}")


def _purpose(stack: str) -> str:
    """Return `-network` of `network-us-east-1`."""
    return "-" + stack.rsplit("-", maxsplit=3)[0]


def statements(role: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what the inline policies of a role say."""
    for policy in role["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def listed(value: Any) -> list[Any]:
    """Return one or several, as policies write them, as a list."""
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def covers(patterns: list[str], text: str) -> bool:
    """Return whether IAM's wildcards of any pattern match a text that may hold wildcards itself."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)
