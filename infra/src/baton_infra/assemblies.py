"""Reads synthesized apps: folders of templates."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from baton_infra.app import build
from baton_infra.config import EnvironmentConfig

_SUFFIX: Final = ".template.json"


def synthesize(config: EnvironmentConfig, outdir: Path) -> Mapping[str, Mapping[str, Any]]:
    """Write an environment's app into a folder, and return its templates."""
    build(config, outdir=outdir).synth()
    return read(outdir)


def read(outdir: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the templates of a folder by the stack's id, such as `data-us-east-1`."""
    return {
        path.name.removesuffix(_SUFFIX): json.loads(path.read_text()) for path in sorted(outdir.glob(f"*{_SUFFIX}"))
    }
