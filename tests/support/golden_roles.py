"""What each role may do, as in tests/infra/golden/: `python tests/support/golden_roles.py` writes it again."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from baton_infra import config
from synthesized import resources, templates

GOLDEN: Final = Path(__file__).parents[1] / "infra" / "golden"


_WHOLE: Final = "prod"
"""Of the others only what depends on the switch or on the size: all else is the same but for its names."""
_OF_CONTROLLERS: Final = frozenset({"FailoverControllerRole", "SharedRole"})


def roles(environment: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, trust and policies) of each role of an environment, those of the home Region."""
    home = config.load(environment).home
    for stack, template in templates(environment).items():
        if stack.endswith(home):
            for name, role in resources(template, "AWS::IAM::Role").items():
                if environment != _WHOLE and name not in _OF_CONTROLLERS and not stack.startswith("recovery"):
                    continue
                properties: Mapping[str, Any] = role["Properties"]
                yield (
                    f"{environment}-{stack.removesuffix(f'-{home}')}-{name}",
                    {
                        "trust": properties["AssumeRolePolicyDocument"]["Statement"],
                        "allowed": [
                            statement
                            for policy in properties["Policies"]
                            for statement in policy["PolicyDocument"]["Statement"]
                        ],
                    },
                )


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


if __name__ == "__main__":
    main()
