"""Stack: one Region's image repositories."""

import json
from typing import Final

from aws_cdk import aws_ecr as ecr
from constructs import Construct

from baton.topology import SERVICES
from baton_infra.config import EnvironmentConfig
from baton_infra.declared.names import DEPLOYED
from baton_infra.stacks.base import BatonStack

_KEPT: Final = 30
"""Images of a service that were built and never deployed."""
_DEPLOYED_KEPT: Final = 1_000
"""Of those that were deployed: more than there will be, since ECR has no rule that keeps. What one rule is about, no
later rule removes."""


class ImagesStack(BatonStack):
    """One Region's image repositories: a Region must be able to start tasks while the other one is gone."""

    purpose = "images"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        deployed = {"tagStatus": "tagged", "tagPatternList": [f"{DEPLOYED}*"]}
        rules = [
            {
                "rulePriority": priority,
                "selection": {**about, "countType": "imageCountMoreThan", "countNumber": kept},
                "action": {"type": "expire"},
            }
            for priority, (about, kept) in enumerate(
                [(deployed, _DEPLOYED_KEPT), ({"tagStatus": "any"}, _KEPT)], start=1
            )
        ]
        for service in SERVICES:
            ecr.CfnRepository(
                self,
                service.title().replace("-", ""),
                repository_name=self.topology.repository(service),
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=ecr.CfnRepository.ImageScanningConfigurationProperty(scan_on_push=True),
                lifecycle_policy=ecr.CfnRepository.LifecyclePolicyProperty(
                    lifecycle_policy_text=json.dumps({"rules": rules})
                ),
                empty_on_delete=True,  # an image can be built again
            )
