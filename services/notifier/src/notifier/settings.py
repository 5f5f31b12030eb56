"""The notifier's own bounds."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class NotifierSettings(BaseSettings):
    """Read from `BATON_NOTIFIER_*`."""

    model_config = SettingsConfigDict(env_prefix="BATON_NOTIFIER_", extra="ignore", frozen=True)

    sender: str = "baton@example.com"
    """An identity that SES has verified."""
    operators: Annotated[tuple[str, ...], NoDecode] = ("operators@example.com",)
    """Who is told of a file that no job claims; comma-separated."""
    claim_lease_seconds: float = Field(default=120, gt=0)
    """How long a claim without a mark keeps others from sending: longer than a send with all its retries. After it,
    the mail is sent again under the same Message-ID: the one window in which a second copy is possible."""

    @field_validator("operators", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value
