"""The CDK app: `build` creates every stack of an environment; the CDK command runs this module."""

import json
from pathlib import Path
from typing import Final

import aws_cdk as cdk

from baton_infra import config as environments
from baton_infra.config import EnvironmentConfig
from baton_infra.stacks.chaos import ChaosStack
from baton_infra.stacks.compute import ComputeStack
from baton_infra.stacks.data import DataStack
from baton_infra.stacks.global_data import GlobalDataStack
from baton_infra.stacks.images import ImagesStack
from baton_infra.stacks.network import NetworkStack
from baton_infra.stacks.observability import ObservabilityStack
from baton_infra.stacks.recovery import RecoveryStack
from baton_infra.stacks.routing import RoutingStack
from baton_infra.stacks.runbook import RunbookStack

_CDK_JSON: Final = Path(__file__).parents[2] / "cdk.json"


def build(config: EnvironmentConfig, *, outdir: Path | None = None) -> cdk.App:
    """Declare every stack of an environment, in the order in which they are deployed: the standby Region first."""
    # The CDK command reads cdk.json, a test does not: both shall synthesize the same.
    context = json.loads(_CDK_JSON.read_text())["context"]
    app = cdk.App(outdir=str(outdir) if outdir else None, context=context)
    home, standby = config.regions
    shared = GlobalDataStack(app, config, home)
    networks: dict[str, NetworkStack] = {}
    data: list[DataStack] = []
    for region in (standby, home):
        ImagesStack(app, config, region)
        networks[region] = NetworkStack(app, config, region)
        data.append(DataStack(app, config, region))
    routing = RoutingStack(app, config, home)
    recovery = RecoveryStack(app, config, home, networks=networks)
    for each in data:
        routing.add_stack_dependency(each)
    for region in (standby, home):
        compute = ComputeStack(app, config, region, network=networks[region], routing=routing, recovery=recovery)
        for earlier in (shared, *data):
            compute.add_stack_dependency(earlier)
        observability = ObservabilityStack(app, config, region)
        observability.add_stack_dependency(compute)  # whose logs it filters
        RunbookStack(app, config, region).add_stack_dependency(shared)
        if config.chaos:
            ChaosStack(app, config, region).add_stack_dependency(observability)  # whose alarms end its experiments
    return app


def main() -> None:
    """Synthesize the environment that `--context environment=NAME` says."""
    name = cdk.App().node.try_get_context("environment")
    if not name:
        raise SystemExit(f"which environment? --context environment=NAME, one of {', '.join(environments.names())}")
    build(environments.given(name)).synth()


if __name__ == "__main__":
    main()
