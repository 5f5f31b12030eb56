"""Templates of the CDK app, synthesized once per process and environment: no credentials, no Docker, no look-ups."""

import functools
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baton.model.control import SwitchBackend
from baton_infra import assemblies, config
from baton_infra.checks.accepted import SynthesizedTemplate
from baton_infra.config import EnvironmentConfig

type Template = Mapping[str, Any]


@functools.cache
def variants() -> Mapping[str, EnvironmentConfig]:
    """Return every environment, and those that have what no file says: each switch and option is in one at least."""
    files = {name: config.load(name) for name in config.names()}
    ledger = {"switch": SwitchBackend.LEDGER, "customer_keys": False, "exec": True, "traces": True}
    kept = {"customer_keys": True, "retain_data": True, "create_sender": False}
    return {
        **files,
        "standard-ledger": files["prod"].model_copy(update=ledger),
        "lean-keys": files["dev"].model_copy(update=kept),
    }


@functools.cache
def assembly(environment: str) -> Path:
    """Return the folder of a synthesized app, of an environment or of another variant."""
    outdir = Path(tempfile.mkdtemp(prefix=f"cdk-{environment}-"))
    assemblies.synthesize(variants()[environment], outdir)
    return outdir


@functools.cache
def checked() -> tuple[SynthesizedTemplate, ...]:
    """Return the templates of all variants. Of those that differ by names alone, the one with the longest name."""
    found: dict[str, SynthesizedTemplate] = {}
    for name, variant in sorted(variants().items(), key=lambda each: -len(each[1].name)):
        for stack, template in templates(name).items():
            purpose, region = stack.rsplit("-", maxsplit=3)[0], "-".join(stack.split("-")[-3:])
            path = assembly(name) / f"{stack}.template.json"
            new = SynthesizedTemplate(name, variant.customer_keys, purpose, path, set())
            same = found.setdefault(f"{purpose} {_without_names(json.dumps(template), variant)}", new)
            same.regions.add(region)
    return tuple(found.values())


def _without_names(text: str, variant: EnvironmentConfig) -> str:
    """Return a template in which nothing of an environment's own is named: itself, its account, Regions, addresses."""
    zones = (zone for network in variant.networks.values() for zone in network.availability_zones)
    names = (variant.account_id, *variant.regions, *zones)
    for name in names:
        text = text.replace(name, "NAME")
    text = re.sub(rf"(baton[-/]|\"){variant.name}\b", r"\1NAME", text)
    return re.sub(r"\b10(\.\d+){3}", "ADDRESS", text)


@functools.cache
def templates(environment: str) -> Mapping[str, Template]:
    """Return every template by its stack's id, such as `data-us-east-1`."""
    return assemblies.read(assembly(environment))


def resources(template: Template, kind: str) -> Mapping[str, Any]:
    """Return a template's resources of one type, by logical id."""
    return {name: found for name, found in template.get("Resources", {}).items() if found["Type"] == kind}
