"""Templates of the CDK app, synthesized once per process and environment: no credentials, no Docker, no look-ups."""

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baton_infra import assemblies, config

type Template = Mapping[str, Any]


@functools.cache
def assembly(environment: str) -> Path:
    """Return the folder of an environment's synthesized app."""
    outdir = Path(tempfile.mkdtemp(prefix=f"cdk-{environment}-"))
    assemblies.synthesize(config.load(environment), outdir)
    return outdir


@functools.cache
def templates(environment: str) -> Mapping[str, Template]:
    """Return every template by its stack's id, such as `data-us-east-1`."""
    return assemblies.read(assembly(environment))


def resources(template: Template, kind: str) -> Mapping[str, Any]:
    """Return a template's resources of one type, by logical id."""
    return {name: found for name, found in template.get("Resources", {}).items() if found["Type"] == kind}
