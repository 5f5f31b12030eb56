"""What each role may do, as in tests/infra/golden/: `python tests/support/golden_roles.py` writes it again.

And what the local world reads of it, as it has no CDK: `baton_local/locks/roles.json`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from baton_infra import config
from baton_local.locks.roles import DECLARED
from synthesized import resources, templates

GOLDEN: Final = Path(__file__).parents[1] / "infra" / "golden"


_WHOLE: Final = "prod"
"""Of the others only what depends on the switch or on the size: all else is the same but for its names."""
_OF_CONTROLLERS: Final = frozenset({"FailoverControllerRole", "SharedRole"})
_WITH_EXPERIMENTS: Final = "staging"
"""The one of those with experiments whose roles for them are written."""
_POINT: Final = "PublishOutputFnGetAttAccessPointAliasAEFB68BC"
"""The output by which other stacks know the access point's alias."""


def roles(environment: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, trust and policies) of each role of an environment, those of the home Region."""
    home = config.load(environment).home
    for stack, template in templates(environment).items():
        if stack.endswith(home):
            for name, role in resources(template, "AWS::IAM::Role").items():
                purpose = stack.removesuffix(f"-{home}")
                if _is_its_own(environment, purpose, name):
                    yield f"{environment}-{purpose}-{name}", _role(role)


def _is_its_own(environment: str, purpose: str, name: str) -> bool:
    """Return whether an environment's role is not the same as another's but for its names."""
    if purpose == "chaos":
        return environment == _WITH_EXPERIMENTS
    return environment == _WHOLE or name in _OF_CONTROLLERS or purpose == "recovery"


def _role(role: Mapping[str, Any]) -> dict[str, Any]:
    properties: Mapping[str, Any] = role["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties["Policies"]]
    return {
        "trust": properties["AssumeRolePolicyDocument"]["Statement"],
        "allowed": [statement for document in documents for statement in document["Statement"]],
    }


def declared() -> str:
    """Return `roles.json`: named roles of both Regions, and policies of their buckets. A statement has a line."""
    environment = config.load(_WHOLE)
    topology = environment.topology
    point = {"AccessPoint.Alias": topology.mrap, _POINT: topology.mrap}
    roles: dict[str, Any] = {}
    buckets: dict[str, Any] = {}
    for stack, template in templates(_WHOLE).items():
        for role in resources(template, "AWS::IAM::Role").values():
            if name := role["Properties"].get("RoleName"):
                roles[name] = _plain(_role(role), point)
        if stack.startswith("data-"):
            region = stack.removeprefix("data-")
            bucket = topology.data_bucket(region)
            key = f"arn:aws:kms:{region}:{topology.account_id}:key/local"
            policy = resources(template, "AWS::S3::BucketPolicy")["BucketPolicy"]["Properties"]["PolicyDocument"]
            buckets[bucket] = _plain(policy["Statement"], {"Bucket.Arn": f"arn:aws:s3:::{bucket}", "Key.Arn": key})
    names = {"access_point": topology.mrap, "key_alias": topology.key_alias, "sender": environment.sender.spec}
    head = {"account": topology.account_id, "environment": topology.environment, "regions": topology.regions, **names}
    return _in_lines({**head, "roles": roles, "buckets": buckets}) + "\n"


def _plain(value: Any, known: Mapping[str, str]) -> Any:
    """Replace what only a deployment knows: by what the local world calls it, or by a name for it."""
    match value:
        case {"Fn::Join": [str(between), parts]}:
            return between.join(_plain(part, known) for part in parts)
        case {"Fn::GetAtt": [str(resource), str(attribute)]}:
            return known.get(f"{resource}.{attribute}", f"{{{resource}.{attribute}}}")
        case {"Fn::GetStackOutput": {"OutputName": str(name)}}:
            return known.get(name, f"{{{name}}}")
        case {**entries}:
            return {key: _plain(each, known) for key, each in entries.items()}
        case [*several]:
            return [_plain(each, known) for each in several]
        case _:
            return value


def _in_lines(value: Any, indent: int = 0) -> str:
    """Return JSON in which a statement has one line, and so has whatever is no object of objects or of statements."""
    own, inner = " " * indent, " " * (indent + 1)
    match value:
        case {**entries} if "Effect" not in entries:
            lines = [f"{json.dumps(name)}: {_in_lines(each, indent + 1)}" for name, each in entries.items()]
            return "{\n" + ",\n".join(inner + line for line in lines) + f"\n{own}}}"
        case [dict(), *_]:
            return "[\n" + ",\n".join(inner + json.dumps(each) for each in value) + f"\n{own}]"
        case _:
            return json.dumps(value)


def text(role: Any) -> str:
    return json.dumps(role, indent=2) + "\n"


def main() -> None:
    """Write every role's file, and remove those of roles that are gone."""
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.json"):
        old.unlink()
    for environment in config.names():
        for name, role in roles(environment):
            (GOLDEN / f"{name}.json").write_text(text(role))
    DECLARED.write_text(declared())


if __name__ == "__main__":
    main()
