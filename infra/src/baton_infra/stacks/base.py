"""What every stack has in common."""

import aws_cdk as cdk
from constructs import Construct

from baton_infra.config import EnvironmentConfig
from baton_infra.declared.names import Arns


class BatonStack(cdk.Stack):
    """A stack of one environment in one Region. Its name says its purpose, and is the same in both Regions."""

    purpose: str

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(
            scope,
            f"{self.purpose}-{region}",
            stack_name=config.topology.stack(self.purpose),
            description=(type(self).__doc__ or "").splitlines()[0],
            env=cdk.Environment(account=config.account_id, region=region),
            termination_protection=config.retain_data,
            tags={"baton:environment": config.name},
        )
        self.config = config
        self.topology = config.topology
        self.arns = Arns(config.topology, region)

    @property
    def world_environment(self) -> dict[str, str]:
        """Return what `baton.settings.WorldSettings` needs everywhere. AWS_REGION is set by Lambda and by Fargate."""
        return {
            "BATON_ENVIRONMENT": self.config.name,
            "BATON_ACCOUNT_ID": self.config.account_id,
            "BATON_REGIONS": ",".join(self.config.regions),
        }

    @property
    def removal_policy(self) -> cdk.RemovalPolicy:
        """Return what happens to data when its stack is deleted."""
        return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if self.config.retain_data else cdk.RemovalPolicy.DESTROY
