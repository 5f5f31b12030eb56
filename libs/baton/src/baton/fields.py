"""Ready-made field types for record models. Each is text with a rule; the text itself is never changed."""

import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

__all__ = ["ShortDate", "Text"]

# [0-9] and not \d: that one also matches the digits of other scripts.
_SHORT_DATE: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{2})")


_DAYS_KNOWN: Final = 16_384
"""Each chunk has much the same days, in every column of days: a century has 36,525."""
_SHORT_DATE_ASKED: Final = "a date written M/D/YY, such as 7/31/14"


@lru_cache(_DAYS_KNOWN)
def _is_a_day(text: str) -> str:
    match = _SHORT_DATE.fullmatch(text)
    if match is None:
        raise PydanticCustomError("short_date_format", f"must be {_SHORT_DATE_ASKED}")
    month, day, year = map(int, match.groups())
    try:
        date(2000 + year, month, day)
    except ValueError as error:
        raise PydanticCustomError("short_date_day", "is no day of the calendar") from error
    return text


ShortDate = Annotated[str, AfterValidator(_is_a_day), Field(description=_SHORT_DATE_ASKED)]
"""A day of this century written M/D/YY, leading zeros optional. Rules: `short_date_format`, `short_date_day`."""

Text = Annotated[str, Field(min_length=1, max_length=200)]
"""Any text of 1 to 200 characters. Rules: `string_too_short`, `string_too_long`."""
