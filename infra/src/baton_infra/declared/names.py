"""ARNs of the resources that `baton.topology` names. Plain text: readable in a policy, no reference to a stack."""

from dataclasses import dataclass
from typing import Final

from baton.topology import Topology

DEPLOYED: Final = "deployed-"
"""How the tags begin of images that were deployed: a task that is replaced must find its image, however old it is."""


@dataclass(frozen=True, slots=True)
class Arns:
    """ARNs of one environment in one Region."""

    topology: Topology
    region: str

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.topology.account_id}:{resource}"

    def bucket(self) -> str:
        return f"arn:aws:s3:::{self.topology.data_bucket(self.region)}"

    def objects(self, prefix: str) -> str:
        """Return every object below a prefix that ends with a slash."""
        return f"{self.bucket()}/{prefix}*"

    def queue(self, name: str) -> str:
        return self._arn("sqs", name)

    def table(self, name: str) -> str:
        return self._arn("dynamodb", f"table/{name}")

    def function(self, name: str) -> str:
        return self._arn("lambda", f"function:{name}")

    def log_group(self, name: str) -> str:
        return self._arn("logs", f"log-group:{name}")

    def topic(self, name: str) -> str:
        return self._arn("sns", name)

    def default_bus(self) -> str:
        return self._arn("events", "event-bus/default")

    def alarm(self, name: str) -> str:
        return self._arn("cloudwatch", f"alarm:{name}")

    def repository(self, name: str) -> str:
        return self._arn("ecr", f"repository/{name}")

    def cluster(self) -> str:
        return self._arn("ecs", f"cluster/{self.topology.cluster}")

    def ecs_service(self, name: str) -> str:
        return self._arn("ecs", f"service/{self.topology.cluster}/{name}")

    def quota(self, service: str, code: str) -> str:
        return self._arn("servicequotas", f"{service}/{code}")

    def role(self, name: str) -> str:
        return f"arn:aws:iam::{self.topology.account_id}:role/{name}"
