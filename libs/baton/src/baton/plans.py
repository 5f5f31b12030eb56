"""Reads the plan of a batch, which the splitter wrote."""

from baton.model import paths
from baton.model.plan import Plan
from baton.offload import Offload
from baton.ports import ObjectStore

__all__ = ["load_plan"]


async def load_plan(objects: ObjectStore, batch_id: str, plan_id: str, *, offload: Offload) -> Plan:
    """Return the plan.

    Raises `NotFound` while it is not in this Region, `pydantic.ValidationError` if another version of ours wrote it,
    while a deployment rolls.
    """
    body = await objects.get(paths.plan_key(batch_id, plan_id))
    return await offload(lambda: Plan.model_validate_json(body))
