"""`make synth`: writes every template of every environment, and checks them against our own rules."""

import sys
from pathlib import Path
from typing import Final

from baton_infra import assemblies, config
from baton_infra.checks import rules

_TARGET: Final = Path(__file__).parents[4] / "build" / "cdk"


def main() -> None:
    """Synthesize all environments. Exits with 1 if a rule of ours is broken."""
    broken: list[str] = []
    for name in config.names():
        templates = assemblies.synthesize(config.given(name), _TARGET / name)
        count = sum(len(template.get("Resources", {})) for template in templates.values())
        sys.stdout.write(f"{name}: {len(templates)} stacks, {count} resources in {_TARGET / name}\n")
        broken += [f"{name}: {found.stack}/{found.resource} {found.reason}" for found in rules.check(templates)]
    for line in broken:
        sys.stderr.write(f"{line}\n")
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    main()
