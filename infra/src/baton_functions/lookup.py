"""Custom resource: returns attributes of the switch as text, since CloudFormation cannot split its own lists.

- a cluster of ARC: `Endpoints`, as `region=url,…`
- a plan of ARC Region switch: `First` and `Second`, the health check of each of its Regions
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from baton_functions.answer import Event, answered, client

_PAUSE_SECONDS: Final = 5
_SECONDS_MAX: Final = 240
"""A plan makes its health checks some moments after it is there."""


def endpoints(config: Any, cluster_arn: str) -> dict[str, str]:
    """Return the cluster's endpoints, as the controller's settings want them."""
    cluster = config.describe_cluster(ClusterArn=cluster_arn)["Cluster"]
    found = sorted((each["Region"], each["Endpoint"]) for each in cluster["ClusterEndpoints"])
    return {"Endpoints": ",".join(f"{region}={url}" for region, url in found)}


def health_checks(plans: Any, plan_arn: str, regions: Sequence[str]) -> dict[str, str] | None:
    """Return the plan's health check of each Region; None if they are not there yet."""
    found: dict[str, str] = {}
    for page in plans.get_paginator("list_route53_health_checks").paginate(arn=plan_arn):
        found |= {each["region"]: each["healthCheckId"] for each in page["healthChecks"] if each.get("healthCheckId")}
    if not set(regions) <= found.keys():
        return None
    return {"First": found[regions[0]], "Second": found[regions[1]]}


def look_up(event: Event) -> Mapping[str, str]:
    """Return what the event asks for. Raises `TimeoutError` if it is not there in time."""
    if event["RequestType"] == "Delete":
        return {}
    properties, deadline = event["ResourceProperties"], time.monotonic() + _SECONDS_MAX
    # Both services are asked where their control plane is.
    region = properties["Region"]
    if arn := properties.get("ClusterArn"):
        return endpoints(client("route53-recovery-control-config", region), arn)
    plans = client("arc-region-switch", region)
    never = threading.Event()
    while time.monotonic() < deadline:
        if found := health_checks(plans, properties["PlanArn"], properties["Regions"]):
            return found
        never.wait(_PAUSE_SECONDS)
    raise TimeoutError(f"{properties['PlanArn']} has no health checks yet")


def handler(event: Event, context: Any) -> None:
    """Lambda entry point."""
    answered(event, context, look_up)
