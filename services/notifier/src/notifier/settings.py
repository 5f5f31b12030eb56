"""The notifier's own limits."""

import re
from typing import Annotated, Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from baton.address import Address, GivenAddress, Recipients

_COMMA: Final = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""One between two addresses, not one in a quoted name."""


class NotifierSettings(BaseSettings):
    """Read from `BATON_NOTIFIER_*`."""

    model_config = SettingsConfigDict(env_prefix="BATON_NOTIFIER_", extra="ignore", frozen=True)

    sender: Annotated[GivenAddress, NoDecode] = Address("", "baton", "example.com")
    """An identity that SES has verified."""
    operators: Annotated[Recipients, NoDecode] = (Address("", "operators", "example.com"),)
    """Who gets a mail about a file that no job claims; comma-separated, at most 50."""
    claim_lease_seconds: float = Field(default=120, gt=0)
    """How long a claim without a mark keeps others from sending: longer than a send with all its retries. After it,
    the mail is sent again under the same `X-Baton-Batch`: the one window in which a second copy is possible."""

    rejects_bytes_max: int = Field(default=1024**3, ge=0)
    """Of the file of rejects that a failed batch's mail links to: whole parts, from the first, as far as they fit."""
    rejects_seconds_max: float = Field(default=120, gt=0)
    """After which a mail goes out without its rejects: 1 GiB of small parts at 20 MB/s, and some."""

    @field_validator("operators", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(_COMMA.split(value)) if isinstance(value, str) else value
