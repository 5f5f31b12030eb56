"""What is still known of a ledger row that this version of Baton cannot read."""

from dataclasses import dataclass

from baton.model.identity import is_canary_id


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A batch whose row a later version of Baton wrote, or a person. None: cannot be read, and is not guessed."""

    batch_id: str
    job: str | None = None
    key: str | None = None
    version_id: str | None = None
    state: str | None = None
    owner_epoch: int | None = None

    @property
    def is_canary(self) -> bool:
        """Whether it is a canary's, which concerns no people."""
        return is_canary_id(self.batch_id)
