"""The rule that notifies operators of handovers: an example for your own rules (docs/events.md)."""

from typing import Any, Final

from baton.model.events import SOURCE, Kind

TOLD: Final = tuple(kind for kind in Kind if kind is not Kind.STARTED)
"""A planned switch was ordered by somebody: that it begins is no news for operators, how it ends is."""
PATHS: Final = {
    "environment": "$.detail.environment",
    "kind": "$.detail.kind",
    "active": "$.detail.active_region",
    "epoch": "$.detail.epoch",
    "summary": "$.detail.summary",
    "id": "$.detail.id",
}
"""What the text takes from an event. Each is in all of them: of what is null EventBridge shows nothing."""
TEXT: Final = '"Baton <environment>: <kind>. <summary>"\n"Active is <active>, epoch <epoch>. Why: baton explain <id>"'
"""As an input template: each line is a string of its own."""


def pattern(environment: str) -> dict[str, Any]:
    """Return which events go to the operators."""
    return {"source": [SOURCE], "detail": {"environment": [environment], "kind": [kind.value for kind in TOLD]}}
