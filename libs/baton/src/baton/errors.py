"""What can go wrong, and who acts on it.

    BatonError
    ├── Retry            a handler says: not now, come back in `delay_seconds`
    ├── Reject           a handler says: this message can never succeed; it is dropped and logged
    ├── BatchFailed      the batch cannot be completed; it ends FAILED with this reason, a text for its sender
    ├── Fenced           another epoch owns the batch (or its state moved on): stop, touch nothing more
    ├── NotFound         an object or a version that must be there is not there
    ├── Conflict         a conditional write lost; the caller reads again and decides anew
    ├── SwitchRefused    the switch's own safety rules forbid the change
    ├── Refused          a dependency will not do this for us: rights, a key, an argument; asking again is no use
    │   └── Archived     the object is in an archive (S3 Glacier): it has to be restored before anybody can read it
    └── Unavailable      a dependency did not answer or throttled after its own retries
        └── NotSent      the mail service said that it takes no mail now: certainly none went out

Anything else that escapes a handler is our bug: logged once, redelivered, counted, dead-lettered with its cause.
"""

__all__ = [
    "Archived",
    "BatchFailed",
    "BatonError",
    "Conflict",
    "Fenced",
    "NotFound",
    "NotSent",
    "Refused",
    "Reject",
    "Retry",
    "SwitchRefused",
    "Unavailable",
    "said",
]


def said(error: BaseException) -> str:
    """Return an error's type and text. One of a job's own may not even be able to say its text: then the type alone."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except BaseException:  # noqa: BLE001 - whatever a foreign `__str__` raises
        return kind


class BatonError(Exception):
    """Base of every error that Baton raises on purpose."""


class Retry(BatonError):
    """The message cannot be handled yet; it comes back after `delay_seconds`."""

    def __init__(self, reason: str, *, delay_seconds: int) -> None:
        super().__init__(reason)
        self.delay_seconds = delay_seconds


class Reject(BatonError):
    """The message can never be handled (stale epoch, finished batch, unknown kind); it is deleted and logged."""


class BatchFailed(BatonError):
    """The batch ends FAILED. `code` is one constant word for metrics and docs, the text is for people.

    Every code has a line in docs/outcomes.md; a test holds the two together.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Fenced(BatonError):
    """A conditional write found another owner or a later state: this process must not continue the batch."""


class NotFound(BatonError):
    """An object, or the asked version of it, is not in this Region."""


class Conflict(BatonError):
    """A compare-and-set lost against another writer."""


class SwitchRefused(BatonError):
    """A safety rule, a gate or the wait period of the switch forbids this change: its own brake, which is obeyed."""


class Refused(BatonError):
    """A dependency answered that it will not do this call: no right to it, no key for it, or not with these arguments.

    Unlike `Unavailable` it says nothing about the dependency's health, and asking again changes nothing until somebody
    mends what is refused.
    """


class Archived(Refused):
    """The object's bytes are in an archive storage class: they can be read when its owner has restored them."""


class Unavailable(BatonError):
    """A dependency did not answer, or throttled, after the client's own retries."""


class NotSent(Unavailable):
    """The mail service answered that it takes no mail now: unlike after silence, to send again makes no second copy."""
