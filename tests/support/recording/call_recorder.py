"""Records each AWS call of a process as a line of JSON: service, Region, API, operation, parameters."""

import json
from pathlib import Path
from typing import Any

from aiobotocore.session import AioSession


def install(path: str, service: str) -> None:
    """Record the calls of all sessions that this process will make."""
    made: Any = AioSession.__init__

    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.register("provide-client-params", write)

    def write(params: Any, model: Any, context: Any, **_: Any) -> None:
        line = {
            "service": service,
            "region": context.get("client_region", ""),  # what is only signed goes nowhere
            "api": model.service_model.service_name,
            "operation": model.name,
            "parameters": params,
        }
        with Path(path).open("a") as file:  # one short write to the end: whole, even if others write
            file.write(json.dumps(line, default=_short) + "\n")

    untyped: Any = AioSession
    untyped.__init__ = recorded


def _short(value: object) -> str:
    return type(value).__name__
