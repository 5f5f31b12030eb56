"""Checks regularly whether our own Region could serve users after a takeover."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from baton.model.journal import Verdict
from baton.ports import Clock, Provisions
from handover import provided
from handover.provided import Provided, Provision
from handover.settings import ControllerSettings
from handover_shell.asking import Asking
from handover_shell.link_check import LinkCheck


class ProvisionsAsker:
    """Asks every `provisions_seconds`, and what was not answered at each call of `ask`."""

    def __init__(
        self,
        provisions: Provisions,
        *,
        settings: ControllerSettings,
        clock: Clock,
        found: Callable[[Provided], None],
        link: LinkCheck | None = None,
    ) -> None:
        """`link` is checked beside canaries; None: there is none to check, as where nobody signs links."""
        self._provisions = provisions
        self._settings = settings
        self._clock = clock
        self._found = found
        self._link = link
        # Nothing waits for it: a client that takes seconds to be made, on a busy machine, may take them.
        self._ask = Asking(settings.provisions_seconds / len(Provision))
        self._answered_at: dict[Provision, datetime] = {}

    async def ask(self) -> None:
        """Ask for what is due."""
        port, settings = self._provisions, self._settings
        await self._one(Provision.MAIL, port.mail, lambda mail, at: provided.of_mail(mail, settings, at))
        await self._one(Provision.RIGHTS, port.denied, provided.of_rights)
        await self._one(Provision.TASKS, port.tasks, provided.of_tasks)
        await self._one(Provision.ROOM, port.room, provided.of_room)
        newest = self._link.newest if self._link else _nothing(Provision.LINK, self._clock.now())
        if newest is not None:
            self._found(newest)

    async def _one[T](
        self,
        provision: Provision,
        question: Callable[[], Awaitable[T | None]],
        judge: Callable[[T, datetime], Provided],
    ) -> None:
        now, answered_at = self._clock.now(), self._answered_at.get(provision)
        if answered_at and now - answered_at < timedelta(seconds=self._settings.provisions_seconds):
            return
        answer = await self._ask.told(question)
        at = self._clock.now()
        if answer.error is not None:
            self._found(Provided(provision, Verdict.UNKNOWN, answer.error, at))
            return
        self._answered_at[provision] = at
        self._found(_nothing(provision, at) if answer.value is None else judge(answer.value, at))


def _nothing(provision: Provision, at: datetime) -> Provided:
    return Provided(provision, Verdict.HEALTHY, "nothing to ask here", at)
